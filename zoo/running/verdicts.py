"""Recordings judged one by one: a score, a threshold and a decision for each, and the scores of a long one's windows.

Conventions
-----------
threshold   a percentile of the scores of the machine's normal training recordings, in the unit of `score`
window      as long as the machine's training recordings (their median), because scores of other lengths are not theirs; a
            recording is long from two windows on. The last window is flush with the end
anomaly     a score above the threshold; of a long recording also more windows above it than chance explains, because a short
            event drowns in the whole
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from zoo.data.clip import Clip
from zoo.data.given import Given, open_given
from zoo.data.identity import content_hash
from zoo.data.loose import Loose
from zoo.data.recorded import TimeFrom, recorded
from zoo.data.store import WaveformStore
from zoo.data.wavs import SAMPLE_RATE, seconds_said
from zoo.errors import listed
from zoo.odd_scores import ordinary
from zoo.progress import Progress, unseen
from zoo.running.alarms import Alarm, Rate
from zoo.running.embeddings import Embeddings
from zoo.running.judge import Judge
from zoo.running.scorer import judged, task_of
from zoo.threshold import OWN_PERCENTILE, Method

WINDOW = 10.0  # seconds, where no training recording can be asked for its length
_ASKED = 25  # training recordings
_FEWEST_GAPS = 3  # between recordings, that say how often one is made
_TOGETHER = 64  # windows scored at a time


@dataclass(frozen=True)
class Window:
    """A part of a long recording."""

    start: float  # seconds
    score: float
    anomalous: bool


@dataclass(frozen=True)
class Verdict:
    """What came of one recording."""

    clip: str  # as its owner calls it
    recorded: datetime
    time_from: TimeFrom
    machine: str
    section: str
    system: str
    score: float
    calibrated: float
    threshold: float
    anomalous: bool
    seconds: float
    digest: str  # of all bytes of the file: tells another recording of the same name
    window_seconds: float = 0.0
    windows: tuple[Window, ...] = ()
    alarm: bool = False


@dataclass(frozen=True)
class Standard:
    """How recordings are judged."""

    system: str  # or ensemble
    percentile: float = OWN_PERCENTILE
    method: Method = "percentile"
    alarm: Alarm = field(default_factory=Alarm)


@dataclass(frozen=True)
class Judgement:
    """Verdicts in order of time, what must be said, and how often a normal recording of each machine is above the threshold."""

    verdicts: list[Verdict]
    notes: list[str]
    rates: dict[tuple[str, str], Rate]  # by machine and section


def judge_recordings(
    judge: Judge,
    standard: Standard,
    recordings: Sequence[Loose],
    before: Sequence[Verdict] = (),
    progress: Progress = unseen,  # recordings decoded
) -> Judgement:
    """Score recordings with one system or ensemble; `before` are earlier verdicts, on which alarms look back.

    Raises: AsdzooError when none can be read, or the system does not know a machine.
    """
    year = judge.run.info().year or ""
    verdicts, notes = [], []
    rates: dict[tuple[str, str], Rate] = {}
    with TemporaryDirectory(prefix="asdzoo-") as aside:
        given, of = [], {}
        facts: dict[Path, tuple[datetime, TimeFrom, str]] = {}
        for number, one in enumerate(recordings):
            path = Path(aside) / f"{number:08d}{one.path.suffix}"
            try:  # before it is decoded: whoever put it there may take it away
                facts[path] = (*recorded(one.path), content_hash(one.path))
            except OSError:
                notes.append(f"{one.name} went away before it could be read")
                continue
            path.symlink_to(one.path.resolve())
            given.append(Given(Clip(path, year, one.machine, one.section, "test"), one.name))
            of[path] = one
        if not given:
            return Judgement([], notes, rates)
        store, said = open_given(given, Path(aside) / "waves", progress)
        notes += said
        for machine, section in sorted({(clip.machine, clip.section) for clip in store.clips}):
            table = judge.table(standard.system, machine, section, store)
            fresh, threshold = judged(table, standard.method, standard.percentile)
            training = table.frame.query("split == 'train' and label != 'anomaly'")["score"].to_numpy()
            rate = rates[machine, section] = Rate.of(threshold, standard.percentile, int(ordinary(training).sum()))
            if threshold.note:
                notes.append(f"{standard.system}, {machine} {section}: {threshold.note}")
            rows = {row["clip"]: row for row in fresh.to_dict("records")}
            learnt = _training_clips(judge, machine, section)
            length = _median_seconds(learnt)
            if known := {of[clip.path].name for clip in store.clips} & _names_of(learnt, recordings):
                notes.append(
                    f"the run was trained on {listed(sorted(known))}: such scores are lower than those of new recordings"
                )
            for index, clip in enumerate(store.clips):
                if (clip.machine, clip.section) != (machine, section):
                    continue
                row, one, seconds = rows[clip.name], of[clip.path], float(store.lengths[index]) / SAMPLE_RATE
                made, time_from, digest = facts[clip.path]
                windows = _windows(judge, standard.system, store, index, length, threshold.value)
                above = sum(window.anomalous for window in windows)
                anomalous = bool(row["decision"]) or (above > 0 and not rate.explains(above, len(windows)))
                verdicts.append(
                    Verdict(
                        one.name, made, time_from, machine, section, standard.system,
                        float(row["score"]), float(row["calibrated"]), threshold.value, anomalous,
                        round(seconds, 3), digest, length if windows else 0.0, windows,
                    )
                )  # fmt: skip
    return Judgement(with_alarms(verdicts, standard.alarm, before), notes, rates)


def with_alarms(verdicts: Sequence[Verdict], alarm: Alarm, before: Sequence[Verdict] = ()) -> list[Verdict]:
    """The verdicts in order of time, each knowing whether its machine is in a state of alarm."""
    made: list[Verdict] = []
    for part in sorted({(one.machine, one.section) for one in verdicts}):
        own = sorted((one for one in verdicts if (one.machine, one.section) == part), key=lambda one: (one.recorded, one.clip))
        earlier = [one.anomalous for one in before if (one.machine, one.section) == part]
        states = alarm.raised((one.anomalous for one in own), earlier)
        made += [replace(one, alarm=state) for one, state in zip(own, states, strict=True)]
    return sorted(made, key=lambda one: (one.recorded, one.clip))


def interval_of(verdicts: Sequence[Verdict]) -> tuple[float, bool]:
    """Seconds from one recording to the next, and whether there are pauses.

    The median of their times tells it, or their length where times do not: a single one, files that were copied at once.
    """
    times = sorted(one.recorded.timestamp() for one in verdicts)
    if len(times) <= _FEWEST_GAPS:
        times = []
    gaps = [later - earlier for earlier, later in pairwise(times)]
    gap, length = median(gaps) if gaps else 0.0, median(one.seconds for one in verdicts)
    return (gap, True) if gap > 1.1 * length else (length, False)


def _training_clips(judge: Judge, machine: str, section: str) -> Sequence[Clip]:
    system = next(name for name in judge.run.info().systems if judge.knows(name, machine))
    return Embeddings.read(task_of(judge.run, system, machine).embeddings(machine)).rows(section, "train").clips


def _names_of(clips: Sequence[Clip], recordings: Sequence[Loose]) -> set[str]:
    """Names of the recordings that are these clips."""
    places = {clip.path.absolute() for clip in clips}
    return {one.name for one in recordings if one.path.absolute() in places}


def _median_seconds(clips: Sequence[Clip]) -> float:
    """The median length of training recordings, by their headers."""
    asked = clips[:: max(len(clips) // _ASKED, 1)]
    lengths = [seconds for clip in asked if (seconds := seconds_said(clip.path)) is not None]
    return round(median(lengths), 3) if lengths else WINDOW


def _windows(
    judge: Judge, system: str, store: WaveformStore, index: int, length: float, threshold: float
) -> tuple[Window, ...]:
    """Scores of the windows of a recording of the store; () for a short one."""
    clip, whole, samples = store.clips[index], int(store.lengths[index]), round(length * SAMPLE_RATE)
    if whole < 2 * samples:
        return ()
    starts = [min(number * samples, whole - samples) for number in range(math.ceil(whole / samples))]
    windows: list[Window] = []
    for first in range(0, len(starts), _TOGETHER):
        begins = starts[first : first + _TOGETHER]
        cut = store.cut([(index, begin, samples) for begin in begins])
        frame = judge.table(system, clip.machine, clip.section, cut).frame
        scores = dict(zip(frame["clip"], frame["score"], strict=True))
        for begin, part in zip(begins, cut.clips, strict=True):
            score = float(scores[part.name])
            windows.append(Window(round(begin / SAMPLE_RATE, 3), score, score > threshold))
    return tuple(windows)
