"""Members chosen without a label."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from fusion.combine import stack
from fusion.ensemble import read_ensemble
from fusion.normal_only import judged_by_normals
from submission.cli import main
from tests.fusion.runs import MACHINES, make_run, make_table
from zoo.errors import AsdzooError
from zoo.scores import ScoreTable


def tables() -> dict[str, ScoreTable]:
    """Four systems that hear much the same, one that hears noise, and one whose target clips all sound odd to it."""
    made = {name: make_table(name, MACHINES, train=60, labelled=[]) for name in ("a", "b.s0", "b.s1", "c")}
    noise = made["a"].frame.assign(system="noise", calibrated=np.random.default_rng(0).normal(size=len(made["a"].frame)))
    odd = make_table("odd", MACHINES, train=60).frame
    odd = odd.assign(calibrated=odd["calibrated"] + 3 * (odd["domain"] == "target"))
    blind = odd["split"] == "test"
    odd.loc[blind, ["domain", "label"]] = ""
    return {**made, "noise": ScoreTable(noise), "odd": ScoreTable(odd)}


def with_domains() -> dict[str, ScoreTable]:
    """The training clips say their domain, the test clips nothing."""
    found = {}
    for name, table in tables().items():
        frame = table.frame.copy()
        training = frame["split"] == "train"
        frame.loc[training, "domain"] = np.where(frame["clip"].str[-5].astype(int) % 2 == 1, "target", "source")[training]
        frame.loc[training, "label"] = "normal"
        found[name] = ScoreTable(frame)
    return found


def test_the_odd_ones_are_not_taken() -> None:
    stacked = stack(with_domains())
    found = {one.system: one for one in judged_by_normals(stacked)}
    assert list(found) == ["a", "b", "c", "noise", "odd"]
    assert {name for name, one in found.items() if one.taken} == {"a", "b", "c"}
    assert found["b"].members == ("b.s0", "b.s1")
    assert found["b"].stability is not None
    assert found["a"].stability is None
    assert abs(found["noise"].agreement or 1) < 0.2
    assert (found["odd"].imbalance or 0) > 1
    training = (stacked.clips["split"] == "train").to_numpy()
    means = [stacked.calibrated[0], stacked.calibrated[1:3].mean(axis=0), *stacked.calibrated[3:]]
    expected = []
    for machine in MACHINES:
        rows = training & (stacked.clips["machine"] == machine).to_numpy()
        expected.append(spearmanr(means[0][rows], np.mean(means[1:], axis=0)[rows]).statistic)
    assert found["a"].agreement == pytest.approx(np.mean(expected))


def test_test_clips_have_no_say() -> None:
    changed = {}
    for name, table in with_domains().items():
        frame = table.frame.copy()
        frame.loc[frame["split"] == "test", "calibrated"] = 7.0
        changed[name] = ScoreTable(frame)
    assert judged_by_normals(stack(changed)) == judged_by_normals(stack(with_domains()))


def test_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(tmp_path, with_domains())
    assert main(["fuse", "--run", str(tmp_path), "--method", "normal-only"]) == 0
    printed = capsys.readouterr()
    assert "From normal training clips alone" in printed.out
    assert "no label says whether the choice is good" in printed.err
    ensemble = read_ensemble(tmp_path / "ensembles" / "fused.yaml")
    assert ensemble.systems == ("a", "b.s0", "b.s1", "c")
    assert ensemble.weights["others"] == {"a": 1 / 3, "b.s0": 1 / 6, "b.s1": 1 / 6, "c": 1 / 3}
    assert ensemble.found
    assert ensemble.found.method == "normal-only"
    assert ensemble.found.labelled == []


@pytest.mark.parametrize("combiner", ["min", "max"])
def test_min_and_max_of_those_taken(tmp_path: Path, combiner: str) -> None:
    run = make_run(tmp_path, with_domains())
    assert main(["fuse", "--run", str(tmp_path), "--method", "normal-only", "--combiner", combiner]) == 0
    fused = run.scores("fused").frame["score"].to_numpy()
    members = np.stack([run.scores(name).frame["calibrated"].to_numpy() for name in ("a", "b.s0", "b.s1", "c")])
    np.testing.assert_array_equal(fused, members.min(axis=0) if combiner == "min" else members.max(axis=0))


def test_without_training_scores_there_is_nothing_to_choose_by() -> None:
    bare = {name: ScoreTable(table.frame[table.frame["split"] == "test"]) for name, table in tables().items()}
    with pytest.raises(AsdzooError, match="no training scores to choose by"):
        judged_by_normals(stack(bare))


def test_members_by_domain(tmp_path: Path) -> None:
    """Each member gets the smaller z-score of both domains, and a written ensemble does so again."""
    run = make_run(tmp_path, {name: make_table(name, MACHINES, train=30) for name in ("a", "b")})
    assert main(["fuse", "--run", str(tmp_path), "--method", "equal", "--calibrate-by", "domain"]) == 0
    expected = 0.0
    for name in ("a", "b"):
        frame = run.scores(name).frame
        scores, own = frame["score"].to_numpy(), np.zeros(len(frame))
        for machine in MACHINES:
            rows = (frame["machine"] == machine).to_numpy()
            training = rows & (frame["split"] == "train").to_numpy()
            by_domain = [scores[training & (frame["domain"] == domain).to_numpy()] for domain in ("source", "target")]
            own[rows] = np.min([(scores[rows] - part.mean()) / part.std() for part in by_domain], axis=0)
        expected = expected + own / 2
    np.testing.assert_allclose(run.scores("fused").frame["score"], expected)
    assert read_ensemble(tmp_path / "ensembles" / "fused.yaml").calibrate_by == "domain"
    assert main(["fuse", "--run", str(tmp_path), "--ensemble", "fused", "--name", "again"]) == 0
    pd.testing.assert_series_equal(run.scores("again").frame["score"], run.scores("fused").frame["score"])
