"""k-means on the source domain, every clip of the target domain: the smallest cosine distance [W23].

The 990 source clips become 16 centres of their directions, the 10 target clips stay as they are.
"""

import warnings
from collections.abc import Sequence
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from threadpoolctl import threadpool_limits

from zoo.config import Frozen
from zoo.data.clips import Clip
from zoo.detectors import Detector, FloatArray
from zoo.detectors._arrays import canonical_order, checked, checked_training, directions, fitted, joined
from zoo.detectors._banks import Bank, domain_banks, nearest_squares
from zoo.detectors._smote import SmoteConfig
from zoo.metadata import Words

METADATA = Words(methods=("k-means",))
FOLDS = 10


class Config(Frozen):
    centers: int = Field(default=16, ge=1)  # [W23]; fewer where there are fewer different source clips
    restarts: int = Field(default=10, ge=1)  # open: the best of so many k-means++ starts
    domains: Literal["minimum", "sum", "source", "target"] = "minimum"  # W23, Table 6: how distances to the domains are joined
    smote: SmoteConfig | None = None  # None: the target domain is its clips only
    seed: int = 0  # of k-means and SMOTE


class KMeansAndTarget:
    """Leaving one clip out is exact for target clips, which no centre depends on.

    Source clips are left out a tenth at a time, with centres fitted to the other nine.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.notes: list[str] = []
        self._shape: tuple[int, ...] | None = None  # (parts, dim)
        self._training: FloatArray | None = None
        self._source: NDArray[np.intp] = np.empty(0, dtype=np.intp)
        self._centers: Bank | None = None
        self._target: Bank | None = None

    def fit(self, embeddings: FloatArray, clips: Sequence[Clip]) -> Self:
        training = checked_training(embeddings, clips)
        self._shape, training = training.shape[1:], joined(training)
        banks, self.notes = domain_banks(training, clips, self.config.smote, self.config.seed)
        is_target = np.array([clip.domain == "target" for clip in clips])
        self._training = directions(training)
        self._source = np.flatnonzero(~is_target)
        self._centers = self._centers_of(self._source)
        self._target = Bank(directions(banks[-1].points), banks[-1].parents) if is_target.any() else None
        return self

    def score(self, embeddings: FloatArray) -> FloatArray:
        queries = directions(joined(checked(embeddings, fitted(self._shape))))
        return self._joined(_distances(queries, self._centers), _distances(queries, self._target))

    def score_training(self) -> FloatArray:
        training = fitted(self._training)
        scores = _distances(training, self._centers)
        rows = self._source[canonical_order(training[self._source])]
        for fold in range(FOLDS):
            left_out = rows[fold::FOLDS]
            if len(left_out):
                others = self._centers_of(np.setdiff1d(rows, left_out))
                scores[left_out] = _distances(training[left_out], others)
        scores = self._joined(scores, _distances(training, self._target, leave_out=True))
        return np.where(np.isinf(scores), 0.0, scores)  # nothing left: the distance to itself

    def _joined(self, source: FloatArray, target: FloatArray) -> FloatArray:
        """One score of two distances, of which one may be infinite: then it is the other."""
        found: FloatArray = np.minimum(source, target)
        if self.config.domains == "minimum":
            return found
        chosen = {"sum": source + target, "source": source, "target": target}[self.config.domains]
        return np.where(np.isinf(chosen), found, chosen)

    def _centers_of(self, rows: NDArray[np.intp]) -> Bank | None:
        """The centres of these training clips, of length one."""
        from sklearn.cluster import KMeans
        from sklearn.exceptions import ConvergenceWarning

        if not len(rows):
            return None
        points = fitted(self._training)[rows]
        points = points[canonical_order(points)]
        centers = np.unique(points, axis=0)
        if len(centers) > self.config.centers:
            kmeans = KMeans(self.config.centers, n_init=self.config.restarts, random_state=self.config.seed)
            # one thread: with more, the order of its sums, and so the last bits, change from run to run; and on a busy machine
            # it is many times slower
            with threadpool_limits(1), warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # near duplicates: fewer centres are what is wanted
                centers = kmeans.fit(points).cluster_centers_
            lengths = np.linalg.norm(centers, axis=1, keepdims=True)
            centers = centers / np.where(lengths > 0, lengths, 1.0)
        return Bank(centers, np.empty((0, 2), dtype=np.intp))


def build(config: Config) -> Detector:
    return KMeansAndTarget(config)


def _distances(queries: FloatArray, bank: Bank | None, leave_out: bool = False) -> FloatArray:
    """Cosine distance (n,) to the nearest point; infinite when there is none."""
    if bank is None:
        return np.full(len(queries), np.inf)
    squares: FloatArray = nearest_squares(queries, bank, 1, leave_out)[:, 0]
    return squares / 2
