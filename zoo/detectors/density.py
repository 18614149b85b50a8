"""The density that a network has learnt is its own detector: the score is the negative log-likelihood [T24 2.1]."""

from collections.abc import Callable, Sequence
from typing import Self

import numpy as np

from zoo.config import Frozen
from zoo.data.clips import Clip
from zoo.detectors import Detector, FloatArray, Need
from zoo.detectors._arrays import checked, checked_training, fitted, joined
from zoo.errors import AsdzooError
from zoo.metadata import Words

METADATA = Words()  # the network has the words
NEEDS = Need("LIKELIHOOD", "a likelihood", "nf_cdee")

Likelihood = Callable[[FloatArray, Clip], FloatArray]  # embeddings (n, dim), a clip of their machine -> (n,), in nats


class Config(Frozen):
    pass


class Density:
    """`fit` only learns which machine the clips are of: the density was trained with the network.

    For that reason `score_training` is the one that leaves nothing out: the network has seen these clips.
    """

    def __init__(self, likelihood: Likelihood) -> None:
        self.likelihood = likelihood
        self.notes: list[str] = []
        self._training: FloatArray | None = None
        self._clip: Clip | None = None

    def fit(self, embeddings: FloatArray, clips: Sequence[Clip]) -> Self:
        training = checked_training(embeddings, clips)
        machines = sorted({f"{clip.machine} section {clip.section}" for clip in clips})
        if len(machines) > 1:
            raise AsdzooError(f"one detector for {' and '.join(machines)}", "fit one detector for each machine and section")
        self._training, self._clip = training, clips[0]
        return self

    def score(self, embeddings: FloatArray) -> FloatArray:
        clip = fitted(self._clip)
        scores = self.likelihood(joined(checked(embeddings, fitted(self._training).shape[1:])), clip)
        scores = np.asarray(scores, dtype=np.float64)
        if not np.isfinite(scores).all():
            raise AsdzooError(
                f"the density of {clip.machine} is not finite for {(~np.isfinite(scores)).sum()} clips",
                "train the system again",
            )
        return scores

    def score_training(self) -> FloatArray:
        return self.score(fitted(self._training))


def build(config: Config, likelihood: Likelihood) -> Detector:
    """`likelihood` gives negative log-likelihoods (n,) of embeddings (n, dim) of the machine and section of a clip."""
    return Density(likelihood)
