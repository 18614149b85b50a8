"""Where a training with more steps goes on: the last state of a shorter one that took the same steps so far."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from zoo.errors import AsdzooError
from zoo.running.locks import is_held
from zoo.running.own_files import read_checkpoint
from zoo.running.plan import NOT_TRAINED, Task
from zoo.running.task_folder import TaskFolder

State = dict[str, Any]
Note = Callable[[str], None]


def earlier_state(task: Task, folder: TaskFolder, most: int, note: Note) -> tuple[TaskFolder, State] | None:
    """The longest state with fewer than `most` steps, and the folder that it lies in; None where there is none.

    A training takes the same steps when all that goes into it is the same but for their number, and its learning rate does not
    depend on that. Where nothing is held out, it may also have been looked at more or less often. `note` hears of damaged ones.
    """
    found = [one for one in _states(task, folder, note) if 0 < _step(one[1]) < most]
    return max(found, key=lambda one: _step(one[1]), default=None)


def steps_made(task: Task, folder: TaskFolder, most: int) -> int:
    """From which step the task goes on, of at most so many; 0 where it begins."""
    try:
        own = read_checkpoint(folder.checkpoint)
    except AsdzooError:  # damaged: it is deleted when the task is begun
        own = None
    if own is None:
        earlier = earlier_state(task, folder, most, lambda sentence: None)
        own = None if earlier is None else earlier[1]
    return 0 if own is None else _step(own)


def _step(state: State) -> int:
    """0 for what is no state of a training."""
    step = state.get("step")
    return step if isinstance(step, int) else 0


def _states(task: Task, folder: TaskFolder, note: Note) -> Iterator[tuple[TaskFolder, State]]:
    training = task.system.config.training
    above = folder.path.parent
    if training is None or not above.is_dir():
        return
    ours, config = {**task.went_in, "config": ""}, _by_step(task.system.resolved())
    for path in sorted(above.iterdir()):
        other = TaskFolder(path)
        states = [one for one in (other.checkpoint, other.last_state) if one.exists()]
        if path == folder.path or not states or is_held(other.lock_path):
            continue
        try:
            record = other.info()
            same = record.group == task.group and {**record.went_in, "config": ""} == ours and _by_step(record.config) == config
            if same:
                yield from ((other, state) for one in states if (state := read_checkpoint(one)) is not None)
        except AsdzooError as problem:
            note(f"{problem.message}: {task.system.name} ({task.group}) does not go on from there")


def _by_step(config: Mapping[str, Any]) -> dict[str, Any]:
    """What of a system's settings decides about its steps one by one."""
    training = dict(config.get("training") or {})
    other = ["steps", "epochs", *(["validate_every"] if not training.get("holdout") else [])]
    kept = {key: value for key, value in config.items() if key not in NOT_TRAINED}
    return {**kept, "training": {key: value for key, value in training.items() if key not in other}}
