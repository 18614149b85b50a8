"""Dimensions on one scale: each less its mean over the training clips, in units of its standard deviation over them.

Leaving out a clip changes the scale, and so the distances between all others. They are found again from the nearest neighbours
on the whole scale, which are nearly always those on the other one; where that is not certain, from all clips.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoo.detectors import FloatArray
from zoo.detectors._banks import CHUNK, Bank, blocks
from zoo.detectors._compared import Compared
from zoo.detectors._references import finite_mean, mean_and_deviation

CONSTANT = 1e-12  # a deviation this much smaller than the largest value is rounding
CANDIDATES = 32  # nearest neighbours on the whole scale among which those on another one are looked for


@dataclass(frozen=True)
class Scale:
    """What `standardise` subtracts and divides by, both (dim,). A dimension that is constant in training keeps its unit."""

    mean: FloatArray
    deviation: FloatArray

    @classmethod
    def of(cls, points: FloatArray) -> "Scale":
        """The scale of points (n, dim)."""
        mean = points.mean(axis=0)
        deviation = np.sqrt(((points - mean) ** 2).mean(axis=0))
        constant = deviation <= np.abs(points).max(axis=0) * CONSTANT
        return cls(mean, np.where(constant, 1.0, deviation))

    @property
    def sides(self) -> tuple[FloatArray, FloatArray]:
        return self.mean, self.deviation

    def placed(self, points: FloatArray) -> FloatArray:
        """Points (n, dim) on this scale."""
        placed: FloatArray = (points - self.mean) / self.deviation
        return placed

    def without(self, points: FloatArray) -> FloatArray:
        """The deviations (n, dim) when one of the points that it is of is left out in each row."""
        n = len(points)
        squares = (points - self.mean) ** 2
        total = squares.sum(axis=0)
        left = total - squares * n / (n - 1)
        deviation: FloatArray = np.sqrt(np.maximum(left, 0.0) / (n - 1))
        for row, column in zip(*np.nonzero(left <= 1e-6 * total), strict=True):  # too few digits are left, or it is constant
            kept = np.delete(points[:, column], row)[:, None]
            deviation[row, column] = Scale.of(kept).deviation[0]
        return deviation


class Reweighted:
    """Euclidean distances to one bank of clips when a clip is left out, and with it its share in the scale.

    points   (m, dim) of the bank, on the whole scale
    weights  (n, dim): what a squared difference counts when each clip of the fit is left out, 1 on the whole scale
    """

    def __init__(self, bank: Bank, weights: FloatArray, k: int) -> None:
        self.points, self.rows = bank.points, bank.parents[:, 0]
        self.weights, self.k = weights, k

    def score_training(self, training: FloatArray) -> FloatArray:
        """The mean distance (n,) of each clip of the fit (n, dim) to its k nearest references, left out of them itself."""
        result = np.empty(len(training))
        k = min(self.k, len(self.points))
        for rows in blocks(len(training), max(len(self.points), k * self.points.shape[1])):
            clips, weights = training[rows], self.weights[rows]
            closeness = weights @ (self.points**2).T - 2 * ((weights * clips) @ self.points.T)
            closeness[np.arange(len(training))[rows, None] == self.rows] = np.inf
            best = np.argpartition(closeness, k - 1, axis=1)[:, :k]
            exact = (weights[:, None] * (clips[:, None] - self.points[best]) ** 2).sum(axis=2)
            left = np.isfinite(np.take_along_axis(closeness, best, axis=1))
            result[rows] = finite_mean(np.sqrt(np.where(left, exact, np.inf)))
        return result

    def statistics(self) -> tuple[FloatArray, FloatArray]:
        """Mean and deviation (n,) of the left-out distances among the references when each clip of the fit is left out."""
        mean, deviation = np.empty(len(self.weights)), np.empty(len(self.weights))
        near = self._candidates()
        for clips in blocks(len(self.weights), len(self.points)):
            left_out = np.arange(len(self.weights))[clips]
            there = left_out[:, None] != self.rows
            mean[clips], deviation[clips] = mean_and_deviation(self._inside(left_out, *near), there)
        return mean, deviation

    def _candidates(self) -> tuple[NDArray[np.intp], FloatArray]:
        """Each reference's nearest others on the whole scale (m, count), and how far, squared, all but these are (m,)."""
        m = len(self.points)
        own, count = np.arange(m), min(CANDIDATES + self.k, m - 1)
        bank = Bank(self.points, np.stack([own, own], axis=1))
        squares, which = Compared(self.points, self.points).nearest(bank, count, left_out=own)
        return which, squares.max(axis=1) if count < m - 1 else np.full(m, np.inf)

    def _inside(self, left_out: NDArray[np.intp], which: NDArray[np.intp], outside: FloatArray) -> FloatArray:
        """Mean distances of the references to their k nearest others, for each left-out clip: (len(left_out), m)."""
        m, count = which.shape
        n, k, weights = len(left_out), min(self.k, count), self.weights[left_out]
        lowest = weights.min(axis=1)
        place_of = np.full(len(self.weights), -1)
        place_of[left_out] = np.arange(n)
        result = np.empty((n, m))
        for part in blocks(m, count * max(n, self.points.shape[1])):
            differences = (self.points[part, None] - self.points[which[part]]) ** 2
            found = (differences.reshape(-1, differences.shape[2]) @ weights.T).reshape(*differences.shape[:2], n)
            gone = place_of[self.rows[which[part]]]
            place, rank = np.nonzero(gone >= 0)
            found[place, rank, gone[place, rank]] = np.inf
            smallest = np.partition(found, k - 1, axis=1)[:, :k]
            result[:, part] = finite_mean(np.sqrt(smallest.transpose(0, 2, 1)).reshape(-1, k)).reshape(-1, n).T
            certain = smallest.max(axis=1) <= lowest * outside[part, None]
            for clip in np.flatnonzero(~certain.all(axis=0)):
                doubtful = np.arange(m)[part][~certain[:, clip]]
                result[clip, doubtful] = self._among_all(doubtful, int(left_out[clip]))
        return result

    def _among_all(self, points: NDArray[np.intp], clip: int) -> FloatArray:
        """Mean distances of some references to their k nearest others when `clip` is left out, (len(points),)."""
        result = np.empty(len(points))
        size = max(1, CHUNK // self.points.size)
        for start in range(0, len(points), size):
            chosen = points[start : start + size]
            squares = ((self.points[chosen, None] - self.points) ** 2) @ self.weights[clip]
            squares[np.arange(len(chosen)), chosen] = np.inf
            squares[:, self.rows == clip] = np.inf
            k = min(self.k, squares.shape[1])
            result[start : start + size] = finite_mean(np.sqrt(np.partition(squares, k - 1, axis=1)[:, :k]))
        return result
