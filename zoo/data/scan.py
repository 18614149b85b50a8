"""A look at a collection before anything is trained on it: what is there, and everything that is wrong with it, at once."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

from zoo.data.clips import Clip, Recordings
from zoo.data.problems import Problem
from zoo.data.wavs import SAMPLE_RATE, read_wav, without_duplicates
from zoo.data.years import OWN, YEARS
from zoo.progress import Progress, unseen


@dataclass(frozen=True)
class Row:
    """One machine and section; counts are of recordings that can be used."""

    year: str
    machine: str
    section: str
    train: int
    train_source: int
    train_target: int
    test: int
    supplemental: int
    seconds: tuple[float, float]  # shortest, longest
    rates: tuple[int, ...]  # Hz, every one that occurs
    channels: tuple[int, ...]  # every count that occurs
    attributes: int  # different attribute strings among the training clips


@dataclass(frozen=True)
class Scan:
    """What `scan` found."""

    rows: list[Row]
    problems: list[Problem]

    @property
    def errors(self) -> list[Problem]:
        """The problems for which a recording is left out."""
        return [problem for problem in self.problems if problem.severity == "error"]


class _Facts(NamedTuple):
    seconds: float
    rate: int
    channels: int
    problems: tuple[Problem, ...]
    usable: bool


def scan(clips: Iterable[Clip], workers: int | None = None, progress: Progress = unseen) -> Scan:
    """Decode every clip, `workers` at a time (None: one thread a core), and look through the folders they came from.

    `progress` is called with (clips done, clips to do). What is wrong with the data is never raised: it is in `problems`.
    """
    unique, problems = without_duplicates(clips)
    problems = [*(clips.problems if isinstance(clips, Recordings) else ()), *problems]
    facts: dict[Clip, _Facts] = {}
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        for done, (clip, found) in enumerate(zip(unique, pool.map(_facts, unique), strict=True), start=1):
            problems += found.problems
            if found.usable:
                facts[clip] = found
            progress(done, len(unique))
    for machine in _grouped(unique, lambda clip: (clip.year, clip.machine)):
        problems += _recording_problems({clip: facts[clip] for clip in machine if clip in facts})
        problems += _split_problems(machine)
    rows = [_row(section, facts) for section in _grouped(unique, lambda clip: (clip.year, clip.machine, clip.section))]
    return Scan(rows, problems)


def _facts(clip: Clip) -> _Facts:
    recording = read_wav(clip.path)
    return _Facts(recording.seconds, recording.rate, recording.channels, recording.problems, recording.usable)


def _grouped(clips: Iterable[Clip], key: Callable[[Clip], Any]) -> list[list[Clip]]:
    return [list(group) for _, group in groupby(sorted(clips, key=key), key)]


def _row(section: Sequence[Clip], facts: Mapping[Clip, _Facts]) -> Row:
    usable = [clip for clip in section if clip in facts]
    train = [clip for clip in usable if clip.split == "train"]
    seconds = [facts[clip].seconds for clip in usable]
    return Row(
        year=section[0].year,
        machine=section[0].machine,
        section=section[0].section,
        train=len(train),
        train_source=sum(clip.domain == "source" for clip in train),
        train_target=sum(clip.domain == "target" for clip in train),
        test=sum(clip.split == "test" for clip in usable),
        supplemental=sum(clip.split == "supplemental" for clip in usable),
        seconds=(min(seconds), max(seconds)) if seconds else (0.0, 0.0),
        rates=tuple(sorted({facts[clip].rate for clip in usable})),
        channels=tuple(sorted({facts[clip].channels for clip in usable})),
        attributes=len({clip.attributes for clip in train} - {None}),
    )


def _recording_problems(facts: Mapping[Clip, _Facts]) -> Iterator[Problem]:
    """What is odd about a machine's recordings taken together."""
    if not facts:
        return
    first = next(iter(facts))
    folder = first.machine_folder
    for rate, count in sorted(Counter(found.rate for found in facts.values()).items()):
        if rate != SAMPLE_RATE:
            yield Problem("warning", folder, f"{count} recording(s) have {rate} Hz and are resampled to {SAMPLE_RATE} Hz")
    channels = Counter(found.channels for found in facts.values())
    if len(channels) > 1:
        counts = ", ".join(f"{count} with {number}" for number, count in sorted(channels.items()))
        yield Problem("warning", folder, f"recordings differ in their number of channels: {counts}")
    elif first.year != OWN and set(channels) != {YEARS[first.year].channels}:
        yield Problem("warning", folder, f"{min(channels)} channel(s), where {first.year} has {YEARS[first.year].channels}")


def _split_problems(machine: Sequence[Clip]) -> Iterator[Problem]:
    """Sections that are tested but not trained."""
    for section in _grouped(machine, lambda clip: clip.section):
        tested = [clip for clip in section if clip.split == "test"]
        if tested and not any(clip.split == "train" for clip in section):
            sentence = f"section {tested[0].section} of {tested[0].machine} has test recordings but none to train on"
            yield Problem("warning", tested[0].path.parent, sentence)
