"""`asdzoo weights`: the checkpoints of pretrained encoders. Heavy imports sit inside the commands."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.console import out, table, warn

if TYPE_CHECKING:
    from zoo.checkpoints.known import Known

app = typer.Typer(no_args_is_help=True, help="Checkpoints of pretrained encoders: list, fetch, check.")


@app.command(name="list")
def list_checkpoints() -> None:
    """Show the known checkpoints and which of them are here."""
    from zoo.checkpoints import known as checkpoints

    rows, sources = [], []
    for name, entry in checkpoints.known().items():
        here = "yes" if checkpoints.cached(name) else "no"
        rows.append([name, entry.encoder, entry.shown_size, entry.licence, here, entry.note])
        first, *others = [source.shown for source in entry.sources]
        sources.append([name, first, ", ".join(others) or "none known"])
    out.print(table("known checkpoints", ["name", "encoder", "size", "licence", "here", "what it is"], rows))
    out.print(table("on Hugging Face", ["name", "source", "second source"], sources))
    out.print("next: asdzoo weights fetch NAME; a file of yours works as well, --set model.weights=FILE")


@app.command()
def fetch(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Names of `asdzoo weights list`.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that the shipped systems need.")] = False,
) -> None:
    """Download checkpoints into the Hugging Face cache and verify them; a download that was cut off goes on."""
    from zoo.checkpoints import known as checkpoints
    from zoo.errors import AsdzooError

    if bool(names) == every:
        raise AsdzooError("name a checkpoint, or say --all", "asdzoo weights list; asdzoo weights fetch NAME")
    if names:
        for name in names:
            checkpoints.cached(name)  # a wrong name is said before anything is fetched
        for name in names:
            _fetch(name)
        return
    needed = _needed()
    rows = [[name, known.shown_size, known.licence, known.repository] for name, known in _entries(needed)]
    out.print(table("what the shipped systems need", ["name", "size", "licence", "Hugging Face"], rows))
    missing = [name for name in needed if checkpoints.cached(name) is None]
    unknown = sum(known.shown_size == "size unknown" for _, known in _entries(missing))
    rest = f", and {unknown} of unknown size" if unknown else ""
    out.print(f"{len(missing)} of {len(needed)} are not here: {checkpoints.total_megabytes(missing) / 1e3:.1f} GB{rest}")
    problems = []
    for name in missing:
        try:
            _fetch(name)
        except AsdzooError as problem:
            problems.append((name, problem))
            warn(problem.message)
    if problems:
        names = [name for name, _ in problems]
        raise AsdzooError(
            f"not fetched: {', '.join(names)}", f"asdzoo weights fetch {names[0]}; or give files in model.weights"
        )


def _fetch(name: str) -> None:
    from zoo.checkpoints import known as checkpoints

    said: list[str] = []
    path = checkpoints.fetch(name, said.append)
    for sentence in said:  # of a failure the error says all
        warn(sentence)
    checked = "SHA-256 verified" if checkpoints.known()[name].sha256 else "no SHA-256 is known to hold it against"
    out.print(f"{path}: {path.stat().st_size} bytes, {checked}")


def _entries(names: Iterable[str]) -> list[tuple[str, Known]]:
    from zoo.checkpoints import known as checkpoints

    return [(name, checkpoints.known()[name]) for name in names]


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
