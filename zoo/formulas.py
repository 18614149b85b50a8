"""Names that a spreadsheet would run: a table that a person opens holds them as they are, so they are named where they come in.

A name is a fact about a file and is never altered. Names come in with recordings and with packages of others; every table
holds those of one of the two.
"""

from collections.abc import Iterable

_BEGINS = tuple("=+-@\t\r")


def is_formula(cell: str) -> bool:
    """Whether a spreadsheet takes the text of a cell for a formula.

    >>> is_formula("=1+2.wav"), is_formula("fan=1.wav")
    (True, False)
    """
    return cell.startswith(_BEGINS)


def formulas(names: Iterable[str]) -> str | None:
    """A sentence on the names that a spreadsheet would run; None where there are none."""
    found = [name for name in dict.fromkeys(names) if is_formula(name)]
    if not found:
        return None
    begins = "begins as a formula does" if len(found) == 1 else f"and {len(found) - 1} more begin as a formula does"
    return f"{found[0][:40]!r} {begins}: a spreadsheet that opens a table with such a name runs it"
