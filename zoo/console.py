"""One look for everything the commands print: rich tables on stdout, warnings on stderr.

Only `cli.py` files and progress displays print; the library returns values.
"""

import os
import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

_WIDTH = None if sys.stdout.isatty() else int(os.environ.get("COLUMNS", "140"))  # logs and pipes have no width of their own

out = Console(width=_WIDTH, highlight=False, soft_wrap=True)
err = Console(width=_WIDTH, highlight=False, soft_wrap=True, stderr=True)


def warn(sentence: str) -> None:
    """Say on stderr what a user should know but need not act on."""
    err.print(f"[yellow]warning:[/yellow] {sentence}", markup=True)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table whose numeric cells are right-aligned and whose floats show four digits.

    `None` shows as a dash; a column is numeric when all its other cells are numbers.
    """
    rows = [list(row) for row in rows]
    shown = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    for index, column in enumerate(columns):
        cells = [row[index] for row in rows if row[index] is not None]
        numeric = bool(cells) and all(isinstance(cell, int | float) for cell in cells)
        shown.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(_cell(value) for value in row))
    return shown


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
