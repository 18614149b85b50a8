"""`asdzoo score`: clips that came after training."""

from __future__ import annotations

import typer

from zoo.api import DEFAULT_DATA, DEFAULT_RUN
from zoo.cli.options import DataOption, DeviceOption, RunOption, StrictOption, YearOption
from zoo.cli.said import say_problems, say_summary

app = typer.Typer()


@app.command()
def score(
    data: DataOption = DEFAULT_DATA,
    run_folder: RunOption = DEFAULT_RUN,
    year: YearOption = None,
    device: DeviceOption = "auto",
    strict: StrictOption = False,
) -> None:
    """Score clips that came after training, with every system of a finished run; nothing is trained."""
    from zoo.running.folder import Run

    run = Run(run_folder).require()
    from zoo.data.clips import find_clips
    from zoo.data.store import WaveformStore
    from zoo.running.display import Display
    from zoo.running.pipeline import score_new
    from zoo.training.devices import accelerator_for

    clips = find_clips(data, year or run.info().year, lone="test")
    with run.lock(), Display() as display:
        accelerator = accelerator_for(device)
        store = WaveformStore.open(clips, run.folder.parent / ".waves", progress=display.counter("decoding"))
        say_problems(store.problems, strict)
        tables = score_new(run, store, data, accelerator, display.watcher)
    say_summary(run, tables)
