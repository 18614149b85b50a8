"""Scales and elements of the report's plots."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from submission.report.svg import Plot, element, linear, z_scale

NUMBERS = st.floats(-1e6, 1e6)


@given(NUMBERS, NUMBERS)
@example(2.1e-305, 1.1e-308)
@example(1e-20, 3e-20)
@settings(deadline=None, max_examples=60)
def test_ticks_are_few_and_inside(a: float, b: float) -> None:
    scale = linear(a, b)
    assert scale.low < scale.high
    assert 1 <= len(scale.ticks) <= 6
    slack = 1e-6 * (scale.high - scale.low)
    assert all(scale.low - slack <= tick <= scale.high + slack for tick in scale.ticks)
    assert (scale(scale.low), scale(scale.high)) == (0, 1)


@given(st.lists(NUMBERS, min_size=1, max_size=9))
@settings(deadline=None, max_examples=60)
def test_z_scores_keep_their_order(values: list[float]) -> None:
    scale = z_scale(values)
    placed = [scale(value) for value in sorted(values)]
    assert placed == sorted(placed)
    assert all(0 <= place <= 1 for place in placed)
    assert 0 in scale.ticks
    assert scale(1) - scale(0) > scale(101) - scale(100)


def test_what_lies_outside_is_drawn_on_the_edge() -> None:
    scale = linear(0, 1)
    assert (scale(-3), scale(7)) == (0, 1)
    assert linear(2, 2)(2) == 0.5


def test_text_and_attributes_are_escaped() -> None:
    made = element("text", "<b>", Markup("<i/>"), class_='"x', data_tip="<'&\">", x=-0.04, y=None)
    assert made == Markup('<text class="&#34;x" data-tip="&lt;&#39;&amp;&#34;&gt;" x="0">&lt;b&gt;<i/></text>')


def test_larger_values_lie_to_the_right_and_above() -> None:
    plot = Plot("a plot", linear(0, 10), linear(0, 10))
    assert plot.at_x(2) < plot.at_x(3)
    assert plot.at_y(2) > plot.at_y(3)
    plot.line([0, 10], [0, 10], "s0")
    assert f'd="M{plot.left:g} {plot.height - plot.bottom:g}L{plot.width - plot.right:g} {plot.top:g}"' in plot.svg()


@pytest.mark.parametrize(("value", "shown"), [(-1.0, "−1"), (0.05, "0.05"), (1000.0, "1000")])
def test_ticks_are_plain_numbers(value: float, shown: str) -> None:
    assert linear(-1, 1).shown(value) == shown
