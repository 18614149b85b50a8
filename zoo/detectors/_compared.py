"""How far clips are from the references of banks: squared Euclidean distances, by dot products that are computed once.

All banks of a part are made of the same training clips: a bank's points are clips, or mixtures of two. So the dot products of a
query with the clips serve every bank, and where the queries are the clips themselves, half of them do. Above MOST products
nothing is kept, and a bank is compared by itself, block by block.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from zoo.detectors import FloatArray
from zoo.detectors._banks import Bank, blocks

MOST = 2**22  # products that are kept: 32 MB
Rows = slice | NDArray[np.intp]
Cells = tuple[NDArray[np.intp], NDArray[np.intp]]


class Compared:
    """Queries (n, dim) beside the training clips (N, dim) that banks were made of; both may be the same array.

    Without `clips` every bank is compared by itself.
    """

    def __init__(self, queries: FloatArray, clips: FloatArray | None = None) -> None:
        self.queries, self.clips = queries, clips
        self._center = None if clips is None else clips.mean(axis=0)
        self._products: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.queries)

    def squares(self, bank: Bank, rows: NDArray[np.intp], infinite: Cells | None = None) -> FloatArray:
        """From some of the queries to all points of a bank (rows, m), to nine digits: small ones are measured again.

        `infinite` are cells that nobody asks for.
        """
        center = self._origin(bank)
        here, lengths = self.queries[_sliced(rows)], _lengths(bank.points, center)
        own = _lengths(here, center)[:, None]
        squares = self._opposed(bank, center)(rows)
        squares += own
        squares += lengths
        if infinite is not None:
            squares[infinite] = np.inf
        row, column = np.nonzero(squares < 1e-6 * (own + lengths.max()))
        for part in blocks(len(row), bank.points.shape[1]):
            squares[row[part], column[part]] = ((here[row[part]] - bank.points[column[part]]) ** 2).sum(axis=1)
        return squares

    def nearest(
        self, bank: Bank, k: int, rows: NDArray[np.intp] | None = None, left_out: NDArray[np.intp] | None = None
    ) -> tuple[FloatArray, NDArray[np.intp]]:
        """Squared distances (n, up to k) to the nearest points of a bank, in no order, and which points these are.

        Of all queries, or of some. `left_out` (n,) is the training clip that is left out for each. Infinite where no more
        points are left.
        """
        chosen = np.arange(len(self.queries)) if rows is None else rows
        center = self._origin(bank)
        opposed, lengths = self._opposed(bank, center), _lengths(bank.points, center)
        k = min(k, len(bank.points))
        result, which = np.empty((len(chosen), k)), np.empty((len(chosen), k), dtype=np.intp)
        for part in blocks(len(chosen), max(len(bank.points), k * bank.points.shape[1])):
            closeness = opposed(chosen[part])
            closeness += lengths
            absent = bank.absent(None if left_out is None else left_out[part])
            closeness[np.broadcast_to(absent, closeness.shape)] = np.inf
            best = closeness.argmin(axis=1)[:, None] if k == 1 else np.argpartition(closeness, k - 1, axis=1)[:, :k]
            left = np.isfinite(np.take_along_axis(closeness, best, axis=1))
            # measured again from the differences: exact where points coincide
            exact = ((self.queries[chosen[part], None] - bank.points[best]) ** 2).sum(axis=2)
            result[part] = np.where(left, exact, np.inf)
            which[part] = best
        return result, which

    def _origin(self, bank: Bank) -> FloatArray:
        """Near it the dot products lose fewer digits."""
        origin: FloatArray = bank.points.mean(axis=0) if self._center is None else self._center
        return origin

    def _opposed(self, bank: Bank, center: FloatArray) -> Callable[[NDArray[np.intp]], FloatArray]:
        """From rows of queries to -2 times their dot products (rows, m) with the points of a bank, all less the centre."""
        if self.clips is None or len(self.queries) * len(self.clips) > MOST or (bank.made and bank.shares is None):
            opposite = -2 * (bank.points - center).T
            return lambda rows: (self.queries[_sliced(rows)] - center) @ opposite
        if self._products is None:
            there = self.clips - center
            self._products = (there if self.queries is self.clips else self.queries - center) @ there.T
        products, first, second = self._products, *map(_sliced, bank.parents.T)
        if bank.shares is None:
            return lambda rows: -2 * products[_sliced(rows)][:, first]
        own, other = -2 * bank.shares.T
        beyond, toward = own + other + 2, (self.queries - center) @ center

        def mixed(rows: NDArray[np.intp]) -> FloatArray:
            of_clips = products[_sliced(rows)]
            found: FloatArray = of_clips[:, first] * own
            found += of_clips[:, second] * other
            found += toward[rows][:, None] * beyond
            return found

        return mixed


def _lengths(points: FloatArray, center: FloatArray) -> FloatArray:
    """Squared distances (n,) to the centre."""
    points = points - center
    lengths: FloatArray = np.einsum("nd,nd->n", points, points)
    return lengths


def _sliced(rows: NDArray[np.intp]) -> Rows:
    """The same as a slice where they follow one another: then nothing is copied."""
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1 and (np.diff(rows) == 1).all():
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows
