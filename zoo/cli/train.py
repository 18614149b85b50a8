"""`asdzoo train-all`: from recordings to calibrated score tables."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from zoo.api import DEFAULT_DATA, DEFAULT_RUN
from zoo.cli.executors import (
    AccountOption,
    ClusterOption,
    ExecutorOption,
    JobsOption,
    MemoryOption,
    ParallelismOption,
    PartitionOption,
    TimeOption,
    starter_for,
)
from zoo.cli.options import DataOption, DeviceOption, RunOption, StrictOption, YearOption
from zoo.cli.planning import (
    may_be_long,
    require_checkpoints,
    say_missing,
    say_plan,
    say_shared,
    say_times,
    with_checkpoints,
)
from zoo.cli.said import say_problems, say_summary
from zoo.console import warn
from zoo.errors import AsdzooError
from zoo.running.defaults import BUDGET_SYSTEMS, DEFAULT_SYSTEMS
from zoo.running.durations import parse_duration

if TYPE_CHECKING:
    from zoo.running.records import BudgetInfo
    from zoo.systems import System

app = typer.Typer()


@app.command(name="train-all")
def train_all(
    data: DataOption = DEFAULT_DATA,
    run_folder: RunOption = DEFAULT_RUN,
    systems: Annotated[
        str | None,
        typer.Option(
            "--systems",
            help=f"Names or YAML files, comma-separated; `asdzoo list` shows them. Default: {','.join(DEFAULT_SYSTEMS)}.",
        ),
    ] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="Override a key: --set training.steps=100.")] = None,
    groups: Annotated[list[str] | None, typer.Option("--group", help="File a machine: --group MyPump=periodic.")] = None,
    also: Annotated[
        str | None, typer.Option("--also", help="Folders of other years, comma-separated: learn their training clips as well.")
    ] = None,
    year: YearOption = None,
    device: DeviceOption = "auto",
    seed: Annotated[int, typer.Option("--seed")] = 0,
    calibrate_on: Annotated[str, typer.Option("--calibrate-on", help="train, or test (against the 2025 rules).")] = "train",
    strict: StrictOption = False,
    budget: Annotated[
        str | None, typer.Option("--budget", help="Time that all may take, 30m or 8h: the plan is fitted into it.")
    ] = None,
    executor: ExecutorOption = "here",
    jobs: JobsOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and train nothing.")] = False,
    cluster: ClusterOption = None,
    array_parallelism: ParallelismOption = None,
    partition: PartitionOption = None,
    time: TimeOption = None,
    memory: MemoryOption = None,
    account: AccountOption = None,
) -> None:
    """Train every system, score every train and test clip, calibrate; a run that was cut off goes on where it was."""
    from zoo.data.clips import find_clips
    from zoo.data.groups import parse_assignments
    from zoo.running.beside import with_other_years
    from zoo.running.folder import Run
    from zoo.running.plan import make_plan, origins
    from zoo.running.prospects import chosen_systems, learnable, without_training
    from zoo.running.records import RunInfo

    if calibrate_on not in ("train", "test"):
        raise AsdzooError(f"--calibrate-on {calibrate_on} is neither train nor test", "leave it out: train is the default")
    seconds, begun = parse_duration(budget, "--budget") if budget is not None else None, monotonic()
    if seconds is not None and executor == "slurm":
        raise AsdzooError("--budget is measured on this machine, and the cluster's differ", "--time is of one job")
    names = [name.strip() for name in systems.split(",") if name.strip()] if systems is not None else None
    if names is not None:
        chosen_systems(names, settings or (), lambda note: None)  # wrong names are said before recordings are looked for
    extra = parse_assignments(groups or ())
    folders = [Path(name.strip()) for name in (also or "").split(",") if name.strip()]
    clips = with_other_years(find_clips(data, year), folders)
    chosen = chosen_systems(list(BUDGET_SYSTEMS) if names is None and budget else names, settings or (), warn)
    if names is not None and executor != "slurm":  # a cluster's machines may have what this one has not
        require_checkpoints([system for system in chosen if system.name not in Run(run_folder).info().systems])
    missing: dict[str, list[str]] = {}
    if names is None and budget:
        chosen, missing = with_checkpoints(chosen)
        say_missing(missing)
    if dry_run:
        say_problems(clips.problems, strict)
        if bare := without_training(clips):
            warn(RunInfo(without_training=bare).cannot_score)
        say_plan(learnable(make_plan(chosen, clips, extra, seed), warn))
        return
    if calibrate_on == "test":
        warn("z-scores from test clips are against the challenge's rules since 2025; the run is marked test-calibrated")
    from zoo.cli.budgeting import EQUAL, Budget, EqualWeights
    from zoo.data.store import WaveformStore
    from zoo.running.display import Display
    from zoo.running.executors.here import Here
    from zoo.running.executors.processes import Processes
    from zoo.running.pipeline import train_all as run_all
    from zoo.running.shared import has_network
    from zoo.running.timing import timings
    from zoo.scores import ScoreTable
    from zoo.training.devices import accelerator_for

    run = Run(run_folder)
    of_cluster = {
        "array_parallelism": array_parallelism, "partition": partition, "time": time, "memory": memory, "account": account
    }  # fmt: skip
    starter = starter_for(executor, jobs, device, cluster, of_cluster)
    plan, equal, tables = None, EqualWeights(run), dict[str, ScoreTable]()
    with Display() as display:
        kept = run.folder.parent / ".waves"
        accelerator = accelerator_for(device) if executor != "slurm" else None
        store = WaveformStore.open(clips, kept, progress=display.counter("decoding"), say=display.note)
        said = say_problems(store.problems, strict)
        on = cast("Literal['train', 'test']", calibrate_on)
        doing: Here | Processes
        watcher = display.watcher
        if accelerator is not None:
            measure = partial(timings, store=store, accelerator=accelerator, progress=display.counter("measuring"))
            at_a_time = 1 if starter is None else starter.most or 1
            tasks = learnable(make_plan(chosen, store.clips, extra, seed), lambda sentence: None)
            if seconds is not None:
                plan = Budget(run, chosen, tasks, seconds, begun + seconds, at_a_time, measure)
                watcher = replace(watcher, scored=equal.scored)
            else:
                say_shared(tasks)
                own = [task for task, origin in zip(tasks, origins(tasks), strict=True) if origin is None]
                if may_be_long(fresh := [task for task in own if not has_network(run, task)]):
                    say_times(measure(fresh), at_a_time)
        if starter is None and accelerator is not None:
            doing = Here(store, accelerator)
        elif starter is not None:
            doing = Processes(starter, store.clips, data, kept, device, folders)
        todo: tuple[list[System], BudgetInfo | None] | None = (chosen, None) if plan is None else plan.plan()
        while todo is not None:
            now, fitted = todo
            if plan is not None and fitted is not None:
                doing = replace(doing, limits=plan.limits(now, fitted))
            made = run_all(run, now, store.clips, doing, seed, extra, on, watcher, str(data), folders, said, budget=fitted)
            tables |= {table.systems[0]: table for table in made}
            todo = None if plan is None else plan.plan_again()
    for sentence in equal.notes:
        warn(f"{EQUAL}: {sentence}")
    say_summary(run, list(tables.values()))
    say_missing(missing)
