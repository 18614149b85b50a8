"""What of a run's disk nobody needs any more: tasks that its tables no longer come from, and stores that serve nobody.

A task that was begun and is not done is kept: `train-all` with the same settings goes on with it.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from zoo.data.stored import why_useless
from zoo.errors import AsdzooError
from zoo.running.folder import Run
from zoo.running.locks import is_held
from zoo.running.task_folder import TaskFolder


@dataclass(frozen=True)
class Old:
    """A folder that may go."""

    path: Path
    why: str
    size: int  # bytes
    lock: Path  # of whoever might work in it


def old_folders(run: Run) -> tuple[list[Old], list[str]]:
    """What may be removed, and a sentence on each folder that looks like it and is kept."""
    old: list[Old] = []
    kept: list[str] = []
    systems = run.info().systems
    for path in sorted(path for path in run.folder.glob("systems/*/*") if path.is_dir() and not path.name.startswith(".")):
        name = path.parent.name
        if name in systems and path.name in systems[name].tasks:
            continue
        task = TaskFolder(path)
        if is_held(task.lock_path):
            kept.append(f"{path} is being worked on")
        elif _newest(path) > _newest(run.folder / "run.json"):
            kept.append(f"{path} is newer than run.json: train-all may not be through, and takes it up when it goes on")
        elif not _done(task):
            kept.append(f"{path} is not done: train-all with its settings goes on with it")
        else:
            old.append(Old(path, "of other settings or recordings than the run's tables", _size(path), task.lock_path))
    waves = run.folder.parent / ".waves"
    for path in sorted(path for path in waves.glob("*") if path.is_dir()):
        if why := why_useless(path):
            old.append(Old(path, why, _size(path), waves / ".lock"))
    return old, kept


def remove(run: Run, old: list[Old]) -> int:
    """Remove these folders, but for those that somebody has begun to work in; bytes that are free now."""
    freed = 0
    with run.lock():
        for folder in old:
            if not is_held(folder.lock):
                with FileLock(folder.lock):
                    shutil.rmtree(folder.path, ignore_errors=True)
                freed += folder.size
    return freed


def _done(task: TaskFolder) -> bool:
    try:
        return task.usable
    except AsdzooError:  # a damaged record: nobody can tell
        return False


def _newest(path: Path) -> int:
    files = [file for file in (path, *path.glob("*")) if file.is_file() and file.name != ".lock"]
    return max((file.stat().st_mtime_ns for file in files), default=0)


def _size(folder: Path) -> int:
    """Bytes that are free when the folder is gone; a file that has another name elsewhere stays."""
    found = [path.stat() for path in folder.rglob("*") if path.is_file()]
    return sum(status.st_size for status in found if status.st_nlink == 1)
