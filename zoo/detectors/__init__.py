"""Detectors: from embeddings of normal clips to anomaly scores; a file in this folder is the registration.

**Larger = more anomalous**, for every detector.

Each public module `zoo/detectors/<name>.py` defines

- `Config(Frozen)`: its hyper-parameters,
- `METADATA`: its words for the metadata of a submission,
- `build(config) -> Detector` (`density` takes the network's likelihood as well, `class_odds` the number of a class),
- `NEEDS`, a `Need`, where not every network will do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from zoo.data.clips import Clip

FloatArray = NDArray[np.floating]


@dataclass(frozen=True)
class Need:
    """What a detector asks of the network that made its embeddings."""

    flag: str  # True in the module of a model that has it, `LIKELIHOOD = True`
    what: str  # in words
    model: str  # one that has it


class Detector(Protocol):
    """Fitted on the normal training clips of one (machine, section); scores any clip of it."""

    notes: list[str]  # what `fit` had to do without, one sentence each, for the person who runs it

    def fit(self, embeddings: FloatArray, clips: Sequence[Clip]) -> Self:
        """Learn what is normal. `embeddings` is (n, parts, dim), row i belongs to `clips[i]` (domain None counts as source).

        (n, dim) is taken as one part, here and in `score`.

        Raises: AsdzooError when there is nothing to learn from or an embedding is not finite.
        """
        ...

    def score(self, embeddings: FloatArray) -> FloatArray:
        """Anomaly scores (n,), float64, of embeddings (n, parts, dim); larger = more anomalous.

        Raises: AsdzooError before `fit`, for another shape than that of `fit`, or when an embedding is not finite.
        """
        ...

    def score_training(self) -> FloatArray:
        """Scores (n,) of the clips given to `fit`, each as if it had been left out of the fit.

        A clip that then has nothing left to be compared with is compared with itself, and `notes` says so.
        """
        ...
