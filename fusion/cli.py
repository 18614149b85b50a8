"""Commands of the room `fusion/`: list, evaluate, fuse. Heavy imports sit inside the commands: `asdzoo --help` is instant."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from fusion import cli_reproduce
from zoo.console import err, out, print_json, table, warn
from zoo.errors import AsdzooError, typed, unknown_name

if TYPE_CHECKING:
    from rich.table import Table

    from fusion.join import Joined
    from zoo.running.folder import Run

N = TypeVar("N", bound=str)

app = typer.Typer()
app.registered_commands += cli_reproduce.app.registered_commands

RunFolder = Annotated[Path, typer.Option("--run", help="Folder of the run.")]


@app.command("list")
def list_everything() -> None:
    """Show the systems, their ablations, the ensembles, the machine groups, and the parts that a system may name."""
    from fusion.ensemble import read_ensemble, shipped_ensembles
    from zoo import registry
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
    parts = [entry for kind in registry.KINDS for entry in registry.entries(kind).values()]
    origins = [[entry.kind, entry.name, f"package {entry.package}" if entry.package else "asdzoo"] for entry in parts]
    out.print(table("Parts that a system may name", ["kind", "name", "from"], origins))
    for sentence in registry.problems():
        warn(sentence)


def evaluate_run(
    names: Sequence[str] | None, run: Path, csv: Path | None = None, as_json: bool = False, markdown: Path | None = None
) -> None:
    """Judge the scores of a run, write its evaluation.csv, and print; `submission.cli` has the command.

    `csv` gets the figures of the chosen systems in full precision, `markdown` one table of them, `as_json` prints them and no
    tables.
    """
    from fusion import display as tables
    from fusion import evaluation, export
    from fusion.papers import beside_papers
    from zoo.running.folder import Run
    from zoo.running.marks import sentences

    opened = Run(run).require()
    with opened.lock():
        found = evaluation.evaluate_run(opened, names)
        papers = beside_papers(opened, {one.system: opened.scores(one.system) for one in found.judged})
    for note in (*found.notes, *papers.notes):
        warn(note)
    for sentence in sentences(opened.marks(), opened.cut()):
        warn(sentence)
    if not found.judged:
        raise _unlabelled(opened)
    if csv is not None:
        export.write_csv(found.judged, found.families, csv)
    if markdown is not None:
        export.write_markdown(found.shown, found.families, markdown)
    if as_json:
        print_json(export.as_json(run, found, papers, opened.marks()))
        return
    out.print(tables.by_machine(found.shown, found.families))
    out.print(tables.official_scores(found.shown, found.compared, found.spread, opened.info().year or ""))
    if found.families:
        out.print(tables.families(found.families))
    if found.alone:
        out.print(f"each seed by itself: asdzoo evaluate {typed(min(found.alone))} --run {typed(run)}")
    if papers.rows:
        out.print(tables.beside_papers(papers.rows))
    out.print(f"written: {', '.join(str(path) for path in (run / 'evaluation.csv', csv, markdown) if path is not None)}")


def evaluate_pseudo_labels(run: Path, folder: Path) -> None:
    """Print how well the pseudo-labels of a run meet published attributes; `submission.cli` has the command."""
    from fusion.pseudo_labels import judge
    from zoo.running.folder import Run

    found, notes = judge(Run(run).require(), folder)
    for note in notes:
        warn(note)
    columns = ["system", "machine", "section", "domain", "clips", "classes", "clusters", "adjusted Rand index", "V-measure"]
    out.print(table("Pseudo-labels against published attributes of training clips", columns, found))


def _unlabelled(run: "Run") -> AsdzooError:
    """What to do where nothing can be evaluated."""
    from zoo.data.years import OWN

    info = run.info()
    if info.year != OWN:
        return AsdzooError(
            "no machine has the labelled test clips that an evaluation needs; nothing is scored",
            "labels are in the names of the recordings, or in a package's truth; `asdzoo fuse` needs none",
        )
    machine = next(iter(run.scores(run.score_names()[0]).frame["machine"]))
    data = info.data or "DATA"
    return AsdzooError(
        "no machine has test clips that are labelled, some normal and some anomalous; nothing is scored",
        f"write {data}/{machine}/labels.csv with the columns file_name,label (test/0001.wav,anomaly or normal), or move test "
        "clips into test/normal and test/anomaly; then "
        f"asdzoo score --data {typed(data)} --run {typed(run.folder)}, and this again",
    )


def explained_run(names: Sequence[str] | None, run: Path, machine: str) -> "list[Table]":
    """Which clips form each figure of `machine`, for the named systems or the one that does best on the run."""
    from fusion import display as tables
    from fusion import evaluation
    from fusion.explain_auc import explain_machine
    from zoo.running.folder import Run

    opened = Run(run).require()
    with opened.lock():
        judged = evaluation.evaluate_run(opened, names).judged
        chosen = judged if names else [max(judged, key=lambda one: one.score or 0.0)]
        scores = {one.system: opened.scores(one.system) for one in chosen}
    return [shown for name, scored in scores.items() for shown in tables.explanations(explain_machine(scored, name, machine))]


@app.command()
def fuse(
    run: RunFolder = Path("runs/default"),
    groups: Annotated[list[str] | None, typer.Option(help="Group with weights of its own; may be repeated.")] = None,
    ensemble: Annotated[str | None, typer.Option(help="Weights from this ensemble, by name or YAML path; no search.")] = None,
    skip_missing: Annotated[bool, typer.Option("--skip-missing", help="Go on without members that were not trained.")] = False,
    group: Annotated[list[str] | None, typer.Option(help="File a machine in a group: MyPump=periodic.")] = None,
    systems: Annotated[str | None, typer.Option(help="Only these systems: a,b.")] = None,
    method: Annotated[
        str, typer.Option(help="How weights are found: averaged, grid, greedy, equal, normal-only.")
    ] = "averaged",
    combiner: Annotated[str | None, typer.Option(help="weighted (the default), train-rank, rank, min, max.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the result; the ensemble's, or fused.")] = None,
    resubstitution: Annotated[
        bool,
        typer.Option("--resubstitution", help="Score development machines with weights that saw their labels; marks the run."),
    ] = False,
    sampler: Annotated[str, typer.Option(help="What proposes weights: qmc, tpe, cmaes (Optuna's).")] = "qmc",
    trials: Annotated[int, typer.Option(min=1, help="Weight vectors tried by each study.")] = 512,
    timeout: Annotated[
        float | None, typer.Option(min=0.0, help="Seconds for each study; what was tried by then counts.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the sampler.")] = 0,
    storage: Annotated[
        str | None,
        typer.Option(help="Optuna storage (URL or journal file) that hosts may share. Default: RUN/ensembles/study.log."),
    ] = None,
    calibrate_by: Annotated[
        str, typer.Option(help="Members on the scale of their machine's training scores, or of each domain's: machine, domain.")
    ] = "machine",
    leave_out: Annotated[
        str,
        typer.Option(help="Weights of development machines have not seen the labels of their machine, or group."),
    ] = "machine",
    minimum_machines: Annotated[
        int, typer.Option(min=1, help="A group with fewer labelled machines takes the common weights.")
    ] = 2,
    each_seed: Annotated[
        bool,
        typer.Option(
            "--each-seed", help="Beside it one of each seed's members alone, NAME.s0, NAME.s1, ...: what a seed changes."
        ),
    ] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Show what each member brings to each machine.")] = False,
) -> None:
    """Join the scores of several systems into one, with given weights or with weights found on the labelled machines."""
    from fusion.combine import CALIBRATE_BY, COMBINERS
    from fusion.fit import LEAVE_OUT, WAYS, Plan
    from fusion.join import join, seeds_of
    from fusion.study import SAMPLERS, Studies
    from zoo.data.groups import parse_assignments
    from zoo.running.folder import Run

    brought = groups or systems or combiner or resubstitution or method != "averaged" or calibrate_by != "machine"
    if ensemble is not None and brought:
        raise AsdzooError(
            "--ensemble brings its own members, weights, combiner and scale",
            "leave out --groups, --systems, --method, --combiner, --calibrate-by and --resubstitution, or --ensemble",
        )
    filed = parse_assignments(group or [])
    plan = Plan(
        _one_of("method", method, WAYS),
        _one_of("combiner", combiner or "weighted", COMBINERS),
        tuple(groups or []),
        filed,
        minimum_machines,
        _one_of("kind to leave out", leave_out, LEAVE_OUT),
        _one_of("scale", calibrate_by, CALIBRATE_BY),
        resubstitution,
    )
    proposing = _one_of("sampler", sampler, SAMPLERS)
    members = [part.strip() for part in systems.split(",") if part.strip()] if systems is not None else None
    opened = Run(run).require()

    def joined_as(name: str | None, of_seed: int | None) -> "Joined":
        return join(
            opened,
            ensemble or plan,
            systems=members,
            filed=filed,
            name=name,
            skip_missing=skip_missing,
            studies=Studies(proposing, trials, timeout, seed, run / "ensembles" / "study.log", storage, _bar),
            seed=of_seed,
        )

    with opened.lock():
        seeds = seeds_of(opened, ensemble or plan, members) if each_seed else 0
        if seeds == 1:
            raise AsdzooError(
                "no member was trained with several seeds", "asdzoo train-all --set seeds=5, or leave out --each-seed"
            )
        joined = joined_as(name, None)
        alone = [joined_as(f"{joined.name}.s{number}", number).name for number in range(seeds)]
    _report(joined, explain)
    if alone:
        out.print(
            f"of each seed's members alone: {', '.join(alone)}; "
            f"`asdzoo evaluate --run {typed(run)}` shows their mean and spread"
        )
    out.print(f"written: {run / 'ensembles' / f'{joined.name}.yaml'}, {opened.score_path(joined.name)}")


def _one_of(kind: str, name: str, known: Sequence[N]) -> N:
    for one in known:
        if one == name:
            return one
    raise unknown_name(kind, name, known)


def _bar(sizes: Iterable[int], total: int) -> Iterator[int]:
    """Batches of trials, on a terminal with a progress bar."""
    from rich.progress import Progress

    with Progress(console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("Trying weights", total=total)
        for size in sizes:
            yield size
            bar.advance(task, size)


def _report(joined: "Joined", explain: bool) -> None:
    from fusion import display as tables
    from fusion.explain import contributions
    from fusion.normal_only import judged_by_normals
    from fusion.objective import Objective
    from zoo.data.years import OWN
    from zoo.running.marks import sentences

    ensemble, systems = joined.ensemble, joined.stacked.systems
    for note in joined.notes:
        warn(note)
    if ensemble.found and ensemble.found.method == "normal-only":
        out.print(tables.normal_only(judged_by_normals(joined.stacked)))
    out.print(tables.weights(joined.name, ensemble, systems))
    found = ensemble.found
    if found and found.resubstitution is not None:
        metric = "mean of AUC and pAUC" if set(joined.stacked.clips["year"]) == {OWN} else "official score"
        out.print(f"{metric} on {', '.join(found.labelled)}:")
        if found.cross_validated is not None:
            without = "its labels" if found.left_out == "machine" else "the labels of its group"
            out.print(f"  {found.cross_validated:.4f} cross-validated, each machine with weights found without {without}")
        if found.equal is not None and found.method != "equal":
            out.print(f"  {found.equal:.4f} with equal weights")
        out.print(f"  {found.resubstitution:.4f} by resubstitution, with the weights above, which saw them")
    if explain and ensemble.development:
        out.print(tables.held_out_weights(ensemble, systems))
    if explain and ensemble.combiner in ("min", "max"):
        warn(f"the combiner {ensemble.combiner} is no sum, so what each member brings is not shown")
    elif explain:
        objective = Objective.of(joined.stacked, ensemble.combiner)
        if objective.machines:
            out.print(tables.contributions(contributions(objective, ensemble.weights_of), systems))
        else:
            warn("no machine has labelled test clips, so what each member brings is not known")
    for sentence in sentences(joined.marks):
        warn(sentence)
