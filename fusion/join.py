"""From a run's score tables to an ensemble and its fused scores in the run, with given weights or with weights that are found.

`join` is all of `asdzoo fuse` but the printing: what to join is a `Plan` to search by or the name of an ensemble to apply.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fusion.combine import Stack, combine, fused_table, stack
from fusion.ensemble import Ensemble, ensemble_path, find_ensemble, write_ensemble
from fusion.fit import Plan, fit_ensemble
from fusion.provenance import changed_members, with_members
from fusion.run_scores import trained_systems
from fusion.study import Studies
from fusion.weighable import suspicions, weighable, without_untrained
from zoo.errors import AsdzooError, unknown_name
from zoo.files import require_plain_name
from zoo.running.folder import Run
from zoo.running.marks import Mark
from zoo.scores import families_of, family_of


@dataclass(frozen=True)
class Joined:
    """What was written to the run, and what a reader must know of it."""

    name: str
    ensemble: Ensemble
    stacked: Stack  # the members that were joined
    notes: list[str]
    marks: Sequence[str]  # that the run was given


def join(
    run: Run,
    way: Plan | str,
    *,
    systems: Sequence[str] | None = None,
    filed: Mapping[str, str] | None = None,
    name: str | None = None,
    skip_missing: bool = False,
    studies: Studies | None = None,
    seed: int | None = None,
) -> Joined:
    """Fuse the scores of a run and write ensembles/NAME.yaml and scores/NAME.csv; the caller holds the run's lock.

    `way` is a plan to search by, or an ensemble by name or path, whose weights are taken as they are.

    systems       members of a search, all trained ones by default
    filed         machine -> group, beyond those of a given ensemble
    skip_missing  members that were not trained, or not on each machine, are left out
    studies       where candidates are searched (see `fit_ensemble`)
    seed          of systems with several seeds only this one's table takes part; those with fewer begin anew

    Raises: AsdzooError for unknown names, a name that is taken, members without scores, and tables that do not fit.
    """
    every, notes = trained_systems(run), list[str]()
    trained = every if seed is None else [members[seed % len(members)] for members in families_of(every).values()]
    if isinstance(way, Plan):
        found, given = "fused", None
        members: Sequence[str] = _chosen(systems, trained)
        if systems is None:
            members, notes = without_untrained(run, members)
    else:
        found, given = find_ensemble(way, run.folder / "ensembles")
        if filed:
            given = given.model_copy(update={"groups": {**given.groups, **filed}, "published": []})
        given, notes = (given if seed is None else given.of_families()).of_trained(trained, skip_missing)
        members = given.systems
    name = _free_name(found if name is None else name, every)
    tables = {member: run.scores(member) for member in members}
    calibrate_by = way.calibrate_by if isinstance(way, Plan) else given.calibrate_by if given else "machine"
    stacked = stack(tables, partial=skip_missing, calibrate_by=calibrate_by)
    if isinstance(way, Plan):
        stacked, more = weighable(stacked)
        notes += more
        ensemble, objective = fit_ensemble(stacked, way, studies)
        notes += [*(objective.notes if objective else ()), *(ensemble.found.notes if ensemble.found else ())]
        notes += suspicions(stacked, objective, way.combiner)
    else:
        assert given is not None
        given.check_keys(stacked.machines)
        notes += changed_members(given, tables, found)
        notes += [f"{system} has no scores for {', '.join(machines)}" for system, machines in stacked.missing().items()]
        ensemble = given
    calibration = "test" if Mark.TEST_CALIBRATED in run.marks() else "train"
    ensemble = with_members(ensemble, {system: tables[system] for system in stacked.systems}, calibration)
    fused = fused_table(stacked, combine(stacked, ensemble.weights_of, ensemble.combiner), name)
    marks = [Mark.RESUBSTITUTION] * (isinstance(way, Plan) and way.resubstitution) + [Mark.TEST_RANKED] * (
        ensemble.combiner == "rank"
    )
    marks += [Mark.PER_MACHINE] * bool(set(ensemble.weights) & set(stacked.machines))
    if marks:
        run.mark(*marks)
    with run.writing(name, fused):
        write_ensemble(ensemble, ensemble_path(run.folder, name))
    return Joined(name, ensemble, stacked, list(dict.fromkeys(notes)), marks)


def seeds_of(run: Run, way: Plan | str, systems: Sequence[str] | None = None) -> int:
    """With how many seeds the members of an ensemble were trained, at most; `way` and `systems` as for `join`.

    Raises: AsdzooError where a seed is named by itself.
    """
    trained = trained_systems(run)
    if isinstance(way, Plan):
        members = _chosen(systems, trained)
    else:
        wanted = {family_of(member) for member in find_ensemble(way, run.folder / "ensembles")[1].systems}
        members = [name for name in trained if family_of(name) in wanted]
    single = [name for name in systems or () if name in trained and len(families_of(trained)[family_of(name)]) > 1]
    if single:
        raise AsdzooError(
            f"{single[0]} is one seed of {family_of(single[0])}", f"name {family_of(single[0])}, or leave out --each-seed"
        )
    return max((len(own) for own in families_of(members).values()), default=1)


def _chosen(systems: Sequence[str] | None, trained: Sequence[str]) -> list[str]:
    seeds = {name: own for name, own in families_of(trained).items() if name not in trained}
    chosen = list(dict.fromkeys(one for name in (trained if systems is None else systems) for one in seeds.get(name, (name,))))
    for system in chosen:
        if system not in trained:
            raise unknown_name("system", system, trained)
    if not chosen:
        raise AsdzooError("there is no system to fuse", "name some with --systems a,b, or run `asdzoo train-all`")
    return chosen


def _free_name(name: str, trained: Sequence[str]) -> str:
    require_plain_name("an ensemble", name, "give it a plain one with --name, like my_ensemble")
    if name in trained:
        raise AsdzooError(f"{name} is a system of this run", "give the ensemble another name with --name")
    return name
