"""What cannot be learnt or scored is said before training: one class, test clips without training clips."""

import shutil
from pathlib import Path

import pytest

import zoo
from submission.cli import main
from tests.submission.conftest import TEAM
from tests.zoo.trees import write_tree
from zoo.data.clips import find_clips
from zoo.running import prospects
from zoo.running.defaults import DEFAULT_SYSTEMS, OF_ONE_CLASS
from zoo.running.folder import Run
from zoo.running.plan import make_plan
from zoo.running.prospects import chosen_systems, nothing_to_tell_apart, without_training
from zoo.systems import load_system, system_paths

STEPS = ["--set", "training.steps=2", "--device", "cpu"]


def train(data: Path, run: Path, systems: str, *more: str) -> int:
    return main(["train-all", "--data", str(data), "--run", str(run), "--systems", systems, *STEPS, *more])


def test_one_class_is_said_before_training_and_what_cannot_learn_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_tree(tmp_path, "own", domains=False, train=6, seconds=1.0)
    assert train(data, tmp_path / "run", "dual_branch_cnn_tiny,log_mel_knn") == 0
    said = "dual_branch_cnn_tiny is left out for MyPump: it would learn to tell classes apart, and there is one only"
    assert said in capsys.readouterr().err
    assert Run(tmp_path / "run").score_names() == ["log_mel_knn"]
    assert train(data, tmp_path / "none", "dual_branch_cnn_tiny") == 2
    shown = capsys.readouterr().err
    assert "error: there is one class only, and dual_branch_cnn_tiny would learn to tell classes apart" in shown
    assert f"hint: systems that learn from one class: --systems {','.join(OF_ONE_CLASS)}" in shown
    assert not Run(tmp_path / "none").exists
    assert train(data, tmp_path / "plan", "dual_branch_cnn_tiny,log_mel_knn", "--dry-run") == 0
    assert said in capsys.readouterr().err


def test_default_systems_learn_from_one_class_also(tmp_path: Path) -> None:
    notes: list[str] = []
    assert [system.name for system in chosen_systems(None, (), notes.append)] == list(DEFAULT_SYSTEMS)
    assert notes == []
    one = find_clips(write_tree(tmp_path, "own", domains=False))
    plan = make_plan(chosen_systems(None, (), notes.append), one, {}, 0)
    assert not any(map(nothing_to_tell_apart, plan))
    assert nothing_to_tell_apart(make_plan([load_system("dual_branch_cnn")], one, {}, 0)[0])
    assert {*OF_ONE_CLASS} <= {*system_paths()}
    with pytest.raises(zoo.AsdzooError, match="there is no system to train"):
        chosen_systems([], (), notes.append)


def test_a_frozen_encoder_joins_where_its_checkpoint_is(monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []
    monkeypatch.setattr(prospects, "_is_here", lambda system: system.name == "beats_frozen")
    assert [system.name for system in chosen_systems(None, (), notes.append)] == [*DEFAULT_SYSTEMS, "beats_frozen"]
    assert notes == ["beats_frozen as well: the checkpoint is here (--systems chooses others)"]
    assert [system.name for system in chosen_systems(["nf_cdee"], (), notes.append)] == ["nf_cdee"]


def test_test_clips_without_training_clips_are_said_by_every_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, run, team = tmp_path / "data", tmp_path / "run", tmp_path / "team.yaml"
    team.write_text(TEAM)
    write_tree(data, "2024", machines=["fan"], train=6, seconds=0.3)
    write_tree(data, "2024", machines=["3DPrinter", "ToothBrush"], train=6, seconds=0.3, blind=True)
    (train_folder,) = data.rglob("ToothBrush/train")
    shutil.rmtree(train_folder)
    count = len(list(data.rglob("ToothBrush/test/*.wav")))
    said = f"test clips without training clips, which nothing can score: ToothBrush 00 ({count})"
    assert without_training(find_clips(data, "2024")) == {"ToothBrush 00": count}
    assert train(data, run, "log_mel_knn", "--year", "2024", "--dry-run") == 0
    assert said in capsys.readouterr().err
    assert train(data, run, "log_mel_knn", "--year", "2024") == 0
    shown = capsys.readouterr().err
    assert said in shown
    assert main(["evaluate", "--run", str(run)]) == 0
    assert said in capsys.readouterr().err
    submit = ["submit", "--run", str(run), "--team", str(team), "--ensemble", "log_mel_knn"]
    assert main(submit) == 2
    shown = capsys.readouterr().err
    assert f"error: {said}" in shown
    assert "rehearsal" not in shown
    assert not list(run.rglob("*.zip"))
    assert main([*submit, "--partial"]) == 0
    assert said in capsys.readouterr().err
    shutil.rmtree(next(iter(data.rglob("ToothBrush"))))
    assert train(data, run, "log_mel_knn", "--year", "2024") == 0
    assert Run(run).info().cannot_score == ""
    late = write_tree(tmp_path / "late", "2024", machines=["3DPrinter", "ToothBrush"], train=0, seconds=0.3, blind=True)
    assert main(["score", "--data", str(late), "--run", str(run), "--device", "cpu"]) == 0
    assert Run(run).info().without_training == {"ToothBrush 00": count}
