"""The official score of each system, or its AUC and pAUC on one's own machines, and what it is made of, by machine."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from fusion.evaluation import place
from fusion.over_seeds import Family, families
from submission.report.figures import MOST_COLUMNS, series
from submission.report.rendering import render
from submission.report.scored import Judged, Place, Scored, by_domain
from submission.report.sections import Section
from submission.report.svg import Plot, Scale, linear
from zoo.data.years import OWN

RULE = "Harmonic mean of every machine's AUC source, AUC target and pAUC (up to a false positive rate of 0.1)."
RULES = {
    "2020": "Arithmetic mean of AUC and pAUC over the machine IDs of each machine, then over machines.",
    "2021": "Harmonic mean of AUC and pAUC of both domains of every section.",
    "own": "Harmonic mean of every machine's AUC source, AUC target and pAUC, or of AUC and pAUC where there are no domains.",
}


def section(scored: Sequence[Scored], names: Mapping[Place, str]) -> Section:
    """`names` are what places are called, in the order of the page."""
    year = scored[0].table.year
    title = "AUC and pAUC" if year == OWN else "Official score"
    ranked = [one for one in scored if one.evaluation.score is not None]
    html = render(
        "sections/score",
        scored=scored,
        names=names,
        year=year,
        title=title,
        rule=RULES.get(year, RULE),
        labelled=any(one.sections for one in scored),
        ranked=sorted(ranked, key=lambda one: -(one.evaluation.score or 0)),
        axis=_axis(scored),
        bars={one.name: _interval_bar(one, scored) for one in scored},
        by_machine=_by_machine(scored, names),
        by_domain=by_domain(scored),
        families=_over_seeds(scored),
        most_columns=MOST_COLUMNS,
    )
    return Section("score", title, html)


def _by_machine(scored: Sequence[Scored], names: Mapping[Place, str]) -> list[tuple[str, list[Judged | None]]]:
    """A row for each place that is labelled, with the metrics of each system there."""
    rows = [(name, [one.judged.get(place) for one in scored]) for place, name in names.items()]
    return [(name, row) for name, row in rows if any(row)]


def _over_seeds(scored: Sequence[Scored]) -> list[tuple[Family, dict[str, Any]]]:
    """What has several seeds, best mean first, each with its rows of evaluation.csv by what a place is called."""
    frames = {one.name: one.evaluation.frame for one in scored if one.evaluation.score is not None}
    found, _ = families(frames, {one.name: one.table for one in scored})
    return [(one, {place(row["machine"], row["section"]): row for _, row in one.frame.iterrows()}) for one in found]


def _axis(scored: Sequence[Scored]) -> tuple[float, float]:
    """Where an axis for all official scores, their intervals and chance begins and ends."""
    ends = [0.5]
    for one in scored:
        ends += [] if one.evaluation.score is None else [one.evaluation.score, *(one.interval or ())]
    return min(ends) - 0.01, max(ends) + 0.01


def _interval_bar(one: Scored, every: Sequence[Scored]) -> Markup:
    """The official score and its 95 % interval on an axis that all systems share."""
    score, interval = one.evaluation.score, one.interval
    if score is None:
        return Markup("")
    plot = Plot(f"score of {one.name}", linear(*_axis(every)), Scale(0, 1, ()), 200, 22, 4, 4, 4, 4)
    plot.line([0.5, 0.5], [0, 1], "chance", "chance")
    if interval is not None:
        plot.line(interval, [0.5, 0.5], f"whisker {series(one.number)}", f"{interval.low:.4f} to {interval.high:.4f}")
    plot.dot(score, 0.5, series(one.number), 4, f"{score:.4f}")
    return plot.svg(x_ticks=False, y_ticks=False, class_="inline")
