"""Locks of a run: one for what all its tasks share, one for each task.

A lock is a file that the operating system holds for a process, so it dies with it, and on a shared folder it holds for other
hosts as well. The run's own lock guards run.json and the tables, and is held for moments while a run is made; that of a task is
held as long as somebody works on it.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from zoo.errors import AsdzooError

LONGEST_WAIT = 600.0  # seconds, for whoever writes something short


class Busy(AsdzooError):  # noqa: N818 - it is said, and mostly waited for
    """Somebody else holds the lock."""


@contextmanager
def held(path: Path, busy: str, hint: str, patience: float = 0.0) -> Iterator[None]:
    """Hold the lock file `path`, waiting up to `patience` seconds for it.

    Raises: Busy, saying `busy`, when another process, or another holder in this one, keeps it longer than that.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=patience, poll_interval=0.1)
    except Timeout:
        raise Busy(busy, hint) from None
    try:
        yield
    finally:
        lock.release()


def is_held(path: Path) -> bool:
    """Whether anybody holds the lock file now."""
    if not path.exists():
        return False
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def remove_leftovers(folder: Path, passed_over: Iterable[Path] = ()) -> None:
    """Delete half-written files of killed processes; whoever calls holds the lock of what is below `folder`.

    Only `asdzoo report` writes without a lock, so its pages stay.
    """
    passed_over = list(passed_over)
    for path in folder.rglob(".partial-*"):
        if path.is_file() and path.suffix != ".html" and not any(path.is_relative_to(other) for other in passed_over):
            path.unlink(missing_ok=True)
