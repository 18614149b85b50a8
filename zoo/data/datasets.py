"""Which archives hold the recordings: the table `configs/datasets.yaml`, typed, and what is picked from it."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from zoo.config import Frozen, load_yaml, parse, shipped_configs
from zoo.errors import AsdzooError, unknown_name

PartName = Literal["dev", "additional", "evaluation"]
PARTS: tuple[PartName, ...] = get_args(PartName)
SUBSETS: dict[PartName, str] = {
    "dev": "dev_data",
    "additional": "eval_data",
    "evaluation": "eval_data",
}  # as the baseline has it


class Archive(NamedTuple):
    """One zip. What is `None` is asked of the record when it is fetched."""

    file: str
    md5: str | None
    bytes: int | None


class Superseded(Frozen):
    """What the organisers have replaced: a file, or all of a record (then its files may bear the names of the new ones)."""

    by: str
    note: str
    file: str | None = None
    record: int | None = None

    def __str__(self) -> str:
        return f"{self.file or f'record {self.record}'}, superseded by {self.by} ({self.note})"


class Part(Frozen):
    """The archives of one Zenodo record, one for each machine."""

    record: int
    archives: dict[str, Archive]
    checksums: str | None = None  # where the md5 were read; None when none is known
    superseded: tuple[Superseded, ...] = ()


class Truth(Frozen):
    """The organisers' evaluator with the labels of the evaluation clips, a repository on GitHub."""

    repository: str
    revision: str  # a commit, or HEAD
    licence: str | None = None


class DataSet(Frozen):
    """All parts of one challenge year, or of a related set."""

    title: str
    folder: str  # below the data folder
    licence: str | None = None  # None: the record says it
    parts: dict[PartName, Part]
    truth: Truth | None = None

    @property
    def machines(self) -> tuple[str, ...]:
        """All machines, in the order of the table."""
        return tuple(dict.fromkeys(machine for part in self.parts.values() for machine in part.archives))


class _Table(Frozen):
    sets: dict[str, DataSet]


@dataclass(frozen=True)
class Wanted:
    """One archive that was asked for."""

    part: PartName
    record: int
    machine: str
    archive: Archive

    @property
    def file(self) -> str:
        return self.archive.file

    def machine_folder(self, root: Path) -> Path:
        """Where its recordings belong below the folder of the data set."""
        return root / SUBSETS[self.part] / "raw" / self.machine


@cache
def load_datasets(path: Path | None = None) -> dict[str, DataSet]:
    """Name (a year, or `mimii_due`) -> data set. Raises: AsdzooError when the file is not of the form of the shipped one."""
    path = path or shipped_configs() / "datasets.yaml"
    return parse(_Table, load_yaml(path), str(path)).sets


def find_dataset(name: str) -> DataSet:
    """The data set of that name. Raises: AsdzooError that lists the known ones."""
    known = load_datasets()
    if name not in known:
        raise unknown_name("data set", name, known)
    return known[name]


def choose(dataset: DataSet, parts: Iterable[PartName] = (), machines: Iterable[str] = ()) -> list[Wanted]:
    """The archives of these parts and machines (all, where none are named), in the order of the table.

    Raises: AsdzooError for a machine that the data set has not, or that none of the parts has.
    """
    machines, parts = list(machines), list(parts) or list(dataset.parts)
    if absent := [part for part in parts if part not in dataset.parts]:
        raise AsdzooError(f"{dataset.title} has no part {absent[0]}", f"it has {', '.join(dataset.parts)}")
    for machine in machines:
        if machine not in dataset.machines:
            raise unknown_name("machine", machine, dataset.machines)
    wanted = [
        Wanted(part, dataset.parts[part].record, machine, archive)
        for part in parts
        for machine, archive in dataset.parts[part].archives.items()
        if machine in (machines or dataset.machines)
    ]
    for machine in machines:
        if not any(one.machine == machine for one in wanted):
            having = [part for part, found in dataset.parts.items() if machine in found.archives]
            raise AsdzooError(
                f"{machine} is not in the part {', '.join(parts)} of {dataset.title}", f"--part {having[0]} has it"
            )
    return wanted
