"""SIGTERM and Ctrl-C wait for the step, but not for long."""

import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from zoo.training.ending import after_the_step


class EndedError(Exception):
    pass


@pytest.fixture
def handled() -> Iterator[None]:
    """As the program does: SIGTERM raises."""

    def stop(number: int, frame: object) -> None:
        raise EndedError

    before = signal.signal(signal.SIGTERM, stop)
    yield
    signal.signal(signal.SIGTERM, before)


def _block(reached: list[str]) -> None:
    with after_the_step() as ending:
        ending.go()
        reached.append("nothing was asked")
        signal.raise_signal(signal.SIGTERM)
        reached.append("end of the step")
        assert ending.asked
        ending.go()
        reached.append("never")


def _twice(reached: list[str]) -> None:
    with after_the_step():
        signal.raise_signal(signal.SIGTERM)
        reached.append("first")
        signal.raise_signal(signal.SIGTERM)
        reached.append("never")


def _long(reached: list[str]) -> None:
    with after_the_step(seconds=0.1):
        os.kill(os.getpid(), signal.SIGTERM)
        reached.append("a long step")
        time.sleep(30)
        reached.append("never")


@pytest.mark.usefixtures("handled")
@pytest.mark.parametrize(
    ("block", "wanted"), [(_block, ["nothing was asked", "end of the step"]), (_twice, ["first"]), (_long, ["a long step"])]
)
def test_the_end_of_the_step_or_at_once(block: Callable[[list[str]], None], wanted: list[str]) -> None:
    reached: list[str] = []
    term, alarm, begun = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGALRM), time.monotonic()
    with pytest.raises(EndedError):
        block(reached)
    assert reached == wanted
    assert time.monotonic() - begun < 10
    assert signal.getsignal(signal.SIGTERM) is term
    assert signal.getsignal(signal.SIGALRM) == alarm
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.usefixtures("handled")
def test_a_signal_behind_the_last_step_is_not_lost() -> None:
    with pytest.raises(EndedError), after_the_step():
        signal.raise_signal(signal.SIGTERM)


def _interrupted(reached: list[str]) -> None:
    with after_the_step() as ending:
        signal.raise_signal(signal.SIGINT)
        reached.append("end of the step")
        ending.go()


def test_ctrl_c_waits_for_the_step_as_well() -> None:
    reached: list[str] = []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            _interrupted(reached)
        assert reached == ["end of the step"]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("default", [signal.SIG_DFL, signal.SIG_IGN])
def test_without_a_handler_nothing_changes(default: signal.Handlers) -> None:
    before = signal.signal(signal.SIGTERM, default)
    try:
        with after_the_step() as ending:
            assert signal.getsignal(signal.SIGTERM) == default
            ending.go()
    finally:
        signal.signal(signal.SIGTERM, before)
