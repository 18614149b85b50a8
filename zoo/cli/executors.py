"""Where the tasks of `asdzoo train-all` are done: its options, and the executor that they name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.errors import AsdzooError, listed, unknown_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo.running.executors.processes import Starter

EXECUTORS = ("here", "local", "slurm")
_PANEL = "Cluster (--executor slurm; defaults in configs/cluster.yaml)"

ExecutorOption = Annotated[
    str,
    typer.Option("--executor", help="Where tasks are done: here, in this process; local, in several; slurm, on a cluster."),
]
JobsOption = Annotated[
    int | None, typer.Option("--jobs", min=1, help="Processes of --executor local. Default: one a GPU, or one for 4 cores.")
]
ClusterOption = Annotated[
    Path | None, typer.Option("--cluster", help="YAML with what differs from configs/cluster.yaml.", rich_help_panel=_PANEL)
]
ParallelismOption = Annotated[
    int | None, typer.Option("--array-parallelism", min=1, help="Jobs that run at a time.", rich_help_panel=_PANEL)
]
PartitionOption = Annotated[str | None, typer.Option("--partition", help="Where jobs go.", rich_help_panel=_PANEL)]
TimeOption = Annotated[str | None, typer.Option("--time", help="Of one job: 8h.", rich_help_panel=_PANEL)]
MemoryOption = Annotated[str | None, typer.Option("--memory", help="Of one job: 32G.", rich_help_panel=_PANEL)]
AccountOption = Annotated[str | None, typer.Option("--account", help="Who pays.", rich_help_panel=_PANEL)]


def starter_for(
    executor: str, jobs: int | None, device: str, cluster: Path | None, options: Mapping[str, Any]
) -> Starter | None:
    """What starts the processes of an executor; None: tasks are done in this one.

    `options` are keys of configs/cluster.yaml with what was typed for them, or None.

    Raises: AsdzooError for an unknown executor, and options that it does not have.
    """
    if executor not in EXECUTORS:
        raise unknown_name("executor", executor, EXECUTORS)
    if jobs is not None and executor != "local":
        raise AsdzooError(f"--jobs is of --executor local, not {executor}", "add --executor local, or leave out --jobs")
    typed = [f"--{key.replace('_', '-')}" for key, value in {**options, "cluster": cluster}.items() if value is not None]
    if typed and executor != "slurm":
        raise AsdzooError(f"{listed(typed, 9)} is for a cluster", "add --executor slurm, or leave it out")
    if executor == "here":
        return None
    if executor == "local":
        from zoo.running.executors.local import Local

        return Local.for_machine(jobs, device)
    from zoo.running.executors.slurm import ClusterConfig, Slurm

    return Slurm(ClusterConfig.read(cluster, options))
