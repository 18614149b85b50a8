"""Commands of the room `zoo/`. Heavy imports sit inside the commands, so that `asdzoo --help` is instant."""

import typer

app = typer.Typer()
