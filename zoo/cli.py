"""Commands of the room `zoo/`. Heavy imports sit inside the commands, so that `asdzoo --help` is instant."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from zoo.cli_weights import weights_app
from zoo.console import err, out, table, warn
from zoo.errors import AsdzooError, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.data.synth import Size
    from zoo.data.wavs import Problem
    from zoo.running.folder import Run
    from zoo.running.plan import Task
    from zoo.scores import ScoreTable

app = typer.Typer()
app.add_typer(weights_app, name="weights")

DataOption = Annotated[Path, typer.Option("--data", help="Folder of the recordings, at any level of the official trees.")]
RunOption = Annotated[Path, typer.Option("--run", help="Folder of the run.")]
YearOption = Annotated[str | None, typer.Option("--year", help="Year of the challenge, or own; only asked for when unclear.")]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.")]
DEFAULT_DATA, DEFAULT_RUN = Path("data"), Path("runs/default")


@app.command()
def scan(
    data: Annotated[Path, typer.Argument(help="Folder of the recordings, at any level of the official trees.")],
    year: YearOption = None,
    strict: Annotated[bool, typer.Option("--strict", help="Take a broken recording as an error.")] = False,
) -> None:
    """Show what recordings there are, and everything that is wrong with them."""
    from zoo.data.clips import find_clips
    from zoo.data.scan import scan as scan_clips
    from zoo.running.display import Bars

    clips = find_clips(data, year)
    with Bars() as bars:
        found = scan_clips(clips, progress=bars.counter("reading recordings"))
    columns = ["machine", "section", "train", "source", "target", "test", "extra", "seconds", "Hz", "channels", "attributes"]
    rows = [
        [
            *(row.machine, row.section, row.train, row.train_source, row.train_target, row.test, row.supplemental),
            " - ".join(f"{seconds:g}" for seconds in sorted({round(seconds, 2) for seconds in row.seconds})),
            *(", ".join(str(value) for value in values) for values in (row.rates, row.channels)),
            row.attributes,
        ]
        for row in found.rows
    ]
    out.print(table(f"{data}, year {clips[0].year}", columns, rows))
    for problem in found.problems:
        err.print(f"{problem.severity}: {problem}", markup=False)
    if strict and found.errors:
        raise AsdzooError(
            f"{len(found.errors)} recording(s) cannot be used, the first: {found.errors[0]}", "replace or remove them"
        )


@app.command()
def synth(
    out_folder: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write the recordings into.")],
    size: Annotated[str, typer.Option("--size", help="tiny, small, or full: the real counts, 6 GB.")] = "small",
    seed: Annotated[int, typer.Option("--seed")] = 0,
    channels: Annotated[int, typer.Option("--channels", help="2: by a near and a far microphone, in the layout of 2026.")] = 1,
) -> None:
    """Write a synthetic challenge in the 2024 layout: machine sounds from their physics, no download."""
    from zoo.data.synth import write_challenge
    from zoo.running.display import Bars

    with Bars() as bars:
        folders = write_challenge(out_folder, cast("Size", size), seed, bars.counter("writing recordings"), channels=channels)
    out.print(f"{len(folders)} machines in {out_folder}; next: asdzoo train-all --data {out_folder}")


@app.command(name="train-all")
def train_all(
    data: DataOption = DEFAULT_DATA,
    run_folder: RunOption = DEFAULT_RUN,
    systems: Annotated[
        str, typer.Option("--systems", help="Names or YAML files, comma-separated; `asdzoo list` shows them.")
    ] = ("nf_cdee,dual_branch_cnn"),
    settings: Annotated[list[str] | None, typer.Option("--set", help="Override a key: --set training.steps=100.")] = None,
    groups: Annotated[list[str] | None, typer.Option("--group", help="File a machine: --group MyPump=periodic.")] = None,
    year: YearOption = None,
    device: DeviceOption = "auto",
    seed: Annotated[int, typer.Option("--seed")] = 0,
    calibrate_on: Annotated[str, typer.Option("--calibrate-on", help="train, or test (against the 2025 rules).")] = "train",
    strict: Annotated[bool, typer.Option("--strict", help="Take a broken recording as an error.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and train nothing.")] = False,
) -> None:
    """Train every system, score every train and test clip, calibrate; a run that was cut off goes on where it was."""
    from zoo.data.clips import find_clips
    from zoo.data.groups import parse_assignments
    from zoo.running.folder import Run
    from zoo.running.plan import make_plan
    from zoo.systems import load_system

    if calibrate_on not in ("train", "test"):
        raise AsdzooError(f"--calibrate-on {calibrate_on} is neither train nor test", "leave it out: train is the default")
    chosen = [load_system(name.strip(), settings or ()) for name in systems.split(",") if name.strip()]
    if not chosen:
        raise AsdzooError("--systems names no system", "`asdzoo list` shows them")
    extra = parse_assignments(groups or ())
    clips = find_clips(data, year)
    if dry_run:
        _print_plan(make_plan(chosen, clips, extra, seed))
        return
    if calibrate_on == "test":
        warn("z-scores from test clips are against the challenge's rules since 2025; the run is marked test-calibrated")
    from zoo.data.store import WaveformStore
    from zoo.running.display import Display
    from zoo.running.pipeline import train_all as run_all
    from zoo.training.devices import accelerator_for

    run = Run(run_folder)
    with run.lock(), Display() as display:
        accelerator = accelerator_for(device)
        store = WaveformStore.open(clips, run.folder.parent / ".waves", progress=display.counter("decoding"))
        _say_problems(store.problems, strict)
        run.update_info(data=str(data))
        on = cast("Literal['train', 'test']", calibrate_on)
        tables = run_all(run, chosen, store, accelerator, seed, extra, on, display.watcher)
    _print_summary(run, tables)


@app.command()
def score(
    data: DataOption = DEFAULT_DATA,
    run_folder: RunOption = DEFAULT_RUN,
    year: YearOption = None,
    device: DeviceOption = "auto",
    strict: Annotated[bool, typer.Option("--strict", help="Take a broken recording as an error.")] = False,
) -> None:
    """Score clips that came after training, with every system of a finished run; nothing is trained."""
    from zoo.running.folder import Run

    run = Run(run_folder).require()
    from zoo.data.clips import find_clips
    from zoo.data.store import WaveformStore
    from zoo.running.display import Display
    from zoo.running.pipeline import score_new
    from zoo.training.devices import accelerator_for

    clips = find_clips(data, year or run.info().year)
    with run.lock(), Display() as display:
        accelerator = accelerator_for(device)
        store = WaveformStore.open(clips, run.folder.parent / ".waves", progress=display.counter("decoding"))
        _say_problems(store.problems, strict)
        tables = score_new(run, store, accelerator, display.watcher)
    _print_summary(run, tables)


def _say_problems(problems: Sequence[Problem], strict: bool) -> None:
    """Broken recordings are left out and said; `--strict` stops instead."""
    broken = [problem for problem in problems if problem.severity == "error"]
    if broken and strict:
        raise AsdzooError(f"{len(broken)} recording(s) cannot be used, the first: {broken[0]}", "replace or remove them")
    shown = 5
    for problem in problems[:shown]:
        warn(str(problem))
    if len(problems) > shown:
        warn(f"and {len(problems) - shown} more; `asdzoo scan DATA` lists them all")


def _print_plan(tasks: Sequence[Task]) -> None:
    from zoo.training.cost import cost_of

    rows = []
    for task in tasks:
        network = task.system.build_network(len(task.classes), task.seed)
        cost = cost_of(network, task.system.shape)
        # forward, and backward with respect to inputs and weights: three times the multiplications, two operations each
        work = 6 * cost.macs * task.clips_to_see / 1e12
        machines = listed(task.machines, 4)
        rows.append([task.system.name, task.group, machines, len(task.clips), task.clips_to_see, cost.trainable, work])
    columns = ["system", "group", "machines", "train clips", "clips to see", "trainable", "TFLOP, at most"]
    out.print(table("the plan: one network a row", columns, rows))


def _print_summary(run: Run, tables: Sequence[ScoreTable]) -> None:
    from zoo.running.marks import sentences

    rows = []
    for scores in tables:
        frame = scores.frame
        test = frame[frame["split"] == "test"]
        labelled = int((test["label"] != "").sum())
        machines = frame["machine"].nunique()
        rows.append(
            [scores.systems[0], machines, len(frame) - len(test), len(test), labelled, f"scores/{scores.systems[0]}.csv"]
        )
    columns = ["system", "machines", "train clips", "test clips", "with labels", "score table"]
    out.print(table(f"{run.folder}", columns, rows))
    for sentence in sentences(run.marks()):
        warn(sentence)
    out.print(f"next: asdzoo evaluate --run {run.folder}, or asdzoo fuse --run {run.folder}")
