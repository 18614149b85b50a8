"""The metrics against scikit-learn, the laws they obey, and published tables."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import roc_auc_score

from fusion import metrics
from fusion.metrics import auc, domain_metrics, harmonic_mean, pauc, plain_metrics, standardised
from zoo.errors import AsdzooError

GOLDEN = Path(__file__).parents[1] / "golden"
VALUES = st.one_of(
    st.integers(-3, 3).map(float),  # many ties
    st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: value + 0.0),
    st.sampled_from([1.0, np.nextafter(1.0, 2.0), np.nextafter(1.0, 0.0), 0.0, 5e-324]),  # neighbours that are no ties
)


@st.composite
def judged_clips(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores (3, clips), anomalous, target: normal clips of both domains and at least one anomaly."""
    count = draw(st.integers(3, 40))
    scores = draw(hnp.arrays(np.float64, (3, count), elements=VALUES))
    anomalous = draw(hnp.arrays(bool, count))
    target = draw(hnp.arrays(bool, count))
    anomalous[:3], target[:2] = [False, False, True], [False, True]
    order = np.array(draw(st.permutations(range(count))))
    return scores, anomalous[order], target[order]


@settings(deadline=None, max_examples=30)
@given(judged_clips(), st.sampled_from([0.1, 0.03, 0.5, 1.0]))
def test_every_metric_is_that_of_scikit_learn(clips: tuple[np.ndarray, np.ndarray, np.ndarray], max_fpr: float) -> None:
    scores, anomalous, target = clips
    found = domain_metrics(scores, anomalous, target)
    for row, values in zip(scores, found, strict=True):
        for domain, value in ((False, values[0]), (True, values[1])):
            concerned = anomalous | (target == domain)
            assert value == pytest.approx(roc_auc_score(anomalous[concerned], row[concerned]), abs=1e-12)
        assert values[2] == pytest.approx(roc_auc_score(anomalous, row, max_fpr=0.1), abs=1e-12)
        assert auc(row, anomalous) == pytest.approx(roc_auc_score(anomalous, row), abs=1e-12)
        assert pauc(row, anomalous, max_fpr) == pytest.approx(roc_auc_score(anomalous, row, max_fpr=max_fpr), abs=1e-12)


def test_chunks_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    scores, anomalous, target = random.normal(size=(50, 20)).round(1), np.arange(20) % 2 == 1, np.arange(20) < 10
    whole = domain_metrics(scores, anomalous, target)
    monkeypatch.setattr(metrics, "_CHUNK", 60)
    np.testing.assert_array_equal(domain_metrics(scores, anomalous, target), whole)


def test_leading_shape_is_kept() -> None:
    scores = np.random.default_rng(0).normal(size=(2, 3, 8))
    anomalous = np.arange(8) % 2 == 1
    assert auc(scores, anomalous).shape == (2, 3)
    assert plain_metrics(scores[0, 0], anomalous).shape == (2,)
    np.testing.assert_array_equal(plain_metrics(scores, anomalous)[1, 2], plain_metrics(scores[1, 2], anomalous))


@pytest.mark.parametrize("normals", [1, 5, 10, 15, 100])
def test_perfect_reversed_and_constant_scores(normals: int) -> None:
    anomalous = np.arange(2 * normals) >= normals
    perfect = np.arange(2 * normals, dtype=float)
    assert auc([perfect, -perfect, 0 * perfect], anomalous).tolist() == [1, 0, 0.5]
    np.testing.assert_allclose(
        pauc([perfect, -perfect, 0 * perfect], anomalous), [1, 0.5 * (1 - 0.005 / 0.095), 0.5], atol=1e-15
    )


def test_monotone_change_of_scores_changes_nothing() -> None:
    scores = np.random.default_rng(0).normal(size=(4, 60))
    anomalous, target = np.arange(60) % 2 == 1, np.arange(60) % 3 == 1
    changed = domain_metrics(np.exp(3 * scores) - 7, anomalous, target)
    np.testing.assert_array_equal(domain_metrics(scores, anomalous, target), changed)


@pytest.mark.parametrize(
    ("scores", "anomalous", "sentence"),
    [
        ([0.0, np.nan], [False, True], "1 score"),
        ([0.0, np.inf], [False, True], "not finite"),
        ([0.0, 1.0], [True, True], "only one kind"),
        ([0.0, 1.0], [False, False], "only one kind"),
        ([0.0, 1.0, 2.0], [False, True], "3 scores for 2 labels"),
    ],
)
def test_what_has_no_curve_is_refused(scores: list[float], anomalous: list[bool], sentence: str) -> None:
    for metric in (auc, pauc, plain_metrics):
        with pytest.raises(AsdzooError, match=sentence):
            metric(scores, anomalous)


def test_domains_are_checked() -> None:
    with pytest.raises(AsdzooError, match="without normal clips"):
        domain_metrics([0.0, 1.0, 2.0], [False, True, True], [False, True, True])
    with pytest.raises(AsdzooError, match="2 domains for 3 labels"):
        domain_metrics([0.0, 1.0, 2.0], [False, False, True], [False, True])
    with pytest.raises(AsdzooError, match=r"\(0, 1\]"):
        pauc([0.0, 1.0], [False, True], 0.0)


def test_harmonic_mean_lifts_zeros_as_the_organisers_do() -> None:
    smallest = np.finfo(np.float64).eps  # their sys.float_info.epsilon
    assert harmonic_mean([0.0, 1.0]) == pytest.approx(2 / (1 / smallest + 1), rel=1e-12)
    assert harmonic_mean([0.0, 0.0, 0.0]) == pytest.approx(smallest, rel=1e-12)
    assert harmonic_mean([smallest / 2, 1.0]) == harmonic_mean([0.0, 1.0])
    assert harmonic_mean([2 * smallest, 1.0]) > harmonic_mean([0.0, 1.0])


def baselines() -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads((GOLDEN / "baselines.json").read_text())
    return found


@pytest.mark.parametrize("row", baselines(), ids=lambda row: f"{row['year']} {row['baseline']}")
def test_published_baselines(row: dict) -> None:
    """The organisers' own tables, AUC source, AUC target, pAUC in per cent; their totals have two decimals."""
    assert harmonic_mean(np.array(list(row["machines"].values())).ravel()) == pytest.approx(row["official"], abs=0.0051)


@pytest.mark.parametrize(
    ("year", "baseline", "official"),
    [("2024", "MSE", 0.5650830191796572), ("2026", "MSE", 0.5980289616592438), ("2026", "MAHALA", 0.5476277174340481)],
)
def test_baselines_to_the_last_digit(year: str, baseline: str, official: float) -> None:
    """50 normal clips per domain and 100 anomalies: an AUC is a multiple of 1/5000, the area behind a pAUC one of 1/10000."""
    row = next(row for row in baselines() if (row["year"], row["baseline"]) == (year, baseline))
    values = []
    for source, target, partial in row["machines"].values():  # type: ignore[attr-defined]
        area = round(((partial / 100 - 0.5) * 0.19 + 0.005) * 10000) / 10000
        values += [source / 100, target / 100, standardised(area)]
        assert 100 * values[-1] == pytest.approx(partial, abs=0.0051)
    assert harmonic_mean(values) == pytest.approx(official, abs=1e-12)


@pytest.mark.parametrize(("system", "row"), json.loads((GOLDEN / "thuee_table1.json").read_text()).items())
def test_table_1_of_the_report(system: str, row: list[float]) -> None:
    """Per-machine hmean of seven machines, then their hmean, in per cent."""
    assert harmonic_mean(row[:7]) == pytest.approx(row[7], abs=0.0051)
