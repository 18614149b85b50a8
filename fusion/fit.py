"""From the score tables of a run to an ensemble: weights by group, found on the labelled machines."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fusion.combine import Combiner, Stack
from fusion.crossfit import CrossFit, cross_fit
from fusion.ensemble import OTHERS, Ensemble, Found, Weights
from fusion.metrics import Floats
from fusion.objective import Objective, Parts
from fusion.search import Method, Problem
from fusion.simplex import STEP, finest_lattice, lattice
from zoo.data.groups import group_of, load_groups
from zoo.errors import unknown_name

TRIALS = 1001  # step 0.1 for five systems

Judge = Callable[[Objective, Floats], Parts]  # weights (candidates, systems) -> what each machine adds to their scores


@dataclass(frozen=True)
class Plan:
    """What `asdzoo fuse` was asked for."""

    method: Method = "averaged"
    combiner: Combiner = "weighted"
    groups: tuple[str, ...] = ()  # groups that get a weight vector of their own
    filed: Mapping[str, str] | None = None  # machine -> group, beyond configs/groups.yaml
    trials: int = TRIALS
    minimum_machines: int = 2  # a named group with fewer labelled machines takes the common weights
    resubstitution: bool = False  # score development machines with the weights that their labels helped to find


def fit_ensemble(stacked: Stack, plan: Plan, judge: Judge | None = None) -> tuple[Ensemble, Objective | None]:
    """Find the ensemble that `plan` asks for; with the objective it was found on, None when no label was needed.

    `judge` evaluates the candidates, `objective.judge` by default. Where no machine is labelled the weights are equal.
    Raises: AsdzooError for an unknown group.
    """
    known = [*load_groups(), *(group_of(machine, plan.filed) for machine in stacked.machines)]
    for group in plan.groups:
        if group not in known:
            raise unknown_name("group", group, list(dict.fromkeys(known)))
    if plan.combiner in ("min", "max"):
        return _equal(stacked.systems, plan, [f"{plan.combiner} of the calibrated scores has no weights to find"]), None
    objective = Objective.of(stacked, plan.combiner)
    if not objective.machines:
        note = (
            "no machine has labelled test clips, so no weights can be found: equal weights (--ensemble thuee_1 needs no labels)"
        )
        return _equal(stacked.systems, plan, [note]), None
    keys, notes = _keys(objective.machines, plan)
    blind = [machine for machine in stacked.machines if machine not in objective.machines]
    if blind:
        notes = [f"{', '.join(blind)}: no labels to find weights on, they get those of their group", *notes]
    candidates = _candidates(objective, plan)
    parts = judge(objective, candidates) if judge else objective.judge(candidates)
    fit = cross_fit(Problem(objective, parts, keys), plan.method)
    return _ensemble(objective, plan, fit, len(candidates), notes), objective


def _candidates(objective: Objective, plan: Plan) -> Floats:
    count = len(objective.systems)
    if plan.method == "grid":
        return lattice(count, round(1 / STEP))
    return finest_lattice(count, plan.trials) if plan.method == "averaged" else np.full((1, count), 1 / count)


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


def _equal(systems: Sequence[str], plan: Plan, notes: list[str]) -> Ensemble:
    return Ensemble(
        description="Equal weights",
        combiner=plan.combiner,
        groups=dict(plan.filed or {}),
        weights={OTHERS: dict.fromkeys(systems, 1 / len(systems))},
        found=Found(method="equal", notes=notes),
    )


def _ensemble(objective: Objective, plan: Plan, fit: CrossFit, trials: int, notes: list[str]) -> Ensemble:
    vectors = fit.solution.vectors
    if plan.method == "averaged" and not fit.solution.settings:
        notes = [*notes, "equal weights did best on machines left out"]
    for key, vector in vectors.items():
        dropped = [system for system, weight in zip(objective.systems, vector, strict=True) if weight == 0]
        if dropped:
            where = f" for {key}" if len(vectors) > 1 else ""
            notes = [*notes, f"{', '.join(dropped)} got no weight{where}"]
    return Ensemble(
        description=f"Weights found by asdzoo fuse, method {plan.method}",
        combiner=plan.combiner,
        groups=dict(plan.filed or {}),
        weights={key: _named(objective, vector) for key, vector in vectors.items()},
        development={}
        if plan.resubstitution
        else {machine: _named(objective, vector) for machine, vector in fit.held_out.items()},
        found=Found(
            method=plan.method,
            trials=trials if plan.method in ("averaged", "grid") else None,
            labelled=list(objective.machines),
            shrinkage=dict(fit.solution.settings),
            cross_validated=fit.cross_validated,
            resubstitution=fit.resubstitution,
            notes=notes,
        ),
    )


def _named(objective: Objective, vector: Floats) -> Weights:
    return dict(zip(objective.systems, map(float, vector), strict=True))
