"""`asdzoo train-all`: from recordings to calibrated score tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from zoo.api import DEFAULT_DATA, DEFAULT_RUN
from zoo.cli.executors import starter_for
from zoo.cli.options import DataOption, DeviceOption, RunOption, StrictOption, YearOption
from zoo.cli.said import say_problems, say_summary
from zoo.console import out, table, warn
from zoo.errors import AsdzooError, listed
from zoo.running.defaults import DEFAULT_SYSTEMS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.running.executors import Executor
    from zoo.running.plan import Task

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
    executor: Annotated[
        str, typer.Option("--executor", help="Where tasks are done: here, or in processes of their own: local.")
    ] = "here",
    jobs: Annotated[
        int | None, typer.Option("--jobs", min=1, help="Processes of --executor local. Default: one a GPU, or for 4 cores.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and train nothing.")] = False,
) -> None:
    """Train every system, score every train and test clip, calibrate; a run that was cut off goes on where it was."""
    from zoo.data.clips import find_clips
    from zoo.data.groups import parse_assignments
    from zoo.running.beside import with_other_years
    from zoo.running.folder import Run
    from zoo.running.plan import make_plan
    from zoo.running.prospects import chosen_systems, learnable, without_training
    from zoo.running.records import RunInfo

    if calibrate_on not in ("train", "test"):
        raise AsdzooError(f"--calibrate-on {calibrate_on} is neither train nor test", "leave it out: train is the default")
    names = [name.strip() for name in systems.split(",") if name.strip()] if systems is not None else None
    if names is not None:
        chosen_systems(names, settings or (), lambda note: None)  # wrong names are said before recordings are looked for
    extra = parse_assignments(groups or ())
    folders = [Path(name.strip()) for name in (also or "").split(",") if name.strip()]
    clips = with_other_years(find_clips(data, year), folders)
    chosen = chosen_systems(names, settings or (), warn)
    if dry_run:
        say_problems(clips.problems, strict)
        if bare := without_training(clips):
            warn(RunInfo(without_training=bare).cannot_score)
        _say_plan(learnable(make_plan(chosen, clips, extra, seed), warn))
        return
    if calibrate_on == "test":
        warn("z-scores from test clips are against the challenge's rules since 2025; the run is marked test-calibrated")
    from zoo.data.store import WaveformStore
    from zoo.running.display import Display
    from zoo.running.executors.here import Here
    from zoo.running.executors.processes import Processes
    from zoo.running.pipeline import train_all as run_all
    from zoo.training.devices import accelerator_for

    run, starter = Run(run_folder), starter_for(executor, jobs, device)
    with Display() as display:
        kept = run.folder.parent / ".waves"
        accelerator = accelerator_for(device)  # also to say at once that there is no such device
        store = WaveformStore.open(clips, kept, progress=display.counter("decoding"), say=display.note)
        said = say_problems(store.problems, strict)
        on = cast("Literal['train', 'test']", calibrate_on)
        doing: Executor = Here(store, accelerator)
        if starter is not None:
            doing = Processes(starter, store.clips, data, kept, device, folders)
        tables = run_all(run, chosen, store.clips, doing, seed, extra, on, display.watcher, str(data), folders, said)
    say_summary(run, tables)


def _say_plan(tasks: Sequence[Task]) -> None:
    from zoo.training.cost import cost_of

    rows = []
    for task in tasks:
        network = task.system.build_network(task.classes, task.seed)
        cost = cost_of(network, task.system.shape)
        # forward, and backward with respect to inputs and weights: three times the multiplications, two operations each
        work = 6 * cost.macs * task.clips_to_see / 1e12
        machines = listed(task.machines, 4)
        rows.append([task.system.name, task.group, machines, len(task.learnt), task.clips_to_see, cost.trainable, work])
    columns = ["system", "group", "machines", "train clips", "clips to see", "trainable", "TFLOP, at most"]
    out.print(table("the plan: one network a row", columns, rows))
