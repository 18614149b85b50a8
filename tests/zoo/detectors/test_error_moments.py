"""Scores from reconstruction errors against numpy, which goes through the errors block by block."""

from typing import Literal

import numpy as np
import pytest
import torch

from zoo.contracts.detectors import SOURCE, TARGET, clips_of
from zoo.detectors import FloatArray, mse, selective_mahalanobis
from zoo.detectors.selective_mahalanobis import Config
from zoo.errors import AsdzooError
from zoo.layers.error_moments import error_moments
from zoo.systems import load_system, system_of

BINS, FRAMES = 6, 5


def errors_of(clips: int, seed: int) -> list[FloatArray]:
    """Errors (vectors, frames x bins), of other lengths and spreads from clip to clip."""
    generator = np.random.default_rng(seed)
    mixing = generator.normal(size=(BINS, BINS))
    found = []
    for _ in range(clips):
        blocks = generator.normal(size=(generator.integers(4, 12) * FRAMES, BINS)) @ mixing + generator.normal(size=BINS)
        found.append(blocks.reshape(-1, FRAMES * BINS))
    return found


def embedded(errors: list[FloatArray]) -> FloatArray:
    return np.stack([error_moments(torch.from_numpy(each), BINS).numpy() for each in errors])


def covariance(errors: list[FloatArray]) -> FloatArray:
    """Of all blocks about their mean, over the number of vectors less one."""
    blocks = np.concatenate(errors).reshape(-1, BINS)
    offsets = blocks - blocks.mean(axis=0)
    return np.asarray(sum(np.outer(each, each) for each in offsets) / (sum(map(len, errors)) - 1))


def length(errors: FloatArray, inverse: FloatArray, average: str) -> float:
    blocks = errors.reshape(-1, BINS)
    if average == "formula":
        return float(np.mean([block @ inverse @ block for block in blocks]))
    return float(np.mean([[one @ inverse @ other for one in blocks] for other in blocks]))  # all pairs, as the public code


def expected(queries: list[FloatArray], domains: list[list[FloatArray]], average: str) -> FloatArray:
    inverses = [np.linalg.inv(covariance(errors)) for errors in domains if errors]
    return np.array([min(length(errors, inverse, average) for inverse in inverses) for errors in queries])


@pytest.mark.parametrize("average", ["code", "formula"])
@pytest.mark.parametrize(("sources", "targets"), [(12, 4), (9, 0), (0, 5)])
def test_mahalanobis_against_numpy(average: Literal["code", "formula"], sources: int, targets: int) -> None:
    source, target = errors_of(sources, 1), errors_of(targets, 2)
    training, queries = source + target, errors_of(7, 3)
    detector = selective_mahalanobis.build(Config(average=average))
    detector.fit(embedded(training), clips_of(SOURCE * sources + TARGET * targets))
    np.testing.assert_allclose(detector.score(embedded(queries)), expected(queries, [source, target], average), rtol=1e-4)
    left_out = []
    for row, errors in enumerate(training):
        others = [[each for each in domain if each is not errors] for domain in (source, target)]
        left_out.append(expected([errors], others, average)[0])
        assert len(others[0]) + len(others[1]) == len(training) - 1, row
    np.testing.assert_allclose(detector.score_training(), left_out, rtol=1e-4)


def test_a_domain_of_one_clip_is_measured_by_the_other() -> None:
    source, target = errors_of(5, 1), errors_of(1, 2)
    detector = selective_mahalanobis.build(Config(average="formula"))
    detector.fit(embedded(source + target), clips_of(SOURCE * 5 + TARGET))
    assert detector.score_training()[5] == pytest.approx(expected(target, [source, []], "formula")[0], rel=1e-4)
    alone = selective_mahalanobis.build(Config()).fit(embedded(target), clips_of(TARGET))
    assert alone.score_training() == pytest.approx(expected(target, [target], "code"), rel=1e-4)
    assert any("only one training clip" in note for note in alone.notes)


def test_mse_against_numpy() -> None:
    training, queries = errors_of(5, 1), errors_of(7, 3)
    detector = mse.build(mse.Config()).fit(embedded(training), clips_of(SOURCE * 5))
    np.testing.assert_allclose(detector.score(embedded(queries)), [(errors**2).mean() for errors in queries], rtol=1e-6)
    np.testing.assert_allclose(detector.score_training(), [(errors**2).mean() for errors in training], rtol=1e-6)


@pytest.mark.parametrize("name", ["mse", "selective_mahalanobis"])
def test_another_network_has_no_errors(name: str) -> None:
    values = load_system("log_mel_knn").config.model_dump(exclude_none=True)
    with pytest.raises(AsdzooError, match=f"the {name} detector needs a network with reconstruction errors") as caught:
        system_of("mine", {**values, "detector": {"name": name}}, "mine.yaml")
    assert "model.name=autoencoder" in caught.value.hint
