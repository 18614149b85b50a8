"""Laying tables side by side, and the combiners."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fusion.combine import combine, fused_table, rank_among, stack
from tests.fusion.runs import make_table
from zoo.errors import AsdzooError
from zoo.scores import ScoreTable

WEIGHTS = {"alpha": 0.25, "beta": 0.75}


def both() -> dict[str, ScoreTable]:
    return {system: make_table(system, ["fan", "valve"]) for system in ("alpha", "beta")}


def test_weighted_is_the_sum_of_calibrated_scores() -> None:
    tables = both()
    fused = combine(stack(tables), lambda machine: WEIGHTS)
    alpha, beta = (tables[system].frame["calibrated"].to_numpy() for system in tables)
    np.testing.assert_array_equal(fused, alpha * 0.25 + beta * 0.75)


def test_weights_may_differ_by_machine() -> None:
    tables = both()
    stacked = stack(tables)
    fused = combine(stacked, lambda machine: {"fan": {"alpha": 1.0}, "valve": {"beta": 1.0}}[machine])
    fan = (stacked.clips["machine"] == "fan").to_numpy()
    np.testing.assert_array_equal(fused[fan], tables["alpha"].frame["calibrated"][fan])
    np.testing.assert_array_equal(fused[~fan], tables["beta"].frame["calibrated"][~fan])


@pytest.mark.parametrize(("combiner", "join"), [("min", np.minimum), ("max", np.maximum)])
def test_min_and_max_of_the_members(combiner: str, join: np.ufunc) -> None:
    tables = {**both(), "gamma": make_table("gamma", {"fan": 5.0, "valve": 5.0})}
    alpha, beta, _ = (table.frame["calibrated"].to_numpy() for table in tables.values())
    fused = combine(stack(tables), lambda machine: {"alpha": 0.9, "beta": 0.1, "gamma": 0.0}, combiner)  # type: ignore[arg-type]
    np.testing.assert_array_equal(fused, join(alpha, beta))


def test_ranks_are_within_machine_and_split_and_ties_share() -> None:
    tables = both()
    frame = tables["alpha"].frame.copy()
    frame.loc[:, "calibrated"] = 0.0
    tables["alpha"] = ScoreTable(frame)
    stacked = stack(tables)
    fused = combine(stacked, lambda machine: {"alpha": 0.5, "beta": 0.5}, "rank")
    for _, rows in stacked.clips.groupby(["machine", "split"]):
        own = fused[rows.index]
        beta = np.argsort(np.argsort(tables["beta"].frame["calibrated"][rows.index]))
        np.testing.assert_allclose(own, 0.5 * 0.5 + 0.5 * (beta + 0.5) / len(rows))


def test_ranks_among_training_scores_take_nothing_from_the_test_clips() -> None:
    """An independent count: how many training scores lie below, ties half; between two of them a straight line."""
    tables = both()
    stacked = stack(tables)
    fused = combine(stacked, lambda machine: WEIGHTS, "train-rank")
    frame = stacked.clips.assign(score=fused)
    training = (frame["split"] == "train").to_numpy()
    for machine in ("fan", "valve"):
        rows = np.flatnonzero((frame["machine"] == machine) & training)
        expected = sum(
            weight * (np.argsort(np.argsort(tables[system].frame["calibrated"][rows])) + 0.5) / len(rows)
            for system, weight in WEIGHTS.items()
        )
        np.testing.assert_allclose(fused[rows], expected)
    fewer = stack(
        {system: ScoreTable(table.frame[training | (table.frame.index % 3 == 0)]) for system, table in tables.items()}
    )
    kept = frame[training | (frame.index % 3 == 0)]["score"].to_numpy()
    np.testing.assert_allclose(combine(fewer, lambda machine: WEIGHTS, "train-rank"), kept)


@settings(deadline=None, max_examples=60)
@given(
    hnp.arrays(np.float64, st.integers(1, 30), elements=st.integers(-5, 5).map(float)),
    hnp.arrays(np.float64, st.integers(1, 30), elements=st.floats(-1e6, 1e6)),
)
def test_a_rank_among_training_scores_keeps_the_order_and_its_bounds(training: np.ndarray, scores: np.ndarray) -> None:
    ranks = rank_among(training, scores)
    assert ((ranks >= 0) & (ranks <= 1)).all()
    order = np.argsort(scores)
    assert (np.diff(ranks[order]) >= -1e-12).all()
    values, counts = np.unique(training, return_counts=True)
    np.testing.assert_allclose(rank_among(training, values), (np.cumsum(counts) - counts / 2) / len(training))
    far = training.max() + np.array([1.0, 2.0, 1e3])
    assert (np.diff(rank_among(training, far)) > 0).all()


def test_no_training_scores_no_ranks_among_them() -> None:
    tests = {system: ScoreTable(table.frame[table.frame["split"] == "test"]) for system, table in both().items()}
    with pytest.raises(AsdzooError, match="fan section 00 has no training scores to rank among"):
        combine(stack(tests), lambda machine: WEIGHTS, "train-rank")


def test_fused_scores_are_calibrated_on_training_clips() -> None:
    stacked = stack(both())
    scores = combine(stacked, lambda machine: WEIGHTS)
    table = fused_table(stacked, scores, "mine")
    assert table.systems == ["mine"]
    np.testing.assert_array_equal(table.frame["score"], scores)
    training = table.frame[table.frame["split"] == "train"].groupby("machine")["calibrated"]
    np.testing.assert_allclose(training.mean(), 0, atol=1e-12)
    np.testing.assert_allclose(training.std(ddof=0), 1)


def test_without_training_clips_the_fused_score_is_its_own_calibration() -> None:
    tables = {}
    for system, table in both().items():
        frame = table.frame
        tables[system] = ScoreTable(frame[(frame["split"] == "test") | (frame["machine"] == "fan")])
    stacked = stack(tables)
    scores = combine(stacked, lambda machine: WEIGHTS)
    frame = fused_table(stacked, scores, "mine").frame
    valve = frame["machine"] == "valve"
    np.testing.assert_array_equal(frame["calibrated"][valve], frame["score"][valve])
    assert (frame["calibrated"][~valve] != frame["score"][~valve]).all()
    tests = stacked.clips["split"] == "test"
    only_tests = {system: ScoreTable(table.frame[table.frame["split"] == "test"]) for system, table in tables.items()}
    alone = fused_table(stack(only_tests), scores[tests], "mine").frame
    np.testing.assert_array_equal(alone["calibrated"], alone["score"])


def test_a_machine_that_a_member_lacks_goes_to_the_others() -> None:
    tables = {"alpha": make_table("alpha", ["fan", "valve"]), "beta": make_table("beta", ["fan"])}
    stacked = stack(tables, partial=True)
    assert stacked.missing() == {"beta": ["valve"]}
    fused = combine(stacked, lambda machine: WEIGHTS)
    valve = (stacked.clips["machine"] == "valve").to_numpy()
    np.testing.assert_allclose(fused[valve], stacked.calibrated[0][valve])
    with pytest.raises(AsdzooError, match="no member with a weight has scores for valve"):
        combine(stacked, lambda machine: {"beta": 1.0})
    with pytest.raises(AsdzooError, match="beta has no scores for valve, which alpha scored"):
        stack(tables)


def changed(table: ScoreTable, **cells: str) -> ScoreTable:
    frame = table.frame.copy()
    frame.loc[frame.index[-1], list(cells)] = list(cells.values())
    return ScoreTable(frame)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"label": "anomaly"}, "beta and another system name a different domain or label for valve section_00_train_0019.wav"),
        ({"domain": "source"}, "name a different domain or label"),
        ({"clip": "section_00_test_9999.wav"}, r"lacks scores for 1 clip\(s\) of valve, the first is section_00_test_9999.wav"),
    ],
)
def test_systems_must_agree_on_the_clips(change: dict[str, str], sentence: str) -> None:
    tables = both()
    tables["beta"] = changed(tables["beta"], **change)
    with pytest.raises(AsdzooError, match=sentence):
        stack(tables)


def test_tables_of_other_years_and_systems_are_refused() -> None:
    with pytest.raises(AsdzooError, match="different years: 2023, 2024"):
        stack({"alpha": make_table("alpha", ["fan"], year="2023"), "beta": make_table("beta", ["fan"])})
    with pytest.raises(AsdzooError, match="the score table of beta holds no row of beta"):
        stack({"alpha": make_table("alpha", ["fan"]), "beta": make_table("gamma", ["fan"])})


def test_the_order_of_rows_in_a_file_is_of_no_account(tmp_path: Path) -> None:
    tables = both()
    path = tmp_path / "beta.csv"
    tables["beta"].frame.sample(frac=1, random_state=0).to_csv(path, index=False)
    shuffled = {**tables, "beta": ScoreTable.read(path)}
    pd.testing.assert_frame_equal(stack(shuffled).clips, stack(tables).clips)
    np.testing.assert_array_equal(stack(shuffled).calibrated, stack(tables).calibrated)
