"""`asdzoo score PATH` and `--watch`: every recording gets a row, the run stays as it is, and wrong input is a sentence."""

import csv
import json
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

import zoo
from submission.cli import main
from tests.zoo.running.own_run import hum, write_machine
from tests.zoo.test_cli import refused
from tests.zoo.trees import write_wav
from zoo.data.loose import Loose
from zoo.running.folder import Run
from zoo.running.judge import Judge
from zoo.running.verdict_table import read_verdicts
from zoo.running.verdicts import Standard, judge_recordings


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs `one` (a system) and `two` (two systems, no ensemble), and new recordings: two normal, one anomaly, one long."""
    here = tmp_path_factory.mktemp("own")
    write_machine(here / "data")
    for run, systems in (("one", "log_mel_knn"), ("two", "log_mel_knn,log_mel_pca")):
        arguments = ["--data", str(here / "data"), "--run", str(here / run), "--systems", systems]
        assert main(["train-all", *arguments]) == 0
    for minute in range(3):
        write_wav(here / "new" / f"20240102_03{minute:02d}00.wav", samples=hum(50 + minute, fault=minute == 2))
    pieces = [hum(70 + second, fault=4 <= second < 8) for second in range(12)]
    write_wav(here / "long" / "20240102_040000.wav", samples=np.concatenate(pieces))
    return here


@pytest.fixture(autouse=True)
def _there(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)


def rows(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_row_for_each_and_the_run_unchanged(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(home / "one")
    out = str(tmp_path / "new.csv")
    assert main(["score", "new", "--run", "one", "--out", out]) == 0
    assert files(home / "one") == before
    told = rows(out)
    assert [row["decision"] for row in told] == ["OK", "OK", "ANOMALY"]
    assert [row["recorded"] for row in told] == [f"2024-01-02T03:0{minute}:00" for minute in range(3)]
    assert {row["time_from"] for row in told} == {"name"}
    door = zoo.open_run("one", device="cpu").score(
        [Path("new") / row["clip"] for row in told], threshold="percentile", percentile=99
    )
    np.testing.assert_allclose([float(row["score"]) for row in told], door["score"])
    np.testing.assert_allclose([float(row["calibrated"]) for row in told], door["calibrated"])
    np.testing.assert_allclose([float(row["threshold"]) for row in told], door["threshold"])
    table = zoo.open_run("one").scores("log_mel_knn")
    training = table[table["split"] == "train"]["score"].to_numpy()
    assert float(told[0]["threshold"]) == pytest.approx(np.percentile(training, 99))
    printed = capsys.readouterr().out
    assert "3 recordings, 1 anomaly" in printed
    assert "by 20 training recordings, about 1 in 18 normal ones is above the threshold" in printed


def test_a_file_as_json_and_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "new/20240102_030200.wav", "--run", "one", "--json", "--fail-on-anomaly"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [one["decision"] for one in told["recordings"]] == ["ANOMALY"]
    assert told["system"] == "log_mel_knn"
    assert main(["score", "new/20240102_030000.wav", "--run", "one", "--fail-on-anomaly"]) == 0
    assert main(["score", "new", "--run", "one", "--fail-on-anomaly", "--alarm", "2/3"]) == 0


def test_windows_of_a_long_one_tell_what_the_whole_hides(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new.csv"
    assert main(["score", "long", "--run", "one", "--out", str(out)]) == 0
    (verdict,) = read_verdicts(out)
    assert verdict.window_seconds == 1.0
    assert [window.start for window in verdict.windows] == list(range(12))
    assert [window.start for window in verdict.windows if window.anomalous] == [4, 5, 6, 7]
    assert verdict.anomalous
    assert "4 of 12: at 4 s, 5 s, 6 s, ..." in capsys.readouterr().out
    alone = tmp_path / "alone"
    write_wav(alone / "second.wav", samples=hum(74, fault=True))  # a window is scored as a recording of its own
    assert main(["score", str(alone), "--run", "one", "--out", str(out)]) == 0
    assert read_verdicts(out)[0].score == pytest.approx(verdict.windows[4].score, rel=1e-6)


def test_keep_adds_to_the_run(home: Path) -> None:
    shutil.copytree("one", "kept")
    assert main(["score", "new", "--run", "kept", "--keep"]) == 0
    clips = zoo.open_run("kept").scores("log_mel_knn")
    assert set(clips[clips["split"] == "test"]["clip"]) >= {"20240102_030000.wav", "test0.wav"}
    old = zoo.open_run("one").scores("log_mel_knn").set_index("clip")["score"]
    assert clips.set_index("clip")["score"].loc[old.index].equals(old)


def test_what_is_passed_over_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "broken.wav").write_bytes(b"junk")
    write_wav(tmp_path / "good.wav", samples=hum(60))
    assert main(["score", str(tmp_path), "data", "--run", "one"]) == 0
    said = capsys.readouterr().err
    assert "broken.wav cannot be read" in said
    assert "20 training recording(s) in data are passed over" in said
    assert "data/MyPump/labels.csv is not read here" in said
    assert main(["score", "data/MyPump/train", "--run", "one"]) == 0
    assert "the run was trained on train0.wav" in capsys.readouterr().err
    message, _ = refused(capsys, "score", str(tmp_path), "--run", "one", "--strict")
    assert message == "1 recording(s) cannot be used: broken.wav cannot be read: Format not recognised"


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["nowhere", "--run", "one"], "nowhere is not there", "name a recording"),
        (["new", "--run", "two"], "two has 2 systems and no ensemble of them, and one decides", "asdzoo fuse --run two"),
        (["new", "--run", "one", "--ensemble", "log"], "unknown system or ensemble", "log_mel_knn"),
        (["new", "--run", "one", "--machine", "Pump"], "unknown machine", "MyPump"),
        (["new", "--run", "one", "--section", "07"], "unknown section", "00"),
        (["new", "--run", "one", "--percentile", "0"], "not between 0 and 100", "--percentile 99"),
        (["new", "--run", "one", "--threshold", "mean"], "unknown threshold 'mean'", "percentile"),
        (["new", "--run", "one", "--alarm", "5/3"], "--alarm 5/3", "--alarm 3/5"),
        (["new", "--run", "one", "--data", "data"], "--data goes without PATH", "leave it out"),
        (["--run", "one", "--out", "x.csv"], "--out needs a PATH", "asdzoo score FOLDER --run one --out"),
        (["--run", "one", "--keep"], "--keep needs a PATH", "asdzoo score FOLDER"),
        (["--watch", "new", "--run", "one"], "--watch needs a table", "--out scored.csv"),
        (["--watch", "nowhere", "--run", "one", "--out", "x.csv"], "there is no folder nowhere", "mkdir nowhere"),
        (["new", "--watch", "new", "--run", "one", "--out", "x.csv"], "PATH does not go with --watch", "--watch FOLDER"),
        (["--watch", "new", "--keep", "--run", "one", "--out", "x.csv"], "--keep does not go", "--watch FOLDER"),
        (["--watch", "new", "--json", "--run", "one", "--out", "x.csv"], "--json does not go", "--watch FOLDER"),
        (
            ["--watch", "new", "--run", "one", "--out", "data/MyPump/labels.csv"],
            "is no table of scored",
            "--out FILE writes such a table",
        ),
        (["new", "--run", "nothing"], "nothing is not a run", "train-all"),
    ],
)
def test_refused(arguments: list[str], message: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = Path("data/MyPump/labels.csv").read_bytes()
    said = refused(capsys, "score", *arguments)
    assert message in said[0]
    assert hint in said[1]
    assert not Path("x.csv").exists()
    assert Path("data/MyPump/labels.csv").read_bytes() == before


class Script:
    """In the place of the pause: what happens in the folder between two looks, and then Ctrl-C."""

    def __init__(self, *steps: object) -> None:
        self.steps: Iterator[object] = iter(steps)

    def __call__(self, seconds: float) -> None:
        for step in self.steps:
            if callable(step):
                step()
            return
        raise KeyboardInterrupt


@pytest.fixture
def watched(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


def watch(folder: Path, script: Script, monkeypatch: pytest.MonkeyPatch, *more: str) -> int:
    monkeypatch.setattr("zoo.running.lookout.pause", script)
    return main(["score", "--watch", str(folder), "--run", "one", "--out", str(folder.parent / "w.csv"), *more])


def test_a_recording_is_taken_once_when_it_no_longer_grows(
    watched: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = Path("new/20240102_030200.wav").read_bytes()
    target, out = watched / "20240102_030200.wav", watched.parent / "w.csv"

    def grow(size: int) -> None:
        assert rows(str(out)) == []
        target.write_bytes(data[:size])

    script = Script(lambda: grow(0), lambda: grow(0), lambda: grow(1000), lambda: grow(9000), lambda: grow(len(data)), 0, 0, 0)
    assert watch(watched, script, monkeypatch) == 0
    assert [row["decision"] for row in rows(str(out))] == ["ANOMALY"]
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1] == "stopped: 1 recording scored, 1 anomaly; the same command goes on"
    assert printed[-2].startswith("2024-01-02 03:02:00  ANOMALY")


def test_a_restart_scores_nothing_twice_and_mends_the_last_line(watched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = watched.parent / "w.csv"
    for name in ("20240102_030000.wav", "20240102_030200.wav"):
        shutil.copy(f"new/{name}", watched)
    assert watch(watched, Script(0, 0), monkeypatch) == 0
    before = out.read_bytes()
    for cut in (len(before), len(before) - 7, before.index(b"\n") + 1, 20, 0):  # killed while it wrote
        out.write_bytes(before[:cut])
        assert watch(watched, Script(0, 0), monkeypatch) == 0
        assert out.read_bytes() == before
    shutil.copy("new/20240102_030100.wav", watched / "20240102_030000.wav")  # another recording of that name
    assert watch(watched, Script(0, 0), monkeypatch) == 0
    assert [row["clip"][9:15] for row in rows(str(out))] == ["030000", "030200", "030000"]
    assert len({row["digest"] for row in rows(str(out))}) == 3


def test_alarms_look_back_over_a_restart_and_end_it(watched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = Path("new/20240102_030200.wav")
    shutil.copy(fault, watched / "20240102_050000.wav")
    assert watch(watched, Script(0, 0), monkeypatch, "--alarm", "2/3", "--fail-on-anomaly") == 0
    write_wav(watched / "20240102_050100.wav", samples=hum(99, fault=True))
    assert watch(watched, Script(0, 0), monkeypatch, "--alarm", "2/3", "--fail-on-anomaly") == 1
    assert [one.alarm for one in read_verdicts(watched.parent / "w.csv")] == [False, True]


def test_what_cannot_be_read_is_said_once_and_tried_when_it_changes(
    watched: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = watched / "20240102_030000.wav"
    path.write_bytes(b"junk")

    def mend() -> None:
        shutil.copy("new/20240102_030000.wav", path)

    assert watch(watched, Script(0, 0, 0, mend, 0, 0), monkeypatch) == 0
    assert capsys.readouterr().err.count("cannot be read") == 1
    assert [one.recorded for one in read_verdicts(watched.parent / "w.csv")] == [datetime(2024, 1, 2, 3, 0)]


def test_a_damaged_table_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new.csv"
    assert main(["score", "new", "--run", "one", "--out", str(out)]) == 0
    capsys.readouterr()
    out.write_text(out.read_text().replace("ANOMALY", "PERHAPS"))
    message, hint = refused(capsys, "score", "--watch", "new", "--run", "one", "--out", str(out))
    assert message.startswith(f"{out} is damaged")
    assert "name another one" in hint


def test_a_recording_that_goes_away_in_between() -> None:
    judge = Judge(Run(Path("one")), "cpu")
    gone, there = (Loose(Path("new") / name, name, "MyPump", "00") for name in ("gone.wav", "20240102_030000.wav"))
    found = judge_recordings(judge, Standard("log_mel_knn"), [gone, there])
    assert [one.clip for one in found.verdicts] == ["20240102_030000.wav"]
    assert found.notes == ["gone.wav went away before it could be read"]
    assert judge_recordings(judge, Standard("log_mel_knn"), [gone]).verdicts == []
