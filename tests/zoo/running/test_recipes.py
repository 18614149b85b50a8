"""The recipes of 2024 to 2026, with tiny encoders, through a two-channel challenge of development and evaluation machines.

Six systems from recordings to scores, in one run: that takes some ten seconds.
"""

from pathlib import Path

import numpy as np
import pytest

from submission.cli import main
from tests.zoo.trees import write_tree
from zoo.data.synth import write_challenge
from zoo.running.folder import Run
from zoo.running.pseudo_files import FILE

RECIPES = (
    "anopatch_tiny",
    "asd26_lora_near_tiny",
    "asd26_lora_w1_tiny",
    "beats_difference_tiny",
    "beats_w1_tiny",
    "genrep_tiny",
)


def test_every_recipe_scores_every_clip_of_both_sets(tmp_path: Path) -> None:
    write_challenge(tmp_path / "data", "tiny", channels=2)
    run = Run(tmp_path / "run")
    arguments = ["--data", str(tmp_path / "data"), "--run", str(run.folder), "--device", "cpu", "--set", "training.steps=3"]
    assert main(["train-all", *arguments, "--systems", ",".join(RECIPES)]) == 0
    tables = {name: run.scores(name).frame for name in run.score_names()}
    assert sorted(tables) == sorted(RECIPES)
    for frame in tables.values():
        assert set(frame["machine"]) == {"SynthFan", "SynthGearbox", "SynthRoboticArm"}
        assert len(frame) == 3 * (28 + 24)
        assert np.isfinite(frame["score"]).all()
    assert not np.allclose(*(tables[f"asd26_lora_{view}_tiny"]["score"] for view in ("near", "w1")))
    assert len(list(run.folder.rglob(FILE))) == 2


@pytest.mark.parametrize("name", ["beats_w1_tiny", "beats_difference_tiny"])
def test_one_microphone_is_not_enough_for_two_views(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    data = write_tree(tmp_path, "2024", machines=["fan"], train=4, test=1, seconds=0.5)
    where = ["--data", str(data), "--run", str(tmp_path / "run"), "--year", "2024", "--device", "cpu"]
    assert main(["train-all", *where, "--systems", name, "--set", "training.steps=1"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "fan has 1 channel" in said
    assert "hint: take a system that hears one" in said
