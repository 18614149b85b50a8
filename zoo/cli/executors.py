"""Which executor the options of `asdzoo train-all` name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.errors import AsdzooError, unknown_name

if TYPE_CHECKING:
    from zoo.running.executors.processes import Starter

EXECUTORS = ("here", "local")


def starter_for(executor: str, jobs: int | None, device: str) -> Starter | None:
    """What starts the processes of an executor; None: tasks are done in this one.

    Raises: AsdzooError for an unknown executor, and options that it does not have.
    """
    if executor not in EXECUTORS:
        raise unknown_name("executor", executor, EXECUTORS)
    if jobs is not None and executor != "local":
        raise AsdzooError(f"--jobs is of --executor local, not {executor}", "add --executor local, or leave out --jobs")
    if executor == "here":
        return None
    from zoo.running.executors.local import Local

    return Local.for_machine(jobs, device)
