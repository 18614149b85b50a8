"""Several systems' scores of the same clips, side by side, and the ways to make one score of them.

Combiners
---------
weighted    sum of the calibrated scores times their weights (the report's, and the default)
train-rank  the same over ranks among the machine's training scores, in (0, 1): no outlier counts for more than the last place
rank        the same over ranks within a machine's clips of one split, scaled to (0, 1). It takes its scale from the test clips
            themselves, which the rules of 2025 forbid: the commands mark a run that uses it
min, max    smallest or largest calibrated score among the members with a weight
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fusion.metrics import Floats
from zoo.calibration import Calibration
from zoo.errors import AsdzooError
from zoo.scores import ScoreTable

Combiner = Literal["weighted", "train-rank", "rank", "min", "max"]
COMBINERS: tuple[Combiner, ...] = get_args(Combiner)
CalibrateBy = Literal["machine", "domain"]
CALIBRATE_BY: tuple[CalibrateBy, ...] = get_args(CalibrateBy)
_CLIP = ["year", "machine", "section", "split", "clip"]
_SAID = ["domain", "label"]


@dataclass(frozen=True)
class Stack:
    """Calibrated scores of several systems on the same clips."""

    systems: tuple[str, ...]
    clips: pd.DataFrame  # year, machine, section, split, clip, domain, label; sorted as a score table is
    calibrated: Floats  # (systems, clips); NaN for the machines that a system has no scores for

    @property
    def year(self) -> str:
        return str(self.clips["year"].iloc[0])

    @property
    def machines(self) -> list[str]:
        return sorted(set(self.clips["machine"]))

    @property
    def sections(self) -> list[tuple[str, str, NDArray[np.intp]]]:
        """Machine, section, and the positions of its clips."""
        grouped = self.clips.groupby(["machine", "section"], sort=True)
        return [
            (str(key[0]), str(key[1]), rows.index.to_numpy(dtype=np.intp)) for key, rows in grouped if isinstance(key, tuple)
        ]

    def missing(self) -> dict[str, list[str]]:
        """System -> machines that it has no scores for; only the systems that lack some."""
        found = {}
        for system, scores in zip(self.systems, self.calibrated, strict=True):
            machines = sorted(set(self.clips["machine"][np.isnan(scores)]))
            if machines:
                found[system] = machines
        return found

    def of(self, systems: Iterable[str]) -> "Stack":
        """Only these systems, in this order."""
        systems = tuple(systems)
        return Stack(systems, self.clips, self.calibrated[[self.systems.index(system) for system in systems]])


def stack(tables: Mapping[str, ScoreTable], *, partial: bool = False, calibrate_by: CalibrateBy = "machine") -> Stack:
    """Lay the tables of several systems side by side, with their calibrated scores or, by domain, calibrated anew.

    Raises: AsdzooError when two systems scored different clips of a machine, or say different things of one; and, unless
    `partial`, when a system has no scores at all for a machine that another one has.
    """
    if calibrate_by == "domain":
        tables = {system: Calibration.fit(table, by_domain=True).apply(table) for system, table in tables.items()}
    frames = {system: _of_system(table, system) for system, table in tables.items()}
    years = {table.year for table in tables.values()}
    if len(years) > 1:
        raise AsdzooError(f"the systems scored different years: {', '.join(sorted(years))}", "fuse systems of one run")
    clips = pd.concat([frame[[*_CLIP, *_SAID]] for frame in frames.values()]).drop_duplicates(_CLIP)
    clips = clips.sort_values(_CLIP, ignore_index=True)
    index = pd.MultiIndex.from_frame(clips[_CLIP])
    rows = []
    for system, frame in frames.items():
        own = frame.set_index(_CLIP)
        _agree(system, own[_SAID], clips.set_index(_CLIP)[_SAID].reindex(own.index))
        scores = own["calibrated"].reindex(index).to_numpy(dtype=np.float64)
        _whole_machines(system, scores, clips, partial, [other for other in tables if other != system])
        rows.append(scores)
    return Stack(tuple(tables), clips, np.stack(rows))


def _of_system(table: ScoreTable, system: str) -> pd.DataFrame:
    frame = table.frame[table.frame["system"] == system]
    if frame.empty:
        raise AsdzooError(
            f"the score table of {system} holds no row of {system}", f"run `asdzoo train-all --systems {system}` again"
        )
    return frame


def _agree(system: str, own: pd.DataFrame, others: pd.DataFrame) -> None:
    differs = (own.to_numpy() != others.to_numpy()).any(axis=1)
    if differs.any():
        _, machine, _, _, clip = own.index[int(np.argmax(differs))]
        raise AsdzooError(
            f"{system} and another system name a different domain or label for {machine} {clip}",
            f"write its scores anew: `asdzoo train-all --systems {system}`",
        )


def _whole_machines(system: str, scores: Floats, clips: pd.DataFrame, partial: bool, others: list[str]) -> None:
    absent = pd.Series(np.isnan(scores))
    for machine, missing in absent.groupby(clips["machine"].to_numpy(), sort=True):
        if (missing.all() and partial) or not missing.any():
            continue
        again = f"run `asdzoo train-all --systems {system}` again"
        if missing.all():
            raise AsdzooError(
                f"{system} has no scores for {machine}, which {', '.join(others)} scored", f"{again}, or --skip-missing"
            )
        first = clips["clip"][missing[missing].index[0]]
        raise AsdzooError(f"{system} lacks scores for {int(missing.sum())} clip(s) of {machine}, the first is {first}", again)


def combine(stacked: Stack, weights_of: Callable[[str], Mapping[str, float]], combiner: Combiner = "weighted") -> Floats:
    """One score per clip, (clips,). `weights_of` maps a machine to the weights of its members; those of members without scores
    for it go to the others in proportion.

    The sum runs over the members in their order, so that the same input gives the same bits.
    Raises: AsdzooError when no member with a weight has scores for a machine.
    """
    result = np.empty(len(stacked.clips))
    values = basis(stacked, combiner)
    for machine, rows in stacked.clips.groupby("machine", sort=True).indices.items():
        weights = weights_of(str(machine))
        members = [
            (values[position, rows], weights[system])
            for position, system in enumerate(stacked.systems)
            if weights.get(system, 0) > 0 and not np.isnan(values[position, rows[0]])
        ]
        if not members:
            raise AsdzooError(
                f"no member with a weight has scores for {machine}", "choose another ensemble, or train its members"
            )
        if combiner in ("min", "max"):
            join = np.minimum if combiner == "min" else np.maximum
            result[rows] = join.reduce([scores for scores, _ in members])
            continue
        total = sum(weight for _, weight in members)
        scale = 1.0 if abs(total - 1) < 1e-9 else 1 / total
        fused = np.zeros(len(rows))
        for scores, weight in members:
            fused += scores * (weight * scale)
        result[rows] = fused
    return result


def basis(stacked: Stack, combiner: Combiner) -> Floats:
    """What a combiner joins, (systems, clips): calibrated scores, or ranks.

    Raises: AsdzooError when a machine has no training scores to rank among.
    """
    if combiner == "train-rank":
        return _training_ranks(stacked)
    if combiner != "rank":
        return stacked.calibrated
    frame = pd.DataFrame(stacked.calibrated.T)
    groups = frame.groupby([stacked.clips[column].to_numpy() for column in ("machine", "section", "split")])
    counts = groups.transform("size").to_numpy()[:, None]
    return np.asarray(((groups.rank(method="average").to_numpy() - 0.5) / counts).T)


def _training_ranks(stacked: Stack) -> Floats:
    ranks = np.full_like(stacked.calibrated, np.nan)
    training = stacked.clips["split"].eq("train").to_numpy()
    for machine, section, rows in stacked.sections:
        own = rows[training[rows]]
        if not len(own):
            raise AsdzooError(
                f"{machine} section {section} has no training scores to rank among", "--combiner weighted, or train-all again"
            )
        for position, scores in enumerate(stacked.calibrated):
            if not np.isnan(scores[rows[0]]):
                ranks[position, rows] = rank_among(scores[own], scores[rows])
    return ranks


def rank_among(training: Floats, scores: Floats) -> Floats:
    """Rank of each score among the training scores, in (0, 1): (training clips,), (clips,) -> (clips,).

    The i-th of n training scores has the rank (i - 1/2) / n, what lies between two of them is interpolated. Scores beyond the
    last one keep their order and come as near to 1 as they lie far out, in units of the training scores' interquartile range.
    """
    values, counts = np.unique(training, return_counts=True)
    places = (np.cumsum(counts) - counts / 2) / len(training)
    low, high = np.quantile(training, [0.25, 0.75])
    spread = float(high - low) or float(values[-1] - values[0]) or 1.0
    ranks = np.interp(scores, values, places)
    above, below = np.maximum(scores - values[-1], 0) / spread, np.maximum(values[0] - scores, 0) / spread
    return np.asarray(ranks + (1 - places[-1]) * above / (1 + above) - places[0] * below / (1 + below))


def fused_table(stacked: Stack, scores: Floats, name: str) -> ScoreTable:
    """The score table of an ensemble: `score` is the fused score, `calibrated` its z-score over the machine's training clips.

    Where a machine has no training clips in the tables, `calibrated` is the fused score itself.
    """
    frame = stacked.clips.assign(system=name, score=scores, calibrated=scores)
    trained = frame[frame["split"] == "train"].groupby(["machine", "section"]).size().index
    has_training = pd.MultiIndex.from_frame(frame[["machine", "section"]]).isin(trained)
    if not has_training.any():
        return ScoreTable(frame)
    table = ScoreTable(frame[has_training])
    calibrated = Calibration.fit(table).apply(table).frame
    return ScoreTable(pd.concat([calibrated, frame[~has_training]], ignore_index=True))
