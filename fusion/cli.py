"""Commands of the room `fusion/`. Heavy imports sit inside the commands, so that `asdzoo --help` is instant."""

import typer

app = typer.Typer()
