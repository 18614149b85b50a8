"""The recipes of 2024 to 2026, with tiny encoders, through a two-channel challenge of development and evaluation machines.

Four systems from recordings to a package: that takes some ten seconds. All systems: tests/submission/test_every_system.py.
"""

from pathlib import Path

import numpy as np
import pytest

from fusion.ensemble import find_ensemble
from submission.cli import main
from tests.submission.conftest import TEAM
from tests.zoo.trees import write_tree
from zoo.checkpoints import known
from zoo.data.synth import write_challenge
from zoo.running.folder import Run

FRONT_LINE = {  # member of the ensemble -> its tiny form
    "asd26_lora_w1": "asd26_lora_w1_tiny",
    "asd26_frozen_w1": "beats_w1_tiny",
    "eat_frozen": "eat_frozen_tiny",
    "genrep": "genrep_tiny",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipes") / "data"
    write_challenge(folder, "tiny", channels=2)
    return folder


def test_the_front_line_from_recordings_to_a_checked_package(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert set(find_ensemble("frontline_2026")[1].systems) == set(FRONT_LINE)
    files = []
    for member, tiny in FRONT_LINE.items():  # a file's name is the system's
        files.append(tmp_path / f"{member}.yaml")
        files[-1].write_text(f"base: {tiny}\ndescription: {member} with a tiny encoder\n")
    run = Run(tmp_path / "run")
    where = ["--run", str(run.folder)]
    arguments = ["--data", str(data), "--device", "cpu", "--set", "training.steps=3"]
    assert main(["train-all", *where, *arguments, "--systems", ",".join(map(str, files))]) == 0
    assert main(["fuse", *where, "--ensemble", "frontline_2026"]) == 0
    frames = {name: run.scores(name).frame.set_index(["machine", "clip"])["calibrated"] for name in run.score_names()}
    fused = frames.pop("frontline_2026")
    mean = sum(frame.reindex(fused.index) for frame in frames.values()) / len(FRONT_LINE)
    np.testing.assert_allclose(run.scores("frontline_2026").frame["score"], mean, atol=1e-9)
    assert main(["report", *where]) == 0
    assert "frontline_2026" in (run.folder / "report.html").read_text()
    team = tmp_path / "team.yaml"
    team.write_text(TEAM)
    assert main(["submit", *where, "--team", str(team), "--ensemble", "frontline_2026"]) == 0
    capsys.readouterr()
    assert main(["check", str(next((run.folder / "submission").glob("*.zip"))), "--data", str(data)]) == 0
    assert "rules of 2026: 0 errors" in " ".join(capsys.readouterr().out.split())


def test_what_the_front_line_lacks_is_named_with_one_command(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["weights", "fetch", "beats_iter3", "eat_bass"]) == 2  # before anything is fetched
    assert "unknown checkpoint 'eat_bass'" in capsys.readouterr().err
    monkeypatch.setattr(known, "cached", lambda name: None)
    run, systems = tmp_path / "run", ",".join(FRONT_LINE)
    assert main(["train-all", "--run", str(run), "--data", str(data), "--systems", systems]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "asd26_lora_w1, asd26_frozen_w1, eat_frozen, genrep need pretrained weights that are not here: beats_iter3 (" in said
    assert "hint: asdzoo weights fetch beats_iter3 eat_base; or" in said
    assert not run.exists()


@pytest.mark.parametrize("name", ["beats_w1_tiny", "beats_difference_tiny"])
def test_one_microphone_is_not_enough_for_two_views(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    data = write_tree(tmp_path, "2024", machines=["fan"], train=4, test=1, seconds=0.5)
    where = ["--data", str(data), "--run", str(tmp_path / "run"), "--year", "2024", "--device", "cpu"]
    assert main(["train-all", *where, "--systems", name, "--set", "training.steps=1"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "fan has 1 channel" in said
    assert "hint: take a system that hears one" in said
