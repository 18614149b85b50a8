"""`asdzoo task`: one task of a run, which `asdzoo train-all --executor local` and a cluster's nodes call."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def task(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of the run.")],
    name: Annotated[str, typer.Argument(metavar="ID", help="A file of RUN/tasks without its .json.")],
) -> None:
    """Do one task of a run in this process: train, embed and score. `train-all --executor` calls it."""
    from zoo.running.folder import Run
    from zoo.running.worker import run_task

    run_task(Run(run_folder).require(), name)
