"""The tables that `asdzoo evaluate` and `asdzoo fuse` print."""

import math
from collections.abc import Mapping, Sequence

from rich.table import Table

from fusion.ensemble import Ensemble
from fusion.evaluation import Evaluation
from fusion.intervals import Difference, Interval
from zoo.console import table


def by_machine(evaluations: Sequence[Evaluation]) -> Table:
    """AUC source, AUC target, pAUC and hmean of each system on each section."""
    rows = []
    for evaluation in evaluations:
        for row, interval in zip(evaluation.frame.to_numpy().tolist(), evaluation.intervals, strict=True):
            system, machine, section, *values = row
            where = machine if section in ("", "00") else f"{machine} {section}"
            rows.append([system, where, *(None if math.isnan(value) else value for value in values), _span(interval)])
    return table("By machine", ["system", "machine", "AUC source", "AUC target", "pAUC", "hmean", "95 % interval"], rows)


def _span(interval: Interval | None) -> str | None:
    return f"{interval.low:.4f} .. {interval.high:.4f}" if interval else None


def official_scores(evaluations: Sequence[Evaluation], compared: Mapping[str, Difference | None]) -> Table:
    """Official scores, best first, each with its interval and its distance to the best."""
    rows = []
    for evaluation in sorted(evaluations, key=lambda evaluation: -(evaluation.score or 0)):
        difference = compared.get(evaluation.system)
        rows.append(
            [
                evaluation.system,
                evaluation.score,
                _span(evaluation.interval),
                f"{evaluation.organisers:.6f}" if evaluation.organisers is not None else None,
                f"{difference.value:+.4f} ({difference.interval.low:+.4f} .. {difference.interval.high:+.4f})"
                if difference and difference.value
                else None,
            ]
        )
    return table("Official score", ["system", "score", "95 % interval", "organisers' ±", "less the best (95 % interval)"], rows)


def weights(name: str, ensemble: Ensemble, systems: Sequence[str]) -> Table:
    """Weights by group."""
    only = len(ensemble.weights) == 1
    rows = [
        ["all" if only else key, *(float(vector.get(system, 0)) for system in systems)]
        for key, vector in ensemble.weights.items()
    ]
    return table(f"Weights of {name}", ["group", *systems], rows)


def held_out_weights(ensemble: Ensemble, systems: Sequence[str]) -> Table:
    """Weights of each development machine, found without it."""
    rows = [
        [machine, *(float(vector.get(system, 0)) for system in systems)] for machine, vector in ensemble.development.items()
    ]
    return table("Development machines: weights found without them", ["machine", *systems], rows)


def contributions(brought: Mapping[str, Sequence[float | None]], systems: Sequence[str]) -> Table:
    """What each member brings to each machine."""
    rows = [[machine, *(None if value is None else f"{value:+.4f}" for value in values)] for machine, values in brought.items()]
    return table("What each member brings: score less the score without it", ["machine", *systems], rows)
