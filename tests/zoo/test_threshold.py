"""Thresholds: known distributions, laws of shift and scale, and scores that no distribution fits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from zoo.errors import AsdzooError
from zoo.threshold import Method, fit_gamma, fit_threshold

METHODS: list[Method] = ["gamma", "normal", "percentile"]


def of_gamma(shape: float, clips: int = 4000, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).gamma(shape, 2.0, clips) - 3.0


@pytest.mark.parametrize("shape", [1.0, 1.7, 3.0, 20.0])
def test_gamma_recovers_what_was_drawn(shape: float) -> None:
    scores = of_gamma(shape)
    right = stats.gamma.ppf(0.9, shape, -3.0, 2.0)
    assert fit_threshold(scores, "gamma").value == pytest.approx(right, abs=0.1 * scores.std())


def test_gamma_is_at_least_as_likely_as_scipys() -> None:
    scores = of_gamma(3.0, 500)
    ours = stats.gamma.logpdf(scores, *fit_gamma(scores)).mean()
    theirs = stats.gamma.logpdf(scores, *stats.gamma.fit(scores)).mean()
    assert ours >= theirs - 1e-6
    assert stats.gamma.ppf(0.9, *fit_gamma(scores)) == pytest.approx(stats.gamma.ppf(0.9, *stats.gamma.fit(scores)), rel=1e-2)


def test_scores_that_lean_to_the_left_get_a_normal_threshold() -> None:
    scores = -of_gamma(2.0)
    assert fit_threshold(scores, "gamma").value == pytest.approx(fit_threshold(scores, "normal").value, abs=0.02 * scores.std())


def test_normal_and_percentile() -> None:
    scores = np.random.default_rng(1).normal(5.0, 2.0, 10_000)
    assert fit_threshold(scores, "normal", 95).value == pytest.approx(5 + 1.6449 * 2, abs=0.1)
    assert fit_threshold(scores, "percentile", 95).value == np.percentile(scores, 95)


@pytest.mark.parametrize("method", METHODS)
@given(
    seed=st.integers(0, 10_000),
    clips=st.integers(10, 200),
    skew=st.floats(0.3, 30),
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
    shift=st.sampled_from([-100.0, 0.0, 100.0]),
)
@settings(deadline=None, max_examples=25)
def test_shift_and_scale_carry_over(method: Method, seed: int, clips: int, skew: float, scale: float, shift: float) -> None:
    scores = np.random.default_rng(seed).gamma(skew, 1.0, clips)
    plain = fit_threshold(scores, method).value
    moved = fit_threshold(scale * (scores + shift), method).value
    assert moved == pytest.approx(scale * (plain + shift), abs=1e-3 * scale * scores.std())
    assert np.isfinite(moved)


@pytest.mark.parametrize("method", METHODS)
def test_about_a_tenth_of_normal_clips_is_above(method: Method) -> None:
    scores = np.random.default_rng(3).normal(size=1000)
    assert fit_threshold(scores, method).false_positive_rate(scores) == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scores", [[2.5], [1.0] * 50, [1.0] * 49 + [9.0], [0.0, 1.0, 2.0]])
def test_few_or_equal_scores(method: Method, scores: list[float]) -> None:
    found = fit_threshold(np.array(scores), method)
    assert found.method == "percentile"
    assert np.isfinite(found.value)
    assert ("instead of" in found.note) == (method != "percentile")


def test_equal_scores_are_not_above_themselves() -> None:
    scores = np.full(20, 0.1)
    assert fit_threshold(scores).decide(scores).tolist() == [0] * 20


@pytest.mark.parametrize("method", METHODS)
def test_an_outlier_does_no_harm(method: Method) -> None:
    scores = np.append(np.random.default_rng(4).normal(size=500), 1e9)
    assert np.isfinite(fit_threshold(scores, method).value)


def test_bad_input() -> None:
    with pytest.raises(AsdzooError, match="not between 0 and 100"):
        fit_threshold(np.arange(10.0), "gamma", 100)
    with pytest.raises(AsdzooError, match="no training scores"):
        fit_threshold(np.array([]))
    with pytest.raises(AsdzooError, match="NaN"):
        fit_threshold(np.array([1.0, np.nan]))
