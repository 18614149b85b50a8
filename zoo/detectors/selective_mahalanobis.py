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
from zoo.layers.error_moments import ErrorMoments
from zoo.metadata import Words

METADATA = Words(methods=("Mahalanobis distance",))
NEEDS = Need("ERROR_MOMENTS", "reconstruction errors", "autoencoder")
RIDGE = 1e-6  # of the mean square, on the diagonal: below it moments in float32 say nothing


class Config(Frozen):
    average: Literal["code", "formula"] = "code"  # see above


class Sums:
    """Sums over the blocks of a domain's clips."""

    def __init__(self, moments: ErrorMoments, rows: NDArray[np.intp]) -> None:
        self.moments, self.rows = moments, rows
        self.blocks, self.vectors = moments.blocks[rows].sum(), moments.vectors[rows].sum()
        self.first = moments.blocks[rows] @ moments.mean[rows]
        self.second = np.tensordot(moments.blocks[rows], moments.second[rows], axes=1)

    def inverse(self, without: int | None = None) -> FloatArray | None:
        """The inverse covariance, of all clips or without one of them; None when there is none left."""
        blocks, vectors, first, second = self.blocks, self.vectors, self.first, self.second
        if without is not None:
            if len(self.rows) == 1:
                return None
            own = self.moments.blocks[without]
            blocks, vectors = blocks - own, vectors - self.moments.vectors[without]
            first, second = first - own * self.moments.mean[without], second - own * self.moments.second[without]
        divisor = max(vectors - 1, 1)
        covariance = (second - np.outer(first, first) / blocks) / divisor
        ridge = max(RIDGE * np.trace(second) / len(second) / divisor, np.finfo(np.float32).tiny)
        inverse: FloatArray = np.linalg.inv(covariance + ridge * np.eye(len(covariance)))
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
        self._inverses = [whole for domain in self._domains if (whole := domain.inverse()) is not None]
        return self

    def score(self, embeddings: FloatArray) -> FloatArray:
        shape = fitted(self._shape)
        return self._lengths(ErrorMoments.of(joined(checked(embeddings, shape))), self._inverses)

    def score_training(self) -> FloatArray:
        moments = fitted(self._moments)
        by_domain = [self._lengths(moments, [inverse]) for inverse in self._inverses]
        scores = np.empty(len(moments.mean))
        for domain, sums in enumerate(self._domains):
            others = [lengths for number, lengths in enumerate(by_domain) if number != domain]
            for row in sums.rows:
                inverse = sums.inverse(without=row)
                own = [] if inverse is None else [self._length(moments, row, inverse)]
                left = own + [lengths[row] for lengths in others]
                scores[row] = min(left) if left else by_domain[domain][row]  # nothing left: measured against itself
        return scores

    def _lengths(self, moments: ErrorMoments, inverses: Sequence[FloatArray]) -> FloatArray:
        rows = range(len(moments.mean))
        found = [[self._length(moments, row, inverse) for row in rows] for inverse in inverses]
        lengths: FloatArray = np.array(found, np.float64).reshape(len(inverses), len(rows)).min(axis=0)
        return lengths

    def _length(self, moments: ErrorMoments, row: int, inverse: FloatArray) -> float:
        if self.config.average == "formula":
            return float((inverse * moments.second[row]).sum())
        return float(moments.mean[row] @ inverse @ moments.mean[row])


def build(config: Config) -> Detector:
    return SelectiveMahalanobis(config)
