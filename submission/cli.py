"""The console script `asdzoo`: the commands of all three rooms, and the one place where an error becomes an exit code."""

import sys
import traceback
from collections.abc import Sequence

import typer

import fusion.cli
import zoo.cli
from zoo.errors import AsdzooError

app = typer.Typer(
    name="asdzoo",
    help="Train a zoo of anomalous sound detectors, fuse their scores, and pack a DCASE Task 2 submission.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
)
app.add_typer(zoo.cli.app)
app.add_typer(fusion.cli.app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 well, 1 faults found by `check`, 2 bad input, 130 interrupted."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    try:
        result = app([argument for argument in arguments if argument != "--debug"], standalone_mode=False)
    except AsdzooError as problem:
        return _complain(problem.message, problem.hint, debug)
    return result if isinstance(result, int) else 0


def _complain(message: str, hint: str, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print(f"error: {message}", file=sys.stderr)
    if hint:
        print(f"hint: {hint}", file=sys.stderr)
    return 2
