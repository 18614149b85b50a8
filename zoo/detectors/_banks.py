"""Reference points of each domain, and the distances to the nearest of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoo.data.clips import Clip
from zoo.detectors import FloatArray
from zoo.detectors._smote import SmoteConfig, oversample

CHUNK = 2**22  # numbers held at once: 32 MB


@dataclass(frozen=True)
class Bank:
    """Reference points of one domain, and the training clips that each was made from.

    points   float64 (m, dim)
    parents  (m, 2), rows of the fit: twice the same one for a clip, the two ends of the line for a SMOTE point
    """

    points: FloatArray
    parents: NDArray[np.intp]

    def without(self, row: int) -> "Bank":
        """What is left when a training clip and what was made from it is left out."""
        left = (self.parents != row).all(axis=1)
        return Bank(self.points[left], self.parents[left])


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


def nearest_squares(queries: FloatArray, bank: Bank, k: int, leave_out: bool = False) -> FloatArray:
    """Squared Euclidean distances (n, up to k) to the nearest points of a bank; infinite where no more points are left.

    With `leave_out`, query i is training clip i, and points made from it do not count.
    """
    center = bank.points.mean(axis=0)
    points = bank.points - center  # near the origin the dot products lose fewer digits
    squares = (points**2).sum(axis=1)
    k = min(k, len(points))
    result = np.empty((len(queries), k))
    size = max(1, CHUNK // max(len(points), k * points.shape[1]))
    for start in range(0, len(queries), size):
        chunk = queries[start : start + size] - center
        closeness = squares - 2 * (chunk @ points.T)
        if leave_out:
            for parent in bank.parents.T:
                here = np.flatnonzero((parent >= start) & (parent < start + len(chunk)))
                closeness[parent[here] - start, here] = np.inf
        nearest = np.argpartition(closeness, k - 1, axis=1)[:, :k]
        left = np.isfinite(np.take_along_axis(closeness, nearest, axis=1))
        # measured again from the differences: exact where points coincide
        exact = ((queries[start : start + size, None] - bank.points[nearest]) ** 2).sum(axis=2)
        result[start : start + size] = np.where(left, exact, np.inf)
    return result
