"""The figures that set systems side by side: intervals, calibration, weights, members, agreement, training."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from fusion.combine import stack
from fusion.ensemble import Ensemble
from fusion.explain import contributions
from fusion.objective import Objective
from submission.report.facts import Facts, Scored, Training
from submission.report.figures import kinds, series
from submission.report.svg import Plot, Scale, linear, z_scale
from zoo.calibration import Calibration
from zoo.errors import AsdzooError


def score_axis(scored: Sequence[Scored]) -> tuple[float, float]:
    """Where an axis for all official scores, their intervals and chance begins and ends."""
    ends = [0.5]
    for one in scored:
        ends += [] if one.evaluation.score is None else [one.evaluation.score, *(one.interval or ())]
    return min(ends) - 0.01, max(ends) + 0.01


def interval_bar(one: Scored, every: Sequence[Scored]) -> Markup:
    """The official score and its 95 % interval on an axis that all systems share."""
    score, interval = one.evaluation.score, one.interval
    if score is None:
        return Markup("")
    plot = Plot(f"official score of {one.name}", linear(*score_axis(every)), Scale(0, 1, ()), 200, 22, 4, 4, 4, 4)
    plot.line([0.5, 0.5], [0, 1], "chance", "chance")
    if interval is not None:
        plot.line(interval, [0.5, 0.5], f"whisker {series(one.number)}", f"{interval.low:.4f} to {interval.high:.4f}")
    plot.dot(score, 0.5, series(one.number), 4, f"{score:.4f}")
    return plot.svg(x_ticks=False, y_ticks=False, class_="inline")


def statistics(facts: Facts) -> list[tuple[str, str, int, float, float]]:
    """System, machine, training clips, mean and standard deviation of their scores."""
    found = []
    for one in facts.scored:
        path = facts.run.system_folder(one.name) / "calibration.json"
        try:
            calibration = Calibration.load(path) if path.exists() else Calibration.fit(one.table)
        except AsdzooError:  # a table without training clips, of an ensemble or of a person's own
            continue
        for (system, _, machine, section), own in calibration.statistics.items():
            found.append((system, f"{machine} {section}", own.clips, own.mean, own.std))
    return found


def calibration(facts: Facts, one: Scored) -> Markup:
    """Where the test clips of each place lie on the calibrated scale: mean and standard deviation by kind."""
    rows, values = [], [-1.0, 1.0]
    for place in facts.places:
        frame = one.rows(place)
        scores = frame["calibrated"].to_numpy()
        means = [(kind, float(scores[kind.mask].mean()), float(scores[kind.mask].std())) for kind in kinds(frame)]
        means = [entry for entry in means if entry[0].class_ != "train" and entry[0].class_ != "anomaly"]
        rows.append((place, means))
        values += [end for _, mean, std in means for end in (mean - std, mean + std)]
    sections = len({place.section for place in facts.places}) > 1
    plot = Plot(
        f"Calibration of {one.name}", z_scale(values), Scale(0, len(rows), ()), 360, 42 + 22 * len(rows), left=120,
        x_label="calibrated score (standard deviations)",
    )  # fmt: skip
    plot.box(-1, 0, 1, len(rows), "band", "training clips: mean 0, standard deviation 1")
    for position, (place, means) in enumerate(rows):
        middle = len(rows) - position - 0.5
        name = f"{place.machine} {place.section}" if sections else place.machine
        plot.text(plot.x.low, middle, _short(name, 18), "tick", "end", dx=-6, dy=4)
        for index, (kind, mean, std) in enumerate(means):
            y = middle + (0.17 if index == 0 else -0.17) * (len(means) > 1)
            look = "target" if kind.title.endswith("target") else "source" if kind.title.endswith("source") else "blind"
            tip = f"{name}, {kind.title}: mean {mean:.2f}, standard deviation {std:.2f}"
            plot.line([mean - std, mean + std], [y, y], f"whisker {look}", tip)
            plot.dot(mean, y, look, 3.5, tip)
    return plot.svg(y_ticks=False)


def _short(name: str, most: int) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


class Brought(NamedTuple):
    """What the members of an ensemble bring to each machine."""

    members: Sequence[str]
    machines: Mapping[str, Sequence[float | None]]


def brought(facts: Facts, ensemble: Ensemble) -> tuple[Brought | None, str]:
    """Leave one member out; None, and why, when that says nothing."""
    if ensemble.combiner in ("min", "max"):
        return None, f"the combiner {ensemble.combiner} is no sum, so members cannot be left out of it one by one"
    members = [name for name in ensemble.systems if facts.run.score_path(name).exists()]
    if len(members) < 2:
        return None, "fewer than two members have scores in this run"
    try:
        stacked = stack({name: facts.run.scores(name) for name in members}, partial=True)
        objective = Objective.of(stacked, ensemble.combiner)
        if not objective.machines:
            return None, "no machine has labelled test clips"
        found = contributions(objective, ensemble.weights_of)
    except AsdzooError as problem:
        return None, problem.message
    if all(value is None for row in found.values() for value in row):
        return None, "one member has all the weight on every machine"
    return Brought(members, found), ""


def member_bars(found: Brought, numbers: Mapping[str, int], ensemble: str) -> Markup:
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
        plot.text(plot.x.low, top - 0.5 + 5 / height, _short(machine, 18), "tick", "end", dx=-6, dy=4)
        for index, (member, value) in enumerate(zip(found.members, row, strict=True)):
            if value is not None:
                look = f"bar {series(numbers.get(member, 0))}"
                plot.box(0, top - step * index, value, top - step * (index + 0.85), look, f"{machine}, {member}: {value:+.4f}")
    plot.line([0, 0], [0, len(found.machines)], "zero")
    return plot.svg(y_ticks=False)


class Agreement(NamedTuple):
    """How alike systems rank the test clips."""

    names: Sequence[str]
    rows: Sequence[Sequence[float | None]]
    why: str = ""  # there are none


def agreement(facts: Facts) -> Agreement:
    """Spearman's rank correlation of the test scores of each pair of systems, within machines, averaged over them."""
    from scipy.stats import rankdata

    names = [one.name for one in facts.scored]
    try:
        stacked = stack({one.name: one.table for one in facts.scored}, partial=True)
    except AsdzooError as problem:
        return Agreement(names, [], problem.message)
    test = stacked.clips["split"].to_numpy() == "test"
    sums, counts = np.zeros((len(names), len(names))), np.zeros((len(names), len(names)))
    for rows in stacked.clips[test].groupby(["machine", "section"]).groups.values():
        scores = stacked.calibrated[:, np.asarray(rows)]
        usable = np.array([not np.isnan(row).any() and len(set(row)) > 1 for row in scores], dtype=bool)
        if usable.any() and scores.shape[1] > 1:
            own = np.flatnonzero(usable)
            sums[np.ix_(own, own)] += np.corrcoef(rankdata(scores[own], axis=1)).reshape(len(own), len(own))
            counts[np.ix_(own, own)] += 1
    means = [
        [float(total / count) if count else None for total, count in zip(*rows, strict=True)]
        for rows in zip(sums, counts, strict=True)
    ]
    return Agreement(names, means)


_UNPLOTTED = {"step", "learning_rate", "clips_per_second"}


def training_curves(one: Training) -> Markup:
    """Every measured loss over the training steps."""
    steps = one.columns["step"]
    losses = {name: values for name, values in one.columns.items() if name not in _UNPLOTTED and np.isfinite(values).any()}
    every = np.concatenate([values[np.isfinite(values)] for values in losses.values()] or [np.zeros(1)])
    title = f"{one.system}, {one.group}"
    plot = Plot(
        f"Training of {title}", linear(0, float(steps.max(initial=1)), 4), linear(float(every.min()), float(every.max())),
        340, 210, x_label="step", y_label="loss",
    )  # fmt: skip
    for number, (name, values) in enumerate(losses.items()):
        finite = np.isfinite(values)
        plot.line(steps[finite], values[finite], series(number), f"{name}: {values[finite][-1]:.4g} at the end")
        if finite.sum() == 1:
            plot.dot(float(steps[finite][0]), float(values[finite][0]), series(number))
    return plot.svg()


def losses_of(one: Training) -> list[str]:
    """Names of the curves, in the order of their colours."""
    return [name for name, values in one.columns.items() if name not in _UNPLOTTED and np.isfinite(values).any()]
