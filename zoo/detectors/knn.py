"""k nearest neighbours: the mean distance to the k nearest normal clips, the smaller one of the two domains.

[LoRA], [T24]: cosine, k = 1; Han et al., ICASSP 2024: k = 2 (that the k distances are averaged is our reading).
"""

from collections.abc import Sequence
from typing import Literal, Self

import numpy as np
from pydantic import Field

from zoo.config import Frozen
from zoo.data.clips import Clip
from zoo.detectors import Detector, FloatArray
from zoo.detectors._arrays import checked, checked_training, directions, fitted
from zoo.detectors._banks import Bank, domain_banks, nearest_squares
from zoo.detectors._smote import SmoteConfig


class Config(Frozen):
    k: int = Field(default=1, ge=1)  # neighbours of each domain; all there are, where there are fewer
    metric: Literal["cosine", "euclidean"] = "cosine"
    smote: SmoteConfig | None = None  # None: the target bank holds the target clips only
    seed: int = 0  # of SMOTE


class NearestNeighbors:
    """Cosine distance is 1 - cos, in [0, 2]."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.notes: list[str] = []
        self._banks: list[Bank] | None = None
        self._training: FloatArray | None = None

    def fit(self, embeddings: FloatArray, clips: Sequence[Clip]) -> Self:
        training = checked_training(embeddings, clips)
        banks, self.notes = domain_banks(training, clips, self.config.smote, self.config.seed)
        self._banks = [Bank(self._placed(bank.points), bank.parents) for bank in banks]
        self._training = training
        return self

    def score(self, embeddings: FloatArray) -> FloatArray:
        banks = fitted(self._banks)
        queries = self._placed(checked(embeddings, fitted(self._training).shape[1]))
        scores: FloatArray = np.stack([self._distances(queries, bank) for bank in banks]).min(axis=0)
        return scores

    def score_training(self) -> FloatArray:
        banks = fitted(self._banks)
        queries = self._placed(fitted(self._training))
        scores = np.stack([self._distances(queries, bank, leave_out=True) for bank in banks]).min(axis=0)
        return np.where(np.isinf(scores), 0.0, scores)  # nothing left: the distance to itself

    def _placed(self, embeddings: FloatArray) -> FloatArray:
        return directions(embeddings) if self.config.metric == "cosine" else embeddings

    def _distances(self, queries: FloatArray, bank: Bank, leave_out: bool = False) -> FloatArray:
        """Mean distance (n,) to the k nearest points of a bank; infinite when none is left."""
        squares = nearest_squares(queries, bank, self.config.k, leave_out)
        distances = squares / 2 if self.config.metric == "cosine" else np.sqrt(squares)
        left = np.isfinite(distances)
        total = distances.sum(axis=1, where=left)
        number = left.sum(axis=1)
        return np.where(number > 0, total / np.maximum(number, 1), np.inf)


def build(config: Config) -> Detector:
    return NearestNeighbors(config)
