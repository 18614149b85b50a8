"""For recordings of one's own the commands speak of AUC, pAUC and labels, not of the challenge."""

from pathlib import Path

import pytest

from submission.cli import main
from tests.zoo.running.own_run import write_machine


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("words")
    write_machine(here / "data", train=12, test=6)
    train = ["--data", str(here / "data"), "--run", str(here / "run"), "--systems", "log_mel_knn,log_mel_pca"]
    assert main(["train-all", *train]) == 0
    return here


def test_scan_counts_labels(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scan", str(home / "data")]) == 0
    _, _, head, _, row, *_ = capsys.readouterr().out.splitlines()
    cells = dict(zip([cell.strip() for cell in head.split("┃")], [cell.strip() for cell in row.split("│")], strict=True))
    assert {name: cells[name] for name in ("train", "test", "normal", "anomaly")} == {
        "train": "12",
        "test": "6",
        "normal": "3",
        "anomaly": "3",
    }
    assert not {"source", "target", "extra", "attributes", "section"} & set(cells)
    write_machine(tmp_path, labels=False)
    assert main(["scan", str(tmp_path)]) == 0
    assert "no test recording has a label, which `asdzoo evaluate` needs: MyPump/labels.csv" in capsys.readouterr().out


def test_nobody_is_official(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = ["--run", str(home / "run")]
    for arguments in (["evaluate", *run], ["fuse", *run], ["report", *run]):
        assert main(arguments) == 0
        printed = "".join(capsys.readouterr()).casefold()
        assert not any(word in printed for word in ("official", "organiser", "source", "target")), arguments
    page = (home / "run" / "report.html").read_text().casefold()
    assert ">auc and pauc</h2>" in page
    body = page.partition("<main")[2].partition("<script")[0]
    assert "official" not in body
    assert "organiser" not in body
    assert "the threshold is the 99th percentile of the training scores, as <code>asdzoo score" in body
    assert "asdzoo submit" not in body


def test_labels_that_come_later(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_machine(tmp_path / "data", train=8, labels=False)
    run = ["--run", str(tmp_path / "run")]
    assert main(["train-all", "--data", str(data), *run, "--systems", "log_mel_knn"]) == 0
    capsys.readouterr()
    assert main(["evaluate", *run]) == 2
    error, hint = capsys.readouterr().err.splitlines()[-2:]
    assert error.startswith("error: no machine has test clips that are labelled")
    assert f"write {data}/MyPump/labels.csv with the columns file_name,label" in hint
    assert f"asdzoo score --data {data} --run {tmp_path / 'run'}" in hint
    write_machine(data, train=8)
    assert main(["score", "--data", str(data), *run]) == 0
    assert main(["evaluate", *run]) == 0
    assert "1.0000" in capsys.readouterr().out


def test_labels_in_a_place_that_nobody_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_machine(tmp_path / "data", train=4, labels=False)
    (data / "labels.csv").write_text("file_name,label\ntest0.wav,normal\n")
    assert main(["scan", str(data)]) == 0
    assert f"{data / 'labels.csv'}: is not read there" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["scan", "score", "evaluate"])
def test_the_help_describes_labels(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "MACHINE/labels.csv" in said
    assert "file_name" in said
