"""What `asdzoo train-all` says before it begins: how long it will take, what a budget cuts, which systems lack a checkpoint."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from zoo.console import out, table, warn
from zoo.errors import AsdzooError, listed
from zoo.running.durations import spoken

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo.running.plan import Task
    from zoo.running.timing import Timing
    from zoo.systems import System

SAID_FROM = 60.0  # seconds that a plan takes before anything is said of it
BUDGET_FROM = 3600.0  # seconds from which --budget is named
NEVER_LONG = 2e12  # operations that no device takes a minute for: they are not measured


def say_plan(tasks: Sequence[Task]) -> None:
    """The plan of `--dry-run`."""
    from zoo.running.plan import origins

    rows = []
    for task, origin in zip(tasks, origins(tasks), strict=True):
        cost, work = _work(task)
        to_do = [task.clips_to_see, cost, work / 1e12] if origin is None else [None, cost, None]
        rows.append([task.system.name, task.group, listed(task.machines, 4), len(task.learnt), *to_do])
    columns = ["system", "group", "machines", "train clips", "clips to see", "trainable", "TFLOP, at most"]
    out.print(table("the plan: one network a row", columns, rows))
    say_shared(tasks)


def say_shared(tasks: Sequence[Task]) -> None:
    """A line for each system that trains networks for others of the plan, whatever their seeds."""
    from zoo.running.plan import followers
    from zoo.scores import family_of

    shared: dict[str, list[str]] = {}
    for name, trainer in dict.fromkeys((family_of(name), family_of(trainer)) for name, trainer in followers(tasks).items()):
        shared.setdefault(trainer, []).append(name)
    for trainer, names in shared.items():
        have, differ = ("has", "differs") if len(names) == 1 else ("have", "differ")
        out.print(f"{listed(names, 9)} {have} the networks of {trainer}, and {differ} in what is done with embeddings")


def _work(task: Task) -> tuple[int, float]:
    """Trainable parameters of a task's network, and operations of its training, at most."""
    from zoo.running.forecast import forecast

    cost = forecast(task.system, task.classes)
    return cost.trainable, cost.to_train(task.clips_to_see)


def may_be_long(tasks: Sequence[Task]) -> bool:
    """Whether these trainings are worth a measurement."""
    return sum(_work(task)[1] for task in tasks if task.clips_to_see) > NEVER_LONG


def say_times(timings: Sequence[Timing], at_a_time: int = 1) -> None:
    """How long each task and all of them take, and when they will be done; nothing where that is soon."""
    seconds = sum(one.seconds for one in timings) / at_a_time
    if seconds < SAID_FROM:
        return
    rows = []
    for one in timings:
        of_tasks = zip(one.tasks, one.steps, one.usual, one.training_of, one.embedding_of, strict=True)
        for task, most, usual, training, embedding in of_tasks:
            steps = f"some {usual} of at most {most}" if usual < most else str(most)
            rows.append(
                [one.system.name, task.group, steps if most else None, spoken(training) if most else None, spoken(embedding)]
            )
    out.print(
        table(
            "the time that each task takes on this device, measured",
            ["system", "group", "steps", "training", "embedding"],
            rows,
        )
    )
    sentence = f"about {spoken(seconds)} in all: done {clock(seconds)}"
    if seconds >= BUDGET_FROM:
        sentence += "; --budget 8h fits the plan into 8 hours, --budget 30m into half an hour"
    out.print(sentence)
    if any(usual < most for one in timings for most, usual in zip(one.steps, one.usual, strict=True)):
        out.print("some: a training ends when held-out clips are no longer learnt better, which nobody knows before")


def clock(seconds: float) -> str:
    end = datetime.now().astimezone() + timedelta(seconds=seconds)
    today = end.date() == datetime.now().astimezone().date()
    return f"at {end:%H:%M}" if today else f"on {end:%A %d %B at %H:%M}"


def missing_checkpoints(system: System) -> list[str]:
    """Known checkpoints that a system names and that are not here."""
    from zoo.checkpoints.known import cached, known

    model, pseudo = system.config.model, system.config.pseudo
    blocks = [model, *(value for value in model.values() if isinstance(value, dict))]
    blocks += [pseudo.model_dump()] if pseudo is not None else []
    filled = [block for block in blocks if block.get("init", model.get("init")) != "random"]
    named = dict.fromkeys(str(block["weights"]) for block in filled if block.get("weights") in known())
    return [name for name in named if cached(name) is None]


def require_checkpoints(systems: Sequence[System]) -> None:
    """Raises: AsdzooError naming all checkpoints that these systems lack, and the one command that brings them."""
    missing = {system.name: missing_checkpoints(system) for system in systems}
    if needed := list(dict.fromkeys(name for own in missing.values() for name in own)):
        lacking = [name for name, own in missing.items() if own]
        systems_need = f"{listed(lacking, 9)} need{'s' if len(lacking) == 1 else ''}"
        raise AsdzooError(
            f"{systems_need} pretrained weights that are not here: {_shown(needed)}",
            f"asdzoo weights fetch {' '.join(needed)}; or --set model.weights=FILE; or, for a dry run, --set model.init=random",
        )


def _shown(checkpoints: Sequence[str]) -> str:
    from zoo.checkpoints.known import known

    return ", ".join(f"{name} ({known()[name].shown_size}, {known()[name].licence})" for name in checkpoints)


def with_checkpoints(systems: Sequence[System]) -> tuple[list[System], dict[str, list[str]]]:
    """Those systems whose checkpoints are here, and what the others lack.

    Raises: AsdzooError when none is left.
    """
    missing = {system.name: missing_checkpoints(system) for system in systems}
    left = [system for system in systems if not missing[system.name]]
    if not left:
        raise AsdzooError("no system has its checkpoint here", "asdzoo weights fetch --all")
    return left, {name: lacking for name, lacking in missing.items() if lacking}


def say_missing(missing: Mapping[str, Sequence[str]]) -> None:
    """Which systems are left out for want of a checkpoint, and how to get them."""
    if not missing:
        return
    named = _shown(list(dict.fromkeys(name for lacking in missing.values() for name in lacking)))
    are = "are" if len(missing) > 1 else "is"
    cure = "`asdzoo weights fetch --all` fetches them"
    warn(f"{listed(list(missing), 9)} {are} left out, for want of checkpoints: {named}; {cure}")
