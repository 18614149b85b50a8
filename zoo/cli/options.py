"""Options that several commands share, and their defaults."""

from pathlib import Path
from typing import Annotated

import typer

DataOption = Annotated[Path, typer.Option("--data", help="Folder of the recordings, at any level of the official trees.")]
RunOption = Annotated[Path, typer.Option("--run", help="Folder of the run.")]
YearOption = Annotated[str | None, typer.Option("--year", help="Year of the challenge, or own; only asked for when unclear.")]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.")]
StrictOption = Annotated[bool, typer.Option("--strict", help="Take a broken recording as an error.")]
