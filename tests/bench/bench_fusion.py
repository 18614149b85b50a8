"""Which way of finding weights does best on machines it has not seen?

    python tests/bench/bench_fusion.py [--repetitions 100] [--members 5 12 24 40] [--scenario report ...] [--labelled 7]
                                       [--ways lattice qmc ...] [--keep FILE] [--minutes M]

Simulates calibrated scores of many systems on seven development and nine evaluation machines in the groups of DCASE 2024, 200
test clips each, finds weights on the development machines, and prints the official score of the *evaluation* machines: mean
over the repetitions with its 95 % interval, and the paired difference to equal weights and to the lattice of version 0.1.
`periodic` in a way's name means a vector of its own for the periodic machines.

Ways
equal         equal weights
best single   the system that is best on the development machines
lattice       version 0.1: the finest lattice of at most 1,001 vectors, temperature chosen among six
grid          the report's: the best of the lattice of step 0.05 (five members only)
greedy        as `--method greedy`
qmc, tpe, cmaes   as `asdzoo fuse --sampler`; `qmc, usual` keeps the usual setting, `qmc, 1024` tries twice as many weights.
              qmc's candidates are asked for once, so its seconds are those of judging and weighing them

The scenarios are truths that a team cannot know beforehand:
report        systems about as good as in Table 1 of the report; the first is good on periodic machines only
alike         all equally good
one bad       one of them knows nothing
one good      one is much better than the others
two harmful   two are below chance
heavy-tailed  a fifth of them, two at least, have outliers (Student's t with two degrees of freedom)
seeds         three systems, the first with most of the seeds; here the search knows nothing of families
families      the same, the seeds of a system weighed as one

With more than five members they come in the five kinds of the report, and the noise of two of a kind correlates by 0.75.
Skill varies by machine for all systems together (standard deviation 0.25 of the distance between normal and anomalous clips, in
standard deviations of the normal ones) and for each one alone (0.22), so that single systems score 0.50 to 0.75 by machine,
as in Table 1. The noise of the three transformers correlates by 0.55 to 0.7, of the others by 0.2 to 0.4. Target clips are
shifted by about 0.3.
"""

import argparse
import json
import time
from collections.abc import Sequence
from functools import cache
from math import comb
from pathlib import Path
from unittest.mock import patch

import numpy as np

from fusion.ensemble import OTHERS
from fusion.metrics import Floats
from fusion.objective import Objective, Parts
from fusion.official import Section
from fusion.search import SETTINGS, USUAL, Method, Problem, Setting, Solution, solve
from fusion.simplex import STEP, lattice, on_simplex, starts
from fusion.study import LABEL_BLIND, Sampler, Studies

DEVELOPMENT = ("stationary",) * 3 + ("non-stationary",) + ("periodic",) * 2 + ("impulsive",)
EVALUATION = ("stationary",) * 5 + ("non-stationary",) * 2 + ("periodic", "impulsive")
KINDS = (0.15, 0.45, 0.55, 0.58, 0.60)  # skill of the systems of the report
SCENARIOS = ("report", "alike", "one bad", "one good", "two harmful", "heavy-tailed", "seeds", "families")
NOISE = np.array(
    [
        [1.00, 0.25, 0.20, 0.20, 0.20],
        [0.25, 1.00, 0.35, 0.35, 0.40],
        [0.20, 0.35, 1.00, 0.55, 0.70],
        [0.20, 0.35, 0.55, 1.00, 0.70],
        [0.20, 0.40, 0.70, 0.70, 1.00],
    ]
)
ANOMALOUS = np.tile([False, False, True, True], 50)
TARGET = np.tile([False, True, False, True], 50)
OF_0_1 = tuple(Setting(temperature, 0.0, USUAL.harm) for temperature in (0.06, np.inf, 0.12, 0.03, 0.015, 0.007))
WAYS = ("equal", "best single", "lattice", "qmc", "qmc, usual", "qmc, 1024", "tpe", "cmaes", "greedy", "grid", "qmc, periodic")
USUAL_WAYS = ("equal", "best single", "lattice", "qmc", "qmc, usual", "tpe", "cmaes")


def families(members: int) -> np.ndarray:
    """Which of three systems each member is a seed of: most of them of the first."""
    sizes = [members - 2 * (members // 5), members // 5, members // 5]
    return np.repeat(np.arange(3), sizes)


def simulated_machine(random: np.random.Generator, scenario: str, group: str, members: int) -> Floats:
    """Calibrated scores (systems, clips) on one machine."""
    seeds = scenario in ("seeds", "families")
    kind = families(members) + 1 if seeds else np.arange(members) % 5
    alone = families(members) if seeds else np.arange(members)
    skill = np.full(members, 0.5)
    if scenario == "report":
        skill = np.array(KINDS)[kind] + np.where(kind == 0, group == "periodic", 0.3 * (kind == 1) * (group == "impulsive"))
    elif scenario == "one bad":
        skill[0] = 0.0
    elif scenario == "one good":
        skill[:], skill[3] = 0.3, 0.8
    elif scenario == "two harmful":
        skill[:2] = -0.35
    elif seeds:
        skill = np.array([0.5, 0.4, 0.6])[alone] + random.normal(0, 0.05, members)
    skill = skill + random.normal(0, 0.25) + random.normal(0, 0.22, alone.max() + 1)[alone]
    shared = 0.9 if seeds else 1.0 if members == 5 else 0.75
    of_kind = random.normal(size=(200, 5)) @ np.linalg.cholesky(NOISE).T
    noise = of_kind[:, kind] * shared**0.5 + random.normal(size=(200, members)) * (1 - shared) ** 0.5
    if scenario == "heavy-tailed":
        heavy = max(2, members // 5)
        noise[:, :heavy] /= 2 * np.sqrt(random.chisquare(2, (200, heavy)) / 2)
    shift = random.normal(0.3, 0.2) + random.normal(0, 0.2, alone.max() + 1)[alone]
    loss = random.normal(0.1, 0.1, members)
    distance = np.maximum(skill, -0.6 if scenario == "two harmful" else -0.2)
    scores = noise + TARGET[:, None] * shift + ANOMALOUS[:, None] * (distance - TARGET[:, None] * loss)
    return np.ascontiguousarray(scores.T)


def objective_of(machines: Sequence[Floats], prefix: str, scenario: str) -> Objective:
    rows = np.arange(200)
    sections = tuple(Section(f"{prefix}{index}", "00", rows, ANOMALOUS, TARGET) for index in range(len(machines)))
    if scenario == "families":
        family = families(len(machines[0]))
        machines = [np.stack([scores[family == one].mean(axis=0) for one in range(3)]) for scores in machines]
    systems = tuple(f"system{index}" for index in range(len(machines[0])))
    return Objective(systems, "2024", sections, tuple(machines))


def keys(groups: Sequence[str], prefix: str, named: set[str]) -> dict[str, str]:
    return {f"{prefix}{index}": group if group in named else OTHERS for index, group in enumerate(groups)}


def finest_lattice(systems: int, trials: int = 1001) -> Floats:
    """The candidates of version 0.1."""
    steps = max(steps for steps in range(1, 21) if comb(steps + systems - 1, systems - 1) <= trials)
    return lattice(systems, steps)


@cache
def label_blind(sampler: Sampler, systems: int, trials: int) -> Floats:
    """Candidates of a study, asked for once: they are the same whatever the scores and labels."""
    some = objective_of([np.random.default_rng(0).normal(size=(systems, 200))], "any", "")
    return Studies(sampler, trials).candidates(some, some.machines, np.ones(1)).weights


def solved(way: str, development: Objective, group: dict[str, str]) -> Solution:
    """The weights that a way finds."""
    count = len(development.systems)
    if way == "best single":
        return Solution({OTHERS: np.eye(count)[np.argmax(development.judge(np.eye(count)).score())]})
    if way in ("equal", "greedy", "grid"):
        method: Method = way  # type: ignore[assignment]
        candidates = lattice(count, round(1 / STEP)) if way == "grid" else np.full((1, count), 1 / count)
        return solve(Problem(development, development.judge(candidates), group), method)
    if way == "lattice":
        with patch("fusion.search.NEGLIGIBLE", 0.01 * count):  # 0.01 itself in version 0.1
            return solve(Problem(development, development.judge(finest_lattice(count)), group, OF_0_1), "averaged")
    sampler, _, detail = way.partition(", ")
    studies = Studies(sampler, 1024 if detail == "1024" else 512)  # type: ignore[arg-type]
    settings = (USUAL,) if detail == "usual" else tuple(studies.settings(SETTINGS, detail == "periodic"))
    if sampler in LABEL_BLIND:
        parts = development.judge(label_blind(sampler, count, studies.trials))
        return solve(Problem(development, parts, group, settings), "averaged")

    def propose(machines: Sequence[str], importance: Floats, key: str) -> Parts:
        return studies.candidates(development, machines, importance, key)

    return solve(
        Problem(development, development.judge(on_simplex(starts(count))), group, settings, propose),
        "averaged",
    )


def unseen(solution: Solution, objective: Objective, group: dict[str, str]) -> float:
    """Official score of the evaluation machines."""
    total = count = 0.0
    for machine in objective.machines:
        parts = objective.judge(solution.of(group[machine])[None], [machine])
        total, count = total + float(parts.sums[0, 0]), count + float(parts.counts[0])
    return count / total


def repetition(scenario: str, members: int, seed: int, labelled: int, ways: Sequence[str]) -> dict[str, tuple[float, float]]:
    """By way: official score of the evaluation machines, and seconds for the search."""
    random = np.random.default_rng([seed, 3, members, *map(ord, scenario.replace("families", "seeds"))])
    order = random.permutation(len(DEVELOPMENT))[:labelled]  # drawn before the machines, so that fewer are some of the same
    machines = [simulated_machine(random, scenario, group, members) for group in DEVELOPMENT]
    development = objective_of([machines[index] for index in sorted(order)], "d", scenario)
    groups = [DEVELOPMENT[index] for index in sorted(order)]
    evaluation = objective_of([simulated_machine(random, scenario, group, members) for group in EVALUATION], "e", scenario)
    results = {}
    for way in ways:
        named = {"periodic"} if way.endswith("periodic") else set()
        start = time.perf_counter()
        solution = solved(way, development, keys(groups, "d", named))
        spent = time.perf_counter() - start
        results[way] = unseen(solution, evaluation, keys(EVALUATION, "e", named)), spent
    return results


def margin(values: Floats) -> str:
    return f"{values.mean():+.4f} ± {1.96 * values.std(ddof=1) / len(values) ** 0.5:.4f}"


def read(kept: Path | None) -> dict[tuple[object, ...], tuple[float, float]]:
    """Finished repetitions, by scenario, members, seed, labelled machines and way."""
    lines = [json.loads(line) for line in kept.read_text().splitlines()] if kept and kept.exists() else []
    return {tuple(key): result for key, result in lines}


def report(title: str, table: dict[str, Floats]) -> None:
    """Print one scenario; table: way -> (repetitions, 2)."""
    count = min(len(values) for values in table.values())
    if count < 2:
        return
    print(f"\n{title}: {count} repetitions")
    print(f"{'way':14} {'evaluation':17} {'less equal':17} {'less lattice':17} seconds")
    for way, values in table.items():
        scores = values[:count, 0]
        against = [margin(scores - table[other][:count, 0]) if other in table else "-" for other in ("equal", "lattice")]
        print(f"{way:14} {margin(scores)[1:]:17} {against[0]:17} {against[1]:17} {values[:count, 1].mean():.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--repetitions", type=int, default=100)
    parser.add_argument("--members", nargs="*", type=int, default=[5, 12, 24, 40])
    parser.add_argument("--labelled", type=int, default=7, help="development machines with labels, at most 7")
    parser.add_argument("--scenario", nargs="*", choices=SCENARIOS, default=list(SCENARIOS))
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=list(USUAL_WAYS))
    parser.add_argument("--keep", type=Path, help="file of finished repetitions, read and added to")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after so long")
    chosen = parser.parse_args()
    start, done = time.perf_counter(), read(chosen.keep)
    for members in chosen.members:
        ways = [way for way in chosen.ways if members == 5 or way != "grid"]
        for scenario in chosen.scenario:
            rows: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
            for seed in range(chosen.repetitions):
                key = (scenario, members, seed, chosen.labelled)
                missing = [way for way in ways if (*key, way) not in done]
                if missing and time.perf_counter() - start > 60 * chosen.minutes:
                    break
                for way, result in (repetition(*key[:3], chosen.labelled, missing) if missing else {}).items():
                    done[(*key, way)] = result
                    if chosen.keep:
                        with chosen.keep.open("a") as lines:
                            lines.write(json.dumps([(*key, way), result]) + "\n")
                for way in ways:
                    rows[way].append(done[(*key, way)])
            report(f"{scenario}, {members} members", {way: np.array(values).reshape(-1, 2) for way, values in rows.items()})


if __name__ == "__main__":
    main()
