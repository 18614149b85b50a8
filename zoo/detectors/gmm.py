"""A Gaussian mixture over the directions of the embeddings: the score is the negative log-likelihood, in nats.

[W23] names the back end; open are the number of components and the covariances (here as in Wilkinghoff, sub-cluster AdaCos,
IJCNN 2021: 16, full, 1e-3 on the diagonal), and the two domains: one mixture over both, because densities of two mixtures of
different sharpness cannot be compared. SMOTE gives the target domain the weight of the source domain.
"""

import warnings
from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from threadpoolctl import threadpool_limits

from zoo.config import Frozen
from zoo.data.clips import Clip
from zoo.detectors import Detector, FloatArray
from zoo.detectors._arrays import canonical_order, checked, checked_training, directions, fitted, joined
from zoo.detectors._banks import domain_banks
from zoo.detectors._smote import SmoteConfig
from zoo.metadata import Words

METADATA = Words(methods=("GMM",))
FOLDS = 10


class Config(Frozen):
    components: int = Field(default=16, ge=1)  # fewer where there are fewer different clips
    covariance: Literal["full", "tied", "diag", "spherical"] = "full"
    floor: float = Field(default=1e-3, gt=0)  # added to the diagonal of each covariance; embeddings have length one
    smote: SmoteConfig | None = None
    seed: int = 0  # of the first components and of SMOTE


class Mixture:
    """Training clips are left out a tenth at a time, with their SMOTE points, from a mixture fitted to the other nine."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.notes: list[str] = []
        self._points: FloatArray = np.empty((0, 0))
        self._parents: NDArray[np.intp] = np.empty((0, 2), dtype=np.intp)
        self._order: NDArray[np.intp] = np.empty(0, dtype=np.intp)
        self._shape: tuple[int, ...] | None = None  # (parts, dim)
        self._training: FloatArray | None = None
        self._mixture: Any = None

    def fit(self, embeddings: FloatArray, clips: Sequence[Clip]) -> Self:
        training = checked_training(embeddings, clips)
        self._shape, training = training.shape[1:], joined(training)
        banks, self.notes = domain_banks(training, clips, self.config.smote, self.config.seed)
        self._points = directions(np.concatenate([bank.points for bank in banks]))
        self._parents = np.concatenate([bank.parents for bank in banks])
        self._training = directions(training)
        is_target = np.array([clip.domain == "target" for clip in clips])
        # one domain after the other, so that every fold has its share of each
        domains = [np.flatnonzero(~is_target), np.flatnonzero(is_target)]
        self._order = np.concatenate([rows[canonical_order(self._training[rows])] for rows in domains])
        self._mixture = self._fitted_to(self._points)
        return self

    def score(self, embeddings: FloatArray) -> FloatArray:
        return self._scores(self._mixture, directions(joined(checked(embeddings, fitted(self._shape)))))

    def score_training(self) -> FloatArray:
        training = fitted(self._training)
        scores = self._scores(self._mixture, training)
        for fold in range(FOLDS):
            left_out = np.isin(np.arange(len(training)), self._order[fold::FOLDS])
            rest = self._points[~left_out[self._parents].any(axis=1)]
            if left_out.any() and len(rest):
                scores[left_out] = self._scores(self._fitted_to(rest), training[left_out])
        return scores

    def _fitted_to(self, points: FloatArray) -> Any:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture

        points = points[canonical_order(points)]
        mixture = GaussianMixture(
            min(self.config.components, len(np.unique(points, axis=0))),
            covariance_type=self.config.covariance,
            reg_covar=self.config.floor,
            random_state=self.config.seed,
        )
        with threadpool_limits(1), warnings.catch_warnings():  # one thread, as in kmeans.py, which finds the first components
            warnings.simplefilter("ignore", ConvergenceWarning)  # a mixture that still gains a little is a density as well
            return mixture.fit(points if len(points) > 1 else np.repeat(points, 2, axis=0))  # it refuses a single point

    def _scores(self, mixture: Any, queries: FloatArray) -> FloatArray:
        return np.empty(0) if not len(queries) else -np.asarray(mixture.score_samples(queries), dtype=np.float64)


def build(config: Config) -> Detector:
    return Mixture(config)
