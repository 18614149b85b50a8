"""The figures of one machine: ROC curves, score distributions, embedding maps."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from markupsafe import Markup, escape
from sklearn.metrics import roc_curve

from fusion.metrics import MAX_FPR, Bools, Floats
from fusion.official import Section
from submission.report.scored import Place, Scored
from submission.report.svg import Plot, Scale, linear, z_scale

SERIES = 10  # colours of the style sheet
MOST_COLUMNS = 8  # systems side by side in a table; more stand one below the other
_SHARE = Scale(0, 1, (0, 0.25, 0.5, 0.75, 1))


def series(number: int) -> str:
    """The class that colours system `number`; beyond the tenth lines are dashed."""
    return f"s{number % SERIES}" + (" dashed" if number >= SERIES else "")


def clearest(scored: Sequence[Scored]) -> list[Scored]:
    """The systems whose curves fit into one figure: at most `SERIES`, those with the best official scores."""
    best = sorted(scored, key=lambda one: -(one.evaluation.score or 0))[:SERIES]
    return [one for one in scored if one in best]


def shortened(name: str, most: int) -> str:
    """A name of at most `most` characters."""
    return name if len(name) <= most else name[: most - 1] + "…"


def roc(scored: Sequence[Scored], place: Place) -> list[tuple[str, Markup]]:
    """ROC curves of a labelled place, with captions: a plot for each domain's AUC, or for the AUC; one for the pAUC corner."""
    year = scored[0].table.year
    judged = [one for one in scored if place in one.sections]
    if not judged:
        return []
    by_domain = judged[0].sections[place].by_domain(year)
    plots = []
    for domain in ("source", "target") if by_domain else ("",):
        name = f"AUC {domain}".strip()
        plot = Plot(f"ROC of {place.machine}: {name}", _SHARE, _SHARE, 300, 270, x_label=_FPR, y_label=_TPR)
        plot.box(0, 0, MAX_FPR, 1, "corner")
        plot.line([0, 1], [0, 1], "chance")
        for one in judged:
            section = one.sections[place]
            mask = _of_domain(section, domain, year)
            false, true = _curve(one, section, mask)
            plot.line(
                false,
                true,
                series(one.number),
                f"{one.name}: {name} {np.trapezoid(true, false):.4f}",
                data_series=str(one.number),
            )
        plots.append((f"{name}: normal clips of the {domain} domain" if domain else name, plot.svg()))
    corner = Plot(
        f"ROC of {place.machine} up to a false positive rate of {MAX_FPR}: pAUC",
        linear(0, MAX_FPR), _SHARE, 300, 270, x_label=_FPR, y_label=_TPR,
    )  # fmt: skip
    corner.box(0, 0, MAX_FPR, 1, "corner")
    corner.line([0, MAX_FPR], [0, MAX_FPR], "chance")
    for one in judged:
        section = one.sections[place]
        false, true = _curve(one, section, np.ones(len(section.rows), dtype=bool))
        inside = false <= MAX_FPR
        if false[inside][-1] < MAX_FPR:
            false, true = np.append(false[inside], MAX_FPR), np.append(true[inside], np.interp(MAX_FPR, false, true))
        else:
            false, true = false[inside], true[inside]
        corner.line(
            false, true, series(one.number), f"{one.name}: up to {true[-1]:.0%} of the anomalies", data_series=str(one.number)
        )
    return [*plots, ("pAUC: all normal clips, the corner enlarged", corner.svg())]


_FPR, _TPR = "false positive rate", "true positive rate"


def _of_domain(section: Section, domain: str, year: str) -> Bools:
    """Clips that the AUC of a domain ranks: its normal clips and, but for the rule of 2021, the anomalies of both."""
    if not domain or section.target is None:
        return np.ones(len(section.rows), dtype=bool)
    own = section.target if domain == "target" else ~section.target
    return own if year == "2021" else own | section.anomalous


def _curve(one: Scored, section: Section, mask: Bools) -> tuple[Floats, Floats]:
    scores = one.table.frame["score"].to_numpy()[section.rows]
    false, true, _ = roc_curve(section.anomalous[mask], scores[mask])
    return false, true


class Kind(NamedTuple):
    """One row of a distribution."""

    title: str
    class_: str
    mask: Bools


def kinds(rows: pd.DataFrame) -> Iterator[Kind]:
    """Training clips, then test clips by label and domain, then those without label; only kinds that occur."""
    split, domain, label = (rows[column].to_numpy() for column in ("split", "domain", "label"))
    train = split == "train"
    if train.any():
        yield Kind("training", "train", train)
    for said in ("normal", "anomaly"):
        for where in ("source", "target", ""):
            mask = ~train & (label == said) & (domain == where)
            if mask.any():
                yield Kind(f"{said} {where}".strip(), said, mask)
    mask = ~train & (label == "")
    if mask.any():
        yield Kind("test, unlabelled", "blind", mask)


class Decisions(NamedTuple):
    """What the thresholds of a place decide."""

    titles: list[str]  # the kinds of clips
    rows: dict[str, list[float | None]]  # by system: threshold, then the share of each kind above it


def decisions(scored: Sequence[Scored], place: Place) -> Decisions:
    """Shares of clips above each system's threshold; a system without training scores has none."""
    titles: dict[str, None] = {}
    shares: dict[str, dict[str, float]] = {}
    thresholds: dict[str, float] = {}
    for one in scored:
        threshold, rows = one.thresholds.get(place), one.rows(place)
        if threshold is None:
            continue
        values, thresholds[one.name] = rows["calibrated"].to_numpy(), threshold.value
        shares[one.name] = {kind.title: float((values[kind.mask] > threshold.value).mean()) for kind in kinds(rows)}
        titles |= dict.fromkeys(shares[one.name])
    found = {name: [thresholds[name], *(own.get(title) for title in titles)] for name, own in shares.items()}
    return Decisions(list(titles), found)


def distribution(one: Scored, place: Place) -> Markup:
    """Histograms of the calibrated scores of a place, a row for each kind of clip, with the threshold."""
    rows = one.rows(place)
    values = rows["calibrated"].to_numpy()
    found = list(kinds(rows))
    threshold = one.thresholds.get(place)
    plot = Plot(
        f"Scores of {one.name} on {place.machine}", z_scale(values), Scale(0, len(found), ()), 386, 54 + 34 * len(found),
        left=124, right=54, top=16, x_label="calibrated score (standard deviations)",
    )  # fmt: skip
    bent = np.arcsinh(values)
    edges = np.linspace(np.arcsinh(plot.x.low), np.arcsinh(plot.x.high), 41)
    for row, kind in enumerate(found):
        base = len(found) - row - 1 + 0.12
        heights = np.histogram(np.clip(bent[kind.mask], edges[0], edges[-1]), edges)[0] / kind.mask.sum()
        heights = heights / heights.max() * 0.78
        steps = np.sinh(np.repeat(edges, 2)[1:-1])
        median = float(np.median(values[kind.mask]))
        tip = f"{kind.title}: {kind.mask.sum()} clips, median {median:.2f}"
        plot.area(steps, np.full(len(steps), base), base + np.repeat(heights, 2), kind.class_, tip)
        plot.line([median, median], [base, base + 0.5], f"median {kind.class_}", tip)
        plot.text(plot.x.low, base, f"{kind.title} ({kind.mask.sum()})", "tick", "end", dx=-6, dy=-3)
        if threshold is not None:
            share = float((values[kind.mask] > threshold.value).mean())
            plot.text(plot.x.high, base, f"{share:.0%}", "tick", dx=8, dy=-3)
    if threshold is not None:
        plot.line(
            [threshold.value] * 2, [0, len(found)], "threshold", f"threshold {threshold.value:.3f}, by {threshold.method}"
        )
    return plot.svg(y_ticks=False)


class Cloud(NamedTuple):
    """Points of an embedding map that look alike."""

    split: str
    domain: str
    label: str
    attribute: int  # its colour
    said: str  # the attribute string


def embedding_map(title: str, points: Floats, clouds: Sequence[Cloud]) -> Markup:
    """Points (n, 2); point i belongs to `clouds[i]`. Crosses are anomalies, small dots training clips."""
    low, high = points.min(axis=0), points.max(axis=0)
    scale = 300 / (float((high - low).max()) or 1.0)
    width, height = np.maximum(scale * (high - low), 150) + 20
    x, y = (scale * (points - (low + high) / 2)).T + np.array([[width / 2], [height / 2]])
    parts = []
    order = sorted(set(clouds), key=lambda cloud: (cloud.split != "train", cloud.label == "anomaly", cloud))
    for cloud in order:
        own = [index for index, other in enumerate(clouds) if other == cloud]
        form = "M{:.0f} {:.0f}l6 6m0-6l-6 6" if cloud.label == "anomaly" else "M{:.0f} {:.0f}h0"
        shift = 3 if cloud.label == "anomaly" else 0
        path = "".join(form.format(x[index] - shift, height - y[index] - shift) for index in own)
        size = "cross" if cloud.label == "anomaly" else "small" if cloud.split == "train" else "round"
        classes = f"point {size} d-{cloud.domain or 'none'} l-{cloud.label or 'none'} s{cloud.attribute}"
        said = ", ".join(filter(None, (cloud.split, cloud.domain, cloud.label, cloud.said)))
        parts.append(Markup('<path class="{}" d="{}" data-tip="{}"/>').format(classes, path, said))
    frame = f"0 0 {width:.0f} {height:.0f}"
    return Markup('<svg class="plot map" viewBox="{2}" role="img" aria-label="{0}"><title>{0}</title>{1}</svg>').format(
        escape(title), Markup("").join(parts), frame
    )
