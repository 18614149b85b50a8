"""Small SVG plots: axes, lines, areas and points, whose colours are left to the page's style sheet.

Every text and attribute is escaped, so that names from recordings and files are safe in here.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import ArrayLike


def element(name: str, *inside: str, **attributes: str | float | None) -> Markup:
    """One SVG element; `class_` is `class`, other underscores are hyphens, attributes that are `None` are left out.

    >>> element("text", "a < b", class_="tick", x=1.0)
    Markup('<text class="tick" x="1">a &lt; b</text>')
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"' for key, value in attributes.items() if value is not None
    )
    content = "".join(escape(part) for part in inside)
    return Markup(f"<{name}{written}>{content}</{name}>" if content else f"<{name}{written}/>")


def _value(value: str | float) -> str:
    return escape(value) if isinstance(value, str) else _number(value)


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0").replace("-0", "-0" if abs(value) >= 0.05 else "0")


@dataclass(frozen=True)
class Scale:
    """Values from `low` to `high` on a line from 0 to 1; `bend` makes equal steps of what is not linear."""

    low: float
    high: float
    ticks: Sequence[float]
    bend: Callable[[float], float] = float
    form: str = "g"

    def __call__(self, value: float) -> float:
        """Where a value lies; values outside are drawn on the edge."""
        low, high = self.bend(self.low), self.bend(self.high)
        return (self.bend(min(max(value, self.low), self.high)) - low) / (high - low)

    def shown(self, tick: float) -> str:
        return format(tick, self.form).replace("-", "−")


def linear(low: float, high: float, count: int = 5, form: str = "g") -> Scale:
    """A linear scale with about `count` round ticks; it is widened where the ends are the same."""
    low, high = sorted((low, high))
    if high - low <= max(1e-9 * max(abs(low), abs(high)), 1e-100):
        widening = 0.5 * max(abs(low), 1)
        low, high = low - widening, high + widening
    step = 10 ** math.floor(math.log10((high - low) / count))
    step *= next((factor for factor in (1, 2, 5) if (high - low) / (step * factor) <= count), 10)
    first = math.ceil(low / step - 1e-9)
    ticks = [float(f"{index * step:.12g}") for index in range(first, math.floor(high / step + 1e-9) + 1)]
    return Scale(low, high, ticks, form=form)


def z_scale(values: ArrayLike) -> Scale:
    """A scale for z-scores: linear around 0, logarithmic far from it, so that clips 100 deviations out do not hide the rest."""
    values = np.asarray(values, dtype=np.float64)
    low, high = min(float(values.min()), -1.5), max(float(values.max()), 3.0)
    ticks = [sign * size for sign in (-1, 1) for size in (1, 3, 10, 30, 100, 1e3, 1e4, 1e5)]
    return Scale(low, high, [0, *(tick for tick in ticks if low <= tick <= high)], bend=math.asinh)


@dataclass
class Plot:
    """One set of axes; x grows to the right, y upwards. Positions are in units of the scales."""

    title: str  # what a screen reader says
    x: Scale
    y: Scale
    width: float = 340
    height: float = 220
    left: float = 44
    bottom: float = 36
    top: float = 8
    right: float = 10
    x_label: str = ""
    y_label: str = ""
    parts: list[Markup] = field(default_factory=list)

    def at_x(self, value: float) -> float:
        return self.left + self.x(value) * (self.width - self.left - self.right)

    def at_y(self, value: float) -> float:
        return self.height - self.bottom - self.y(value) * (self.height - self.bottom - self.top)

    def add(self, name: str, *inside: str, **attributes: str | float | None) -> None:
        self.parts.append(element(name, *inside, **attributes))

    def line(self, x: ArrayLike, y: ArrayLike, class_: str, tip: str | None = None, **attributes: str) -> None:
        """A line through the points."""
        self.add("path", d=self._path(x, y), class_=f"line {class_}", data_tip=tip, **attributes)

    def area(self, x: ArrayLike, low: ArrayLike, high: ArrayLike, class_: str, tip: str | None = None) -> None:
        """What lies between two lines over the same x."""
        x, low, high = (np.asarray(values, dtype=np.float64) for values in (x, low, high))
        path = self._path(np.concatenate([x, x[::-1]]), np.concatenate([high, low[::-1]]))
        self.add("path", d=path + "z", class_=f"area {class_}", data_tip=tip)

    def box(self, x0: float, y0: float, x1: float, y1: float, class_: str, tip: str | None = None) -> None:
        left, right = sorted((self.at_x(x0), self.at_x(x1)))
        top, bottom = sorted((self.at_y(y0), self.at_y(y1)))
        self.add("rect", x=left, y=top, width=right - left, height=bottom - top, class_=class_, data_tip=tip)

    def dot(self, x: float, y: float, class_: str, radius: float = 3.5, tip: str | None = None) -> None:
        self.add("circle", cx=self.at_x(x), cy=self.at_y(y), r=radius, class_=f"dot {class_}", data_tip=tip)

    def text(
        self, x: float, y: float, said: str, class_: str = "", anchor: str = "start", dx: float = 0, dy: float = 0
    ) -> None:
        self.add("text", said, x=self.at_x(x) + dx, y=self.at_y(y) + dy, class_=class_ or None, text_anchor=anchor)

    def svg(self, *, x_ticks: bool = True, y_ticks: bool = True, class_: str = "") -> Markup:
        """The plot; grid and ticks lie under what was drawn."""
        parts = [element("title", self.title)]
        lower, upper = self.height - self.bottom, self.top
        for tick in self.x.ticks if x_ticks else ():
            at = self.left + self.x(tick) * (self.width - self.left - self.right)
            parts.append(element("path", d=f"M{_number(at)} {_number(lower)}V{_number(upper)}", class_="rule"))
            parts.append(element("text", self.x.shown(tick), x=at, y=lower + 14, class_="tick", text_anchor="middle"))
        for tick in self.y.ticks if y_ticks else ():
            at = self.at_y(tick)
            parts.append(
                element("path", d=f"M{_number(self.left)} {_number(at)}H{_number(self.width - self.right)}", class_="rule")
            )
            parts.append(element("text", self.y.shown(tick), x=self.left - 6, y=at + 4, class_="tick", text_anchor="end"))
        if self.x_label:
            middle = (self.left + self.width - self.right) / 2
            parts.append(element("text", self.x_label, x=middle, y=self.height - 5, class_="axis", text_anchor="middle"))
        if self.y_label:
            middle = (self.top + lower) / 2
            turn = f"rotate(-90 11 {_number(middle)})"
            parts.append(element("text", self.y_label, x=11, y=middle, class_="axis", text_anchor="middle", transform=turn))
        return element(
            "svg",
            *parts,
            *self.parts,
            viewBox=f"0 0 {_number(self.width)} {_number(self.height)}",
            role="img",
            aria_label=self.title,
            class_=f"plot {class_}".strip(),
            style=f"max-width:{_number(self.width * 1.15)}px",
        )

    def _path(self, x: ArrayLike, y: ArrayLike) -> str:
        xs, ys = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
        points = [f"{_number(self.at_x(a))} {_number(self.at_y(b))}" for a, b in zip(xs, ys, strict=True)]
        return "M" + "L".join(points)
