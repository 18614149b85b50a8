"""How far each reference clip is from its nearest neighbours, also when one clip is left out, without fitting anew.

Leaving out a clip changes the density of the references that had it among their neighbours, and of no others: the next
neighbour takes its place.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from zoo.detectors import FloatArray
from zoo.detectors._banks import Bank, blocks
from zoo.detectors._compared import Compared

T = TypeVar("T", bound=np.generic)


class Densities:
    """Mean distance of each clip of a bank (m clips) to its `k` nearest other clips of it; NaN for a clip without others."""

    def __init__(self, indices: NDArray[np.intp], distances: FloatArray, k: int) -> None:
        """`indices` and `distances` (m, up to k + 1), nearest first, of the other clips."""
        self.indices, self.distances = indices, distances
        near = distances[:, :k]
        count = near.shape[1]
        self.values = near.mean(axis=1) if count else np.full(len(distances), np.nan)
        total = near.sum(axis=1, keepdims=True)
        if distances.shape[1] > k:
            self._without = (total - near + distances[:, k : k + 1]) / count
        elif count > 1:
            self._without = (total - near) / (count - 1)
        else:
            self._without = np.full(near.shape, np.nan)

    def without(self, left_out: NDArray[np.intp]) -> FloatArray:
        """Densities (len(left_out), m) when one clip, a row of the bank, is left out in each row; its own stays as it is."""
        return _replaced(self.values, self.indices[:, : self._without.shape[1]], self._without, left_out)

    def nearest(self) -> tuple[NDArray[np.intp], FloatArray]:
        """Each clip's nearest neighbour and how far it is, both (m,)."""
        return self.indices[:, 0], self.distances[:, 0]

    def nearest_without(self, left_out: NDArray[np.intp]) -> tuple[NDArray[np.intp], FloatArray]:
        """The same when one clip is left out in each row, both (len(left_out), m)."""
        first, last = self.indices[:, :1], self.indices.shape[1] - 1
        which = _replaced(self.indices[:, 0], first, self.indices[:, [min(1, last)]], left_out)
        return which, _replaced(self.distances[:, 0], first, self.distances[:, [min(1, last)]], left_out)


def _replaced(values: NDArray[T], at: NDArray[np.intp], by: NDArray[T], left_out: NDArray[np.intp]) -> NDArray[T]:
    """`values` (m,) once for each left-out clip c, with `by[j, r]` in place j of the row of c = `at[j, r]`."""
    result = np.repeat(values[None], len(left_out), axis=0)
    row_of = np.full(len(values), -1)
    row_of[left_out] = np.arange(len(left_out))
    rows = row_of[at]
    place, rank = np.nonzero(rows >= 0)
    result[rows[place, rank], place] = by[place, rank]
    return result


class Inside:
    """Distances among the clips of a bank that holds clips only, infinite from each to itself."""

    def __init__(self, bank: Bank, clips: Compared, cosine: bool) -> None:
        """`clips` are those of the fit, compared with themselves."""
        self.bank, self.clips, self.cosine = bank, clips, cosine

    def rows(self, rows: slice) -> FloatArray:
        """From some of the clips to all, (len(rows), m)."""
        own = np.arange(len(self.bank.points))[rows]
        squares = self.clips.squares(self.bank, self.bank.parents[own, 0], infinite=(np.arange(len(own)), own))
        return distances_of(squares, self.cosine)

    def densities(self, k: int) -> Densities:
        """Of these clips."""
        m = len(self.bank.points)
        count = min(k + 1, m - 1)
        which, near = np.empty((m, count), dtype=np.intp), np.empty((m, count))
        for part in blocks(m, m):
            distances = self.rows(part)
            best = np.argpartition(distances, max(count - 1, 0), axis=1)[:, :count]
            found = np.take_along_axis(distances, best, axis=1)
            order = np.lexsort((best, found), axis=1)
            which[part], near[part] = np.take_along_axis(best, order, axis=1), np.take_along_axis(found, order, axis=1)
        return Densities(which, near, k)


def distances_of(squares: FloatArray, cosine: bool) -> FloatArray:
    """Distances from squared Euclidean ones, in their place: 1 - cos of directions, or the root."""
    distances: FloatArray = np.divide(squares, 2, out=squares) if cosine else np.sqrt(squares, out=squares)
    return distances
