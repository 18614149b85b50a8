"""A look at a collection before anything is trained on it: what is there, and everything that is wrong with it, at once."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from zoo.data.clips import Clip, Recordings
from zoo.data.facts import Facts, decoded_facts, known_facts
from zoo.data.problems import Problem
from zoo.data.remembered import keep
from zoo.data.training_clips import degenerate
from zoo.data.wavs import SAMPLE_RATE, without_duplicates
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
    normal: int  # test clips that are labelled so
    anomalous: int
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


def scan(clips: Iterable[Clip], workers: int | None = None, progress: Progress = unseen) -> Scan:
    """Look at every clip and say everything that is wrong with them.

    Of an integer wav its header and a few blocks tell all that decoding would; others are decoded, `workers` at a time (None:
    one thread a core). What was found of a file is remembered until it changes.

    `progress` is called with (clips done, clips to do). What is wrong with the data is never raised: it is in `problems`.
    """
    unique, problems = without_duplicates(clips)
    problems = [*(clips.problems if isinstance(clips, Recordings) else ()), *problems]
    facts = _all_facts(unique, workers, progress)
    usable: dict[Clip, Facts] = {}
    for machine in _grouped(unique, lambda clip: (clip.year, clip.machine)):
        good = {clip: facts[clip] for clip in machine if facts[clip].usable}
        dead = {clip for clip, found in good.items() if len(found.dead) == found.channels}
        said = [problem for clip in machine for problem in facts[clip].problems]
        left, said = degenerate({clip: found.seconds for clip, found in good.items()}, dead, said)
        good = {clip: found for clip, found in good.items() if clip not in left}
        problems += [*said, *_recording_problems(good), *_split_problems(machine)]
        usable |= good
    rows = [_row(section, usable) for section in _grouped(unique, lambda clip: (clip.year, clip.machine, clip.section))]
    return Scan(rows, problems)


def _all_facts(clips: Sequence[Clip], workers: int | None, progress: Progress) -> dict[Clip, Facts]:
    facts: dict[Clip, Facts] = {}
    doubtful = []
    for clip in clips:
        if found := known_facts(clip):
            facts[clip] = found
            progress(len(facts), len(clips))
        else:
            doubtful.append(clip)
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        for clip, found in zip(doubtful, pool.map(decoded_facts, doubtful), strict=True):
            facts[clip] = found
            progress(len(facts), len(clips))
    keep()
    return facts


def _grouped(clips: Iterable[Clip], key: Callable[[Clip], Any]) -> list[list[Clip]]:
    return [list(group) for _, group in groupby(sorted(clips, key=key), key)]


def _row(section: Sequence[Clip], facts: Mapping[Clip, Facts]) -> Row:
    usable = [clip for clip in section if clip in facts]
    train, tested = ([clip for clip in usable if clip.split == split] for split in ("train", "test"))
    seconds = [facts[clip].seconds for clip in usable]
    return Row(
        year=section[0].year,
        machine=section[0].machine,
        section=section[0].section,
        train=len(train),
        train_source=sum(clip.domain == "source" for clip in train),
        train_target=sum(clip.domain == "target" for clip in train),
        test=len(tested),
        supplemental=sum(clip.split == "supplemental" for clip in usable),
        normal=sum(clip.label == "normal" for clip in tested),
        anomalous=sum(clip.label == "anomaly" for clip in tested),
        seconds=(min(seconds), max(seconds)) if seconds else (0.0, 0.0),
        rates=tuple(sorted({facts[clip].rate for clip in usable})),
        channels=tuple(sorted({facts[clip].channels for clip in usable})),
        attributes=len({clip.attributes for clip in train} - {None}),
    )


def _recording_problems(facts: Mapping[Clip, Facts]) -> Iterator[Problem]:
    """What is odd about a machine's recordings taken together."""
    if not facts:
        return
    first = next(iter(facts))
    folder = first.machine_folder
    for rate, count in sorted(Counter(found.rate for found in facts.values()).items()):
        if rate != SAMPLE_RATE:
            yield Problem("warning", folder, f"{count} recording(s) have {rate} Hz and are resampled to {SAMPLE_RATE} Hz")
    channels = Counter(found.channels for found in facts.values())
    for channel in range(max(channels)):
        dead = [found for found in facts.values() if channel in found.dead and len(found.dead) < found.channels]
        if len(dead) * 2 > len(facts):
            live = next(number for number in range(dead[0].channels) if number not in dead[0].dead)
            sentence = f"channel {channel} is silent in {len(dead)} of {len(facts)} recordings, channel {live} is not"
            yield Problem(
                "error" if channel == 0 else "warning", folder, f"{sentence}; hear it with --set input.channel={live}"
            )
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
