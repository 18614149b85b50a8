"""SIGTERM while a network is trained: the step is taken to its end and kept, if that takes no longer than a scheduler waits.

Slurm, containers and systemd send SIGTERM some seconds before they kill. What was to happen at the signal happens after the
step; or at once, when the step takes too long for that or a second signal comes.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SECONDS = 5.0  # that a step, and what is kept of it, may take after the signal
Handler = Callable[[int, FrameType | None], object]


class Ending:
    """Whether a training is to end after this step."""

    def __init__(self, then: Handler, seconds: float) -> None:
        self.asked = False
        self._then, self._seconds = then, seconds
        self._alarm: Handler | int | None = signal.SIG_DFL  # handler of SIGALRM before the signal

    def ask(self, _: int, frame: FrameType | None) -> None:
        """The handler of SIGTERM."""
        if self.asked:
            self._go(frame)
        else:
            self.asked = True
            self._alarm = signal.signal(signal.SIGALRM, lambda _, frame: self._go(frame))
            signal.setitimer(signal.ITIMER_REAL, self._seconds)

    def go(self) -> None:
        """Do what the signal was to do, which mostly raises; nothing where none came."""
        if self.asked:
            self._go(None)

    def _go(self, frame: FrameType | None) -> None:
        self.forget()
        self._then(signal.SIGTERM, frame)

    def forget(self) -> None:
        """Be as before the signal."""
        if self.asked:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._alarm)
        self.asked = False


@contextmanager
def after_the_step(seconds: float = SECONDS) -> Iterator[Ending]:
    """While the block runs, SIGTERM only asks, for up to `seconds`; the block calls `go` when it has kept what it has.

    Nothing changes where SIGTERM has no Python handler (then it is the caller's matter), outside of the main thread, and on
    systems without timers.
    """
    before = signal.getsignal(signal.SIGTERM)
    here = threading.current_thread() is threading.main_thread()
    if not (here and callable(before) and hasattr(signal, "setitimer")):
        yield Ending(lambda number, frame: None, seconds)
        return
    ending = Ending(before, seconds)
    signal.signal(signal.SIGTERM, ending.ask)
    try:
        yield ending
        ending.go()  # of a signal behind the last step
    finally:
        signal.signal(signal.SIGTERM, before)
        ending.forget()
