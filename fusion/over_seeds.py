"""What is trained with several seeds, judged over them: means of metrics, how sure they are, and how much a seed changes.

A family is a system with its seeds SYSTEM.s0, SYSTEM.s1, ..., or an ensemble of which there is one of each seed's members alone
(`asdzoo fuse --each-seed`). Its figures are means over the seeds, each judged by itself. SYSTEM, the mean of the seeds' scores,
and the ensemble of all seeds are judged beside it, as any other score table is.

Conventions
-----------
spread    standard deviation over the seeds, of which there is one less than seeds in the denominator
interval  over clips, as for one system: of the mean over these seeds, each clip left out of all of them at once
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fusion.intervals import Interval, official_interval, section_interval
from fusion.official import find_sections
from zoo.scores import ScoreTable, families_of

_CLIP = ["machine", "section", "split", "clip", "label", "domain"]
_PLACE = ["machine", "section"]


@dataclass(frozen=True)
class Family:
    """Metrics of one system over its seeds."""

    system: str
    members: tuple[str, ...]  # a score table of each seed
    frame: pd.DataFrame  # rows and columns of evaluation.csv, means over the seeds, and of hmean `spread` and `worst`
    intervals: list[Interval | None]  # 95 %, of each row's hmean
    less: float | None  # official score less that of the best family; None for the best
    spreads: float  # the same in spreads, those of all families pooled

    @property
    def seeds(self) -> int:
        return len(self.members)

    @property
    def mean(self) -> float:
        """Of the official score."""
        return float(self.frame["hmean"].iloc[-1])

    @property
    def spread(self) -> float:
        """Of the official score."""
        return float(self.frame["spread"].iloc[-1])

    @property
    def worst(self) -> float:
        """Official score of the worst seed."""
        return float(self.frame["worst"].iloc[-1])

    @property
    def interval(self) -> Interval | None:
        """Of the official score."""
        return self.intervals[-1]


def of_one_seed(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """System or ensemble -> its tables of one seed each, where there are several: NAME.s0, NAME.s1, ..."""
    found = {name: tuple(own for own in members if own != name) for name, members in families_of(names).items()}
    return {name: members for name, members in found.items() if len(members) > 1}


def families(frames: Mapping[str, pd.DataFrame], tables: Mapping[str, ScoreTable]) -> tuple[list[Family], list[str]]:
    """The systems and ensembles that occur with several seeds, best mean first, and a sentence on each that has no mean.

    By name of the score table: its rows of evaluation.csv, and the scores.
    """
    found, notes = [], []
    for name, members in of_one_seed(frames).items():
        scored = [ScoreTable(tables[one].frame[tables[one].frame["system"] == one]) for one in members]
        clips = [table.frame[_CLIP] for table in scored]
        if all(own.equals(clips[0]) for own in clips):
            found.append(_family(name, members, [frames[one] for one in members], scored))
        else:
            notes.append(f"the seeds of {name} scored different clips, so that they have no mean")
    if not found:
        return [], notes
    pooled = pooled_spread(found)
    best = max(found, key=lambda one: one.mean)
    ranked = sorted(found, key=lambda one: -one.mean)
    return [_held_against(one, best, pooled) for one in ranked], notes


def pooled_spread(found: Sequence[Family]) -> float:
    """Standard deviation of an official score over seeds, those of all families pooled."""
    return float(np.sqrt(np.mean([one.spread**2 for one in found])))


def _family(name: str, members: tuple[str, ...], frames: Sequence[pd.DataFrame], tables: Sequence[ScoreTable]) -> Family:
    metrics = [column for column in frames[0].columns if column not in ("system", *_PLACE)]
    values = np.stack([frame[metrics].to_numpy(dtype=np.float64) for frame in frames])
    rows = pd.DataFrame(values.mean(axis=0), columns=metrics)
    over = values[:, :, metrics.index("hmean")]
    frame = pd.concat([frames[0][_PLACE].reset_index(drop=True), rows], axis=1)
    frame.insert(0, "system", name)
    frame = frame.assign(spread=over.std(axis=0, ddof=1), worst=over.min(axis=0))
    year, scores = tables[0].year, np.stack([table.frame["score"].to_numpy() for table in tables])
    sections, _ = find_sections(tables[0].frame, year)
    intervals = [section_interval(scores[:, section.rows], section, year) for section in sections]
    return Family(name, members, frame, [*intervals, official_interval(scores, sections, year)], None, 0.0)


def _held_against(one: Family, best: Family, pooled: float) -> Family:
    less = one.mean - best.mean
    spreads = abs(less) / pooled if pooled > 0 else 0.0 if less == 0 else float("inf")
    return Family(one.system, one.members, one.frame, one.intervals, None if one is best else less, spreads)
