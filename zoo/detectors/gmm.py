"""A Gaussian mixture over the directions of the embeddings: the score is the negative log-likelihood, in nats.

[W23] names the back end; open are the number of components and the covariances (here as in Wilkinghoff, sub-cluster AdaCos,
IJCNN 2021: 16, full, 1e-3 on the diagonal). One mixture over both domains is the default, because densities of two mixtures of
different sharpness cannot be compared; the other rows of W23's Table 6 are `domains`. SMOTE gives the target domain the weight
of the source domain; domain mixup, of the same author's public code for 2022, adds a point half-way between each source clip
and a target clip drawn at random.
"""

import warnings
from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from threadpoolctl import threadpool_limits

from zoo.config import Frozen
from zoo.data.clips import Clip
from zoo.detectors import Detector, FloatArray
from zoo.detectors._arrays import canonical_order, checked, checked_training, directions, fitted, joined
from zoo.detectors._banks import Bank, domain_banks
from zoo.detectors._smote import SmoteConfig
from zoo.metadata import Words

METADATA = Words(methods=("GMM",))
FOLDS = 10


class Config(Frozen):
    components: int = Field(default=16, ge=1)  # fewer where there are fewer different clips
    covariance: Literal["full", "tied", "diag", "spherical"] = "full"
    floor: float = Field(default=1e-3, gt=0)  # added to the diagonal of each covariance; embeddings have length one
    domains: Literal["joint", "source", "target", "sum"] = "joint"  # of the mixture; sum: one for each, scores added
    domain_mixup: bool = False  # points between the domains
    smote: SmoteConfig | None = None
    seed: int = 0  # of the first components, of SMOTE and of domain mixup

    @model_validator(mode="after")
    def _two_domains(self) -> Self:
        if self.domain_mixup and self.domains != "joint":
            raise ValueError("domain_mixup is between two domains, so it needs domains: joint")
        return self


class Mixture:
    """Training clips are left out a tenth at a time, with their SMOTE points, from a mixture fitted to the other nine."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.notes: list[str] = []
        self._banks: list[Bank] = []  # the points of each mixture
        self._order: NDArray[np.intp] = np.empty(0, dtype=np.intp)
        self._shape: tuple[int, ...] | None = None  # (parts, dim)
        self._training: FloatArray | None = None
        self._mixtures: list[Any] = []

    def fit(self, embeddings: FloatArray, clips: Sequence[Clip]) -> Self:
        training = checked_training(embeddings, clips)
        self._shape, training = training.shape[1:], joined(training)
        banks, self.notes = domain_banks(training, clips, self.config.smote, self.config.seed)
        banks = [bank.placed(directions(bank.points)) for bank in banks]
        if self.config.domain_mixup and len(banks) == 2:
            banks.append(_between(banks[0], banks[1], self.config.seed))
        self._banks = _chosen(banks, self.config.domains)
        self._training = directions(training)
        is_target = np.array([clip.domain == "target" for clip in clips])
        # one domain after the other, so that every fold has its share of each
        domains = [np.flatnonzero(~is_target), np.flatnonzero(is_target)]
        self._order = np.concatenate([rows[canonical_order(self._training[rows])] for rows in domains])
        self._mixtures = [self._fitted_to(bank.points) for bank in self._banks]
        return self

    def score(self, embeddings: FloatArray) -> FloatArray:
        return self._scores(self._mixtures, directions(joined(checked(embeddings, fitted(self._shape)))))

    def score_training(self) -> FloatArray:
        training = fitted(self._training)
        scores = self._scores(self._mixtures, training)
        for fold in range(FOLDS):
            left_out = np.isin(np.arange(len(training)), self._order[fold::FOLDS])
            if left_out.any():
                scores[left_out] = self._scores(self._without(left_out), training[left_out])
        return scores

    def _without(self, left_out: NDArray[np.bool_]) -> list[Any]:
        """The mixtures of what is left without some training clips; where nothing is, the whole one."""
        mixtures = []
        for bank, whole in zip(self._banks, self._mixtures, strict=True):
            stays = ~left_out[bank.parents].any(axis=1)
            mixtures.append(whole if stays.all() or not stays.any() else self._fitted_to(bank.points[stays]))
        return mixtures

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

    def _scores(self, mixtures: Sequence[Any], queries: FloatArray) -> FloatArray:
        if not len(queries):
            return np.empty(0)
        return -np.asarray(sum(mixture.score_samples(queries) for mixture in mixtures), dtype=np.float64)


def _between(source: Bank, target: Bank, seed: int) -> Bank:
    """The middle of each source point and a target point; which one does not depend on the order of the clips."""
    order, others = canonical_order(source.points), canonical_order(target.points)
    other = others[np.random.default_rng(seed).integers(len(others), size=len(order))]
    parents = np.stack([source.parents[order, 0], target.parents[other, 0]], axis=1)
    return Bank((source.points[order] + target.points[other]) / 2, parents)


def _chosen(banks: Sequence[Bank], domains: str) -> list[Bank]:
    """The points of each mixture: of one domain if there is another; source comes first."""
    if domains == "joint" or len(banks) == 1:
        points, parents = np.concatenate([bank.points for bank in banks]), np.concatenate([bank.parents for bank in banks])
        return [Bank(points, parents)]
    return {"source": [banks[0]], "target": [banks[1]], "sum": list(banks)}[domains]


def build(config: Config) -> Detector:
    return Mixture(config)
