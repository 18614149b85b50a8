"""Finding fusion weights on labelled machines without fooling oneself.

A method turns the labelled machines into one weight vector for each named group and one for the others:

averaged  the mean of all candidates, each counted by exp(evidence / temperature). The evidence is the official score on the
          labelled machines times their number; machines outside the group count with a factor `outside`. A high temperature
          shrinks towards equal weights, `outside` = 1 towards the common weights. The usual setting is kept unless another one
          does better by `MINIMUM_GAIN` in leave-one-machine-out cross-validation. Averaging over all good candidates instead
          of taking the best one is what keeps the luck of one machine out. Systems that do harm get weight 0
grid      the report's: the best of all vectors with step 0.05, by exhaustion
greedy    from the best single system, mix in one system at a time at the best share of the grid while that helps
equal     equal weights

`tests/bench/bench_fusion.py` compares them on machines they have not seen.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Literal, get_args

import numpy as np

from fusion.ensemble import OTHERS
from fusion.metrics import Floats
from fusion.objective import Objective, Parts
from fusion.simplex import STEP, rounded

Method = Literal["averaged", "grid", "greedy", "equal"]
METHODS: tuple[Method, ...] = get_args(Method)

TEMPERATURES = (np.inf, 0.12, 0.06, 0.03, 0.015, 0.007)  # in units of the official score; infinite is equal weights
OUTSIDE = (0.0, 0.1, 0.25, 0.5, 1.0)
USUAL = (0.06, 0.0)  # temperature, outside
MINIMUM_GAIN = 0.003  # times log(number of settings): the more are tried, the more of them look good by luck
NEGLIGIBLE = 0.01  # a smaller weight is none
HARM = 0.005  # a member goes when the official score rises by so much without it


@dataclass(frozen=True)
class Problem:
    """Candidates judged on the labelled machines that may be used, and which machines share a vector."""

    objective: Objective
    parts: Parts  # of the candidates, on these machines
    group: Mapping[str, str]  # machine -> key of its vector: a named group, or OTHERS

    @property
    def machines(self) -> tuple[str, ...]:
        return self.parts.machines

    @property
    def keys(self) -> list[str]:
        """Vectors to find: the groups that have a machine here, and the one for the others."""
        return [*sorted({self.group[machine] for machine in self.machines} - {OTHERS}), OTHERS]

    def without(self, machine: str) -> "Problem":
        """As if the machine had no labels."""
        return Problem(self.objective, self.parts.on([other for other in self.machines if other != machine]), self.group)

    def importance(self, key: str, outside: float) -> Floats:
        """How much each machine counts for a vector; a group with no machine here takes the common weights."""
        own = np.array([self.group[machine] == key for machine in self.machines])
        return np.where(own, 1.0, outside if own.any() else 1.0)


@dataclass(frozen=True)
class Solution:
    """Weight vectors by key, (systems,) each, and how they came about."""

    vectors: Mapping[str, Floats]
    settings: Mapping[str, float] = field(default_factory=dict)

    def of(self, key: str) -> Floats:
        return self.vectors.get(key, self.vectors[OTHERS])


def solve(problem: Problem, method: Method) -> Solution:
    """Weights by `method` from the labels of the problem's machines; equal weights where it has none."""
    return _SOLVERS[method](problem) if problem.machines else _equal(problem)


def _equal(problem: Problem) -> Solution:
    count = len(problem.objective.systems)
    return Solution({OTHERS: np.full(count, 1 / count)})


def _grid(problem: Problem) -> Solution:
    def best(key: str) -> Floats:
        return np.asarray(problem.parts.weights[np.argmax(problem.parts.score(problem.importance(key, 0.0)))])

    return Solution({key: best(key) for key in problem.keys})


def _greedy(problem: Problem) -> Solution:
    return Solution({key: rounded(_greedy_vector(problem, problem.importance(key, 0.0))) for key in problem.keys})


def _greedy_vector(problem: Problem, importance: Floats) -> Floats:
    singles = np.eye(len(problem.objective.systems))
    shares = np.arange(STEP, 1, STEP)[:, None, None]
    tried = singles
    chosen, score = singles[0], -np.inf
    while True:
        scores = problem.objective.judge(tried, problem.machines).score(importance)
        best = int(np.argmax(scores))
        if scores[best] <= score + 1e-12:
            return np.asarray(chosen)
        chosen, score = tried[best], float(scores[best])
        tried = ((1 - shares) * chosen + shares * singles).reshape(-1, len(singles))


def _averaged(problem: Problem) -> Solution:
    temperature, factor = chosen_setting(problem)
    if np.isinf(temperature):
        return _equal(problem)
    vectors = {}
    for key in problem.keys:
        importance = problem.importance(key, factor)
        vectors[key] = rounded(
            _without_harmful(problem, mean_of_candidates(problem.parts, importance, temperature), importance)
        )
    return Solution(vectors, {"temperature": temperature, "outside": factor})


def chosen_setting(problem: Problem) -> tuple[float, float]:
    """The usual setting, or the one that gains enough over it on machines left out."""
    if len(problem.machines) < 2:
        return USUAL
    settings = list(product(TEMPERATURES, OUTSIDE if len(problem.keys) > 1 else OUTSIDE[:1]))
    scores = _cross_validated(problem, settings)
    best = int(np.argmax(scores))
    gain = scores[best] - scores[settings.index(USUAL)]
    return settings[best] if gain > MINIMUM_GAIN * np.log(len(settings)) else USUAL


def _without_harmful(problem: Problem, vector: Floats, importance: Floats) -> Floats:
    """`vector` without negligible weights, and without the systems whose removal raises the official score, worst first."""
    vector = np.where(vector < NEGLIGIBLE, 0, vector)
    vector = vector / vector.sum()
    while True:
        members = np.flatnonzero(vector)
        if len(members) < 2:
            return vector
        tried = np.repeat(vector[None], len(members) + 1, axis=0)
        tried[np.arange(len(members)), members] = 0
        tried /= tried.sum(axis=1, keepdims=True)
        scores = problem.objective.judge(tried, problem.machines).score(importance)
        if scores[:-1].max() < scores[-1] + HARM:
            return vector
        vector = tried[int(np.argmax(scores[:-1]))]


def mean_of_candidates(parts: Parts, importance: Floats, temperature: float) -> Floats:
    """Mean of the candidates by exp(evidence / temperature)."""
    if np.isinf(temperature):
        return np.full(parts.weights.shape[1], 1 / parts.weights.shape[1])
    evidence = importance.sum() * parts.score(importance) / temperature
    belief = np.exp(evidence - evidence.max())
    return np.asarray(belief @ parts.weights / belief.sum())


def _cross_validated(problem: Problem, settings: Sequence[tuple[float, float]]) -> Floats:
    """Official score of each setting, each machine with weights found without it."""
    held_out = []
    for machine in problem.machines:
        fold, key = problem.without(machine), problem.group[machine]
        vectors = [
            mean_of_candidates(fold.parts, fold.importance(key, factor), temperature) for temperature, factor in settings
        ]
        held_out.append(problem.objective.judge(np.stack(vectors), [machine]))
    sums = np.concatenate([parts.sums for parts in held_out], axis=1)
    counts = np.concatenate([parts.counts for parts in held_out])
    return Parts(problem.machines, np.empty(0), sums, counts, problem.parts.harmonic).score()


_SOLVERS: Mapping[Method, Callable[[Problem], Solution]] = {
    "averaged": _averaged,
    "grid": _grid,
    "greedy": _greedy,
    "equal": _equal,
}
