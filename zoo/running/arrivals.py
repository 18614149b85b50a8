"""Recordings that come to a finished run: which of them are new, and under which names, so that none changes the past.

A run's training recordings are those that it was trained on: others in train/ have no part in its detectors and calibration.
A test recording whose name the run has scored already is either that very recording, or another one (a recorder that counts
from 0000.wav each day): then the earlier row stays, and the new one gets a name of its own where names are free.
"""

import filecmp
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from zoo.data.clips import Clip
from zoo.data.years import OWN
from zoo.errors import AsdzooError, listed, typed
from zoo.running.embeddings import Embeddings, Stamp
from zoo.running.folder import Run
from zoo.running.plan import stamp
from zoo.running.task_folder import TaskFolder
from zoo.scores import ScoreTable

Key = tuple[str, str, str, str]  # machine, section, split, name


@dataclass
class Past:
    """What a run has scored."""

    rows: dict[Key, tuple[Clip, Stamp]] = field(default_factory=dict)
    training: set[Key] = field(default_factory=set)  # by the score tables, also where embeddings are gone

    def add(self, embedded: Embeddings) -> None:
        for clip, of_it in zip(embedded.clips, embedded.stamps, strict=True):
            self.rows.setdefault(_key(clip), (clip, of_it))


def past_of(run: Run) -> Past:
    """What a run has scored, and was trained on."""
    past = Past()
    for name, entry in run.info().systems.items():
        for folder in (TaskFolder(run.system_folder(name) / task) for task in entry.tasks):
            for path in (folder.embeddings(machine) for machine in folder.info().machines):
                if path.exists():
                    past.add(Embeddings.read(path))
        if run.score_path(name).exists():
            rows = run.scores(name).frame.query("split == 'train'")
            past.training |= set(rows[["machine", "section", "split", "clip"]].itertuples(index=False, name=None))
    return past


def trained_parts(run: Run) -> set[str]:
    """Machines and sections that some system of a run has training scores of."""
    rows = [run.scores(name).frame.query("split == 'train'") for name in run.info().systems if run.score_path(name).exists()]
    return {
        f"{machine} {section}" for frame in rows for machine, section in zip(frame["machine"], frame["section"], strict=True)
    }


def arrivals(clips: Iterable[Clip], past: Past, folder: Path, note: Callable[[str], None]) -> dict[int, Clip]:
    """Position in `clips` -> the recording as the run calls it, of all that `asdzoo score` may take; `note` hears of others.

    `folder` is where they were found; its name tells recordings of one name apart.
    """
    taken: dict[int, Clip] = {}
    unheard: dict[str, list[str]] = {}
    refused: dict[str, list[str]] = {}
    renamed: list[str] = []
    named = set(past.rows)
    machines = {machine for machine, _, _, _ in named | past.training}
    for position, clip in enumerate(clips):
        known = past.rows.get(_key(clip))
        if clip.machine not in machines:
            taken[position] = clip
        elif clip.split == "train":
            if known is not None and not _same(*known, clip):
                unheard.setdefault(clip.machine, []).append(clip.name)
            elif known is not None or _key(clip) in past.training:
                taken[position] = clip
            else:
                unheard.setdefault(clip.machine, []).append(clip.name)
        elif clip.split != "test" or known is None or _same(*known, clip):
            taken[position] = clip
        elif clip.year != OWN:
            refused.setdefault(clip.machine, []).append(clip.name)
        else:
            taken[position] = own = _called(clip, past.rows, named, folder.resolve().name or "later")
            named.add(_key(own))
            if _key(own) not in past.rows:
                renamed.append(f"{clip.name} as {own.name}")
    for machine, names in unheard.items():
        note(
            f"{len(names)} training recording(s) of {machine} are not those that this run was trained on and are left out "
            f"({listed(names)}): `asdzoo train-all` learns them, in test/ they are scored"
        )
    for machine, names in refused.items():
        note(
            f"{len(names)} recording(s) of {machine} bear the names of others that this run has scored, and are left out "
            f"({listed(names)}): `asdzoo train-all` takes them in place of the others"
        )
    if renamed:
        note(f"{len(renamed)} recording(s) bear the names of others that this run has scored; in the tables: {listed(renamed)}")
    return taken


def departures(run: Run, system: str, parts: Iterable[ScoreTable]) -> str:
    """A sentence on test recordings that a system's table has and its coming one, made of `parts`, has not; "" without any.

    Mostly `asdzoo score` brought them, from another folder than the one that is trained on.
    """
    try:
        before = _tested(run.scores(system))
    except AsdzooError:  # there is none, or it is damaged and written anew
        return ""
    gone = sorted(before.difference(*map(_tested, parts)))
    if not gone:
        return ""
    names = listed([f"{machine}/{clip}" for machine, _, clip in gone])
    return (
        f"{len(gone)} test recording(s) that were scored are not below --data, and leave the score tables: {names}; "
        f"`asdzoo score --data FOLDER --run {typed(run.folder)}` brings those in FOLDER back"
    )


def _tested(table: ScoreTable) -> set[tuple[str, str, str]]:
    rows = table.frame.query("split == 'test'")[["machine", "section", "clip"]]
    return set(rows.itertuples(index=False, name=None))


def _key(clip: Clip) -> Key:
    return clip.machine, clip.section, clip.split, clip.name


def _same(before: Clip, of_it: Stamp, clip: Clip) -> bool:
    """Whether a recording is the one that was scored, wherever it lies now."""
    size, mtime, *digest = stamp(clip)[4:]
    if size != of_it[4]:
        return False
    if len(of_it) > 6:
        return digest == of_it[6:]
    if mtime == of_it[5] or not before.path.is_file():  # in a run of 0.1 nothing more could speak against it
        return True
    return before.path.resolve() != clip.path.resolve() and filecmp.cmp(before.path, clip.path, shallow=False)


def _called(clip: Clip, rows: Mapping[Key, tuple[Clip, Stamp]], named: Iterable[Key], folder: str) -> Clip:
    """The clip under the first name below `folder` that is free, or that it has got before."""
    number = 1
    while True:
        below = folder if number == 1 else f"{folder}~{number}"
        called = replace(clip, below=f"{below}/{clip.below}" if clip.below else below)
        if _key(called) not in named or (_key(called) in rows and _same(*rows[_key(called)], clip)):
            return called
        number += 1
