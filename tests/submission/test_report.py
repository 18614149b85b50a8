"""The report of a run: what stands on the page."""

from pathlib import Path

from submission.report import write_report
from submission.report_facts import gather
from tests.fusion.runs import usual_run


def test_a_run_of_score_tables_alone_has_a_page(tmp_path: Path) -> None:
    run = usual_run(tmp_path / "run")
    written = write_report(gather(run), tmp_path / "report.html")
    page = written.path.read_text()
    assert written.size == len(page.encode())
    assert written.playing == 0
    for system in ("alpha", "beta", "gamma"):
        assert page.count(system) > 10
