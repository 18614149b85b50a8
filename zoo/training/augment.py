"""What is done to recordings in training, before the network hears them: speed, noise, mixup, in this order.

Draws come from the generator of the step, so that a resumed training hears what an undisturbed one does. Where clips are heard
by two microphones, waves are (batch, 2, samples), and both get the same: the same speed, the same gain, the same partner.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat
from torch import Tensor
from torch.nn.functional import pad

from zoo.config import Frozen
from zoo.features.mixing import at_snr, mixup
from zoo.features.speed import resampled, stretched
from zoo.losses import soft
from zoo.training.sampling import Indices

# (indices, samples or None for whole clips, generator) -> waves and lengths
Read = Callable[[Indices, int | None, np.random.Generator], tuple[Tensor, Tensor]]


class SpeedConfig(Frozen):
    """Status augmentation: clips at another speed stand for a machine in another state."""

    factors: tuple[PositiveFloat, ...] = Field((0.9, 1.1), min_length=1)  # of the speed; beside them clips as they are
    pitch: bool = True  # whether the pitch moves with the speed
    label: Literal["new", "same"] = "new"  # new: each class at each speed is a class of its own


class MixupConfig(Frozen):
    """Mixup on waveforms."""

    probability: float = Field(0.5, ge=0, le=1)  # of a batch
    labels: Literal["sum", "max"] = "sum"  # max: the rule of Wilkinghoff 2023


class NoiseConfig(Frozen):
    """Noise added to clips; their classes stay.

    The rules of 2025 and 2026 allow noise of the challenge's own data; noise from elsewhere is an external resource.
    """

    sources: tuple[Literal["supplemental", "far", "machines"], ...] = Field(("machines",), min_length=1)
    snr: tuple[float, ...] = Field((5.0, 10.0, 15.0, 20.0), min_length=1)  # dB, drawn evenly
    probability: float = Field(0.5, ge=0, le=1)  # of a clip


class AugmentConfig(Frozen):
    """What a system does to waves in training; nothing by default."""

    speed: SpeedConfig | None = None
    noise: NoiseConfig | None = None
    mixup: MixupConfig | None = None

    @property
    def statuses(self) -> int:
        """How many classes each class becomes."""
        return 1 + len(self.speed.factors) if self.speed and self.speed.label == "new" else 1

    @property
    def anything(self) -> bool:
        return any((self.speed, self.noise, self.mixup))


@dataclass(frozen=True)
class Augmentation:
    """Draws augmented batches. `read` gets clips, `noise` gets as much noise for the same clips."""

    config: AugmentConfig
    classes: int  # before statuses
    read: Read
    noise: Read | None = None

    def batch(
        self, indices: Indices, labels: Indices, samples: int | None, generator: np.random.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Waves (batch, ..., samples), labels int64 (batch,) or shares (batch, classes x statuses), lengths (batch,)."""
        waves, lengths, status = self._at_speed(indices, samples, generator)
        if self.config.noise is not None and self.noise is not None:
            waves = self._with_noise(waves, lengths, indices, generator)
        if self.config.statuses > 1:
            labels = labels + status * self.classes
        drawn = torch.from_numpy(labels)
        if self.config.mixup is None or generator.random() >= self.config.mixup.probability:
            return waves, drawn if self.config.mixup is None else self._shares(drawn), lengths
        weight = torch.from_numpy(generator.random(len(indices), dtype=np.float32))
        waves, shares = mixup(waves, self._shares(drawn), weight, self.config.mixup.labels)
        return waves, shares, torch.maximum(lengths, lengths.flip(0))

    def _shares(self, labels: Tensor) -> Tensor:
        return soft(labels, self.classes * self.config.statuses)

    def _at_speed(
        self, indices: Indices, samples: int | None, generator: np.random.Generator
    ) -> tuple[Tensor, Tensor, NDArray[np.int64]]:
        """Clips at their speeds, their lengths, and the number of each one's speed (0: as it is)."""
        if self.config.speed is None:
            waves, lengths = self.read(indices, samples, generator)
            return waves, lengths, np.zeros(len(indices), np.int64)
        factors = (1.0, *self.config.speed.factors)
        change = resampled if self.config.speed.pitch else stretched
        status = generator.integers(0, len(factors), len(indices))
        rows: list[Tensor] = [torch.empty(0)] * len(indices)
        for number, factor in enumerate(factors):
            of_this = np.flatnonzero(status == number)
            if not len(of_this):
                continue
            needed = None if samples is None else int(np.ceil(samples * factor)) + 1
            waves, lengths = self.read(indices[of_this], needed, generator)
            for row, wave, length in zip(of_this, change(waves, factor), lengths.tolist(), strict=True):
                rows[row] = wave[..., : samples or max(1, int(length / factor))]
        lengths = torch.tensor([row.shape[-1] for row in rows])
        width = int(lengths.max())
        return torch.stack([pad(row, (0, width - row.shape[-1])) for row in rows]), lengths, status

    def _with_noise(self, waves: Tensor, lengths: Tensor, indices: Indices, generator: np.random.Generator) -> Tensor:
        config, read = self.config.noise, self.noise
        assert config is not None
        assert read is not None
        chosen = generator.random(len(waves)) < config.probability
        ratios = torch.from_numpy(generator.choice(np.array(config.snr, np.float32), len(waves)))
        noise, _ = read(indices, waves.shape[-1], generator)
        alone = [1] * (waves.ndim - 2)  # one for each view, where there are several
        inside = (torch.arange(waves.shape[-1]) < lengths[:, None]).view(len(waves), *alone, -1)
        noisy = at_snr(waves, noise * inside, ratios)
        return torch.where(torch.from_numpy(chosen).view(-1, *alone, 1), noisy, waves)
