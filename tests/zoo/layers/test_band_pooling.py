"""Pooling over time in each band: laws, and RDP against numpy."""

import numpy as np
import pytest
import torch
from torch import Tensor

from zoo.layers.band_pooling import BandPooling, BandPoolingConfig
from zoo.layers.pooling import Layout

LAYOUT = Layout(front=1, bands=4)


def tokens(columns: int = 9, seed: int = 0) -> Tensor:
    return torch.randn(2, 1 + 4 * columns, 6, generator=torch.Generator().manual_seed(seed)) + 1


def rdp(gamma: float, bands: bool = True) -> BandPooling:
    return BandPooling(BandPoolingConfig(pooling="rdp", gamma=gamma, bands=bands), LAYOUT)


def expected(vectors: np.ndarray, gamma: float) -> np.ndarray:
    """RDP of (time, width), step by step."""
    mean = vectors.mean(axis=0)
    distance = np.sqrt(((vectors - mean) ** 2).sum(axis=1))
    weights = (1 + distance / (distance.max() + 1e-8)) ** gamma
    return (weights[:, None] * vectors).sum(axis=0) / weights.sum()


@pytest.mark.parametrize("gamma", [1.0, 4.0, 8.0])
def test_against_numpy(gamma: float) -> None:
    x = tokens()
    found = rdp(gamma)(x)
    assert found.shape == (2, 4, 6)
    for clip in range(2):
        for band in range(4):
            np.testing.assert_allclose(found[clip, band], expected(x[clip, 1 + band :: 4].numpy(), gamma), atol=1e-5)
    whole = rdp(gamma, bands=False)(x)
    assert whole.shape == (2, 1, 6)
    np.testing.assert_allclose(whole[0, 0], expected(x[0, 1:].numpy(), gamma), atol=1e-5)


@pytest.mark.parametrize("bands", [True, False])
def test_gamma_0_is_the_mean(bands: bool) -> None:
    x = tokens()
    mean = BandPooling(BandPoolingConfig(bands=bands), LAYOUT)(x)
    torch.testing.assert_close(rdp(0.0, bands)(x), mean)
    torch.testing.assert_close(mean, LAYOUT.grid(x).mean(1) if bands else x[:, 1:].mean(1, keepdim=True))


@pytest.mark.parametrize("pooling", [rdp(4.0), rdp(4.0, bands=False), rdp(0.0)])
def test_the_order_of_time_does_not_matter(pooling: BandPooling) -> None:
    x = tokens()
    shuffled = LAYOUT.grid(x)[:, torch.randperm(9)].flatten(1, 2)
    torch.testing.assert_close(pooling(torch.cat([x[:, :1], shuffled], dim=1)), pooling(x))


@pytest.mark.parametrize("pooling", [rdp(4.0), rdp(4.0, bands=False), rdp(0.0)])
def test_padding_and_the_tokens_in_front_are_ignored(pooling: BandPooling) -> None:
    x = tokens()
    padding = torch.arange(37)[None] >= torch.tensor([[37], [1 + 4 * 5]])
    together = pooling(x, padding)
    torch.testing.assert_close(together[1:], pooling(x[1:, :21]))
    x[1, 21:], x[:, 0] = 1e6, -1e6
    torch.testing.assert_close(pooling(x, padding), together)


def test_a_short_event_counts_more_with_gamma() -> None:
    x = torch.zeros(1, 1 + 4 * 50, 6)
    x[0, 1 + 4 * 20] = 1.0  # one column of the lowest band
    weights = [float(rdp(gamma)(x)[0, 0, 0]) for gamma in (0.0, 4.0, 8.0)]
    assert weights[0] == pytest.approx(1 / 50)
    assert weights[0] < weights[1] < weights[2]
    assert rdp(8.0)(x)[0, 1:].abs().max() == 0


def test_tokens_that_are_all_the_same() -> None:
    assert torch.equal(rdp(4.0)(torch.ones(1, 37, 6)), torch.ones(1, 4, 6))
    assert list(rdp(4.0).parameters()) == []
