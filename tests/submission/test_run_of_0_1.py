"""A run that version 0.1 made goes through every command of today.

tests/golden/run_0_1 was made by 0.1, on `asdzoo synth data --size tiny`, with one thread and smaller networks than the tiny
ones; only its lock file is left out:

    asdzoo train-all --run run --systems nf_cdee_tiny --set training.steps=20 --set model.layers=2 --set model.hidden=33 \\
        --set model.mels=16
    asdzoo train-all --run run --systems dual_branch_cnn_tiny --set training.steps=20 --set 'model.channels=[4,4]' \\
        --set model.dim=8 --set model.width=8
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from submission.checking.check import check
from submission.cli import main
from tests.submission.conftest import TEAM
from zoo.running.folder import Run

OLD = Path(__file__).parents[1] / "golden" / "run_0_1"
SYSTEMS = ["dual_branch_cnn_tiny", "nf_cdee_tiny"]


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A copy of the run, evaluated, fused, reported and submitted without its recordings, then scored anew with them."""
    folder = tmp_path_factory.mktemp("old")
    run = Run(folder / "run")
    shutil.copytree(OLD, run.folder)
    (folder / "team.yaml").write_text(TEAM)
    assert main(["evaluate", "--run", str(run.folder)]) == 0
    assert main(["fuse", "--run", str(run.folder), "--groups", "periodic"]) == 0
    assert main(["report", "--run", str(run.folder)]) == 0
    assert main(["submit", "--run", str(run.folder), "--team", str(folder / "team.yaml")]) == 0
    assert main(["synth", str(folder / "data"), "--size", "tiny"]) == 0
    score = ["score", "--data", str(folder / "data"), "--run", str(run.folder), "--device", "cpu"]
    assert main(score) == 0
    return run


def test_it_is_evaluated_fused_and_reported(old: Run) -> None:
    assert {"evaluation.csv", "report.html"} <= {path.name for path in old.folder.iterdir()}
    assert old.score_names() == sorted([*SYSTEMS, "fused"])
    page = (old.folder / "report.html").read_text()
    assert all(name in page for name in (*SYSTEMS, "SynthRoboticArm", "0.1.0"))


def test_its_package_passes_the_check(old: Run) -> None:
    (package,) = (old.folder / "submission").glob("*.zip")
    assert check(package).errors == ()


@pytest.mark.parametrize("system", SYSTEMS)
def test_its_weights_give_the_scores_that_0_1_gave(old: Run, system: str) -> None:
    before, now = Run(OLD).scores(system).frame, old.scores(system).frame
    keys = ["machine", "section", "split", "domain", "label", "clip"]
    assert now[keys].equals(before[keys])
    for column in ("score", "calibrated"):
        np.testing.assert_allclose(now[column], before[column], rtol=1e-4, atol=1e-4 * before[column].std())


def test_what_it_says_of_itself_is_kept(old: Run) -> None:
    written = json.loads((old.folder / "run.json").read_text())
    assert set(written.pop("tables")) == {*SYSTEMS, "fused"}
    assert written == json.loads((OLD / "run.json").read_text())
