"""How far clips are from the references of one domain, as k-NN measures it: plainly, or rescaled by the references' density.

LDN      Wilkinghoff et al., Local density-based anomaly score normalization, ICASSP 2025 (2509.10951): the distance to a
         reference over the mean distance of that reference to its K nearest other references
VarMin   Matsumoto et al., DCASE Workshop 2025: the distance less alpha times that density, alpha = Cov(d, b) / Var(b) of the
         references' own left-out nearest distances d and the densities b of the neighbours that they are to
domain z GenRep (Saengthong & Shinozaki, DCASE 2025 Task 2), eq. 3: the distance less the mean, over the deviation, of the
         left-out distances of the domain's own clips

Every `score_training` gives what a fit without the clip would give it.
"""

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from zoo.detectors import FloatArray
from zoo.detectors._banks import Bank, blocks
from zoo.detectors._compared import Compared
from zoo.detectors._density import Densities, Inside, distances_of

SMALLEST = 1e-12  # of densities and deviations: those of references that coincide are 0


class References(Protocol):
    """The references of one domain and part."""

    def score(self, queries: Compared) -> FloatArray:
        """How far queries are, (n,)."""
        ...

    def score_training(self, clips: Compared) -> FloatArray:
        """The same for all clips of the fit, each left out of the references; infinite where none is left."""
        ...


class Plain:
    """The mean distance to the k nearest references."""

    def __init__(self, bank: Bank, k: int, cosine: bool) -> None:
        self.bank, self.k, self.cosine = bank, k, cosine

    def score(self, queries: Compared) -> FloatArray:
        return self._mean(queries.nearest(self.bank, self.k)[0])

    def score_training(self, clips: Compared) -> FloatArray:
        return self._mean(clips.nearest(self.bank, self.k, left_out=np.arange(len(clips)))[0])

    def _mean(self, squares: FloatArray) -> FloatArray:
        return finite_mean(distances_of(squares, self.cosine))


class Rescaled:
    """LDN or VarMin; the bank holds clips only."""

    def __init__(
        self, bank: Bank, method: Literal["ldn", "varmin"], neighbors: int, k: int, cosine: bool, clips: Compared
    ) -> None:
        self.bank, self.method, self.k, self.cosine = bank, method, k, cosine
        self.inside = Inside(bank, clips, cosine)
        self.densities = self.inside.densities(neighbors)
        self.alpha = 0.0
        if method == "varmin":
            which, distance = self.densities.nearest()
            everyone = np.ones((1, len(which)), dtype=bool)
            self.alpha = float(least_variance(distance[None], self.densities.values[which][None], everyone)[0])

    def score(self, queries: Compared) -> FloatArray:
        return self._scores(queries, np.arange(len(queries)))

    def _scores(self, queries: Compared, chosen: NDArray[np.intp]) -> FloatArray:
        result = np.empty(len(chosen))
        for rows in blocks(len(chosen), len(self.bank.points)):
            distances = distances_of(queries.squares(self.bank, chosen[rows]), self.cosine)
            result[rows] = self._nearest(distances, self.densities.values[None], np.full(1, self.alpha))
        return result

    def score_training(self, clips: Compared) -> FloatArray:
        own = self.bank.parents[:, 0]
        others = np.setdiff1d(np.arange(len(clips)), own)
        result = np.empty(len(clips))
        result[others] = self._scores(clips, others)
        for rows in blocks(len(own), len(own)):
            left_out = np.arange(len(own))[rows]
            distances = self.inside.rows(rows)
            dense = self.densities.without(left_out)
            result[own[rows]] = self._nearest(distances, dense, self._alphas(left_out, dense))
        return result

    def _alphas(self, left_out: NDArray[np.intp], dense: FloatArray) -> FloatArray:
        if self.method == "ldn":
            return np.zeros(len(left_out))
        which, distance = self.densities.nearest_without(left_out)
        there = np.ones(dense.shape, dtype=bool)
        there[np.arange(len(left_out)), left_out] = False
        return least_variance(distance, np.take_along_axis(dense, which, axis=1), there)

    def _nearest(self, distances: FloatArray, dense: FloatArray, alpha: FloatArray) -> FloatArray:
        """The mean of the k smallest rescaled distances, (n,)."""
        ldn = self.method == "ldn"
        distances = distances / np.maximum(dense, SMALLEST) if ldn else distances - alpha[:, None] * dense
        k = min(self.k, distances.shape[1])
        smallest = distances.min(axis=1, keepdims=True) if k == 1 else np.partition(distances, k - 1, axis=1)[:, :k]
        return finite_mean(smallest)


class DomainZ:
    """Distances in deviations of those between the domain's own clips."""

    def __init__(self, bank: Bank, k: int, cosine: bool, clips: Compared) -> None:
        self.bank, self.plain = bank, Plain(bank, k, cosine)
        self.own = bank.parents[bank.clips, 0]
        self.densities: Densities | None = None
        if bank.made:
            self.nearest, self.distances = self._nearest_points(clips)
            inside = self._without(None)[0]
        else:
            self.densities = Inside(bank, clips, cosine).densities(k)
            inside = self.densities.values
        self.mean, self.deviation = float(inside.mean()), float(inside.std())
        self.lender = self  # the domain whose deviation counts

    def score(self, queries: Compared) -> FloatArray:
        return self.z(self.plain.score(queries), self.mean, self.lender.deviation)

    @staticmethod
    def z(distances: FloatArray, mean: FloatArray | float, deviation: FloatArray | float) -> FloatArray:
        """The distances on the domain's scale."""
        z: FloatArray = (distances - mean) / np.maximum(deviation, SMALLEST)
        return z

    def score_training(self, clips: Compared) -> FloatArray:
        mean, _ = self.statistics(len(clips))
        _, deviation = self.lender.statistics(len(clips))
        return self.z(self.plain.score_training(clips), mean, deviation)

    def statistics(self, clips: int) -> tuple[FloatArray, FloatArray]:
        """Mean and deviation of the domain's own distances when each of the clips of the fit is left out, both (clips,)."""
        mean, deviation = np.full(clips, self.mean), np.full(clips, self.deviation)
        row_of = np.full(clips, -1)
        row_of[self.own] = np.arange(len(self.own))
        affected = np.unique(self.bank.parents)
        for rows in blocks(len(affected), 2 * len(self.bank.points)):
            left_out = affected[rows]
            inside = self._without(left_out) if self.densities is None else self.densities.without(row_of[left_out])
            there = row_of[left_out, None] != np.arange(len(self.own))
            mean[left_out], deviation[left_out] = mean_and_deviation(inside, there)
        return mean, deviation

    def _nearest_points(self, clips: Compared) -> tuple[NDArray[np.intp], FloatArray]:
        """The points nearest to each of the domain's own clips, but for those made from it, and how far: (own, t).

        So many that k are left whichever clip is left out.
        """
        distances = distances_of(clips.squares(self.bank, self.own), self.plain.cosine)
        distances[(self.bank.parents[None] == self.own[:, None, None]).any(axis=2)] = np.inf
        children = np.bincount(self.bank.parents.ravel()).max()  # of one clip
        spares = 0 if self.bank.spares is None else int(self.bank.spares.sum())
        nearest = np.argsort(distances, axis=1, kind="stable")[:, : self.plain.k + children + spares]
        return nearest, np.take_along_axis(distances, nearest, axis=1)

    def _without(self, left_out: NDArray[np.intp] | None) -> FloatArray:
        """Distances of the domain's own clips, each itself left out, when another clip is left out too: (left out, own)."""
        absent = self.bank.absent(left_out)[:, self.nearest]
        distances = np.where(absent, np.inf, self.distances[None])
        k = min(self.plain.k, distances.shape[2])
        smallest = np.partition(distances, k - 1, axis=2)[..., :k]
        return finite_mean(smallest.reshape(-1, k)).reshape(smallest.shape[:2])


def finite_mean(distances: FloatArray) -> FloatArray:
    """The mean (n,) of the finite ones of each row (n, k); infinite when none is."""
    left = np.isfinite(distances)
    total = distances.sum(axis=1, where=left)
    number = left.sum(axis=1)
    return np.where(number > 0, total / np.maximum(number, 1), np.inf)


def mean_and_deviation(values: FloatArray, there: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
    """Of what is there in each row (n, m), both (n,)."""
    count = there.sum(axis=1)
    mean = np.where(there, values, 0.0).sum(axis=1) / count
    spread = np.where(there, values - mean[:, None], 0.0)
    return mean, np.sqrt(np.einsum("nm,nm->n", spread, spread) / count)


def least_variance(distances: FloatArray, dense: FloatArray, there: NDArray[np.bool_]) -> FloatArray:
    """The alpha (n,) for which `distances - alpha dense`, where there is something, varies least in each row (n, m)."""
    count = there.sum(axis=1, keepdims=True)
    mean = np.where(there, dense, 0.0).sum(axis=1, keepdims=True) / count
    spread = np.where(there, dense - mean, 0.0)
    variance = np.einsum("nm,nm->n", spread, spread)
    covariance = np.einsum("nm,nm->n", spread, distances)
    constant = variance <= 1e-20 * count[:, 0] * mean[:, 0] ** 2  # only rounding
    alpha: FloatArray = np.where(constant, 0.0, covariance / np.where(constant, 1.0, variance))
    return alpha
