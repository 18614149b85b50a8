"""The figures of a judged run in full precision, for other programs: `asdzoo evaluate --csv FILE` and `--json`."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fusion.evaluation import Evaluation, RunEvaluation
from fusion.intervals import Interval
from fusion.papers import Comparison
from zoo.files import whole_file


def figures(judged: Sequence[Evaluation]) -> pd.DataFrame:
    """The rows of evaluation.csv with the 95 % interval of each hmean: columns `low` and `high`, NaN where there is none."""
    frames = []
    for one in judged:
        ends = [(math.nan, math.nan) if interval is None else tuple(interval) for interval in one.intervals]
        frames.append(one.frame.assign(low=[low for low, _ in ends], high=[high for _, high in ends]))
    return pd.concat(frames, ignore_index=True)


def write_csv(judged: Sequence[Evaluation], path: Path) -> None:
    """Write `figures`, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as aside:
        figures(judged).to_csv(aside, index=False, lineterminator="\n")


def as_json(run: Path, found: RunEvaluation, papers: Comparison, marks: Sequence[str]) -> dict[str, Any]:
    """Everything that `asdzoo evaluate` prints of a run, as JSON can hold it."""
    systems = []
    for one in found.judged:
        less = found.compared.get(one.system)
        systems.append(
            {
                "system": one.system,
                "score": one.score,
                "interval": _ends(one.interval),
                "organisers_half_width": one.organisers,
                "less_the_best": None if less is None else less.value,
                "less_the_best_interval": None if less is None else _ends(less.interval),
                "figures": [
                    {str(key): _plain(value) for key, value in row.items() if key != "system"}
                    for row in figures([one]).to_dict("records")
                ],
            }
        )
    return {
        "run": str(run),
        "marks": list(marks),
        "notes": [*found.notes, *papers.notes],
        "systems": systems,
        "families": [
            {"system": one.system, "seeds": one.seeds, "mean": one.mean, "spread": one.spread, "less_the_best_mean": one.less}
            for one in found.families
        ],
        "published": [
            {
                "system": one.system,
                "year": one.record.year,
                "set": one.record.set,
                "source": one.record.source,
                "machine": one.machine,
                "figure": one.figure,
                "ours": one.ours,
                "interval": _ends(one.interval),
                "published": one.theirs,
                "within": one.within,
            }
            for one in papers.rows
        ],
    }


def _ends(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
