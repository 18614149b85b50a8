"""From the score tables of a run to an ensemble: weights by group, found on the labelled machines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from fusion.combine import CalibrateBy, Combiner, Stack
from fusion.crossfit import CrossFit, cross_fit
from fusion.ensemble import OTHERS, Ensemble, Found, Weights
from fusion.metrics import Floats
from fusion.normal_only import judged_by_normals
from fusion.objective import Objective, Parts
from fusion.search import METHODS, MINIMUM_GAIN, SETTINGS, Method, Problem
from fusion.simplex import STEP, lattice
from fusion.study import LABEL_BLIND, Studies
from zoo.data.groups import group_of, load_groups
from zoo.errors import listed, unknown_name
from zoo.scores import families_of

Way = Method | Literal["normal-only"]
WAYS: tuple[Way, ...] = (*METHODS, "normal-only")
LeaveOut = Literal["machine", "group"]
LEAVE_OUT: tuple[LeaveOut, ...] = get_args(LeaveOut)


_ON_NORMALS = (
    "members are chosen by normal training clips alone: no label says whether the choice is good, and what development "
    "machines say need not hold for others"
)


@dataclass(frozen=True)
class Plan:
    """What `asdzoo fuse` was asked for."""

    method: Way = "averaged"
    combiner: Combiner = "weighted"
    groups: tuple[str, ...] = ()  # groups that get a weight vector of their own
    filed: Mapping[str, str] | None = None  # machine -> group, beyond configs/groups.yaml
    minimum_machines: int = 2  # a named group with fewer labelled machines takes the common weights
    leave_out: LeaveOut = "machine"  # what a development machine's weights have not seen
    calibrate_by: CalibrateBy = "machine"  # training scores that set a member's scale: the machine's, or each domain's
    resubstitution: bool = False  # score development machines with the weights that their labels helped to find
    judged: bool = True  # False: equal weights are not held against labels, and nothing is said of that


def fit_ensemble(stacked: Stack, plan: Plan, studies: Studies | None = None) -> tuple[Ensemble, Objective | None]:
    """Find the ensemble that `plan` asks for; with the objective it was found on, None when no label was needed.

    `studies` searches the candidates of the method `averaged`, in memory by default. Seeds of one system are weighed as one
    and share its weight. Where no machine is labelled the weights are equal.
    Raises: AsdzooError for an unknown group.
    """
    known = [*load_groups(), *(group_of(machine, plan.filed) for machine in stacked.machines)]
    for group in plan.groups:
        if group not in known:
            raise unknown_name("group", group, list(dict.fromkeys(known)))
    families = families_of(stacked.systems)
    if plan.method == "normal-only":
        taken = {one.system: one.members for one in judged_by_normals(stacked) if one.taken}
        return _equal(taken, plan, [_ON_NORMALS]), None
    if plan.combiner in ("min", "max"):
        return _equal(families, plan, [f"{plan.combiner} of the calibrated scores has no weights to find"]), None
    if plan.method == "equal" and not plan.judged:
        return _equal(families, plan, []), None
    objective = Objective.of(stacked, plan.combiner, families)
    if not objective.machines:
        note = (
            "no machine has labelled test clips, so no weights can be found: equal weights "
            "(--method normal-only and --ensemble thuee_1 need no labels)"
        )
        return _equal(families, plan, [note]), None
    keys, notes = _keys(objective.machines, plan)
    seeds = [name for name, members in families.items() if len(members) > 1]
    if seeds:
        notes = [f"seeds of one system are weighed as one: {', '.join(seeds)}", *notes]
    blind = [machine for machine in stacked.machines if machine not in objective.machines]
    if blind:
        notes = [f"{', '.join(blind)}: no labels to find weights on, they get those of their group", *notes]
    studies = studies or Studies()
    problem = _problem(objective, keys, plan, studies)
    fit = cross_fit(problem, plan.method, _folds(objective.machines, plan))
    return _ensemble(objective, plan, fit, [*notes, *dict.fromkeys(studies.notes)], studies), objective


def _problem(objective: Objective, keys: Mapping[str, str], plan: Plan, studies: Studies) -> Problem:
    """Label-blind candidates are judged once for all vectors and folds; adaptive samplers search for each anew.

    Settings are always chosen on label-blind candidates: what an adaptive sampler proposed has seen every machine that
    the choice would leave out.
    """
    count, machines = len(objective.systems), objective.machines
    if plan.method != "averaged" or min(count, len(machines)) == 1:
        candidates = lattice(count, round(1 / STEP)) if plan.method == "grid" else np.full((1, count), 1 / count)
        return Problem(objective, objective.judge(candidates), keys)
    grouped = len(set(keys.values())) > 1
    settings = studies.settings(SETTINGS, grouped)
    blind = studies if studies.sampler in LABEL_BLIND else replace(studies, sampler=LABEL_BLIND[0])
    parts = blind.candidates(objective, machines, np.ones(len(machines)))
    if studies.sampler in LABEL_BLIND:
        return Problem(objective, parts, keys, settings)

    def propose(machines: Sequence[str], importance: Floats, key: str) -> Parts:
        return studies.candidates(objective, machines, importance, key if grouped else "")

    return Problem(objective, parts, keys, settings, propose)


def _folds(machines: Sequence[str], plan: Plan) -> dict[str, list[str]]:
    """For each labelled machine those that are held out with it."""
    if plan.leave_out == "machine":
        return {machine: [machine] for machine in machines}
    filed = {machine: group_of(machine, plan.filed) for machine in machines}
    return {machine: [other for other in machines if filed[other] == filed[machine]] for machine in machines}


def _keys(machines: Sequence[str], plan: Plan) -> tuple[dict[str, str], list[str]]:
    """Which weight vector each labelled machine takes part in, and why a named group gets none."""
    filed = {machine: group_of(machine, plan.filed) for machine in machines}
    notes, own = [], set()
    for group in plan.groups:
        members = [machine for machine in machines if filed[machine] == group]
        if len(members) >= plan.minimum_machines and members:
            own.add(group)
        else:
            labelled = f"{len(members)} labelled machine{'s' if len(members) != 1 else ''}"
            notes.append(f"{group} has {labelled}, too few for weights of its own: it takes the common ones")
    return {machine: group if group in own else OTHERS for machine, group in filed.items()}, notes


def _equal(families: Mapping[str, Sequence[str]], plan: Plan, notes: list[str]) -> Ensemble:
    weights = {member: 1 / len(families) / len(members) for members in families.values() for member in members}
    chosen = plan.method == "normal-only"
    return Ensemble(
        description="Equal weights of the members that normal clips speak for" if chosen else "Equal weights",
        combiner=plan.combiner,
        calibrate_by=plan.calibrate_by,
        groups=dict(plan.filed or {}),
        weights={OTHERS: weights},
        found=Found(method=plan.method if chosen else "equal", notes=notes),
    )


def _ensemble(objective: Objective, plan: Plan, fit: CrossFit, notes: list[str], studies: Studies) -> Ensemble:
    vectors = fit.solution.vectors
    searched = plan.method == "averaged" and min(len(objective.machines), len(objective.systems)) > 1
    trust = fit.solution.settings.get("trust", 1.0)
    if plan.method == "averaged" and len(objective.systems) > 1:
        notes = [*notes, *_few_labels(len(objective.machines), trust)]
    if searched and not fit.solution.settings:
        notes = [*notes, "equal weights did best on machines left out"]
    if fit.cross_validated is not None and fit.equal - fit.cross_validated > MINIMUM_GAIN:
        notes = [*notes, "on machines left out, equal weights do better than those found (`asdzoo fuse --method equal`)"]
    for key, vector in vectors.items():
        dropped = [system for system, weight in zip(objective.systems, vector, strict=True) if weight == 0]
        if dropped:
            where = f" for {key}" if len(vectors) > 1 else ""
            notes = [*notes, f"{listed(dropped, 8)} got no weight{where}"]
    return Ensemble(
        description=f"Weights found by asdzoo fuse, method {plan.method}",
        combiner=plan.combiner,
        calibrate_by=plan.calibrate_by,
        groups=dict(plan.filed or {}),
        weights={key: _named(objective, vector) for key, vector in vectors.items()},
        development={}
        if plan.resubstitution
        else {machine: _named(objective, vector) for machine, vector in fit.held_out.items()},
        found=Found(
            method=plan.method,
            sampler=studies.sampler if searched else None,
            trials=studies.trials if searched else None,
            seed=studies.seed if searched else None,
            left_out=plan.leave_out,
            labelled=list(objective.machines),
            shrinkage=dict(fit.solution.settings),
            cross_validated=fit.cross_validated,
            resubstitution=fit.resubstitution,
            equal=fit.equal,
            notes=notes,
        ),
    )


def _few_labels(machines: int, trust: float) -> list[str]:
    if machines == 1:
        return ["one labelled machine is too few to find weights on: equal weights"]
    if trust < 1:
        return [f"{machines} labelled machines are few: the weights found count {trust:.0%}, equal ones the rest"]
    return []


def _named(objective: Objective, vector: Floats) -> Weights:
    """By system; the seeds of one share its weight."""
    weights: Weights = {}
    for name, weight in zip(objective.systems, vector, strict=True):
        members = objective.families.get(name, (name,))
        weights |= dict.fromkeys(members, float(weight) / len(members))
    return weights
