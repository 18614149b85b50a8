"""Ctrl-C and SIGTERM at any moment, imports included, are one line and 130 or 143."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.zoo.trees import write_tree
from zoo.running.own_files import read_checkpoint

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_at_any_moment_is_one_line(number: signal.Signals, code: int, tmp_path: Path) -> None:
    data = write_tree(tmp_path, "own", domains=False, train=6, seconds=1.0)
    command = [sys.executable, "-c", "import sys, submission.start as start; print('on', flush=True); sys.exit(start.main())"]
    command += ["train-all", "--data", str(data), "--run", str(tmp_path / "run"), "--systems", "nf_cdee_tiny"]
    for wait in (0.05, 0.5, 1.5, 6.0):
        process = subprocess.Popen(
            [*command, "--set", "training.steps=100000"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(wait)
        process.send_signal(number)
        _, shown = process.communicate(timeout=60)
        assert process.returncode == code, shown
        assert shown.splitlines()[-1] == "interrupted: run the same command again to go on from here"
        assert "Traceback" not in shown
        assert shown.count("interrupted") == 1


def test_sigterm_keeps_the_step_that_was_being_taken(tmp_path: Path) -> None:
    data, run = write_tree(tmp_path, "own", domains=False, train=6, seconds=1.0), tmp_path / "run"
    command = [sys.executable, "-c", "import sys, submission.start as start; sys.exit(start.main())", "train-all"]
    command += ["--data", str(data), "--run", str(run), "--systems", "nf_cdee_tiny"]
    process = subprocess.Popen(
        [*command, "--set", "training.steps=1000000", "--set", "training.validate_every=1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    until = time.monotonic() + 60
    while not list(run.glob("systems/*/*/training.csv")) and time.monotonic() < until:
        time.sleep(0.1)
    assert not list(run.glob("systems/*/*/checkpoint.pt"))  # the first minute is not over
    process.send_signal(signal.SIGTERM)
    _, shown = process.communicate(timeout=60)
    assert process.returncode == 143, shown
    assert shown.splitlines()[-1] == "interrupted: run the same command again to go on from here"
    (checkpoint,) = run.glob("systems/*/*/checkpoint.pt")
    state = read_checkpoint(checkpoint)
    assert state is not None
    assert state["step"] == len(state["history"]) > 0
    rows = checkpoint.with_name("training.csv").read_text().splitlines()
    assert state["step"] == len(rows) - 1  # nothing that was learnt is lost
