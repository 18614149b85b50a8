"""Which way of finding weights does best on machines it has not seen?

    python tests/bench/bench_fusion.py [--repetitions 100] [--members 5 12 24 40] [--scenario report ...] [--labelled 7 ...]
                                       [--ways lattice qmc ...] [--keep FILE] [--minutes M]

Finds weights on the labelled development machines of `tests.bench.simulated_members`, and prints the official score of the
*evaluation* machines: mean over the repetitions with its 95 % interval, and the paired difference to equal weights and to the
lattice of version 0.1; then the same as a mean over the scenarios. `periodic` in a way's name means a
vector of its own for the periodic machines, `train-rank` the combiner.

Ways
equal         equal weights
normal-only   equal weights of the members that normal training clips speak for
best single   the system that is best on the development machines
lattice       version 0.1: the finest lattice of at most 1,001 vectors, temperature chosen among six
grid          the report's: the best of the lattice of step 0.05 (five members only)
greedy        as `--method greedy`
qmc, tpe, cmaes   as `asdzoo fuse --sampler`; `qmc, usual` keeps the usual setting, `qmc, 1024` tries twice as many weights,
              `qmc, unshrunk` believes few machines as much as many. Label-blind candidates are asked for once, so qmc's seconds
              are those of judging and weighing them
"""

import argparse
import itertools
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from math import comb
from pathlib import Path
from unittest.mock import patch

import numpy as np

from fusion.ensemble import OTHERS
from fusion.metrics import Floats
from fusion.normal_only import judged_by_normals
from fusion.objective import Objective, Parts
from fusion.search import SETTINGS, USUAL, Method, Problem, Setting, Solution, solve
from fusion.simplex import STEP, lattice
from fusion.study import LABEL_BLIND, Sampler, Studies
from tests.bench.simulated_members import SCENARIOS, Truth, keys, simulated
from zoo.scores import family_of

OF_0_1 = tuple(Setting(temperature, 0.0, USUAL.harm) for temperature in (0.06, np.inf, 0.12, 0.03, 0.015, 0.007))
WAYS = (
    *("equal", "equal, train-rank", "normal-only", "best single", "lattice"),
    *("qmc", "qmc, usual", "qmc, train-rank", "qmc, 1024", "qmc, periodic", "qmc, unshrunk", "tpe", "cmaes", "greedy", "grid"),
)
USUAL_WAYS = (*WAYS[:8], "tpe", "cmaes")
Key = tuple[str, int, int, int]  # scenario, members, seed, labelled machines
Results = dict[Key, dict[str, tuple[float, float]]]  # by way: official score of the evaluation machines, seconds


def finest_lattice(systems: int, trials: int = 1001) -> Floats:
    """The candidates of version 0.1."""
    steps = max(steps for steps in range(1, 21) if comb(steps + systems - 1, systems - 1) <= trials)
    return lattice(systems, steps)


@cache
def label_blind(systems: int, trials: int) -> Floats:
    """Candidates of a study, asked for once: they are the same whatever the scores and labels."""
    some = simulated("alike", systems, 0, labelled=1)
    one = some.objective(some.development, ranks=False)
    return Studies(LABEL_BLIND[0], trials).candidates(one, one.machines, np.ones(1)).weights


def solved(way: str, truth: Truth, development: Objective, group: Mapping[str, str]) -> Solution:
    """The weights that a way finds."""
    count = len(development.systems)
    way, _, detail = way.partition(", ")
    if way == "normal-only":
        taken = [family_of(one.system) for one in judged_by_normals(truth.training()) if one.taken]
        return Solution({OTHERS: np.isin(development.systems, taken) / len(taken)})
    if way == "best single":
        return Solution({OTHERS: np.eye(count)[np.argmax(development.judge(np.eye(count)).score())]})
    if way in ("equal", "greedy", "grid"):
        method: Method = way  # type: ignore[assignment]
        candidates = lattice(count, round(1 / STEP)) if way == "grid" else np.full((1, count), 1 / count)
        return solve(Problem(development, development.judge(candidates), group), method)
    if way == "lattice":
        # in version 0.1 a negligible weight was 0.01, and few machines were believed as much as many
        with patch("fusion.search.NEGLIGIBLE", 0.01 * count), patch("fusion.search.ENOUGH", 2):
            return solve(Problem(development, development.judge(finest_lattice(count)), group, OF_0_1), "averaged")
    sampler: Sampler = way  # type: ignore[assignment]
    studies = Studies(sampler, 1024 if detail == "1024" else 512)

    def propose(machines: Sequence[str], importance: Floats, key: str) -> Parts:
        return studies.candidates(development, machines, importance, key)

    settings = (USUAL,) if detail == "usual" else tuple(studies.settings(SETTINGS, detail == "periodic"))
    parts = development.judge(label_blind(count, studies.trials))
    with ExitStack() as changed:
        if detail == "unshrunk":
            changed.enter_context(patch("fusion.search.trust_in", lambda machines: 1.0))
            changed.enter_context(patch("fusion.search._needed", lambda harm, problem: harm))
        return solve(
            Problem(development, parts, group, settings, None if sampler in LABEL_BLIND else propose),
            "averaged",
        )


def unseen(solution: Solution, objective: Objective, group: Mapping[str, str]) -> float:
    """Official score of the evaluation machines."""
    total = count = 0.0
    for machine in objective.machines:
        parts = objective.judge(solution.of(group[machine])[None], [machine])
        total, count = total + float(parts.sums[0, 0]), count + float(parts.counts[0])
    return count / total


def repetition(key: Key, ways: Sequence[str]) -> dict[str, tuple[float, float]]:
    truth, results = simulated(*key), {}
    for way in ways:
        named, ranks = {"periodic"} if way.endswith("periodic") else set(), way.endswith("train-rank")
        development, evaluation = truth.objective(truth.development, ranks), truth.objective(truth.evaluation, ranks)
        start = time.perf_counter()
        solution = solved(way, truth, development, keys(truth.development, named, OTHERS))
        spent = time.perf_counter() - start
        results[way] = unseen(solution, evaluation, keys(truth.evaluation, named, OTHERS)), spent
    return results


def read(kept: Path | None) -> Results:
    """Finished repetitions."""
    done: Results = {}
    for line in kept.read_text().splitlines() if kept and kept.exists() else []:
        (*key, way), result = json.loads(line)
        done.setdefault(tuple(key), {})[way] = tuple(result)
    return done


def margin(values: Floats) -> str:
    """Mean with its 95 % interval."""
    return f"{values.mean():+.4f} ± {1.96 * values.std(ddof=1) / len(values) ** 0.5:.4f}" if len(values) > 1 else "-"


def report(title: str, results: Results, ways: Sequence[str]) -> None:
    """Print what each way does on unseen machines, and the paired differences."""
    print(f"\n{title}\n{'way':17} {'evaluation':17} {'less equal':17} {'less lattice':17} repetitions  seconds")
    for way in ways:
        rows = np.array([result[way] for result in results.values() if way in result]).reshape(-1, 2)
        if len(rows):
            score = margin(rows[:, 0])[1:]
            less = [margin(differences(results, way, other)) if way != other else "-" for other in ("equal", "lattice")]
            print(f"{way:17} {score:17} {less[0]:17} {less[1]:17} {len(rows):11}  {rows[:, 1].mean():.2f}", flush=True)


def differences(results: Results, way: str, other: str) -> Floats:
    """Over the repetitions that both have, (repetitions,)."""
    return np.array([result[way][0] - result[other][0] for result in results.values() if {way, other} <= result.keys()])


def over_scenarios(results: Results, scenarios: Sequence[str]) -> Results:
    """Mean over the scenarios, for the repetitions that all of them have."""
    means: Results = {}
    for _, members, seed, labelled in results:
        rows = [results.get((scenario, members, seed, labelled), {}) for scenario in scenarios]
        ways = set.intersection(*(set(row) for row in rows))
        means["all", members, seed, labelled] = {
            way: (float(np.mean([row[way][0] for row in rows])), float(np.mean([row[way][1] for row in rows]))) for way in ways
        }
    return means


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--repetitions", type=int, default=100)
    parser.add_argument("--members", nargs="*", type=int, default=[5, 12, 24, 40])
    parser.add_argument("--labelled", nargs="*", type=int, default=[7], help="development machines with labels, at most 7")
    parser.add_argument("--scenario", nargs="*", choices=SCENARIOS, default=list(SCENARIOS))
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=list(USUAL_WAYS))
    parser.add_argument("--keep", type=Path, help="file of finished repetitions, read and added to")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after so long, and print what there is")
    chosen = parser.parse_args()
    start, done = time.perf_counter(), read(chosen.keep)
    for members, labelled in itertools.product(chosen.members, chosen.labelled):
        ways = [way for way in chosen.ways if members == 5 or way != "grid"]
        here = f"{members} members, {labelled} labelled machines"
        whole: Results = {}
        for scenario in chosen.scenario:
            mine: Results = {}
            for seed in range(chosen.repetitions):
                key = (scenario, members, seed, labelled)
                row = done.setdefault(key, {})
                missing = [way for way in ways if way not in row]
                if missing and time.perf_counter() - start < 60 * chosen.minutes:
                    row |= (new := repetition(key, missing))
                    if chosen.keep:
                        with chosen.keep.open("a") as lines:
                            lines.writelines(json.dumps([(*key, way), result]) + "\n" for way, result in new.items())
                mine[key] = row
            report(f"{scenario}, {here}", mine, ways)
            whole |= mine
        report(f"mean of the scenarios, {here}", over_scenarios(whole, chosen.scenario), ways)


if __name__ == "__main__":
    main()
