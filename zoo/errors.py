"""The one exception a user is meant to see: what is wrong, and what to type next.

Everything raised on purpose for bad input is an `AsdzooError`. `submission.cli.main` prints it as one line `error: ...` and one
line `hint: ...` and exits with 2; anything else that escapes is a bug of ours.
"""

import shlex
from collections.abc import Iterable, Sequence
from difflib import get_close_matches


class AsdzooError(Exception):
    """Bad input, said in one sentence, with the next command to type."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class AsdzooWarning(UserWarning):
    """What a caller of the Python door should know but need not act on."""


def unknown_name(kind: str, name: str, known: Iterable[str], hint: str = "") -> AsdzooError:
    """The error for a name that is not on a list: it names the nearest one and then all of them."""
    known = list(known)
    nearest = get_close_matches(name, known, n=1, cutoff=0.5)
    guess = f" (did you mean {nearest[0]}?)" if nearest else ""
    listing = ", ".join(known) if known else "none"
    return AsdzooError(f"unknown {kind} {name!r}{guess}", hint or f"known: {listing}")


def listed(names: Sequence[str], most: int = 3) -> str:
    """The first names with commas between them, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def typed(word: object) -> str:
    """A word of a command that is printed, as a shell wants it typed: quoted where it would be taken apart.

    >>> print(typed("runs/my pump"))
    'runs/my pump'
    """
    return shlex.quote(str(word))
