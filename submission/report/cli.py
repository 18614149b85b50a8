"""The command `asdzoo report`."""

from pathlib import Path
from typing import Annotated

import typer

from zoo.console import out, warn

app = typer.Typer()


@app.command()
def report(
    run: Annotated[Path, typer.Option(help="Run folder.")] = Path("runs/default"),
    out_file: Annotated[Path | None, typer.Option("--out", help="The page. Default: RUN/report.html.")] = None,
    max_mb: Annotated[float, typer.Option(help="Clips are put in until the page has this many megabytes.")] = 30,
    system: Annotated[list[str] | None, typer.Option(help="System or ensemble to show; may be repeated. Default: all.")] = None,
    scored: Annotated[
        list[Path] | None,
        typer.Option(help="Table that `asdzoo score` wrote: shows its scores over time; may be repeated."),
    ] = None,
) -> None:
    """Write one page about a run, to look at and to listen to; it opens in any browser and needs no network."""
    from submission.report.facts import gather
    from submission.report.page import write_report
    from zoo.running.display import Bars
    from zoo.running.folder import Run

    facts = gather(Run(run), system or [], scored or [])
    with Bars() as bars:
        counters = bars.counter("Placing embeddings"), bars.counter("Clips")
        written = write_report(facts, out_file or run / "report.html", max_mb, *counters)
    for note in written.notes:
        warn(note)
    out.print(f"written: {written.path} ({written.size / 1e6:.1f} MB, {written.playing} clips to listen to)")
