"""What each member brings to each machine: the machine's score less its score without that member."""

from collections.abc import Callable, Mapping

import numpy as np

from fusion.metrics import Floats
from fusion.objective import Objective


def contributions(objective: Objective, weights_of: Callable[[str], Mapping[str, float]]) -> dict[str, list[float | None]]:
    """Leave one member out: machine -> for each system the loss of score when it is taken away and the other weights scaled up.

    Positive = the machine needs the system. None where the system has no weight, or all of it.
    """
    return {machine: _of_machine(objective, machine, weights_of(machine)) for machine in objective.machines}


def _of_machine(objective: Objective, machine: str, weights: Mapping[str, float]) -> list[float | None]:
    vector: Floats = np.array([weights.get(system, 0.0) for system in objective.systems])
    left: list[float | None] = [None] * len(vector)
    members = np.flatnonzero(vector)
    if len(members) < 2:
        return left
    tried = np.repeat(vector[None], len(members) + 1, axis=0)
    tried[np.arange(len(members)), members] = 0
    *without, whole = objective.judge(tried / tried.sum(axis=1, keepdims=True), [machine]).score()
    for member, score in zip(members, without, strict=True):
        left[member] = float(whole - score)
    return left
