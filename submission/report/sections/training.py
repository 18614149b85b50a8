"""Losses over the steps of each network."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from submission.report.figures import series
from submission.report.rendering import render
from submission.report.sections import Section
from submission.report.svg import Plot, linear
from submission.report.trainings import Training


def section(trainings: Sequence[Training]) -> Section | None:
    """None where nothing was trained."""
    if not trainings:
        return None
    html = render("sections/training", trainings=[(one, _curves(one), list(one.losses)) for one in trainings])
    return Section("training", "Training", html)


def _curves(one: Training) -> Markup:
    """Every measured loss over the training steps."""
    steps, losses = one.columns["step"], one.losses
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
