"""Finding fusion weights on labelled machines without fooling oneself.

A method turns the labelled machines into one weight vector for each named group and one for the others:

averaged  the mean of all candidates, each counted by exp(evidence / temperature). The evidence is the official score on the
          labelled machines times their number; machines outside the group count with a factor `outside`. A high temperature
          shrinks towards equal weights, `outside` = 1 towards the common weights. Averaging over all good candidates instead
          of taking the best one is what keeps the luck of one machine out. Systems that do harm get weight 0: those whose
          removal raises the score by `harm`, by more where machines are few. The usual setting of the three is kept unless
          another one does better by `MINIMUM_GAIN` in leave-one-machine-out cross-validation. With fewer than `ENOUGH`
          labelled machines the vector is mixed with equal weights of the members that are left; one machine is no ground for
          any others
grid      the report's: the best of all vectors with step 0.05, by exhaustion
greedy    from the best single system, mix in one system at a time at the best share of the grid while that helps
equal     equal weights

`tests/bench/bench_fusion.py` compares them on machines they have not seen.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple, get_args

import numpy as np

from fusion.ensemble import OTHERS
from fusion.metrics import Floats
from fusion.objective import Objective, Parts
from fusion.simplex import STEP, rounded

Method = Literal["averaged", "grid", "greedy", "equal"]
METHODS: tuple[Method, ...] = get_args(Method)


class Setting(NamedTuple):
    """How boldly labels are believed."""

    temperature: float  # in units of the official score; infinite is equal weights
    outside: float  # how much a machine outside a group counts for the group's vector
    harm: float  # a member goes when the official score rises by so much without it


USUAL = Setting(0.06, 0.0, 0.005)
SETTINGS = 12  # tried in each fold
MINIMUM_GAIN = 0.003  # times log(number of settings): the more are tried, the more of them look good by luck
NEGLIGIBLE = 0.25  # of an equal weight; a smaller weight is none
ENOUGH = 5  # labelled machines from which the search is trusted wholly


Propose = Callable[[Sequence[str], Floats, str], Parts]  # machines, importance (machines,), key -> candidates


@dataclass(frozen=True)
class Problem:
    """Candidates judged on the labelled machines that may be used, and which machines share a vector.

    Settings are chosen on `parts` also where `propose` searches: what that brings has seen each machine it was given.
    """

    objective: Objective
    parts: Parts  # of candidates that know no label, on these machines
    group: Mapping[str, str]  # machine -> key of its vector: a named group, or OTHERS
    settings: Sequence[Setting] = (USUAL,)  # to choose from, the usual one first
    propose: Propose | None = None  # searches candidates for one vector; without it, `parts` serve all of them

    @property
    def machines(self) -> tuple[str, ...]:
        return self.parts.machines

    @property
    def keys(self) -> list[str]:
        """Vectors to find: the groups that have a machine here, and the one for the others."""
        return [*sorted({self.group[machine] for machine in self.machines} - {OTHERS}), OTHERS]

    def without(self, *machines: str) -> "Problem":
        """As if these machines had no labels."""
        return replace(self, parts=self.parts.on([other for other in self.machines if other not in machines]))

    def candidates(self, key: str) -> Parts:
        """Candidates for the vector of a key, judged on the machines."""
        return self.propose(self.machines, self.importance(key, USUAL.outside), key) if self.propose else self.parts

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
    trust = trust_in(len(problem.machines))
    if trust == 0:
        return _equal(problem)
    setting = chosen_setting(problem)
    if np.isinf(setting.temperature):
        return _equal(problem)
    vectors = {}
    for key in problem.keys:
        importance = problem.importance(key, setting.outside)
        path = _removals(problem, mean_of_candidates(problem.candidates(key), importance, setting.temperature), importance)
        found = _stopped(path, _needed(setting.harm, problem))
        kept = (found > 0) / np.count_nonzero(found)
        vectors[key] = rounded(trust * found + (1 - trust) * kept)
    return Solution(vectors, {**setting._asdict(), "trust": trust})


def trust_in(machines: int) -> float:
    """How much weights found on so many labelled machines count against equal ones."""
    return min(1.0, (machines - 1) / (ENOUGH - 1))


def _needed(harm: float, problem: Problem) -> float:
    """The rise that a removal must bring: the fewer the machines, the more of it is luck."""
    return harm * max(1.0, ENOUGH / len(problem.machines)) ** 2


def chosen_setting(problem: Problem) -> Setting:
    """The usual setting, or what gains enough over it on machines left out; temperature and outside first, then harm."""
    usual, settings = problem.settings[0], problem.settings
    if len(problem.machines) < ENOUGH or len(settings) < 2:  # what two or three machines say of a setting is luck
        return usual
    least = MINIMUM_GAIN * np.log(len(settings))
    scores = _cross_validated(problem, settings)
    best = int(np.argmax(scores))
    chosen = settings[best] if scores[best] - scores[0] > least else usual
    if np.isinf(chosen.temperature):
        return chosen
    harms = [usual.harm, *(setting.harm for setting in settings if setting.harm != usual.harm)]
    scores = _cross_validated_harms(problem, chosen, harms)
    best = int(np.argmax(scores))
    return chosen._replace(harm=harms[best] if scores[best] - scores[0] > least else usual.harm)


def _removals(problem: Problem, vector: Floats, importance: Floats, least: float = 0.0) -> list[tuple[Floats, float]]:
    """`vector` without negligible weights, then without one system after the other, as long as the official score rises.

    It is always the system without which the score is best. Each vector comes with the rise that the last removal brought;
    the list ends where a removal brings less than `least`.
    """
    vector = np.where(vector < NEGLIGIBLE / len(vector), 0, vector)
    path = [(vector / vector.sum(), np.inf)]
    while len(members := np.flatnonzero(path[-1][0])) > 1:
        tried = np.repeat(path[-1][0][None], len(members) + 1, axis=0)
        tried[np.arange(len(members)), members] = 0
        tried /= tried.sum(axis=1, keepdims=True)
        scores = problem.objective.judge(tried, problem.machines).score(importance)
        best = int(np.argmax(scores[:-1]))
        rise = float(scores[best] - scores[-1])
        if rise <= least:
            break
        path.append((tried[best], rise))
    return path


def _stopped(path: Sequence[tuple[Floats, float]], harm: float) -> Floats:
    """The last vector of a path of removals before one that brought less than `harm`."""
    last = path[0][0]
    for vector, rise in path:
        if rise < harm:
            break
        last = vector
    return last


def mean_of_candidates(parts: Parts, importance: Floats, temperature: float) -> Floats:
    """Mean of the candidates by exp(evidence / temperature), (systems,)."""
    if np.isinf(temperature):
        return np.full(parts.weights.shape[1], 1 / parts.weights.shape[1])
    evidence = importance.sum() * parts.score(importance) / temperature
    belief = np.exp(evidence - evidence.max())
    return np.asarray(belief @ parts.weights / belief.sum())


def _cross_validated(problem: Problem, settings: Sequence[Setting]) -> Floats:
    """Official score of each setting, each machine with weights found without it; nobody is removed."""

    def vectors(fold: Problem, key: str) -> list[Floats]:
        return [mean_of_candidates(fold.parts, fold.importance(key, one.outside), one.temperature) for one in settings]

    return _left_out(problem, vectors)


def _cross_validated_harms(problem: Problem, setting: Setting, harms: Sequence[float]) -> Floats:
    """The same for thresholds of harm."""

    def vectors(fold: Problem, key: str) -> list[Floats]:
        importance = fold.importance(key, setting.outside)
        mean = mean_of_candidates(fold.parts, importance, setting.temperature)
        path = _removals(fold, mean, importance, _needed(min(harms), fold))
        return [_stopped(path, _needed(harm, fold)) for harm in harms]

    return _left_out(problem, vectors)


def _left_out(problem: Problem, vectors: Callable[[Problem, str], Sequence[Floats]]) -> Floats:
    """Official score of each of the `vectors` of a fold and key, each machine with those found without it."""
    held_out = []
    for machine in problem.machines:
        found = vectors(problem.without(machine), problem.group[machine])
        held_out.append(problem.objective.judge(np.stack(found), [machine]))
    sums = np.concatenate([parts.sums for parts in held_out], axis=1)
    counts = np.concatenate([parts.counts for parts in held_out])
    return Parts(problem.machines, np.empty(0), sums, counts, problem.parts.harmonic).score()


_SOLVERS: Mapping[Method, Callable[[Problem], Solution]] = {
    "averaged": _averaged,
    "grid": _grid,
    "greedy": _greedy,
    "equal": _equal,
}
