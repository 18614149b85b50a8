"""Whether there is something to learn, asked before anything is trained: classes to tell apart, clips to train on."""

from collections.abc import Callable, Iterable, Sequence

from zoo.data.clips import Clip
from zoo.errors import AsdzooError, listed
from zoo.running.defaults import DEFAULT_SYSTEMS, FROZEN, OF_ONE_CLASS
from zoo.running.plan import Task
from zoo.systems import System, load_system

Note = Callable[[str], None]


def nothing_to_tell_apart(task: Task) -> bool:
    """Whether a network's loss tells classes apart, and there is one class only: such a loss is 0 from the start."""
    config = task.system.config
    by_class = config.training is not None and getattr(task.system.network_config, "loss", None) is not None
    return by_class and len(task.classes) * config.augment.statuses == 1


def learnable(plan: Sequence[Task], note: Note) -> list[Task]:
    """The tasks in which something can be learnt; `note` hears of the others.

    Raises: AsdzooError when there is none.
    """
    left: dict[str, list[str]] = {}
    for task in plan:
        if nothing_to_tell_apart(task):
            left.setdefault(task.system.name, []).extend(task.machines)
    kept = [task for task in plan if not nothing_to_tell_apart(task)]
    if not kept:
        message = f"there is one class only, and {', '.join(left)} would learn to tell classes apart: nothing can be learnt"
        raise AsdzooError(message, f"systems that learn from one class: --systems {','.join(OF_ONE_CLASS)}")
    for name, machines in left.items():
        note(f"{name} is left out for {listed(machines)}: it would learn to tell classes apart, and there is one only")
    return kept


def chosen_systems(names: Iterable[str] | None, settings: Iterable[str], note: Note) -> list[System]:
    """The named systems, or for `None` the default ones, and the frozen encoders whose checkpoints are here.

    Of a system with several seeds, its members.

    Raises: AsdzooError for wrong names or keys, or for no name at all.
    """
    settings = list(settings)
    loaded = [load_system(name, settings) for name in (DEFAULT_SYSTEMS if names is None else names)]
    chosen = [member for system in loaded for member in system.members]
    if not chosen:
        raise AsdzooError("there is no system to train", f"for example {DEFAULT_SYSTEMS[0]}; `asdzoo list` shows them")
    if names is None:
        frozen = [system for system in map(load_system, FROZEN) if _is_here(system)]
        if frozen:
            note(f"{', '.join(system.name for system in frozen)} as well: the checkpoint is here (--systems chooses others)")
        chosen += frozen
    return chosen


def _is_here(system: System) -> bool:
    from zoo.checkpoints.known import cached, known

    weights = getattr(system.network_config, "weights", None)
    return isinstance(weights, str) and weights in known() and cached(weights) is not None


def without_training(clips: Sequence[Clip]) -> dict[str, int]:
    """Machine and section -> how many test clips it has, for those without training clips of the first clip's year."""
    counts: dict[str, int] = {}
    trained = set()
    for clip in clips:
        if clip.year != clips[0].year:
            continue
        part = f"{clip.machine} {clip.section}"
        if clip.split == "train":
            trained.add(part)
        elif clip.split == "test":
            counts[part] = counts.get(part, 0) + 1
    return {part: count for part, count in sorted(counts.items()) if part not in trained}
