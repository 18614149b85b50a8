"""Recordings that `asdzoo score` has judged, over time: does a machine drift, and when was it above the threshold?"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from submission.report.rendering import render
from submission.report.sections import Section
from submission.report.svg import Plot, Scale, linear
from zoo.running.verdicts import Verdict

MOST_POINTS = 2000  # of a plot, beside the anomalies
_EPOCH = datetime(1970, 1, 1)
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_STEPS = [
    *(1, 5, 15, 30, _MINUTE, 5 * _MINUTE, 15 * _MINUTE, 30 * _MINUTE),
    *(_HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR, _DAY, 2 * _DAY, 7 * _DAY, 30 * _DAY, 91 * _DAY, 365 * _DAY, 1826 * _DAY),
]


class Machine(NamedTuple):
    """One machine's recordings by one system."""

    name: str
    system: str
    plot: Markup
    left_out: int  # normal points that are not drawn
    from_file: int  # recordings whose time is that of their file
    drift: str
    days: list[tuple[str, int, int, int, float]]  # day, recordings, anomalies, in alarm, median of the calibrated scores


def section(verdicts: Sequence[Verdict]) -> Section | None:
    """None where there are no verdicts."""
    parts: dict[tuple[str, str, str], list[Verdict]] = {}
    for one in sorted(verdicts, key=lambda one: (one.machine, one.section, one.system, one.recorded, one.clip)):
        parts.setdefault((one.machine, one.section, one.system), []).append(one)
    if not parts:
        return None
    machines = [
        _machine(f"{machine} {number}" if number != "00" else machine, own) for (machine, number, _), own in parts.items()
    ]
    return Section("over-time", "Over time", render("sections/over_time", machines=machines))


def drift(verdicts: Sequence[Verdict]) -> str:
    """Whether the last quarter of the recordings lies elsewhere than the first, in a sentence; "" for fewer than eight."""
    quarter = len(verdicts) // 4
    if quarter < 2:
        return ""
    scores = np.array([one.calibrated for one in verdicts])
    first, last = np.median(scores[:quarter]), np.median(scores[-quarter:])
    spread = "standard deviations of training recordings"
    return f"The median of the last quarter is {last:.2f} {spread}, that of the first {first:.2f}: {last - first:+.2f}."


def _machine(name: str, verdicts: Sequence[Verdict]) -> Machine:
    usual = [one for one in verdicts if not one.anomalous]
    step = max(-(-len(usual) // MOST_POINTS), 1)
    drawn = sorted([*usual[::step], *(one for one in verdicts if one.anomalous)], key=lambda one: one.recorded)
    days: dict[str, list[Verdict]] = {}
    for one in verdicts:
        days.setdefault(f"{one.recorded:%Y-%m-%d}", []).append(one)
    rows = [
        (
            day,
            len(own),
            sum(one.anomalous for one in own),
            sum(one.alarm for one in own),
            float(np.median([one.calibrated for one in own])),
        )
        for day, own in days.items()
    ]
    from_file = sum(one.time_from == "file" for one in verdicts)
    return Machine(name, verdicts[0].system, _plot(name, drawn), len(verdicts) - len(drawn), from_file, drift(verdicts), rows)


def _plot(name: str, verdicts: Sequence[Verdict]) -> Markup:
    """Scores over time with the threshold of each moment."""
    times = np.array([_seconds(one.recorded) for one in verdicts])
    scores = np.array([one.score for one in verdicts])
    thresholds = np.array([one.threshold for one in verdicts])
    values = np.concatenate([scores, thresholds])
    plot = Plot(
        f"Scores of {name} over time", time_scale(times[0], times[-1]), linear(float(values.min()), float(values.max())),
        760, 240, left=56, right=30, y_label="score",
    )  # fmt: skip
    ends = [plot.x.low, *times[1:-1], plot.x.high] if len(times) > 1 else [plot.x.low, plot.x.high]
    levels = thresholds if len(times) > 1 else np.repeat(thresholds, 2)
    plot.line(ends, levels, "threshold", f"threshold {thresholds[-1]:.4g}")
    for one, time in zip(verdicts, times, strict=True):
        look, radius = ("anomaly", 4.0) if one.anomalous else ("normal", 2.5)
        said = "ANOMALY" if one.anomalous else "OK"
        tip = f"{one.clip}, {one.recorded:%Y-%m-%d %H:%M:%S}: {one.score:.4g}, {said}"
        plot.dot(float(time), one.score, look, radius, tip)
    return plot.svg()


@dataclass(frozen=True)
class _TimeScale(Scale):
    """A scale of seconds since 1970, local time, whose ticks are dates and times."""

    dates: bool = False

    def shown(self, tick: float) -> str:
        moment = _EPOCH + timedelta(seconds=tick)
        if self.dates:
            return f"{moment:%Y-%m-%d}"
        return f"{moment:%m-%d %H:%M}" if self.high - self.low > _DAY / 2 else f"{moment:%H:%M:%S}"


def time_scale(low: float, high: float, count: int = 6) -> Scale:
    """A scale from one moment to another (seconds since 1970, local time) with about `count` round ticks."""
    if high - low < 1:
        low, high = low - 30, high + 30
    step = next((step for step in _STEPS if (high - low) / step <= count), _STEPS[-1])
    ticks = [float(tick) for tick in np.arange(np.ceil(low / step) * step, high + 1e-6, step)]
    return _TimeScale(low, high, ticks, dates=step >= _DAY)


def _seconds(moment: datetime) -> float:
    return (moment - _EPOCH).total_seconds()
