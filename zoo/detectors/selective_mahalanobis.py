"""Mahalanobis length of an autoencoder's errors, with a covariance for each domain; the smaller one counts.

Source: Harada et al., First-shot anomaly detection (the baseline of 2023), EUSIPCO 2023, and the baseline's public code, called
[C]. A covariance is that of all blocks of the domain's training clips about their mean, with [C]'s divisor, the number of
vectors less one (not of blocks; [C] takes each batch about its own mean). No mean is taken off the errors that are scored.

- `average: formula`, the paper: the mean of e' S^-1 e over a clip's blocks e.
- `average: code`: [C] averages e' S^-1 f over all pairs of blocks, which is the length of the mean error. The published numbers
  are of this one.

Leaving one clip out is exact for the covariance: its sums are taken off. The network has seen the clip.
"""

from collections.abc import Sequence
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from zoo.config import Frozen
from zoo.data.clips import Clip
from zoo.detectors import Detector, FloatArray, Need
from zoo.detectors._arrays import checked, checked_training, fitted, joined
from zoo.detectors._banks import domain_notes
from zoo.layers.error_moments import ErrorMoments, symmetric
from zoo.metadata import Words

METADATA = Words(methods=("Mahalanobis distance",))
NEEDS = Need("ERROR_MOMENTS", "reconstruction errors", "autoencoder")
RIDGE = 1e-6  # of the mean square, on the diagonal: below it moments in float32 say nothing


class Config(Frozen):
    average: Literal["code", "formula"] = "code"  # see above


class Sums:
    """Sums over the blocks of a domain's clips; `rows` are theirs among all clips."""

    def __init__(self, moments: ErrorMoments, rows: NDArray[np.intp]) -> None:
        self.moments, self.rows = moments.take(rows), rows
        self.blocks, self.vectors = self.moments.blocks.sum(), self.moments.vectors.sum()
        self.first, self.second = self.moments.blocks @ self.moments.mean, self.moments.blocks @ self.moments.second

    def inverse(self) -> FloatArray:
        """The inverse covariance of all clips."""
        return _inverse(self.first, self.second, self.blocks, self.vectors)

    def inverse_without(self, clip: int) -> FloatArray | None:
        """That of all clips of the domain but one; None when there is no other."""
        if len(self.rows) == 1:
            return None
        own, of = self.moments.blocks[clip], self.moments
        first, second = self.first - own * of.mean[clip], self.second - own * of.second[clip]
        return _inverse(first, second, self.blocks - own, self.vectors - of.vectors[clip])


def _inverse(first: FloatArray, second: FloatArray, blocks: float, vectors: float) -> FloatArray:
    """Of the covariance of blocks with these sums (bins,) and (triangle,)."""
    bins, divisor = len(first), max(vectors - 1, 1)
    squares = symmetric(second, bins) / divisor
    covariance = squares - np.outer(first, first) / blocks / divisor
    ridge = max(RIDGE * np.trace(squares) / bins, np.finfo(np.float32).tiny)
    inverse: FloatArray = np.linalg.inv(covariance + ridge * np.eye(bins))
    return inverse


class SelectiveMahalanobis:
    """Squared lengths. A machine with clips of one domain has that covariance alone."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.notes: list[str] = []
        self._shape: tuple[int, ...] | None = None  # (parts, dim)
        self._moments: ErrorMoments | None = None
        self._domains: list[Sums] = []
        self._inverses: list[FloatArray] = []

    def fit(self, embeddings: FloatArray, clips: Sequence[Clip]) -> Self:
        training = checked_training(embeddings, clips)
        self._shape, self.notes = training.shape[1:], domain_notes(clips)
        self._moments = moments = ErrorMoments.of(joined(training))
        target = np.array([clip.domain == "target" for clip in clips])
        self._domains = [Sums(moments, rows) for domain in (~target, target) if len(rows := np.flatnonzero(domain))]
        self._inverses = [domain.inverse() for domain in self._domains]
        return self

    def score(self, embeddings: FloatArray) -> FloatArray:
        moments = ErrorMoments.of(joined(checked(embeddings, fitted(self._shape))))
        shortest: FloatArray = np.min([self._lengths(moments, inverse) for inverse in self._inverses], axis=0)
        return shortest

    def score_training(self) -> FloatArray:
        moments = fitted(self._moments)
        scores = np.full(len(moments.mean), np.inf)
        for domain, whole in zip(self._domains, self._inverses, strict=True):
            others = np.setdiff1d(np.arange(len(scores)), domain.rows)
            scores[others] = np.minimum(scores[others], self._lengths(moments.take(others), whole))
            for clip, row in enumerate(domain.rows):
                inverse = domain.inverse_without(clip)
                if inverse is None and len(self._domains) == 1:
                    inverse = whole  # nothing is left: measured against itself
                if inverse is not None:
                    scores[row] = min(scores[row], self._lengths(moments.take([row]), inverse)[0])
        return scores

    def _lengths(self, moments: ErrorMoments, inverse: FloatArray) -> FloatArray:
        """Of each clip (n,)."""
        lengths: FloatArray
        if self.config.average == "formula":
            rows, columns = np.triu_indices(len(inverse))
            lengths = moments.second @ (inverse[rows, columns] * np.where(rows == columns, 1.0, 2.0))
        else:
            lengths = ((moments.mean @ inverse) * moments.mean).sum(axis=1)
        return lengths


def build(config: Config) -> Detector:
    return SelectiveMahalanobis(config)
