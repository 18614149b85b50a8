"""Tasks in processes of their own: started, watched through the files that they write, and started again when they die.

Whoever starts processes (`local`, `slurm`) is a `Starter`. A task that somebody works on already, this command's predecessor or
another host, is watched and not started.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from zoo.data.clips import Clip
from zoo.errors import AsdzooError
from zoo.running.executors.rows import Row
from zoo.running.folder import Run
from zoo.running.jobs import Job, job_of, order_of
from zoo.running.limits import Limits, unlimited
from zoo.running.locks import LONGEST_WAIT, is_held
from zoo.running.plan import Task, origins
from zoo.running.watcher import Watcher
from zoo.running.work import Outcome

MOST_DEATHS = 3  # of a task's process, before the task is given up


class Process(Protocol):
    """One that works on a task, or is going to."""

    @property
    def alive(self) -> bool:
        """Whether it still may finish."""

    @property
    def ended(self) -> str:
        """How it ended, for a sentence: "killed by signal 9"."""

    @property
    def log(self) -> Path:
        """What it printed."""


class Starter(Protocol):
    """Starts processes."""

    @property
    def most(self) -> int | None:
        """Processes at a time; None: all of them, and something else sees to it."""

    def start(self, jobs: Sequence[Job]) -> Sequence[Process]:
        """A process for each job. Raises: AsdzooError when none can be started."""

    def find(self, job: Job) -> Process | None:
        """The process that an earlier command started for a job and that has not ended."""

    def stop(self, processes: Sequence[Process]) -> str:
        """End those that shall not outlive this command, and say what becomes of the others; "" where there are none."""


@dataclass(frozen=True)
class _Elsewhere:
    """A process of which nothing is known but that it holds the task's lock."""

    job: Job

    @property
    def alive(self) -> bool:
        return is_held(self.job.task_folder.lock_path)

    @property
    def ended(self) -> str:
        return "as others end"

    @property
    def log(self) -> Path:
        return self.job.log


@dataclass
class _Unfinished:
    """A task that is not finished, and whoever works on it."""

    task: Task
    job: Job
    code: str  # of its order
    row: Row
    origin: str | None = None  # the job that trains its network, where that is another's
    process: Process | None = None
    deaths: int = 0

    @property
    def name(self) -> str:
        return f"{self.task.system.name} ({self.task.group})"


@dataclass(frozen=True)
class Processes:
    """An executor."""

    starter: Starter
    clips: Sequence[Clip]  # of the store
    data: Path
    store: Path
    device: str
    also: Sequence[Path] = ()  # folders of other years
    limits: Limits = unlimited
    pause: float = 0.25  # seconds between two looks at what is written

    def run(self, run: Run, tasks: Sequence[Task], watcher: Watcher) -> Iterator[Outcome]:
        """Every task done, each as soon as it is.

        A task that fails does not keep the others from finishing. Raises: AsdzooError at the end, for the first that failed.
        """
        waiting, working = self._ordered(run, tasks, watcher), list[_Unfinished]()
        failed: list[AsdzooError] = []
        try:
            while waiting or working:
                yield from self._begin(waiting, working, watcher)
                for one in list(working):
                    stands: Literal["working", "done", "again", "failed"]
                    try:
                        stands = self._look(one, watcher)
                    except AsdzooError as problem:
                        failed.append(problem)
                        stands = "failed"
                    if stands == "working":
                        continue
                    working.remove(one)
                    one.row.close()
                    if stands == "done":
                        yield one.job.outcome(one.task)
                    if stands == "again":
                        waiting.append(one)
                if working:
                    time.sleep(self.pause)
        finally:
            if processes := [one.process for one in working if one.process is not None]:
                said = self.starter.stop(processes)
                if said:
                    watcher.note(said)
        if failed:
            others = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
            raise AsdzooError(failed[0].message + others, failed[0].hint)

    def _ordered(self, run: Run, tasks: Sequence[Task], watcher: Watcher) -> list[_Unfinished]:
        """Write what each process has to do."""
        unfinished = []
        with run.lock(LONGEST_WAIT):
            for task, origin in zip(tasks, origins(tasks), strict=True):
                job, order = job_of(run, task), order_of(task, self.clips, self.data, self.store, self.device, self.also)
                order.write(job.order_path)
                trainer = None if origin is None else job_of(run, origin).name
                unfinished.append(_Unfinished(task, job, order.code, Row(task, watcher), trainer))
        return unfinished

    def _begin(self, waiting: list[_Unfinished], working: list[_Unfinished], watcher: Watcher) -> Iterator[Outcome]:
        """Take from those that wait as many as there is room for; those that an earlier command finished come out at once.

        One whose network another trains waits until that is done.
        """
        fresh: list[_Unfinished] = []
        while self.starter.most is None or len(working) + len(fresh) < self.starter.most:
            trainers = {one.job.name for one in (*waiting, *working, *fresh)}
            one = next((one for one in waiting if one.origin not in trainers), None)
            if one is None:
                break
            waiting.remove(one)
            if not one.deaths and one.job.finished(one.code) and one.job.task_folder.trained:
                watcher.begin_task(one.task, "trained already")
                yield one.job.outcome(one.task)
                continue
            one.process = self.starter.find(one.job)
            if one.process is None and is_held(one.job.task_folder.lock_path):
                one.process = _Elsewhere(one.job)
            if one.process is None:
                fresh.append(one)
            else:
                watcher.note(f"{one.name} is being worked on already: it is waited for")
                working.append(one)
        if fresh:
            for one in fresh:
                one.job.forget()
                one.job.order().model_copy(update={"limit": self.limits(one.task)}).write(one.job.order_path)
            for one, process in zip(fresh, self.starter.start([one.job for one in fresh]), strict=True):
                one.process = process
                working.append(one)

    def _look(self, one: _Unfinished, watcher: Watcher) -> Literal["working", "done", "again"]:
        """Show how far a task is. Raises: AsdzooError when it failed, or its processes died too often."""
        process = one.process
        assert process is not None
        alive = process.alive  # before the state is read: what a process did last is seen
        state = one.job.state()
        if state is not None and state.code == one.code:
            one.row.look(state)
            if state.stage == "done" and one.job.finished(one.code):
                return "done"
            if state.stage == "failed":
                raise AsdzooError(f"{one.name}: {state.message}", state.hint)
        if alive:
            return "working"
        if not isinstance(process, _Elsewhere):
            one.deaths += 1
            if one.deaths >= MOST_DEATHS:
                raise AsdzooError(f"{one.name}: its process died {MOST_DEATHS} times, {process.ended}", f"see {process.log}")
            watcher.note(f"{one.name}: its process died, {process.ended}; it is started again and goes on where it was")
        one.process = None
        return "again"
