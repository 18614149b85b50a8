"""What a person sees while a run goes on."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from zoo.running.display import Bars, Display, _bars_can_move
from zoo.running.plan import Task
from zoo.training.loop import StepTaken
from zoo.training.tracking import tensorboard


def test_a_warning_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    with Display() as display:
        for _ in range(3):
            display.note("no target clips")
    assert capsys.readouterr().err.count("no target clips") == 1


def test_a_bar_goes_when_it_is_full() -> None:
    with Bars() as bars:
        count = bars.counter("decoding")
        count(1, 2)
        assert [task.description for task in bars._bars.tasks] == ["decoding"]
        count(2, 2)
        assert bars._bars.tasks == []


def test_a_log_gets_a_line_now_and_then(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    system = SimpleNamespace(name="a", config=SimpleNamespace(training=SimpleNamespace(steps=10)))
    task = cast(Task, SimpleNamespace(system=system, group="all", learnt=[]))
    now = iter([0.0, 59.0, 61.0, 61.0, 62.0, 100.0])
    monkeypatch.setattr("zoo.running.display.time", SimpleNamespace(monotonic=lambda: next(now)))
    with Display() as display:
        hooks = display.begin_task(task, before="")
        for step in (1, 2, 3):
            hooks.stepped(StepTaken(step, 10, 0.5, 1e-3, 20.0))
        hooks.done(3)
    printed = capsys.readouterr()
    assert printed.err.strip() == "a (all): step 2 of 10  loss 0.500  20 clips/s"
    assert printed.out == "a (all): 3 steps on 0 clips, 100 s\n"


def test_without_tensorboard_logging_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.training.tracking.find_spec", lambda name: None)
    with tensorboard(tmp_path) as log:
        log({"step": 1.0, "loss": 0.5})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("terminal", "notebook", "widgets", "moves"), [
    (True, False, False, True),
    (False, False, True, False),
    (False, True, False, False),
    (False, True, True, True),
])  # fmt: skip
def test_bars_move_on_a_terminal_and_in_a_notebook_that_can_draw_them(
    terminal: bool, notebook: bool, widgets: bool, moves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.running.display.err", SimpleNamespace(is_terminal=terminal, is_jupyter=notebook))
    monkeypatch.setattr("zoo.running.display.find_spec", lambda name: object() if widgets else None)
    assert _bars_can_move() == moves
