"""One task done from end to end, wherever that is: train its network, embed the clips of its machines, score them."""

from dataclasses import dataclass
from functools import partial

from accelerate import Accelerator

from zoo.data.store import WaveformStore
from zoo.running import stages
from zoo.running.folder import Run
from zoo.running.limits import Limit
from zoo.running.own_files import mend
from zoo.running.plan import Task
from zoo.running.shared import embedded, take_over
from zoo.running.task_folder import TaskFolder
from zoo.running.watcher import Watcher
from zoo.scores import ScoreTable


@dataclass(frozen=True)
class Outcome:
    """What a finished task hands on: scores before calibration, and what a person should know of a part of them."""

    task: Task
    tables: tuple[ScoreTable, ...]
    notes: tuple[tuple[str, str], ...]  # (sentence, machine and section)
    left_out: bool = False  # its time was over before its network was of any use: there are no scores


def task_folder(run: Run, task: Task) -> TaskFolder:
    """Where a task of a run lies."""
    return TaskFolder(run.system_folder(task.system.name) / task.name)


def do(
    task: Task, run: Run, store: WaveformStore, accelerator: Accelerator, watcher: Watcher, limit: Limit | None = None
) -> Outcome:
    """Do what is missing of the task, in the time of `limit`; the caller holds the lock of its folder.

    Raises: AsdzooError from any stage, naming what to do.
    """
    folder, notes = task_folder(run, task), []
    mend(folder, watcher.note)
    before, other = "trained already" if folder.trained else "", ""
    if not before and (other := take_over(task, folder)):
        before = f"has the network of {other}"
    hooks = watcher.begin_task(task, before)
    if not (other and folder.usable):  # the other's may have been stopped: this one is as far
        stages.train(task, folder, store, accelerator, hooks, limit)
    if not folder.usable:
        return Outcome(task, (), (), left_out=True)
    of_year = store.chosen({index: clip for index, clip in enumerate(store.clips) if clip.year == task.year})
    progress = watcher.embed(task.system.name, task.group)
    stages.embed(task.system, folder, of_year, accelerator, partial(embedded, folder), progress=progress)
    tables = stages.score(task.system, folder, accelerator, lambda sentence, part: notes.append((sentence, part)))
    notes += stages.unheard(task.system, folder, store)
    return Outcome(task, tuple(tables), tuple(notes))
