"""Clips that a task is trained on beside those of its machines, and that are neither embedded nor scored.

other years     normal training clips of other years' folders (`--also`); a class has its year in it, so the same machine of
                two years is two classes. Their test clips are never opened
supplemental    recordings of the machine alone, without other noise (2025), where a system says `supplemental: true`

Rules of 2025 and 2026: the challenge's own training clips of earlier years, and its supplemental clips, may be used.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from zoo.data.clips import Clip, Recordings, find_clips
from zoo.data.groups import group_of
from zoo.errors import AsdzooError, listed
from zoo.systems import System

CLEAN = "machine"  # what the name of a supplemental clip of the machine alone says


def with_other_years(clips: Recordings, folders: Sequence[Path]) -> Recordings:
    """`clips`, and behind them the normal training clips of folders of other years; what else lies there is not opened.

    Raises: AsdzooError when a folder is missing or named twice, has no training clips, does not tell its year, or is of that
    of `clips`.
    """
    both, problems, year = list(clips), list(clips.problems), clips[0].year
    places: list[Path] = []
    for folder in folders:
        place = folder.resolve()
        if any(place == one or place in one.parents or one in place.parents for one in places):
            raise AsdzooError(f"--also names {folder} twice, or a folder inside another", "name each year's folder once")
        places.append(place)
        try:
            found = find_clips(folder)
        except AsdzooError as problem:
            hint = "name folders of one year each, with the year in the name, as in --also dcase2023t2,dcase2024t2"
            raise AsdzooError(f"--also: {problem.message}", hint) from problem
        if found[0].year == year:
            raise AsdzooError(
                f"--also {folder} is of {year} itself, the year of the run", "leave it out, or lay its machines below --data"
            )
        normal = [clip for clip in found if clip.split == "train" and clip.label != "anomaly"]
        if not normal:
            raise AsdzooError(f"--also {folder} has no training clips", "they lie in MACHINE/train/*.wav")
        both += normal
        others = {clip.path for clip in found if clip.split != "train"}
        problems += [problem for problem in found.problems if problem.path not in others]
    return Recordings(both, problems)


def beside(
    system: System, group: str, machines: Sequence[str], clips: Sequence[Clip], also: Sequence[Clip], groups: Mapping[str, str]
) -> tuple[Clip, ...]:
    """What a task of this group learns beside the training clips of its machines; nothing where nothing is trained."""
    if system.config.training is None:
        return ()
    clean = [clip for clip in clips if clip.split == "supplemental" and clip.attributes == CLEAN and clip.machine in machines]
    shared = sharing(system, groups)
    return (*(clean if system.config.supplemental else []), *(clip for clip in also if shared(clip.machine) == group))


def sharing(system: System, groups: Mapping[str, str]) -> Callable[[str], str]:
    """From a machine to what it shares a network with: "all", a machine group, or itself."""
    kind = system.config.train_on
    return lambda machine: {"all": "all", "group": group_of(machine, groups), "machine": machine}[kind]


def passed_over(system: System, learnt: Sequence[Clip], also: Sequence[Clip]) -> list[str]:
    """Sentences on what a system was asked to learn beside its clips and does not; `learnt` is what it does."""
    if system.config.training is None:
        return [f"{system.name} trains nothing, so that clips of other years do not concern it"] if also else []
    said = []
    known = set(learnt)
    if left := sorted({f"{clip.machine} of {clip.year}" for clip in also if clip not in known}):
        said.append(f"{system.name} does not learn {listed(left, 6)}: no machine of the run shares a network with them")
    if system.config.supplemental and not any(clip.split == "supplemental" for clip in learnt):
        said.append(f"{system.name} learns supplemental clips as well, and there are none of a machine alone")
    return said
