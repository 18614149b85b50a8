"""One decision threshold for each machine and section, from the scores of its normal training clips.

The threshold is one for both domains: at test time the domain is not given, and the rules allow a single one. A clip is
decided anomalous when its score is *above* the threshold.

Three ways to the p-th percentile of normal scores:

gamma        of a shifted gamma distribution fitted to them (the organisers' baseline takes its 90th percentile)
normal       mean + z_p * standard deviation
percentile   of the scores themselves (as Wilkinghoff 2023 does)

Calibrated and fused scores are z-scores, so half of them are negative; the gamma therefore has a location. A three-parameter
gamma likelihood is unbounded for shapes below 1, where the density has a pole at the location, so the fit is maximum
likelihood over shape >= 1: for every location below the smallest score the two other parameters have a unique optimum, and
the location maximises what is left. Scores that lean to the left drive the location towards minus infinity and the gamma
towards the normal distribution, which is its limit.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from zoo.errors import AsdzooError
from zoo.odd_scores import ordinary

Method = Literal["gamma", "normal", "percentile"]

OWN_PERCENTILE = 99.0  # of training scores, for decisions on one's own machines: one false alarm in a hundred recordings

_FEWEST = 8  # distinct scores below which a fitted distribution says less than the scores themselves
_FARTHEST = 100.0  # the location is at most this many standard deviations below the mean: there a gamma is a normal to 3 digits

_ZOOMS = 5  # each narrows the location's logarithm 20 times


@dataclass(frozen=True)
class Threshold:
    """A threshold and how it came about."""

    value: float
    method: Method  # the one that was used
    note: str = ""  # why another method than the one asked for was used

    def decide(self, scores: NDArray[np.float64]) -> NDArray[np.int64]:
        """1 (anomalous) where a score is above the threshold, else 0."""
        return (scores > self.value).astype(np.int64)

    def false_positive_rate(self, normal_scores: NDArray[np.float64]) -> float:
        """Share of normal clips that would be decided anomalous."""
        return float(np.mean(self.decide(normal_scores)))


def fit_threshold(scores: NDArray[np.float64], method: Method = "gamma", percentile: float = 90.0) -> Threshold:
    """The threshold for normal training scores `(n,)`.

    A score that stands apart from all others (`zoo.odd_scores`) takes no part. Too few distinct scores for a fit (fewer than 8)
    fall back on the empirical percentile, and say so in `note`.

    Raises: AsdzooError for no scores, scores that are not finite, or a percentile outside (0, 100).
    """
    if not 0 < percentile < 100:
        raise AsdzooError(f"the percentile {percentile:g} is not between 0 and 100", "for example --percentile 90")
    if len(scores) == 0:
        raise AsdzooError("no training scores to put a threshold on", "run `asdzoo train-all`, which scores training clips too")
    if not np.isfinite(scores).all():
        raise AsdzooError("training scores hold NaN or infinity", "train that system again")
    scores = scores[ordinary(scores)]
    distinct = len(np.unique(scores))
    if method != "percentile" and distinct < _FEWEST:
        few = f"{distinct} distinct training score{'s' if distinct > 1 else ''}: empirical percentile instead of {method}"
        return Threshold(float(np.percentile(scores, percentile)), "percentile", few)
    if method == "percentile":
        return Threshold(float(np.percentile(scores, percentile)), method)
    from scipy import stats

    if method == "normal":
        return Threshold(float(scores.mean() + scores.std(ddof=1) * stats.norm.ppf(percentile / 100)), method)
    shape, location, scale = fit_gamma(scores)
    return Threshold(float(stats.gamma.ppf(percentile / 100, shape, location, scale)), method)


def fit_gamma(scores: NDArray[np.float64]) -> tuple[float, float, float]:
    """Shape (>= 1), location and scale of the shifted gamma of greatest likelihood; `scores` `(n,)` are not all equal."""
    mean, deviation = float(scores.mean()), float(scores.std())
    z = (scores - mean) / deviation  # the optimum shifts and scales with the scores
    lowest = float(z.min())
    near, far = np.log(max(-lowest, 1e-3) * 1e-6), np.log(_FARTHEST)  # log distance of the location below the lowest score
    for _ in range(_ZOOMS):
        grid = np.linspace(near, far, 40)
        likelihood, shape, scale = _profile(z, lowest - np.exp(grid))
        best = int(np.argmax(likelihood))
        near, far = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    location = lowest - float(np.exp(grid[best]))
    return float(shape[best]), mean + deviation * location, deviation * float(scale[best])


def _profile(scores: NDArray[np.float64], locations: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """For each location the greatest mean log-likelihood, and the shape (>= 1) and scale that reach it; all `(locations,)`."""
    from scipy.special import digamma, gammaln, polygamma

    shifted = scores[:, None] - locations
    mean, mean_log = shifted.mean(axis=0), np.log(shifted).mean(axis=0)
    gap = np.log(mean) - mean_log  # log a - digamma(a) = gap at the optimum
    shape = (3 - gap + np.sqrt((gap - 3) ** 2 + 24 * gap)) / (12 * gap)
    for _ in range(4):  # Newton in 1/a converges from this start to machine precision in three
        slope = shape**2 * (1 / shape - polygamma(1, shape))
        shape = 1 / (1 / shape + (np.log(shape) - digamma(shape) - gap) / slope)
    shape = np.maximum(shape, 1.0)
    scale = mean / shape
    return (shape - 1) * mean_log - shape - gammaln(shape) - shape * np.log(scale), shape, scale
