"""The command `asdzoo freeze`."""

from pathlib import Path
from typing import Annotated

import typer

from zoo.console import out, table, warn

app = typer.Typer()


@app.command()
def freeze(
    run: Annotated[Path, typer.Option(help="Run folder.")] = Path("runs/default"),
    again: Annotated[bool, typer.Option("--again", help="A new record, which names the time of the earlier one.")] = False,
) -> None:
    """Record what was decided before the evaluation scores were looked at; submit packs it and says what changed since."""
    from submission.writing.freeze import freeze as freeze_run
    from submission.writing.freeze import freeze_path
    from zoo.running.folder import Run
    from zoo.running.marks import sentences

    opened = Run(run).require()
    with opened.lock():
        record = freeze_run(opened, again)
    if record.scored_blind:
        warn(f"{record.scored_blind} test clips without labels have scores already: the record says so")
    if not record.recordings:
        warn(f"the recordings ({opened.info().data}) are not here: the record holds no checksums of them")
    for sentence in sentences(record.marks):
        warn(sentence)
    kinds = [("systems", record.configs), ("weight files", record.weights), ("ensembles", record.ensembles)]
    kinds += [("machines' recordings", record.recordings), ("rooms of code", record.code)]
    out.print(table(f"Frozen at {record.when}", ["what", "how many"], [[name, len(found)] for name, found in kinds]))
    out.print(f"written: {freeze_path(opened)}")
