"""What detectors share: checked embeddings, and one bank of reference points per domain."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from zoo.clips import Clip
from zoo.detectors import FloatArray
from zoo.detectors._smote import SmoteConfig, oversample
from zoo.errors import AsdzooError

T = TypeVar("T")


@dataclass(frozen=True)
class Bank:
    """Reference points of one domain, and the training clips that each was made from.

    points   float64 (m, dim)
    parents  (m, 2), rows of the fit: twice the same one for a clip, the two ends of the line for a SMOTE point
    """

    points: FloatArray
    parents: NDArray[np.intp]

    def made_from(self, rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which points (m,) go when the training clips marked in `rows` (n,) are left out."""
        first, second = self.parents.T
        gone: NDArray[np.bool_] = rows[first] | rows[second]
        return gone


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


def domain_banks(
    embeddings: FloatArray, clips: Sequence[Clip], smote: SmoteConfig | None, seed: int
) -> tuple[list[Bank], list[str]]:
    """One bank for each domain that has clips, source first, and notes on what was missing.

    With `smote` the target domain is brought to the number of source clips; it needs two target clips at least.
    """
    target = np.array([clip.domain == "target" for clip in clips])
    banks, notes = [], []
    if not target.any():
        notes.append("no target clips: anomalies are measured against source clips alone")
    elif target.all():
        notes.append("no source clips: anomalies are measured against target clips alone")
    if len(clips) == 1:
        notes.append("only one training clip: its own score is measured against itself")
    for domain in (~target, target):
        rows = np.flatnonzero(domain)
        if len(rows):
            banks.append(Bank(embeddings[rows], np.stack([rows, rows], axis=1)))
    sources, targets = int((~target).sum()), int(target.sum())
    if smote is not None and 0 < targets < sources:
        if targets == 1:
            notes.append("SMOTE left out: it needs two target clips, and there is one")
        else:
            clip_bank = banks[1]
            points, parents = oversample(clip_bank.points, sources, smote, seed)
            rows = clip_bank.parents[:, 0]
            banks[1] = Bank(np.vstack([clip_bank.points, points]), np.vstack([clip_bank.parents, rows[parents]]))
    return banks, notes


def directions(embeddings: FloatArray) -> FloatArray:
    """Rows of length one, (n, dim + 1): half the squared distance of two of them is 1 - cos, without its rounding near zero.

    The last column is 1 for a zero vector: it has no direction, so it is at distance 1 from all but other zero vectors.
    """
    largest = np.abs(embeddings).max(axis=1, keepdims=True)
    scaled = embeddings / np.where(largest > 0, largest, 1.0)  # no overflow or underflow in the squares
    lengths = np.linalg.norm(scaled, axis=1, keepdims=True)
    return np.hstack([scaled / np.where(lengths > 0, lengths, 1.0), lengths == 0])
