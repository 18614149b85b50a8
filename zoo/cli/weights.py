"""`asdzoo weights`: the checkpoints of pretrained encoders. Heavy imports sit inside the commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo.console import out, table

app = typer.Typer(no_args_is_help=True, help="Checkpoints of pretrained encoders: list, fetch, check.")


@app.command(name="list")
def list_checkpoints() -> None:
    """Show the known checkpoints and which of them are here."""
    from zoo.checkpoints import known as checkpoints

    rows = []
    for name, entry in checkpoints.known().items():
        here = "yes" if checkpoints.cached(name) else "no"
        rows.append([name, entry.encoder, entry.shown_size, entry.licence, here, entry.repository, entry.note])
    shown = table("known checkpoints", ["name", "encoder", "size", "licence", "here", "Hugging Face", "what it is"], rows)
    for column in shown.columns:
        column.overflow = "fold"  # a repository's name cut short is of no use
    out.print(shown)
    out.print("next: asdzoo weights fetch NAME; a file of yours works as well, --set model.weights=FILE")


@app.command()
def fetch(name: Annotated[str, typer.Argument(help="A name of `asdzoo weights list`.")]) -> None:
    """Download a checkpoint into the Hugging Face cache and verify it; a download that was cut off goes on."""
    from zoo.checkpoints import known as checkpoints

    path = checkpoints.fetch(name)
    checked = "SHA-256 verified" if checkpoints.known()[name].sha256 else "no SHA-256 is known to hold it against"
    out.print(f"{path}: {path.stat().st_size} bytes, {checked}")


@app.command()
def check(file: Annotated[Path, typer.Argument(help="A checkpoint of any encoder, torch or safetensors.")]) -> None:
    """Say what a file holds and whether an encoder can be filled from it."""
    from zoo.checkpoints import reading
    from zoo.errors import AsdzooError

    if not file.is_file():
        raise AsdzooError(f"no file {file}", "asdzoo weights list")
    report = reading.check(file)
    rows: list[list[object]] = [
        ["encoder", " or ".join([report.encoder, *report.others])],
        ["sizes", ", ".join(f"{key} {value}" for key, value in report.sizes.items())],
        ["parameters", f"{report.parameters:,}"],
        ["tensors used", report.used],
        ["tensors left out", ", ".join(report.ignored) or "none"],
        ["SHA-256", report.sha256],
        ["known as", report.name or "none of the known checkpoints"],
    ]
    out.print(table(str(file), ["it has", ""], rows))
    out.print(f"next: asdzoo train-all --systems {_system_with(report.encoder)} --set model.weights={file}")


def _system_with(encoder: str) -> str:
    """A shipped system with this encoder; where there is none, one that it can be put into."""
    from zoo.systems import load_system, system_paths

    for name in system_paths():
        model = load_system(name).config.model
        if model.get("encoder") == encoder and model.get("init") != "random":
            return name
    return f"beats_lora --set model.encoder={encoder} --set model.tuning.mode=frozen"
