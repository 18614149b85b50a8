"""Our scores beside published ones: when they are compared, with which of our numbers, and what is said otherwise."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import harmonic_mean
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from fusion.ensemble import Ensemble, ensemble_path, write_ensemble
from fusion.papers import beside_papers
from submission.cli import main
from tests.fusion.runs import make_run, make_table
from zoo.papers import Published
from zoo.running.folder import Run

Capture = pytest.CaptureFixture[str]
DEV = ("bearing", "fan", "gearbox", "slider", "ToyCar", "ToyTrain", "valve")
RECORD: dict[str, Any] = {
    "year": "2024",
    "set": "dev",
    "source": "a paper, Table 1",
    "all": 72.0,
    "machines": dict.fromkeys(DEV, 72.0) | {"fan": 20.0},
}


def a_run(folder: Path, machines: Sequence[str] = DEV, *, records: Any = (RECORD,), clips: int = 50, **more: Any) -> Run:
    run = make_run(folder / "run", {"alpha": make_table("alpha", machines, clips=clips, **more)})
    run.update_info(systems={"alpha": {"config": {"published": list(records)}}})
    return run


def compared(run: Run, *names: str) -> Any:
    return beside_papers(run, {name: run.scores(name) for name in names or ["alpha"]})


def independent(frame: pd.DataFrame) -> list[float]:
    """AUC source, AUC target and pAUC by scikit-learn."""
    odd = frame["label"] == "anomaly"
    parts = [frame[odd | (frame["domain"] == domain)] for domain in ("source", "target")]
    values = [float(roc_auc_score(part["label"] == "anomaly", part["score"])) for part in parts]
    return [*values, float(roc_auc_score(odd, frame["score"], max_fpr=0.1))]


def test_ours_is_the_official_score_of_the_machines_of_the_set(tmp_path: Path) -> None:
    run = a_run(tmp_path, [*DEV, "Scanner"])  # an evaluation machine is none of the development set
    found = compared(run)
    test = run.scores("alpha").frame.query("split == 'test'")
    by_machine = {machine: independent(test[test["machine"] == machine]) for machine in DEV}
    ours = {row.machine: row.ours for row in found.rows}
    assert ours["all"] == pytest.approx(harmonic_mean([value for values in by_machine.values() for value in values]), abs=1e-12)
    for machine in DEV:
        assert ours[machine] == pytest.approx(harmonic_mean(by_machine[machine]), abs=1e-12)
    verdicts = {row.machine: row.verdict for row in found.rows}
    for row in found.rows:
        assert row.interval is not None
        assert row.verdict == ("within" if row.interval.low <= row.theirs <= row.interval.high else "outside")
    assert verdicts["fan"] == "outside"
    assert "within" in verdicts.values()
    assert not found.notes


def test_three_numbers_of_a_machine_are_joined_first(tmp_path: Path) -> None:
    record = RECORD | {"machines": {"fan": [80.0, 60.0, 50.0]}}
    found = compared(a_run(tmp_path, records=[record]))
    assert {row.machine: row.theirs for row in found.rows}["fan"] == pytest.approx(harmonic_mean([0.8, 0.6, 0.5]))


def test_mixed_domains_are_compared_in_their_own_metric(tmp_path: Path) -> None:
    machines = ("bearing", "fan", "gearbox", "slider", "ToyCar", "ToyTrain", "valve")
    record = {"year": "2022", "set": "eval", "source": "W", "metric": "mixed_domain", "auc": 73.0, "pauc": 60.0}
    run = a_run(tmp_path, machines, records=[record], year="2022", sections=("03", "04", "05"))
    rows = compared(run).rows
    test = run.scores("alpha").frame.query("split == 'test'")
    parts = [part for _, part in test.groupby(["machine", "section"])]
    aucs = [float(roc_auc_score(part["label"] == "anomaly", part["score"])) for part in parts]
    assert [(row.figure, row.verdict, row.theirs) for row in rows] == [
        ("AUC, domains mixed", None, 0.73),
        ("pAUC, domains mixed", None, 0.6),
    ]
    assert rows[0].ours == pytest.approx(harmonic_mean(aucs), abs=1e-12)


def test_nothing_matches_elsewhere(tmp_path: Path) -> None:
    for name, machines, year in (("synth", ["SynthFan", "SynthValve"], "2024"), ("own", DEV, "own"), ("other", DEV, "2023")):
        found = compared(a_run(tmp_path / name, machines, year=year))
        assert (found.rows, found.notes) == ([], [])


def test_what_is_not_the_published_set_is_said(tmp_path: Path) -> None:
    found = compared(a_run(tmp_path / "few", DEV[:2]))
    assert {row.machine for row in found.rows} == set(DEV[:2])
    assert "without gearbox, slider, ToyCar, ToyTrain, valve" in found.notes[0]
    found = compared(a_run(tmp_path / "small", clips=5))
    assert not found.rows
    assert "fan is not held against a paper, Table 1: it has 20 labelled test clips, the published set has 200" in found.notes


def test_an_ensemble_is_compared_when_its_members_are_those_of_the_paper(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    table = make_table("both", DEV, clips=50)
    table.write(run.score_path("both"))
    record = Published(year="2024", set="dev", source="a paper, Table 2", all=70.0)
    write_ensemble(
        Ensemble(description="x", weights={"others": {"alpha": 1.0}}, published=[record]), ensemble_path(run.folder, "both")
    )
    assert [row.machine for row in compared(run, "both").rows] == ["all"]
    run.update_info(systems={"alpha": {"config": {}}})
    found = compared(run, "both")
    assert not found.rows
    expected = "both is not held against a paper, Table 2: alpha: trained with other settings than those published"
    assert found.notes == [expected]


def test_seeds_stand_beside_a_paper_as_their_mean(tmp_path: Path) -> None:
    """As papers print several runs: the mean of the figures, not the figure of the mean."""
    run = a_run(tmp_path)
    config = run.info().systems["alpha"].config
    for seed in range(3):
        make_table(f"one.s{seed}", DEV, clips=50, seed=seed).write(run.score_path(f"one.s{seed}"))
    run.update_info(systems={f"one.s{seed}": {"config": config} for seed in range(3)})
    alone = [compared(run, f"one.s{seed}").rows for seed in range(3)]
    found = compared(run, *(f"one.s{seed}" for seed in range(3))).rows
    assert [(row.system, row.seeds, row.interval, row.verdict) for row in found] == [("one", 3, None, None)] * len(alone[0])
    for row, *own in zip(found, *alone, strict=True):
        figures = [one.ours for one in own]
        assert len(set(figures)) == 3
        assert (row.machine, row.theirs) == (own[0].machine, own[0].theirs)
        assert (row.ours, row.spread) == pytest.approx((np.mean(figures), np.std(figures, ddof=1)))


def test_evaluate_prints_and_writes_them(tmp_path: Path, capsys: Capture) -> None:
    run = a_run(tmp_path)
    assert main(["evaluate", "--run", str(run.folder), "--csv", str(tmp_path / "sub" / "x.csv")]) == 0
    shown = capsys.readouterr().out
    assert "Beside what papers report" in shown
    assert "outside" in shown
    assert "a paper, Table 1" in shown
    with (run.folder / "evaluation.csv").open() as stream:
        kept = list(csv.DictReader(stream))
    with (tmp_path / "sub" / "x.csv").open() as stream:
        mine = list(csv.DictReader(stream))
    assert [{key: row[key] for key in kept[0]} for row in mine] == kept
    assert float(mine[-1]["low"]) < float(mine[-1]["hmean"]) < float(mine[-1]["high"])

    assert main(["evaluate", "--run", str(run.folder), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    (system,) = told["systems"]
    assert repr(system["score"]) == kept[-1]["hmean"]
    assert [repr(row["pauc"]) for row in system["figures"]] == [row["pauc"] for row in kept]
    assert {row["machine"]: row["within"] for row in told["published"]}["fan"] is False
    assert told["notes"] == []
    assert told["marks"] == []

    assert main(["evaluate", "--run", str(run.folder), "--json", "--explain", "fan"]) == 2
    assert "--json has no --explain" in capsys.readouterr().err


def test_the_report_has_them(tmp_path: Path) -> None:
    assert main(["report", "--run", str(a_run(tmp_path).folder)]) == 0
    page = (tmp_path / "run" / "report.html").read_text()
    assert 'id="papers"' in page
    assert "a paper, Table 1" in page
    assert "<td>outside</td>" in page
    plain = a_run(tmp_path / "plain", records=())
    assert main(["report", "--run", str(plain.folder)]) == 0
    assert 'id="papers"' not in (plain.folder / "report.html").read_text()
