"""SIGTERM or Ctrl-C while a network is trained: the step is taken to its end and kept, if that takes no longer than a moment.

Slurm, containers and systemd send SIGTERM some seconds before they kill, and a person who types Ctrl-C is told that the same
command goes on from here. What was to happen at the signal happens after the step; or at once, when the step takes too long for
that or a second signal comes.
"""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

SECONDS = 5.0  # that a step, and what is kept of it, may take after the signal
ENDS = (signal.SIGTERM, signal.SIGINT)
Handler = Callable[[int, FrameType | None], object]


class Ending:
    """Whether a training is to end after this step; `then` is what each signal was to do."""

    def __init__(self, then: Mapping[int, Handler], seconds: float) -> None:
        self.asked = False
        self._then, self._seconds = then, seconds
        self._number = 0  # of the signal that came
        self._alarm: Handler | int | None = signal.SIG_DFL  # handler of SIGALRM before the signal

    def ask(self, number: int, frame: FrameType | None) -> None:
        """The handler of these signals."""
        if self.asked:
            self._go(frame)
        else:
            self.asked, self._number = True, number
            self._alarm = signal.signal(signal.SIGALRM, lambda _, frame: self._go(frame))
            signal.setitimer(signal.ITIMER_REAL, self._seconds)

    def go(self) -> None:
        """Do what the signal was to do, which mostly raises; nothing where none came."""
        if self.asked:
            self._go(None)

    def _go(self, frame: FrameType | None) -> None:
        self.forget()
        self._then[self._number](self._number, frame)

    def forget(self) -> None:
        """Be as before the signal."""
        if self.asked:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._alarm)
        self.asked = False


@contextmanager
def after_the_step(seconds: float = SECONDS) -> Iterator[Ending]:
    """While the block runs, the signals only ask, for up to `seconds`; the block calls `go` when it has kept what it has.

    Nothing changes for one that has no Python handler (then it is the caller's matter), outside of the main thread, and on
    systems without timers.
    """
    here = threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer")
    handlers = {number: signal.getsignal(number) for number in ENDS} if here else {}
    before: dict[int, Handler] = {number: handler for number, handler in handlers.items() if callable(handler)}
    ending = Ending(before, seconds)
    try:
        for number in before:
            signal.signal(number, ending.ask)
        yield ending
        ending.go()  # of a signal behind the last step
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        ending.forget()
