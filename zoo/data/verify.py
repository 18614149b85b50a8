"""Recordings held against what is known of the published ones: counts, rate, channels, lengths, names, tables, archives.

A *fault* is something that differs from a fact. What the facts do not say is not checked, and what is not there at all (a part
that was not fetched) is a *note*.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from zoo.data.annotations import attribute_tables, read_attribute_table
from zoo.data.clips import Clip, find_clips
from zoo.data.datasets import DataSet, load_datasets
from zoo.data.manifest import Manifest, md5_of, size_of
from zoo.data.names import SPLIT_FOLDERS, bare_name, parse_name
from zoo.data.published import Facts, facts_of, published_rate
from zoo.data.wavs import read_wav, without_duplicates
from zoo.data.years import OWN, YEARS
from zoo.errors import AsdzooError, unknown_name

CounterOf = Callable[[str], Callable[[int, int], None]]  # description -> (done, total)
_TOLERANCE = 0.05  # seconds by which a length may differ from a round one
_LIKE_2021 = "mimii_due"  # the set that 2021 was made of: its machines, its names


@dataclass(frozen=True)
class Row:
    """What is there of one machine and section."""

    machine: str
    section: str
    train: str
    test: str
    extra: int
    seconds: str
    rates: str
    channels: str
    faults: int
    counted: bool  # numbers of clips are known, and were compared


@dataclass
class Verdict:
    """What was found in one folder."""

    folder: Path
    title: str
    rows: list[Row] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    published: bool = True  # False for recordings of one's own


class _Heard(NamedTuple):
    rate: int  # Hz
    channels: int
    seconds: float
    problem: str  # "" when it can be used


def verify(folder: Path, year: str | None = None, counter: CounterOf = lambda what: lambda done, total: None) -> list[Verdict]:
    """Look through the recordings below `folder`: that of a data set, one that holds several, or any tree of one year.

    Every recording is decoded. Raises: AsdzooError when there are none, or when the year is unclear.
    """
    known = load_datasets()
    if year is not None and year not in (*known, OWN):
        raise unknown_name("year", year, (*known, OWN))
    inside = {name: folder / dataset.folder for name, dataset in known.items() if (folder / dataset.folder).is_dir()}
    if wanted := {name: path for name, path in inside.items() if year in (None, name)}:
        return [_verify(path, name, counter) for name, path in wanted.items()]
    named = next((name for name, dataset in known.items() if dataset.folder == folder.resolve().name), None)
    return [_verify(folder, year or named, counter)]


def _verify(folder: Path, name: str | None, counter: CounterOf) -> Verdict:
    clips = find_clips(folder, "2021" if name == _LIKE_2021 else name)
    name = name or clips[0].year
    dataset = load_datasets().get(name)
    verdict = Verdict(folder, dataset.title if dataset else "recordings of one's own", published=dataset is not None)
    unique, doubles = without_duplicates(clips)
    heard = _hear(unique, counter(f"reading {folder.name}"))
    for (machine, section), group in groupby(unique, key=lambda clip: (clip.machine, clip.section)):
        ours, facts = list(group), facts_of(name, machine)
        faults = [*_count_faults(ours, facts, name), *_sound_faults(ours, heard, facts, name)]
        verdict.faults += [f"{machine} {section}: {fault}" for fault in faults]
        verdict.rows.append(_row(ours, heard, len(faults), facts.counted))
    verdict.faults += [str(double) for double in doubles]
    for machine_folder in sorted({clip.path.parent.parent for clip in clips}):
        _look_at_names(machine_folder, [clip for clip in clips if clip.path.parent.parent == machine_folder], verdict)
    verdict.faults += [str(problem) for problem in clips.problems if problem.severity == "error"]
    for problem in clips.problems:  # what is a fault above needs no second line
        if problem.severity == "warning" and not any(fault.startswith(str(problem.path)) for fault in verdict.faults):
            verdict.notes.append(str(problem))
    if dataset is not None:
        _look_at_archives(folder, dataset, verdict)
        verdict.notes += _absent(name, dataset, clips, folder)
    return verdict


def _hear(clips: Sequence[Clip], progress: Callable[[int, int], None]) -> dict[Clip, _Heard]:
    def listen(clip: Clip) -> _Heard:
        found = read_wav(clip.path)
        return _Heard(found.rate, found.channels, found.seconds, "" if found.usable else found.problems[0].sentence)

    heard = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for clip, one in zip(clips, pool.map(listen, clips), strict=True):
            heard[clip] = one
            progress(len(heard), len(clips))
    return heard


def _split(clips: Sequence[Clip], split: str) -> list[Clip]:
    return [clip for clip in clips if clip.split == split]


def _cells(clips: Sequence[Clip]) -> Counter[str]:
    """How many of each domain and label, where both are said."""
    return Counter(f"{clip.domain} {clip.label}" for clip in clips if clip.domain and clip.label)


def _count_faults(clips: Sequence[Clip], facts: Facts, year: str) -> Iterator[str]:
    development = year not in YEARS or clips[0].machine in YEARS[year].development
    train, test, extra = (_split(clips, split) for split in ("train", "test", "supplemental"))
    if facts.train is not None and (train or development):
        domains = Counter(str(clip.domain) for clip in train)
        yield from _differing("training clips", domains, facts.train)
    cells = _cells(test)
    if facts.test is not None and (cells or development):
        yield from _differing("test clips", cells, facts.test)
    elif facts.test_sum is not None and test and len(test) != facts.test_sum:
        yield f"{len(test)} test clips, as published {facts.test_sum}"
    if facts.supplemental is not None and train and len(extra) != facts.supplemental:
        yield f"{len(extra)} supplemental clips, as published {facts.supplemental}"
    strings = {clip.attributes for clip in train} - {None}
    if facts.attributes is not None and train and len(strings) != facts.attributes:
        yield f"{len(strings)} different attribute strings among the training clips, as published {facts.attributes}"
    if facts.test_index is not None:
        first, last = facts.test_index
        names = [(clip, parse_name(clip.name, clip.path.parent.name)) for clip in test]
        odd = [clip.name for clip, name in names if name is None or not first <= int(name.index) <= last]
        if odd:
            yield f"{len(odd)} test clip(s) are not numbered {first:04d} to {last:04d}, first {odd[0]}"


def _differing(what: str, found: Mapping[str, int], published: Mapping[str, int]) -> Iterator[str]:
    """One sentence about all kinds that differ."""
    odd = [key for key in sorted({*found, *published}) if found.get(key, 0) != published.get(key, 0)]
    if odd:
        yield f"{_listed(odd, found)} {what}, as published {_listed(odd, published)}"


def _listed(keys: Sequence[str], counts: Mapping[str, int]) -> str:
    return ", ".join(f"{counts.get(key, 0)} {key}" for key in keys)


def _sound_faults(clips: Sequence[Clip], heard: Mapping[Clip, _Heard], facts: Facts, year: str) -> Iterator[str]:
    for clip in clips:
        if heard[clip].problem:
            yield f"{clip.path} {heard[clip].problem}"
    usable = [clip for clip in clips if not heard[clip].problem]
    if year == OWN:
        return
    channels = YEARS[year].channels if year in YEARS else 1
    for what, odd in {
        f"have not {published_rate()} Hz": [clip for clip in usable if heard[clip].rate != published_rate()],
        f"have not {channels} channel(s)": [clip for clip in usable if heard[clip].channels != channels],
        f"are not {_range(facts)} s long": [clip for clip in usable if not _fits(heard[clip].seconds, facts)],
    }.items():
        if odd:
            one = heard[odd[0]]
            first = f"{odd[0].name} ({one.rate} Hz, {one.channels} channel(s), {one.seconds:g} s)"
            yield f"{len(odd)} clip(s) {what}, first {first}"


def _fits(seconds: float, facts: Facts) -> bool:
    return facts.seconds is None or facts.seconds[0] - _TOLERANCE <= seconds <= facts.seconds[1] + _TOLERANCE


def _range(facts: Facts) -> str:
    return " to ".join(f"{value:g}" for value in dict.fromkeys(facts.seconds or ()))


def _row(clips: Sequence[Clip], heard: Mapping[Clip, _Heard], faults: int, counted: bool) -> Row:
    train, test = _split(clips, "train"), _split(clips, "test")
    usable = [heard[clip] for clip in clips if not heard[clip].problem]
    return Row(
        machine=clips[0].machine,
        section=clips[0].section,
        train=_sum(len(train), Counter(str(clip.domain) for clip in train if clip.domain)),
        test=_sum(len(test), _cells(test)),
        extra=len(_split(clips, "supplemental")),
        seconds=", ".join(f"{one:g}" for one in sorted({round(one.seconds, 2) for one in usable})[:6]),
        rates=", ".join(str(one) for one in sorted({one.rate for one in usable})),
        channels=", ".join(str(one) for one in sorted({one.channels for one in usable})),
        faults=faults,
        counted=counted,
    )


def _sum(total: int, parts: Mapping[str, int]) -> str:
    """For example `200 (4 x 50)` or `1000 (990 source, 10 target)`."""
    if len(parts) == 4 and len(set(parts.values())) == 1:
        return f"{total} (4 x {next(iter(parts.values()))})"
    inside = ", ".join(f"{count} {name}" for name, count in sorted(parts.items()))
    return f"{total} ({inside})" if inside else f"{total}"


def _wavs_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.[wW][aA][vV]") if not path.name.startswith("."))


def _look_at_names(folder: Path, clips: Sequence[Clip], verdict: Verdict) -> None:
    """Files whose names are not the challenge's, and tables that name others than there are."""
    taken = {(clip.path.parent.name, clip.name) for clip in clips}
    splits = {name: _wavs_in(folder / name) for name in SPLIT_FOLDERS if (folder / name).is_dir()}
    if "test_rename" in splits and any(split == "test_rename" for split, _ in taken):
        splits.pop("test", None)
    for split, names in splits.items():
        odd = [name for name in names if clips[0].year != OWN and parse_name(name, split) is None]
        if odd:
            verdict.faults.append(f"{folder / split}: {len(odd)} file(s) without a name of the challenge, first {odd[0]}")
    tables = attribute_tables(folder)
    here, rows = {bare_name(clip.name) for clip in clips}, set()
    for table in tables:
        try:
            named = set(read_attribute_table(table))
        except AsdzooError as problem:
            verdict.faults.append(problem.message)
            continue
        rows |= named
        if odd := sorted(named - here):
            verdict.faults.append(f"{table} names {len(odd)} file(s) that are not there, first {odd[0]}")
    without = sorted(bare_name(clip.name) for clip in clips if clip.split == "train" and bare_name(clip.name) not in rows)
    if tables and without:
        verdict.notes.append(f"{folder}: {len(without)} training clip(s) stand in no attribute table, first {without[0]}")


def _look_at_archives(folder: Path, dataset: DataSet, verdict: Verdict) -> None:
    """Zips that were replaced or are other ones, and files of fetched archives that have gone."""
    for part in dataset.parts.values():
        known = {one.file: one.md5 for one in part.archives.values()}
        for place in (folder / "zips", folder):
            verdict.faults += [f"{place} holds {old}" for old in part.superseded if old.file and (place / old.file).exists()]
            for file, md5 in known.items():
                if md5 and (place / file).exists() and (found := md5_of(place / file)) != md5:
                    older = [str(old) for old in part.superseded if old.record]
                    guess = f"; it may be of {older[0]}" if older else ""
                    verdict.faults.append(f"{place / file} has md5 {found}, as published {md5}{guess}")
    for file, entry in Manifest(folder).entries.items():
        if gone := [name for name, size in entry.files.items() if size_of(folder / name) != size]:
            verdict.faults.append(f"{len(gone)} file(s) of {file} are missing or not whole, first {gone[0]}")


def _absent(name: str, dataset: DataSet, clips: Sequence[Clip], folder: Path) -> Iterator[str]:
    """Machines that are not there, and machines of which one of two parts is not there."""
    having = {split: {clip.machine for clip in clips if clip.split == split} for split in ("train", "test")}
    for part, published in dataset.parts.items():
        again = f"asdzoo data fetch {name} --to {folder.parent} --part {part}"
        both = [machine for machine in published.archives if not {machine} & (having["train"] | having["test"])]
        if both and part != "evaluation":
            yield f"not here: {', '.join(both)}; {again}"
        # machines of one year's development and evaluation set (until 2022) cannot be told apart by their splits
        alone = [machine for machine in published.archives if part == "dev" or machine not in dataset.parts["dev"].archives]
        half = [machine for machine in alone if machine not in both]
        for split, fetched_by in (("train", "additional"), ("test", "evaluation")):
            lacking = [machine for machine in half if machine not in having[split]]
            if lacking and part == fetched_by:
                yield f"without {split} clips: {', '.join(lacking)}; {again}"
