"""`asdzoo train-all --budget 8h`: the plan that fits into a time, what is said of it, and the ensemble that grows meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import monotonic
from typing import TYPE_CHECKING, Any

from zoo.cli.planning import clock, say_shared
from zoo.console import out, table, warn
from zoo.errors import AsdzooError
from zoo.files import fingerprint
from zoo.running.budget import fit, with_followers
from zoo.running.durations import spoken
from zoo.running.going_on import steps_made
from zoo.running.limits import Allowance, Planned
from zoo.running.plan import followers, origins
from zoo.running.shared import has_network
from zoo.running.work import task_folder
from zoo.training.config import TrainingConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zoo.running.budget import Fitted
    from zoo.running.folder import Run
    from zoo.running.limits import Limits
    from zoo.running.plan import Task
    from zoo.running.records import BudgetInfo
    from zoo.running.timing import Timing
    from zoo.systems import System

WORTH = 0.15  # of the budget that must be left for another plan
LEAST = 30.0  # seconds, likewise
EQUAL = "equal"  # name of the ensemble that grows while a budget is spent


def say_budget(title: str, timings: Sequence[Timing], fitted: Fitted) -> None:
    """What a budget leaves of a plan."""
    measured = {one.system.name: one for one in timings}
    rows = []
    for system in fitted.systems:
        one, share = measured[system.name], fitted.shares[system.name]
        trains = system.config.training is not None
        plan = fitted.cut.get(system.name, "whole" if trains else "nothing to train")
        if any(one.already):
            plan += f", {min(one.already)} steps are made already"
        takes = sum(share.training.values()) + sum(share.embedding.values())
        rows.append([system.name, len(one.tasks), spoken(one.seconds), spoken(takes), plan])
    columns = ["system", "networks", "whole, it would take", "it takes", "what is done"]
    out.print(table(title, columns, rows))
    for name, why in fitted.left_out.items():
        warn(f"{name} is left out: {why}; whole, it would take {spoken(measured[name].seconds)}")
    training = {one.name: one.config.training for one in fitted.systems if one.name in fitted.cut}
    goes_on = [name for name, it in training.items() if measured[name].partly or (it is not None and it.goes_on)]
    fitted_to = [name for name in training if name not in goes_on]
    if goes_on:
        out.print(f"with more time (the same --run, another --budget) {', '.join(goes_on)} will go on from the last step")
    if fitted_to:
        out.print(f"with more time {', '.join(fitted_to)} will begin anew: the learning rate is fitted to the number of steps")
    out.print(f"about {spoken(fitted.seconds)} in all: done {clock(fitted.seconds)}")


@dataclass(frozen=True)
class Budget:
    """The time that a command may take, and what is made of it."""

    run: Run
    systems: Sequence[System]  # as they are without a budget
    tasks: Sequence[Task]  # of these
    seconds: float
    end: float  # of the clock of `time.monotonic`
    at_a_time: int  # tasks that are done side by side
    measure: Callable[[Sequence[Task]], list[Timing]]

    @property
    def left(self) -> float:
        """Seconds."""
        return self.end - monotonic()

    def plan(self) -> tuple[list[System], BudgetInfo]:
        """The systems as they can be trained in the time, in this order, and what run.json says of it.

        A command that was cut off goes on with the plan that it made. Raises: AsdzooError when the time is too short for any
        system.
        """
        from zoo.running.records import BudgetInfo

        went_in = fingerprint([system.resolved() for system in self.systems])
        before = self.run.info().budget
        if before is not None and (before.seconds, before.went_in) == (self.seconds, went_in):
            out.print(f"going on with the plan that was made for {spoken(self.seconds)} in this run")
            return _as_recorded(self.systems, before), before
        names = [system.name for system in self.systems]
        others = before.of_others(names) if before is not None else {}
        timed, fitted = self._fit(names)
        following = followers(self.tasks)
        done = [system for system in self.systems if system.name not in {*following, *(one.system.name for one in timed)}]
        if not fitted.systems and not done:
            shortest = min(one.seconds for one in timed)
            raise AsdzooError(
                f"{spoken(self.seconds)} is too short for any of these systems", f"--budget {int(shortest * 2) + 60}s"
            )
        say_budget(f"the plan in {spoken(self.seconds)}, in this order", timed, fitted)
        say_shared(self.tasks)
        fitted = with_followers(replace(fitted, systems=(*done, *fitted.systems)), self.systems, following)
        for name in following.keys() & fitted.left_out.keys():
            warn(f"{name} is left out: {fitted.left_out[name]}")
        info = BudgetInfo(
            seconds=self.seconds,
            went_in=went_in,
            order=tuple(one.name for one in fitted.systems),
            training=_cut_blocks(fitted),
            shares=fitted.shares,
            cut={**others.get("cut", {}), **fitted.cut},
            stopped=others.get("stopped", {}),
            left_out={**others.get("left_out", {}), **fitted.left_out},
        )
        return list(fitted.systems), info

    def plan_again(self) -> tuple[list[System], BudgetInfo] | None:
        """What to do with the time that is left when all is done; None where it is too little, or there is nothing to do.

        Systems that were left out have another chance, and trainings that were cut go on where that is no new beginning.
        """
        info = self.run.info().budget
        if info is None or self.left < max(WORTH * self.seconds, LEAST):
            return None
        goes_on = [one.name for one in self.systems if one.config.training is not None and one.config.training.goes_on]
        open_ones = [name for name in (*info.cut, *info.stopped) if name in goes_on] + list(info.left_out)
        timed, fitted = self._fit([system.name for system in self.systems if system.name in open_ones])
        if not fitted.systems:
            return None
        say_budget(f"{spoken(self.left)} of {spoken(self.seconds)} are left, so this is added", timed, fitted)
        fitted = with_followers(fitted, self.systems, followers(self.tasks))
        names = [system.name for system in fitted.systems]
        kept = info.of_others(names)
        changes = {
            "order": (*(name for name in info.order if name not in names), *names),
            "training": {**{name: block for name, block in info.training.items() if name not in names}, **_cut_blocks(fitted)},
            "shares": {**info.shares, **fitted.shares},
            "cut": {**kept["cut"], **fitted.cut},
            "stopped": kept["stopped"],
            "left_out": {**kept["left_out"], **fitted.left_out},
        }
        return list(fitted.systems), info.model_copy(update=changes)

    def _fit(self, names: Sequence[str]) -> tuple[list[Timing], Fitted]:
        """What is not trained of these systems, measured and fitted into what is left."""
        fresh, begun = [], set()
        for task, origin in zip(self.tasks, origins(self.tasks), strict=True):
            if task.system.name not in names or origin is not None:
                continue
            if has_network(self.run, task):
                begun.add(task.system.name)
            else:
                fresh.append(task)
        measured = self.measure(fresh) if fresh else []
        timed = [self._with_steps_made(replace(one, partly=one.system.name in begun)) for one in measured]
        return timed, fit(timed, self.left, self.at_a_time)

    def _with_steps_made(self, one: Timing) -> Timing:
        training = one.system.config.training
        if training is None or not (training.goes_on or one.partly):
            return one
        of_tasks = zip(one.tasks, one.steps, strict=True)
        return replace(one, made=tuple(steps_made(task, task_folder(self.run, task), most) for task, most in of_tasks))

    def limits(self, systems: Sequence[System], info: BudgetInfo) -> Limits:
        """What of the time each of the tasks of these systems may take."""
        named = {system.name: system for system in systems}
        planned = {}
        for task in self.tasks:
            share, system = info.shares.get(task.system.name), named.get(task.system.name)
            if share is None or system is None or task_folder(self.run, replace(task, system=system)).trained:
                continue
            planned[task.system.name, task.group] = Planned(
                training=share.training.get(task.group, 0.0),
                embedding=share.embedding.get(task.group, 0.0),
                least=share.least,
                cut=task.system.name in info.cut,
            )
        return Allowance(planned, self.end, self.at_a_time)


def _cut_blocks(fitted: Fitted) -> dict[str, dict[str, Any]]:
    blocks = {one.name: one.config.training for one in fitted.systems if one.name in fitted.cut}
    return {name: block.model_dump(mode="json") for name, block in blocks.items() if block is not None}


def _as_recorded(systems: Sequence[System], info: BudgetInfo) -> list[System]:
    named = {system.name: system for system in systems}
    found = []
    for name in info.order:
        system = named[name]
        if name in info.training:
            training = TrainingConfig.model_validate(info.training[name])
            system = replace(system, config=system.config.model_copy(update={"training": training}))
        found.append(system)
    return found


class EqualWeights:
    """Brings an ensemble of equal weights up to date after each system."""

    def __init__(self, run: Run) -> None:
        self._run, self._names = run, list[str]()
        self.notes: list[str] = []  # what a reader of the ensemble must know, as it is now

    def scored(self, system: str) -> None:
        """Take a system in, or its new scores."""
        from zoo.running.fusion_door import fusion

        if system not in self._names:
            self._names.append(system)
        if len(self._names) > 1:
            self.notes = fusion().equal(self._run, self._names, EQUAL)
            packs = f"`asdzoo submit --ensemble {EQUAL}` packs it"
            out.print(f"{EQUAL}: the ensemble of {len(self._names)} systems is up to date, {packs}")
