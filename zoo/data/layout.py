"""A tree of folders becomes machine folders; every recording that is in none of them is named.

Conventions
-----------
split folder    a folder called train, test, source_test, target_test, test_rename or supplemental, in any case; the innermost
                one decides, and the recordings below it may lie at any depth
machine folder  the folder that holds split folders
lone folder     the only folder of the tree that holds recordings, without a split folder: a machine all the same
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from zoo.data.annotations import LABELS
from zoo.data.folders import Folder, Found, MachineFolder, own_name
from zoo.data.names import AUDIO, UNDECODABLE, Split, label_of_folder, parse_name, split_folder
from zoo.data.passed_over import PACKED, near_miss, nothing_there, passed_over
from zoo.data.problems import Problem
from zoo.errors import AsdzooError


def find_machines(root: Path, lone: Split = "train") -> tuple[list[MachineFolder], list[Problem]]:
    """The machine folders at and below `root`, and what is passed over in it.

    Symbolic links are followed, and each real folder is visited once. `lone` is the split of a lone folder's recordings. A
    split folder as root is one of the machine above it.

    Raises: AsdzooError when there is no recording in a place that has a meaning, saying what was found where.
    """
    folders = list(_walk(root))
    grouped: dict[tuple[str, ...], list[Found]] = {}
    paths: dict[tuple[str, ...], Path] = {}
    strays: list[Folder] = []
    for folder in folders:
        if folder.hidden or not folder.recordings:
            continue
        split = _split_position(folder.within)
        if split is None:
            strays.append(folder)
            continue
        machine = folder.within[:split]
        paths[machine] = folder.path if split == len(folder.within) else folder.path.parents[len(folder.within) - split - 1]
        for name in folder.recordings:
            found = Found(folder.path / name, split_folder(folder.within[split]) or "", folder.within[split + 1 :])
            grouped.setdefault(machine, []).append(found)
    machines = [MachineFolder(paths[within], within, tuple(found)) for within, found in grouped.items()]
    problems: list[Problem] = []
    if not machines and len(strays) == 1:
        machines, problems = _lone(root, strays[0], lone)
        strays = []
    if not machines:
        raise nothing_there(root, folders, strays)
    problems += passed_over(folders, strays, machines)
    return machines, problems


def _walk(root: Path) -> Iterator[Folder]:
    waiting: list[tuple[Path, tuple[str, ...], bool]] = [(root, (), False)]
    seen = set()
    while waiting:
        path, within, hidden = waiting.pop()
        if (real := os.path.realpath(path)) in seen:
            continue
        seen.add(real)
        folder = Folder(path, within, hidden)
        below = []
        for name, is_folder in sorted(_entries(path)):
            if is_folder:
                below.append(name)
            elif name.lower().endswith(AUDIO) and not name.startswith("."):
                folder.recordings.append(name)
            elif name.lower().removesuffix("~").endswith((*AUDIO, *UNDECODABLE, *PACKED)) or name.casefold() == LABELS:
                folder.others.append(name)
        folder.empty = not (below or folder.recordings or folder.others)
        waiting.extend((path / name, (*within, name), hidden or name.startswith((".", "__MACOSX"))) for name in reversed(below))
        yield folder


def _entries(folder: Path) -> Iterator[tuple[str, bool]]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                yield entry.name, entry.is_dir()
    except PermissionError as problem:
        raise AsdzooError(
            f"may not read the folder {folder}", "give yourself the right to read it, or name another"
        ) from problem


def _split_position(within: Sequence[str]) -> int | None:
    """Which of the folders is the split folder: the innermost one, unless it lies right below another (`train/test/`)."""
    positions = [position for position, name in enumerate(within) if split_folder(name)]
    if not positions:
        return None
    position = positions[-1]
    while position - 1 in positions:
        position -= 1
    return position


def _lone(root: Path, folder: Folder, split: Split) -> tuple[list[MachineFolder], list[Problem]]:
    found = tuple(Found(folder.path / name, split) for name in folder.recordings)
    if known := split_folder(own_name(folder.path)):  # the root itself is MACHINE/train
        found = tuple(Found(folder.path / name, known) for name in folder.recordings)
        above = folder.path.parent if folder.path.name not in ("", "..") else folder.path.resolve().parent
        return [MachineFolder(above, (), found)], []
    if label_of_folder(own_name(folder.path)) or near_miss(own_name(folder.path)):
        return [], []
    said = [parse_name(name) for name in folder.recordings]
    if all(said):  # names of the challenge say the split themselves
        found = tuple(Found(one.path, name.split) for one, name in zip(found, said, strict=True) if name)
        taken = "as their names say"
    else:
        taken = f"as {split} recordings"
    machine = own_name(folder.path)
    sentence = f"holds {len(found)} recording(s) and no train or test folder: they are taken {taken} of a machine {machine}"
    return [MachineFolder(folder.path, folder.within, found)], [Problem("warning", folder.path, sentence)]
