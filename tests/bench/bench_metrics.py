"""How fast the metrics of many candidates are, against a loop over scikit-learn on the same machine.

    python tests/bench/bench_metrics.py

Search: all 10,626 weight vectors of five systems with step 0.05, on 7 machines of 200 clips, AUC source, AUC target and pAUC
of each, fused scores included. The loop is timed on a sample of the candidates and scaled up, as the whole would take many
minutes; its fused scores are given to it. Jackknife: AUC and pAUC of 200 clips without each clip in turn, closed form against
recomputing them, by scikit-learn and by our own metric. Medians of interleaved rounds; ratios are of times in the same round.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np
from sklearn.metrics import roc_auc_score

from fusion.intervals import auc_without_each, pauc_without_each
from fusion.metrics import auc, domain_metrics, pauc
from fusion.simplex import lattice

MACHINES, CLIPS, SAMPLE, ROUNDS = 7, 200, 40, 5
ANOMALOUS = np.tile([False, False, True, True], CLIPS // 4)
TARGET = np.tile([False, True], CLIPS // 2)


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def whole_lattice(weights: np.ndarray, scores: list[np.ndarray]) -> np.ndarray:
    return np.stack([domain_metrics(weights @ machine, ANOMALOUS, TARGET) for machine in scores])


def scikit_learn(fused: np.ndarray) -> np.ndarray:
    """AUC source, AUC target, pAUC of each row, one call each."""
    source, target = ~TARGET | ANOMALOUS, TARGET | ANOMALOUS
    return np.array(
        [
            [
                roc_auc_score(ANOMALOUS[source], row[source]),
                roc_auc_score(ANOMALOUS[target], row[target]),
                roc_auc_score(ANOMALOUS, row, max_fpr=0.1),
            ]
            for row in fused
        ]
    )


def search() -> None:
    random = np.random.default_rng(0)
    weights = lattice(5, 20)
    scores = [random.normal(size=(5, CLIPS)) + 0.5 * ANOMALOUS for _ in range(MACHINES)]
    sample = random.choice(len(weights), SAMPLE, replace=False)
    fused = weights[sample] @ scores[0]
    worst = float(np.abs(whole_lattice(weights, scores)[0, sample] - scikit_learn(fused)).max())
    ours, loops = [], []
    for _ in range(ROUNDS):
        ours.append(seconds(lambda: whole_lattice(weights, scores)))
        loops.append(seconds(lambda: scikit_learn(fused)) * len(weights) * MACHINES / SAMPLE)
    ratio = statistics.median(loop / own for loop, own in zip(loops, ours, strict=True))
    print(f"search      {len(weights)} candidates x {MACHINES} machines x {CLIPS} clips: {statistics.median(ours):.2f} s")
    print(f"            scikit-learn loop, scaled up from {SAMPLE} candidates: {statistics.median(loops):.0f} s")
    print(f"            {ratio:.0f} times faster; largest difference on the sample {worst:.1e}")


def jackknife() -> None:
    scores = np.random.default_rng(1).normal(size=CLIPS) + 0.5 * ANOMALOUS
    rest = [np.delete(np.arange(CLIPS), index) for index in range(CLIPS)]

    def closed() -> np.ndarray:
        return np.stack([auc_without_each(scores, ANOMALOUS), pauc_without_each(scores, ANOMALOUS)])

    def recomputed(whole: Callable[..., object], partial: Callable[..., object]) -> np.ndarray:
        return np.array([[whole(keep), partial(keep)] for keep in rest]).T

    def by_scikit_learn() -> np.ndarray:
        return recomputed(
            lambda keep: roc_auc_score(ANOMALOUS[keep], scores[keep]),
            lambda keep: roc_auc_score(ANOMALOUS[keep], scores[keep], max_fpr=0.1),
        )

    def by_our_metric() -> np.ndarray:
        return recomputed(lambda keep: auc(scores[keep], ANOMALOUS[keep]), lambda keep: pauc(scores[keep], ANOMALOUS[keep]))

    worst = float(np.abs(closed() - by_scikit_learn()).max())
    times = [(seconds(closed), seconds(by_scikit_learn), seconds(by_our_metric)) for _ in range(ROUNDS)]
    ours = statistics.median(row[0] for row in times)
    against = [statistics.median(row[index] / row[0] for row in times) for index in (1, 2)]
    print(f"jackknife   AUC and pAUC without each of {CLIPS} clips: {1000 * ours:.2f} ms")
    print(f"            {against[0]:.0f} times faster than scikit-learn, {against[1]:.0f} times than our metric, clip by clip")
    print(f"            largest difference {worst:.1e}")


if __name__ == "__main__":
    search()
    jackknife()
