"""`asdzoo evaluate --explain MACHINE`: the clips behind each figure, and numbers that add up to it."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from fusion.explain_auc import explain_machine
from submission.cli import main
from tests.fusion.runs import make_table, usual_run
from zoo.errors import AsdzooError
from zoo.scores import ScoreTable

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("year", "sections", "figures"),
    [
        ("2024", ("00",), ["AUC source", "AUC target", "pAUC"]),
        ("2022", ("00", "01"), ["AUC source", "AUC target", "pAUC"] * 2),
        ("2021", ("00",), ["AUC source", "AUC target", "pAUC source", "pAUC target"]),
        ("own", ("00",), ["AUC source", "AUC target", "pAUC"]),
    ],
)
def test_pairs_make_the_figures(year: str, sections: tuple[str, ...], figures: list[str]) -> None:
    table = make_table("alpha", ["fan", "valve"], year=year, sections=sections, clips=20)
    found = explain_machine(table, "alpha", "fan")
    assert [one.figure for one in found] == figures
    frame = table.frame[(table.frame["machine"] == "fan") & (table.frame["split"] == "test")]
    for one in found:
        rows = frame[frame["section"] == one.section]
        domain = one.figure.rpartition(" ")[2]
        if year == "2021":
            rows = rows[rows["domain"] == domain]
        elif domain in ("source", "target"):
            rows = rows[(rows["domain"] == domain) | (rows["label"] == "anomaly")]
        limit = 0.1 if one.figure.startswith("pAUC") else None
        assert one.value == pytest.approx(roc_auc_score(rows["label"] == "anomaly", rows["score"], max_fpr=limit), abs=1e-12)
        assert one.anomalous == (rows["label"] == "anomaly").sum()
        assert one.pairs == one.normal * one.anomalous
        if limit is None:
            assert one.normal == (rows["label"] == "normal").sum()
            assert one.value == pytest.approx((one.won + one.tied / 2) / one.pairs, abs=1e-12)
        else:
            count = (rows["label"] == "normal").sum()
            assert one.normal == np.ceil(0.1 * count)
            area = (one.won + one.tied / 2) / one.anomalous / count
            assert one.value == pytest.approx(0.5 * (1 + (area - 0.005) / (0.1 - 0.005)), abs=1e-12)
        assert list(one.costly) == sorted(one.costly, key=lambda clip: -clip.lost)


def test_ties_count_half_and_the_worst_clip_comes_first() -> None:
    frame = make_table("alpha", ["fan"], clips=5).frame.copy()
    test = frame["split"] == "test"
    anomalous = test & (frame["label"] == "anomaly")
    frame.loc[test, "score"] = 0.0
    frame.loc[anomalous, "score"] = 1.0
    worst = frame[test & (frame["label"] == "normal") & (frame["domain"] == "source")].index[2]
    tied = frame[test & (frame["label"] == "normal") & (frame["domain"] == "source")].index[3]
    frame.loc[worst, "score"], frame.loc[tied, "score"] = 2.0, 1.0
    source, target, _ = explain_machine(ScoreTable(frame), "alpha", "fan")
    assert (source.won, source.tied, source.pairs, source.value) == (30, 10, 50, 0.7)
    assert [(clip.name, clip.lost) for clip in source.costly[:2]] == [
        (frame.loc[worst, "clip"], 10.0),
        (frame.loc[tied, "clip"], 5.0),
    ]
    assert source.costly[0].kind == "normal source"
    assert target.value == 1.0
    assert target.costly == ()


def test_what_cannot_be_explained() -> None:
    table = make_table("alpha", ["fan", "valve"], labelled=["fan"])
    with pytest.raises(AsdzooError, match=r"unknown machine 'fann' \(did you mean fan\?\)"):
        explain_machine(table, "alpha", "fann")
    with pytest.raises(AsdzooError, match="valve has no figures: test clips without labels"):
        explain_machine(table, "alpha", "valve")


def test_command(tmp_path: Path, capsys: Capture) -> None:
    run = usual_run(tmp_path / "run")
    assert main(["evaluate", "alpha", "--run", str(run.folder), "--explain", "fan"]) == 0
    shown = capsys.readouterr().out
    assert "What forms the figures of fan by alpha" in shown
    assert "normal clips of the target domain" in shown
    assert main(["evaluate", "--run", str(run.folder), "--explain", "fan"]) == 0
    assert capsys.readouterr().out.count("What forms the figures") == 1
    capsys.readouterr()
    assert main(["evaluate", "--run", str(run.folder), "--explain", "Fan"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "unknown machine 'Fan' (did you mean fan?)" in printed.err
