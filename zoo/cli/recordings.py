"""`asdzoo scan` and `asdzoo synth`: what recordings there are, and recordings where there are none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from zoo.cli.options import StrictOption, YearOption
from zoo.console import err, out, table
from zoo.errors import AsdzooError, typed

if TYPE_CHECKING:
    from zoo.data.synth import Size

app = typer.Typer()


@app.command()
def scan(
    data: Annotated[Path, typer.Argument(help="Folder of the recordings, at any level of the official trees.")],
    year: YearOption = None,
    strict: StrictOption = False,
) -> None:
    """Show what recordings there are, and everything that is wrong with them.

    Recordings lie in MACHINE/train and MACHINE/test. Labels of your own stand in MACHINE/labels.csv, with the columns file_name
    and label (normal or anomaly; also ok and ng, 0 and 1), or are folders: MACHINE/test/normal, MACHINE/test/anomaly.
    They are counted where recordings are your own. Exit code 2 when there is no recording that can be used.
    """
    from zoo.data.clips import find_clips
    from zoo.data.problems import gathered
    from zoo.data.scan import scan as scan_clips
    from zoo.data.years import OWN
    from zoo.running.display import Bars

    clips = find_clips(data, year)
    with Bars() as bars:
        found = scan_clips(clips, progress=bars.counter("reading recordings"))
    own = clips[0].year == OWN
    cells: dict[str, list[object]] = {
        "machine": [row.machine for row in found.rows],
        "section": [row.section for row in found.rows],
        "train": [row.train for row in found.rows],
        "source": [row.train_source for row in found.rows],
        "target": [row.train_target for row in found.rows],
        "test": [row.test for row in found.rows],
        **({"normal": [row.normal for row in found.rows], "anomaly": [row.anomalous for row in found.rows]} if own else {}),
        "extra": [row.supplemental for row in found.rows],
        "seconds": [
            " - ".join(f"{seconds:g}" for seconds in sorted({round(one, 2) for one in row.seconds})) for row in found.rows
        ],
        "Hz": [", ".join(map(str, row.rates)) for row in found.rows],
        "channels": [", ".join(map(str, row.channels)) for row in found.rows],
        "attributes": [row.attributes for row in found.rows],
    }
    of_challenge = ("source", "target", "extra", "attributes")  # one's own recordings mostly have none
    columns = [column for column, values in cells.items() if not (own and column in of_challenge and not any(values))]
    if own and {row.section for row in found.rows} == {"00"}:
        columns.remove("section")
    rows = list(zip(*(cells[column] for column in columns), strict=True))
    out.print(table(f"{data}, recordings of your own" if own else f"{data}, year {clips[0].year}", columns, rows))
    if own and any(row.test for row in found.rows) and not any(row.normal + row.anomalous for row in found.rows):
        machine = next(row.machine for row in found.rows if row.test)
        out.print(
            f"no test recording has a label, which `asdzoo evaluate` needs: {machine}/labels.csv, or test/normal, test/anomaly"
        )
    for problem in gathered(found.problems):
        err.print(f"{problem.severity}: {problem}")
    if not any(row.train + row.test + row.supplemental for row in found.rows):
        first = f", the first: {found.errors[0]}" if found.errors else ""
        raise AsdzooError(
            f"none of the {len(clips)} recording(s) in {data} can be used{first}", "replace them, or name another folder"
        )
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
    out.print(f"{len(folders)} machines in {out_folder}; next: asdzoo train-all --data {typed(out_folder)}")
