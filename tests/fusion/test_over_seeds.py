"""Systems and ensembles with several seeds: means, spreads and intervals over them, and ensembles of each seed's members."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fusion.ensemble import ensemble_path, read_ensemble
from fusion.evaluation import evaluate, evaluate_run
from fusion.intervals import jackknife, official_interval, section_interval
from fusion.metrics import domain_metrics, harmonic_mean
from fusion.official import find_sections
from fusion.over_seeds import families
from submission.cli import main
from submission.writing.write import choose
from tests.fusion.runs import MACHINES, make_run, make_table
from zoo.running.folder import Run
from zoo.scores import ScoreTable

Capture = pytest.CaptureFixture[str]
ALPHA, BETA = ("alpha.s0", "alpha.s1", "alpha.s2"), ("beta.s0", "beta.s1")


def tables_of_seeds() -> dict[str, ScoreTable]:
    """Three seeds of alpha, two of the better beta, and gamma, which trains nothing."""
    tables = {name: make_table(name, MACHINES) for name in ALPHA}
    tables |= {name: make_table(name, dict.fromkeys(MACHINES, 1.6)) for name in BETA}
    return {**tables, "gamma": make_table("gamma", MACHINES)}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = make_run(tmp_path / "run", tables_of_seeds())
    for family, members in (("alpha", ALPHA), ("beta", BETA)):
        named = ["--systems", ",".join(members), "--method", "equal", "--name", family]
        assert main(["fuse", "--run", str(made.folder), *named]) == 0
    return made


def fuse(run: Run, *more: str) -> int:
    return main(["fuse", "--run", str(run.folder), *more])


def of_machine(table: ScoreTable, machine: str) -> float:
    rows = table.frame.query("split == 'test' and machine == @machine")
    return float(harmonic_mean(domain_metrics(rows["score"], rows["label"] == "anomaly", rows["domain"] == "target")))


def test_means_spreads_and_worst_seeds_are_those_of_the_seeds_judged_alone(run: Run) -> None:
    found = evaluate_run(run)
    best, other = found.families
    assert (best.system, best.members, best.less) == ("beta", BETA, None)
    assert (other.system, other.seeds) == ("alpha", 3)
    alpha, beta = (np.array([evaluate(run.scores(one), one).score or 0.0 for one in members]) for members in (ALPHA, BETA))
    assert (other.mean, other.spread, other.worst) == pytest.approx((alpha.mean(), alpha.std(ddof=1), alpha.min()))
    assert other.less == pytest.approx(alpha.mean() - beta.mean())
    pooled = ((alpha.var(ddof=1) + beta.var(ddof=1)) / 2) ** 0.5
    assert found.spread == pytest.approx(pooled)
    assert other.spreads == pytest.approx((beta.mean() - alpha.mean()) / pooled)
    fan = other.frame.set_index("machine").loc["fan"]
    values = np.array([of_machine(run.scores(one), "fan") for one in ALPHA])
    assert fan[["hmean", "spread", "worst"]].tolist() == pytest.approx([values.mean(), values.std(ddof=1), values.min()])


def test_seeds_that_were_not_joined_are_a_family_as_well(tmp_path: Path) -> None:
    run = make_run(tmp_path, tables_of_seeds())
    assert [one.system for one in evaluate_run(run).families] == ["beta", "alpha"]
    found = evaluate_run(run, ALPHA)
    assert [one.system for one in found.families] == ["alpha"]
    assert [one.system for one in found.shown] == list(ALPHA)


def test_the_interval_of_one_seed_many_times_is_that_of_one() -> None:
    table = make_table("alpha")
    (*sections,), _ = find_sections(table.frame, "2024")
    scores = table.frame["score"].to_numpy()
    assert official_interval(np.stack([scores] * 3), sections, "2024") == pytest.approx(
        official_interval(scores, sections, "2024")
    )
    own = scores[sections[0].rows]
    assert section_interval(np.stack([own] * 3), sections[0], "2024") == pytest.approx(
        section_interval(own, sections[0], "2024")
    )


def test_the_interval_of_a_mean_leaves_each_clip_out_of_all_seeds_at_once() -> None:
    frames = [make_table(name, ["fan"]).frame.query("split == 'test'") for name in ALPHA]
    target, anomaly = (frames[0]["domain"] == "target").to_numpy(), (frames[0]["label"] == "anomaly").to_numpy()
    scores = np.stack([frame["score"].to_numpy() for frame in frames])

    def mean(kept: np.ndarray) -> float:
        return float(np.mean([harmonic_mean(domain_metrics(own[kept], anomaly[kept], target[kept])) for own in scores]))

    rows = np.arange(len(anomaly))
    wanted = jackknife(mean(rows), np.array([mean(np.delete(rows, row)) for row in rows]))
    (section,), _ = find_sections(frames[0], "2024")
    assert section_interval(scores, section, "2024") == pytest.approx(wanted, abs=1e-12)


def test_seeds_that_scored_other_clips_have_no_mean() -> None:
    tables = {"alpha.s0": make_table("alpha.s0", ["fan"]), "alpha.s1": make_table("alpha.s1", ["fan", "valve"])}
    found, notes = families({name: evaluate(table, name).frame for name, table in tables.items()}, tables)
    assert not found
    assert notes == ["the seeds of alpha scored different clips, so that they have no mean"]


def test_a_reader_sees_means_and_what_is_joined_and_single_seeds_when_named(run: Run, capsys: Capture) -> None:
    assert main(["evaluate", "--run", str(run.folder)]) == 0
    printed = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in printed.splitlines() if line.startswith("│")]
    by_machine = [row[:3] for row in rows if len(row) == 10]
    assert [row for row in by_machine if row[0] == "alpha" and row[2] == "all"] == [
        ["alpha", "mean of 3", "all"],
        ["alpha", "together", "all"],
    ]
    assert ["gamma", "-", "all"] in by_machine
    assert not any(cell in (*ALPHA, *BETA) for row in rows for cell in row)
    assert f"each seed by itself: asdzoo evaluate alpha.s0 --run {run.folder}" in printed
    assert set(pd.read_csv(run.folder / "evaluation.csv")["system"]) == {*ALPHA, *BETA, "alpha", "beta", "gamma"}
    assert main(["evaluate", "alpha.s1", "--run", str(run.folder)]) == 0
    printed = capsys.readouterr().out
    assert "alpha.s1" in printed
    assert "Over seeds" not in printed
    assert main(["evaluate", "alpha", "--run", str(run.folder)]) == 0
    printed = capsys.readouterr().out
    assert "mean of 3" in printed
    assert "beta" not in printed


def test_the_best_that_others_are_held_against_is_no_lucky_seed(run: Run) -> None:
    found = evaluate_run(run)
    best = max(found.shown, key=lambda one: one.score or 0.0).system
    assert best not in (*ALPHA, *BETA)
    less = found.compared[best]
    assert less is not None
    assert less.value == 0


def test_files_hold_means_beside_tables(run: Run, tmp_path: Path, capsys: Capture) -> None:
    csv, markdown = tmp_path / "out" / "x.csv", tmp_path / "out" / "x.md"
    assert main(["evaluate", "--run", str(run.folder), "--csv", str(csv), "--markdown", str(markdown)]) == 0
    assert f"written: {run.folder / 'evaluation.csv'}, {csv}, {markdown}" in capsys.readouterr().out
    rows = pd.read_csv(csv, dtype={"section": str})
    (of_seeds,) = rows.query("system == 'alpha' and machine == 'all' and seeds == 3").to_dict("records")
    (together,) = rows.query("system == 'alpha' and machine == 'all' and seeds.isna()").to_dict("records")
    assert of_seeds["worst"] < of_seeds["hmean"] < of_seeds["high"]
    assert np.isnan(together["spread"])
    lines = markdown.read_text().splitlines()
    assert lines[0] == "| | fan | gearbox | slider | valve | all |"
    (line,) = (line for line in lines if line.startswith("| `alpha`, mean of 3 seeds |"))
    assert line.split(" | ")[-1].startswith(f"{of_seeds['hmean']:.3f} ± {of_seeds['spread']:.3f} ({of_seeds['low']:.3f} to ")
    assert any(line.startswith("| `alpha`, together |") for line in lines)
    assert main(["evaluate", "--run", str(run.folder), "--json"]) == 0
    (family,) = (one for one in json.loads(capsys.readouterr().out)["families"] if one["system"] == "alpha")
    assert family["worst"] == of_seeds["worst"]
    assert family["figures"][-1]["hmean"] == family["mean"] == of_seeds["hmean"]
    assert family["members"] == list(ALPHA)


def test_an_ensemble_of_each_seeds_members(run: Run, capsys: Capture) -> None:
    assert fuse(run, "--method", "equal", "--name", "both", "--each-seed") == 0
    assert "of each seed's members alone: both.s0, both.s1, both.s2" in capsys.readouterr().out
    members = [set(read_ensemble(ensemble_path(run.folder, f"both.s{seed}")).systems) for seed in range(3)]
    assert members[1] == {"alpha.s1", "beta.s1", "gamma"}
    assert members[2] == {"alpha.s2", "beta.s0", "gamma"}  # beta has two seeds, which begin anew
    calibrated = [run.scores(name).frame["calibrated"].to_numpy() for name in ("alpha.s1", "beta.s1", "gamma")]
    np.testing.assert_allclose(run.scores("both.s1").frame["score"], np.mean(calibrated, axis=0), atol=1e-12)
    (family,) = (one for one in evaluate_run(run).families if one.system == "both")
    own = [evaluate(run.scores(name), name).score for name in family.members]
    assert family.members == ("both.s0", "both.s1", "both.s2")
    assert family.mean == pytest.approx(np.mean([score or 0.0 for score in own]))


def test_each_seed_of_given_weights(run: Run, tmp_path: Path) -> None:
    assert fuse(run, "--method", "equal", "--name", "mine") == 0  # weights of seeds
    assert fuse(run, "--ensemble", "mine", "--each-seed") == 0
    (weights,) = read_ensemble(ensemble_path(run.folder, "mine.s1")).weights.values()
    assert weights == pytest.approx({"alpha.s1": 1 / 3, "beta.s1": 1 / 3, "gamma": 1 / 3})


def test_ensembles_of_single_seeds_take_no_part_in_what_joins_or_packs_all(run: Run) -> None:
    assert fuse(run, "--method", "equal", "--name", "both", "--each-seed") == 0
    assert fuse(run, "--method", "equal", "--name", "again") == 0
    assert read_ensemble(ensemble_path(run.folder, "again")).systems == (*ALPHA, *BETA, "gamma")
    assert choose(run, []) == ["again", "alpha", "beta", "both"]


@pytest.mark.parametrize(
    ("options", "error", "hint"),
    [
        (["--systems", "gamma"], "no member was trained with several seeds", "--set seeds=5"),
        (["--systems", "alpha.s1,gamma"], "alpha.s1 is one seed of alpha", "name alpha"),
    ],
)
def test_what_has_no_seeds_to_take_one_by_one(run: Run, capsys: Capture, options: list[str], error: str, hint: str) -> None:
    before = run.score_names()
    assert fuse(run, "--method", "equal", "--each-seed", *options) == 2
    printed = capsys.readouterr().err
    assert f"error: {error}" in printed
    assert hint in printed
    assert run.score_names() == before


def test_a_package_has_no_table_in_markdown(tmp_path: Path, capsys: Capture) -> None:
    named = ["--package", "x.zip", "--truth", str(tmp_path), "--markdown", "x.md"]
    assert main(["evaluate", *named]) == 2
    assert "--markdown is a table of a run" in capsys.readouterr().err
