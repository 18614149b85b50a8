"""How sure a metric is: 95 % intervals over the clips it was measured on.

`jackknife` is the interval of one AUC or pAUC (Mesaros et al., IEEE/ACM TASLP 2019, section IV), `official_interval` the same
idea for the official score, and `differences` a bootstrap for "A is better than B" on the same clips. The jackknife needs the
metric without each clip in turn; here all of them come from one sort (`auc_without_each`, `pauc_without_each`).
`organisers_half_width` is the number that stands beside official scores in the challenge's tables, which is far too narrow.

The jackknife's intervals stay in 0..1, and are no point where every clip is on the right side (`_within_bounds`).

Clips are drawn within their (section, domain, label), as the challenge composes its test sets.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from fusion.metrics import MAX_FPR, Bools, Floats, checked, standardised
from fusion.official import Section, mean_of, official_score, section_values
from zoo.errors import AsdzooError

LEVEL = 0.95


class Interval(NamedTuple):
    """Where a number lies with 95 % confidence."""

    low: float
    high: float

    @property
    def half(self) -> float:
        return (self.high - self.low) / 2


def auc_without_each(scores: ArrayLike, anomalous: ArrayLike) -> Floats:
    """`auc` without each clip in turn: scores (clips,) -> (clips,). Raises: AsdzooError with fewer than two clips of a kind."""
    scores, anomalous = _jackknifable(scores, anomalous)
    positive, negative = np.sort(scores[anomalous]), np.sort(scores[~anomalous])
    below = _below_or_half(negative, scores)
    above = len(positive) - _below_or_half(positive, scores)
    wins = float(below[anomalous].sum())
    without_anomaly = (wins - below) / ((len(positive) - 1) * len(negative))
    without_normal = (wins - above) / (len(positive) * (len(negative) - 1))
    return np.where(anomalous, without_anomaly, without_normal)


def _below_or_half(ordered: Floats, scores: Floats) -> Floats:
    """How many of `ordered` lie below each score, ties counted half."""
    return np.asarray((np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right")) / 2)


def pauc_without_each(scores: ArrayLike, anomalous: ArrayLike, max_fpr: float = MAX_FPR) -> Floats:
    """`pauc` without each clip in turn; shapes and errors as `auc_without_each`.

    The ROC curve is one straight line per distinct score. Leaving out an anomaly lowers all lines after its own by one;
    leaving out a normal clip shortens its own line, moves those after it, and shortens the range up to `max_fpr`.
    """
    scores, anomalous = _jackknifable(scores, anomalous)
    _, line = np.unique(-scores, return_inverse=True)
    rise: Floats = np.bincount(line, weights=anomalous).astype(np.float64)
    run: Floats = np.bincount(line, weights=~anomalous).astype(np.float64)
    height, start = np.cumsum(rise) - rise, np.cumsum(run) - run
    anomalies, normals = rise.sum(), run.sum()

    def areas(limit: float, start: Floats, run: Floats) -> Floats:
        covered = np.clip(limit - start, 0, run)
        return np.asarray(height * covered + rise * covered**2 / (2 * np.maximum(run, 1)))

    full = max_fpr * normals
    covered = np.clip(full - start, 0, run)
    brought = covered.sum() - np.cumsum(covered) + covered**2 / (2 * np.maximum(run, 1))
    without_anomaly = (areas(full, start, run).sum() - brought) / ((anomalies - 1) * normals)

    short = max_fpr * (normals - 1)
    before, after = areas(short, start, run), areas(short, start - 1, run)
    own = areas(short, start, np.maximum(run - 1, 0))
    total = np.cumsum(before) - before + own + after.sum() - np.cumsum(after)
    without_normal = total / (anomalies * (normals - 1))
    return np.asarray(standardised(np.where(anomalous, without_anomaly[line], without_normal[line]), max_fpr))


def _jackknifable(scores: ArrayLike, anomalous: ArrayLike) -> tuple[Floats, Bools]:
    scores, anomalous = checked(scores, anomalous)
    if min(anomalous.sum(), (~anomalous).sum()) < 2:
        raise AsdzooError("a jackknife needs at least two clips of each kind", "take more test clips")
    return scores, anomalous


def jackknife(whole: float, without_each: Floats) -> Interval:
    """95 % interval of a metric in 0..1 from its values without each clip in turn: pseudo-values with a t quantile."""
    count = len(without_each)
    pseudo = count * whole - (count - 1) * without_each
    return _within_bounds(whole, float(pseudo.mean()), student_half(whole, without_each), _t_quantile(count), count)


def student_half(whole: float, without_each: Floats) -> float:
    """Half width of the jackknife's symmetric interval, which takes no notice of where a metric ends."""
    count = len(without_each)
    pseudo = count * whole - (count - 1) * without_each
    return _t_quantile(count) * float(pseudo.std(ddof=1)) / float(count**0.5)


def _t_quantile(count: int) -> float:
    return float(stats.t.ppf((1 + LEVEL) / 2, count - 1))


def _within_bounds(whole: float, centre: float, half: float, quantile: float, clips: int) -> Interval:
    """The interval centre ± half (`quantile` standard errors), bent into 0..1 as Wilson's is for a share.

    The standard error is that of a share of so many independent draws, never of more than there are clips: a metric of exactly
    1 on eight clips, whose jackknife is a point, is as sure as eight successes of eight. Where `half` is small against the
    distance to 0 and 1, as with many clips, this is centre ± half. Wilson, JASA 22 (1927) 209-212.
    """
    centre = min(max(centre, 0.0), 1.0)
    spread, error = centre * (1 - centre), half / quantile
    draws = min(spread / error**2, clips) if spread > 0 and error > 0 else clips
    weight = quantile**2 / draws
    middle = (centre + weight / 2) / (1 + weight)
    reach = quantile * (spread / draws + weight / (4 * draws)) ** 0.5 / (1 + weight)
    return Interval(min(max(middle - reach, 0.0), whole), max(min(middle + reach, 1.0), whole))


def organisers_half_width(scores: ArrayLike, anomalous: ArrayLike) -> float:
    """Half width of the 95 % interval as the organisers' evaluator (2023, 2024) prints it, for comparison with its tables.

    It is the mean of those of AUC and pAUC over the clips of all machines pooled. The evaluator puts the metric without each
    clip where the method has pseudo-values, which are clips - 1 times as far apart: its interval is too narrow by that factor.
    """
    widths = []
    for without in (auc_without_each(scores, anomalous), pauc_without_each(scores, anomalous)):
        count = len(without)
        widths.append(_t_quantile(count) * float(without.std(ddof=1)) / count**0.5)
    return float(np.mean(widths))


def without_each(scores: Floats, section: Section, year: str) -> Floats | None:
    """`section_values` without each clip in turn: scores (clips,) -> (clips, numbers); None where a kind has one clip only."""
    whole = section_values(scores, section, year)
    result = np.tile(whole, (len(scores), 1))
    anomalous, everything = section.anomalous, np.ones(len(scores), dtype=bool)
    if not section.by_domain(year):
        parts: list[tuple[Bools, int | None, int | None]] = [(everything, 0, 1)]
    elif year == "2021":
        assert section.target is not None
        parts = [(~section.target, 0, 2), (section.target, 1, 3)]
    else:
        assert section.target is not None
        parts = [(~section.target | anomalous, 0, None), (section.target | anomalous, 1, None), (everything, None, 2)]
    for mask, auc_column, pauc_column in parts:
        if min((mask & anomalous).sum(), (mask & ~anomalous).sum()) < 2:
            return None
        if auc_column is not None:
            result[mask, auc_column] = auc_without_each(scores[mask], anomalous[mask])
        if pauc_column is not None:
            result[mask, pauc_column] = pauc_without_each(scores[mask], anomalous[mask])
    return result


def official_interval(scores: Floats, sections: Sequence[Section], year: str) -> Interval | None:
    """95 % jackknife interval of the official score of one system, scores (rows of the table,), or of the mean over several.

    Of several, such as the seeds of one system, scores are (systems, rows); each clip is left out of all of them at once. The
    variance adds up over strata (Arvesen 1969). It says how sure the score is for *these* machines, not for others.
    None where some kind of clip occurs once only.
    """
    machines, each = [section.machine for section in sections], np.atleast_2d(scores)
    whole = [[section_values(own[section.rows], section, year) for section in sections] for own in each]
    centre = float(np.mean([official_score(values, machines, year) for values in whole]))
    variance = 0.0
    for position, section in enumerate(sections):
        without = []
        for own, values in zip(each, whole, strict=True):
            changed = without_each(own[section.rows], section, year)
            if changed is None:
                return None
            beside = [np.broadcast_to(value, (len(changed), len(value))) for value in values]
            beside[position] = changed
            without.append(official_score(beside, machines, year))
        official = np.mean(without, axis=0)
        for stratum in strata(section):
            left = official[stratum]
            variance += (len(left) - 1) / len(left) * float(((left - left.mean()) ** 2).sum())
    quantile = float(stats.norm.ppf((1 + LEVEL) / 2))
    return _within_bounds(centre, centre, quantile * variance**0.5, quantile, sum(len(section.rows) for section in sections))


def section_interval(scores: Floats, section: Section, year: str) -> Interval | None:
    """95 % jackknife interval of the mean of a section's numbers, scores (clips of the section,), or of the mean over several.

    Of several systems scores are (systems, clips of the section). None where some kind of clip occurs once only.
    """
    each = np.atleast_2d(scores)
    without = [changed for own in each if (changed := without_each(own, section, year)) is not None]
    if len(without) < len(each):
        return None
    whole = float(np.mean([mean_of(section_values(own, section, year), year) for own in each]))
    return jackknife(whole, np.mean([mean_of(changed, year) for changed in without], axis=0))


def strata(section: Section) -> Iterator[np.ndarray]:
    """Positions of the section's clips of each (domain, label) that occurs."""
    domains = np.zeros(len(section.rows), dtype=bool) if section.target is None else section.target
    for anomalous in (False, True):
        for target in (False, True):
            positions = np.flatnonzero((section.anomalous == anomalous) & (domains == target))
            if len(positions):
                yield positions


class Difference(NamedTuple):
    """Official score of A less that of B on the same clips."""

    value: float
    interval: Interval

    @property
    def decided(self) -> bool:
        """Whether the interval leaves out zero."""
        return not self.interval.low <= 0 <= self.interval.high


def differences(
    scores: Floats, reference: int, sections: Sequence[Section], year: str, *, repetitions: int = 1000, seed: int = 0
) -> list[Difference]:
    """How much better each row of scores (systems, rows of the table) is than row `reference`, by the official score.

    The intervals are the 95 % percentiles of a bootstrap over clips; each resample takes the same clips for all systems.
    """
    random = np.random.default_rng(seed)
    machines = [section.machine for section in sections]
    resampled: list[Floats] = []
    for section in sections:
        drawn = np.empty((repetitions, len(section.rows)), dtype=np.intp)
        for positions in strata(section):
            drawn[:, positions] = random.choice(positions, (repetitions, len(positions)))
        rows = section.rows[drawn]
        resampled.append(np.stack([section_values(own[rows], section, year) for own in scores]))
    whole = [section_values(scores[:, section.rows], section, year) for section in sections]
    official, resamples = official_score(whole, machines, year), official_score(resampled, machines, year)
    low, high = np.quantile(resamples - resamples[reference], [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=1)
    return [
        Difference(float(official[system] - official[reference]), Interval(float(low[system]), float(high[system])))
        for system in range(len(scores))
    ]
