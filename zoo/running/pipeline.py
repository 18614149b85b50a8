"""From recordings to score tables: what `asdzoo train-all` and `asdzoo score` do, without their printing.

Every stage looks at what is on disk and does what is missing, so a run that was killed at any instant goes on where it was, and
ends with the score tables of an undisturbed one.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from accelerate import Accelerator

from zoo.calibration import Calibration
from zoo.data.clips import Clip
from zoo.data.problems import shortened
from zoo.data.store import WaveformStore
from zoo.errors import AsdzooError
from zoo.running import stages
from zoo.running.arrivals import arrivals, departures, past_of, trained_parts
from zoo.running.beside import passed_over
from zoo.running.executors import Executor
from zoo.running.folder import Run
from zoo.running.going_on import steps_made
from zoo.running.locks import LONGEST_WAIT
from zoo.running.marks import Mark
from zoo.running.plan import Task, make_plan
from zoo.running.prospects import learnable, without_training
from zoo.running.records import (
    BudgetInfo,
    Parameters,
    RunInfo,
    SystemInfo,
    Versions,
    changed_versions,
    joined_versions,
    versions_now,
)
from zoo.running.seeds import join_members, require_whole_families
from zoo.running.shared import embedded
from zoo.running.staleness import why_anew
from zoo.running.task_folder import TaskFolder
from zoo.running.watcher import Watcher
from zoo.running.work import Outcome, task_folder
from zoo.scores import ScoreTable
from zoo.systems import System, system_of

PATIENCE = 2.0  # seconds that another command may be writing to the run when this one begins


def train_all(
    run: Run,
    systems: Sequence[System],
    clips: Sequence[Clip],
    executor: Executor,
    seed: int,
    groups: Mapping[str, str],
    calibrate_on: Literal["train", "test"],
    watcher: Watcher,
    data: str | None = None,
    also: Sequence[Path] = (),
    left_out: Sequence[str] = (),
    budget: BudgetInfo | None = None,
) -> list[ScoreTable]:
    """Train what is not trained, embed what is not embedded, score and calibrate; one score table a system.

    Behind them stands one for each system with several seeds, the mean of its members.

    `clips` are those of the executor's store, `data` the folder they came from, as it was typed; clips of other years than the
    first one's are of the folders `also`, and only learnt. `left_out` is what was said of recordings, which the run keeps for
    its report and package. Several processes may do this for one run at a time: they share its tasks.

    Raises: AsdzooError from any stage, naming what to do; Busy when another command writes to the run just now.
    """
    year = clips[0].year if clips else ""
    others = [clip for clip in clips if clip.year != year]
    bare = without_training(clips)
    if bare:
        watcher.note(f"{RunInfo(without_training=bare).cannot_score}: their training recordings are missing below --data")
    plan = learnable(make_plan(systems, clips, groups, seed), watcher.note)
    systems = [system for system in systems if any(task.system is system for task in plan)]
    with run.lock(PATIENCE):
        before = run.info()
        require_whole_families(run, systems)
        _begin(run, year, seed, groups, calibrate_on, data, also)
        run.update_info(without_training=bare, **({} if budget is None else {"budget": budget}))
        if budget is not None and budget.said:
            run.mark(Mark.CUT)
        if left_out or before.left_out:
            run.update_info(left_out=tuple(left_out))
    done = {(task.system.name, task.name): task_folder(run, task).trained for task in plan}
    for system in systems:
        own = [task for task in plan if task.system is system]
        for sentence in passed_over(system, [clip for task in own for clip in task.learnt], others):
            watcher.note(sentence)
        earlier, trained = before.systems.get(system.name), all(done[system.name, task.name] for task in own)
        if earlier is not None and not trained and not _goes_on(run, own) and (why := why_anew(run, earlier, system, own)):
            watcher.note(why)
    outcomes: dict[str, list[Outcome]] = {system.name: [] for system in systems}
    tables: dict[str, ScoreTable] = {}
    for outcome in executor.run(run, plan, watcher):
        system = outcome.task.system
        own = [task for task in plan if task.system is system]
        outcomes[system.name].append(outcome)
        if len(outcomes[system.name]) == len(own) and any(one.left_out for one in outcomes[system.name]):
            with run.lock(LONGEST_WAIT):
                _note_of_time(run, left_out={system.name: "it had too little time"})
        elif len(outcomes[system.name]) == len(own):
            already = [task for task in own if done[system.name, task.name]]
            tables[system.name] = _finish(run, system, own, already, outcomes[system.name], calibrate_on, watcher)
            watcher.scored(system.name)
    if not tables:
        raise AsdzooError("no system had time enough to be of any use", "give the same command again: it goes on from here")
    scored = [system for system in systems if system.name in tables]
    return [*(tables[system.name] for system in scored), *join_members(run, scored, watcher.note)]


def _goes_on(run: Run, tasks: Sequence[Task]) -> bool:
    """Whether an earlier training of each of these tasks that is not trained is taken up, and nothing begins anew."""
    folders = [(task, task_folder(run, task)) for task in tasks]
    training = tasks[0].system.config.training
    return training is not None and all(folder.trained or steps_made(task, folder, training.steps) for task, folder in folders)


def _note_of_time(run: Run, stopped: Mapping[str, str] | None = None, left_out: Mapping[str, str] | None = None) -> None:
    """Write into run.json where a budget ended trainings; the caller holds the lock."""
    if (budget := run.info().budget) is not None:
        added = {"stopped": {**budget.stopped, **(stopped or {})}, "left_out": {**budget.left_out, **(left_out or {})}}
        run.update_info(budget=budget.model_copy(update=added))
        run.mark(Mark.CUT)


def _begin(
    run: Run,
    year: str,
    seed: int,
    groups: Mapping[str, str],
    calibrate_on: Literal["train", "test"],
    data: str | None,
    also: Sequence[Path],
) -> None:
    """Write into run.json what goes in."""
    before = run.info()
    if before.year not in (None, year):
        raise AsdzooError(
            f"{run.folder} is a run on {before.year}, these recordings are of {year}", "name another folder with --run"
        )
    told: dict[str, Any] = {"data": data} if data is not None else {}
    if also or before.also:
        told["also"] = tuple(map(str, also))
    run.update_info(
        year=year, seed=seed, groups=dict(groups), calibrate_on=calibrate_on, versions=before.versions or versions_now(), **told
    )
    if calibrate_on == "test":
        run.mark(Mark.TEST_CALIBRATED)


def _finish(
    run: Run,
    system: System,
    tasks: Sequence[Task],
    already: Sequence[Task],  # those of them that were trained before this command
    outcomes: Sequence[Outcome],
    calibrate_on: Literal["train", "test"],
    watcher: Watcher,
) -> ScoreTable:
    """Write what run.json says of a system whose tasks are done, and its score table."""
    records = {task.name: task_folder(run, task).info() for task in tasks}
    trained_by = {name: record.versions or run.info().versions for name, record in records.items()}
    _note_of_versions(run, [trained_by[task.name] for task in already], watcher)
    costs = [record.cost for record in records.values()]
    entry = SystemInfo(
        config=system.resolved(),
        tasks=tuple(records),
        parameters=Parameters(total=sum(cost.parameters for cost in costs), trainable=sum(cost.trainable for cost in costs)),
        macs=max(cost.macs for cost in costs),
        versions=joined_versions(trained_by.values()),
    )
    made = {outcome.task.name: outcome.tables for outcome in outcomes}
    parts = [table for task in tasks for table in made[task.name]]
    notes = {outcome.task.name: outcome.notes for outcome in outcomes}
    stops = [record.stopped for record in records.values() if record.stopped is not None]
    with run.lock(LONGEST_WAIT):
        if (budget := run.info().budget) is not None:
            run.update_info(budget=budget.finished(system.name, system.resolved()["training"]))
        if stops:
            _note_of_time(run, stopped={system.name: f"stopped at step {min(stops)}"})
        if any(record.untrained for record in records.values()):
            run.mark(Mark.UNTRAINED)
        if left := departures(run, system.name, parts):
            watcher.note(left)
        return _write_scores(
            run,
            system,
            entry,
            parts,
            [note for task in tasks for note in notes[task.name]],
            calibrate_on,
            watcher,
        )


def score_new(run: Run, store: WaveformStore, found_in: Path, accelerator: Accelerator, watcher: Watcher) -> list[ScoreTable]:
    """Score clips that came after training, with every system of a finished run; nothing is trained.

    `found_in` is the folder of the recordings. Which of them are new, and what they are called: `zoo.running.arrivals`.

    The caller holds `run.lock()`. Raises: AsdzooError when a system is not trained, or none knows the machines.
    """
    info = run.require().info()
    _note_of_versions(run, [info.versions_of(name) for name in info.systems], watcher)
    bare = {part: count for part, count in without_training(store.clips).items() if part not in trained_parts(run)}
    if bare:
        run.update_info(without_training={**info.without_training, **bare})
    if store.problems:
        run.update_info(left_out=tuple(dict.fromkeys([*info.left_out, *shortened(store.problems)])))
    store = store.chosen(arrivals(store.clips, past_of(run), found_in, watcher.note))
    if not store.clips:
        raise AsdzooError(f"there is nothing to score in {found_in}", "recordings to score lie in MACHINE/test/")
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
        parts: list[ScoreTable] = []
        notes: list[tuple[str, str]] = []
        for folder in folders:
            progress = watcher.embed(name, folder.info().group)
            with folder.lock():
                of_others = partial(embedded, folder)
                stages.embed(system, folder, store, accelerator, of_others, keep_absent=True, progress=progress)
                parts += stages.score(system, folder, accelerator, partial(_keep, notes))
            notes += stages.unheard(system, folder, store)
        tables.append(_write_scores(run, system, entry, parts, notes, info.calibrate_on, watcher))
    return tables


def _keep(notes: list[tuple[str, str]], sentence: str, part: str) -> None:
    notes.append((sentence, part))


def _write_scores(
    run: Run,
    system: System,
    entry: SystemInfo,
    parts: Sequence[ScoreTable],
    notes: Iterable[tuple[str, str]],
    calibrate_on: Literal["train", "test"],
    watcher: Watcher,
) -> ScoreTable:
    """Calibrate a system's raw scores, write its table and run.json's entry; `notes` are (sentence, machine and section)."""
    where: dict[str, list[str]] = {}
    for sentence, part in notes:
        where.setdefault(sentence, []).append(part)
    for sentence, named in where.items():
        watcher.note(f"{system.name}: {sentence} ({', '.join(named)})")
    if not parts:
        raise AsdzooError(f"{system.name} has nothing to score", "`asdzoo scan DATA` shows what was found")
    raw = ScoreTable(pd.concat([table.frame for table in parts], ignore_index=True))
    calibration = Calibration.fit(raw, on=calibrate_on)
    table = calibration.apply(raw)
    with run.writing(system.name, table, systems={**run.info().systems, system.name: entry}):
        calibration.save(run.system_folder(system.name) / "calibration.json")
    return table


def _note_of_versions(run: Run, trained_by: Iterable[Versions], watcher: Watcher) -> None:
    """Say that what was trained by other versions of the code is scored by these."""
    changed = changed_versions(joined_versions(trained_by), versions_now())
    if changed:
        watcher.note(
            f"{run.folder} was trained by other versions, scores that are made now may differ: {changed}; "
            "another --run trains anew"
        )
