"""The freeze record, and external resources against the list."""

import json
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from submission.cli import main
from submission.writing.external import allowed, unknown_resources
from submission.writing.freeze import Freeze, changes, current, freeze_path
from tests.submission.conftest import MakeRun
from zoo.running.folder import Run
from zoo.scores import ScoreTable

Capture = pytest.CaptureFixture[str]


def with_system(run: Run) -> str:
    """A score table of a system beside that of the ensemble."""
    name = sorted(run.info().systems)[0]
    ScoreTable(run.scores("both").frame.assign(system=name)).write(run.score_path(name))
    return name


def freeze(run: Run, *more: str) -> int:
    return main(["freeze", "--run", str(run.folder), *more])


def submit(tmp_path: Path, *more: str) -> int:
    return main(["submit", "--run", str(tmp_path / "run"), "--team", str(tmp_path / "team.yaml"), *more])


def packed(tmp_path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(tmp_path / "run" / "submission" / "Jiang_THUEE_task2.zip") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_record_goes_into_the_package_and_nothing_is_said_where_nothing_changed(
    make_run: MakeRun, tmp_path: Path, capsys: Capture
) -> None:
    run = make_run("2024")
    with_system(run)
    assert submit(tmp_path) == 0
    assert "task2/Jiang_THUEE_task2.freeze.json" not in packed(tmp_path)
    assert freeze(run) == 0
    assert "test clips without labels have scores already" in capsys.readouterr().err
    assert submit(tmp_path) == 0
    printed = capsys.readouterr()
    assert "since the freeze" not in printed.err
    assert "after the freeze" not in printed.err
    assert "when the run was frozen" in printed.err
    record = json.loads(packed(tmp_path)["task2/Jiang_THUEE_task2.freeze.json"])
    assert record == json.loads(freeze_path(run).read_text())
    assert set(record["ensembles"]) == {"both"}
    assert main(["check", str(tmp_path / "run" / "submission" / "Jiang_THUEE_task2.zip")]) == 0
    assert "stray" not in capsys.readouterr().out


def test_what_changed_since_is_said(make_run: MakeRun, tmp_path: Path, capsys: Capture) -> None:
    run = make_run("2024")
    system = with_system(run)
    assert freeze(run) == 0
    frame = run.scores(system).frame.copy()
    tests = frame["split"] == "test"
    frame.loc[tests, "score"] += 1
    ScoreTable(frame).write(run.score_path(system))
    capsys.readouterr()
    assert submit(tmp_path) == 0
    assert "since the freeze" not in capsys.readouterr().err  # test scores are no decision
    frame.loc[~tests, "score"] += 1
    ScoreTable(frame).write(run.score_path(system))
    path = run.folder / "ensembles" / "both.yaml"
    path.write_text(path.read_text() + "combiner: max\n")
    assert submit(tmp_path) == 0
    said = capsys.readouterr().err
    assert f"the training scores of {system} changed since the freeze of 20" in said
    assert "the ensemble both changed since the freeze" in said


def test_a_second_freeze_keeps_that_there_was_a_first(make_run: MakeRun, capsys: Capture) -> None:
    run = make_run("2024")
    assert freeze(run) == 0
    first = json.loads(freeze_path(run).read_text())["when"]
    capsys.readouterr()
    assert freeze(run) == 2
    assert capsys.readouterr().err.splitlines()[0].endswith(f"was frozen at {first}")
    assert freeze(run, "--again") == 0
    assert json.loads(freeze_path(run).read_text())["earlier"] == [first]


def test_a_damaged_record(make_run: MakeRun, tmp_path: Path, capsys: Capture) -> None:
    run = make_run("2024")
    freeze_path(run).write_text("{")
    assert submit(tmp_path) == 2
    assert "asdzoo freeze" in capsys.readouterr().err


def test_recordings_and_code_are_named_by_their_checksums(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run("2024")
    machine = str(run.scores(with_system(run)).frame["machine"].iloc[0])
    wav = tmp_path / "data" / machine / "train" / "a.wav"
    wav.parent.mkdir(parents=True)
    wav.write_bytes(b"1")
    run.update_info(data=str(tmp_path / "data"))
    before = current(run)
    assert set(before.recordings) == {machine}
    assert set(before.code) == {"zoo", "fusion", "submission"}
    (tmp_path / "data" / machine / "test").mkdir()
    (tmp_path / "data" / machine / "test" / "b.wav").write_bytes(b"1")
    assert changes(before, current(run))[:-1] == []
    wav.write_bytes(b"12")
    assert f"the recordings of {machine} changed" in changes(before, current(run))[0]
    run.update_info(data=str(tmp_path / "gone"))
    assert changes(before, current(run))[:-1] == []
    other = before.model_copy(update={"code": {**before.code, "zoo": "0"}, "scored_blind": 0})
    assert changes(Freeze.model_validate(other.model_dump()), before) == [
        f"the code of zoo changed since the freeze of {other.when}"
    ]


def test_resources_off_the_list_are_named(make_run: MakeRun, tmp_path: Path, capsys: Capture) -> None:
    known = allowed()
    named = [
        {"name": "AudioSet", "url": "https://research.google.com/audioset/"},
        {"name": "BEATs' data", "url": "https://research.google.com/audioset/download.html"},
        {"name": "My garage", "url": "https://example.org"},
        {"name": "My garage", "url": "https://example.org"},
    ]
    (sentence,) = unknown_resources(named, known)
    assert sentence.startswith("My garage is not among the allowed external resources")
    make_run("2024")
    team = tmp_path / "team.yaml"
    team.write_text(team.read_text() + "\nexternal_datasets: [{name: My garage, url: 'https://example.org'}]\n")
    assert submit(tmp_path) == 0
    assert "My garage is not among" in capsys.readouterr().err
    (tmp_path / "mine.yaml").write_text("resources: {mine: [garage, audioset]}")
    assert submit(tmp_path, "--external", str(tmp_path / "mine.yaml")) == 0
    assert "not among" not in capsys.readouterr().err
    (tmp_path / "mine.yaml").write_text("resource: {mine: [garage]}")
    assert submit(tmp_path, "--external", str(tmp_path / "mine.yaml")) == 2
    assert "unknown key resource" in capsys.readouterr().err


def test_a_run_scores_by_machine_are_marked(make_run: MakeRun, tmp_path: Path, capsys: Capture) -> None:
    run = make_run("2024")
    system = with_system(run)
    machine = str(pd.unique(run.scores(system).frame["machine"])[0])
    (tmp_path / "mine.yaml").write_text(f"description: x\nweights: {{{machine}: {{{system}: 1}}, others: {{{system}: 1}}}}")
    assert main(["fuse", "--run", str(run.folder), "--ensemble", str(tmp_path / "mine.yaml")]) == 0
    assert "this run is marked per-machine" in capsys.readouterr().err
    assert "per-machine" in run.marks()
