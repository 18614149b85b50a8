"""Recordings that lie anywhere, a file, a flat folder or a tree, and which machine each of them is of."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo.data.annotations import LABELS
from zoo.data.names import AUDIO, parse_name, section_of_folder, split_folder
from zoo.data.problems import shown
from zoo.errors import AsdzooError, unknown_name
from zoo.formulas import formulas

Sections = Mapping[str, Sequence[str]]  # machine -> its sections


@dataclass(frozen=True)
class Loose:
    """A recording, where it lies, and whose it is."""

    path: Path
    name: str  # the file's, and the folders below the one that was typed, with slashes
    machine: str
    section: str

    @property
    def below(self) -> str:
        """The folders of its name below its split folder or its machine's, as `Clip.below` has them."""
        folders = self.name.split("/")[:-1]
        begin = max((place for place, name in enumerate(folders, 1) if split_folder(name) or name == self.machine), default=0)
        return "/".join(folders[begin:])


def loose_files(paths: Iterable[Path]) -> tuple[list[tuple[Path, Path]], list[str]]:
    """The recordings among and below `paths`, each with its place below what was typed, and a sentence on what is passed over.

    Training recordings of a tree are passed over; those of a train folder that is typed itself are not.
    Raises: AsdzooError for a path that is not there, and for a folder without recordings.
    """
    found: dict[Path, Path] = {}
    notes = []
    for path in paths:
        if path.is_file():
            found[path] = Path(path.name)
        elif not path.is_dir():
            raise AsdzooError(f"{path} is not there", "name a recording, or a folder of recordings")
        else:
            taken, passed, others = _below(path)
            if not taken:
                holds = f"no recordings but {len(passed)} in train folders" if passed else "no recordings"
                hint = (
                    f"name the train folder itself: {shown(passed[0].parent)}"
                    if passed
                    else "recordings are .wav, .flac, .mp3 and what else libsndfile reads"
                )
                raise AsdzooError(f"{path} holds {holds}", hint)
            found |= {one: one.relative_to(path) for one in taken}
            if passed:
                notes.append(f"{len(passed)} training recording(s) in {shown(path)} are passed over, first {shown(passed[0])}")
            if labels := [other for other in others if other.name == LABELS]:
                notes.append(
                    f"{shown(labels[0])} is not read here: labels are for `asdzoo evaluate`, in MACHINE/{LABELS} below --data"
                )
            if rest := [other for other in others if other.name != LABELS]:
                notes.append(f"{len(rest)} file(s) in {shown(path)} are no recordings and passed over, first {shown(rest[0])}")
    if said := formulas(below.as_posix() for below in found.values()):
        notes.append(said)
    return list(found.items()), notes


def _below(folder: Path) -> tuple[list[Path], list[Path], list[Path]]:
    """Recordings, training recordings, and other files below a folder, sorted; hidden ones are none of them."""
    taken, passed, others = [], [], []
    for place, folders, names in os.walk(folder, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(name for name in names if not name.startswith(".")):
            path = Path(place) / name
            if not name.casefold().endswith(AUDIO):
                others.append(path)
            elif any(split_folder(part) in ("train", "supplemental") for part in path.relative_to(folder).parts[:-1]):
                passed.append(path)
            else:
                taken.append(path)
    return taken, passed, others


def whose(path: Path, sections: Sections, machine: str | None = None, section: str | None = None) -> tuple[str, str]:
    """Machine and section of a recording: as said, or by the folders it lies in and its name, or the only ones there are.

    Raises: AsdzooError for unknown ones, and where it is not clear.
    """
    its = machine if machine is not None else _machine(path, sections)
    if its not in sections:
        raise unknown_name("machine of this run", its, sections)
    if section is None:
        name = parse_name(path.name)
        said = [name.section] if name is not None else []
        said += [inner for folder in path.parts[-2::-1] if (inner := section_of_folder(folder))]
        if (found := next((one for one in said if one in sections[its]), None)) or len(sections[its]) == 1:
            return its, found or sections[its][0]
        raise AsdzooError(
            f"{shown(path)} does not say its section of {its}", f"say it: --section {' or --section '.join(sections[its])}"
        )
    if section not in sections[its]:
        raise unknown_name(f"section of {its}", section, sections[its])
    return its, section


def _machine(path: Path, sections: Sections) -> str:
    folders = [parent.name for parent in path.absolute().parents]
    if known := next((folder for folder in folders if folder in sections), None):
        return known
    every = ", ".join(sorted(sections))
    stranger = next((folders[depth + 1] for depth, folder in enumerate(folders[:-1]) if split_folder(folder)), None)
    if stranger:
        raise AsdzooError(
            f"{shown(path)} lies in the folder of a machine {stranger}, which this run does not know",
            f"say whose it is: --machine {next(iter(sorted(sections)))}; this run knows {every}",
        )
    if len(sections) == 1:
        return next(iter(sections))
    raise AsdzooError(
        f"{shown(path)} does not say its machine", f"say it: --machine {next(iter(sorted(sections)))}; this run knows {every}"
    )
