"""What several commands say: recordings that cannot be used, and the score tables that came of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.console import out, table, warn
from zoo.errors import AsdzooError, typed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.data.problems import Problem
    from zoo.running.folder import Run
    from zoo.scores import ScoreTable


def say_problems(problems: Sequence[Problem], strict: bool) -> list[str]:
    """Broken recordings are left out and said; `--strict` stops instead. Returns what was said."""
    from zoo.data.problems import shortened

    broken = [problem for problem in problems if problem.severity == "error"]
    if broken and strict:
        raise AsdzooError(f"{len(broken)} recording(s) cannot be used, the first: {broken[0]}", "replace or remove them")
    said = shortened(problems)
    for sentence in said:
        warn(sentence)
    return said


def say_summary(run: Run, tables: Sequence[ScoreTable]) -> None:
    from zoo.running.marks import sentences

    rows = []
    for scores in tables:
        frame = scores.frame
        test = frame[frame["split"] == "test"]
        labelled = int((test["label"] != "").sum())
        machines = frame["machine"].nunique()
        rows.append(
            [scores.systems[0], machines, len(frame) - len(test), len(test), labelled, f"scores/{scores.systems[0]}.csv"]
        )
    columns = ["system", "machines", "train clips", "test clips", "with labels", "score table"]
    out.print(table(f"{run.folder}", columns, rows))
    for sentence in sentences(run.marks(), run.cut()):
        warn(sentence)
    out.print(f"next: asdzoo evaluate --run {typed(run.folder)}, or asdzoo fuse --run {typed(run.folder)}")
