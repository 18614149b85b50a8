"""`asdzoo submit`: from a run to a zip that passes `asdzoo check`."""

import zipfile
from pathlib import Path

import pytest

from submission.cli import main
from tests.submission.conftest import MakeRun


def submit(tmp_path: Path, *more: str) -> int:
    return main(["submit", "--run", str(tmp_path / "run"), "--team", str(tmp_path / "team.yaml"), *more])


@pytest.mark.parametrize("year", ["2020", "2021", "2022", "2023", "2024", "2025", "2026"])
def test_the_package_of_every_year_passes_its_own_check(
    year: str, make_run: MakeRun, tmp_path: Path, report: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(year)
    assert submit(tmp_path, "--report", str(report)) == 0
    package = tmp_path / "run" / "submission" / "Jiang_THUEE_task2.zip"
    capsys.readouterr()
    assert main(["check", str(package)]) == 0
    shown = capsys.readouterr().out
    assert f"rules of {year}: 0 errors" in shown


def test_tree(make_run: MakeRun, tmp_path: Path, report: Path) -> None:
    make_run("2023")
    assert submit(tmp_path, "--report", str(report)) == 0
    with zipfile.ZipFile(tmp_path / "run/submission/Jiang_THUEE_task2.zip") as archive:
        names = archive.namelist()
        scores = archive.read("task2/Jiang_THUEE_task2_1/anomaly_score_bandsaw_section_00_test.csv").decode()
    assert names == sorted(names)
    assert len(names) == 2 * 7 + 2
    assert "task2/Jiang_THUEE_task2.technical_report.pdf" in names
    assert "task2/Jiang_THUEE_task2_1/Jiang_THUEE_task2_1.meta.yaml" in names
    assert [line.split(",")[0] for line in scores.splitlines()] == [f"section_00_{index:04d}.wav" for index in range(6)]
