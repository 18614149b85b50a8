"""`asdzoo data`: getting the recordings and looking whether they are whole. Heavy imports sit inside the commands."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from zoo.console import err, out, table, warn
from zoo.errors import AsdzooError, typed, unknown_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import TaskID

    from zoo.data.datasets import PartName
    from zoo.data.fetch import Watcher

app = typer.Typer(no_args_is_help=True, help="The challenge's recordings: list, fetch, verify.")
LOG_SECONDS = 60.0  # between two lines about one archive, where there is no terminal
DEFAULT_DATA, DEFAULT_TRUTH = Path("data"), Path("truth")
YearOption = Annotated[str | None, typer.Option("--year", help="A year of the challenge, or mimii_due.")]


@app.command(name="list")
def list_archives(year: YearOption = None) -> None:
    """Show what can be fetched: the parts of every year, or the archives of one."""
    from zoo.data.datasets import find_dataset, load_datasets
    from zoo.data.fetch import readable

    if year is None:
        rows: list[list[object]] = []
        for name, dataset in load_datasets().items():
            for part_name, part in dataset.parts.items():
                sizes = [one.bytes for one in part.archives.values()]
                size = readable(sum(one or 0 for one in sizes)) if all(sizes) else None
                rows.append([name, part_name, len(part.archives), size, f"{part.record}", dataset.licence])
            if dataset.truth:
                rows.append([name, "truth", 1, None, dataset.truth.repository, dataset.truth.licence])
        out.print(
            table("what can be fetched", ["set", "part", "zips", "size", "Zenodo record, or repository", "licence"], rows)
        )
        out.print("a dash: asked of the record when it is fetched; next: asdzoo data list --year 2026")
        return
    dataset = find_dataset(year)
    rows = [
        [part_name, machine, one.file, readable(one.bytes) if one.bytes else None, one.md5, f"{part.record}"]
        for part_name, part in dataset.parts.items()
        for machine, one in part.archives.items()
    ]
    out.print(table(dataset.title, ["part", "machine", "archive", "size", "md5", "record"], rows))
    for part in dataset.parts.values():
        for old in part.superseded:
            out.print(f"not to be used any more: {old}")
    out.print(f"a dash: asked of the record when it is fetched; next: asdzoo data fetch {year}")


@app.command()
def fetch(
    year: Annotated[str, typer.Argument(metavar="YEAR", help="2020 to 2026, or mimii_due.")],
    part: Annotated[
        str | None, typer.Option("--part", help="dev, additional, evaluation, or truth. Default: all recordings, no truth.")
    ] = None,
    machine: Annotated[list[str] | None, typer.Option("--machine", help="Only this machine; may be given again.")] = None,
    to: Annotated[Path | None, typer.Option("--to", help="Folder to fetch into. Default: data; of the truth: truth.")] = None,
    keep_zips: Annotated[bool, typer.Option("--keep-zips", help="Keep the archives after they are unpacked.")] = False,
    base_url: Annotated[str | None, typer.Option("--base-url", help="A mirror with the paths of zenodo.org.")] = None,
) -> None:
    """Download and unpack recordings; a fetch that was cut off goes on, and what is here already is left alone."""
    from zoo.data.datasets import PARTS, choose, find_dataset
    from zoo.data.fetch import ZENODO
    from zoo.data.fetch import fetch as fetch_archives
    from zoo.data.transfer import Client
    from zoo.data.truth import GITHUB, fetch_truth

    dataset = find_dataset(year)
    if part is not None and part not in (*PARTS, "truth"):
        raise unknown_name("part", part, (*PARTS, "truth"))
    again = " ".join(["asdzoo data fetch", *_typed(year, part, machine, to, keep_zips, base_url)])
    client = Client(again, warn)
    watcher = _watcher()
    if part == "truth":
        if machine:
            raise AsdzooError("the truth comes for all machines at once", f"asdzoo data fetch {year} --part truth")
        folder = fetch_truth(dataset, to or DEFAULT_TRUTH, client, base_url or GITHUB, DEFAULT_DATA, watcher)
        out.print(f"next: asdzoo evaluate --package FILE --truth {folder}")
        return
    wanted = choose(dataset, [cast("PartName", part)] if part else [], machine or [])
    to = to or DEFAULT_DATA
    fetch_archives(dataset, wanted, to, client, base_url or ZENODO, keep_zips, watcher)
    out.print(f"next: asdzoo data verify {to / dataset.folder}")


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the recordings; one year or several.")],
    year: YearOption = None,
) -> int:
    """Hold recordings against the published facts: counts, names, rate, channels, lengths. Exit code 1 where they differ."""
    from zoo.data.verify import verify as verify_recordings
    from zoo.running.display import Bars

    with Bars() as bars:
        verdicts = verify_recordings(folder, year, bars.counter)
    columns = ["machine", "section", "train", "test", "extra", "seconds", "Hz", "channels", "as published"]
    for verdict in verdicts:
        rows = [
            [
                *(row.machine, row.section, row.train, row.test, row.extra, row.seconds, row.rates, row.channels),
                "no" if row.faults else "yes" if row.counted else "no numbers known",
            ]
            for row in verdict.rows
        ]
        out.print(table(f"{verdict.folder}, {verdict.title}", columns, rows))
        for fault in verdict.faults:
            out.print(f"error: {fault}")
        for note in verdict.notes:
            out.print(f"note: {note}")
    faults = sum(len(verdict.faults) for verdict in verdicts)
    if faults:
        out.print(f"{folder}: {faults} fault(s)")
    elif any(verdict.published for verdict in verdicts):
        out.print(f"{folder}: as published, as far as the facts go")
    else:
        nothing = "nobody published these recordings, so there is nothing to compare"
        out.print(f"{folder}: {nothing}; next: asdzoo scan {typed(folder)}")
    return 1 if faults else 0


def _typed(
    year: str, part: str | None, machines: list[str] | None, to: Path | None, keep: bool, base_url: str | None
) -> Iterator[str]:
    """The arguments as they were typed, for the hint that says how to go on."""
    import shlex

    yield year
    for option, value in (
        ("--part", part),
        *(("--machine", one) for one in machines or ()),
        ("--to", to),
        ("--base-url", base_url),
    ):
        if value is not None:
            yield f"{option} {shlex.quote(str(value))}"
    if keep:
        yield "--keep-zips"


def _watcher() -> Watcher:
    from zoo.data.fetch import Watcher

    return Watcher(say=lambda sentence: out.print(sentence), warn=warn, progress=_progress())


def _progress() -> Callable[[str, int, int | None], None]:
    """A moving bar of bytes on a terminal, a line a minute elsewhere."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    from zoo.data.fetch import readable

    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
    )
    shown: dict[str, TaskID] = {}
    logged = time.monotonic()

    def update(what: str, done: int, total: int | None) -> None:
        nonlocal logged
        if not err.is_terminal:
            if time.monotonic() - logged >= LOG_SECONDS:
                logged = time.monotonic()
                err.print(f"{what}: {readable(done)} of {readable(total) if total else 'unknown size'}")
            return
        if what not in shown:
            for old in shown.values():
                bars.remove_task(old)
            shown.clear()
            bars.start()
            shown[what] = bars.add_task(what, total=total, completed=done)
        bars.update(shown[what], completed=done, total=total)
        if done == total:
            bars.remove_task(shown.pop(what))
            bars.stop()

    return update
