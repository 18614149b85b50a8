"""Speed, noise and mixup: physics, laws, and that a step's draws are its generator's."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zoo.features.mixing import at_snr, mixup
from zoo.features.speed import resampled, stretched
from zoo.losses import soft
from zoo.training.augment import Augmentation, AugmentConfig
from zoo.training.sampling import Indices

RATE = 16_000


def tone(hertz: float, seconds: float = 2.0) -> torch.Tensor:
    return torch.sin(2 * torch.pi * hertz * torch.arange(round(seconds * RATE)) / RATE)[None]


def loudest(wave: torch.Tensor) -> float:
    """Hz of the largest bin of the middle of a wave."""
    middle = wave[0, len(wave[0]) // 4 : -len(wave[0]) // 4]
    spectrum = torch.fft.rfft(middle * torch.hann_window(len(middle))).abs()
    return int(spectrum.argmax()) * RATE / len(middle)


@pytest.mark.parametrize("factor", [0.8, 0.9, 1.1, 1.25])
def test_played_faster_a_tone_is_shorter_and_higher(factor: float) -> None:
    fast = resampled(tone(440), factor)
    assert fast.shape[1] == pytest.approx(2 * RATE / factor, abs=1)
    assert loudest(fast) == pytest.approx(440 * factor, abs=2)
    assert fast[0, 2000:-2000].abs().max() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("factor", [0.8, 0.9, 1.1, 1.25])
def test_stretched_a_tone_is_shorter_at_its_pitch(factor: float) -> None:
    fast = stretched(tone(440), factor)
    assert fast.shape[1] == round(2 * RATE / factor)
    assert loudest(fast) == pytest.approx(440, abs=2)
    assert fast[0, 2000:-2000].abs().max() == pytest.approx(1, abs=0.1)


def test_at_its_own_speed_nothing_changes() -> None:
    wave = tone(440)
    assert resampled(wave, 1.0) is wave
    assert stretched(wave, 1.0) is wave


@given(decibels=st.floats(-10, 30), level=st.floats(0.01, 0.2))
def test_noise_comes_at_the_ratio_that_was_asked_for(decibels: float, level: float) -> None:
    wave, noise = 0.05 * tone(440), level * torch.randn(1, 2 * RATE, generator=torch.Generator().manual_seed(0))
    mixed = at_snr(wave, noise, torch.tensor([decibels]))
    scale = (mixed * wave).sum() / wave.square().sum() if decibels > 20 else 1.0  # it may have been scaled down as a whole
    added = mixed / scale - wave
    if mixed.abs().max() < 1:
        assert 10 * torch.log10(wave.square().mean() / added.square().mean()).item() == pytest.approx(decibels, abs=0.7)
    assert mixed.abs().max() <= 1 + 1e-6


def test_silence_takes_no_noise_and_silent_noise_adds_none() -> None:
    silence, wave = torch.zeros(1, 100), tone(440)[:, :100]
    assert torch.equal(at_snr(silence, wave, torch.tensor([0.0])), silence)
    assert torch.equal(at_snr(wave, silence, torch.tensor([0.0])), wave)


def test_mixup_is_linear_in_waves_and_shares_and_max_is_the_rule_of_its_source() -> None:
    waves, shares = torch.randn(3, 50), soft(torch.tensor([0, 1, 0]), 2)
    weight = torch.tensor([0.7, 0.5, 0.2])
    mixed, labels = mixup(waves, shares, weight)
    np.testing.assert_allclose(mixed[0], 0.7 * waves[0] + 0.3 * waves[2], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(labels.sum(1), 1.0, rtol=1e-6)
    assert labels[0].tolist() == pytest.approx([1.0, 0.0])
    _, largest = mixup(waves, shares, weight, "max")
    assert largest[0].tolist() == pytest.approx([0.7, 0.0])
    assert largest[1].tolist() == pytest.approx([0.0, 0.5])
    assert torch.equal(mixup(waves, shares, torch.ones(3))[0], waves)


def augmentation(**config: object) -> Augmentation:
    def read(indices: Indices, samples: int | None, generator: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        count = samples or 1000
        return tone(440, count / RATE).repeat(len(indices), 1), torch.full((len(indices),), count)

    def noise(indices: Indices, samples: int | None, generator: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        assert samples is not None
        drawn = torch.from_numpy(generator.standard_normal((len(indices), samples), np.float32))
        return drawn, torch.full((len(indices),), samples)

    return Augmentation(AugmentConfig.model_validate(config), 3, read, noise)


EVERYTHING = {"speed": {"factors": [0.9, 1.1]}, "noise": {"probability": 0.5}, "mixup": {"probability": 1.0}}


def test_each_class_at_each_speed_is_a_class_of_its_own() -> None:
    made = augmentation(speed={"factors": [0.5, 2.0]})
    assert made.config.statuses == 3
    waves, labels, lengths = made.batch(np.arange(60), np.arange(60) % 3, 4000, np.random.default_rng(0))
    assert waves.shape == (60, 4000)
    assert lengths.tolist() == [4000] * 60
    assert set((labels % 3 - torch.arange(60) % 3).tolist()) == {0}
    for status, hertz in enumerate((440, 220, 880)):
        rows = torch.where(labels // 3 == status)[0]
        assert len(rows) > 5
        assert loudest(waves[rows[:1]]) == pytest.approx(hertz, abs=9)
    same = augmentation(speed={"factors": [0.5, 2.0], "label": "same"})
    assert same.config.statuses == 1
    assert same.batch(np.arange(9), np.arange(9) % 3, 4000, np.random.default_rng(0))[1].max() == 2


def test_whole_clips_change_their_length_with_their_speed() -> None:
    waves, labels, lengths = augmentation(speed={"factors": [2.0]}).batch(
        np.arange(20), np.zeros(20, np.int64), None, np.random.default_rng(0)
    )
    assert set(lengths.tolist()) == {1000, 500}
    assert waves.shape == (20, 1000)
    assert torch.equal(labels // 3 == 1, lengths == 500)
    assert not waves[lengths == 500, 500:].any()


def test_the_same_generator_draws_the_same_batch() -> None:
    made = augmentation(**EVERYTHING)
    one, two = (made.batch(np.arange(8), np.arange(8) % 3, 2000, np.random.default_rng(5)) for _ in range(2))
    assert all(torch.equal(first, second) for first, second in zip(one, two, strict=True))
    other = made.batch(np.arange(8), np.arange(8) % 3, 2000, np.random.default_rng(6))
    assert not torch.equal(one[0], other[0])


def test_with_mixup_labels_are_shares_of_all_statuses_also_in_a_batch_that_is_not_mixed() -> None:
    made = augmentation(speed={"factors": [0.9]}, mixup={"probability": 0.0})
    _, shares, _ = made.batch(np.arange(8), np.arange(8) % 3, 2000, np.random.default_rng(5))
    assert shares.shape == (8, 6)
    assert torch.equal(shares.sum(1), torch.ones(8))


def test_noise_is_added_to_the_share_of_clips_that_was_asked_for() -> None:
    waves, *_ = augmentation(noise={"probability": 0.25, "snr": [0.0]}).batch(
        np.arange(200), np.zeros(200, np.int64), 2000, np.random.default_rng(0)
    )
    noisy = (waves - tone(440, 2000 / RATE)).abs().amax(1) > 1e-3
    assert 0.15 < noisy.float().mean() < 0.35
