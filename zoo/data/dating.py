"""The year of each machine folder: what names, layout and neighbours leave of the years, and which of them is asked for.

A year that stands in the name of a folder *below* the root (`dcase2024t2`) says the year when that year has the machine; the
root's own name counts too, but yields to a year that is asked for. What lies above the root says nothing. Folders side by side
are taken to come from one year, as far as one year has them all: bandsaw, which is of 2023 alone, decides for the fan beside
it, but not for another fan in the next folder.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo.data.folders import MachineFolder, own_name
from zoo.data.problems import Problem, shown
from zoo.data.years import OWN, YEARS, years_of
from zoo.errors import AsdzooError, listed


def possible_years(folder: MachineFolder) -> frozenset[str]:
    """The years that have this machine, these sections and this layout; {"own"} when none has."""
    years = set(years_of(folder.machine)) if folder.names else set()
    sections = {name.section for name in folder.names}
    years &= {year for year in years if sections <= set(YEARS[year].sections(folder.machine))}
    years &= {"2020"} if any(name.form == "id" for name in folder.names) else years - {"2020"}
    if folder.folders & {"source_test", "target_test"}:
        years &= {"2021"}
    elif "test" in folder.folders:
        years -= {"2021"}  # its test clips lie in source_test and target_test
    if "supplemental" in folder.folders:
        years &= {"2025", "2026"}
    if any(name.hidden for name in folder.names):
        years &= {"2024", "2025", "2026"}
    return frozenset(years or {OWN})


def of_one_year(
    root: Path, folders: Sequence[MachineFolder], year: str | None
) -> tuple[str, list[MachineFolder], list[Problem]]:
    """The year of the recordings, the folders that are of it, and which are left out because another was asked for.

    Raises: AsdzooError when the year is unclear and not asked for, or no folder can be of the one that is.
    """
    dated = _dated(root, folders, year)
    listing = _listing(dated)
    if year is not None:
        chosen = _asked_for(dated, year)
        if not chosen:
            raise AsdzooError(f"{root} holds no recordings of {year}", f"it holds {listing}")
        others = [one for one in dated if one.folder not in chosen]
        sentence = f"left out, because {year} was asked for: {_listing(others)}"
        return year, chosen, [Problem("warning", root, sentence)] if others else []
    years = frozenset[str]().union(*(one.years for one in dated))
    if len(years) > 1:
        unclear = [one for one in dated if len(one.years) > 1]
        if len({one.years for one in dated}) == 1 and unclear:
            machines = listed(list(dict.fromkeys(one.folder.machine for one in unclear)), 12)
            message = f"{root} does not say its year: {machines} may be of {', '.join(sorted(years))}"
        else:
            message = f"{root} holds several years: {listing}"
        raise AsdzooError(message, f"pick one, for example --year {_example(root, years)}")
    return next(iter(years)), list(folders), []


def _example(root: Path, years: frozenset[str]) -> str:
    """A year to propose: one that the path to the root names, else the first of those that can be."""
    tokens = [token for part in reversed(root.absolute().parts) for token in _tokens(part)]
    return next((token for token in tokens if token in years), min(years))


@dataclass(frozen=True)
class _Dated:
    folder: MachineFolder
    token: str | None  # the year that a folder below the root names
    possible: frozenset[str]
    years: frozenset[str]  # what its path and its neighbours leave of the possible ones


def _tokens(name: str) -> list[str]:
    return re.findall(r"(?<!\d)20\d\d(?!\d)", name)


def _dated(root: Path, folders: Sequence[MachineFolder], year: str | None) -> list[_Dated]:
    above = [] if year is not None else _tokens(own_name(root))
    possible = [possible_years(folder) for folder in folders]
    tokens: list[str | None] = []
    start: list[frozenset[str]] = []
    for folder, can_be in zip(folders, possible, strict=True):
        named = [token for part in reversed(folder.within) for token in reversed(_tokens(part))]
        tokens.append(next((token for token in named if token in can_be or (can_be == {OWN} and token in YEARS)), None))
        decided = next((token for token in (*named, *reversed(above)) if token in can_be), None)
        start.append(frozenset({decided}) if decided else can_be)
    left = _by_neighbours(folders, start)
    return [_Dated(*one) for one in zip(folders, tokens, possible, left, strict=True)]


def _by_neighbours(folders: Sequence[MachineFolder], years: Sequence[frozenset[str]]) -> list[frozenset[str]]:
    """The years that are left when folders side by side, then those a level up, are of one year wherever one has them all."""
    left = list(years)
    known = [index for index, can_be in enumerate(left) if OWN not in can_be]
    groups = [(folders[index].within, [index]) for index in known]
    for depth in range(max((len(within) for within, _ in groups), default=0) - 1, -1, -1):
        beside: dict[tuple[str, ...], list[list[int]]] = {}
        for within, members in groups:
            beside.setdefault(within[:depth], []).append(members)
        groups = []
        for within, several in beside.items():
            common = frozenset.intersection(*(left[members[0]] for members in several))
            if common and not _clash([folders[index] for members in several for index in members]):
                together = [index for members in several for index in members]
                for index in together:
                    left[index] = common
                groups.append((within, together))
            else:
                groups += [(within, members) for members in several]
    return left


def _clash(folders: Sequence[MachineFolder]) -> bool:
    """Whether two of them hold other recordings of the same machine, section and split."""
    seen: dict[tuple[str, str, str], list[set[str]]] = {}
    for folder in folders:
        here: dict[tuple[str, str, str], set[str]] = {}
        for found in folder.recordings:
            if found.says:
                here.setdefault((folder.machine, found.says.section, found.folder), set()).add(found.path.name)
        for key, names in here.items():
            seen.setdefault(key, []).append(names)
    return any(not (one <= other or other <= one) for sets in seen.values() for one in sets for other in sets)


def _asked_for(dated: Sequence[_Dated], year: str) -> list[MachineFolder]:
    if year == OWN:
        return [one.folder for one in dated]
    can_be = [
        one
        for one in dated
        if (year in one.possible or (OWN in one.possible and one.folder.names and not years_of(one.folder.machine)))
        and one.token in (None, year)
    ]
    # Of two folders of one machine, the one is taken whose neighbours are of that year.
    settled = {one.folder.machine for one in can_be if one.years == {year}}
    unsure = {one.folder.machine for one in can_be if year in one.years}
    chosen = []
    for one in can_be:
        others = settled if one.folder.machine in settled else unsure
        if OWN in one.possible or year in one.years or one.folder.machine not in others:
            chosen.append(one.folder)
    return chosen


def _listing(dated: Iterable[_Dated]) -> str:
    """For example `2023 (bandsaw, fan), own (MyPump)`."""
    machines: dict[str, list[str]] = {}
    for one in dated:
        machines.setdefault(" or ".join(sorted(one.years)), []).append(one.folder.machine)
    said = {years: listed(list(dict.fromkeys(names)), 12) for years, names in sorted(machines.items())}
    return ", ".join(f"{years} ({shown(Path(names))})" for years, names in said.items())
