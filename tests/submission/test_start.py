"""Ctrl-C and SIGTERM at any moment, imports included, are one line and 130 or 143."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.zoo.trees import write_tree

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
