"""Statistics over time of a log-mel spectrum: an embedder without parameters, for members that need no training.

Source: DCASE Task 2 entries since 2020 use such spectra as their plainest member; sizes stand in `configs/systems/`.
"""

from collections.abc import Sequence
from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from zoo.config import Frozen
from zoo.features.fourier import clips_at_once
from zoo.features.log_mel import LogMel
from zoo.metadata import Words
from zoo.networks import Embedder, InputShape

METADATA = Words(("log-mel energies",))


class Config(Frozen):
    window: int = Field(default=1024, ge=2)  # samples of a frame
    hop: int = Field(default=512, ge=1)  # samples between frames
    mels: int = Field(default=128, ge=1)  # mel bins
    statistics: Literal["mean", "mean_std", "quantiles"] = "mean"  # over time, of each mel bin; end to end
    quantiles: tuple[float, ...] = (0.1, 0.5, 0.9)  # for `quantiles`

    @model_validator(mode="after")
    def _probabilities(self) -> Self:
        if not self.quantiles or not all(0 <= quantile <= 1 for quantile in self.quantiles):
            raise ValueError("quantiles are shares between 0 and 1, at least one")
        return self


class LogMelStatistics(Embedder):
    """Waves -> (batch, mels), (batch, 2 mels) or (batch, mels x quantiles); frames beyond a clip's end do not count."""

    def __init__(self, config: Config, sample_rate: int) -> None:
        super().__init__()
        self.config = config
        self.dim = config.mels * {"mean": 1, "mean_std": 2, "quantiles": len(config.quantiles)}[config.statistics]
        self.log_mel = LogMel(config.window, config.hop, config.mels, sample_rate)

    @torch.no_grad()
    def forward(self, waves: Tensor, lengths: Tensor | None = None) -> Tensor:
        if lengths is None:
            lengths = torch.full((len(waves),), waves.shape[1], device=waves.device)
        several = clips_at_once(waves.shape[1])
        parts = zip(torch.split(waves, several), torch.split(lengths, several), strict=True)
        return torch.cat([self._statistics(*part) for part in parts])

    def _statistics(self, waves: Tensor, lengths: Tensor) -> Tensor:
        log_mel = self.log_mel(waves)
        valid = self.log_mel.mask(lengths, log_mel.shape[1])[:, :, None]
        frames = valid.sum(1)
        if self.config.statistics == "quantiles":
            return quantiles(log_mel.where(valid, torch.inf), frames, self.config.quantiles).flatten(1)
        mean: Tensor = log_mel.where(valid, 0.0).sum(1) / frames
        if self.config.statistics == "mean":
            return mean
        variance = (log_mel - mean[:, None]).square().where(valid, 0.0).sum(1) / frames
        return torch.cat([mean, variance.sqrt()], dim=1)


def quantiles(values: Tensor, counts: Tensor, probabilities: Sequence[float]) -> Tensor:
    """Quantiles over time, interpolated linearly, of the `counts` (batch, 1) smallest values of each bin.

    Shape: (batch, frames, bins), infinite where a frame is none -> (batch, probabilities, bins).
    """
    ordered = values.sort(dim=1).values
    places = torch.tensor(probabilities, device=values.device) * (counts - 1)  # (batch, probabilities)
    low = places.floor().long()
    high = places.ceil().long()
    bins = values.shape[2]
    below, above = (ordered.gather(1, place[:, :, None].expand(-1, -1, bins)) for place in (low, high))
    return below + (places - low)[:, :, None] * (above - below)


def needs_training(config: Config) -> bool:
    """It has no parameters."""
    return False


def build(config: Config, shape: InputShape, classes: int) -> Embedder:
    """`classes` do not matter: nothing is told apart."""
    return LogMelStatistics(config, shape.sample_rate)
