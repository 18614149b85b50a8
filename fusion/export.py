"""The figures of a judged run: for other programs (`asdzoo evaluate --csv FILE`, `--json`), and for a page (`--markdown`)."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fusion.evaluation import Evaluation, RunEvaluation, place
from fusion.intervals import Interval
from fusion.over_seeds import Family
from fusion.papers import Comparison
from zoo.files import whole_file, write_text


def figures(judged: Sequence[Evaluation], found: Sequence[Family] = ()) -> pd.DataFrame:
    """The rows of evaluation.csv with the 95 % interval of each hmean: columns `low` and `high`, NaN where there is none.

    Below them the means of what has several `seeds`, whose number stands in that column, with the `spread` of hmean over the
    seeds and the `worst` of them; these columns are empty in the rows of single tables.
    """
    frames = [_with_ends(one.frame, one.intervals) for one in judged]
    frames += [_with_ends(one.frame, one.intervals).assign(seeds=one.seeds) for one in found]
    columns = [*frames[0].columns[:9], "seeds", "spread", "worst"]
    return pd.concat(frames, ignore_index=True).reindex(columns=columns).astype({"seeds": "Int64"})


def _with_ends(frame: pd.DataFrame, intervals: Sequence[Interval | None]) -> pd.DataFrame:
    ends = [(math.nan, math.nan) if interval is None else tuple(interval) for interval in intervals]
    low, high = zip(*ends, strict=True)
    before = list(frame.columns).index("hmean") + 1
    frame = frame.copy()
    frame.insert(before, "low", low)
    frame.insert(before + 1, "high", high)
    return frame


def write_csv(judged: Sequence[Evaluation], found: Sequence[Family], path: Path) -> None:
    """Write `figures`, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as aside:
        figures(judged, found).to_csv(aside, index=False, lineterminator="\n")


def write_markdown(judged: Sequence[Evaluation], found: Sequence[Family], path: Path) -> None:
    """Write one table of all, best first: hmean on each machine, spread and worst of the seeds, 95 % interval."""
    of_seeds = {one.system for one in found}
    named = [(f"`{one.system}`, mean of {one.seeds} seeds", one.frame, one.intervals) for one in found]
    for one in judged:
        named.append((f"`{one.system}`{', together' * (one.system in of_seeds)}", one.frame, one.intervals))
    named.sort(key=lambda entry: -float(entry[1]["hmean"].iloc[-1]))
    rows = []
    for name, frame, intervals in named:
        cells = {}
        for row, interval in zip(frame.to_dict("records"), intervals, strict=True):
            spread = f" ± {row['spread']:.3f}" if "spread" in row else ""
            ends = f" ({interval.low:.3f} to {interval.high:.3f})" if interval else ""
            worst = f", worst {row['worst']:.3f}" if "worst" in row else ""
            cells[place(row["machine"], row["section"])] = f"{row['hmean']:.3f}{spread}{ends}{worst}"
        rows.append((name, cells))
    places = [*dict.fromkeys(one for _, cells in rows for one in cells if one != "all"), "all"]
    lines = ["| | " + " | ".join(places) + " |", "|---" * (len(places) + 1) + "|"]
    lines += ["| " + " | ".join([name, *(cells.get(one, "-") for one in places)]) + " |" for name, cells in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, "\n".join(lines) + "\n")


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
                "figures": _records(_with_ends(one.frame, one.intervals)),
            }
        )
    return {
        "run": str(run),
        "marks": list(marks),
        "notes": [*found.notes, *papers.notes],
        "systems": systems,
        "families": [
            {
                "system": one.system,
                "seeds": one.seeds,
                "mean": one.mean,
                "interval": _ends(one.interval),
                "spread": one.spread,
                "worst": one.worst,
                "less_the_best_mean": one.less,
                "members": list(one.members),
                "figures": _records(_with_ends(one.frame, one.intervals)),
            }
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
                "seeds": one.seeds,
                "spread": one.spread,
            }
            for one in papers.rows
        ],
    }


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): _plain(value) for key, value in row.items() if key != "system"} for row in frame.to_dict("records")]


def _ends(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
