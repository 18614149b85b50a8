"""k-means and every clip of the target domain: the smallest cosine distance [W23].

The 990 source clips become 16 centres of their directions, the 10 target clips stay as they are. W23's public code [C] differs
from its text: it fits the centres to all training clips, target ones too (`fitted_to: all`), and does not bring them to length
one, so that the mean of a wide cluster is farther away, -cos times its length (`unit_centers: false`).
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
from zoo.detectors._banks import Bank, domain_banks
from zoo.detectors._compared import Compared
from zoo.detectors._smote import SmoteConfig
from zoo.metadata import Words

METADATA = Words(methods=("k-means",))
FOLDS = 10


class Config(Frozen):
    centers: int = Field(default=16, ge=1)  # [W23]; fewer where there are fewer different source clips
    restarts: int = Field(default=10, ge=1)  # open: the best of so many k-means++ starts
    fitted_to: Literal["source", "all"] = "source"  # W23, text; C: all training clips
    unit_centers: bool = True  # whether centres are brought to length one; C: they stay means
    domains: Literal["minimum", "sum", "source", "target"] = "minimum"  # W23, Table 6: how distances to the domains are joined
    smote: SmoteConfig | None = None  # None: the target domain is its clips only
    seed: int = 0  # of k-means and SMOTE


class KMeansAndTarget:
    """Leaving one clip out is exact where no centre depends on it, as on a target clip by default.

    The other clips are left out a tenth at a time, with centres fitted to the other nine.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.notes: list[str] = []
        self._shape: tuple[int, ...] | None = None  # (parts, dim)
        self._training: FloatArray | None = None
        self._fitted: NDArray[np.intp] = np.empty(0, dtype=np.intp)  # clips that centres are fitted to
        self._centers: FloatArray | None = None
        self._target: Bank | None = None

    def fit(self, embeddings: FloatArray, clips: Sequence[Clip]) -> Self:
        training = checked_training(embeddings, clips)
        self._shape, training = training.shape[1:], joined(training)
        banks, self.notes = domain_banks(training, clips, self.config.smote, self.config.seed)
        is_target = np.array([clip.domain == "target" for clip in clips])
        self._training = directions(training)
        self._fitted = np.flatnonzero(~is_target) if self.config.fitted_to == "source" else np.arange(len(clips))
        self._centers = self._centers_of(self._fitted)
        self._target = Bank(directions(banks[-1].points), banks[-1].parents) if is_target.any() else None
        return self

    def score(self, embeddings: FloatArray) -> FloatArray:
        queries = directions(joined(checked(embeddings, fitted(self._shape))))
        return self._joined(self._to_centers(queries, self._centers), _to_clips(queries, self._target))

    def score_training(self) -> FloatArray:
        training = fitted(self._training)
        scores = self._to_centers(training, self._centers)
        rows = self._fitted[canonical_order(training[self._fitted])]
        for fold in range(FOLDS):
            left_out = rows[fold::FOLDS]
            if len(left_out):
                others = self._centers_of(np.setdiff1d(rows, left_out))
                scores[left_out] = self._to_centers(training[left_out], others)
        scores = self._joined(scores, _to_clips(training, self._target, leave_out=True))
        return np.where(np.isinf(scores), 0.0, scores)  # nothing left: the distance to itself

    def _joined(self, source: FloatArray, target: FloatArray) -> FloatArray:
        """One score of two distances, of which one may be infinite: then it is the other."""
        found: FloatArray = np.minimum(source, target)
        if self.config.domains == "minimum":
            return found
        chosen = {"sum": source + target, "source": source, "target": target}[self.config.domains]
        return np.where(np.isinf(chosen), found, chosen)

    def _to_centers(self, queries: FloatArray, centers: FloatArray | None) -> FloatArray:
        """1 - cos to the nearest centre, cos times the centre's length where it has one; infinite when there is none."""
        if centers is None:
            return np.full(len(queries), np.inf)
        if self.config.unit_centers:
            return _to_clips(queries, Bank(centers, np.empty((0, 2), dtype=np.intp)))
        return np.asarray(1 - (queries @ centers.T).max(axis=1))

    def _centers_of(self, rows: NDArray[np.intp]) -> FloatArray | None:
        """The centres of these training clips."""
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
            if self.config.unit_centers:
                lengths = np.linalg.norm(centers, axis=1, keepdims=True)
                centers = centers / np.where(lengths > 0, lengths, 1.0)
        return centers


def build(config: Config) -> Detector:
    return KMeansAndTarget(config)


def _to_clips(queries: FloatArray, bank: Bank | None, leave_out: bool = False) -> FloatArray:
    """Cosine distance (n,) to the nearest point; infinite when there is none."""
    if bank is None:
        return np.full(len(queries), np.inf)
    squares, _ = Compared(queries).nearest(bank, 1, left_out=np.arange(len(queries)) if leave_out else None)
    nearest: FloatArray = squares[:, 0]
    return nearest / 2
