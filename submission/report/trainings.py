"""The training curves of a run, as training.csv holds them."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fusion.metrics import Floats
from submission.report.recordings import newest
from zoo.errors import AsdzooError
from zoo.running.folder import Run

_UNPLOTTED = {"step", "learning_rate", "clips_per_second"}


class Training(NamedTuple):
    """The validations of one task."""

    system: str
    group: str
    columns: Mapping[str, Floats]  # step, and what was measured

    @property
    def losses(self) -> dict[str, Floats]:
        """What is drawn over the steps, in the order of the colours."""
        return {name: values for name, values in self.columns.items() if name not in _UNPLOTTED and np.isfinite(values).any()}


def read_trainings(run: Run, systems: Sequence[str]) -> list[Training]:
    """The newest training of each group of these systems. Raises: AsdzooError for a damaged file."""
    found = []
    for (system, group), path in newest((run.folder / "systems").glob("*/*/training.csv"), by=task_of).items():
        if system not in systems:
            continue
        try:
            with path.open(newline="") as file:
                rows = list(csv.DictReader(file))
            columns = {name: np.array([float(row[name] or "nan") for row in rows]) for name in (rows[0] if rows else ())}
        except (ValueError, TypeError, UnicodeDecodeError) as problem:
            raise AsdzooError(f"{path} is damaged: {problem}", "run `asdzoo train-all` again") from problem
        if "step" in columns:
            found.append(Training(system, group, columns))
    return found


def task_of(path: Path) -> tuple[str, str]:
    """System and group of a task's file."""
    return path.parts[-3], path.parts[-2].rpartition("-")[0]
