"""Embeddings as detectors take them: checked, in an order of their own, as directions."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from zoo.data.clips import Clip
from zoo.detectors import FloatArray
from zoo.errors import AsdzooError

T = TypeVar("T")


def checked(embeddings: FloatArray, shape: tuple[int, ...] | None = None) -> FloatArray:
    """`embeddings` as float64 (n, parts, dim); (n, dim) is one part. `shape` is the (parts, dim) that they must have.

    Raises: AsdzooError when they are not finite or of another shape.
    """
    array = np.asarray(embeddings, dtype=np.float64)
    whole = array[:, None] if array.ndim == 2 else array
    if whole.ndim != 3 or 0 in whole.shape[1:] or shape not in (None, whole.shape[1:]):
        wanted = "(clips, parts, dim)" if shape is None else f"(clips, {', '.join(map(str, shape))})"
        raise AsdzooError(f"embeddings have shape {array.shape}, not {wanted}")
    array = whole
    bad = np.flatnonzero(~np.isfinite(array).all(axis=(1, 2)))
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


def joined(embeddings: FloatArray) -> FloatArray:
    """Embeddings (n, parts, dim) with the parts end to end, (n, parts x dim): for detectors that take a clip as one point."""
    return embeddings.reshape(len(embeddings), embeddings.shape[1] * embeddings.shape[2])


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
    result = np.empty((len(embeddings), embeddings.shape[1] + 1))
    scaled = result[:, :-1]
    np.divide(embeddings, np.where(largest > 0, largest, 1.0), out=scaled)  # no overflow or underflow in the squares
    lengths = np.linalg.norm(scaled, axis=1, keepdims=True)
    scaled /= np.where(lengths > 0, lengths, 1.0)
    result[:, -1:] = lengths == 0
    return result
