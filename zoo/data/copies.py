"""Recordings that are there twice: a file manager's copies, files of the same bytes, and two folders that make one machine.

Copies are left out and counted, so that they never become classes, nor weigh twice. Test clips of the challenge are only left
out when a second folder repeats them: the organisers' list says which are to be scored.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from zoo.data.clip import Clip
from zoo.data.identity import equal_files
from zoo.data.names import bare_name, copied_name
from zoo.data.problems import Problem, shown
from zoo.data.years import OWN
from zoo.errors import typed

_Key = tuple[str, str]  # section, split: what two folders of one machine should not both have


def without_copies(folders: Sequence[tuple[Path, list[Clip]]]) -> tuple[list[Clip], list[Problem]]:
    """The clips of all machine folders but for copies, and one line for each folder, or pair of folders, that held some.

    folders: machine folder and its clips, in the order in which the first of two is kept.
    """
    machines: dict[str, list[tuple[Path, list[Clip]]]] = {}
    for path, clips in folders:
        machines.setdefault(clips[0].machine if clips else "", []).append((path, clips))
    kept: list[Clip] = []
    problems: list[Problem] = []
    for machine in machines.values():
        before: list[tuple[Path, list[Clip]]] = []
        for path, clips in machine:
            clips, found = _within(path, clips)
            problems += found
            for other, others in before:
                clips, found = _between(other, others, path, clips)
                problems += found
            before.append((path, clips))
        kept += [clip for _, clips in before for clip in clips]
    return kept, problems


def _key(clip: Clip) -> _Key:
    return clip.section, clip.split


def _within(path: Path, clips: list[Clip]) -> tuple[list[Clip], list[Problem]]:
    """Copies in one machine folder."""
    problems = []
    originals = {clip: original for clip in clips if (original := copied_name(bare_name(clip.path.name))) is not None}
    names = {(*_key(clip), clip.path.parent, bare_name(clip.path.name)) for clip in clips} if originals else set()
    sooner = sorted(clips, key=lambda clip: clip in originals) if originals else clips  # originals before their copies
    equal = _equal(sooner) if originals else {}
    by_name = []
    for clip, original in originals.items():
        if (*_key(clip), clip.path.parent, original) in names and (clip.year != OWN or clip.path in equal):
            by_name.append(clip)
    if by_name:
        sentence = f"holds {len(by_name)} file(s) whose names say that they are copies, left out, first {_first(by_name)}"
        problems.append(Problem("warning", path, sentence))
    rest = [clip for clip in clips if clip not in set(by_name)] if by_name else clips
    left = set(rest)
    equal = _equal(clip for clip in sooner if clip in left and (clip.year == OWN or clip.split != "test"))
    same = [clip for clip in rest if clip.path in equal]
    if same:
        first = f"{_first(same)} is {shown(Path(equal[same[0].path].name))}"
        problems.append(Problem("warning", path, f"holds {len(same)} recording(s) byte for byte twice, left out once: {first}"))
        contrary = {clip.path: clip.label for clip in rest}
        odd = [clip for clip in same if clip.label and contrary[equal[clip.path]] not in (None, clip.label)]
        if odd:
            problems.append(Problem("warning", odd[0].path, f"is labelled {odd[0].label}, and its twin is labelled otherwise"))
    return [clip for clip in rest if clip.path not in equal], problems


def _between(first: Path, firsts: Sequence[Clip], second: Path, seconds: list[Clip]) -> tuple[list[Clip], list[Problem]]:
    """What is left of the second of two folders of one machine, and a line about the pair."""
    shared = {_key(clip) for clip in firsts} & {_key(clip) for clip in seconds}
    if not shared:  # development and evaluation tree, or train and test apart
        return seconds, []
    ours, theirs = [clip for clip in firsts if _key(clip) in shared], [clip for clip in seconds if _key(clip) in shared]
    equal = _equal([*ours, *theirs])
    problems = []
    copies = {clip for clip in theirs if clip.path in equal}
    if copies:
        sentence = f"repeats {len(copies)} recording(s) of {shown(first)}, which are taken instead"
        problems.append(Problem("warning", second, sentence))
    rest = [clip for clip in theirs if clip not in copies]
    if not rest:
        return [clip for clip in seconds if clip not in copies], problems
    machine, year = rest[0].machine, rest[0].year
    cure = f"if they are two machines, rename one: mv {typed(shown(second))} {typed(shown(second.with_name(f'{machine}-2')))}"
    names = {(*_key(clip), clip.name) for clip in ours}
    if year == OWN and not any((*_key(clip), clip.name) in names for clip in rest):
        sentence = f"and {shown(first)} are taken together as one machine {machine}; {cure}"
        problems.append(Problem("warning", second, sentence))
        return [clip for clip in seconds if clip not in copies], problems
    cure += "" if year == OWN else f"; if they are of two years, name one with --data {typed(shown(first.parent))}"
    sentence = f"and {shown(first)} both hold other recordings of {machine}: {len(rest)} are left out here; {cure}"
    problems.append(Problem("error", second, sentence))
    return [clip for clip in seconds if _key(clip) not in shared], problems


def leaks(clips: Iterable[Clip]) -> list[Problem]:
    """A line for each machine that has test clips with the bytes of training clips: nothing is learnt from their scores."""
    machines: dict[str, list[Clip]] = {}
    for clip in clips:
        if clip.split in ("train", "test"):
            machines.setdefault(clip.machine, []).append(clip)
    problems = []
    for machine, own in machines.items():
        own.sort(key=lambda clip: clip.split == "test")  # training clips first: a test clip is found to equal one of them
        splits = {clip.path: clip.split for clip in own}
        equal = equal_files(splits) if len(set(splits.values())) == 2 else {}
        twins = {path: first for path, first in equal.items() if splits[path] != splits[first]}
        if twins:
            path, first = next(iter(twins.items()))
            sentence = (
                f"is byte for byte the training clip {shown(first)}, as are {len(twins)} test clip(s) of {machine} "
                "in all: what they score says nothing, take them out of one of the two"
            )
            problems.append(Problem("warning", path, sentence))
    return problems


def _equal(clips: Iterable[Clip]) -> dict[Path, Path]:
    """Path -> the path of an earlier clip of the same section and split with the same bytes."""
    groups: dict[_Key, list[Path]] = {}
    for clip in clips:
        groups.setdefault(_key(clip), []).append(clip.path)
    return {path: first for paths in groups.values() for path, first in equal_files(paths).items()}


def _first(clips: Sequence[Clip]) -> str:
    return shown(Path(clips[0].name))
