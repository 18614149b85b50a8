"""Reference points of each domain, and the training clips that they were made from."""

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
    parents  (m, 2), rows of the fit: twice the same one for a clip, the two ends of the line for a point between two clips
    spares   bool (m,): points that count only when another point of their first parent goes with its second one
    shares   (m, 2): how much of each parent is in a point, where every point is such a mixture
    """

    points: FloatArray
    parents: NDArray[np.intp]
    spares: NDArray[np.bool_] | None = None
    shares: FloatArray | None = None

    @property
    def clips(self) -> NDArray[np.bool_]:
        """Which points (m,) are clips themselves."""
        own: NDArray[np.bool_] = self.parents[:, 0] == self.parents[:, 1]
        return own

    @property
    def made(self) -> bool:
        """Whether there are points that are no clips."""
        return not bool(self.clips.all())

    def placed(self, points: FloatArray) -> "Bank":
        """The same bank with its points elsewhere, where they may be no mixtures."""
        return Bank(points, self.parents, self.spares)

    def absent(self, rows: NDArray[np.intp] | None) -> NDArray[np.bool_]:
        """Which points do not count, (len(rows), m), when one training clip is left out in each row; (1, m) when none is."""
        nobody = np.zeros((1, len(self.points)), dtype=bool) if self.spares is None else self.spares[None]
        if rows is None:
            return nobody
        first, second = self.parents.T
        gone: NDArray[np.bool_] = (first == rows[:, None]) | (second == rows[:, None])
        if self.spares is None:
            return gone
        # a spare steps in for the one of its siblings whose second parent is left out
        lost = gone & ~self.spares & ~self.clips
        _, family = np.unique(self.parents[:, 0], return_inverse=True)
        missing = np.zeros((len(rows), family.max(initial=-1) + 1), dtype=bool)
        where, which = np.nonzero(lost)
        missing[where, family[which]] = True
        gone |= self.spares & ~missing[:, family]
        return gone


def domain_notes(clips: Sequence[Clip]) -> list[str]:
    """What a fit has to do without."""
    targets, notes = sum(clip.domain == "target" for clip in clips), []
    if not targets:
        notes.append("no target clips: anomalies are measured against source clips alone")
    elif targets == len(clips):
        notes.append("no source clips: anomalies are measured against target clips alone")
    if len(clips) == 1:
        notes.append("only one training clip: its own score is measured against itself")
    return notes


def domain_banks(
    embeddings: FloatArray, clips: Sequence[Clip], smote: SmoteConfig | None, seed: int
) -> tuple[list[Bank], list[str]]:
    """One bank for each domain that has clips, source first, and notes on what was missing.

    With `smote` the target domain is brought to the number of source clips; it needs two target clips at least.
    """
    target = np.array([clip.domain == "target" for clip in clips])
    banks, notes = [], domain_notes(clips)
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


def blocks(count: int, width: int) -> list[slice]:
    """Slices of so many rows that `width` numbers for each can be held at once."""
    size = max(1, CHUNK // max(width, 1))
    return [slice(start, start + size) for start in range(0, count, size)]
