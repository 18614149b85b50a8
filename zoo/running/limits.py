"""What a training may take of the time that a budget leaves: its share of what is left when it begins.

A plan is fitted into a budget with a measure of a few steps, and other work may slow the machine down. So a training is ended
at its share, and what comes behind it still has its turn; what one does not need is left to the others.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from zoo.running.plan import Task
from zoo.running.records import Record


class Limit(Record):
    """Of one training; without a budget there is none."""

    seconds: float | None = None  # that it may take from now on
    least: int = 0  # steps, with fewer of which its network is of no use
    cut: bool = False  # a budget took steps away: with more time, a training with more of them goes on from its last one

    @property
    def longest(self) -> float:
        return math.inf if self.seconds is None else self.seconds


MOST_SLOWER = 10.0  # times, that embedding is taken to be
Limits = Callable[[Task], Limit]  # asked when a task begins


def unlimited(task: Task) -> Limit:
    """No budget."""
    return Limit()


@dataclass(frozen=True)
class Planned:
    """What a task is planned to take."""

    training: float  # seconds
    embedding: float  # seconds
    least: int = 0
    cut: bool = False


class Allowance:
    """Shares out what is left until `end`, in the clock of `time.monotonic`, among the tasks of a plan.

    `planned` names them by system and group; `at_a_time` of them are done side by side. One after the other, a task tells the
    next how much longer than planned its clips took to be embedded, which nobody ends.
    """

    def __init__(self, planned: dict[tuple[str, str], Planned], end: float, at_a_time: int = 1) -> None:
        self._planned, self._waiting = planned, dict(planned)
        self._end, self._at_a_time = end, at_a_time
        self._slower = 1.0  # embedding than planned
        self._before: tuple[float, float, float] | None = None  # of the last task: its begin, its limit, its planned embedding

    def __call__(self, task: Task) -> Limit:
        """The limit of a task that begins now. One that is not in the plan has none."""
        own = self._planned.get((task.system.name, task.group))
        if own is None:
            return Limit()
        self._waiting.pop((task.system.name, task.group), None)
        now = time.monotonic()
        self._compare(now)
        others = sum(one.training + self._slower * one.embedding for one in self._waiting.values()) / self._at_a_time
        left = max(0.0, self._end - now)
        whole = own.training + self._slower * own.embedding + others
        seconds = left * own.training / whole if whole else left
        self._before = (now, seconds, own.embedding)
        return Limit(seconds=seconds, least=own.least, cut=own.cut)

    def _compare(self, now: float) -> None:
        if self._before is not None and self._at_a_time == 1:
            begun, given, embedding = self._before
            if embedding > 0:
                self._slower = min(max(1.0, (now - begun - given) / embedding), MOST_SLOWER)
