"""`asdzoo weights`: the checkpoints of pretrained encoders. Heavy imports sit inside the commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.console import out, table, warn

if TYPE_CHECKING:
    from rich.table import Table

    from zoo.checkpoints.known import Known

app = typer.Typer(no_args_is_help=True, help="Checkpoints of pretrained encoders: list, fetch, check.")


@app.command(name="list")
def list_checkpoints() -> None:
    """Show the known checkpoints, which of them are here, and where they are to be had."""
    from zoo.checkpoints import known as checkpoints

    entries = checkpoints.known()
    rows = [
        [name, entry.shown_size, entry.licence, "yes" if checkpoints.cached(name) else "no"] for name, entry in entries.items()
    ]
    out.print(table("known checkpoints", ["name", "size", "licence", "here"], rows))
    out.print(_sources(entries))
    out.print("next: asdzoo weights fetch NAME; a file of yours works as well, --set model.weights=FILE")


def _sources(entries: Mapping[str, Known]) -> Table:
    """What checkpoints are, and under it where they are on Hugging Face, the first choice first."""
    rows = []
    for name, entry in entries.items():
        first, *others = entry.sources
        mirrors = [f"the same at {one.site}" if one.repository == first.repository else one.shown for one in others]
        rows.append([name, f"{entry.encoder}: {entry.note}" if entry.note else entry.encoder])
        rows.append(["", ", or ".join([first.shown, *mirrors])])
    return table("on Hugging Face and its mirror", ["name", "what it is and where"], rows)


@app.command()
def fetch(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Names of `asdzoo weights list`.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that the shipped systems need.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Forget checksums kept earlier: files as they are now.")] = False,
) -> None:
    """Download checkpoints into the Hugging Face cache and verify them; a download that was cut off goes on."""
    from zoo.checkpoints import known as checkpoints
    from zoo.errors import AsdzooError

    if bool(names) == every:
        raise AsdzooError("name a checkpoint, or say --all", "asdzoo weights list; asdzoo weights fetch NAME")
    if names:
        entries = {name: checkpoints.named(name) for name in names}  # a wrong name is said before anything is fetched
        wanted = list(entries)
    else:
        entries = {name: checkpoints.named(name) for name in _needed()}
        wanted = [name for name in entries if again or checkpoints.cached(name) is None]
        _announce(entries, wanted)
    if len(wanted) == 1:
        _fetch(wanted[0], again)
        return
    failed, silent = list[str](), set[str]()
    for name in wanted:
        try:
            _fetch(name, again, silent)
        except AsdzooError as problem:
            failed.append(name)
            warn(problem.message)
    if failed:
        raise AsdzooError(
            f"not fetched: {', '.join(failed)}", f"asdzoo weights fetch {' '.join(failed)}; or give files in model.weights"
        )


def _announce(entries: Mapping[str, Known], wanted: Sequence[str]) -> None:
    """What the shipped systems need, and how much of it is about to come."""
    from zoo.checkpoints import known as checkpoints

    rows = [[name, entry.shown_size, entry.licence] for name, entry in entries.items()]
    out.print(table("what the shipped systems need", ["name", "size", "licence"], rows))
    out.print(_sources(entries))
    unknown = sum(entries[name].shown_size == "unknown size" for name in wanted)
    rest = f", and {unknown} of unknown size" if unknown else ""
    out.print(f"{len(wanted)} of {len(entries)} are to be fetched: {checkpoints.total_megabytes(wanted) / 1e3:.1f} GB{rest}")


def _fetch(name: str, again: bool, silent: set[str] | None = None) -> None:
    from zoo.checkpoints.fetching import fetch as fetched

    said: list[str] = []
    came = fetched(name, said.append, again, silent)
    for sentence in said:  # of a failure the error says all
        warn(sentence)
    out.print(f"{came.path}: {came.path.stat().st_size} bytes, {came.checked}")


def _needed() -> list[str]:
    """Known checkpoints that shipped systems name, in the order of the systems."""
    from zoo.checkpoints import known as checkpoints
    from zoo.systems import load_system, system_paths

    found: dict[str, None] = {}
    for system in system_paths():
        model = load_system(system).config.model
        for block in (model, *(value for value in model.values() if isinstance(value, dict))):
            if block.get("weights") in checkpoints.known():
                found[str(block["weights"])] = None
    return list(found)


@app.command()
def check(file: Annotated[Path, typer.Argument(help="A checkpoint of any encoder, torch or safetensors.")]) -> None:
    """Say what a file holds and whether an encoder can be filled from it."""
    from zoo.checkpoints import reading
    from zoo.errors import AsdzooError

    if not file.is_file():
        raise AsdzooError(f"no file {file}", "asdzoo weights list")
    report = reading.check(file)
    rows: list[list[object]] = [
        ["encoder", " or ".join([report.encoder, *report.others])],
        ["sizes", ", ".join(f"{key} {value}" for key, value in report.sizes.items())],
        ["parameters", f"{report.parameters:,}"],
        ["tensors used", report.used],
        ["tensors left out", ", ".join(report.ignored) or "none"],
        ["SHA-256", report.sha256],
        ["known as", report.name or "none of the known checkpoints"],
    ]
    out.print(table(str(file), ["it has", ""], rows))
    out.print(f"next: asdzoo train-all --systems {_system_with(report.encoder)} --set model.weights={file}")


def _system_with(encoder: str) -> str:
    """A shipped system with this encoder; where there is none, one that it can be put into."""
    from zoo.systems import load_system, system_paths

    for name in system_paths():
        model = load_system(name).config.model
        if model.get("encoder") == encoder and model.get("init") != "random":
            return name
    return f"beats_lora --set model.encoder={encoder} --set model.tuning.mode=frozen"
