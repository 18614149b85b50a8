"""The demo: the whole job, and a second one on top of it changes nothing."""

from pathlib import Path

import pytest

from submission.cli import main


def test_the_demo_ends_with_a_package_that_passes_its_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "demo"
    assert main(["demo", "--tiny", "--out", str(folder)]) == 0
    printed = capsys.readouterr().out
    (package,) = (folder / "runs" / "demo" / "submission").glob("*.zip")
    assert f"asdzoo check {package}" in printed
    assert "0 errors" in printed
    before = package.read_bytes()
    assert main(["demo", "--tiny", "--out", str(folder)]) == 0
    assert "asdzoo synth" not in capsys.readouterr().out
    assert package.read_bytes() == before


def test_a_step_that_fails_stops_the_demo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").mkdir()
    assert main(["demo", "--tiny", "--out", str(tmp_path)]) == 2
    assert "error: `asdzoo scan` ended with 2" in capsys.readouterr().err
