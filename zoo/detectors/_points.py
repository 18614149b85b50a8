"""A base for detectors that learn from points and know nothing of leaving one out: those of other libraries."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from zoo.data.clips import Clip
from zoo.detectors import FloatArray
from zoo.detectors._arrays import canonical_order, checked, checked_training, fitted, joined

FOLDS = 10  # of the training clips; with so few clips or fewer, each is left out alone


class PointDetector(ABC):
    """A clip is one point, its parts end to end; domains are not told apart.

    Training clips are scored by detectors that learned from the other folds. Clips of the same embedding are in one fold, so
    that scores do not depend on the order of clips.
    """

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._learned: Any = None
        self._training: FloatArray | None = None

    @abstractmethod
    def learn(self, points: FloatArray) -> Any:
        """What `judge` needs, from normal points (n, dim), n > 0, which come in the same order whatever that of the clips."""

    @abstractmethod
    def judge(self, learned: Any, points: FloatArray) -> FloatArray:
        """Scores (n,) of points (n, dim), n > 0; larger = more anomalous."""

    def fit(self, embeddings: FloatArray, clips: Sequence[Clip]) -> Self:
        training = checked_training(embeddings, clips)
        self._training, self._learned = training, self._learn(joined(training))
        self.notes = [] if len(clips) > 1 else ["one training clip, which is compared with itself"]
        return self

    def score(self, embeddings: FloatArray) -> FloatArray:
        return self._judge(self._learned, joined(checked(embeddings, fitted(self._training).shape[1:])))

    def score_training(self) -> FloatArray:
        points = joined(fitted(self._training))
        _, place = np.unique(points, axis=0, return_inverse=True)
        fold = place.reshape(-1) % FOLDS
        scores = np.empty(len(points))
        for one in np.unique(fold):
            inside = fold == one
            learned = self._learned if inside.all() else self._learn(points[~inside])
            scores[inside] = self._judge(learned, points[inside])
        return scores

    def _learn(self, points: FloatArray) -> Any:
        return self.learn(points[canonical_order(points)])

    def _judge(self, learned: Any, points: FloatArray) -> FloatArray:
        return np.asarray(self.judge(learned, points), np.float64) if len(points) else np.empty(0)
