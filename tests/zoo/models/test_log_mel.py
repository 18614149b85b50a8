"""Log-mel statistics against numpy, clip by clip."""

from typing import Any

import numpy as np
import pytest
import torch

from zoo.config import parse
from zoo.errors import AsdzooError
from zoo.features.fourier import clips_at_once
from zoo.features.log_mel import LogMel
from zoo.models import log_mel
from zoo.models.log_mel import Config, LogMelStatistics
from zoo.networks import InputShape

SMALL: dict[str, Any] = {"window": 64, "hop": 32, "mels": 8}


def clip(samples: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(samples, generator=torch.Generator().manual_seed(seed)) * 0.1


def expected(statistics: str, wave: torch.Tensor) -> np.ndarray:
    frames = LogMel(64, 32, 8)(wave[None])[0].numpy()
    if statistics == "mean":
        return frames.mean(axis=0)
    if statistics == "mean_std":
        return np.concatenate([frames.mean(axis=0), frames.std(axis=0)])
    return np.quantile(frames, [0.1, 0.5, 0.9], axis=0).ravel()


@pytest.mark.parametrize("statistics", ["mean", "mean_std", "quantiles"])
@pytest.mark.parametrize("samples", [64, 96, 333, 2000])
def test_against_numpy_alone_and_in_a_padded_batch(statistics: str, samples: int) -> None:
    network = LogMelStatistics(Config(**SMALL, statistics=statistics), 16000)
    wave, longer = clip(samples), clip(3000, 1)
    wanted = expected(statistics, wave)
    assert wanted.shape == (network.dim,)
    np.testing.assert_allclose(network(wave[None])[0], wanted, rtol=1e-5, atol=1e-5)
    batch = torch.zeros(2, 3000)
    batch[0, :samples], batch[1] = wave, longer
    padded = network(batch, torch.tensor([samples, 3000]))
    np.testing.assert_allclose(padded, np.stack([wanted, expected(statistics, longer)]), rtol=1e-5, atol=1e-5)


def test_more_clips_than_are_taken_at_once() -> None:
    network = LogMelStatistics(Config(**SMALL), 16000)
    waves = torch.stack([clip(500, seed) for seed in range(clips_at_once(500) + 3)])
    torch.testing.assert_close(network(waves), torch.cat([network(wave[None]) for wave in waves]))


def test_long_clips_go_through_the_front_end_one_by_one() -> None:
    network, sizes = LogMelStatistics(Config(**SMALL), 16000), []
    network.log_mel.register_forward_pre_hook(lambda _, waves: sizes.append(len(waves[0])))
    network(torch.zeros(18, 20 * 16000))
    network(torch.zeros(2, 20 * 16000 + 1))
    assert sizes == [16, 2, 1, 1]


def test_there_is_nothing_to_train_or_to_keep() -> None:
    network = log_mel.build(Config(**SMALL), InputShape(16000, None), 3)
    assert not log_mel.needs_training(Config(**SMALL))
    assert list(network.parameters()) == []
    assert network.trained_state() == {}
    assert network.device == torch.device("cpu")


@pytest.mark.parametrize("bad", [[], [1.5], [-0.1, 0.5]])
def test_quantiles_that_are_none(bad: list[float]) -> None:
    with pytest.raises(AsdzooError, match="quantiles are shares between 0 and 1"):
        parse(Config, {"quantiles": bad}, "mine.yaml")
