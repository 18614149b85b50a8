"""Closed forms against what they stand for: leaving out each clip in turn, and drawing clips anew."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import roc_auc_score

from fusion.intervals import (
    auc_without_each,
    differences,
    jackknife,
    official_interval,
    organisers_half_width,
    pauc_without_each,
    strata,
    student_half,
    without_each,
)
from fusion.metrics import auc, pauc
from fusion.official import Section, find_sections, official_score, section_values
from tests.fusion.runs import make_table
from zoo.errors import AsdzooError


@st.composite
def scored(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    count = draw(st.integers(4, 30))
    scores = draw(hnp.arrays(np.float64, count, elements=st.one_of(st.integers(-2, 2).map(float), st.floats(-9, 9))))
    anomalous = draw(hnp.arrays(bool, count))
    anomalous[:4] = [False, False, True, True]
    return scores, anomalous


@settings(deadline=None, max_examples=40)
@given(scored(), st.sampled_from([0.1, 0.35, 1.0]))
def test_without_each_clip_is_the_metric_of_the_other_clips(clips: tuple[np.ndarray, np.ndarray], max_fpr: float) -> None:
    scores, anomalous = clips
    rest = [(np.delete(scores, index), np.delete(anomalous, index)) for index in range(len(scores))]
    np.testing.assert_allclose(auc_without_each(scores, anomalous), [auc(*pair) for pair in rest], atol=1e-12)
    expected = [pauc(*pair, max_fpr) for pair in rest]
    np.testing.assert_allclose(pauc_without_each(scores, anomalous, max_fpr), expected, atol=1e-12)


@pytest.mark.parametrize(("year", "domains"), [("2024", True), ("2021", True), ("2020", False), ("own", False)])
def test_numbers_of_a_section_without_each_clip(year: str, domains: bool) -> None:
    table = make_table("alpha", ["fan"], year=year, domains=domains, clips=5)
    section = find_sections(table.frame, year)[0][0]
    scores = table.frame["score"].to_numpy()[section.rows]
    expected = []
    for index in range(len(scores)):
        keep = np.delete(np.arange(len(scores)), index)
        target = None if section.target is None else section.target[keep]
        rest = Section("fan", "00", section.rows[keep], section.anomalous[keep], target)
        expected.append(section_values(scores[keep], rest, year))
    np.testing.assert_allclose(without_each(scores, section, year), expected, atol=1e-12)


def test_one_clip_of_a_kind_has_no_jackknife() -> None:
    with pytest.raises(AsdzooError, match="at least two clips"):
        auc_without_each([0.0, 1.0, 2.0], [False, False, True])
    frame = make_table("alpha", ["fan"]).frame
    normal_targets = frame.query("split == 'test' and label == 'normal' and domain == 'target'").index
    sections, _ = find_sections(frame.drop(normal_targets[1:]), "2024")
    assert official_interval(frame["score"].to_numpy(), sections, "2024") is None


def test_jackknife_of_a_mean_is_the_student_interval() -> None:
    values = np.random.default_rng(0).normal(size=20)
    half = student_half(values.mean(), (values.sum() - values) / 19)
    assert half == pytest.approx(2.0930240544 * values.std(ddof=1) / 20**0.5)


def test_an_interval_of_many_clips_is_the_symmetric_one() -> None:
    random = np.random.default_rng(0)
    anomalous = np.arange(20000) % 2 == 1
    scores = random.normal(size=20000) + anomalous
    whole, without = float(auc(scores, anomalous)), auc_without_each(scores, anomalous)
    found, half = jackknife(whole, without), student_half(whole, without)
    assert found.low == pytest.approx(whole - half, abs=0.02 * half)
    assert found.high == pytest.approx(whole + half, abs=0.02 * half)


def test_eight_clips_on_the_right_side_are_no_certainty() -> None:
    """Wilson's interval for eight of eight, with the t quantile of seven degrees of freedom: 1 / (1 + 2.3646² / 8)."""
    anomalous = np.arange(8) % 2 == 1
    for scores, expected in (
        (anomalous * 1.0, (8 / (8 + 2.364624252**2), 1.0)),
        (~anomalous * 1.0, (0.0, 2.364624252**2 / (8 + 2.364624252**2))),
    ):
        interval = jackknife(float(auc(scores, anomalous)), auc_without_each(scores, anomalous))
        assert interval == pytest.approx(expected, abs=1e-6)
    few = [Section("m", "00", np.arange(8), anomalous, np.arange(8) % 4 > 1)]
    whole = official_interval(anomalous * 1.0, few, "2024")
    assert whole is not None
    assert whole.low < 0.7
    assert whole.high == 1


@settings(deadline=None, max_examples=60)
@given(scored())
def test_intervals_stay_in_their_bounds_and_hold_their_value(clips: tuple[np.ndarray, np.ndarray]) -> None:
    for metric, without_of in ((auc, auc_without_each), (pauc, pauc_without_each)):
        whole = float(metric(*clips))
        low, high = jackknife(whole, without_of(*clips))
        assert 0 <= low <= whole <= high <= 1
        assert low < high


def test_organisers_half_width_is_theirs_and_too_narrow_by_the_number_of_clips() -> None:
    random = np.random.default_rng(0)
    anomalous = np.arange(60) % 2 == 1
    scores = random.normal(size=60) + anomalous
    widths, right = [], []
    for limit in (None, 0.1):
        without = []
        for index in range(60):
            keep = np.delete(np.arange(60), index)
            without.append(roc_auc_score(anomalous[keep], scores[keep], max_fpr=limit))
        variance = sum((value - np.mean(without)) ** 2 for value in without) / (60 * 59)
        widths.append(2.0009953780882688 * variance**0.5)  # Student's t, 59 degrees of freedom
        right.append(student_half(roc_auc_score(anomalous, scores, max_fpr=limit), np.array(without)))
    assert organisers_half_width(scores, anomalous) == pytest.approx(np.mean(widths))
    assert organisers_half_width(scores, anomalous) * 59 == pytest.approx(np.mean(right))


def simulated(random: np.random.Generator, separation: float = 1.0) -> tuple[np.ndarray, list[Section]]:
    anomalous, target = np.tile([False, False, True, True], 25), np.tile([False, True], 50)
    sections = [Section(f"m{index}", "00", np.arange(100) + 100 * index, anomalous, target) for index in range(3)]
    return random.normal(size=300) + separation * np.tile(anomalous, 3), sections


def evaluated(scores: np.ndarray, sections: list[Section]) -> float:
    values = [section_values(scores[section.rows], section, "2024") for section in sections]
    return float(official_score(values, [section.machine for section in sections], "2024"))


def test_official_interval_covers_the_truth_about_95_times_in_100() -> None:
    """The truth is the mean of the score over many draws of the clips; 200 draws, so 0.90 to 0.99 is within chance."""
    random = np.random.default_rng(1)
    draws = [simulated(random) for _ in range(200)]
    intervals = [official_interval(scores, sections, "2024") for scores, sections in draws]
    centres = np.array([evaluated(scores, sections) for scores, sections in draws])
    covered = np.mean([interval.low <= centres.mean() <= interval.high for interval in intervals if interval])
    assert 0.90 <= covered <= 0.99
    half = np.mean([interval.half for interval in intervals if interval])
    assert half == pytest.approx(1.96 * centres.std(), rel=0.15)


def test_difference_of_a_system_and_its_copy_is_nothing_and_of_a_better_one_decided() -> None:
    random = np.random.default_rng(2)
    scores, sections = simulated(random)
    better, _ = simulated(random, 3.0)
    same, copy, gain = differences(np.stack([scores, 2 * scores + 1, better]), 0, sections, "2024", repetitions=300)
    assert same.value == copy.value == copy.interval.low == copy.interval.high == 0
    assert not copy.decided
    assert gain.decided
    assert gain.interval.low < gain.value < gain.interval.high
    again = differences(np.stack([scores, 2 * scores + 1, better]), 0, sections, "2024", repetitions=300)
    assert again[2] == gain


def test_strata_part_the_clips() -> None:
    _, sections = simulated(np.random.default_rng(0))
    parts = list(strata(sections[0]))
    assert sorted(np.concatenate(parts)) == list(range(100))
    assert [len(part) for part in parts] == [25, 25, 25, 25]
