"""Scores over time: what is drawn of a table of verdicts, and what is said of drift."""

import re
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from submission.cli import main
from submission.report.sections import over_time
from submission.report.sections.over_time import MOST_POINTS, drift, time_scale
from tests.fusion.runs import make_run, make_table
from zoo.running.verdict_table import write_verdicts
from zoo.running.verdicts import Verdict

BEGIN = datetime(2024, 1, 2, 3, 4, 5)


def verdicts(count: int, rise: float = 0.0, minutes: float = 30) -> list[Verdict]:
    noise = np.random.default_rng(0).normal(size=count)
    scores = [float(value + rise * number / count) for number, value in enumerate(noise)]
    return [
        Verdict(
            f"<{number}>.wav", BEGIN + timedelta(minutes=minutes * number), "name", "pump", "00", "fused",
            score, score, 2.5, score > 2.5, 10.0, "",
        )
        for number, score in enumerate(scores)
    ]  # fmt: skip


def test_a_dot_for_each_and_the_days_counted() -> None:
    told = verdicts(100, rise=3.0)
    shown = over_time.section(told)
    assert shown is not None
    assert len(re.findall(r'class="dot', shown.html)) == 100
    assert len(re.findall(r'class="dot anomaly"', shown.html)) == sum(one.anomalous for one in told) > 0
    assert "<0>" not in shown.html  # names are text
    assert "threshold 2.5" in shown.html
    days = re.findall(r'<th scope="row">(.*?)</th><td>(\d+)</td><td>(\d+)</td>', shown.html)
    assert [day for day, _, _ in days] == ["2024-01-02", "2024-01-03", "2024-01-04"]
    assert sum(int(count) for _, count, _ in days) == 100
    assert sum(int(anomalies) for _, _, anomalies in days) == sum(one.anomalous for one in told)
    assert over_time.section([]) is None
    assert over_time.section(told[:1]) is not None


def test_many_are_thinned_out_but_no_anomaly() -> None:
    told = verdicts(3 * MOST_POINTS, rise=1.0, minutes=1)
    shown = over_time.section(told)
    assert shown is not None
    anomalies = sum(one.anomalous for one in told)
    assert len(re.findall(r'class="dot anomaly"', shown.html)) == anomalies
    drawn = len(re.findall(r'class="dot', shown.html))
    assert drawn <= MOST_POINTS + anomalies
    assert f"{len(told) - drawn} normal recordings are not drawn" in shown.html


def test_drift_is_the_last_quarter_less_the_first() -> None:
    assert drift(verdicts(7)) == ""
    told = verdicts(40, rise=20)
    scores = [one.calibrated for one in told]
    assert drift(told).endswith(f"{np.median(scores[-10:]) - np.median(scores[:10]):+.2f}.")


@pytest.mark.parametrize("seconds", [0, 1, 59, 3600, 86400, 10 * 86400, 4e7, 1e9])
def test_ticks_are_round_and_few(seconds: float) -> None:
    scale = time_scale(1_704_164_645.0, 1_704_164_645.0 + seconds)
    assert all(scale.low <= tick <= scale.high for tick in scale.ticks)
    assert len(scale.ticks) <= 12
    assert len({scale.shown(tick) for tick in scale.ticks}) == len(scale.ticks)
    assert 0 <= scale(1_704_164_645.0) <= 1


def test_the_report_takes_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(tmp_path, {"alpha": make_table("alpha")})
    table, empty = tmp_path / "scored.csv", tmp_path / "empty.csv"
    write_verdicts(verdicts(10), table)
    write_verdicts([], empty)
    assert main(["report", "--run", str(run.folder), "--scored", str(table), "--scored", str(empty)]) == 0
    assert f"{empty} holds no recordings yet" in capsys.readouterr().err
    assert '<a href="#over-time">Over time</a>' in (run.folder / "report.html").read_text()
    for path, message in ((tmp_path / "none.csv", "there is no table"), (run.folder / "run.json", "is no table of scored")):
        assert main(["report", "--run", str(run.folder), "--scored", str(path)]) == 2
        error, hint = capsys.readouterr().err.splitlines()
        assert message in error
        assert "asdzoo score FOLDER --out" in hint
