"""From single decisions to alarms: k anomalies among the last n recordings, and how often that happens by chance.

Conventions
-----------
rate    share of normal recordings above the threshold. The percentile p of n scores lies between two of them, and a new one,
        exchangeable with them, is above it with the probability (n - (n - 1) p) / (n + 1): with few of them more than 1 - p
alarm   lasts as long as at least k of the last n decisions are anomalous; it *begins* with an anomaly that finds exactly k - 1
        among the n - 1 before it, after a normal one that just falls out: rate (1 - rate) Binomial(k - 1; n - 1, rate)
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from zoo.errors import AsdzooError
from zoo.threshold import Threshold

DAY = 86400.0  # seconds
_MOST = 10_000  # recordings that an alarm looks back on


@dataclass(frozen=True)
class Alarm:
    """`least` anomalies among the last `of` recordings."""

    least: int = 1
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> "Alarm":
        """From K/N. Raises: AsdzooError for anything else."""
        least, slash, of = text.partition("/")
        if not (slash and least.isascii() and of.isascii() and least.isdigit() and of.isdigit()):
            raise AsdzooError(
                f"--alarm {text} is not K/N", "for example --alarm 3/5: three anomalies in the last five recordings"
            )
        if not 1 <= int(least) <= int(of) <= _MOST:
            raise AsdzooError(
                f"--alarm {text}: of {int(of)} recordings there can be 1 to {min(int(of), _MOST)}", "for example --alarm 3/5"
            )
        return cls(int(least), int(of))

    def __str__(self) -> str:
        return f"{self.least}/{self.of}"

    def raised(self, decisions: Iterable[bool], before: Sequence[bool] = ()) -> list[bool]:
        """For each decision, in order of time, whether there is an alarm; `before` are those that came earlier."""
        known = list(before)
        states = []
        for decision in decisions:
            known.append(decision)
            states.append(sum(known[-self.of :]) >= self.least)
        return states

    def begins(self, rate: float) -> float:
        """How many alarms begin a recording, where each is anomalous with `rate`, whatever the others are."""
        others = math.comb(self.of - 1, self.least - 1) * rate ** (self.least - 1) * (1 - rate) ** (self.of - self.least)
        return rate * others * (1 - rate)


_CALMER = tuple(Alarm(least, 2 * least - 1) for least in range(2, 8))  # 2/3, 3/5, ...: what is proposed


@dataclass(frozen=True)
class Rate:
    """Expected share of normal recordings above a threshold, and how many training recordings say so."""

    share: float
    clips: int

    @classmethod
    def of(cls, threshold: Threshold, percentile: float, clips: int) -> "Rate":
        """For a threshold at a percentile (0 to 100) of `clips` normal scores."""
        share = percentile / 100
        return cls((clips - (clips - 1) * share) / (clips + 1) if threshold.method == "percentile" else 1 - share, clips)

    def explains(self, above: int, of: int) -> bool:
        """Whether so many of the windows of a normal recording are above the threshold at least as often as `share`."""
        from scipy.stats import binom

        return float(binom.sf(above - 1, of, self.share)) >= self.share


def in_words(rate: Rate, interval: float, pauses: bool, alarm: Alarm) -> str:
    """The false alarms to expect of normal recordings, one every `interval` seconds, with `pauses` or not, in a sentence."""
    how = (
        f"with one every {seconds_in_words(interval)}"
        if pauses
        else f"recorded without a pause, {seconds_in_words(interval)} each"
    )
    told = f"by {rate.clips} training recordings, "
    a_day = alarm.begins(rate.share) * DAY / interval
    sentence = f"{told}about 1 in {_rounded(1 / rate.share)} normal ones is above the threshold: {how}, {_often(a_day)}"
    if alarm.of > 1:
        return f"{sentence} with --alarm {alarm}, if they err independently"
    calmer = next((one for one in _CALMER if one.begins(rate.share) * DAY / interval < 1), _CALMER[-1])
    if a_day < 1:
        return sentence
    return f"{sentence}; with --alarm {calmer} {_often(calmer.begins(rate.share) * DAY / interval)}, if they err independently"


def _often(a_day: float) -> str:
    if a_day >= 0.95:
        return f"about {_rounded(a_day)} false alarm{'s' if _rounded(a_day) != '1' else ''} a day"
    days = 1 / a_day if a_day > 0 else math.inf
    if days < 400:
        return f"about one false alarm in {_rounded(days)} days"
    return f"about one false alarm in {_rounded(days / 365)} years" if days < 36500 else "hardly ever a false alarm"


def _rounded(value: float) -> str:
    """Two digits are enough for what is expected."""
    return f"{float(f'{value:.2g}'):,.0f}" if value >= 1.95 else f"{value:.1f}".removesuffix(".0")


def seconds_in_words(seconds: float) -> str:
    """A span as a person says it.

    >>> seconds_in_words(90), seconds_in_words(7200)
    ('90 s', '2 h')
    """
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"
