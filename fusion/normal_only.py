"""Choosing members by what normal clips alone can tell, where no label says which of them is good.

Three figures of each system, all from its scores of normal *training* clips (leave-one-out, as calibration takes them):

agreement  mean over machines of the rank correlation with the mean of the other systems: what none of the others sees in the
           same clips is more often noise than insight
imbalance  mean over machines of the distance between the mean scores of source and target clips, in standard deviations: a
           system that finds normal target clips anomalous will raise false alarms there. None without domains
stability  mean over machines of the rank correlation between its seeds. None for one seed

Each figure ranks the systems, the ranks are added up, and the better half is joined with equal weights. The figures say which
system is odd, not which one finds anomalies. Nor do development machines foretell evaluation machines: the winner of 2025 had
60.9 on its development set, where other teams had 64 to 69.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from fusion.combine import Stack
from fusion.metrics import Floats
from zoo.errors import AsdzooError
from zoo.scores import families_of


@dataclass(frozen=True)
class FromNormals:
    """What normal training clips say of one system, all its seeds together."""

    system: str
    members: tuple[str, ...]
    agreement: float | None  # None for a single system
    imbalance: float | None
    stability: float | None
    taken: bool = False


def judged_by_normals(stacked: Stack) -> list[FromNormals]:
    """The three figures of each system, and which half of them is taken (the odd one is taken too, and two at least).

    Raises: AsdzooError when the tables hold no training scores.
    """
    families, training = families_of(stacked.systems), _training(stacked)
    domains = stacked.clips["domain"].to_numpy()
    means = {
        name: np.mean([stacked.calibrated[stacked.systems.index(member)] for member in members], axis=0)
        for name, members in families.items()
    }
    found = []
    for name, members in families.items():
        others = [mean for other, mean in means.items() if other != name]
        seeds = [stacked.calibrated[stacked.systems.index(member)] for member in members]
        agreement = _correlation(training, means[name], np.mean(others, axis=0)) if others else None
        stability = None
        if len(seeds) > 1:
            rest = [(len(seeds) * means[name] - one) / (len(seeds) - 1) for one in seeds]
            stability = float(np.mean([_correlation(training, *pair) for pair in zip(seeds, rest, strict=True)]))
        found.append(FromNormals(name, members, agreement, _imbalance(training, domains, means[name]), stability))
    total = (
        _places([one.agreement for one in found])
        + _places([None if one.imbalance is None else -one.imbalance for one in found])
        + _places([one.stability for one in found])
    )
    best = np.argsort(total, kind="stable")[: max(2, (len(found) + 1) // 2)]
    return [replace(one, taken=position in best) for position, one in enumerate(found)]


def _places(values: list[float | None]) -> Floats:
    """Rank of each value, the largest first; unknown ones in the middle."""
    known = [value for value in values if value is not None]
    ranked = iter(stats.rankdata([-value for value in known]))
    return np.array([(len(values) + 1) / 2 if value is None else next(ranked) for value in values])


def _training(stacked: Stack) -> list[NDArray[np.intp]]:
    """Positions of the training clips of each section that has some."""
    training = stacked.clips["split"].eq("train").to_numpy()
    found = [rows[training[rows]] for _, _, rows in stacked.sections if training[rows].any()]
    if not found:
        raise AsdzooError("the tables hold no training scores to choose by", "--method equal, or `asdzoo train-all` again")
    return found


def _correlation(training: Sequence[NDArray[np.intp]], scores: Floats, others: Floats) -> float:
    found = []
    for rows in training:
        if len(rows) > 2 and np.ptp(scores[rows]) > 0 and np.ptp(others[rows]) > 0:
            found.append(float(np.corrcoef(stats.rankdata(scores[rows]), stats.rankdata(others[rows]))[0, 1]))
        else:
            found.append(0.0)
    return float(np.mean(found))


def _imbalance(training: Sequence[NDArray[np.intp]], domains: NDArray[np.object_], scores: Floats) -> float | None:
    found = []
    for rows in training:
        source, target = scores[rows][domains[rows] == "source"], scores[rows][domains[rows] == "target"]
        spread = float(scores[rows].std())
        if len(source) and len(target) and spread > 0:
            found.append(abs(float(target.mean() - source.mean())) / spread)
    return float(np.mean(found)) if found else None
