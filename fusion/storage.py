"""Where Optuna studies live: a journal in the run folder that one process writes, or a storage that several may share."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.errors import AsdzooError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

WAIT = 60.0  # seconds that a write waits for other hosts
_BEING_MADE = ("already exists", "unique", "no such table", "locked")  # what databases say while another host makes the tables


def private(path: Path) -> "BaseStorage":
    """Optuna's journal file, less the lock and the fsync of each write.

    The run's lock keeps other writers out, and trials that a power failure takes are judged again.
    """
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    class Journal(JournalFileBackend):
        def append_logs(self, logs: list[dict[str, Any]]) -> None:
            with path.open("a", encoding="utf-8") as journal:
                journal.writelines(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)

    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        _mend(path)
    return JournalStorage(Journal(str(path)))


def shared(storage: str) -> "BaseStorage":
    """A storage that several processes may write at once. Raises: AsdzooError when it cannot be opened."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    try:
        if "://" in storage:
            return _database(storage)
        Path(storage).parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(JournalFileBackend(storage))
    except Exception as problem:  # whatever the database's own library raises
        raise AsdzooError(
            f"the storage {storage} cannot be opened: {_first_line(problem)}",
            "--storage takes a URL like sqlite:///study.db or postgresql://host/name, or a path to a journal file",
        ) from problem


def _database(url: str) -> "BaseStorage":
    """A database; of several hosts that open a new one at once, one makes the tables, and the others try again."""
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import DatabaseError

    settings = {"connect_args": {"timeout": WAIT}} if url.startswith("sqlite") else {}
    for pause in np.geomspace(0.1, 3.0, 6):
        try:
            return RDBStorage(url, engine_kwargs=settings)
        except DatabaseError as problem:
            if not any(said in str(problem).lower() for said in _BEING_MADE):
                raise
            time.sleep(pause)
    return RDBStorage(url, engine_kwargs=settings)


@contextmanager
def written(storage: str | None) -> Iterator[None]:
    """Raises: AsdzooError for what a storage of one's own does not take while it is searched."""
    from optuna.exceptions import StorageInternalError

    try:
        yield
    except StorageInternalError as problem:
        raise AsdzooError(
            f"the storage {storage} fails: {_first_line(problem.__cause__ or problem)}",
            "once it can be written, give the command again: the trials it has count",
        ) from problem


def _first_line(problem: BaseException) -> str:
    return str(problem).splitlines()[0] if str(problem) else type(problem).__name__


def _mend(path: Path) -> None:
    """Take away a line that a killed process left cut short."""
    text = path.read_bytes()
    if not text.endswith(b"\n"):
        with path.open("r+b") as journal:
            journal.truncate(text.rfind(b"\n") + 1)
