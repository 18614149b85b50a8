"""One task after the other, in this process."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from accelerate import Accelerator

from zoo.data.store import WaveformStore
from zoo.errors import listed
from zoo.running.folder import Run
from zoo.running.limits import Limits, unlimited
from zoo.running.locks import Busy
from zoo.running.plan import Task, origins
from zoo.running.watcher import Watcher
from zoo.running.work import Outcome, do, task_folder

LONGEST_TRAINING = 30 * 24 * 3600.0  # seconds that another process is waited for


@dataclass(frozen=True)
class Here:
    """The default executor. What another process works on is passed over at first, so that several commands share a plan."""

    store: WaveformStore
    accelerator: Accelerator
    limits: Limits = unlimited

    def run(self, run: Run, tasks: Sequence[Task], watcher: Watcher) -> Iterator[Outcome]:
        """Every task done, in order; those that another process works on come last."""
        of_others: list[Task] = []
        for task, origin in zip(tasks, origins(tasks), strict=True):
            if origin in of_others:  # its network is being trained
                of_others.append(task)
                continue
            try:
                yield self._do(task, run, watcher)
            except Busy:
                of_others.append(task)
        if of_others:
            names = [f"{task.system.name} ({task.group})" for task in of_others]
            watcher.note(f"another command works on {listed(names)}: waiting for it")
        for task in of_others:
            yield self._do(task, run, watcher, LONGEST_TRAINING)

    def _do(self, task: Task, run: Run, watcher: Watcher, patience: float = 0.0) -> Outcome:
        with task_folder(run, task).lock(patience):
            return do(task, run, self.store, self.accelerator, watcher, self.limits(task))
