"""The detectors: the contract for each, and each against an independent or a brute-force computation."""

from typing import ClassVar

import pytest

from tests.contracts.detectors import DetectorContract
from zoo.clips import Clip
from zoo.detectors import Detector, FloatArray, density, detector_module, detector_names
from zoo.errors import AsdzooError


class TestKnn(DetectorContract):
    name = "knn"


class TestKnnEuclideanSmote(DetectorContract):
    name = "knn"
    options: ClassVar[dict[str, object]] = {"k": 2, "metric": "euclidean", "smote": {"neighbors": 5}}


class TestKMeans(DetectorContract):
    name = "kmeans"


class TestKMeansSmote(DetectorContract):
    name = "kmeans"
    options: ClassVar[dict[str, object]] = {"centers": 4, "smote": {"neighbors": 3}}


class TestGmm(DetectorContract):
    name = "gmm"
    options: ClassVar[dict[str, object]] = {"components": 2}


class TestGmmSmote(DetectorContract):
    name = "gmm"
    options: ClassVar[dict[str, object]] = {"components": 16, "covariance": "diag", "smote": {"neighbors": 5}}


class TestMahalanobis(DetectorContract):
    name = "mahalanobis"


class TestMahalanobisSmote(DetectorContract):
    name = "mahalanobis"
    options: ClassVar[dict[str, object]] = {"smote": {"neighbors": 5}}


def distance_from_five(embeddings: FloatArray, clip: Clip) -> FloatArray:
    """Negative log-likelihood of a normal density around 5, but for a constant."""
    return ((embeddings - 5.0) ** 2).sum(axis=1) / 2


class TestDensity(DetectorContract):
    name = "density"

    def build(self) -> Detector:
        return density.build(density.Config(), distance_from_five)

    @pytest.mark.parametrize("value", [5.0])
    def test_constant_embeddings(self, value: float) -> None:
        super().test_constant_embeddings(value)


def test_every_detector_is_under_contract() -> None:
    tested = {contract.name for contract in DetectorContract.__subclasses__()}
    assert tested == set(detector_names())


def test_an_unknown_detector_names_the_nearest() -> None:
    with pytest.raises(AsdzooError, match=r"unknown detector 'knm' \(did you mean knn\?\)"):
        detector_module("knm")
