"""Learning-rate schedules, as pure functions of the step."""

import math
from typing import Literal

Schedule = Literal["constant", "cosine_restarts"]


def learning_rate(schedule: Schedule, step: int, maximum: float, minimum: float, warm_up: int, cycle: int) -> float:
    """Learning rate of optimizer step `step` (0, 1, ...).

    Both schedules rise linearly to `maximum` over the first `warm_up` steps. Then `constant` stays there, and
    `cosine_restarts` falls along half a cosine to `minimum` within each `cycle` steps and starts again at `maximum`
    (Loshchilov and Hutter, SGDR, 2017, eq. 5, with cycles of equal length).

    >>> [learning_rate("constant", step, 1.0, 0.0, 2, 1) for step in range(4)]
    [0.5, 1.0, 1.0, 1.0]
    >>> [round(learning_rate("cosine_restarts", step, 1.0, 0.0, 0, 4), 3) for step in range(5)]
    [1.0, 0.854, 0.5, 0.146, 1.0]
    """
    if step < warm_up:
        return maximum * (step + 1) / warm_up
    if schedule == "constant":
        return maximum
    phase = ((step - warm_up) % cycle) / cycle
    return minimum + (maximum - minimum) * (1 + math.cos(math.pi * phase)) / 2
