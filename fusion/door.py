"""What `zoo.Run` offers of this room: the extension `fusion` of pyproject.toml, which `zoo.running.fusion_door` asks for."""

from collections.abc import Mapping, Sequence

import pandas as pd

from fusion import upkeep
from fusion.combine import combine, fused_table, stack
from fusion.ensemble import ensemble_path, read_ensemble
from fusion.evaluation import COLUMNS, evaluate_run
from fusion.fit import Plan
from fusion.join import join
from zoo.errors import AsdzooError
from zoo.running.folder import Run
from zoo.running.locks import LONGEST_WAIT
from zoo.scores import ScoreTable


def evaluate(run: Run, names: Sequence[str] | None) -> tuple[pd.DataFrame, list[str]]:
    """Rows of evaluation.csv for these systems and ensembles (None: all), and what a reader must know; writes that file."""
    with run.lock():
        found = evaluate_run(run, names)
    frames = [one.frame for one in found.judged]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=COLUMNS), found.notes


def bring_up_to_date(run: Run) -> list[str]:
    """Join outdated ensembles anew, under the run's lock; what a reader must know."""
    from fusion import renewal  # with all that searches weights

    return renewal.bring_up_to_date(run)


def older_tables(run: Run) -> list[str]:
    """A sentence for each score table that is older than what it was made from."""
    return upkeep.older_tables(run)


def ensembles(run: Run) -> list[str]:
    """Names of the ensembles that the run has scores of, sorted."""
    return [name for name in run.score_names() if ensemble_path(run.folder, name).exists()]


def members(run: Run, name: str, machine: str) -> list[str]:
    """Members of an ensemble with a weight for a machine. Raises: AsdzooError for ranks, which single clips have none of."""
    ensemble = read_ensemble(ensemble_path(run.folder, name))
    if ensemble.combiner == "rank":
        raise AsdzooError(
            f"{name} joins ranks among the test clips of a machine, which clips given by hand have none of",
            "put the recordings into the data folder, then run `asdzoo score` and `asdzoo fuse`",
        )
    weights = ensemble.weights_of(machine)
    return [system for system in ensemble.systems if weights.get(system, 0) > 0]


def fused(run: Run, name: str, tables: Mapping[str, ScoreTable]) -> ScoreTable:
    """The ensemble's scores of the clips in its members' tables, one machine's."""
    ensemble = read_ensemble(ensemble_path(run.folder, name))
    stacked = stack(tables, partial=True)
    return fused_table(stacked, combine(stacked, ensemble.weights_of, ensemble.combiner), name)


def equal(run: Run, systems: Sequence[str], name: str) -> list[str]:
    """Write the ensemble `name` of these systems with equal weights, anew; what a reader must know of it."""
    with run.lock(LONGEST_WAIT):
        return join(run, Plan(method="equal"), systems=systems, name=name).notes


def mean_of_seeds(run: Run, members: Sequence[str], name: str) -> list[str]:
    """Write the ensemble `name` of one system's members, anew, whatever labels say; what a reader must know of it."""
    with run.lock(LONGEST_WAIT):
        return join(run, Plan(method="equal", judged=False), systems=members, name=name).notes
