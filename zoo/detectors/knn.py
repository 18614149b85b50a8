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
from zoo.detectors._arrays import checked, checked_training, directions, fitted, joined
from zoo.detectors._banks import Bank, domain_banks, nearest_squares
from zoo.detectors._scale import Scale
from zoo.detectors._smote import SmoteConfig
from zoo.metadata import Words

METADATA = Words(methods=("k-NN",))


class Config(Frozen):
    k: int = Field(default=1, ge=1)  # neighbours of each domain; all there are, where there are fewer
    metric: Literal["cosine", "euclidean"] = "cosine"
    standardise: bool = False  # first put every dimension on the scale that it has over the machine's training clips
    smote: SmoteConfig | None = None  # None: the target bank holds the target clips only
    seed: int = 0  # of SMOTE


class NearestNeighbors:
    """Cosine distance is 1 - cos, in [0, 2]."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.notes: list[str] = []
        self._shape: tuple[int, ...] | None = None  # (parts, dim)
        self._banks: list[Bank] | None = None
        self._scale: Scale | None = None
        self._training: FloatArray | None = None

    def fit(self, embeddings: FloatArray, clips: Sequence[Clip]) -> Self:
        training = checked_training(embeddings, clips)
        self._shape, training = training.shape[1:], joined(training)
        self._banks, self.notes = domain_banks(training, clips, self.config.smote, self.config.seed)
        self._scale = Scale.of(training) if self.config.standardise else None
        self._training = training
        return self

    def score(self, embeddings: FloatArray) -> FloatArray:
        queries = joined(checked(embeddings, fitted(self._shape)))
        return self._scores(queries, fitted(self._banks), self._scale)

    def score_training(self) -> FloatArray:
        training, banks = fitted(self._training), fitted(self._banks)
        if self._scale is None:
            scores = self._scores(training, banks, None, leave_out=True)
        else:  # without the clip, the scale is another one
            rows = range(len(training))
            left = (([bank.without(row) for bank in banks], Scale.of(training, [row])) for row in rows)
            scores = np.concatenate([self._scores(training[[row]], *rest) for row, rest in zip(rows, left, strict=True)])
        return np.where(np.isinf(scores), 0.0, scores)  # nothing left: the distance to itself

    def _scores(self, queries: FloatArray, banks: Sequence[Bank], scale: Scale | None, leave_out: bool = False) -> FloatArray:
        """Scores (n,) of queries (n, dim); infinite when no bank has a point left."""

        def placed(points: FloatArray) -> FloatArray:
            points = points if scale is None else scale.placed(points)
            return directions(points) if self.config.metric == "cosine" else points

        there = [Bank(placed(bank.points), bank.parents) for bank in banks if len(bank.points)]
        distances = [self._distances(placed(queries), bank, leave_out) for bank in there]
        scores: FloatArray = np.stack([*distances, np.full(len(queries), np.inf)]).min(axis=0)
        return scores

    def _distances(self, queries: FloatArray, bank: Bank, leave_out: bool) -> FloatArray:
        """Mean distance (n,) to the k nearest points of a bank; infinite when none is left."""
        squares = nearest_squares(queries, bank, self.config.k, leave_out)
        distances = squares / 2 if self.config.metric == "cosine" else np.sqrt(squares)
        left = np.isfinite(distances)
        total = distances.sum(axis=1, where=left)
        number = left.sum(axis=1)
        return np.where(number > 0, total / np.maximum(number, 1), np.inf)


def build(config: Config) -> Detector:
    return NearestNeighbors(config)
