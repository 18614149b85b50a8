"""The baselines' log mel spectrogram against its formula in numpy, band by band and frame by frame."""

import numpy as np
import pytest
import torch

from zoo.features.mel import slaney_filters
from zoo.features.mel_decibels import MelDecibels


def hertz(mel: float) -> float:
    """Slaney's scale, the other way round."""
    return mel * 200 / 3 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27)


def expected_filters(mels: int, size: int, rate: int) -> np.ndarray:
    low, high = 0.0, 100.0
    for _ in range(200):  # the mel of Nyquist by bisection
        middle = (low + high) / 2
        low, high = (middle, high) if hertz(middle) < rate / 2 else (low, middle)
    edges = [hertz(low * band / (mels + 1)) for band in range(mels + 2)]
    filters = np.zeros((size // 2 + 1, mels))
    for band in range(mels):
        left, center, right = edges[band : band + 3]
        for index in range(size // 2 + 1):
            frequency = index * rate / size
            if left < frequency < right:
                inside = (frequency - left) / (center - left), (right - frequency) / (right - center)
                filters[index, band] = min(inside) * 2 / (right - left)
    return filters


@pytest.mark.parametrize(("mels", "size", "rate"), [(128, 1024, 16000), (80, 400, 16000), (10, 64, 1500)])
def test_filters_against_their_formula(mels: int, size: int, rate: int) -> None:
    np.testing.assert_allclose(slaney_filters(mels, size, rate), expected_filters(mels, size, rate), atol=1e-7)


def test_frames_against_numpy() -> None:
    wave = np.random.default_rng(0).normal(size=3000) * 0.1
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1024)
    padded = np.concatenate([np.zeros(512), wave, np.zeros(512)])
    frames = np.stack([padded[start : start + 1024] for start in range(0, 3000, 512)])
    power = np.abs(np.fft.rfft(frames * window)) ** 2
    wanted = 10 * np.log10(np.maximum(power @ expected_filters(128, 1024, 16000), np.finfo(float).eps))
    found = MelDecibels()(torch.from_numpy(wave.astype(np.float32))[None])
    np.testing.assert_allclose(found[0], wanted, atol=2e-3)


@pytest.mark.parametrize("samples", [0, 1, 511, 512, 1024, 5000])
def test_as_many_frames_as_it_says(samples: int) -> None:
    front_end = MelDecibels()
    frames = front_end(torch.zeros(2, samples))
    assert frames.shape == (2, int(front_end.frames(torch.tensor(samples))), 128)
    assert torch.allclose(frames, torch.tensor(10 * np.log10(np.finfo(float).eps), dtype=torch.float32))
