"""What every detector promises. A test class per detector inherits `DetectorContract` and says how to build one."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pytest

from zoo import registry
from zoo.data.clips import Clip
from zoo.detectors import Detector, FloatArray
from zoo.errors import AsdzooError

Domain = Literal["source", "target"] | None
SOURCE: list[Domain] = ["source"]
TARGET: list[Domain] = ["target"]


def clips_of(domains: Sequence[Domain], machine: str = "fan") -> list[Clip]:
    """Training clips with the given domains, in order."""
    return [
        Clip(Path(f"section_00_{index:04d}.wav"), "2024", machine, "00", "train", domain)
        for index, domain in enumerate(domains)
    ]


def normal(sources: int, targets: int, dim: int = 6, seed: int = 0) -> tuple[FloatArray, list[Clip]]:
    """Embeddings around one point for each domain, away from the origin, and their clips; the domains are interleaved."""
    generator = np.random.default_rng(seed)
    center = np.ones(dim) * 5
    embeddings = np.concatenate(
        [
            center + generator.normal(size=(sources, dim)) * 0.3,
            center * np.linspace(1, 1.5, dim) + generator.normal(size=(targets, dim)) * 0.3,
        ]
    )
    domains = SOURCE * sources + TARGET * targets
    order = generator.permutation(sources + targets)
    return embeddings[order], clips_of([domains[row] for row in order])


class DetectorContract:
    """Laws of `zoo.detectors.Detector`."""

    name: ClassVar[str]
    options: ClassVar[dict[str, object]] = {}
    inexact: ClassVar[str] = ""  # why scores of training clips are not those of a fit without the clip; "" where they are

    def build(self) -> Detector:
        module = registry.module("detector", self.name)
        detector: Detector = module.build(module.Config(**self.options))
        return detector

    def test_far_points_score_higher_than_near_ones(self) -> None:
        embeddings, clips = normal(60, 10)
        detector = self.build().fit(embeddings, clips)
        near, _ = normal(20, 20, seed=1)
        far = -near * 2
        assert detector.score(far).min() > detector.score(near).max()
        assert detector.score(far).min() > detector.score_training().max()

    def test_one_float64_score_a_clip_from_float32(self) -> None:
        embeddings, clips = normal(30, 5)
        detector = self.build().fit(embeddings.astype(np.float32), clips)
        for scores, count in ((detector.score(embeddings[:7].astype(np.float32)), 7), (detector.score_training(), 35)):
            assert scores.shape == (count,)
            assert scores.dtype == np.float64
            assert np.isfinite(scores).all()

    def test_one_part_is_a_vector(self) -> None:
        embeddings, clips = normal(30, 5)
        one, two = self.build().fit(embeddings, clips), self.build().fit(embeddings[:, None], clips)
        assert np.array_equal(one.score(embeddings), two.score(embeddings[:, None]))
        assert np.array_equal(one.score_training(), two.score_training())

    def test_several_parts(self) -> None:
        embeddings, clips = normal(30, 5)
        detector = self.build().fit(embeddings.reshape(35, 2, 3), clips)
        far = -embeddings.reshape(35, 2, 3) * 2
        assert detector.score(far).min() > detector.score_training().max()

    def test_a_training_clip_is_scored_by_a_fit_without_it(self) -> None:
        if self.inexact:
            pytest.skip(self.inexact)
        for sources, targets, shape in product((14, 0), (5, 3), ((1, 6), (2, 3))):
            embeddings, clips = normal(sources, targets)
            embeddings = embeddings.reshape(-1, *shape)
            expected = []
            for row in range(len(clips)):
                others = [other for other in range(len(clips)) if other != row]
                detector = self.build().fit(embeddings[others], [clips[other] for other in others])
                expected.append(detector.score(embeddings[[row]])[0])
            found = self.build().fit(embeddings, clips).score_training()
            np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9)

    def test_no_test_clips_no_scores(self) -> None:
        embeddings, clips = normal(30, 5)
        assert self.build().fit(embeddings, clips).score(embeddings[:0]).shape == (0,)

    def test_order_of_the_training_clips_does_not_matter(self) -> None:
        embeddings, clips = normal(40, 6)
        queries, _ = normal(10, 10, seed=2)
        order = np.random.default_rng(3).permutation(46)
        one = self.build().fit(embeddings, clips)
        two = self.build().fit(embeddings[order], [clips[row] for row in order])
        np.testing.assert_allclose(two.score(queries), one.score(queries), rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(two.score_training(), one.score_training()[order], rtol=1e-7, atol=1e-9)

    def test_a_clip_scores_the_same_alone_and_among_others(self) -> None:
        embeddings, clips = normal(30, 5)
        detector = self.build().fit(embeddings, clips)
        together = detector.score(embeddings[:8])
        alone = np.concatenate([detector.score(embeddings[row : row + 1]) for row in range(8)])
        np.testing.assert_allclose(alone, together, rtol=1e-7, atol=1e-9)

    def test_the_same_fit_gives_the_same_bits(self) -> None:
        embeddings, clips = normal(40, 6)
        one, two = self.build().fit(embeddings, clips), self.build().fit(embeddings, clips)
        assert np.array_equal(one.score(embeddings), two.score(embeddings))
        assert np.array_equal(one.score_training(), two.score_training())

    def test_fitting_again_forgets_the_first_fit(self) -> None:
        first, first_clips = normal(40, 6, seed=7)
        embeddings, clips = normal(30, 5)
        again = self.build().fit(first, first_clips).fit(embeddings, clips)
        fresh = self.build().fit(embeddings, clips)
        assert np.array_equal(again.score(embeddings), fresh.score(embeddings))
        assert again.notes == fresh.notes

    def test_the_input_is_left_alone(self) -> None:
        embeddings, clips = normal(30, 5)
        before = embeddings.copy()
        detector = self.build().fit(embeddings, clips)
        detector.score(embeddings)
        detector.score_training()
        assert np.array_equal(embeddings, before)

    def test_exact_duplicates(self) -> None:
        embeddings, clips = normal(20, 4)
        embeddings = np.concatenate([embeddings, embeddings])
        detector = self.build().fit(embeddings, clips + clips)
        assert np.isfinite(detector.score(embeddings)).all()
        assert np.isfinite(detector.score_training()).all()

    @pytest.mark.parametrize(
        ("sources", "targets"), [(1, 0), (0, 1), (1, 1), (2, 0), (2, 1), (1, 2), (30, 1), (30, 2), (30, 0), (0, 30), (5, 30)]
    )
    def test_few_clips_and_missing_domains(self, sources: int, targets: int) -> None:
        embeddings, clips = normal(sources, targets)
        detector = self.build().fit(embeddings, clips)
        assert np.isfinite(detector.score(embeddings)).all()
        assert np.isfinite(detector.score(-embeddings)).all()
        scores = detector.score_training()
        assert scores.shape == (sources + targets,)
        assert np.isfinite(scores).all()
        assert all(note and "\n" not in note for note in detector.notes)

    def test_an_unknown_domain_counts_as_source(self) -> None:
        embeddings, clips = normal(30, 0)
        unknown = clips_of([None] * 30)
        one, two = self.build().fit(embeddings, clips), self.build().fit(embeddings, unknown)
        assert np.array_equal(one.score(embeddings), two.score(embeddings))

    @pytest.mark.parametrize("value", [0.0, 3.0])
    def test_constant_embeddings(self, value: float) -> None:
        clips = clips_of(SOURCE * 12 + TARGET * 3)
        constant = np.full((15, 4), value)
        detector = self.build().fit(constant, clips)
        other = constant + np.array([1.0, -2.0, 0.5, 0.25])
        assert np.isfinite(detector.score_training()).all()
        assert (detector.score(other) > detector.score(constant)).all()

    def test_one_dimension(self) -> None:
        embeddings, clips = normal(30, 5, dim=1)
        detector = self.build().fit(embeddings, clips)
        assert np.isfinite(detector.score(embeddings)).all()
        assert np.isfinite(detector.score_training()).all()

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_embeddings_that_are_not_finite(self, bad: float) -> None:
        embeddings, clips = normal(30, 5)
        broken = embeddings.copy()
        broken[4, 2] = bad
        with pytest.raises(AsdzooError, match=r"1 of 35 embeddings are not finite, the first is number 4"):
            self.build().fit(broken, clips)
        with pytest.raises(AsdzooError, match="not finite"):
            self.build().fit(embeddings, clips).score(broken)

    def test_shapes_that_do_not_fit(self) -> None:
        embeddings, clips = normal(30, 5)
        with pytest.raises(AsdzooError, match="35 embeddings for 34 training clips"):
            self.build().fit(embeddings, clips[:-1])
        with pytest.raises(AsdzooError, match="no training clips"):
            self.build().fit(embeddings[:0], [])
        with pytest.raises(AsdzooError, match=r"shape \(35, 5\)"):
            self.build().fit(embeddings, clips).score(embeddings[:, :5])
        with pytest.raises(AsdzooError, match=r"shape \(35, 1, 6\), not \(clips, 2, 3\)"):
            self.build().fit(embeddings.reshape(35, 2, 3), clips).score(embeddings[:, None])
        with pytest.raises(AsdzooError, match=r"shape \(35, 1, 2, 3\)"):
            self.build().fit(embeddings.reshape(35, 1, 2, 3), clips)
        with pytest.raises(AsdzooError, match=r"shape \(35, 6, 0\)"):
            self.build().fit(embeddings[:, :, None][:, :, :0], clips)

    def test_before_fit(self) -> None:
        with pytest.raises(AsdzooError, match="has not been fitted"):
            self.build().score(np.zeros((2, 6)))
        with pytest.raises(AsdzooError, match="has not been fitted"):
            self.build().score_training()
