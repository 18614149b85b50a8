"""How alike systems rank the test clips."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fusion.combine import stack
from submission.report.figures import MOST_COLUMNS
from submission.report.rendering import render
from submission.report.scored import Scored
from submission.report.sections import Section
from zoo.errors import AsdzooError


def section(scored: Sequence[Scored]) -> Section | None:
    """None for a single system."""
    if len(scored) < 2:
        return None
    html = render("sections/agreement", agreement=agreement(scored), scored=scored, few=len(scored) <= MOST_COLUMNS)
    return Section("agreement", "Agreement", html)


class Agreement(NamedTuple):
    """Rank correlations of each pair of systems."""

    rows: Sequence[Sequence[float | None]]
    why: str = ""  # there are none


def agreement(scored: Sequence[Scored]) -> Agreement:
    """Spearman's rank correlation of the test scores of each pair of systems, within machines, averaged over them."""
    from scipy.stats import rankdata

    try:
        stacked = stack({one.name: one.table for one in scored}, partial=True)
    except AsdzooError as problem:
        return Agreement([], problem.message)
    test = stacked.clips["split"].to_numpy() == "test"
    sums, counts = np.zeros((len(scored), len(scored))), np.zeros((len(scored), len(scored)))
    for rows in stacked.clips[test].groupby(["machine", "section"]).groups.values():
        scores = stacked.calibrated[:, np.asarray(rows)]
        usable = np.array([not np.isnan(row).any() and len(set(row)) > 1 for row in scores], dtype=bool)
        if usable.any() and scores.shape[1] > 1:
            own = np.flatnonzero(usable)
            sums[np.ix_(own, own)] += np.corrcoef(rankdata(scores[own], axis=1)).reshape(len(own), len(own))
            counts[np.ix_(own, own)] += 1
    means = [
        [float(total / count) if count else None for total, count in zip(*rows, strict=True)]
        for rows in zip(sums, counts, strict=True)
    ]
    return Agreement(means)
