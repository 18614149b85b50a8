"""One recording, and what its name says about it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Split = Literal["train", "test", "supplemental"]
Domain = Literal["source", "target"]
Label = Literal["normal", "anomaly"]


@dataclass(frozen=True)
class Clip:
    """One recording. What its name does not say is `None`, never a guess.

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

    @property
    def name(self) -> str:
        """File name, as it stands in score tables and submission CSVs."""
        return self.path.name
