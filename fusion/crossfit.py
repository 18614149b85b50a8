"""Honest numbers for machines whose labels were used: each gets weights found without it.

The evaluation machines of a challenge are new to whoever found the weights. A development machine stands for one only when its
own labels had no part in its weights, so its fused scores, and the score reported for the ensemble, are cross-fitted:
leave one machine out, find everything again, apply it to that machine. Where evaluation machines are of groups that no
development machine is of, the stricter question is what weights do that saw no machine of the group: leave one group out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fusion.metrics import Floats
from fusion.objective import Parts
from fusion.search import Method, Problem, Solution, solve


@dataclass(frozen=True)
class CrossFit:
    """Weights from all labelled machines, and for each of them those found without it."""

    solution: Solution
    held_out: Mapping[str, Floats]  # machine -> (systems,)
    cross_validated: (
        float | None
    )  # official score of the labelled machines, each with its held-out weights; None where none can be held out
    resubstitution: float  # the same with the weights that its own labels helped to find
    equal: float  # the same with equal weights, which no label helped to find


def cross_fit(problem: Problem, method: Method, left_out: Mapping[str, Sequence[str]] | None = None) -> CrossFit:
    """Solve on all machines and on all but each one. The problem must have at least one machine.

    `left_out` names for each machine those that are held out together with it (leave one group out), itself by default.
    """
    solution = solve(problem, method)
    folds = {machine: tuple(left_out[machine]) if left_out else (machine,) for machine in problem.machines}
    solved = {fold: solve(problem.without(*fold), method) for fold in dict.fromkeys(folds.values())}
    held_out = {machine: solved[fold].of(problem.group[machine]) for machine, fold in folds.items()}
    final = {machine: solution.of(problem.group[machine]) for machine in problem.machines}
    possible = len(problem.objective.systems) > 1 and all(len(fold) < len(problem.machines) for fold in folds.values())
    cross_validated = official_of(problem, held_out) if possible else None
    count = len(problem.objective.systems)
    equal = official_of(problem, dict.fromkeys(problem.machines, np.full(count, 1 / count)))
    return CrossFit(solution, held_out, cross_validated, official_of(problem, final), equal)


def official_of(problem: Problem, vectors: Mapping[str, Floats]) -> float:
    """Official score of the problem's machines, each with a weight vector of its own."""
    parts = [problem.objective.judge(vectors[machine][None], [machine]) for machine in problem.machines]
    sums = np.concatenate([part.sums for part in parts], axis=1)
    counts = np.concatenate([part.counts for part in parts])
    return float(Parts(problem.machines, np.empty(0), sums, counts, problem.parts.harmonic).score()[0])
