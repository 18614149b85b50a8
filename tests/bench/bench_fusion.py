"""Which way of finding weights does best on machines it has not seen?

    python tests/bench/bench_fusion.py [--repetitions 100] [--scenario report ...] [--keep FILE] [--minutes M]

Simulates calibrated scores of five systems on seven development and nine evaluation machines in the groups of DCASE 2024, 200
test clips each, finds weights on the development machines with each method, and prints the official score of the *evaluation*
machines: mean over the repetitions with its 95 % interval, and the paired difference to equal weights and to the report's
exhaustive grid. `periodic` in a row's name means a vector of its own for the periodic machines. `claimed` is the official score
of the development machines as resubstitution gives it (what a paper would print), `held out` as cross-fitting gives it.

The scenarios are four truths that a team cannot know beforehand:
report    systems about as good as in Table 1 of the report; the first is good on periodic machines only
alike     five systems equally good
one bad   one of five systems knows nothing
one good  one system is much better than the others
Skill varies by machine for all systems together (standard deviation 0.25 of the distance between normal and anomalous clips, in
standard deviations of the normal ones) and for each one alone (0.22), so that single systems score 0.50 to 0.75 by machine,
as in Table 1. The noise of the three transformers correlates by 0.55 to 0.7, of the others by 0.2 to 0.4. Target clips are
shifted by about 0.3.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from fusion.crossfit import cross_fit
from fusion.ensemble import OTHERS
from fusion.fit import TRIALS
from fusion.metrics import Floats
from fusion.objective import Objective
from fusion.official import Section
from fusion.search import Problem, Solution
from fusion.simplex import STEP, finest_lattice, lattice

DEVELOPMENT = ("stationary",) * 3 + ("non-stationary",) + ("periodic",) * 2 + ("impulsive",)
EVALUATION = ("stationary",) * 5 + ("non-stationary",) * 2 + ("periodic", "impulsive")
SKILLS = {
    "report": (0.15, 0.45, 0.55, 0.58, 0.60),
    "alike": (0.5,) * 5,
    "one bad": (0.0, 0.5, 0.5, 0.5, 0.5),
    "one good": (0.3, 0.3, 0.3, 0.8, 0.3),
}
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


def simulated_machine(random: np.random.Generator, scenario: str, group: str) -> Floats:
    """Calibrated scores (systems, clips) on one machine."""
    skill = np.array(SKILLS[scenario]) + random.normal(0, 0.25) + random.normal(0, 0.22, 5)
    if scenario == "report":
        skill += {"periodic": [1, 0, 0, 0, 0], "impulsive": [0, 0.3, 0, 0, 0]}.get(group, [0] * 5)
    noise = random.normal(size=(200, 5)) @ np.linalg.cholesky(NOISE).T
    shift = random.normal(0.3, 0.2) + random.normal(0, 0.2, 5)
    loss = random.normal(0.1, 0.1, 5)
    scores = noise + TARGET[:, None] * shift + ANOMALOUS[:, None] * (np.maximum(skill, -0.2) - TARGET[:, None] * loss)
    return np.ascontiguousarray(scores.T)


def objective_of(machines: list[Floats], prefix: str) -> Objective:
    rows = np.arange(200)
    sections = tuple(Section(f"{prefix}{index}", "00", rows, ANOMALOUS, TARGET) for index in range(len(machines)))
    return Objective(tuple("abcde"), "2024", sections, tuple(machines))


def keys(groups: tuple[str, ...], prefix: str, named: set[str]) -> dict[str, str]:
    return {f"{prefix}{index}": group if group in named else OTHERS for index, group in enumerate(groups)}


def unseen(solution: Solution, objective: Objective, group: dict[str, str]) -> float:
    """Official score of the evaluation machines."""
    total = count = 0.0
    for machine in objective.machines:
        vector = solution.of(group[machine])
        parts = objective.judge(vector[None], [machine])
        total, count = total + float(parts.sums[0, 0]), count + float(parts.counts[0])
    return count / total


def repetition(scenario: str, seed: int) -> dict[str, tuple[float, float, float]]:
    """By method: official score of the evaluation machines, claimed and held-out score of the development machines."""
    random = np.random.default_rng([seed, 2, *map(ord, scenario)])  # the constants of fusion.search were chosen on others
    development = objective_of([simulated_machine(random, scenario, group) for group in DEVELOPMENT], "d")
    evaluation = objective_of([simulated_machine(random, scenario, group) for group in EVALUATION], "e")
    results = {}
    singles = development.judge(np.eye(5))
    best = Solution({OTHERS: np.eye(5)[np.argmax(singles.score())]})
    results["best single"] = (
        unseen(best, evaluation, keys(EVALUATION, "e", set())),
        float(singles.score().max()),
        np.nan,
    )
    fine, coarse = development.judge(lattice(5, round(1 / STEP))), development.judge(finest_lattice(5, TRIALS))
    for method, parts in (("equal", coarse), ("greedy", coarse), ("grid", fine), ("averaged", coarse)):
        for named in (set(), {"periodic"}) if method != "equal" else (set(),):
            problem = Problem(development, parts, keys(DEVELOPMENT, "d", named))
            fit = cross_fit(problem, method)
            score = unseen(fit.solution, evaluation, keys(EVALUATION, "e", named))
            results[f"{method}{', periodic' if named else ''}"] = (score, fit.resubstitution, fit.cross_validated)
    return results


def margin(values: Floats) -> str:
    return f"{values.mean():+.4f} ± {1.96 * values.std(ddof=1) / len(values) ** 0.5:.4f}"


def read(kept: Path | None) -> dict[tuple[str, int], dict[str, tuple[float, float, float]]]:
    """Finished repetitions, by scenario and seed."""
    lines = [json.loads(line) for line in kept.read_text().splitlines()] if kept and kept.exists() else []
    return {(scenario, seed): results for scenario, seed, results in lines}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--repetitions", type=int, default=100)
    parser.add_argument(
        "--keep", type=Path, help="file of finished repetitions, read and added to: carries on where it stopped"
    )
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after so long")
    parser.add_argument("--scenario", nargs="*", choices=list(SKILLS), default=list(SKILLS))
    chosen = parser.parse_args()
    start, done = time.perf_counter(), read(chosen.keep)
    for scenario in chosen.scenario:
        for seed in range(chosen.repetitions):
            if (scenario, seed) not in done and time.perf_counter() - start < 60 * chosen.minutes:
                done[scenario, seed] = repetition(scenario, seed)
                if chosen.keep:
                    with chosen.keep.open("a") as lines:
                        lines.write(json.dumps([scenario, seed, done[scenario, seed]]) + "\n")
        runs = [done[scenario, seed] for seed in range(chosen.repetitions) if (scenario, seed) in done]
        if len(runs) < 2:
            continue
        table = {name: np.array([run[name] for run in runs]) for name in runs[0]}
        print(f"\n{scenario}: {len(runs)} repetitions")
        print(f"{'method':18} {'evaluation':17} {'less equal':17} {'less grid':17} {'claimed':8} held out")
        for name, values in table.items():
            score, equal = values[:, 0], values[:, 0] - table["equal"][:, 0]
            grid = values[:, 0] - table["grid, periodic" if "periodic" in name else "grid"][:, 0]
            held_out = "-" if np.isnan(values[0, 2]) else f"{values[:, 2].mean():.4f}"
            print(
                f"{name:18} {margin(score)[1:]:17} {margin(equal):17} {margin(grid):17} {values[:, 1].mean():.4f}   {held_out}"
            )


if __name__ == "__main__":
    main()
