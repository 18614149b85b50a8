"""Where the tasks of a plan are done.

here    one after the other, in the process of the command
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

from zoo.running.folder import Run
from zoo.running.plan import Task
from zoo.running.watcher import Watcher
from zoo.running.work import Outcome


class Executor(Protocol):
    """Does tasks that share nothing, in any order."""

    def run(self, run: Run, tasks: Sequence[Task], watcher: Watcher) -> Iterator[Outcome]:
        """Every task done, each as soon as it is. Raises: AsdzooError when one cannot be done."""
