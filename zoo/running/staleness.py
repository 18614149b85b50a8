"""Why a system is trained anew that was trained in this run before."""

from collections.abc import Sequence

from zoo.config import changed_keys
from zoo.errors import AsdzooError, listed
from zoo.legacy import current
from zoo.running.folder import Run
from zoo.running.plan import NOT_TRAINED, Task
from zoo.running.records import SystemInfo
from zoo.running.task_folder import TaskFolder
from zoo.systems import System

_SAID = {
    "config": "its settings",
    "seed": "another seed",
    "recordings": "other recordings",
    "classes": "other classes: attributes, domains or sections of training clips are told otherwise",
    "files": "another content of its adapter",
    "views": "another version of its view",
    "version": "another version of training",
}


def why_anew(run: Run, before: SystemInfo, system: System, tasks: Sequence[Task]) -> str:
    """A sentence on what changed since the system was trained; "" when nothing did."""
    names = {task.name for task in tasks}
    if set(before.tasks) <= names:
        return ""
    keys = changed_keys(current(before.config), system.resolved())
    keys = [key for key in keys if key.partition(".")[0] not in NOT_TRAINED]
    reasons = [f"settings changed: {listed(keys, 5)}"] if keys else []
    reasons += [said for name, said in _SAID.items() if name != "config" and name in _changed(run, before, system, tasks)]
    why = "; ".join(reasons) or "other recordings, another seed or another version of training"
    return f"{system.name} was trained in this run before and is trained anew: {why}"


def _changed(run: Run, before: SystemInfo, system: System, tasks: Sequence[Task]) -> set[str]:
    """What of `Task.went_in` is not as it was, by the records of the earlier tasks of the same groups."""
    now = {task.group: task.went_in for task in tasks}
    changed: set[str] = set()
    for name in before.tasks:
        try:
            record = TaskFolder(run.system_folder(system.name) / name).info()
        except AsdzooError:  # damaged or gone: it cannot tell
            continue
        if record.group in now and record.went_in:
            changed |= {part for part, value in now[record.group].items() if record.went_in.get(part) != value}
    return changed
