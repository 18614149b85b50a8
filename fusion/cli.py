"""Commands of the room `fusion/`: list, evaluate, fuse. Heavy imports sit inside the commands: `asdzoo --help` is instant."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.console import err, out, table, warn
from zoo.errors import AsdzooError, unknown_name

if TYPE_CHECKING:
    from fusion.combine import Stack
    from fusion.ensemble import Ensemble
    from fusion.fit import Plan
    from fusion.metrics import Floats
    from fusion.objective import Objective, Parts
    from zoo.running.folder import Run

app = typer.Typer()

RunFolder = Annotated[Path, typer.Option("--run", help="Folder of the run.")]


@app.command("list")
def list_everything() -> None:
    """Show the systems, their ablations, the ensembles and the machine groups that exist."""
    from fusion.ensemble import read_ensemble, shipped_ensembles
    from zoo.config import ablation_paths, load_yaml, shipped_configs
    from zoo.data.groups import load_groups

    systems = {path.stem: load_yaml(path) for path in sorted((shipped_configs() / "systems").glob("*.yaml"))}
    ensembles = {name: read_ensemble(path) for name, path in shipped_ensembles().items()}
    described = [[name, config.get("description", "")] for name, config in systems.items()]
    out.print(table("Systems", ["name", "what it is"], described))
    ablations = [[name, load_yaml(path).get("description", "")] for name, path in ablation_paths().items()]
    out.print(table("Ablations, systems as well", ["name", "what it is"], ablations))
    members = [[name, ensemble.description, ", ".join(ensemble.systems)] for name, ensemble in ensembles.items()]
    out.print(table("Ensembles", ["name", "what it is", "members"], members))
    out.print(table("Groups", ["name", "machines"], [[name, ", ".join(machines)] for name, machines in load_groups().items()]))


@app.command()
def evaluate(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Systems and ensembles; all by default.")
    ] = None,
    run: RunFolder = Path("runs/default"),
) -> None:
    """Judge the scores of a run by the official metric of its year, and write evaluation.csv."""
    import pandas as pd

    from fusion import display as tables
    from fusion.evaluation import COLUMNS, evaluate, less_than_best
    from zoo.files import whole_file
    from zoo.running.folder import Run
    from zoo.running.marks import sentences

    opened = Run(run).require()
    known = _known_scores(opened)
    for name in names or []:
        if name not in known:
            raise unknown_name("system or ensemble", name, known)
    with opened.lock():
        scores = {name: opened.scores(name) for name in known}
        evaluations = [evaluate(scores[name], name) for name in known]
        frames = [evaluation.frame for evaluation in evaluations if len(evaluation.frame)]
        with whole_file(run / "evaluation.csv") as aside:
            (pd.concat(frames) if frames else pd.DataFrame(columns=COLUMNS)).to_csv(aside, index=False, lineterminator="\n")
    shown = [evaluation for evaluation in evaluations if not names or evaluation.system in names]
    for note in dict.fromkeys(note for evaluation in shown for note in evaluation.notes):
        warn(note)
    judged = [evaluation for evaluation in shown if evaluation.score is not None]
    if judged:
        compared = less_than_best({evaluation.system: scores[evaluation.system] for evaluation in judged})
        out.print(tables.by_machine(judged))
        out.print(tables.official_scores(judged, compared))
        out.print(f"written: {run / 'evaluation.csv'}")
    else:
        warn("no machine has the labelled test clips that an evaluation needs; nothing is scored")
    for sentence in sentences(opened.marks()):
        warn(sentence)


@app.command()
def fuse(
    run: RunFolder = Path("runs/default"),
    groups: Annotated[list[str] | None, typer.Option(help="Group with weights of its own; may be repeated.")] = None,
    ensemble: Annotated[str | None, typer.Option(help="Weights from this ensemble, by name or YAML path; no search.")] = None,
    skip_missing: Annotated[bool, typer.Option("--skip-missing", help="Go on without members that were not trained.")] = False,
    group: Annotated[list[str] | None, typer.Option(help="File a machine in a group: MyPump=periodic.")] = None,
    systems: Annotated[str | None, typer.Option(help="Only these systems: a,b.")] = None,
    method: Annotated[str, typer.Option(help="How weights are found: averaged, grid, greedy, equal.")] = "averaged",
    combiner: Annotated[str | None, typer.Option(help="weighted (the default), rank, min, max.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the result; the ensemble's, or fused.")] = None,
    resubstitution: Annotated[
        bool,
        typer.Option("--resubstitution", help="Score development machines with weights that saw their labels; marks the run."),
    ] = False,
    trials: Annotated[int, typer.Option(min=1, help="At most so many weight vectors are tried.")] = 1001,
    minimum_machines: Annotated[
        int, typer.Option(min=1, help="A group with fewer labelled machines takes the common weights.")
    ] = 2,
    explain: Annotated[bool, typer.Option("--explain", help="Show what each member brings to each machine.")] = False,
) -> None:
    """Join the scores of several systems into one, with given weights or with weights found on the labelled machines."""
    from fusion.combine import COMBINERS, combine, fused_table, stack
    from fusion.ensemble import ensemble_path, find_ensemble, write_ensemble
    from fusion.fit import Plan
    from fusion.members import changed_members, check_keys, check_members, usable, with_members
    from fusion.search import METHODS
    from zoo.data.groups import parse_assignments
    from zoo.files import require_plain_name
    from zoo.running.folder import Run
    from zoo.running.marks import Mark

    if method not in METHODS:
        raise unknown_name("method", method, METHODS)
    if combiner is not None and combiner not in COMBINERS:
        raise unknown_name("combiner", combiner, COMBINERS)
    if ensemble is not None and (groups or systems or combiner or resubstitution or method != "averaged"):
        raise AsdzooError(
            "--ensemble brings its own members, weights and combiner",
            "leave out --groups, --systems, --method, --combiner and --resubstitution, or leave out --ensemble",
        )
    filed = parse_assignments(group or [])
    opened = Run(run).require()
    with opened.lock():
        trained = _systems_of(opened)
        if ensemble is not None:
            found, chosen = find_ensemble(ensemble, run / "ensembles")
            chosen = chosen.model_copy(update={"groups": {**chosen.groups, **filed}})
            chosen, notes = check_members(chosen, trained, skip_missing)
            members: Sequence[str] = chosen.systems
        else:
            found, chosen, notes = "fused", None, []
            members = _chosen_systems(systems, trained)
        name = found if name is None else name
        require_plain_name("an ensemble", name, "give it a plain one with --name, like my_ensemble")
        if name in trained:
            raise AsdzooError(f"{name} is a system of this run", "give the ensemble another name with --name")
        tables = {member: opened.scores(member) for member in members}
        stacked = stack(tables, partial=skip_missing)
        if chosen is None:
            plan = Plan(method, combiner or "weighted", tuple(groups or []), filed, trials, minimum_machines, resubstitution)
            stacked, notes = usable(stacked)
            chosen, notes = _searched(stacked, plan, opened, notes)
        else:
            check_keys(chosen, stacked.machines)
            notes += changed_members(chosen, tables, found)
            notes += [f"{system} has no scores for {', '.join(machines)}" for system, machines in stacked.missing().items()]
        calibration = "test" if Mark.TEST_CALIBRATED in opened.marks() else "train"
        chosen = with_members(chosen, {system: tables[system] for system in stacked.systems}, calibration)
        fused = fused_table(stacked, combine(stacked, chosen.weights_of, chosen.combiner), name)
        marks = [Mark.RESUBSTITUTION] * resubstitution + [Mark.TEST_RANKED] * (chosen.combiner == "rank")
        if marks:
            opened.mark(*marks)
        write_ensemble(chosen, ensemble_path(run, name))
        fused.write(opened.score_path(name))
    _report(name, chosen, stacked, notes, explain)
    if chosen.combiner == "rank":
        warn("ranks take their scale from the test clips, which the rules of 2025 forbid: the run is marked test-ranked")
    if resubstitution:
        warn("development machines are scored with weights that saw their labels: the run is marked resubstitution")
    out.print(f"written: {ensemble_path(run, name)}, {opened.score_path(name)}")


def _known_scores(run: "Run") -> list[str]:
    known = [name for name in run.score_names() if not name.startswith(".")]  # a killed process leaves .partial- files
    if not known:
        raise AsdzooError(f"{run.folder} holds no scores", f"run `asdzoo train-all --run {run.folder}` first")
    return known


def _systems_of(run: "Run") -> list[str]:
    """Score tables that are not those of an ensemble."""
    from fusion.ensemble import ensemble_path

    return [name for name in _known_scores(run) if not ensemble_path(run.folder, name).exists()]


def _chosen_systems(text: str | None, trained: Sequence[str]) -> list[str]:
    chosen = (
        list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip())) if text is not None else list(trained)
    )
    for system in chosen:
        if system not in trained:
            raise unknown_name("system", system, trained)
    if not chosen:
        raise AsdzooError("there is no system to fuse", "name some with --systems a,b, or run `asdzoo train-all`")
    return chosen


def _searched(stacked: "Stack", plan: "Plan", run: "Run", notes: list[str]) -> tuple["Ensemble", list[str]]:
    """The ensemble that `plan` finds, with a progress bar, its trials in the run's Optuna study."""
    from rich.progress import track

    from fusion.fit import fit_ensemble
    from fusion.study import judged_in_study

    def bar(batches: Sequence[slice]) -> Iterable[slice]:
        return track(batches, "Trying weights", console=err, transient=True, disable=not err.is_terminal)

    def judge(objective: "Objective", weights: "Floats") -> "Parts":
        return judged_in_study(objective, weights, run.folder / "ensembles" / "study.log", bar)

    found, objective = fit_ensemble(stacked, plan, judge if plan.method == "averaged" else None)
    more = list(found.found.notes) if found.found else []
    return found, [*notes, *(objective.notes if objective else []), *more]


def _report(name: str, ensemble: "Ensemble", stacked: "Stack", notes: Sequence[str], explain: bool) -> None:
    from fusion import display as tables
    from fusion.explain import contributions
    from fusion.objective import Objective

    for note in dict.fromkeys(notes):
        warn(note)
    out.print(tables.weights(name, ensemble, stacked.systems))
    found = ensemble.found
    if found and found.cross_validated is not None:
        out.print(f"official score on {', '.join(found.labelled)}:")
        out.print(f"  {found.cross_validated:.4f} cross-validated, each machine with weights found without its labels")
        out.print(f"  {found.resubstitution:.4f} by resubstitution, with the weights above, which saw them")
    if not explain:
        return
    if ensemble.development:
        out.print(tables.held_out_weights(ensemble, stacked.systems))
    if ensemble.combiner in ("min", "max"):
        warn(f"the combiner {ensemble.combiner} is no sum, so what each member brings is not shown")
        return
    objective = Objective.of(stacked, ensemble.combiner)
    if objective.machines:
        out.print(tables.contributions(contributions(objective, ensemble.weights_of), stacked.systems))
    else:
        warn("no machine has labelled test clips, so what each member brings is not known")
