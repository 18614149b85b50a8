"""Networks that systems of a run share: those that differ only in what is done with embeddings train the same one.

A task's folder is named by all that its network depends on, so that folders of one name below different systems hold one
network. It is trained once; the others take its files over, linked where the disk can, and are as whole as if they had made
them. So is each recording embedded once.
"""

import filecmp
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from zoo.errors import AsdzooError
from zoo.files import whole_file
from zoo.running.embeddings import Embeddings
from zoo.running.folder import Run
from zoo.running.plan import Task
from zoo.running.pseudo_files import FILE as PSEUDO_LABELS
from zoo.running.task_folder import TaskFolder
from zoo.running.tensors import require_sound


def has_network(run: Run, task: Task) -> bool:
    """Whether the network of a task is trained, by its own system or by another of the run."""
    folder = TaskFolder(run.system_folder(task.system.name) / task.name)
    return folder.trained or any(twin.trained for twin in filter(_is_whole, _twins(folder)))


def take_over(task: Task, folder: TaskFolder) -> str:
    """Give a task that is not trained the network that another system has trained; that system's name, "" without one.

    One whose training was stopped when its time was over comes with its checkpoint, so that it is taken over again when that
    went on. The caller holds the lock of the task's folder.
    """
    if folder.trained:
        return ""
    for twin in sorted(filter(_is_whole, _twins(folder)), key=lambda twin: not twin.trained):
        if not twin.trained and folder.usable and _same(twin.weights, folder.weights):
            continue  # it was taken over from here, or is as far: there is nothing to be had
        if folder.weights.exists():
            shutil.rmtree(folder.path / "embeddings", ignore_errors=True)
        record = twin.info().model_copy(update={"system": task.system.name, "config": task.system.resolved()})
        folder.path.mkdir(parents=True, exist_ok=True)
        if not twin.trained:  # before the weights, so that these never look final
            _linked(twin.checkpoint, folder.checkpoint)
        for name in ("training.csv", PSEUDO_LABELS):
            _linked(twin.path / name, folder.path / name)
        if record.trains:  # then the weights say that it is trained, else the record does
            record.write(folder.record)
            _linked(twin.weights, folder.weights)
        else:
            _linked(twin.weights, folder.weights)
            record.write(folder.record)
        if twin.trained:
            folder.checkpoint.unlink(missing_ok=True)
        return twin.path.parent.name
    return ""


def embedded(folder: TaskFolder, machine: str) -> Iterator[Embeddings]:
    """Embeddings of a machine that other systems have made with the very network of this folder."""
    for twin in _twins(folder):
        path = twin.embeddings(machine)
        if path.exists() and _same(twin.weights, folder.weights):
            try:
                yield Embeddings.read(path)
            except AsdzooError:  # damaged: whoever needs it makes it again
                continue


def _twins(folder: TaskFolder) -> Iterator[TaskFolder]:
    """Folders of other systems whose network is the same, sorted by system."""
    own, systems = folder.path.parent, folder.path.parent.parent
    if not systems.is_dir():
        return
    for path in sorted(path / folder.path.name for path in systems.iterdir() if path.name != own.name):
        if path.is_dir():
            yield TaskFolder(path)


def _is_whole(folder: TaskFolder) -> bool:
    """Whether its network is there to be used, and nothing of it is damaged."""
    try:
        folder.info()
        if folder.weights.exists():
            require_sound(folder.weights)
    except (AsdzooError, OSError, ValueError):
        return False
    return folder.usable


def _same(one: Path, other: Path) -> bool:
    """Whether two files of weights are one, or hold the same bytes, or neither exists: nothing was trained."""
    if not (one.exists() and other.exists()):
        return one.exists() == other.exists()
    return one.samefile(other) or filecmp.cmp(one, other, shallow=False)


def _linked(source: Path, target: Path) -> None:
    """A second name for a file that is never changed in place, or a copy where the disk has no links; nothing for no file."""
    if not source.exists():
        return
    with whole_file(target) as aside:
        aside.unlink()
        try:
            os.link(source, aside)
        except OSError:
            shutil.copyfile(source, aside)
