"""Embeddings as detectors take them: checked, in an order of their own, as directions."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from zoo.data.clips import Clip
from zoo.detectors import FloatArray
from zoo.errors import AsdzooError

T = TypeVar("T")


def checked(embeddings: FloatArray, dim: int | None = None) -> FloatArray:
    """`embeddings` as float64 (n, dim). Raises: AsdzooError when they are not finite or of another shape."""
    array = np.asarray(embeddings, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] == 0 or dim not in (None, array.shape[1]):
        raise AsdzooError(f"embeddings have shape {array.shape}, not (clips, {dim or 'dim'})")
    bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
    if len(bad):
        raise AsdzooError(
            f"{len(bad)} of {len(array)} embeddings are not finite, the first is number {bad[0]}",
            "look for silent or broken clips with `asdzoo scan`, or train the system again",
        )
    return array


def checked_training(embeddings: FloatArray, clips: Sequence[Clip]) -> FloatArray:
    """`checked` for a fit: there is at least one clip, and one row for each."""
    if not len(clips):
        raise AsdzooError("no training clips to fit a detector on", "look for the machine's train folder with `asdzoo scan`")
    if len(embeddings) != len(clips):
        raise AsdzooError(f"{len(embeddings)} embeddings for {len(clips)} training clips")
    return checked(embeddings)


def fitted(value: T | None) -> T:
    """What `fit` has set. Raises: AsdzooError when it was not called."""
    if value is None:
        raise AsdzooError("this detector has not been fitted", "call fit() with the training clips first")
    return value


def canonical_order(points: FloatArray) -> NDArray[np.intp]:
    """The order of rows by value: what is drawn at random after sorting does not depend on the order of the clips."""
    return np.array(sorted(range(len(points)), key=lambda row: points[row].tobytes()), dtype=np.intp)


def directions(embeddings: FloatArray) -> FloatArray:
    """Rows of length one, (n, dim + 1): half the squared distance of two of them is 1 - cos, without its rounding near zero.

    The last column is 1 for a zero vector: it has no direction, so it is at distance 1 from all but other zero vectors.
    """
    largest = np.abs(embeddings).max(axis=1, keepdims=True)
    scaled = embeddings / np.where(largest > 0, largest, 1.0)  # no overflow or underflow in the squares
    lengths = np.linalg.norm(scaled, axis=1, keepdims=True)
    return np.hstack([scaled / np.where(lengths > 0, lengths, 1.0), lengths == 0])
