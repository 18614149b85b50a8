"""The tables that `asdzoo evaluate` and `asdzoo fuse` print."""

import math
from collections.abc import Mapping, Sequence

from rich.table import Table

from fusion.ensemble import Ensemble
from fusion.evaluation import Evaluation, place
from fusion.explain_auc import Explained
from fusion.intervals import Difference, Interval
from fusion.normal_only import FromNormals
from fusion.over_seeds import Family
from fusion.papers import Beside
from zoo.console import out, table
from zoo.data.years import OWN

MOST_COLUMNS = 8  # members side by side


def by_machine(evaluations: Sequence[Evaluation], found: Sequence[Family] = ()) -> Table:
    """AUC source, AUC target, pAUC and hmean of each system on each section; one AUC where no machine has domains.

    Of a system with several seeds first the means over them, then, as `together`, the mean of their scores.
    """
    frames = [(one.frame, one.intervals, f"mean of {one.seeds}") for one in found]
    of_seeds = {one.system for one in found}
    frames += [(one.frame, one.intervals, "together" if one.system in of_seeds else "") for one in evaluations]
    frames.sort(key=lambda entry: str(entry[0]["system"].iloc[0]))  # stable: means stay first
    domains = any(frame["auc_target"].notna().any() for frame, _, _ in frames)
    aucs = ["auc_source", "auc_target"] if domains else ["auc_source"]
    rows = []
    for frame, intervals, seeds in frames:
        for row, interval in zip(frame.to_dict("records"), intervals, strict=True):
            where = place(row["machine"], row["section"])
            figures = [None if math.isnan(row[key]) else row[key] for key in (*aucs, "pauc", "hmean")]
            over = [row.get("spread"), row.get("worst")]
            rows.append(
                [row["system"], *([seeds or None] if found else []), where, *figures, _span(interval), *(over if found else [])]
            )
    columns = ["system", *(["seeds"] if found else []), "machine", *(["AUC source", "AUC target"] if domains else ["AUC"])]
    columns += ["pAUC", "hmean", "95 % interval", *(["spread", "worst seed"] if found else [])]
    return table("By machine", columns, rows)


def _span(interval: Interval | None) -> str | None:
    return f"{interval.low:.4f} .. {interval.high:.4f}" if interval else None


def official_scores(
    evaluations: Sequence[Evaluation],
    compared: Mapping[str, Difference | None],
    spread: float | None = None,
    year: str = "",
) -> Table:
    """Official scores, best first, each with its interval and its distance to the best; that also in spreads over seeds.

    Recordings of one's own have no organisers: there it is the mean of AUC and pAUC.
    """
    rows = []
    for evaluation in sorted(evaluations, key=lambda evaluation: -(evaluation.score or 0)):
        difference = compared.get(evaluation.system)
        rows.append(
            [
                evaluation.system,
                evaluation.score,
                _span(evaluation.interval),
                *([] if year == OWN else [f"{evaluation.organisers:.6f}" if evaluation.organisers is not None else None]),
                f"{difference.value:+.4f} ({difference.interval.low:+.4f} .. {difference.interval.high:+.4f})"
                if difference and difference.value
                else None,
                *([f"{abs(difference.value) / spread:.1f}" if difference and difference.value else None] if spread else []),
            ]
        )
    title, own = ("Harmonic mean of AUC and pAUC", []) if year == OWN else ("Official score", ["organisers' ±"])
    columns = ["system", "mean" if year == OWN else "score", "95 % interval", *own, "less the best (95 % interval)"]
    return table(title, [*columns, *(["in spreads over seeds"] if spread else [])], rows)


def families(found: Sequence[Family]) -> Table:
    """What has several seeds: the mean over them, what a new seed alone changes, and differences in that unit."""
    rows = [
        [
            one.system,
            one.seeds,
            one.mean,
            _span(one.interval),
            one.spread,
            one.worst,
            None if one.less is None else f"{one.less:+.4f} ({one.spreads:.1f} spreads)",
        ]
        for one in found
    ]
    columns = ["system", "seeds", "mean", "95 % interval", "spread", "worst seed", "less the best mean"]
    return table("Over seeds, each by itself", columns, rows)


def beside_papers(rows: Sequence[Beside]) -> Table:
    """Our scores and those that papers report, and whether theirs lie in our intervals."""
    shown = [
        [
            one.system,
            f"{one.record.year} {one.record.set}",
            one.machine,
            one.figure,
            one.ours,
            _span(one.interval) if one.spread is None else f"± {one.spread:.4f} over {one.seeds} seeds",
            one.theirs,
            one.verdict,
            one.record.source,
        ]
        for one in rows
    ]
    between = "95 % interval" if all(one.spread is None for one in rows) else "95 % interval, or spread"
    columns = ["system", "set", "machine", "figure", "ours", between, "published", "it lies", "source"]
    return table("Beside what papers report", columns, shown)


def weights(name: str, ensemble: Ensemble, systems: Sequence[str]) -> Table:
    """Weights by group."""
    only = len(ensemble.weights) == 1
    vectors = {"all" if only else key: vector for key, vector in ensemble.weights.items()}
    return _by_member(f"Weights of {name}", "group", systems, _cells(vectors, systems))


def held_out_weights(ensemble: Ensemble, systems: Sequence[str]) -> Table:
    """Weights of each development machine, found without it."""
    title = "Development machines: weights found without them"
    return _by_member(title, "machine", systems, _cells(ensemble.development, systems))


def contributions(brought: Mapping[str, Sequence[float | None]], systems: Sequence[str]) -> Table:
    """What each member brings to each machine."""
    cells = {machine: [None if value is None else f"{value:+.4f}" for value in values] for machine, values in brought.items()}
    return _by_member("What each member brings: score less the score without it", "machine", systems, cells)


def normal_only(found: Sequence[FromNormals]) -> Table:
    """What normal clips alone say of each system, and which ones were taken."""
    rows = [[one.system, one.agreement, one.imbalance, one.stability, "yes" if one.taken else "no"] for one in found]
    return table("From normal training clips alone", ["system", "agreement", "imbalance", "stability", "taken"], rows)


def _cells(vectors: Mapping[str, Mapping[str, float]], systems: Sequence[str]) -> dict[str, list[float]]:
    return {key: [float(vector.get(system, 0)) for system in systems] for key, vector in vectors.items()}


def _by_member(title: str, key: str, systems: Sequence[str], cells: Mapping[str, Sequence[object]]) -> Table:
    """A row for each key and a column for each system; the other way round where the systems are many, or long their names."""
    width = sum(len(name) + 3 for name in (max([key, *cells], key=len), *systems)) + 1
    if len(systems) <= MOST_COLUMNS and width <= out.width:
        return table(title, [key, *systems], [[name, *values] for name, values in cells.items()])
    rows = [[system, *(values[position] for values in cells.values())] for position, system in enumerate(systems)]
    return table(title, ["member", *cells], rows)


def explanations(explained: Sequence[Explained]) -> list[Table]:
    """Two tables: the clips and pairs behind each figure, and the clips that cost it most."""
    first = explained[0]
    rows = [
        [one.section, one.figure, one.value, one.normal, one.anomalous, one.pairs, one.won, one.tied, one.why]
        for one in explained
    ]
    columns = ["section", "figure", "value", "normal clips", "anomalous clips", "pairs", "won", "tied", "which clips, and why"]
    costly = [
        [one.section, one.figure, clip.name, clip.kind, clip.score, f"{clip.lost:g}"]
        for one in explained
        for clip in one.costly
    ]
    return [
        table(f"What forms the figures of {first.machine} by {first.system}", columns, rows),
        table("Clips that lose most of these pairs", ["section", "figure", "clip", "it is", "score", "pairs lost"], costly),
    ]
