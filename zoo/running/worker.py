"""What `asdzoo task RUN ID` does: one task of a run, in a process of its own, which says in a file how far it is."""

import os
import socket
import time
from pathlib import Path
from typing import Any

import pandas as pd

from zoo.data.clips import find_clips
from zoo.data.store import WaveformStore
from zoo.errors import AsdzooError
from zoo.progress import Progress
from zoo.running.beside import with_other_years
from zoo.running.folder import Run
from zoo.running.jobs import Job, Order, State, ordered_task
from zoo.running.locks import remove_leftovers
from zoo.running.plan import Task
from zoo.running.watcher import Watcher
from zoo.running.work import do
from zoo.scores import ScoreTable
from zoo.training.devices import accelerator_for
from zoo.training.loop import Hooks, StepTaken

PATIENCE = 10.0  # seconds that somebody else may look at the task's lock
EVERY = 1.0  # seconds between two writings of a state that only counts on


def run_task(run: Run, name: str) -> None:
    """Do what is missing of a task; the state of the job ends as done or failed.

    Raises: AsdzooError when there is no such task, it cannot be done, or another process works on it.
    """
    job = Job(run, name)
    order = job.order()
    with job.task_folder.lock(PATIENCE):
        remove_leftovers(job.folder)
        teller = _Teller(job, State(code=order.code, host=socket.gethostname(), process=os.getpid()))
        teller.tell()
        try:
            _do(job, order, teller)
        except AsdzooError as problem:
            teller.tell(stage="failed", message=problem.message, hint=problem.hint)
            raise
        except Exception as problem:  # a bug of ours, told to the parent before it ends this process
            teller.tell(stage="failed", message=f"{type(problem).__name__}: {problem}", hint=f"see {job.log}")
            raise


def _do(job: Job, order: Order, teller: "_Teller") -> None:
    accelerator = accelerator_for(order.device)
    clips = with_other_years(find_clips(Path(order.data), order.year), [Path(folder) for folder in order.also])
    store = WaveformStore.open(clips, Path(order.store))
    outcome = do(ordered_task(order, store.clips), job.run, store, accelerator, teller.watcher, order.limit)
    if outcome.left_out:
        teller.tell(stage="done", left_out=True)
        return
    teller.tell(stage="scoring")
    frames = [table.frame for table in outcome.tables]
    if not frames:
        raise AsdzooError(f"{order.system} ({order.group}) has nothing to score", "`asdzoo scan DATA` shows what was found")
    ScoreTable(pd.concat(frames, ignore_index=True)).write(job.scores_path)
    teller.tell(stage="done", parts=outcome.notes)


class _Teller:
    """Writes the state of a job, from what a watcher hears."""

    def __init__(self, job: Job, state: State) -> None:
        self._job, self._state, self._told = job, state, 0.0

    def tell(self, **changes: Any) -> None:
        """Change the state and write it."""
        self._change(**changes)
        self._job.write(self._state)
        self._told = time.monotonic()

    def _change(self, **changes: Any) -> None:
        self._state = State.model_validate({**self._state.model_dump(), **changes})

    def _count(self, **changes: Any) -> None:
        """Change the state, and write it if it was not written just now."""
        self._change(**changes)
        if time.monotonic() - self._told >= EVERY:
            self.tell()

    @property
    def watcher(self) -> Watcher:
        return Watcher(begin_task=self._begin, embed=self._embed, note=self._note)

    def _note(self, sentence: str) -> None:
        self.tell(notes=(*self._state.notes, sentence))

    def _begin(self, task: Task, before: str) -> Hooks:
        self.tell(stage="training", before=before)
        return Hooks(stepped=self._stepped, done=lambda steps: self.tell(trained_steps=steps), note=self._note)

    def _stepped(self, now: StepTaken) -> None:
        self._count(
            step=now.step, steps=now.steps, loss=now.loss, rate=now.rate, clips_per_second=round(now.clips_per_second, 1)
        )

    def _embed(self, system: str, group: str) -> Progress:
        self.tell(stage="embedding")
        return lambda done, total: self._count(embedded=(done, total))
