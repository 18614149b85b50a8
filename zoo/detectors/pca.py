"""What the principal components of normal clips leave over: the squared residual of the PCA that keeps a share of the variance.

The plainest autoencoder. Clips of both domains are fitted together: the ten of the target domain open directions of their own
only where they differ in many dimensions at once. Parts are laid end to end.

Leaving one clip out is exact: its share is taken from mean, deviations and covariance, and the components are found again.
"""

from collections.abc import Sequence
from typing import Self

import numpy as np
from pydantic import Field

from zoo.config import Frozen
from zoo.data.clips import Clip
from zoo.detectors import Detector, FloatArray
from zoo.detectors._arrays import checked, checked_training, fitted, joined
from zoo.detectors._banks import blocks, domain_notes
from zoo.detectors._scale import Scale
from zoo.metadata import Words

METADATA = Words(methods=("PCA",))


class Config(Frozen):
    keep: float = Field(default=0.9, gt=0, lt=1)  # share of the variance that the components keep
    standardise: bool = True  # first put every dimension on the scale that it has over the machine's training clips


class Residual:
    """Squared, not averaged over the dimensions."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.notes: list[str] = []
        self._shape: tuple[int, ...] | None = None  # (parts, dim)
        self._training: FloatArray | None = None
        self._scale: Scale | None = None
        self._components: FloatArray = np.empty((0, 0))  # (dim, kept)

    def fit(self, embeddings: FloatArray, clips: Sequence[Clip]) -> Self:
        training = checked_training(embeddings, clips)
        self._shape, self._training = training.shape[1:], joined(training)
        self.notes = domain_notes(clips)
        self._scale = Scale.of(self._training)
        if not self.config.standardise:
            self._scale = Scale(self._scale.mean, np.ones_like(self._scale.deviation))
        placed = self._scale.placed(self._training)
        values, vectors = np.linalg.eigh(placed.T @ placed)
        self._components = vectors * self._kept(values)
        return self

    def score(self, embeddings: FloatArray) -> FloatArray:
        placed = fitted(self._scale).placed(joined(checked(embeddings, fitted(self._shape))))
        return _residual(placed, placed @ self._components)

    def score_training(self) -> FloatArray:
        training, scale = fitted(self._training), fitted(self._scale)
        n, dim = training.shape
        scores = np.zeros(n)  # nothing left: the distance to itself
        if n == 1:
            return scores
        offsets = training - scale.mean
        scatter = offsets.T @ offsets
        deviations = scale.without(training) if self.config.standardise else np.ones((n, dim))
        for rows in blocks(n, 2 * dim * dim):
            own, deviation = offsets[rows], deviations[rows]
            left = scatter - own[:, :, None] * own[:, None] * (n / (n - 1))
            values, vectors = np.linalg.eigh(left / (deviation[:, :, None] * deviation[:, None]))
            placed = own * (n / (n - 1)) / deviation  # less the mean of the others
            inside = (placed[:, None] @ vectors)[:, 0] * self._kept(values)
            scores[rows] = _residual(placed, inside)
        return scores

    def _kept(self, values: FloatArray) -> FloatArray:
        """1 for the components that are kept and 0 for the others, (..., dim), from ascending variances."""
        values = np.maximum(values, 0.0)[..., ::-1]
        total = values.sum(axis=-1, keepdims=True)
        before = np.cumsum(values, axis=-1) - values
        # rounding is no variance: without it every component of clips that coincide would be one
        kept = (before < self.config.keep * total) & (values > 1e-12 * total) & (total > 0)
        result: FloatArray = kept[..., ::-1].astype(np.float64)
        return result


def build(config: Config) -> Detector:
    return Residual(config)


def _residual(placed: FloatArray, inside: FloatArray) -> FloatArray:
    """What of the squared lengths (n,) is not inside the components."""
    residual: FloatArray = np.maximum((placed**2).sum(axis=1) - (inside**2).sum(axis=1), 0.0)
    return residual
