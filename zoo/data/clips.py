"""One recording, and how a tree of recordings becomes a list of them.

Conventions
-----------
machine folder  a folder with wav files in `train/`, `test/`, `source_test/`, `target_test/`, `test_rename/` or
                `supplemental/`; its name is the machine. It may lie at any depth; folders of one name (development and
                evaluation tree) are one machine.
year            from a token in the path (`dcase2024t2`) when that year has the machine, else from machine names, sections and
                layout when they leave one year only; "own" for machines that no year has, and for names that are not the
                challenge's
"""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.data.annotations import read_labels
from zoo.data.names import SPLIT_FOLDERS, ClipName, Domain, Label, Split, bare_name, parse_name
from zoo.data.years import OWN, YEARS, years_of
from zoo.errors import AsdzooError

if TYPE_CHECKING:
    import pandas as pd

_LAYOUT_HINT = "recordings lie in MACHINE/train/*.wav and MACHINE/test/*.wav, at any depth below the folder you name"


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


def find_clips(root: Path, year: str | None = None) -> list[Clip]:
    """All recordings of one year below `root`, sorted by machine, section, split (train, test, supplemental) and name.

    `root` is a machine folder, a folder of them, or any tree above. `year` picks one where the tree holds several or does not
    say; "own" takes the recordings as nobody's. Where blind names (`test/`) and true names (`test_rename/`) stand side by
    side, the true names are taken. A challenge machine's wav files without a challenge name are left out (`zoo.data.scan` lists
    them).

    Raises: AsdzooError when `root` is missing, no folder, or without recordings; when the year is unclear or not one.
    """
    root = Path(root)
    if not root.exists():
        raise AsdzooError(f"there is no folder {root}", "name the folder of your recordings with --data")
    if not root.is_dir():
        raise AsdzooError(f"{root} is a file, not a folder of recordings", f"try its folder: --data {root.parent}")
    if year is not None and year not in (*YEARS, OWN):
        raise AsdzooError(f"there is no year {year!r}", f"known: {', '.join(YEARS)}, {OWN}")
    folders = list(_machine_folders(root))
    if not folders:
        raise AsdzooError(f"{root} holds no recordings", _what_else(root))
    year, folders = _one_year(root, folders, year)
    clips = [clip for folder in folders for clip in folder.clips(year)]
    order: dict[Split, int] = {"train": 0, "test": 1, "supplemental": 2}
    return sorted(clips, key=lambda clip: (clip.machine, clip.section, order[clip.split], clip.name, str(clip.path)))


def clip_table(clips: Iterable[Clip]) -> "pd.DataFrame":
    """Clips as a table, a row each; its columns are the fields of `Clip`, paths as text."""
    import pandas as pd

    columns = [field.name for field in fields(Clip)]
    rows = [[str(clip.path), *(getattr(clip, column) for column in columns[1:])] for clip in clips]
    return pd.DataFrame(rows, columns=columns, dtype=object)


@dataclass(frozen=True)
class _MachineFolder:
    path: Path
    wavs: dict[str, list[str]]  # split folder -> file names

    @cached_property
    def machine(self) -> str:
        return self.path.name if self.path.name not in ("", "..") else self.path.resolve().name  # a link keeps its name

    @cached_property
    def names(self) -> dict[tuple[str, str], ClipName]:
        """(split folder, file name) -> what it says, for names of the challenge."""
        parsed = {(folder, wav): parse_name(wav, folder) for folder, wavs in self.wavs.items() for wav in wavs}
        return {key: name for key, name in parsed.items() if name is not None}

    @cached_property
    def possible_years(self) -> frozenset[str]:
        """The years that have this machine, these sections and this layout; {"own"} when none has."""
        names = self.names.values()
        years = set(years_of(self.machine)) if names else set()
        years &= {year for year in years if {name.section for name in names} <= set(YEARS[year].sections(self.machine))}
        years &= {"2020"} if any(name.form == "id" for name in names) else years - {"2020"}
        if self.wavs.keys() & {"source_test", "target_test"}:
            years &= {"2021"}
        if "supplemental" in self.wavs:
            years &= {"2025", "2026"}
        if any(name.hidden for name in names):
            years &= {"2024", "2025", "2026"}
        return frozenset(years or {OWN})

    @cached_property
    def likely_years(self) -> frozenset[str]:
        """The possible years, or the one that the path names, the deepest token first."""
        tokens = re.findall(r"(?<!\d)20\d\d(?!\d)", self.path.absolute().as_posix())
        return next((frozenset({token}) for token in reversed(tokens) if token in self.possible_years), self.possible_years)

    def clips(self, year: str) -> Iterator[Clip]:
        annotations = read_labels(self.path) if year == OWN else {}
        for folder, wavs in self.wavs.items():
            for wav in wavs:
                path, name = self.path / folder / wav, self.names.get((folder, wav))
                if name is not None:
                    clip = Clip(path, year, self.machine, name.section, name.split, name.domain, name.label, name.attributes)
                elif year == OWN:
                    clip = Clip(path, year, self.machine, "00", SPLIT_FOLDERS[folder])
                else:
                    continue
                said = annotations.get(f"{folder}/{bare_name(wav)}") or annotations.get(bare_name(wav)) or {}
                yield replace(clip, **said)


def _machine_folders(root: Path) -> Iterator[_MachineFolder]:
    """Machine folders at and below `root`; symbolic links are followed, each real folder is visited once."""
    waiting, seen = [root], set()
    while waiting:
        folder = waiting.pop()
        if (real := os.path.realpath(folder)) in seen:
            continue
        seen.add(real)
        below = sorted(name for name, is_folder in _entries(folder) if is_folder and not name.startswith((".", "__MACOSX")))
        wavs = {name: wavs_in(folder / name) for name in below if name in SPLIT_FOLDERS}
        wavs = {name: found for name, found in wavs.items() if found}
        if wavs:
            if "test_rename" in wavs:
                wavs.pop("test", None)
            yield _MachineFolder(folder, wavs)
        waiting.extend(folder / name for name in reversed(below) if name not in wavs)


def wavs_in(folder: Path) -> list[str]:
    """Names of the wav files that lie directly in a folder, sorted; hidden ones do not count (macOS leaves `._x.wav`)."""
    return sorted(
        name
        for name, is_folder in _entries(folder)
        if not is_folder and name.lower().endswith(".wav") and not name.startswith(".")
    )


def _entries(folder: Path) -> Iterator[tuple[str, bool]]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                yield entry.name, entry.is_dir()
    except PermissionError as problem:
        raise AsdzooError(
            f"may not read the folder {folder}", "give yourself the right to read it, or name another"
        ) from problem


def _what_else(root: Path) -> str:
    zips = sorted(path.name for path in root.glob("*.zip"))
    if zips:
        return f"it holds {len(zips)} zip file(s): unzip them first, for example `unzip {root / zips[0]} -d {root}`"
    return _LAYOUT_HINT


def _one_year(root: Path, folders: list[_MachineFolder], year: str | None) -> tuple[str, list[_MachineFolder]]:
    """The year of the clips and the folders that are of it."""
    likely = [folder.likely_years for folder in folders]
    # Folders without a token are taken to come from one year: bandsaw, which is of 2023 alone, decides for the fan beside it.
    known = [years for years in likely if OWN not in years]
    common = frozenset.intersection(*known) if known else frozenset()
    if len(common) == 1:
        likely = [years if OWN in years else common for years in likely]
    if year is not None:
        chosen = [folder for folder, years in zip(folders, likely, strict=True) if year in years]
        # What is asked for wins over a token in the path, and files machines that no year knows under that year.
        chosen = chosen or [folder for folder in folders if year == OWN or year in folder.possible_years]
        if not chosen and all(OWN in years for years in likely):
            chosen = [folder for folder in folders if folder.names]
        if not chosen:
            raise AsdzooError(f"{root} holds no recordings of {year}", f"it holds {_listing(folders, likely)}")
        return year, chosen
    unclear = [(folder, years) for folder, years in zip(folders, likely, strict=True) if len(years) > 1]
    if unclear:
        candidates = sorted(frozenset.union(*(years for _, years in unclear)))
        machines = ", ".join(dict.fromkeys(folder.machine for folder, _ in unclear))
        raise AsdzooError(
            f"{root} does not say its year: {machines} may be of {', '.join(candidates)}",
            f"say which, for example --year {candidates[0]}",
        )
    found = sorted(frozenset.union(*likely))
    if len(found) > 1:
        raise AsdzooError(
            f"{root} holds several years: {_listing(folders, likely)}", f"pick one, for example --year {found[0]}"
        )
    return found[0], folders


def _listing(folders: Iterable[_MachineFolder], likely: Iterable[frozenset[str]]) -> str:
    """For example `2023 (bandsaw, fan), own (MyPump)`."""
    machines: dict[str, list[str]] = {}
    for folder, years in zip(folders, likely, strict=True):
        machines.setdefault(" or ".join(sorted(years)), []).append(folder.machine)
    return ", ".join(f"{years} ({', '.join(dict.fromkeys(names))})" for years, names in sorted(machines.items()))
