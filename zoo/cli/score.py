"""`asdzoo score`: recordings that came after training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.api import DEFAULT_DATA, DEFAULT_RUN
from zoo.cli.options import DeviceOption, RunOption, StrictOption, YearOption
from zoo.cli.said import say_problems, say_summary
from zoo.errors import AsdzooError, typed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo.data.loose import Loose
    from zoo.running.folder import Run

app = typer.Typer()


@app.command()
def score(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="[PATH]...", help="Recordings, flat folders of them, or trees.")
    ] = None,
    run_folder: RunOption = DEFAULT_RUN,
    machine: Annotated[str | None, typer.Option("--machine", help="Whose recordings; where folders do not say it.")] = None,
    section: Annotated[str | None, typer.Option("--section", help="Of that machine; where names do not say it.")] = None,
    ensemble: Annotated[
        str | None, typer.Option("--ensemble", help="Ensemble or system that decides; the run's only one by default.")
    ] = None,
    percentile: Annotated[
        float | None,
        typer.Option("--percentile", help="Of the scores of normal training clips: there the threshold lies. Default: 99."),
    ] = None,
    method: Annotated[
        str, typer.Option("--threshold", help="How it is found: percentile, or that of a gamma or normal distribution.")
    ] = "percentile",
    alarm: Annotated[
        str, typer.Option("--alarm", metavar="K/N", help="Alarm: K anomalies among the last N recordings.")
    ] = "1/1",
    out_file: Annotated[Path | None, typer.Option("--out", help="Write a row for each recording to this CSV.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the rows as JSON.")] = False,
    fail_on_anomaly: Annotated[
        bool, typer.Option("--fail-on-anomaly", help="Exit code 1 on an anomaly, or with --alarm on an alarm.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Also add the recordings to the run's score tables.")] = False,
    watch: Annotated[
        Path | None,
        typer.Option("--watch", metavar="FOLDER", help="Score what arrives in a folder, until Ctrl-C; needs --out."),
    ] = None,
    every: Annotated[float, typer.Option("--every", min=0.05, help="Seconds between two looks of --watch.")] = 2.0,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Without PATH: whose test clips are added to the run. Default: its own folder."),
    ] = None,
    year: YearOption = None,
    device: DeviceOption = "auto",
    strict: StrictOption = False,
) -> int:
    """Score recordings that came after training; nothing is trained.

    With PATH or --watch every recording gets a row: score, threshold, OK or ANOMALY, and a long one the scores of its windows.
    The run is not changed. Whose a recording is, a folder says (MyPump/...), or --machine. A long one is an anomaly when it is
    above the threshold as a whole, or more of its windows than chance explains. No labels are needed; to see how good a run
    is, put them in MACHINE/labels.csv (columns file_name, label) below --data and run `asdzoo evaluate`.

    Without PATH the new clips in MACHINE/test below --data join the run's score tables, with every system.
    """
    from zoo.running.folder import Run

    if not paths and watch is None:
        return _without_path(run_folder, data, year, device, strict, {
            "--machine": machine, "--section": section, "--ensemble": ensemble, "--out": out_file, "--json": as_json,
            "--fail-on-anomaly": fail_on_anomaly, "--keep": keep,
        })  # fmt: skip
    if data is not None:
        raise AsdzooError("--data goes without PATH and --watch", "leave it out: PATH says where the recordings are")
    from zoo.cli import verdicts, watching

    run = Run(run_folder).require()
    standard = verdicts.standard(run, ensemble, percentile, method, alarm)
    if watch is not None:
        if paths or as_json or keep:
            wrong = "--keep" if keep else "--json" if as_json else "PATH"
            raise AsdzooError(f"{wrong} does not go with --watch", "asdzoo score --watch FOLDER --out scored.csv")
        if out_file is None:
            raise AsdzooError("--watch needs a table to write to", f"asdzoo score --watch {typed(watch)} --out scored.csv")
        return watching.watch(run, watch, standard, machine, section, out_file, every, fail_on_anomaly, device)
    recordings, notes = verdicts.found(run, standard, paths or [], machine, section)
    judgement = verdicts.judgement(run, standard, recordings, notes, device, strict)
    if out_file is not None:
        from zoo.running.verdict_table import write_verdicts

        write_verdicts(judgement.verdicts, out_file)
    verdicts.say(run, standard, judgement, out_file, as_json)
    if keep:
        _keep(run, recordings, _folder(paths or []), device, quiet=as_json)
    return 1 if fail_on_anomaly and any(one.alarm for one in judgement.verdicts) else 0


def _without_path(
    run_folder: Path, data: Path | None, year: str | None, device: str, strict: bool, of_paths: Mapping[str, object]
) -> int:
    """As before there was PATH: clips below --data join the run."""
    from zoo.running.folder import Run

    if named := [option for option, value in of_paths.items() if value]:
        cure = f"asdzoo score FOLDER --run {typed(run_folder)} {named[0]} ..."
        raise AsdzooError(f"{named[0]} needs a PATH or --watch", cure)
    run = Run(run_folder).require()
    _score_data(run, data or Path(run.info().data or DEFAULT_DATA), year, device, strict)
    return 0


def _score_data(run: Run, data: Path, year: str | None, device: str, strict: bool) -> None:
    from zoo.data.clips import find_clips
    from zoo.data.store import WaveformStore
    from zoo.running.display import Display
    from zoo.running.fusion_door import fusion
    from zoo.running.pipeline import score_new
    from zoo.training.devices import accelerator_for

    clips = find_clips(data, year or run.info().year, lone="test")
    with run.lock(), Display() as display:
        accelerator = accelerator_for(device)
        store = WaveformStore.open(clips, run.folder.parent / ".waves", progress=display.counter("decoding"), say=display.note)
        say_problems(store.problems, strict)
        tables = score_new(run, store, data, accelerator, display.watcher)
        for sentence in fusion().bring_up_to_date(run):
            display.note(sentence)
    say_summary(run, tables)


def _keep(run: Run, recordings: Sequence[Loose], found_in: Path, device: str, quiet: bool) -> None:
    """Add recordings to the run as its test clips; the name of `found_in` tells those of one name apart."""
    from zoo.data.clip import Clip
    from zoo.data.store import WaveformStore
    from zoo.data.years import OWN
    from zoo.running.display import Display
    from zoo.running.pipeline import score_new
    from zoo.training.devices import accelerator_for

    year = run.info().year or ""
    clips = [
        Clip(one.path, year, one.machine, one.section, "test", below=one.below if year == OWN else "") for one in recordings
    ]
    with run.lock(), Display() as display:
        store = WaveformStore.open(clips, run.folder.parent / ".waves", progress=display.counter("decoding"))
        tables = score_new(run, store, found_in, accelerator_for(device), display.watcher)
    if not quiet:
        say_summary(run, tables)


def _folder(paths: Sequence[Path]) -> Path:
    first = paths[0]
    return first if first.is_dir() else first.absolute().parent
