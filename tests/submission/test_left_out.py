"""What `train-all` says of recordings is kept with the run, and said by everything that is made of it."""

from pathlib import Path

import pytest

import zoo.hearing
from submission.cli import main
from zoo.running.folder import Run

Capture = pytest.CaptureFixture[str]


def test_what_is_left_out_is_said_to_the_end(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo.hearing, "LONG", 1)  # second; the clips have two
    data, run = tmp_path / "data", tmp_path / "run"
    assert main(["synth", str(data), "--size", "tiny"]) == 0
    clips = sorted(data.rglob("train/*.wav"))
    whole = clips[0].read_bytes()
    clips[0].write_bytes(whole[:60])
    test = min(data.rglob("test/*.wav"))
    test.with_name(f"{test.stem}.mp4").write_bytes(b"no recording")
    arguments = ["train-all", "--data", str(data), "--run", str(run), "--systems", "nf_cdee_tiny", "--set", "training.steps=4"]
    capsys.readouterr()
    assert main(arguments) == 0
    said = " ".join(capsys.readouterr().err.split())
    kept = Run(run).info().left_out
    assert len(kept) == 2
    assert all(" ".join(sentence.split()) in said for sentence in kept)
    assert any(str(clips[0]) in sentence for sentence in kept)
    assert "learns from the first 1 s of a clip: " in said
    assert "training clips go unheard" in said

    assert main(["report", "--run", str(run)]) == 0
    page, said = (run / "report.html").read_text(), " ".join(capsys.readouterr().err.split())
    assert clips[0].name in page
    assert all(" ".join(sentence.split()) in said for sentence in kept)

    package = tmp_path / "task2"
    package.mkdir()
    main(["check", str(package), "--data", str(data)])
    assert f"{test.stem}.mp4" in capsys.readouterr().err

    clips[0].write_bytes(whole)
    test.with_name(f"{test.stem}.mp4").unlink()
    assert main(arguments) == 0
    assert Run(run).info().left_out == ()
