"""Where test clips lie on the scale of training clips, and what that scale is made of."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from submission.report.figures import kinds, shortened
from submission.report.rendering import render
from submission.report.scored import Place, Scored
from submission.report.sections import Section
from submission.report.svg import Plot, Scale, z_scale
from zoo.calibration import Calibration
from zoo.errors import AsdzooError
from zoo.running.folder import Run


def section(run: Run, scored: Sequence[Scored], names: Mapping[Place, str]) -> Section:
    """`names` are what places are called, in the order of the page."""
    plots = [(one, _plot(one, names)) for one in scored]
    html = render("sections/calibration", calibrations=plots, statistics=_statistics(run, scored))
    return Section("calibration", "Calibration", html)


def _statistics(run: Run, scored: Sequence[Scored]) -> list[tuple[str, str, int, float, float]]:
    """System, machine, training clips, mean and standard deviation of their scores."""
    found = []
    for one in scored:
        path = run.system_folder(one.name) / "calibration.json"
        try:
            calibration = Calibration.load(path) if path.exists() else Calibration.fit(one.table)
        except AsdzooError:  # a table without training clips, of an ensemble or of a person's own
            continue
        for (system, _, machine, section), own in calibration.statistics.items():
            found.append((system, f"{machine} {section}", own.clips, own.mean, own.std))
    return found


def _plot(one: Scored, names: Mapping[Place, str]) -> Markup:
    """Where the test clips of each place lie on the calibrated scale: mean and standard deviation by kind."""
    rows, values = [], [-1.0, 1.0]
    for place, name in names.items():
        frame = one.rows(place)
        scores = frame["calibrated"].to_numpy()
        means = [(kind, float(scores[kind.mask].mean()), float(scores[kind.mask].std())) for kind in kinds(frame)]
        means = [entry for entry in means if entry[0].class_ != "train" and entry[0].class_ != "anomaly"]
        rows.append((name, means))
        values += [end for _, mean, std in means for end in (mean - std, mean + std)]
    plot = Plot(
        f"Calibration of {one.name}", z_scale(values), Scale(0, len(rows), ()), 360, 42 + 22 * len(rows), left=120,
        x_label="calibrated score (standard deviations)",
    )  # fmt: skip
    plot.box(-1, 0, 1, len(rows), "band", "training clips: mean 0, standard deviation 1")
    for position, (name, means) in enumerate(rows):
        middle = len(rows) - position - 0.5
        plot.text(plot.x.low, middle, shortened(name, 18), "tick", "end", dx=-6, dy=4)
        for index, (kind, mean, std) in enumerate(means):
            y = middle + (0.17 if index == 0 else -0.17) * (len(means) > 1)
            look = "target" if kind.title.endswith("target") else "source" if kind.title.endswith("source") else "blind"
            tip = f"{name}, {kind.title}: mean {mean:.2f}, standard deviation {std:.2f}"
            plot.line([mean - std, mean + std], [y, y], f"whisker {look}", tip)
            plot.dot(mean, y, look, 3.5, tip)
    return plot.svg(y_ticks=False)
