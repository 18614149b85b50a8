"""Mahalanobis distance to the mean of each domain, the smaller one: the selective mode of the challenge's baseline.

Harada et al., First-shot anomaly detection (the baseline of 2023), EUSIPCO 2023, where it is taken of reconstruction errors.
Here each domain has its own mean and covariance of the embeddings. Ten target clips do not span them, so the covariance is
shrunk (open) towards a multiple of the identity: (1 - s) C + s tr(C) / dim.

Leaving one clip out is exact: removing a clip and its SMOTE points changes the covariance by a matrix of low rank, whose
inverse the Woodbury identity gives in the eigenbasis of the whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from pydantic import Field

from zoo.config import Frozen
from zoo.data.clips import Clip
from zoo.detectors import Detector, FloatArray
from zoo.detectors._arrays import canonical_order, checked, checked_training, fitted, joined
from zoo.detectors._banks import Bank, domain_banks
from zoo.detectors._smote import SmoteConfig
from zoo.metadata import Words

METADATA = Words(methods=("Mahalanobis distance",))


class Config(Frozen):
    shrinkage: float = Field(default=0.1, gt=0, le=1)  # s above
    smote: SmoteConfig | None = None
    seed: int = 0  # of SMOTE


@dataclass(frozen=True)
class Gaussian:
    """Mean and inverse covariance of one domain: in the basis Q, diag(1 / d) + W' K W with W = P diag(1 / d)."""

    mean: FloatArray  # (dim,)
    flat: bool  # its points coincide, so it has no covariance: `basis` and the others mean the identity
    basis: FloatArray  # Q, (dim, dim), a column for each eigenvector
    diagonal: FloatArray  # d, (dim,)
    removed: FloatArray  # P, (k, dim): what was left out, less the mean, in the basis
    correction: FloatArray  # K, (k, k)

    def squares(self, offsets: FloatArray) -> FloatArray:
        """Squared Mahalanobis lengths (n,) of vectors (n, dim)."""
        rotated = offsets @ self.basis
        weighted = rotated / self.diagonal
        lengths: FloatArray = (rotated * weighted).sum(axis=1)
        if len(self.removed):
            seen = weighted @ self.removed.T
            lengths += ((seen @ self.correction) * seen).sum(axis=1)
        np.maximum(lengths, 0.0, out=lengths)  # rounding
        return lengths


class Domain:
    """The points of one domain and what is needed to leave some of them out."""

    def __init__(self, bank: Bank, shrinkage: float) -> None:
        order = canonical_order(bank.points)
        points, self.parents = bank.points[order], bank.parents[order]
        self.shrinkage = shrinkage
        count, dim = points.shape
        mean = points.mean(axis=0)
        centered = points - mean
        flat = self._is_flat(float((centered**2).sum()), float((points**2).sum()))
        if flat:
            self.scatter, basis = np.zeros(dim), np.eye(dim)
        else:
            self.scatter, basis = np.linalg.eigh(centered.T @ centered)
            self.scatter = np.maximum(self.scatter, 0.0)
        self.rotated = centered @ basis
        nothing = np.empty((0, dim))
        self.whole = Gaussian(mean, flat, basis, self._diagonal(self.scatter, count), nothing, np.empty((0, 0)))

    def without(self, clip: int) -> Gaussian | None:
        """The Gaussian of what is left when a training clip is left out; None when nothing is."""
        gone = self.rotated[(self.parents == clip).any(axis=1)]
        count, left = len(self.rotated), len(self.rotated) - len(gone)
        if not len(gone):
            return self.whole
        if not left:
            return None
        total = gone.sum(axis=0)
        mean = self.whole.mean - self.whole.basis @ (total / left)
        # scatter' = scatter - P' C P, with C = 1 + 11' / left and C^-1 = 1 - 11' / count
        lost = float((gone**2).sum() + (total**2).sum() / left)
        spread = float(self.scatter.sum()) - lost
        if self.whole.flat or self._is_flat(spread, float(self.scatter.sum()), digits=10):
            dim = len(mean)
            return Gaussian(mean, True, np.eye(dim), np.ones(dim), np.empty((0, dim)), np.empty((0, 0)))
        diagonal = (1 - self.shrinkage) * self.scatter / left + self.shrinkage * spread / left / len(mean)
        share = (1 - self.shrinkage) / left
        if share == 0:
            return Gaussian(mean, False, self.whole.basis, diagonal, gone[:0], np.empty((0, 0)))
        inner = (np.eye(len(gone)) - 1 / count) / share - (gone / diagonal) @ gone.T
        return Gaussian(mean, False, self.whole.basis, diagonal, gone, np.linalg.inv(inner))

    def _diagonal(self, scatter: FloatArray, count: int) -> FloatArray:
        if not scatter.any():
            return np.ones_like(scatter)
        covariance = scatter / count
        shrunk: FloatArray = (1 - self.shrinkage) * covariance + self.shrinkage * covariance.mean()
        return shrunk

    @staticmethod
    def _is_flat(scatter: float, scale: float, digits: int = 24) -> bool:
        """Whether a sum of squares is only rounding, next to the `scale` of what was subtracted."""
        return scatter <= scale * 10.0**-digits


class Mahalanobis:
    """Distance, not squared. A domain whose points coincide (one clip, say) borrows the covariance of the other domain.

    Where neither has one, the distance is Euclidean.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.notes: list[str] = []
        self._domains: list[Domain] | None = None
        self._shape: tuple[int, ...] | None = None  # (parts, dim)
        self._training: FloatArray | None = None

    def fit(self, embeddings: FloatArray, clips: Sequence[Clip]) -> Self:
        training = checked_training(embeddings, clips)
        self._shape, self._training = training.shape[1:], joined(training)
        banks, self.notes = domain_banks(self._training, clips, self.config.smote, self.config.seed)
        self._domains = [Domain(bank, self.config.shrinkage) for bank in banks]
        if len(clips) > 1 and any(domain.whole.flat for domain in self._domains):
            self.notes.append("the clips of one domain coincide: it has no covariance of its own")
        return self

    def score(self, embeddings: FloatArray) -> FloatArray:
        domains = fitted(self._domains)
        queries = joined(checked(embeddings, fitted(self._shape)))
        return _distances(queries, [domain.whole for domain in domains])

    def score_training(self) -> FloatArray:
        training, domains = fitted(self._training), fitted(self._domains)
        scores = np.zeros(len(training))  # nothing left: the distance to itself
        for clip, embedding in enumerate(training):
            left = [gaussian for domain in domains if (gaussian := domain.without(clip)) is not None]
            if left:
                scores[clip] = _distances(embedding[None], left)[0]
        return scores


def build(config: Config) -> Detector:
    return Mahalanobis(config)


def _distances(queries: FloatArray, gaussians: Sequence[Gaussian]) -> FloatArray:
    lender = next((gaussian for gaussian in gaussians if not gaussian.flat), gaussians[0])
    squares = [(lender if own.flat else own).squares(queries - own.mean) for own in gaussians]
    distances: FloatArray = np.sqrt(np.stack(squares).min(axis=0))
    return distances
