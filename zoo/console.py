"""One look for everything the commands print: rich tables on stdout, warnings on stderr.

Only `cli.py` files and progress displays print; the library returns values. What is printed quotes names of machines, files and
folders that anyone may have chosen. So a string is text and never markup, a control character in it is shown (`\\x1b`) and not
sent, and what the stream's encoding cannot say becomes `?`: the two consoles below do it to every string, tables included.
"""

import json
import os
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDTH = None if sys.stdout.isatty() else int(os.environ.get("COLUMNS", "140"))  # logs and pipes have no width of their own
_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # Unicode categories: control, format (text running backwards), surrogates, line ends


def visible(text: str) -> str:
    """`text` on one line, with every character that a terminal would obey or hide in its escaped form.

    >>> print(visible("a\\x1b[2J\\tb"))
    a\\x1b[2J\\tb
    """
    if text.isprintable():
        return text
    return "".join(_escaped(letter) if unicodedata.category(letter) in _UNSEEN else letter for letter in text)


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode()


class _Plain(Console):
    """A console to which every string is text; colour is for `Text(..., style=...)` and `print(..., style=...)`."""

    def render_str(self, text: str, **options: Any) -> Text:
        shown = visible(text).encode(self.encoding, "replace").decode(self.encoding)
        return super().render_str(shown, **{**options, "markup": False, "emoji": False, "highlight": False})


out = _Plain(width=_WIDTH, highlight=False, soft_wrap=True)
err = _Plain(width=_WIDTH, highlight=False, soft_wrap=True, stderr=True)


def replace_what_cannot_be_printed() -> None:
    """Let stdout and stderr write `?` for what their encoding lacks: for what others print, like the help."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace" if stream is sys.stdout else "backslashreplace")


def print_json(value: Any) -> None:
    """Print a JSON value on stdout, whole in any encoding: characters that would be lost or obeyed are escaped."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    try:
        text.encode(out.encoding)
    except UnicodeEncodeError:
        text = json.dumps(value, indent=2)
    if visible(text.replace("\n", "")) != text.replace("\n", ""):
        text = json.dumps(value, indent=2)
    out.file.write(text + "\n")


def warn(sentence: str) -> None:
    """Say on stderr what a user should know but need not act on."""
    err.print(Text("warning:", style="yellow"), sentence)


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
