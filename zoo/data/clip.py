"""One recording."""

from dataclasses import dataclass
from pathlib import Path

from zoo.data.names import Domain, Label, Split, split_folder


@dataclass(frozen=True)
class Clip:
    """One recording. What nobody says of it is `None`, never a guess.

    A machine is (year, machine): ToothBrush of 2024 and ToothBrush of 2026 are two machines.
    """

    path: Path
    year: str  # "2020" ... "2026", or "own" for recordings that are not the challenge's
    machine: str
    section: str  # two digits; the machine ID of 2020
    split: Split
    domain: Domain | None = None
    label: Label | None = None
    attributes: str | None = None  # opaque: the part of the file name after the index; None when hidden or absent
    below: str = ""  # one's own recordings: the folders between train or test and the file, with slashes

    @property
    def machine_folder(self) -> Path:
        """The folder that holds its train or test folder, or the folder that it lies in where there is none."""
        split = next((folder for folder in self.path.parents if split_folder(folder.name)), None)
        return split.parent if split else self.path.parent

    @property
    def name(self) -> str:
        """Name, as it stands in score tables and submission CSVs: of the file, and of the folders below train or test."""
        return f"{self.below}/{self.path.name}" if self.below else self.path.name
