"""The weights of each ensemble, and what each member brings to each machine."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

from fusion.combine import stack
from fusion.ensemble import Ensemble
from fusion.explain import contributions
from fusion.objective import Objective
from submission.report.figures import MOST_COLUMNS, series, shortened
from submission.report.rendering import render
from submission.report.scored import Scored
from submission.report.sections import Section
from submission.report.svg import Plot, Scale, linear
from zoo.errors import AsdzooError
from zoo.running.folder import Run


def section(run: Run, scored: Sequence[Scored]) -> Section | None:
    """None where no ensemble is shown."""
    numbers = {one.name: one.number for one in scored}
    entries = []
    for one in scored:
        if one.ensemble is not None:
            brought, why = _brought(run, one.ensemble)
            few = len(one.ensemble.systems) <= MOST_COLUMNS
            bars = _bars(brought, numbers, one.name) if brought and few else None
            vectors = [*one.ensemble.weights.values(), *one.ensemble.development.values()]
            most = max(weight for weights in vectors for weight in weights.values())
            entries.append(
                {"one": one, "it": one.ensemble, "bars": bars, "brought": brought, "why": why, "few": few, "most": most}
            )
    if not entries:
        return None
    return Section("ensembles", "Ensembles", render("sections/ensembles", ensembles=entries, numbers=numbers))


class Brought(NamedTuple):
    """What the members of an ensemble bring to each machine."""

    members: Sequence[str]
    machines: Mapping[str, Sequence[float | None]]


def _brought(run: Run, ensemble: Ensemble) -> tuple[Brought | None, str]:
    """Leave one member out; None, and why, when that says nothing."""
    if ensemble.combiner in ("min", "max"):
        return None, f"the combiner {ensemble.combiner} is no sum, so members cannot be left out of it one by one"
    members = [name for name in ensemble.systems if run.score_path(name).exists()]
    if len(members) < 2:
        return None, "fewer than two members have scores in this run"
    try:
        stacked = stack({name: run.scores(name) for name in members}, partial=True)
        objective = Objective.of(stacked, ensemble.combiner)
        if not objective.machines:
            return None, "no machine has labelled test clips"
        found = contributions(objective, ensemble.weights_of)
    except AsdzooError as problem:
        return None, problem.message
    if all(value is None for row in found.values() for value in row):
        return None, "one member has all the weight on every machine"
    return Brought(members, found), ""


def _bars(found: Brought, numbers: Mapping[str, int], ensemble: str) -> Markup:
    """A bar for each machine and member, to the right where the machine needs the member."""
    values = [value for row in found.machines.values() for value in row if value is not None]
    bound = max(map(abs, values), default=0.0) or 0.01
    height = 11 * len(found.members) + 10
    plot = Plot(
        f"Members of {ensemble}", linear(min(0.0, *values), bound, 4), Scale(0, len(found.machines), ()), 360,
        42 + height * len(found.machines), left=120, x_label="score less the score without the member",
    )  # fmt: skip
    step = (1 - 10 / height) / len(found.members)
    for position, (machine, row) in enumerate(found.machines.items()):
        top = len(found.machines) - position - 5 / height
        plot.text(plot.x.low, top - 0.5 + 5 / height, shortened(machine, 18), "tick", "end", dx=-6, dy=4)
        for index, (member, value) in enumerate(zip(found.members, row, strict=True)):
            if value is not None:
                look = f"bar {series(numbers.get(member, 0))}"
                plot.box(0, top - step * index, value, top - step * (index + 0.85), look, f"{machine}, {member}: {value:+.4f}")
    plot.line([0, 0], [0, len(found.machines)], "zero")
    return plot.svg(y_ticks=False)
