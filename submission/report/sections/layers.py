"""How much each layer of an encoder counts, where the sum of layers is learned."""

from collections.abc import Sequence

from markupsafe import Markup

from submission.report.layer_weights import LayerWeights
from submission.report.rendering import render
from submission.report.sections import Section
from submission.report.svg import Plot, Scale, linear

_MOST_TICKS = 13  # numbers under the bars; of more layers every second or third has one


def section(found: Sequence[LayerWeights]) -> Section | None:
    """None where no sum of layers is learned."""
    if not found:
        return None
    return Section("layers", "Layers", render("sections/layers", found=[(one, _bars(one)) for one in found]))


def _bars(one: LayerWeights) -> Markup:
    count, most = len(one.weights), float(one.weights.max())
    ticks = range(0, count, -(-count // _MOST_TICKS))
    title = f"Weights of layers of {one.system}, {one.group}"
    plot = Plot(title, Scale(-0.6, count - 0.4, ticks), linear(0, most, 4), 340, 210, x_label="layer", y_label="weight")
    plot.line([-0.6, count - 0.4], [1 / count, 1 / count], "chance", f"all alike: {1 / count:.4f}")
    for layer, weight in enumerate(one.weights):
        plot.box(layer - 0.4, 0, layer + 0.4, float(weight), "bar s0", f"layer {layer}: {weight:.4f}")
    return plot.svg()
