"""`asdzoo reproduce`: a table of a paper made again, beside the paper's numbers. Heavy imports sit inside the command."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.console import err, out, table, warn
from zoo.errors import AsdzooError, typed

if TYPE_CHECKING:
    from fusion.paper_tables import PaperTable
    from fusion.papers import Beside, Comparison

app = typer.Typer()


@app.command()
def reproduce(
    name: Annotated[str, typer.Argument(metavar="TABLE", help="t24-table1, lora-table2, han-table1 or w23-table6.")],
    data: Annotated[
        Path | None, typer.Option("--data", help="Its recordings. Default: where `asdzoo data fetch` puts them.")
    ] = None,
    run: Annotated[Path | None, typer.Option("--run", help="Folder of the run. Default: runs/TABLE.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what is needed and what it costs, and train nothing.")
    ] = False,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    seed: Annotated[int, typer.Option("--seed")] = 0,
) -> None:
    """Train what a table of a paper needs, fuse its ensembles, and print our numbers beside the paper's."""
    from fusion.cli import fuse
    from fusion.paper_tables import find_table, missing_recordings
    from fusion.papers import beside_papers
    from zoo.api import DEFAULT_DATA
    from zoo.cli.train import train_all
    from zoo.data.datasets import find_dataset
    from zoo.running.folder import Run
    from zoo.scores import family_of

    wanted = find_table(name)
    data = data or DEFAULT_DATA / find_dataset(wanted.year).folder
    run = run or Path("runs") / name
    opened = Run(run)
    scored = opened.score_names() if opened.exists else []
    missing = [system for system in wanted.systems if system not in scored]
    obstacle = missing_recordings(wanted, data) if missing and not dry_run else ""
    if dry_run or obstacle:
        _say_plan(name, wanted, missing, data, run)
    if obstacle:
        raise AsdzooError(
            f"nothing was trained: {obstacle}", "the commands above fetch what is missing; --data names another folder"
        )
    if dry_run:
        return
    if missing:
        settings = [f"seeds={wanted.seeds}"] if wanted.seeds > 1 else None
        train_all(
            data=data,
            run_folder=run,
            systems=",".join(missing),
            settings=settings,
            year=wanted.year,
            device=device,
            seed=seed,
        )
    for ensemble in wanted.ensembles:
        if ensemble not in scored or missing:
            fuse(run=run, ensemble=ensemble)
    with opened.lock():
        members = [name for name in opened.info().systems if family_of(name) in wanted.systems]
        found = beside_papers(opened, {one: opened.scores(one) for one in [*members, *wanted.ensembles]})
    _say_table(wanted, found)


def _say_plan(name: str, wanted: "PaperTable", missing: Sequence[str], data: Path, run: Path) -> None:
    from fusion.paper_tables import CLIPS, estimate, to_fetch

    with err.status("counting") as status:
        found = estimate(wanted, lambda system: status.update(f"counting what {system} costs"))
    rows: list[list[object]] = [
        [
            cost.system,
            "scored" if cost.system not in missing else "shared" if cost.trainer else "to train",
            *([None] * 3 if cost.trainer else [cost.networks, cost.clips, cost.seen]),
            cost.trainable,
            *([None] * 2 if cost.trainer else [round(cost.training), round(cost.embedding)]),
        ]
        for cost in found.costs
    ]
    due = [cost for cost in found.costs if cost.system in missing]
    columns = ["system", "is", "networks", "train clips", "clips to see", "trainable each", "TFLOP to train", "TFLOP to score"]
    out.print(table(f"{wanted.title}: its systems, by the published counts of {wanted.said}", columns, rows))
    for trainer in dict.fromkeys(cost.trainer for cost in due if cost.trainer):
        out.print(f"shared: the networks are those of {trainer}, what is done with embeddings differs")
    total = sum(cost.training + cost.embedding for cost in due)
    # a GPU of today does about 1e13 of these a second in training, a core 3e10
    out.print(f"left to do: {total:,.0f} TFLOP at most, {total / 10 / 3600:,.1f} hours where 10 TFLOP are done a second")
    if wanted.seeds > 1:
        out.print(f"each with {wanted.seeds} seeds, whose mean the paper prints")
    if found.assumed:
        warn(f"how many clips {', '.join(found.assumed)} have for training is not written down: {CLIPS} a section are taken")
    if wanted.ensembles:
        out.print(f"then fused: {', '.join(wanted.ensembles)}")
    out.print("what it needs that may not be here:")
    for command in to_fetch(wanted):
        out.print(f"    {command}")
    out.print(f"then: asdzoo reproduce {typed(name)} --data {typed(data)} --run {typed(run)}")


def _say_table(wanted: "PaperTable", found: "Comparison") -> None:
    from fusion import display as tables
    from fusion.papers import ALL

    for note in found.notes:
        warn(note)
    if not found.rows:
        raise AsdzooError("none of our numbers can be held against the paper's", "the lines above say why")
    order = [*wanted.systems, *wanted.ensembles]
    if absent := [row for row in order if row not in {one.system for one in found.rows}]:
        warn(f"without a number to compare: {', '.join(absent)}")
    rows = sorted(found.rows, key=lambda one: order.index(one.system))
    out.print(tables.beside_papers([one for one in rows if one.machine == ALL]))
    for part in wanted.sets:
        machines = [one for one in rows if one.machine != ALL and one.record.set == part]
        if machines:
            out.print(_by_machine(f"Harmonic mean by machine, ours / published ({part})", machines))


def _by_machine(title: str, found: Sequence["Beside"]) -> object:
    columns = list(dict.fromkeys(one.machine for one in found))
    cells = {(one.system, one.machine): one for one in found}
    rows = []
    for system in dict.fromkeys(one.system for one in found):
        own = [cells.get((system, machine)) for machine in columns]
        marks = [
            None if one is None else f"{one.ours:.3f} / {one.theirs:.3f}{'*' if one.within is False else ''}" for one in own
        ]
        rows.append([system, *marks])
    return table(f"{title}; * outside of our 95 % interval", ["system", *columns], rows)
