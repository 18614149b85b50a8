"""Tables older than what they were made from: seen, said, brought up to date; tables that are not whole are refused."""

from pathlib import Path

import pytest

import fusion.join
from fusion.door import bring_up_to_date
from fusion.ensemble import ensemble_path, read_ensemble
from fusion.upkeep import older_tables
from submission.cli import main
from tests.submission.conftest import TEAM
from tests.zoo.trees import write_tree, write_wav
from zoo.running.folder import Run

SYSTEMS = ["log_mel_knn", "log_mel_stats_knn"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_tree(tmp_path, "own", domains=False, train=6, test=3, seconds=0.3)


@pytest.fixture
def run(data: Path, tmp_path: Path) -> Run:
    folder = tmp_path / "runs" / "mine"
    where = ["--data", str(data), "--run", str(folder), "--device", "cpu"]
    assert main(["train-all", *where, "--systems", ",".join(SYSTEMS)]) == 0
    assert main(["fuse", "--run", str(folder), "--method", "equal"]) == 0
    return Run(folder)


def score(run: Run, later: Path) -> int:
    return main(["score", "--data", str(later), "--run", str(run.folder), "--device", "cpu"])


@pytest.fixture
def later(tmp_path: Path) -> Path:
    for index in range(3):
        write_wav(tmp_path / "later" / "MyPump" / "test" / f"day2_{index}.wav", 0.3)
    return tmp_path / "later"


def test_after_score_every_ensemble_has_the_new_recordings(run: Run, later: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, weights = run.scores("fused").frame, read_ensemble(ensemble_path(run.folder, "fused")).weights
    assert older_tables(run) == []
    assert score(run, later) == 0
    assert "brought up to date, with the weights they have: fused" in capsys.readouterr().err
    after = run.scores("fused").frame
    assert older_tables(run) == []
    assert len(after) == len(before) + 3
    assert after[~after["clip"].str.startswith("day2")].reset_index(drop=True).equals(before)
    assert read_ensemble(ensemble_path(run.folder, "fused")).weights == weights
    assert bring_up_to_date(run) == []


def test_what_is_older_is_said_by_every_reader(
    run: Run, later: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = sorted(path.name for path in (data / "MyPump" / "test").iterdir())
    rows = [f"test/{name},{'anomaly' if index % 2 else 'normal'}" for index, name in enumerate(names)]
    (data / "MyPump" / "labels.csv").write_text("\n".join(["file_name,label", *rows]) + "\n")
    with monkeypatch.context() as patched:
        patched.setattr("fusion.renewal.bring_up_to_date", lambda run: [])  # as if it had been killed before
        assert score(run, data) == 0
    said = f"the scores of fused are older than those of {', '.join(SYSTEMS)}: `asdzoo fuse --run {run.folder}"
    (tmp_path / "team.yaml").write_text(TEAM)
    capsys.readouterr()
    assert main(["evaluate", "--run", str(run.folder)]) == 0
    assert said in capsys.readouterr().err
    assert main(["report", "--run", str(run.folder)]) == 0
    assert said in capsys.readouterr().err
    assert main(["submit", "--run", str(run.folder), "--team", str(tmp_path / "team.yaml")]) == 0
    assert said in capsys.readouterr().err
    assert main(["fuse", "--run", str(run.folder), "--ensemble", "fused"]) == 0
    assert older_tables(run) == []


class _KilledError(BaseException):
    pass


@pytest.mark.parametrize("moment", ["zoo.running.folder.write_bytes", "fusion.join.write_ensemble"])
def test_a_kill_between_two_files_is_seen_and_mended(
    run: Run, later: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert score(run, later) == 0
    old = run.score_path("fused").read_bytes()
    ensemble = read_ensemble(ensemble_path(run.folder, "fused"))
    other = ensemble.model_copy(update={"weights": {"others": {SYSTEMS[0]: 1.0}}, "development": {}})
    path = run.folder / "ensembles" / "other.yaml"
    fusion.join.write_ensemble(other, path)
    with monkeypatch.context() as patched:
        patched.setattr(moment, _kill)
        with pytest.raises(_KilledError):
            fusion.join.join(run, "other", name="fused")
    path.unlink()
    assert run.score_path("fused").read_bytes() == old
    assert run.cut_off() == ["fused"]
    assert older_tables(run) == ["the scores of fused are older than the run: a command was cut off, give it again"]
    assert bring_up_to_date(run) == ["brought up to date, with the weights they have: fused"]
    assert older_tables(run) == []


def _kill(*arguments: object) -> None:
    raise _KilledError


@pytest.mark.parametrize("name", ["log_mel_knn", "fused"])
def test_a_table_cut_at_a_line_end_is_refused(run: Run, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = run.score_path(name)
    content = path.read_text()
    path.write_text("\n".join(content.splitlines()[:-2]) + "\n")
    for command in (["evaluate"], ["fuse", "--ensemble", "fused"], ["report"]):
        if command[0] == "fuse" and name == "fused":
            continue
        assert main([*command, "--run", str(run.folder)]) == 2
        rows = content.count("\n") - 1
        assert f"{path} is not what asdzoo wrote: {rows - 2} of {rows} rows" in capsys.readouterr().err
    path.write_text(content.replace(",0.", ",1.", 1))
    assert main(["evaluate", "--run", str(run.folder)]) == 2
    assert "cells of it differ" in capsys.readouterr().err


def test_what_cannot_be_brought_up_to_date_is_said(run: Run, later: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = ensemble_path(run.folder, "fused")
    path.write_text(path.read_text().replace("description:", "descriptoin:"))
    assert score(run, later) == 0
    assert "the ensemble fused is not brought up to date: " in capsys.readouterr().err
