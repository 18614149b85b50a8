"""`asdzoo clean` names what nobody needs, asks, and leaves what is in use."""

import os
import shutil
from pathlib import Path
from unittest.mock import Mock

import pytest
from filelock import FileLock

from submission.cli import main
from tests.zoo.trees import write_tree
from zoo.running.folder import Run


def _train(data: Path, run: Path, *settings: str) -> None:
    more = [part for setting in ("training.steps=2", *settings) for part in ("--set", setting)]
    where = ["--data", str(data), "--run", str(run), "--year", "2024"]
    assert main(["train-all", *where, "--systems", "nf_cdee_tiny", "--device", "cpu", *more]) == 0


def test_old_tasks_and_stores_are_named_and_removed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, run = write_tree(tmp_path, "2024", machines=["fan"], train=8, seconds=0.5), tmp_path / "runs" / "r"
    _train(data, run)
    (before,) = run.glob("systems/nf_cdee_tiny/*-*")
    command = ["clean", "--run", str(run)]
    capsys.readouterr()
    assert main(command) == 0
    assert "nothing to remove" in capsys.readouterr().out
    _train(data, run, "training.batch=4")
    (now,) = set(run.glob("systems/nf_cdee_tiny/*-*")) - {before}
    store = tmp_path / "runs" / ".waves" / "2024-fan"
    broken = store.with_name("2024-old")
    shutil.copytree(store, broken)
    (broken / "index.json").write_text('{"form": 1}')
    tables = Run(run).score_path("nf_cdee_tiny").read_bytes()
    unfinished = now.with_name("stationary-000000000000")
    unfinished.mkdir()
    capsys.readouterr()
    assert main(command) == 2
    said = capsys.readouterr()
    assert "can be removed, and nobody is here to be asked" in said.err
    assert f"clean --run {run} --yes" in " ".join(said.err.split())
    assert "is not done" in said.err
    assert before.exists()
    again = run / "run.json"
    os.utime(again, (1, 1))  # as if the command that trained it had not come to its end
    assert main([*command, "--yes"]) == 0
    assert "is newer than run.json" in " ".join(capsys.readouterr().err.split())
    assert before.exists()
    os.utime(again)
    with FileLock(before / ".lock"):
        assert main([*command, "--yes"]) == 0
    assert "is being worked on" in capsys.readouterr().err
    assert before.exists()
    assert not broken.exists()
    assert main([*command, "--yes"]) == 0
    assert not before.exists()
    assert now.exists()
    assert store.exists()
    assert unfinished.exists()
    assert Run(run).score_path("nf_cdee_tiny").read_bytes() == tables
    shutil.rmtree(data)
    assert main([*command, "--yes"]) == 0
    assert not store.exists()


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["clean", "--run", str(tmp_path)]) == 2
    assert "is not a run" in capsys.readouterr().err


@pytest.mark.parametrize("answer", [False, True])
def test_it_asks_where_somebody_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: bool
) -> None:
    run = tmp_path / "runs" / "r"
    run.mkdir(parents=True)
    (run / "run.json").write_text("{}")
    store = tmp_path / "runs" / ".waves" / "own-Pump"
    store.mkdir(parents=True)
    (store / "channel_0.i16").write_bytes(bytes(2_000_000))
    asked: list[str] = []
    monkeypatch.setattr("sys.stdin", Mock(isatty=lambda: True))
    monkeypatch.setattr("typer.confirm", lambda question: (asked.append(question), answer)[1])
    assert main(["clean", "--run", str(run)]) == 0
    assert asked == ["remove 1 folder(s), 2.0 MB?"]
    assert store.exists() != answer
    assert ("removed: 2.0 MB" if answer else "nothing is removed") in capsys.readouterr().out
