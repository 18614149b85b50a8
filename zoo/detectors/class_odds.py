"""How unlikely a classifier finds it that a clip is of its own machine: the mean of log((1 - p) / p).

A machine may be several classes, and a test clip's is not told (attributes, domain): the likeliest of them counts (open).
Source: the MobileNet baseline of DCASE 2021 Task 2, where a machine's section is one class.
"""

from collections.abc import Callable, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from zoo.config import Frozen
from zoo.data.clips import Clip
from zoo.detectors import Detector, FloatArray, Need
from zoo.detectors._arrays import checked, checked_training, fitted, joined
from zoo.metadata import Words

METADATA = Words()  # the network has the words
NEEDS = Need("CLASS_ODDS", "the odds of classes", "mobilenet")

ClassNumber = Callable[[Clip], int]  # the class that a training clip teaches: a column of the embeddings


class Config(Frozen):
    pass


class ClassOdds:
    """Nothing is fitted but which classes a machine has; training clips are clips that the network has seen."""

    def __init__(self, number: ClassNumber) -> None:
        self.number = number
        self.notes: list[str] = []
        self._training: FloatArray | None = None
        self._own: NDArray[np.intp] = np.empty(0, np.intp)

    def fit(self, embeddings: FloatArray, clips: Sequence[Clip]) -> Self:
        self._training = checked_training(embeddings, clips)
        self._own = np.array(sorted({self.number(clip) for clip in clips}), np.intp)
        return self

    def score(self, embeddings: FloatArray) -> FloatArray:
        odds = joined(checked(embeddings, fitted(self._training).shape[1:]))
        lowest: FloatArray = odds[:, self._own].min(axis=1)
        return lowest

    def score_training(self) -> FloatArray:
        return self.score(fitted(self._training))


def build(config: Config, number: ClassNumber) -> Detector:
    """`number` gives the class of a training clip."""
    return ClassOdds(number)
