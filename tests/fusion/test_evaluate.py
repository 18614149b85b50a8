"""`asdzoo evaluate`: the table, the CSV, and every way it can be told too little."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fusion.evaluation import COLUMNS, evaluate, evaluate_run, less_than_best
from fusion.metrics import domain_metrics, harmonic_mean
from submission.cli import main
from tests.fusion.runs import MACHINES, make_run, make_table, usual_run
from zoo.running.folder import Run
from zoo.scores import ScoreTable


def command(folder: Path, *arguments: str) -> int:
    return main(["evaluate", "--run", str(folder), *arguments])


def test_csv_has_a_row_per_section_and_the_official_score(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = usual_run(tmp_path)
    assert command(tmp_path) == 0
    written = pd.read_csv(tmp_path / "evaluation.csv", dtype={"section": str})
    assert list(written.columns) == COLUMNS
    assert list(written["machine"][:5]) == ["fan", "gearbox", "slider", "valve", "all"]
    assert list(written["system"].unique()) == ["alpha", "beta", "gamma"]
    tests = run.scores("alpha").frame.query("split == 'test'")
    values = []
    for machine in ("fan", "gearbox", "slider", "valve"):
        rows = tests[tests["machine"] == machine]
        found = domain_metrics(rows["score"], rows["label"] == "anomaly", rows["domain"] == "target")
        row = written[(written["system"] == "alpha") & (written["machine"] == machine)].iloc[0]
        np.testing.assert_array_equal(row[["auc_source", "auc_target", "pauc"]].astype(float), found)
        assert row["hmean"] == pytest.approx(harmonic_mean(found), abs=1e-15)
        values.extend(found)
    overall = written.query("system == 'alpha' and machine == 'all'").iloc[0]
    assert overall["hmean"] == pytest.approx(harmonic_mean(values), abs=1e-15)
    printed = capsys.readouterr().out
    assert "Official score" in printed
    assert f"{overall['hmean']:.4f}" in printed
    assert "95 % interval" in printed


def test_names_choose_what_is_shown_and_the_csv_stays_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    usual_run(tmp_path)
    assert command(tmp_path, "beta") == 0
    assert "alpha" not in capsys.readouterr().out
    assert set(pd.read_csv(tmp_path / "evaluation.csv")["system"]) == {"alpha", "beta", "gamma"}


def test_sections_beyond_the_first_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(tmp_path, {"alpha": make_table("alpha", ["fan"], year="2021", sections=["00", "01"])})
    assert command(tmp_path) == 0
    assert "fan 01" in capsys.readouterr().out


def test_blind_machines_are_said_to_be_so_and_not_scored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    usual_run(tmp_path, labelled=["fan"])
    assert command(tmp_path) == 0
    assert "not scored: gearbox 00 (40), slider 00 (40), valve 00 (40)" in capsys.readouterr().err
    assert set(pd.read_csv(tmp_path / "evaluation.csv")["machine"]) == {"fan", "all"}


def test_a_run_without_any_label_has_nothing_to_evaluate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    usual_run(tmp_path, labelled=[])
    assert command(tmp_path) == 2
    printed = capsys.readouterr()
    assert "test clips without labels, not scored: fan 00 (40)" in printed.err
    assert "error: no machine has the labelled test clips that an evaluation needs" in printed.err
    assert "hint: labels are in the names of the recordings" in printed.err
    assert printed.out == ""
    assert pd.read_csv(tmp_path / "evaluation.csv").empty


def test_evaluation_of_a_run_from_python(tmp_path: Path) -> None:
    run = usual_run(tmp_path)
    found = evaluate_run(run, ["beta"])
    assert [one.system for one in found.judged] == ["beta"]
    assert found.judged[0].score == evaluate(run.scores("beta"), "beta").score
    assert set(pd.read_csv(tmp_path / "evaluation.csv")["system"]) == {"alpha", "beta", "gamma"}


def test_scores_below_chance_are_said_to_be_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(tmp_path, {"good": make_table("good"), "bad": make_table("bad", dict.fromkeys(MACHINES, -2.0))})
    assert command(tmp_path) == 0
    said = capsys.readouterr().err
    assert "below chance: bad (0." in said
    assert "good" not in said


def test_years_without_domains_leave_the_target_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(tmp_path, {"alpha": make_table("alpha", ["fan"], year="2020", sections=["00", "02"], domains=False)})
    assert command(tmp_path) == 0
    written = pd.read_csv(tmp_path / "evaluation.csv", dtype={"section": str})
    assert written["auc_target"].isna().all()
    first = written.iloc[0]
    assert first["hmean"] == pytest.approx((first["auc_source"] + first["pauc"]) / 2)
    assert " - " in capsys.readouterr().out


def test_pauc_of_2021_is_that_of_both_domains() -> None:
    table = make_table("alpha", ["fan"], year="2021")
    row = evaluate(table, "alpha").frame.iloc[0]
    assert row["hmean"] == pytest.approx(4 / (1 / row["auc_source"] + 1 / row["auc_target"] + 2 / row["pauc"]))


def test_marks_are_repeated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    usual_run(tmp_path).mark("untrained")
    assert command(tmp_path) == 0
    assert "this run is marked untrained: a system of this run was never trained" in capsys.readouterr().err


def test_systems_of_other_clips_are_not_compared() -> None:
    tables = {"alpha": make_table("alpha", ["fan"]), "beta": make_table("beta", ["fan", "valve"])}
    found = less_than_best(tables)
    assert sorted(difference is None for difference in found.values()) == [False, True]
    blind = {"alpha": make_table("alpha", ["fan"], labelled=[])}
    assert less_than_best(blind) == {"alpha": None}


def no_run(folder: Path) -> list[str]:
    return []


def no_scores(folder: Path) -> list[str]:
    Run(folder).update_info(year="2024")
    return []


def unknown(folder: Path) -> list[str]:
    usual_run(folder)
    return ["alhpa"]


def damaged(folder: Path) -> list[str]:
    usual_run(folder).score_path("beta").write_text("system,machine\nbeta,fan\n")
    return []


def infinite(folder: Path) -> list[str]:
    path = usual_run(folder).score_path("beta")
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    frame.loc[3, "score"] = "inf"
    frame.to_csv(path, index=False)
    return []


def twice(folder: Path) -> list[str]:
    path = usual_run(folder).score_path("beta")
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[-1]]) + "\n")
    return []


@pytest.mark.parametrize(
    ("prepare", "error", "hint"),
    [
        (no_run, "is not a run", "asdzoo train-all --run"),
        (no_scores, "holds no scores", "asdzoo train-all --run"),
        (unknown, "unknown system or ensemble 'alhpa' (did you mean alpha?)", "known: alpha, beta, gamma"),
        (damaged, "score table lacks the column(s)", "columns are"),
        (infinite, "1 score value(s) are not finite, the first for beta", "train-all"),
        (twice, "twice", "one row per (system, clip)"),
    ],
)
def test_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], prepare: Callable[[Path], list[str]], error: str, hint: str
) -> None:
    assert command(tmp_path, *prepare(tmp_path)) == 2
    printed = capsys.readouterr().err.splitlines()
    assert printed[0].startswith("error: ")
    assert error in printed[0]
    assert printed[1].startswith("hint: ")
    assert hint in printed[1]
    assert not (tmp_path / "evaluation.csv").exists()


def test_two_commands_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = usual_run(tmp_path)
    with run.lock():
        assert command(tmp_path) == 2
    assert "another asdzoo command is writing" in capsys.readouterr().err


def test_list_shows_systems_ensembles_and_groups(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    for word in ("nf_cdee", "dual_branch_cnn", "thuee_1", "thuee_4", "lora_rank_4", "periodic", "RoboticArm"):
        assert word in printed


def test_scores_decide_not_their_calibration() -> None:
    """A table whose calibration is not set yet is judged all the same."""
    table = make_table("alpha", ["fan"])
    frame = table.frame.copy()
    frame["calibrated"] = 0.0
    assert evaluate(ScoreTable(frame), "alpha").score == evaluate(table, "alpha").score
