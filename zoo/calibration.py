"""Calibration: scores of different systems and machines on one scale, by z-scores.

calibrated = (score - mean) / standard deviation, over the training clips of one (system, machine, section), whose scores are
leave-one-out already. [T24 3] says "mean and standard deviation" but not over what; statistics of test clips are against the
rules since 2025, so they are taken only on request.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from zoo.errors import AsdzooError
from zoo.files import write_json
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
    statistics: dict[Key, Statistics]

    @classmethod
    def fit(cls, table: ScoreTable, on: Literal["train", "test"] = "train") -> "Calibration":
        """Take the statistics of one split of `table`; "test" is against the 2025 rules, and the caller marks it.

        Raises: AsdzooError naming a machine of the table that has no such scores.
        """
        statistics: dict[Key, Statistics] = {}
        for key, rows in _groups(table):
            scores = rows.loc[rows["split"] == on, "score"].to_numpy()
            if not len(scores):
                system, _, machine, section = key
                raise AsdzooError(
                    f"{system} has no {on} scores for {machine} section {section}, so they cannot be calibrated",
                    "run `asdzoo train-all` again with that machine's train folder in place",
                )
            mean, std = float(scores.mean()), float(scores.std())
            if std <= CONSTANT * float(np.abs(scores).max()):
                std = 1.0
            statistics[key] = Statistics(mean, std, len(scores))
        return cls(on, statistics)

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
            frame.loc[rows.index, "calibrated"] = (rows["score"] - found.mean) / found.std
        return ScoreTable(frame)

    def save(self, path: Path) -> None:
        """Write as JSON with full float precision."""
        entries = [dict(zip(GROUP, key, strict=True)) | found._asdict() for key, found in sorted(self.statistics.items())]
        write_json(path, {"on": self.on, "statistics": entries})

    @classmethod
    def load(cls, path: Path) -> "Calibration":
        """Read what `save` wrote: the same bits. Raises: AsdzooError when it is absent or is not a calibration."""
        hint = "run `asdzoo train-all` to write it again"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            statistics = {
                (entry["system"], entry["year"], entry["machine"], entry["section"]): Statistics(
                    float(entry["mean"]), float(entry["std"]), int(entry["clips"])
                )
                for entry in content["statistics"]
            }
            if content["on"] not in ("train", "test"):
                raise ValueError(f"on is {content['on']!r}, not train or test")
            if not all(np.isfinite(found.mean) and 0 < found.std < np.inf for found in statistics.values()):
                raise ValueError("a mean is not finite, or a standard deviation is not positive")
            return cls(content["on"], statistics)
        except FileNotFoundError as problem:
            raise AsdzooError(f"no calibration at {path}", hint) from problem
        except (ValueError, KeyError, TypeError) as problem:
            raise AsdzooError(f"{path} is not a calibration: {problem}", hint) from problem


def _groups(table: ScoreTable) -> Iterator[tuple[Key, pd.DataFrame]]:
    for (system, year, machine, section), rows in table.frame.groupby(GROUP, sort=True):
        yield (str(system), str(year), str(machine), str(section)), rows
