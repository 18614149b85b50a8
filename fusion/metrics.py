"""AUC and partial AUC of many score vectors over the same clips at once.

A search over fusion weights asks for the metric of thousands of candidates over the same few hundred clips, a bootstrap for
thousands of resamples of them. Both are one array of shape (..., clips) here: every row is sorted once, and all three numbers
of the challenge are read off that order.

Conventions
-----------
scores      larger = more anomalous; any leading shape, clips last
anomalous   (clips,) bool; what the clip really is
target      (clips,) bool; True for clips of the target domain

Metrics
-------
`auc`               area under the ROC curve; ties count half
`pauc`              area up to a false positive rate of 0.1, standardised after McClish: 0.5 is chance, 1 is perfect
`domain_metrics`    AUC source, AUC target and pAUC of the challenges since 2022
`harmonic_mean`     how the challenge joins them

In terms of normal clips, sorted by falling score: with T_j anomalies strictly above normal clip j, and a_j anomalies tied with
it, the AUC is the mean of (T_j + a_j / 2) / anomalies over the normal clips it concerns, and the partial area is the same sum
over the first 0.1 N normal clips, the last of them counted in part. McClish: Analyzing a portion of the ROC curve, 1989, eq. 5.
All agree with scikit-learn's `roc_auc_score` to 1e-12.
"""

import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zoo.errors import AsdzooError

MAX_FPR = 0.1
_CHUNK = 2**16  # scores sorted at a time: small enough to stay in a core's cache

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def auc(scores: ArrayLike, anomalous: ArrayLike) -> Floats:
    """Area under the ROC curve of each row: scores (..., clips), anomalous (clips,) -> (...).

    Raises: AsdzooError for a score that is not finite, another number of labels, or a single class.

    >>> auc([[0.1, 0.2, 0.9], [0.9, 0.2, 0.1]], [False, False, True])
    array([1., 0.])
    """
    return _metrics(scores, anomalous, None, MAX_FPR)[..., 0]


def pauc(scores: ArrayLike, anomalous: ArrayLike, max_fpr: float = MAX_FPR) -> Floats:
    """Partial AUC up to `max_fpr`, standardised after McClish; shapes and errors as `auc`."""
    if not 0 < max_fpr <= 1:
        raise AsdzooError(f"max_fpr is {max_fpr}, but a false positive rate lies in (0, 1]", "the challenge takes 0.1")
    return _metrics(scores, anomalous, None, max_fpr)[..., -1]


def domain_metrics(scores: ArrayLike, anomalous: ArrayLike, target: ArrayLike) -> Floats:
    """AUC source, AUC target and pAUC by the rule of 2022 to 2026: scores (..., clips) -> (..., 3).

    A domain's AUC ranks its normal clips against the anomalies of *both* domains; the pAUC is over all clips.
    Raises: AsdzooError as `auc`, and when one domain has no normal clip.
    """
    return _metrics(scores, anomalous, target, MAX_FPR)


def plain_metrics(scores: ArrayLike, anomalous: ArrayLike) -> Floats:
    """AUC and pAUC over all clips, where domains are absent or apart: scores (..., clips) -> (..., 2). Errors as `auc`."""
    return _metrics(scores, anomalous, None, MAX_FPR)


def harmonic_mean(values: ArrayLike, axis: int = -1) -> Floats:
    """Harmonic mean, zeros lifted to the smallest float step as the organisers do.

    >>> float(harmonic_mean([0.5, 1.0, 1.0]))
    0.75
    """
    values = lifted(values)
    return np.asarray(values.shape[axis] / np.sum(1 / values, axis=axis))


def lifted(values: ArrayLike) -> Floats:
    """`values`, none below the smallest float step, so that a perfectly wrong machine has a reciprocal."""
    return np.maximum(np.asarray(values, dtype=np.float64), sys.float_info.epsilon)


def standardised(area: Any, max_fpr: float = MAX_FPR) -> Any:
    """McClish's scale for an area under the ROC curve up to `max_fpr`."""
    least = max_fpr**2 / 2
    return 0.5 * (1 + (area - least) / (max_fpr - least))


def checked(scores: ArrayLike, anomalous: ArrayLike) -> tuple[Floats, Bools]:
    """Both as arrays. Raises: AsdzooError for what has no ROC curve."""
    scores, anomalous = np.asarray(scores, dtype=np.float64), np.asarray(anomalous, dtype=bool)
    if scores.shape[-1:] != anomalous.shape:
        raise AsdzooError(f"{scores.shape[-1]} scores for {anomalous.size} labels", "give each clip one score and one label")
    if anomalous.all() or not anomalous.any():
        raise AsdzooError("a ROC curve needs normal and anomalous clips, there is only one kind", "take more test clips")
    if not np.isfinite(scores).all():
        raise AsdzooError(f"{np.count_nonzero(~np.isfinite(scores))} score(s) are not finite", "score those clips again")
    return scores, anomalous


class Normals(NamedTuple):
    """The normal clips of each row by falling score; arrays (rows, normals)."""

    clip: NDArray[np.intp]  # which one
    above: Floats  # anomalies strictly above it
    tied: Floats | None  # anomalies with the same score; the last three are None when no tie matters
    first: Floats | None  # its tie group's first place among the normal clips
    group: Floats | None  # normal clips in its tie group


def ranked_normals(scores: Floats, anomalous: Bools) -> Normals:
    """Sort each row of scores (rows, clips) once."""
    rows, normals = len(scores), int((~anomalous).sum())
    falling = -scores
    order = np.argsort(falling, axis=1)
    hit = anomalous[order]
    hits = np.cumsum(hit, axis=1, dtype=np.int32)
    normal = ~hit
    clip, above = order[normal].reshape(rows, normals), hits[normal].reshape(rows, normals).astype(np.float64)
    ordered = np.take_along_axis(falling, order, axis=1)
    new = ordered[:, 1:] != ordered[:, :-1]
    if (new | (hit[:, 1:] == hit[:, :-1])).all():  # ties among clips of one kind, as in a bootstrap, change nothing
        return Normals(clip, above, None, None, None)

    def of_group_start(counts: NDArray[np.int32]) -> NDArray[np.int32]:
        held = counts.copy()
        held[:, 1:][~new] = 0
        return np.maximum.accumulate(held, axis=1)

    def of_group_end(counts: NDArray[np.int32]) -> NDArray[np.int32]:
        held = counts.copy()
        held[:, :-1][~new] = np.iinfo(np.int32).max
        return np.minimum.accumulate(held[:, ::-1], axis=1)[:, ::-1]

    misses = np.cumsum(normal, axis=1, dtype=np.int32)
    start, first = of_group_start(hits - hit), of_group_start(misses - normal)
    tied, group = of_group_end(hits) - start, of_group_end(misses) - first
    return Normals(clip, *(values[normal].reshape(rows, normals).astype(np.float64) for values in (start, tied, first, group)))


def _metrics(scores: ArrayLike, anomalous: ArrayLike, target: ArrayLike | None, max_fpr: float) -> Floats:
    scores, anomalous = checked(scores, anomalous)
    if target is not None:
        target = np.asarray(target, dtype=bool)
        if target.shape != anomalous.shape:
            raise AsdzooError(f"{target.size} domains for {anomalous.size} labels", "give each clip one domain and one label")
        if not (~anomalous & target).any() or not (~anomalous & ~target).any():
            raise AsdzooError("a domain without normal clips has no AUC", "take more test clips")
    flat = scores.reshape(-1, scores.shape[-1])
    anomalies = int(anomalous.sum())
    result = np.empty((len(flat), 2 if target is None else 3))
    for rows in _chunks(*flat.shape):
        normals = ranked_normals(flat[rows], anomalous)
        result[rows, -1] = standardised(_partial_area(normals, anomalies, max_fpr), max_fpr)
        below = normals.above if normals.tied is None else normals.above + normals.tied / 2
        result[rows, :-1] = _areas(below, normals.clip, anomalies, target)
    return result.reshape(*scores.shape[:-1], result.shape[-1])


def _chunks(rows: int, clips: int) -> Iterator[slice]:
    step = max(1, _CHUNK // clips)
    return (slice(start, start + step) for start in range(0, rows, step))


def _areas(below: Floats, index: NDArray[np.intp], anomalies: int, target: Bools | None) -> Floats:
    total = below.sum(axis=1)
    if target is None:
        return np.asarray(total[:, None] / (anomalies * below.shape[1]))
    of_target = target[index]
    in_target = np.einsum("rn,rn->r", below, of_target)
    normals_in_target = np.count_nonzero(of_target[0])
    areas = np.stack([total - in_target, in_target], axis=1)
    return np.asarray(areas / (anomalies * np.array([below.shape[1] - normals_in_target, normals_in_target])))


def _partial_area(normals: Normals, anomalies: int, max_fpr: float) -> Floats:
    """Area under the ROC curve up to `max_fpr`, (rows,): a tie group is a straight line from its first to its last place."""
    count = normals.above.shape[1]
    place = np.arange(min(count, int(np.ceil(max_fpr * count)) + 1))
    share = np.clip(max_fpr * count - place, 0, 1)
    height = normals.above[:, : len(place)]
    if normals.tied is not None and normals.first is not None and normals.group is not None:
        along = place + share / 2 - normals.first[:, : len(place)]
        height = height + normals.tied[:, : len(place)] * along / normals.group[:, : len(place)]
    return np.asarray(height @ share / (anomalies * count))
