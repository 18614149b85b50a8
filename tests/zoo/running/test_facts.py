"""Labels, domains and attributes come from the annotations each time; what `score` brings changes nothing of the past."""

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from submission.cli import main
from tests.zoo.trees import write_tree, write_wav
from zoo.running.folder import Run

SYSTEM = "log_mel_knn"  # needs no training


def train(data: Path, run: Run, systems: str = SYSTEM, *more: str) -> int:
    return main(["train-all", "--data", str(data), "--run", str(run.folder), "--systems", systems, "--device", "cpu", *more])


def score(data: Path, run: Run) -> int:
    return main(["score", "--data", str(data), "--run", str(run.folder), "--device", "cpu"])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_tree(tmp_path, "own", domains=False, train=6, test=2, seconds=0.3)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "runs" / "mine")


def test_labels_put_right_are_those_of_the_table(data: Path, run: Run) -> None:
    names = sorted(path.name for path in (data / "MyPump" / "test").iterdir())
    for wrong in (True, False):
        rows = [f"test/{name},{'anomaly' if (number % 2 == 0) == wrong else 'normal'}" for number, name in enumerate(names)]
        (data / "MyPump" / "labels.csv").write_text("\n".join(["file_name,label", *rows]) + "\n")
        assert train(data, run) == 0
        table = run.scores(SYSTEM).frame.query("split == 'test'")
        assert [f"test/{clip},{label}" for clip, label in zip(table["clip"], table["label"], strict=True)] == rows
    (data / "MyPump" / "labels.csv").write_text(f"file_name,label\ntest/{names[0]},anomaly\n")
    assert score(data, run) == 0
    assert run.scores(SYSTEM).frame.query("split == 'test'")["label"].tolist() == ["anomaly", *[""] * (len(names) - 1)]


def test_attributes_that_change_are_trained_anew_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, run = write_tree(tmp_path, "2024", machines=["fan"], train=8, seconds=1.0), Run(tmp_path / "runs" / "it")
    steps = ["--set", "training.steps=2", "--year", "2024"]
    for path in data.rglob("fan/train/*.wav"):  # names without attributes: the table tells them
        path.rename(path.with_name(path.stem[: path.stem.index("_normal_") + 12] + ".wav"))
    names = sorted(path.name for path in data.rglob("fan/train/*.wav"))
    (table,) = data.rglob("attributes_00.csv")
    for number, spread in enumerate((2, 3)):
        rows = [f"fan/train/{name},spd,{index % spread}" for index, name in enumerate(names)]
        table.write_text("\n".join(["file_name,d1p,d1v", *rows]) + "\n")
        assert train(data, run, "dual_branch_cnn_tiny", *steps) == 0
        said = "dual_branch_cnn_tiny was trained in this run before and is trained anew: other classes: attributes, domains"
        assert (said in " ".join(capsys.readouterr().err.split())) == bool(number)
    assert train(data, run, "dual_branch_cnn_tiny", *steps) == 0
    assert "trained already" in capsys.readouterr().out


def test_training_folders_of_later_recordings_have_no_part_in_the_past(
    data: Path, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(data, run) == 0
    before = run.scores(SYSTEM).frame
    later = tmp_path / "later"
    for index in range(3):
        write_wav(later / "MyPump" / "train" / f"x{index}.wav", 0.3)
    write_wav(later / "MyPump" / "test" / "day2.wav", 0.3)
    assert score(later, run) == 0
    said = (
        "3 training recording(s) of MyPump are not those that this run was trained on and are left out (x0.wav, x1.wav, x2.wav)"
    )
    assert said in capsys.readouterr().err
    after = run.scores(SYSTEM).frame
    assert after[after["clip"] != "day2.wav"].reset_index(drop=True).equals(before)
    assert len(after) == len(before) + 1


def test_what_score_brought_from_elsewhere_does_not_go_without_a_word(
    data: Path, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(data, run, f"{SYSTEM},log_mel_stats_knn") == 0
    before = run.score_path(SYSTEM).read_bytes()
    later = tmp_path / "later"
    for index in range(3):
        write_wav(later / "MyPump" / "test" / f"day{index}.wav", 0.3 + index / 100)
    assert score(later, run) == 0
    whole = run.score_path(SYSTEM).read_bytes()
    capsys.readouterr()
    assert train(data, run, f"{SYSTEM},log_mel_stats_knn") == 0
    said = " ".join(capsys.readouterr().err.split())
    assert (
        said.count("3 test recording(s) that were scored are not below --data, and leave the score tables: MyPump/day0.wav")
        == 1
    )
    assert f"`asdzoo score --data FOLDER --run {run.folder}` brings those in FOLDER back" in said
    assert run.score_path(SYSTEM).read_bytes() == before
    assert train(data, run, f"{SYSTEM},log_mel_stats_knn") == 0
    assert "leave the score tables" not in capsys.readouterr().err
    assert score(later, run) == 0
    assert run.score_path(SYSTEM).read_bytes() == whole


@pytest.mark.parametrize("touched", [False, True])
def test_a_name_that_comes_again_leaves_the_earlier_row(
    data: Path, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], touched: bool
) -> None:
    assert train(data, run) == 0
    before = run.scores(SYSTEM).frame
    test = data / "MyPump" / "test"
    name = sorted(path.name for path in test.iterdir())[0]
    generator = np.random.default_rng(0)
    days = [tmp_path / "monday", tmp_path / "tuesday"]
    for day in days:
        path = write_wav(day / "MyPump" / "test" / name, samples=generator.normal(size=4800) / 10)
        if touched:  # same size, same time
            status = (test / name).stat()
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    shutil.copy2(test / name, days[0] / "MyPump" / "test" / "copied.wav")
    for _ in range(2):  # the second time everything is known
        for day in days:
            assert score(day, run) == 0
    after = run.scores(SYSTEM).frame
    assert f"in the tables: {name} as monday/{name}" in capsys.readouterr().err
    fresh = after[after["clip"].isin([f"monday/{name}", f"tuesday/{name}", "copied.wav"])]
    assert len(fresh) == 3
    assert fresh["score"].nunique() == 3
    old = pd.concat([after, fresh]).drop_duplicates(keep=False).reset_index(drop=True)
    assert old.equals(before)


def test_names_of_the_challenge_are_not_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, run = write_tree(tmp_path, "2024", machines=["fan"], seconds=0.3), Run(tmp_path / "runs" / "it")
    assert train(data, run) == 0
    before = run.score_path(SYSTEM).read_bytes()
    (path, *_) = sorted(data.rglob("fan/test/*.wav"))
    write_wav(path, samples=np.random.default_rng(1).normal(size=4800) / 10)
    assert score(data, run) == 0
    said = f"1 recording(s) of fan bear the names of others that this run has scored, and are left out ({path.name})"
    assert said in capsys.readouterr().err
    assert run.score_path(SYSTEM).read_bytes() == before
    assert train(data, run) == 0
    assert run.score_path(SYSTEM).read_bytes() != before


def test_other_recordings_of_the_same_name_size_and_time_are_embedded(tmp_path: Path, data: Path, run: Run) -> None:
    assert train(data, run) == 0
    before = run.scores(SYSTEM).frame
    path = sorted((data / "MyPump" / "test").iterdir())[0]
    status = path.stat()
    write_wav(path, samples=np.random.default_rng(1).normal(size=4800) / 10)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    assert train(data, run) == 0
    after = run.scores(SYSTEM).frame
    assert list(after["clip"][after["score"] != before["score"]]) == [path.name]


def test_nothing_to_score(data: Path, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(data, run) == 0
    write_wav(tmp_path / "later" / "MyPump" / "train" / "x.wav", 0.3)
    assert score(tmp_path / "later", run) == 2
    assert "there is nothing to score in" in capsys.readouterr().err


def test_all_of_a_recording_of_ones_own_is_heard(tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_tree(tmp_path, "own", machines=["A", "B"], domains=False, train=6, test=0, seconds=3.0)
    generator = np.random.default_rng(0)
    wave = generator.normal(size=48_000) / 20
    other = wave.copy()
    other[35_000:] += generator.normal(size=13_000) / 5  # beyond the two seconds of the input
    for name, samples in (("same", wave), ("other", other)):
        write_wav(data / "A" / "test" / f"{name}.wav", samples=samples)
    system, steps = "dual_branch_cnn_tiny", ["--set", "training.steps=1"]
    assert train(data, run, system, *steps) == 0
    assert "are scored; --set input.longer" not in capsys.readouterr().err
    assert run.scores(system).frame.query("split == 'test'")["score"].nunique() == 2
    assert train(data, run, system, *steps, "--set", "input.longer=first") == 0
    said = (
        f"{system}: of longer clips the first 2 s are scored; --set input.longer=windows hears all "
        "(A: 8.0 s of 8 clips go unheard, B: 6.0 s of 6 clips go unheard)"
    )
    assert said in " ".join(capsys.readouterr().err.split())
    assert run.scores(system).frame.query("split == 'test'")["score"].nunique() == 1


def test_of_the_challenges_recordings_the_beginning_is_heard_and_said(
    tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_tree(tmp_path, "2024", machines=["fan"], train=6, test=0, seconds=2.5)
    assert train(data, run, "dual_branch_cnn_tiny", "--set", "training.steps=1", "--year", "2024") == 0
    assert "(fan: 3.0 s of 6 clips go unheard)" in " ".join(capsys.readouterr().err.split())
