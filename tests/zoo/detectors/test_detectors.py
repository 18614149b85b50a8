"""The detectors: the contract for each, and each against an independent or a brute-force computation."""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Self

import numpy as np
import pytest
from imblearn.over_sampling import SMOTE
from pydantic import ValidationError
from scipy.stats import multivariate_normal
from sklearn.covariance import ShrunkCovariance
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from zoo import registry
from zoo.contracts.detectors import DetectorContract, clips_of, normal
from zoo.data.clips import Clip
from zoo.detectors import (
    Detector,
    FloatArray,
    _banks,
    class_odds,
    density,
    gmm,
    kmeans,
    knn,
    mahalanobis,
)
from zoo.detectors._arrays import canonical_order, checked, checked_training, fitted, joined
from zoo.detectors._banks import domain_banks
from zoo.detectors._smote import SmoteConfig, oversample
from zoo.errors import AsdzooError


class TestKnn(DetectorContract):
    name = "knn"


class TestKnnEuclideanSmote(DetectorContract):
    name = "knn"
    inexact = "SMOTE is not drawn anew for each clip; the points made from it are left out"
    options: ClassVar[dict[str, object]] = {"k": 2, "metric": "euclidean", "smote": {"neighbors": 5}}


class TestKnnStandardised(DetectorContract):
    name = "knn"
    options: ClassVar[dict[str, object]] = {"k": 2, "metric": "euclidean", "standardise": True}


class TestKMeans(DetectorContract):
    name = "kmeans"
    inexact = "clips are left out a tenth at a time"


class TestKMeansSmote(DetectorContract):
    name = "kmeans"
    inexact = "clips are left out a tenth at a time"
    options: ClassVar[dict[str, object]] = {"centers": 4, "smote": {"neighbors": 3}}


class TestGmm(DetectorContract):
    name = "gmm"
    inexact = "clips are left out a tenth at a time"
    options: ClassVar[dict[str, object]] = {"components": 2}


class TestGmmSmote(DetectorContract):
    name = "gmm"
    inexact = "clips are left out a tenth at a time"
    options: ClassVar[dict[str, object]] = {"components": 16, "covariance": "diag", "smote": {"neighbors": 5}}


class TestGmmOfEachDomain(DetectorContract):
    name = "gmm"
    inexact = "clips are left out a tenth at a time"
    options: ClassVar[dict[str, object]] = {"components": 2, "domains": "sum"}


class TestGmmDomainMixup(DetectorContract):
    name = "gmm"
    inexact = "clips are left out a tenth at a time"
    options: ClassVar[dict[str, object]] = {"components": 2, "domain_mixup": True}


class TestKMeansSum(DetectorContract):
    name = "kmeans"
    inexact = "clips are left out a tenth at a time"
    options: ClassVar[dict[str, object]] = {"centers": 4, "domains": "sum"}


class TestKMeansOfThePublicCode(DetectorContract):
    name = "kmeans"
    inexact = "clips are left out a tenth at a time"
    options: ClassVar[dict[str, object]] = {"centers": 4, "fitted_to": "all", "unit_centers": False}


class TestMahalanobis(DetectorContract):
    name = "mahalanobis"


class TestMahalanobisSmote(DetectorContract):
    name = "mahalanobis"
    inexact = "SMOTE is not drawn anew for each clip; the points made from it are left out"
    options: ClassVar[dict[str, object]] = {"smote": {"neighbors": 5}}


def distance_from_five(embeddings: FloatArray, clip: Clip) -> FloatArray:
    """Negative log-likelihood of a normal density around 5, but for a constant."""
    return ((embeddings - 5.0) ** 2).sum(axis=1) / 2


class TestPca(DetectorContract):
    name = "pca"


class TestPcaAsItIs(DetectorContract):
    name = "pca"
    options: ClassVar[dict[str, object]] = {"standardise": False, "keep": 0.5}


class TestDensity(DetectorContract):
    name = "density"

    def build(self) -> Detector:
        return density.build(density.Config(), distance_from_five)

    @pytest.mark.parametrize("value", [5.0])
    def test_constant_embeddings(self, value: float) -> None:
        super().test_constant_embeddings(value)


class OfPoints:
    """A detector of reconstruction errors that is given points: a point is the mean error, with a unit around it each way."""

    def __init__(self, inner: Detector) -> None:
        self.inner = inner
        self.shape: tuple[int, ...] | None = None

    @property
    def notes(self) -> list[str]:
        return self.inner.notes

    def fit(self, embeddings: FloatArray, clips: Sequence[Clip]) -> Self:
        points = checked_training(embeddings, clips)
        self.shape = points.shape[1:]
        self.inner.fit(self.moments(points), clips)
        return self

    def score(self, embeddings: FloatArray) -> FloatArray:
        return self.inner.score(self.moments(checked(embeddings, fitted(self.shape))))

    def score_training(self) -> FloatArray:
        return self.inner.score_training()

    def moments(self, points: FloatArray) -> FloatArray:
        points = joined(points)
        bins = points.shape[1]
        upper = np.triu_indices(bins)
        second = points[:, :, None] * points[:, None] + np.eye(bins)
        counts = np.full((len(points), 2), 2.0 * bins)
        return np.hstack([points, second[:, *upper], counts])


class OddsOfPoints(OfPoints):
    """The odds of one class, larger for points further from five."""

    def moments(self, points: FloatArray) -> FloatArray:
        return ((joined(points) - 5.0) ** 2).sum(axis=1, keepdims=True) * [[1.0, -5.0]]


class TestClassOdds(DetectorContract):
    name = "class_odds"

    def build(self) -> Detector:
        return OddsOfPoints(class_odds.build(class_odds.Config(), lambda clip: 0))

    @pytest.mark.parametrize("value", [5.0])
    def test_constant_embeddings(self, value: float) -> None:
        super().test_constant_embeddings(value)


class TestMse(DetectorContract):
    name = "mse"

    def build(self) -> Detector:
        return OfPoints(super().build())


class TestSelectiveMahalanobis(DetectorContract):
    name = "selective_mahalanobis"

    def build(self) -> Detector:
        return OfPoints(super().build())


class TestSelectiveMahalanobisFormula(TestSelectiveMahalanobis):
    options: ClassVar[dict[str, object]] = {"average": "formula"}


def test_every_detector_is_under_contract() -> None:
    tested = {contract.name for contract in DetectorContract.__subclasses__()}
    assert tested == set(registry.names("detector"))


def test_an_unknown_detector_names_the_nearest() -> None:
    with pytest.raises(AsdzooError, match=r"unknown detector 'knm' \(did you mean knn\?\)"):
        registry.module("detector", "knm")


def refits(name: str, options: dict[str, object], embeddings: FloatArray, clips: list[Clip]) -> FloatArray:
    """Score of each training clip by a detector that was fitted to all the others."""
    module = registry.module("detector", name)
    scores = []
    for row in range(len(clips)):
        others = [index for index in range(len(clips)) if index != row]
        detector = module.build(module.Config(**options)).fit(embeddings[others], [clips[index] for index in others])
        scores.append(detector.score(embeddings[row : row + 1])[0])
    return np.array(scores)


class TestLeaveOneOut:
    @pytest.mark.parametrize(
        ("name", "options"),
        [
            ("knn", {}),
            ("knn", {"k": 3}),
            ("knn", {"k": 2, "metric": "euclidean"}),
            ("knn", {"k": 2, "metric": "euclidean", "standardise": True}),
            ("knn", {"standardise": True}),
            ("pca", {}),
            ("pca", {"standardise": False}),
            ("pca", {"keep": 0.5}),
            ("mahalanobis", {}),
            ("mahalanobis", {"shrinkage": 0.01}),
            ("mahalanobis", {"shrinkage": 1.0}),
        ],
    )
    @pytest.mark.parametrize(("sources", "targets"), [(25, 6), (12, 2), (12, 1), (9, 0), (0, 5), (2, 2)])
    def test_it_equals_a_fit_without_the_clip(self, name: str, options: dict[str, object], sources: int, targets: int) -> None:
        embeddings, clips = normal(sources, targets)
        module = registry.module("detector", name)
        detector = module.build(module.Config(**options)).fit(embeddings, clips)
        expected = refits(name, options, embeddings, clips)
        np.testing.assert_allclose(detector.score_training(), expected, rtol=1e-7, atol=1e-9)

    @pytest.mark.parametrize(("name", "options"), [("kmeans", {"centers": 3}), ("gmm", {"components": 1})])
    def test_folds_of_one_clip_are_a_fit_without_the_clip(self, name: str, options: dict[str, object]) -> None:
        embeddings, clips = normal(7, 3)
        module = registry.module("detector", name)
        detector = module.build(module.Config(**options)).fit(embeddings, clips)
        expected = refits(name, options, embeddings, clips)
        np.testing.assert_allclose(detector.score_training(), expected, rtol=1e-7, atol=1e-9)

    @pytest.mark.parametrize("name", ["knn", "kmeans", "gmm", "mahalanobis", "pca"])
    def test_an_outlier_in_training_is_seen(self, name: str) -> None:
        """It would be its own nearest neighbour, or part of what it is measured by."""
        embeddings, clips = normal(40, 8)
        odd = next(row for row, clip in enumerate(clips) if clip.domain == "source")
        embeddings[odd] = [-4, 6, -4, 6, -4, 6]
        options: dict[str, object] = {"components": 2} if name == "gmm" else {}
        module = registry.module("detector", name)
        detector = module.build(module.Config(**options)).fit(embeddings, clips)
        scores = detector.score_training()
        assert scores.argmax() == odd
        assert scores[odd] > detector.score(embeddings[odd : odd + 1])[0]

    @pytest.mark.parametrize("name", ["knn", "mahalanobis", "kmeans"])
    def test_points_that_smote_made_from_a_clip_go_with_it(self, name: str) -> None:
        """Against the definition: a detector without SMOTE, given what is left of the bank as its target clips."""
        embeddings, clips = normal(24, 6)
        module = registry.module("detector", name)
        options: dict[str, object] = {"centers": 3} if name == "kmeans" else {}
        detector = module.build(module.Config(smote=SmoteConfig(), **options)).fit(embeddings, clips)
        banks, _ = domain_banks(embeddings, clips, SmoteConfig(), seed=0)
        scores = detector.score_training()
        for row in (index for index, clip in enumerate(clips) if clip.domain == "target"):
            left = banks[1].points[(banks[1].parents != row).all(axis=1)]
            assert 4 <= len(left) < 24
            points = np.concatenate([banks[0].points, left])
            plain = module.build(module.Config(**options))
            plain.fit(points, clips_of(["source"] * 24 + ["target"] * len(left)))
            assert plain.score(embeddings[row : row + 1])[0] == pytest.approx(scores[row], rel=1e-8)


class TestSmote:
    def test_points_lie_between_two_neighbours_of_the_target_domain(self) -> None:
        target = np.random.default_rng(0).normal(size=(12, 5))
        points, parents = oversample(target, 200, SmoteConfig(neighbors=3), seed=4)
        assert points.shape == (188, 5)
        assert parents.shape == (188, 2)
        ends = target[parents]
        along = ((points - ends[:, 0]) * (ends[:, 1] - ends[:, 0])).sum(1) / ((ends[:, 1] - ends[:, 0]) ** 2).sum(1)
        assert ((along >= 0) & (along <= 1)).all()
        np.testing.assert_allclose(points, ends[:, 0] + along[:, None] * (ends[:, 1] - ends[:, 0]), atol=1e-12)
        near = NearestNeighbors(n_neighbors=4).fit(target).kneighbors(target, return_distance=False)
        assert all(one in near[other] or other in near[one] for one, other in parents)
        assert set(parents.ravel()) == set(range(12))

    def test_it_is_that_of_imbalanced_learn(self) -> None:
        target = np.random.default_rng(0).normal(size=(12, 5))
        target = target[canonical_order(target)]
        source = np.random.default_rng(1).normal(size=(60, 5))
        expected, _ = SMOTE(k_neighbors=3, random_state=4).fit_resample(
            np.concatenate([source, target]), np.repeat([0, 1], [60, 12])
        )
        points, _ = oversample(target, 60, SmoteConfig(neighbors=3), seed=4)
        np.testing.assert_allclose(points, expected[72:], atol=1e-12)

    def test_neighbours_are_clamped_to_the_clips_there_are(self) -> None:
        embeddings, clips = normal(20, 2)
        banks, notes = domain_banks(embeddings, clips, SmoteConfig(neighbors=5), seed=0)
        assert [len(bank.points) for bank in banks] == [20, 20]
        assert notes == []

    def test_with_one_target_clip_it_is_left_out_and_said(self) -> None:
        embeddings, clips = normal(20, 1)
        detector = knn.build(knn.Config(smote=SmoteConfig())).fit(embeddings, clips)
        plain = knn.build(knn.Config()).fit(embeddings, clips)
        assert detector.notes == ["SMOTE left out: it needs two target clips, and there is one"]
        assert np.array_equal(detector.score(embeddings), plain.score(embeddings))

    @pytest.mark.parametrize(("sources", "targets"), [(5, 5), (4, 9), (0, 6), (6, 0)])
    def test_it_only_fills_up_the_target_domain(self, sources: int, targets: int) -> None:
        embeddings, clips = normal(sources, targets)
        banks, _ = domain_banks(embeddings, clips, SmoteConfig(), seed=0)
        assert sum(len(bank.points) for bank in banks) == sources + targets

    def test_seeds_differ(self) -> None:
        target = np.random.default_rng(0).normal(size=(6, 3))
        one, two = (oversample(target, 40, SmoteConfig(), seed)[0] for seed in (0, 1))
        assert not np.allclose(one, two)

    def test_no_neighbours_are_refused(self) -> None:
        with pytest.raises(ValidationError):
            SmoteConfig(neighbors=0)


class TestKnnScores:
    @pytest.mark.parametrize("metric", ["cosine", "euclidean"])
    @pytest.mark.parametrize("k", [1, 2, 5])
    def test_against_scikit_learn(self, metric: str, k: int) -> None:
        embeddings, clips = normal(40, 4)
        queries, _ = normal(10, 10, seed=3)
        detector = knn.build(knn.Config.model_validate({"metric": metric, "k": k})).fit(embeddings, clips)
        target = np.array([clip.domain == "target" for clip in clips])
        means = []
        for bank in (embeddings[~target], embeddings[target]):
            neighbours = NearestNeighbors(n_neighbors=min(k, len(bank)), metric=metric, algorithm="brute").fit(bank)
            means.append(neighbours.kneighbors(queries)[0].mean(axis=1))
        np.testing.assert_allclose(detector.score(queries), np.min(means, axis=0), rtol=1e-9, atol=1e-12)

    def test_cosine_distance_is_one_minus_the_cosine(self) -> None:
        detector = knn.build(knn.Config()).fit(np.array([[2.0, 0.0]]), clips_of(["source"]))
        queries = np.array([[3.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [1e200, 0.0], [1e-200, 0.0]])
        expected = [0.0, 1.0, 2.0, 1 - np.sqrt(0.5), 1.0, 0.0, 0.0]
        np.testing.assert_allclose(detector.score(queries), expected, atol=1e-12)

    def test_a_training_clip_scores_exactly_zero(self) -> None:
        embeddings, clips = normal(40, 4)
        for metric in ("cosine", "euclidean"):
            detector = knn.build(knn.Config.model_validate({"metric": metric})).fit(embeddings + 1e4, clips)
            assert (detector.score(embeddings + 1e4) == 0).all()

    def test_small_chunks_change_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        embeddings, clips = normal(40, 9)
        detector = knn.build(knn.Config(k=2, smote=SmoteConfig())).fit(embeddings, clips)
        whole, training = detector.score(embeddings), detector.score_training()
        monkeypatch.setattr(_banks, "CHUNK", 150)
        np.testing.assert_allclose(detector.score(embeddings), whole, atol=1e-12)
        np.testing.assert_allclose(detector.score_training(), training, atol=1e-12)


class TestOtherScores:
    def test_mahalanobis_against_scikit_learn(self) -> None:
        embeddings, clips = normal(40, 12)
        queries, _ = normal(10, 10, seed=3)
        target = np.array([clip.domain == "target" for clip in clips])
        fits = [ShrunkCovariance(shrinkage=0.2).fit(embeddings[rows]) for rows in (~target, target)]
        expected = np.sqrt(np.min([fit.mahalanobis(queries) for fit in fits], axis=0))
        detector = mahalanobis.build(mahalanobis.Config(shrinkage=0.2)).fit(embeddings, clips)
        np.testing.assert_allclose(detector.score(queries), expected, rtol=1e-9)

    def test_one_target_clip_borrows_the_covariance_of_the_source(self) -> None:
        embeddings, clips = normal(40, 1)
        target = np.array([clip.domain == "target" for clip in clips])
        fit = ShrunkCovariance(shrinkage=0.1).fit(embeddings[~target])
        queries = embeddings[target] + np.eye(6) * 0.1
        expected = np.sqrt(np.einsum("ni,ij,nj->n", np.eye(6) * 0.1, fit.precision_, np.eye(6) * 0.1))
        detector = mahalanobis.build(mahalanobis.Config()).fit(embeddings, clips)
        np.testing.assert_allclose(detector.score(queries), expected, rtol=1e-9)
        assert detector.notes == ["the clips of one domain coincide: it has no covariance of its own"]

    def test_every_target_clip_is_a_reference_of_kmeans(self) -> None:
        embeddings, clips = normal(40, 5)
        detector = kmeans.build(kmeans.Config(centers=2)).fit(embeddings, clips)
        target = np.array([clip.domain == "target" for clip in clips])
        assert (detector.score(embeddings[target]) == 0).all()
        assert (detector.score(embeddings[~target]) > 0).all()

    def test_as_many_centres_as_source_clips_is_nearest_neighbour(self) -> None:
        embeddings, clips = normal(12, 5)
        queries, _ = normal(10, 10, seed=3)
        one = kmeans.build(kmeans.Config(centers=16)).fit(embeddings, clips)
        two = knn.build(knn.Config()).fit(embeddings, clips)
        np.testing.assert_allclose(one.score(queries), two.score(queries), atol=1e-12)

    def test_centres_are_the_directions_of_the_clusters(self) -> None:
        directions = np.eye(4).repeat(10, axis=0)
        embeddings = directions * np.linspace(1, 5, 40)[:, None]
        embeddings += np.random.default_rng(0).normal(size=embeddings.shape) * 1e-3
        detector = kmeans.build(kmeans.Config(centers=4)).fit(embeddings, clips_of(["source"] * 40))
        np.testing.assert_allclose(detector.score(np.eye(4) * 7), 0.0, atol=1e-5)

    def test_centres_of_the_public_code_are_means_of_all_clips(self) -> None:
        """Clusters so far apart that k-means has one answer, which numpy finds by the name of each clip's cluster."""
        random = np.random.default_rng(0)
        cluster = np.arange(60) % 3
        embeddings = (np.eye(5)[cluster] + 0.2 * random.normal(size=(60, 5))) * random.uniform(1, 4, size=(60, 1))
        domains = ["target" if row % 10 == 0 else "source" for row in range(60)]
        queries = random.normal(size=(20, 5))
        unit, target = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True), np.array(domains) == "target"
        centers = np.stack([unit[cluster == number].mean(axis=0) for number in range(3)])
        references = np.vstack([centers, unit[target]])
        wanted = 1 - (queries / np.linalg.norm(queries, axis=1, keepdims=True) @ references.T).max(axis=1)
        config = kmeans.Config(centers=3, fitted_to="all", unit_centers=False)
        detector = kmeans.build(config).fit(embeddings, clips_of(domains))
        np.testing.assert_allclose(detector.score(queries), wanted, atol=1e-9)
        of_text = kmeans.build(kmeans.Config(centers=3)).fit(embeddings, clips_of(domains))
        assert np.abs(of_text.score(queries) - wanted).max() > 1e-2

    def test_one_component_is_one_normal_density(self) -> None:
        embeddings, clips = normal(40, 5)
        detector = gmm.build(gmm.Config(components=1)).fit(embeddings, clips)
        points = np.hstack([embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True), np.zeros((45, 1))])
        density = multivariate_normal(points.mean(axis=0), np.cov(points.T, bias=True) + 1e-3 * np.eye(7))
        np.testing.assert_allclose(detector.score(embeddings), -density.logpdf(points), rtol=1e-9)


class TestDensityScores:
    def test_the_likelihood_is_asked_for_the_machine_of_the_clips(self) -> None:
        asked: list[Clip] = []

        def likelihood(embeddings: FloatArray, clip: Clip) -> FloatArray:
            asked.append(clip)
            return embeddings[:, 0]

        embeddings, clips = normal(5, 1)
        detector = density.build(density.Config(), likelihood).fit(embeddings, clips)
        assert np.array_equal(detector.score_training(), embeddings[:, 0])
        assert {clip.machine for clip in asked} == {"fan"}

    def test_clips_of_two_machines_are_refused(self) -> None:
        embeddings, clips = normal(5, 1)
        mixed = [*clips[:-1], replace(clips[-1], machine="valve")]
        with pytest.raises(AsdzooError, match="one detector for fan section 00 and valve section 00"):
            density.build(density.Config(), distance_from_five).fit(embeddings, mixed)

    def test_a_likelihood_that_is_not_finite_is_named(self) -> None:
        embeddings, clips = normal(5, 1)
        detector = density.build(density.Config(), lambda points, clip: np.log(points[:, 0] * 0 + np.nan))
        with pytest.raises(AsdzooError, match="the density of fan is not finite for 6 clips"):
            detector.fit(embeddings, clips).score(embeddings)


class TestPcaScores:
    @pytest.mark.parametrize("keep", [0.3, 0.9, 0.99])
    @pytest.mark.parametrize("standardise", [True, False])
    def test_against_scikit_learn(self, keep: float, standardise: bool) -> None:
        embeddings, clips = normal(40, 6)
        queries, _ = normal(10, 10, seed=3)
        mean, deviation = embeddings.mean(axis=0), embeddings.std(axis=0) if standardise else np.ones(6)
        reference = PCA(n_components=keep).fit((embeddings - mean) / deviation)
        placed = (queries - mean) / deviation
        rest = placed - reference.inverse_transform(reference.transform(placed))
        detector = registry.module("detector", "pca")
        found = detector.build(detector.Config(keep=keep, standardise=standardise)).fit(embeddings, clips).score(queries)
        np.testing.assert_allclose(found, (rest**2).sum(axis=1), rtol=1e-8, atol=1e-10)

    def test_what_normal_clips_never_do_counts_and_what_they_do_does_not(self) -> None:
        generator = np.random.default_rng(0)
        embeddings = generator.normal(size=(50, 2)) @ generator.normal(size=(2, 8)) + generator.normal(size=(50, 8)) * 0.01
        clips = clips_of(["source"] * 45 + ["target"] * 5)
        detector = registry.module("detector", "pca")
        fitted = detector.build(detector.Config(keep=0.99, standardise=False)).fit(embeddings, clips)
        along, across = embeddings[:1] * 3, embeddings[:1] + np.linalg.svd(embeddings)[2][-1:]
        assert fitted.score(along)[0] < 0.1 * fitted.score(across)[0]


class TestDomainsOfW23:
    """Rows of Table 6 from the parts that they are made of."""

    def scores(self, name: str, keep: str, **options: object) -> tuple[FloatArray, FloatArray]:
        embeddings, clips = normal(30, 8)
        queries, _ = normal(10, 10, seed=2)
        rows = [row for row, clip in enumerate(clips) if keep in ("both", clip.domain)]
        module = registry.module("detector", name)
        detector = module.build(module.Config(**options)).fit(embeddings[rows], [clips[row] for row in rows])
        return detector.score(queries), detector.score_training()

    @pytest.mark.parametrize(("name", "few"), [("gmm", {"components": 2}), ("kmeans", {"centers": 3})])
    def test_one_domain_is_a_fit_to_it_alone(self, name: str, few: dict[str, object]) -> None:
        for domain in ("source", "target"):
            alone, _ = self.scores(name, domain, **few)
            np.testing.assert_allclose(self.scores(name, "both", domains=domain, **few)[0], alone, rtol=1e-9)

    @pytest.mark.parametrize(("name", "few"), [("gmm", {"components": 2}), ("kmeans", {"centers": 3})])
    def test_the_sum_is_a_sum(self, name: str, few: dict[str, object]) -> None:
        parts = [self.scores(name, domain, **few)[0] for domain in ("source", "target")]
        np.testing.assert_allclose(self.scores(name, "both", domains="sum", **few)[0], parts[0] + parts[1], rtol=1e-9)

    def test_domain_mixup_adds_the_middle_of_each_source_clip_and_a_target_clip(self) -> None:
        embeddings, clips = normal(30, 8)
        detector = gmm.Mixture(gmm.Config(domain_mixup=True)).fit(embeddings, clips)
        lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
        unit = np.hstack([embeddings / lengths, np.zeros((38, 1))])
        (bank,) = detector._banks
        assert len(bank.points) == 38 + 30
        np.testing.assert_allclose(bank.points[38:], unit[bank.parents[38:]].mean(axis=1))
        assert {clips[row].domain for row in bank.parents[38:, 0]} == {"source"}
        assert {clips[row].domain for row in bank.parents[38:, 1]} == {"target"}

    def test_domain_mixup_of_one_domain_is_refused(self) -> None:
        with pytest.raises(ValidationError, match="needs domains: joint"):
            gmm.Config(domains="sum", domain_mixup=True)
