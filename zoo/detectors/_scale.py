"""Dimensions on one scale: each less its mean over the training clips, in units of its standard deviation over them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zoo.detectors import FloatArray


@dataclass(frozen=True)
class Scale:
    """What `standardise` subtracts and divides by, both (dim,). A dimension that is constant in training keeps its unit."""

    mean: FloatArray
    deviation: FloatArray

    @classmethod
    def of(cls, points: FloatArray, left_out: Sequence[int] = ()) -> "Scale":
        """The scale of points (n, dim), some of which may be left out; with none left that of the whole."""
        kept = np.delete(points, np.asarray(left_out, int), axis=0) if len(left_out) < len(points) else points
        mean = kept.mean(axis=0)
        deviation = np.sqrt(((kept - mean) ** 2).mean(axis=0))
        constant = deviation <= np.abs(kept).max(axis=0) * 1e-12  # only rounding
        return cls(mean, np.where(constant, 1.0, deviation))

    def placed(self, points: FloatArray) -> FloatArray:
        """Points (n, dim) on this scale."""
        placed: FloatArray = (points - self.mean) / self.deviation
        return placed
