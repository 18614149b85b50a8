"""Calibration: laws of the z-score, its files, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.calibration import Calibration, Statistics
from zoo.errors import AsdzooError
from zoo.scores import ScoreTable


def table_of(
    train: list[float], test: list[float], machine: str = "fan", system: str = "knn", year: str = "2024"
) -> ScoreTable:
    """Scores of one machine, training clips first."""
    rows = [("train", value) for value in train] + [("test", value) for value in test]
    frame = pd.DataFrame({"split": [split for split, _ in rows], "score": [value for _, value in rows]})
    frame["clip"] = [f"section_00_{index:04d}.wav" for index in range(len(rows))]
    return ScoreTable(
        frame.assign(system=system, year=year, machine=machine, section="00", domain="", label="", calibrated=0.0)
    )


def joined(*tables: ScoreTable) -> ScoreTable:
    return ScoreTable(pd.concat([table.frame for table in tables]))


def calibrated(table: ScoreTable, split: str) -> np.ndarray:
    return table.frame.loc[table.frame["split"] == split, "calibrated"].to_numpy()


SCORES = st.lists(st.integers(-1000, 1000).map(lambda value: value / 8), min_size=2, max_size=20).filter(
    lambda values: len(set(values)) > 1
)


@settings(deadline=None, max_examples=40)
@given(train=SCORES, test=SCORES)
def test_training_scores_get_mean_zero_and_deviation_one(train: list[float], test: list[float]) -> None:
    table = table_of(train, test)
    result = Calibration.fit(table).apply(table)
    assert calibrated(result, "train").mean() == pytest.approx(0.0, abs=1e-9)
    assert calibrated(result, "train").std() == pytest.approx(1.0, abs=1e-9)
    expected = (np.array(test) - np.mean(train)) / np.std(train)
    np.testing.assert_allclose(calibrated(result, "test"), expected, rtol=1e-9, atol=1e-9)


@settings(deadline=None, max_examples=40)
@given(train=SCORES, test=SCORES, scale=st.floats(0.01, 100), shift=st.floats(-100, 100))
def test_scale_and_shift_of_the_scores_do_not_matter(train: list[float], test: list[float], scale: float, shift: float) -> None:
    one = table_of(train, test)
    two = table_of([scale * value + shift for value in train], [scale * value + shift for value in test])
    one, two = Calibration.fit(one).apply(one), Calibration.fit(two).apply(two)
    np.testing.assert_allclose(two.frame["calibrated"], one.frame["calibrated"], rtol=1e-6, atol=1e-6)


def test_each_system_and_machine_has_its_own_statistics() -> None:
    table = joined(
        table_of([1, 2, 3], [4]),
        table_of([10, 20, 30], [40], machine="valve"),
        table_of([-1, -2, -3], [5], system="flow"),
    )
    calibration = Calibration.fit(table)
    assert calibration.statistics[("knn", "2024", "fan", "00")] == pytest.approx((2.0, np.std([1, 2, 3]), 3))
    assert calibration.statistics[("knn", "2024", "valve", "00")] == pytest.approx((20.0, np.std([10, 20, 30]), 3))
    result = calibration.apply(table).frame
    alone = Calibration.fit(table_of([1, 2, 3], [4])).apply(table_of([1, 2, 3], [4])).frame
    of_fan = result[(result["system"] == "knn") & (result["machine"] == "fan")]
    assert of_fan["calibrated"].tolist() == alone["calibrated"].tolist()


def test_scores_and_order_are_left_alone() -> None:
    table = table_of([3, 1, 2], [9, 7])
    result = Calibration.fit(table).apply(table)
    assert result.frame.drop(columns="calibrated").equals(table.frame.drop(columns="calibrated"))
    assert (table.frame["calibrated"] == 0).all()


def test_test_scores_do_not_matter_unless_asked_for() -> None:
    calm, wild = table_of([1, 2, 3], [4, 5]), table_of([1, 2, 3], [400, -500])
    assert Calibration.fit(calm).statistics == Calibration.fit(wild).statistics
    on_test = Calibration.fit(wild, on="test")
    assert on_test.on == "test"
    assert on_test.statistics[("knn", "2024", "fan", "00")] == Statistics(-50.0, 450.0, 2)
    assert calibrated(on_test.apply(wild), "test").tolist() == [1.0, -1.0]


@pytest.mark.parametrize("train", [[2.5], [2.5, 2.5, 2.5], [0.1] * 7, [0.0, 0.0]])
def test_scores_without_a_scale_are_only_shifted(train: list[float]) -> None:
    table = table_of(train, [5.0, 1.0])
    result = Calibration.fit(table).apply(table)
    np.testing.assert_allclose(calibrated(result, "test"), [5.0 - train[0], 1.0 - train[0]], atol=1e-12)
    np.testing.assert_allclose(calibrated(result, "train"), 0.0, atol=1e-12)


def test_a_machine_without_train_scores_is_named() -> None:
    table = joined(table_of([1, 2], [3]), table_of([], [3], machine="valve"))
    with pytest.raises(AsdzooError, match="knn has no train scores for valve section 00") as problem:
        Calibration.fit(table)
    assert "train-all" in problem.value.hint
    with pytest.raises(AsdzooError, match="has no test scores for fan"):
        Calibration.fit(table_of([1, 2], []), on="test")


def test_a_machine_without_statistics_is_named() -> None:
    calibration = Calibration.fit(table_of([1, 2], [3]))
    with pytest.raises(AsdzooError, match="no calibration of knn for valve section 00 of 2024"):
        calibration.apply(table_of([], [3], machine="valve"))
    with pytest.raises(AsdzooError, match="of 2026"):
        calibration.apply(table_of([], [3], year="2026"))


@settings(deadline=None, max_examples=25)
@given(train=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=10))
def test_a_file_gives_the_same_bits(tmp_path_factory: pytest.TempPathFactory, train: list[float]) -> None:
    path = tmp_path_factory.mktemp("calibration") / "calibration.json"
    calibration = Calibration.fit(table_of(train, [1.0]))
    calibration.save(path)
    assert Calibration.load(path) == calibration
    assert json.loads(path.read_text())["on"] == "train"


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"on": "train"}',
        '{"on": "train", "statistics": [{"mean": 1}]}',
        '{"on": "dev", "statistics": []}',
        '{"on": "train", "statistics": [{"system": "a", "year": "2024", "machine": "m", "section": "00", "mean": NaN, '
        '"std": 1, "clips": 2}]}',
        '{"on": "train", "statistics": [{"system": "a", "year": "2024", "machine": "m", "section": "00", "mean": 1, '
        '"std": 0, "clips": 2}]}',
    ],
)
def test_a_file_that_is_no_calibration(tmp_path: Path, content: str) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(content)
    with pytest.raises(AsdzooError, match="is not a calibration"):
        Calibration.load(path)


def test_an_absent_file(tmp_path: Path) -> None:
    with pytest.raises(AsdzooError, match="no calibration at"):
        Calibration.load(tmp_path / "calibration.json")
