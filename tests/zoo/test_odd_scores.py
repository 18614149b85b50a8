"""One odd clip moves nothing; without one nothing is left out."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.calibration import Calibration
from zoo.odd_scores import ordinary
from zoo.scores import ScoreTable
from zoo.threshold import fit_threshold


def _table(scores: np.ndarray, domains: list[str] | None = None) -> ScoreTable:
    return ScoreTable(
        pd.DataFrame(
            {
                "system": "cnn",
                "year": "own",
                "machine": "MyPump",
                "section": "00",
                "split": "train",
                "domain": domains or [""] * len(scores),
                "label": "normal",
                "clip": [f"{number:04d}.wav" for number in range(len(scores))],
                "score": scores,
                "calibrated": scores,
            }
        )
    )


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.sampled_from([12, 40, 300]), odd=st.sampled_from([1e3, -1e3, 1e9]))
def test_one_odd_clip_moves_neither_calibration_nor_threshold(seed: int, count: int, odd: float) -> None:
    scores = np.random.default_rng(seed).standard_normal(count)
    more = np.append(scores, odd)
    assert ordinary(more).tolist() == [True] * count + [False]
    (before,), (after,) = (Calibration.fit(_table(each)).statistics.values() for each in (scores, more))
    assert after == before
    for method in ("gamma", "normal", "percentile"):
        assert fit_threshold(more, method, 99).value == fit_threshold(scores, method, 99).value


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 200), shape=st.sampled_from(["normal", "uniform", "constant"]))
def test_where_none_stands_apart_the_statistics_are_the_plain_ones(seed: int, count: int, shape: str) -> None:
    generator = np.random.default_rng(seed)
    scores = {"normal": generator.standard_normal, "uniform": generator.random, "constant": np.ones}[shape](count)
    assert ordinary(scores).all()
    (found,) = Calibration.fit(_table(scores)).statistics.values()
    assert found.mean == scores.mean()
    assert found.std == (scores.std() if scores.std() > 1e-12 else 1.0)


def test_the_few_clips_of_another_domain_are_no_odd_clips() -> None:
    generator = np.random.default_rng(0)
    scores = np.concatenate([generator.standard_normal(40), 500 + generator.standard_normal(3)])
    (found,) = Calibration.fit(_table(scores, ["source"] * 40 + ["target"] * 3)).statistics.values()
    assert found.clips == 43
    assert found.mean == pytest.approx(scores.mean())


def test_a_tail_is_ordinary_and_a_group_is_no_odd_clip() -> None:
    assert ordinary(np.geomspace(1, 1e6, 60)).all()
    assert ordinary(np.concatenate([np.linspace(0, 1, 20), np.linspace(99, 100, 5)])).all()
    assert ordinary(np.array([0.0, 1.0, 2.0, 1e9])).all()  # too few to say
