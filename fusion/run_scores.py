"""Which score tables a run holds, and which of them are systems'."""

from fusion.ensemble import ensemble_path
from zoo.errors import AsdzooError, typed
from zoo.running.folder import Run


def scored_names(run: Run) -> list[str]:
    """Systems and ensembles that the run has scores of. Raises: AsdzooError when there are none."""
    known = run.score_names()
    if not known:
        raise AsdzooError(f"{run.folder} holds no scores", f"run `asdzoo train-all --run {typed(run.folder)}` first")
    return known


def trained_systems(run: Run) -> list[str]:
    """Score tables that are not those of an ensemble."""
    return [name for name in scored_names(run) if not ensemble_path(run.folder, name).exists()]
