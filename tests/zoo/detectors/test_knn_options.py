"""k-NN with parts and rescaled distances: against plain numpy, and left-out scores against fits without the clip."""

from typing import Any, ClassVar

import numpy as np
import pytest
from pydantic import ValidationError

from zoo.contracts.detectors import DetectorContract, clips_of, normal
from zoo.data.clips import Clip
from zoo.detectors import FloatArray, knn
from zoo.detectors._scale import CANDIDATES

OPTIONS: dict[str, dict[str, Any]] = {
    "varmin": {"rescale": "varmin"},
    "varmin 2-nn euclidean": {"rescale": "varmin", "k": 2, "metric": "euclidean", "neighbors": 3},
    "varmin one bank": {"rescale": "varmin", "banks": "one"},
    "ldn": {"rescale": "ldn"},
    "ldn one bank": {"rescale": "ldn", "neighbors": 3, "banks": "one"},
    "ldn by domain": {"rescale": "ldn", "k_source": 3, "k_target": 2},
    "domain z": {"rescale": "domain_z"},
    "domain z of the target": {"rescale": "domain_z", "deviation": "target", "k": 2},
    "memmixup": {"mem_mixup": {"neighbors": 3}},
    "memmixup of all": {"mem_mixup": {"neighbors": 99}},
    "memmixup domain z": {"mem_mixup": {"neighbors": 3}, "rescale": "domain_z", "k": 2, "metric": "euclidean"},
    "standardised domain z": {"standardise": True, "metric": "euclidean", "rescale": "domain_z"},
    "standardised domain z of the target": {
        "standardise": True, "metric": "euclidean", "rescale": "domain_z", "deviation": "target", "k": 2,
    },
    "standardised varmin": {"standardise": True, "rescale": "varmin"},
    "one bank": {"banks": "one"},
    "joined": {"parts": "joined"},
}  # fmt: skip


class TestVarMin(DetectorContract):
    name = "knn"
    options: ClassVar[dict[str, object]] = OPTIONS["varmin"]


class TestLdn(DetectorContract):
    name = "knn"
    options: ClassVar[dict[str, object]] = OPTIONS["ldn by domain"]


class TestDomainZ(DetectorContract):
    name = "knn"
    options: ClassVar[dict[str, object]] = OPTIONS["domain z"]


class TestMemMixup(DetectorContract):
    name = "knn"
    options: ClassVar[dict[str, object]] = OPTIONS["memmixup domain z"]


class TestStandardisedDomainZ(DetectorContract):
    name = "knn"
    options: ClassVar[dict[str, object]] = OPTIONS["standardised domain z"]


class TestOneBank(DetectorContract):
    name = "knn"
    options: ClassVar[dict[str, object]] = OPTIONS["varmin one bank"]


def build(options: dict[str, Any]) -> knn.NearestNeighbors:
    return knn.NearestNeighbors(knn.Config.model_validate(options))


def refits(options: dict[str, Any], embeddings: FloatArray, clips: list[Clip]) -> FloatArray:
    scores = []
    for row in range(len(clips)):
        others = [index for index in range(len(clips)) if index != row]
        detector = build(options).fit(embeddings[others], [clips[index] for index in others])
        scores.append(detector.score(embeddings[row : row + 1])[0])
    return np.array(scores)


class TestLeaveOneOut:
    @pytest.mark.parametrize("name", OPTIONS)
    @pytest.mark.parametrize("shape", [(1, 6), (2, 3)])
    @pytest.mark.parametrize(
        ("sources", "targets"), [(25, 6), (12, 2), (12, 1), (9, 0), (0, 5), (2, 2), (3, 4), (1, 1), (2, 0)]
    )
    def test_it_equals_a_fit_without_the_clip(self, name: str, shape: tuple[int, int], sources: int, targets: int) -> None:
        embeddings, clips = normal(sources, targets)
        embeddings = embeddings.reshape(-1, *shape)
        expected = refits(OPTIONS[name], embeddings, clips)
        found = build(OPTIONS[name]).fit(embeddings, clips).score_training()
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9)

    def test_on_another_scale_also_where_the_candidates_are_not_enough(self) -> None:
        """One clip far out in one dimension: without it that dimension counts many times as much."""
        embeddings, clips = normal(CANDIDATES + 40, 6)
        embeddings[3, 2] += 300
        options = {"standardise": True, "metric": "euclidean", "rescale": "domain_z"}
        found = build(options).fit(embeddings, clips).score_training()
        np.testing.assert_allclose(found, refits(options, embeddings, clips), rtol=1e-7, atol=1e-9)

    def test_a_dimension_that_only_one_clip_moves(self) -> None:
        embeddings, clips = normal(20, 5)
        embeddings[:, 1] = 4.0
        embeddings[7, 1] = 5.0
        options = {"standardise": True, "metric": "euclidean", "k": 2}
        found = build(options).fit(embeddings, clips).score_training()
        np.testing.assert_allclose(found, refits(options, embeddings, clips), rtol=1e-7, atol=1e-9)

    def test_several_blocks_are_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        embeddings, clips = normal(40, 6)
        whole = {name: build(options).fit(embeddings, clips) for name, options in OPTIONS.items()}
        expected = {name: (one.score_training(), one.score(embeddings)) for name, one in whole.items()}
        for limit in ("_banks.CHUNK", "_scale.CHUNK", "_compared.MOST"):
            monkeypatch.setattr(f"zoo.detectors.{limit}", 200)
        for name, (training, again) in expected.items():
            detector = build(OPTIONS[name]).fit(embeddings, clips)
            np.testing.assert_allclose(detector.score_training(), training, rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(detector.score(embeddings), again, rtol=1e-9, atol=1e-12)


def cosine(one: FloatArray, two: FloatArray) -> FloatArray:
    """1 - cos of all pairs."""
    one, two = (points / np.linalg.norm(points, axis=1, keepdims=True) for points in (one, two))
    return 1 - one @ two.T


def domains_of(embeddings: FloatArray, clips: list[Clip]) -> list[FloatArray]:
    target = np.array([clip.domain == "target" for clip in clips])
    return [embeddings[~target], embeddings[target]]


def left_out(points: FloatArray) -> FloatArray:
    """Distances among points, infinite from each to itself."""
    distances = cosine(points, points)
    np.fill_diagonal(distances, np.inf)
    return distances


@pytest.fixture
def data() -> tuple[FloatArray, list[Clip], FloatArray]:
    embeddings, clips = normal(30, 7, dim=12)
    queries, _ = normal(6, 6, dim=12, seed=4)
    return embeddings.reshape(-1, 3, 4), clips, queries.reshape(-1, 3, 4)


Data = tuple[FloatArray, list[Clip], FloatArray]


class TestAgainstNumpy:
    def test_beam(self, data: Data) -> None:
        embeddings, clips, queries = data
        expected = np.mean([cosine(queries[:, part], embeddings[:, part]).min(axis=1) for part in range(3)], axis=0)
        for banks in ("one", "domains"):
            np.testing.assert_allclose(build({"banks": banks}).fit(embeddings, clips).score(queries), expected, rtol=1e-9)

    def test_joined_parts_are_one_vector(self, data: Data) -> None:
        embeddings, clips, queries = data
        found = build({"parts": "joined"}).fit(embeddings, clips).score(queries)
        expected = build({}).fit(embeddings.reshape(-1, 12), clips).score(queries.reshape(-1, 12))
        assert np.array_equal(found, expected)

    @pytest.mark.parametrize("neighbors", [1, 4])
    def test_varmin(self, data: Data, neighbors: int) -> None:
        embeddings, clips, queries = data
        parts = []
        for part in range(3):
            references = embeddings[:, part]
            distances = left_out(references)
            dense = np.sort(distances, axis=1)[:, :neighbors].mean(axis=1)
            found = dense[distances.argmin(axis=1)]
            alpha = np.cov(distances.min(axis=1), found, bias=True)[0, 1] / found.var()
            parts.append((cosine(queries[:, part], references) - alpha * dense).min(axis=1))
        detector = build({"rescale": "varmin", "banks": "one", "neighbors": neighbors}).fit(embeddings, clips)
        np.testing.assert_allclose(detector.score(queries), np.mean(parts, axis=0), rtol=1e-8)

    def test_varmin_has_the_least_variance(self, data: Data) -> None:
        """Alpha is what makes the rescaled distances of the training clips vary least."""
        embeddings, clips, _ = data
        distances = left_out(embeddings[:, 0])
        dense = np.sort(distances, axis=1)[:, :4].mean(axis=1)[distances.argmin(axis=1)]
        references = build({"rescale": "varmin", "banks": "one"}).fit(embeddings[:, 0], clips)._references[0][0]
        alpha = references.alpha  # type: ignore[attr-defined]
        variances = [(distances.min(axis=1) - (alpha + step) * dense).var() for step in (-0.01, 0.0, 0.01)]
        assert variances[1] < min(variances[0], variances[2])

    def test_ldn_by_domain(self, data: Data) -> None:
        embeddings, clips, queries = data
        parts = []
        for part in range(3):
            nearest = []
            for points, count in zip(domains_of(embeddings[:, part], clips), (5, 2), strict=True):
                dense = np.sort(left_out(points), axis=1)[:, :count].mean(axis=1)
                nearest.append((cosine(queries[:, part], points) / dense).min(axis=1))
            parts.append(np.min(nearest, axis=0))
        detector = build({"rescale": "ldn", "k_source": 5, "k_target": 2}).fit(embeddings, clips)
        np.testing.assert_allclose(detector.score(queries), np.mean(parts, axis=0), rtol=1e-8)

    def test_16_and_4_neighbours_where_nothing_is_said(self, data: Data) -> None:
        embeddings, clips, queries = data
        for method, published in (("ldn", 16), ("varmin", 4)):
            said = build({"rescale": method, "neighbors": published}).fit(embeddings, clips)
            assert np.array_equal(build({"rescale": method}).fit(embeddings, clips).score(queries), said.score(queries))

    @pytest.mark.parametrize("deviation", ["own", "target"])
    def test_domain_z(self, data: Data, deviation: str) -> None:
        embeddings, clips, queries = data
        parts = []
        for part in range(3):
            domains = domains_of(embeddings[:, part], clips)
            inside = [left_out(points).min(axis=1) for points in domains]
            spread = [inside[1].std() if deviation == "target" else own.std() for own in inside]
            z = [
                (cosine(queries[:, part], points).min(axis=1) - own.mean()) / each
                for points, own, each in zip(domains, inside, spread, strict=True)
            ]
            parts.append(np.min(z, axis=0))
        detector = build({"rescale": "domain_z", "deviation": deviation}).fit(embeddings, clips)
        np.testing.assert_allclose(detector.score(queries), np.mean(parts, axis=0), rtol=1e-8)

    def test_memmixup(self, data: Data) -> None:
        embeddings, clips, queries = data
        parts = []
        for part in range(3):
            source, target = domains_of(embeddings[:, part], clips)
            near = np.argsort(cosine(target, source), axis=1)[:, :4]
            unit = [points / np.linalg.norm(points, axis=1, keepdims=True) for points in (source, target)]
            made = 0.8 * unit[1][:, None] + 0.2 * unit[0][near]
            parts.append(cosine(queries[:, part], np.concatenate([source, target, made.reshape(-1, 4)])).min(axis=1))
        detector = build({"mem_mixup": {"neighbors": 4, "share": 0.8}}).fit(embeddings, clips)
        np.testing.assert_allclose(detector.score(queries), np.mean(parts, axis=0), rtol=1e-8)

    def test_standardised(self, data: Data) -> None:
        embeddings, clips, queries = data
        mean, deviation = embeddings.mean(axis=0), embeddings.std(axis=0)
        expected = (
            build({"metric": "euclidean"}).fit((embeddings - mean) / deviation, clips).score((queries - mean) / deviation)
        )
        found = build({"metric": "euclidean", "standardise": True}).fit(embeddings, clips).score(queries)
        np.testing.assert_allclose(found, expected, rtol=1e-9)


class TestSmallDomains:
    @pytest.mark.parametrize(
        ("rescale", "sources", "targets", "note"),
        [
            ("ldn", 20, 1, "the target clips are no references: ldn needs 2 of a domain"),
            ("varmin", 1, 20, "the source clips are no references: varmin needs 2 of a domain"),
            ("domain_z", 20, 2, "the target clips are no references: domain_z needs 3 of a domain"),
            ("domain_z", 2, 2, "domain_z left out: no domain has 3 clips"),
        ],
    )
    def test_what_cannot_be_rescaled_is_left_out_and_said(self, rescale: str, sources: int, targets: int, note: str) -> None:
        embeddings, clips = normal(sources, targets)
        detector = build({"rescale": rescale}).fit(embeddings, clips)
        assert detector.notes == [note]
        if "left out" not in note:
            kept = [row for row, clip in enumerate(clips) if (clip.domain == "source") == (sources > targets)]
            alone = build({"rescale": rescale}).fit(embeddings[kept], [clips[row] for row in kept])
            np.testing.assert_allclose(detector.score(embeddings), alone.score(embeddings), rtol=1e-9, atol=1e-12)

    def test_memmixup_of_one_domain(self) -> None:
        detector = build({"mem_mixup": {}}).fit(*normal(9, 0))
        assert detector.notes[-1] == "MemMixup left out: it needs source and target clips"

    def test_a_lone_clip(self) -> None:
        for options in OPTIONS.values():
            detector = build(options).fit(np.ones((1, 4)), clips_of(["source"]))
            assert detector.score_training().tolist() == [0.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rescale": "ldn", "smote": {}}, "ldn measures how dense the clips are"),
        ({"rescale": "varmin", "mem_mixup": {}}, "varmin measures how dense the clips are"),
        ({"smote": {}, "mem_mixup": {}}, "leave out one of them"),
        ({"banks": "one", "rescale": "domain_z"}, "set banks to domains"),
        ({"banks": "one", "mem_mixup": {}}, "set banks to domains"),
    ],
)
def test_options_that_do_not_go_together(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        build(options)
