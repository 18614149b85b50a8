"""The mean squared error of an autoencoder's reconstruction: the challenge's plainest baseline.

Source: Harada et al., First-shot anomaly detection (the baseline of 2023), EUSIPCO 2023: over all vectors and dimensions.
"""

from collections.abc import Sequence
from typing import Self

from zoo.config import Frozen
from zoo.data.clips import Clip
from zoo.detectors import Detector, FloatArray, Need
from zoo.detectors._arrays import checked, checked_training, fitted, joined
from zoo.layers.error_moments import ErrorMoments
from zoo.metadata import Words

METADATA = Words()  # the network has the words
NEEDS = Need("ERROR_MOMENTS", "reconstruction errors", "autoencoder")


class Config(Frozen):
    pass


class MeanSquaredError:
    """Nothing is fitted: the network was trained on the training clips, so their scores are those of clips that it has seen."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._training: FloatArray | None = None

    def fit(self, embeddings: FloatArray, clips: Sequence[Clip]) -> Self:
        self._training = checked_training(embeddings, clips)
        return self

    def score(self, embeddings: FloatArray) -> FloatArray:
        return ErrorMoments.of(joined(checked(embeddings, fitted(self._training).shape[1:]))).mean_square

    def score_training(self) -> FloatArray:
        return self.score(fitted(self._training))


def build(config: Config) -> Detector:
    return MeanSquaredError()
