"""`asdzoo clean`: remove what a run no longer needs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo.cli.options import RunOption
from zoo.console import err, out, table
from zoo.errors import AsdzooError, typed

app = typer.Typer()


@app.command()
def clean(
    run_folder: RunOption = Path("runs/default"),
    yes: Annotated[bool, typer.Option("--yes", help="Remove it without asking.")] = False,
) -> None:
    """Remove networks that a run's tables no longer come from, and stores of recordings that are gone. Asks first."""
    import sys

    from zoo.running.folder import Run
    from zoo.running.old import old_folders, remove

    run = Run(run_folder).require()
    old, kept = old_folders(run)
    for sentence in kept:
        err.print(f"kept: {sentence}")
    if not old:
        out.print(f"nothing to remove in {run_folder}")
        return
    out.print(
        table("what nobody needs any more", ["folder", "MB", "why"], [[o.path, f"{o.size / 1e6:.1f}", o.why] for o in old])
    )
    total = sum(folder.size for folder in old) / 1e6
    if not yes:
        if not sys.stdin.isatty():
            raise AsdzooError(
                f"{total:.1f} MB can be removed, and nobody is here to be asked",
                f"asdzoo clean --run {typed(run_folder)} --yes",
            )
        if not typer.confirm(f"remove {len(old)} folder(s), {total:.1f} MB?"):
            out.print("nothing is removed")
            return
    out.print(f"removed: {remove(run, old) / 1e6:.1f} MB")
