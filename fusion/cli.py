"""Commands of the room `fusion/`: list, evaluate, fuse. Heavy imports sit inside the commands: `asdzoo --help` is instant."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.console import out, table, warn
from zoo.errors import AsdzooError, unknown_name
from zoo.runs import Run

if TYPE_CHECKING:
    from fusion.ensemble import Ensemble
    from fusion.evaluation import Evaluation

app = typer.Typer()

RunFolder = Annotated[Path, typer.Option("--run", help="Folder of the run.")]


@app.command("list")
def list_everything() -> None:
    """Show the systems, the ensembles and the machine groups that exist."""
    from fusion.ensemble import read_ensemble, shipped_ensembles
    from zoo.config import load_yaml, shipped_configs
    from zoo.groups import load_groups

    systems = sorted((shipped_configs() / "systems").glob("*.yaml"))
    out.print(
        table("Systems", ["name", "what it is"], [[path.stem, load_yaml(path).get("description", "")] for path in systems])
    )
    ensembles = {name: read_ensemble(path) for name, path in shipped_ensembles().items()}
    out.print(
        table(
            "Ensembles",
            ["name", "what it is", "members"],
            [[name, ensemble.description, ", ".join(ensemble.systems)] for name, ensemble in ensembles.items()],
        )
    )
    out.print(table("Groups", ["name", "machines"], [[name, ", ".join(members)] for name, members in load_groups().items()]))


@app.command()
def evaluate(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Systems and ensembles; all by default.")
    ] = None,
    run: RunFolder = Path("runs/default"),
) -> None:
    """Judge the scores of a run by the official metric of its year, and write evaluation.csv."""
    import pandas as pd

    from fusion.evaluation import COLUMNS, evaluate
    from zoo.files import whole_file

    opened = Run(run).require()
    known = opened.score_names()
    for name in names or []:
        if name not in known:
            raise unknown_name("system or ensemble", name, known)
    if not known:
        raise AsdzooError(f"{run} holds no scores", f"run `asdzoo train-all --run {run}` first")
    with opened.lock():
        evaluations = [evaluate(opened.scores(name), name) for name in known]
        frames = [evaluation.frame for evaluation in evaluations if len(evaluation.frame)]
        with whole_file(run / "evaluation.csv") as aside:
            (pd.concat(frames) if frames else pd.DataFrame(columns=COLUMNS)).to_csv(aside, index=False, lineterminator="\n")
    shown = [evaluation for evaluation in evaluations if not names or evaluation.system in names]
    _print_evaluations(shown)
    if any(evaluation.score is not None for evaluation in shown):
        out.print(f"written: {run / 'evaluation.csv'}")
    marks = opened.marks()
    if marks:
        warn(f"this run is marked {', '.join(marks)}")


def _print_evaluations(evaluations: list["Evaluation"]) -> None:
    for note in dict.fromkeys(note for evaluation in evaluations for note in evaluation.notes):
        warn(note)
    judged = [evaluation for evaluation in evaluations if evaluation.score is not None]
    if not judged:
        warn("no machine has the labelled test clips that an evaluation needs; nothing is scored")
        return
    rows = []
    for evaluation in judged:
        for system, machine, section, *values in evaluation.frame.to_numpy().tolist():
            where = machine if section in ("", "00") else f"{machine} {section}"
            rows.append([system, where, *(None if math.isnan(value) else value for value in values)])
    out.print(table("By machine", ["system", "machine", "AUC source", "AUC target", "pAUC", "hmean"], rows))
    judged.sort(key=lambda evaluation: -(evaluation.score or 0))
    official = [
        [
            evaluation.system,
            evaluation.score,
            f"{evaluation.interval.low:.4f} - {evaluation.interval.high:.4f}" if evaluation.interval else None,
        ]
        for evaluation in judged
    ]
    out.print(table("Official score", ["system", "score", "95 % interval"], official))


@app.command()
def fuse(
    run: RunFolder = Path("runs/default"),
    ensemble: Annotated[str | None, typer.Option(help="Weights from this ensemble, by name or YAML path; no search.")] = None,
    skip_missing: Annotated[bool, typer.Option("--skip-missing", help="Go on without members that were not trained.")] = False,
    group: Annotated[list[str] | None, typer.Option(help="File a machine in a group: MyPump=periodic.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the result; the ensemble's, or fused.")] = None,
) -> None:
    """Join the scores of several systems into one, with given weights or with weights found on the labelled machines."""
    from fusion.combine import combine, fused_table, stack
    from fusion.ensemble import find_ensemble, write_ensemble
    from zoo.groups import parse_assignments

    opened = Run(run).require()
    extra = parse_assignments(group or [])
    systems = [known for known in opened.score_names() if not (run / "ensembles" / f"{known}.yaml").exists()]
    if not systems:
        raise AsdzooError(f"{run} holds no scores", f"run `asdzoo train-all --run {run}` first")
    with opened.lock():
        if ensemble is None:
            found, chosen = "fused", _equal(systems)
        else:
            found, chosen = find_ensemble(ensemble, run / "ensembles")
            chosen = _without_missing(chosen, systems, skip_missing)
        chosen = chosen.model_copy(update={"groups": {**chosen.groups, **extra}})
        name = name or found
        if name in systems:
            raise AsdzooError(f"{name} is a system of this run", "give the ensemble another name with --name")
        stacked = stack({system: opened.scores(system) for system in chosen.systems}, partial=skip_missing)
        fused = fused_table(stacked, combine(stacked, chosen.weights_of, chosen.combiner), name)
        write_ensemble(chosen, run / "ensembles" / f"{name}.yaml")
        fused.write(opened.score_path(name))
    out.print(
        table(
            f"Weights of {name}",
            ["group", *chosen.systems],
            [[key, *(weights.get(system, 0.0) for system in chosen.systems)] for key, weights in chosen.weights.items()],
        )
    )
    out.print(f"written: {run / 'ensembles' / f'{name}.yaml'}, {opened.score_path(name)}")


def _equal(systems: list[str]) -> "Ensemble":
    from fusion.ensemble import OTHERS, Ensemble

    share = 1 / len(systems)
    return Ensemble(description="equal weights", weights={OTHERS: dict.fromkeys(systems, share)})


def _without_missing(ensemble: "Ensemble", systems: list[str], skip: bool) -> "Ensemble":
    """The ensemble with only the trained members, their weights scaled up to a sum of 1."""
    missing = [member for member in ensemble.systems if member not in systems]
    if missing and not skip:
        raise AsdzooError(
            f"the member(s) {', '.join(missing)} have no scores in this run",
            f"`asdzoo train-all --systems {','.join(missing)}` trains them, --skip-missing goes on without",
        )
    if not missing:
        return ensemble
    warn(f"without {', '.join(missing)}: the other members' weights are scaled up")

    def scaled(key: str, weights: Mapping[str, float]) -> dict[str, float]:
        kept = {member: weight for member, weight in weights.items() if member in systems}
        total = sum(kept.values())
        if not total:
            raise AsdzooError(f"no trained member has a weight for {key}", f"train one of {', '.join(missing)}")
        return {member: weight / total for member, weight in kept.items()}

    return ensemble.model_copy(
        update={
            "weights": {key: scaled(key, weights) for key, weights in ensemble.weights.items()},
            "development": {key: scaled(key, weights) for key, weights in ensemble.development.items()},
        }
    )
