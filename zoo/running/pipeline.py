"""From recordings to score tables: what `asdzoo train-all` and `asdzoo score` do, without their printing.

Every stage looks at what is on disk and does what is missing, so a run that was killed at any instant goes on where it was, and
ends with the score tables of an undisturbed one.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd
from accelerate import Accelerator

from zoo.calibration import Calibration
from zoo.config import changed_keys
from zoo.data.store import WaveformStore
from zoo.errors import AsdzooError, listed
from zoo.legacy import current
from zoo.progress import Progress, unseen
from zoo.running import stages
from zoo.running.folder import Run
from zoo.running.marks import Mark
from zoo.running.plan import NOT_TRAINED, Task, make_plan
from zoo.running.records import Parameters, SystemInfo, Versions, changed_versions, joined_versions, versions_now
from zoo.running.stages import TaskFolder
from zoo.scores import ScoreTable
from zoo.systems import System, system_of
from zoo.training.loop import Hooks


@dataclass
class Watcher:
    """What a caller sees of a run while it goes on; the default sees nothing."""

    begin_task: Callable[[Task, bool], Hooks] = lambda task, trained: Hooks()  # trained: there is nothing left to train
    embed: Callable[[str, str], Progress] = lambda system, group: unseen
    note: Callable[[str], None] = lambda sentence: None


def train_all(
    run: Run,
    systems: Sequence[System],
    store: WaveformStore,
    accelerator: Accelerator,
    seed: int,
    groups: Mapping[str, str],
    calibrate_on: Literal["train", "test"],
    watcher: Watcher,
) -> list[ScoreTable]:
    """Train what is not trained, embed what is not embedded, score and calibrate; one score table a system.

    The caller holds `run.lock()`. Raises: AsdzooError from any stage, naming what to do.
    """
    year, before = store.clips[0].year if store.clips else "", run.info()
    if before.year not in (None, year):
        raise AsdzooError(
            f"{run.folder} is a run on {before.year}, these recordings are of {year}", "name another folder with --run"
        )
    plan = make_plan(systems, store.clips, groups, seed)
    run.update_info(
        year=year, seed=seed, groups=dict(groups), calibrate_on=calibrate_on, versions=before.versions or versions_now()
    )
    if calibrate_on == "test":
        run.mark(Mark.TEST_CALIBRATED)
    tables = []
    for system in systems:
        tasks = [task for task in plan if task.system is system]
        folders = [TaskFolder(run.system_folder(system.name) / task.name) for task in tasks]
        costs, done = [], [folder.trained for folder in folders]
        if system.name in before.systems and not all(done):
            _note_of_change(before.systems[system.name], system, [task.name for task in tasks], watcher)
        for task, folder in zip(tasks, folders, strict=True):
            hooks = watcher.begin_task(task, folder.trained)
            costs.append(stages.train(task, folder, store, accelerator, hooks))
            stages.embed(system, folder, store, accelerator, progress=watcher.embed(system.name, task.group))
        records = [folder.info() for folder in folders]
        trained_by = [record.versions or run.info().versions for record in records]
        _note_of_versions(run, [versions for versions, old in zip(trained_by, done, strict=True) if old], watcher)
        if any(record.untrained for record in records):
            run.mark(Mark.UNTRAINED)
        entry = SystemInfo(
            config=system.resolved(),
            tasks=tuple(task.name for task in tasks),
            parameters=Parameters(
                total=sum(cost.parameters for cost in costs), trainable=sum(cost.trainable for cost in costs)
            ),
            macs=max(cost.macs for cost in costs),
            versions=joined_versions(trained_by),
        )
        run.update_info(systems={**run.info().systems, system.name: entry})
        tables.append(_write_scores(run, system, accelerator, calibrate_on, watcher))
    return tables


def score_new(run: Run, store: WaveformStore, accelerator: Accelerator, watcher: Watcher) -> list[ScoreTable]:
    """Score clips that came after training, with every system of a finished run; nothing is trained.

    The caller holds `run.lock()`. Raises: AsdzooError when a system is not trained, or none knows the machines.
    """
    info = run.require().info()
    _note_of_versions(run, [info.versions_of(name) for name in info.systems], watcher)
    tables = []
    for name, entry in info.systems.items():
        system = system_of(name, entry.config, f"{run.folder}/run.json")
        folders = [TaskFolder(run.system_folder(name) / task) for task in entry.tasks]
        known = {machine for folder in folders for machine in folder.info().machines}
        strangers = sorted({clip.machine for clip in store.clips} - known)
        if strangers:
            watcher.note(f"{name} was not trained on {', '.join(strangers)}: left out")
        if not known & {clip.machine for clip in store.clips}:
            raise AsdzooError(
                f"{name} knows none of these machines ({', '.join(strangers)})",
                "run `asdzoo train-all` with their training clips",
            )
        for folder in folders:
            progress = watcher.embed(name, folder.info().group)
            stages.embed(system, folder, store, accelerator, keep_absent=True, progress=progress)
        tables.append(_write_scores(run, system, accelerator, info.calibrate_on, watcher))
    return tables


def _write_scores(
    run: Run, system: System, accelerator: Accelerator, calibrate_on: Literal["train", "test"], watcher: Watcher
) -> ScoreTable:
    folders = [TaskFolder(run.system_folder(system.name) / task) for task in run.info().systems[system.name].tasks]
    notes: dict[str, list[str]] = {}

    def note(sentence: str, part: str) -> None:
        notes.setdefault(sentence, []).append(part)

    parts = [table.frame for folder in folders for table in stages.score(system, folder, accelerator, note)]
    for sentence, where in notes.items():
        watcher.note(f"{system.name}: {sentence} ({', '.join(where)})")
    if not parts:
        raise AsdzooError(f"{system.name} has nothing to score", "`asdzoo scan DATA` shows what was found")
    raw = ScoreTable(pd.concat(parts, ignore_index=True))
    calibration = Calibration.fit(raw, on=calibrate_on)
    calibration.save(run.system_folder(system.name) / "calibration.json")
    table = calibration.apply(raw)
    table.write(run.score_path(system.name))
    return table


def _note_of_change(before: SystemInfo, system: System, tasks: Sequence[str], watcher: Watcher) -> None:
    """Say why a system that was trained in this run is trained again."""
    if set(before.tasks) <= set(tasks):
        return
    keys = changed_keys(current(before.config), system.resolved())
    keys = [key for key in keys if key.partition(".")[0] not in NOT_TRAINED]
    why = f"settings changed: {listed(keys, 5)}" if keys else "other recordings, another seed or another version of training"
    watcher.note(f"{system.name} was trained in this run before and is trained anew: {why}")


def _note_of_versions(run: Run, trained_by: Iterable[Versions], watcher: Watcher) -> None:
    """Say that what was trained by other versions of the code is scored by these."""
    changed = changed_versions(joined_versions(trained_by), versions_now())
    if changed:
        watcher.note(
            f"{run.folder} was trained by other versions, scores that are made now may differ: {changed}; "
            "another --run trains anew"
        )
