"""Calibration: scores of different systems and machines on one scale, by z-scores.

calibrated = (score - mean) / standard deviation, over the training clips of one (system, machine, section), whose scores are
leave-one-out already. [T24 3] says "mean and standard deviation" but not over what; statistics of test clips are against the
rules since 2025, so they are taken only on request.

A clip that stands apart from all others of its domain (`zoo.odd_scores`) takes no part in mean and standard deviation.

By domain, the source and the target clips have statistics of their own, and a clip gets the smaller of the two z-scores: it is
anomalous only where it is so for both domains. The domain of the clip itself is not asked, as no evaluation clip tells it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from zoo.errors import AsdzooError
from zoo.files import write_json
from zoo.odd_scores import ordinary
from zoo.scores import ScoreTable

GROUP = ["system", "year", "machine", "section"]
CONSTANT = 1e-12  # a standard deviation below this part of the largest score is rounding


Key = tuple[str, str, str, str]  # GROUP


class Statistics(NamedTuple):
    """Of one (system, year, machine, section)."""

    mean: float
    std: float  # population standard deviation; 1.0 where the scores are constant or there is one clip
    clips: int


@dataclass(frozen=True)
class Calibration:
    """z-score statistics by (system, year, machine, section).

    Constant training scores, or one clip, have no scale: their standard deviation is set to 1, so that `calibrated` is the
    score less the mean.
    """

    on: Literal["train", "test"]
    statistics: dict[Key, Statistics]  # of all clips, or of the source domain for a key that is in `target`
    target: dict[Key, Statistics] = field(default_factory=dict)  # of the target domain, where domains are calibrated apart

    @classmethod
    def fit(cls, table: ScoreTable, on: Literal["train", "test"] = "train", by_domain: bool = False) -> "Calibration":
        """Take the statistics of one split of `table`; "test" is against the 2025 rules, and the caller marks it.

        With `by_domain` each domain has its own, but where one has fewer than two clips the machine's are taken for both.

        Raises: AsdzooError naming a machine of the table that has no such scores.
        """
        statistics: dict[Key, Statistics] = {}
        of_target: dict[Key, Statistics] = {}
        for key, rows in _groups(table):
            scores = rows.loc[rows["split"] == on, "score"].to_numpy()
            if not len(scores):
                system, _, machine, section = key
                raise AsdzooError(
                    f"{system} has no {on} scores for {machine} section {section}, so they cannot be calibrated",
                    "run `asdzoo train-all` again with that machine's train folder in place",
                )
            domains = rows.loc[rows["split"] == on, "domain"].to_numpy()
            kept = _ordinary_by_domain(scores, domains)
            scores, domains = scores[kept], domains[kept]
            source, target = scores[domains == "source"], scores[domains == "target"]
            apart = by_domain and min(len(source), len(target)) > 1
            statistics[key] = _statistics(source if apart else scores)
            if apart:
                of_target[key] = _statistics(target)
        return cls(on, statistics, of_target)

    def apply(self, table: ScoreTable) -> ScoreTable:
        """`table` with `calibrated` set. Raises: AsdzooError naming a machine without statistics."""
        frame = table.frame.copy()
        for key, rows in _groups(table):
            found = self.statistics.get(key)
            if found is None:
                system, year, machine, section = key
                raise AsdzooError(
                    f"no calibration of {system} for {machine} section {section} of {year}",
                    "run `asdzoo train-all` with that machine's train folder in place",
                )
            scores = rows["score"].to_numpy()
            calibrated = (scores - found.mean) / found.std
            if (target := self.target.get(key)) is not None:
                calibrated = np.minimum(calibrated, (scores - target.mean) / target.std)
            frame.loc[rows.index, "calibrated"] = calibrated
        return ScoreTable(frame)

    def save(self, path: Path) -> None:
        """Write as JSON with full float precision."""
        content = {"on": self.on, "statistics": _entries(self.statistics)}
        write_json(path, {**content, "target": _entries(self.target)} if self.target else content)

    @classmethod
    def load(cls, path: Path) -> "Calibration":
        """Read what `save` wrote: the same bits. Raises: AsdzooError when it is absent or is not a calibration."""
        hint = "run `asdzoo train-all` to write it again"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            statistics, target = _read_entries(content["statistics"]), _read_entries(content.get("target", []))
            if content["on"] not in ("train", "test"):
                raise ValueError(f"on is {content['on']!r}, not train or test")
            if not all(
                np.isfinite(found.mean) and 0 < found.std < np.inf for found in [*statistics.values(), *target.values()]
            ):
                raise ValueError("a mean is not finite, or a standard deviation is not positive")
            return cls(content["on"], statistics, target)
        except FileNotFoundError as problem:
            raise AsdzooError(f"no calibration at {path}", hint) from problem
        except (ValueError, KeyError, TypeError) as problem:
            raise AsdzooError(f"{path} is not a calibration: {problem}", hint) from problem


def _entries(statistics: Mapping[Key, Statistics]) -> list[dict[str, object]]:
    return [{**dict(zip(GROUP, key, strict=True)), **found._asdict()} for key, found in sorted(statistics.items())]


def _read_entries(entries: Iterable[Mapping[str, Any]]) -> dict[Key, Statistics]:
    return {
        (entry["system"], entry["year"], entry["machine"], entry["section"]): Statistics(
            float(entry["mean"]), float(entry["std"]), int(entry["clips"])
        )
        for entry in entries
    }


def _ordinary_by_domain(scores: np.ndarray, domains: np.ndarray) -> np.ndarray:
    """Which scores are ordinary among those of their own domain: the few target clips are no odd source clips."""
    kept = np.ones(len(scores), dtype=np.bool_)
    for domain in set(domains.tolist()):
        kept[domains == domain] = ordinary(scores[domains == domain])
    return kept


def _statistics(scores: np.ndarray) -> Statistics:
    mean, std = float(scores.mean()), float(scores.std())
    return Statistics(mean, 1.0 if std <= CONSTANT * float(np.abs(scores).max()) else std, len(scores))


def _groups(table: ScoreTable) -> Iterator[tuple[Key, pd.DataFrame]]:
    for (system, year, machine, section), rows in table.frame.groupby(GROUP, sort=True):
        yield (str(system), str(year), str(machine), str(section)), rows
