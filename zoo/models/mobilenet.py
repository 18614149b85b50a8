"""The classifier of the challenge's second baseline of 2021 and 2022: MobileNetV2 over images of a log mel spectrogram.

A clip's embedding are the log odds against each class, log((1 - p) / p), averaged over its images; the detector `class_odds`
takes those of the clip's own machine.

Sources: the baseline's public code, called [C]; the network: Sandler et al., MobileNetV2, CVPR 2018, Table 2, with the sizes
that Keras gives it (channels are rounded to multiples of 8; the last layer keeps 1280).

Chosen where the sources are silent or disagree:
- [C] writes the score as the logarithm of a difference, by a misplaced bracket; here it is the published formula.
- [C] has one model for each machine, over its sections. Since 2023 there is one section, so classes are those of all machines.
- Strided convolutions are padded evenly on both sides, Keras pads the end.
"""

from typing import Any

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.config import Frozen
from zoo.errors import AsdzooError
from zoo.features.fourier import clips_at_once
from zoo.features.mel_decibels import MelDecibels
from zoo.metadata import Words
from zoo.networks import FrameNetwork, InputShape

METADATA = Words(("log-mel energies",), (), ("CNN",))
CLASS_ODDS = True

STAGES = (  # Table 2: expansion, channels, units, stride of the first
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class Config(Frozen):
    """Numbers of [C]."""

    window: PositiveInt = 1024  # samples of a frame
    hop: PositiveInt = 512  # samples between frames
    mels: PositiveInt = 128
    frames: PositiveInt = 64  # of an image
    stride: PositiveInt = 8  # frames between images
    width: PositiveFloat = 0.5  # alpha, of the channels
    features: PositiveInt = 1280  # channels of the last convolution
    momentum: PositiveFloat = 0.001  # of the running batch-norm statistics; Keras says 0.999
    epsilon: PositiveFloat = 1e-3  # of batch norm


def rounded(channels: float) -> int:
    """The nearest multiple of 8, at least 8 and at least nine tenths.

    >>> [rounded(channels / 2) for channels in (16, 24, 96, 160)]
    [8, 16, 48, 80]
    """
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


class MobileNet(FrameNetwork):
    """Log odds against each class: waves -> (batch, classes)."""

    def __init__(self, config: Config, sample_rate: int, classes: int) -> None:
        super().__init__()
        self.context, self.stride, self.bins = config.frames, config.stride, config.mels
        self.dim = classes
        self.front_end = MelDecibels(config.window, config.hop, config.mels, sample_rate)
        norm = {"eps": config.epsilon, "momentum": config.momentum}
        channels = rounded(32 * config.width)
        layers = [_convolution(3, channels, 3, norm, stride=2)]
        for expansion, wanted, units, stride in STAGES:
            for unit in range(units):
                outputs = rounded(wanted * config.width)
                layers.append(InvertedResidual(channels, outputs, expansion, stride if unit == 0 else 1, norm))
                channels = outputs
        self.layers = nn.Sequential(*layers, _convolution(channels, config.features, 1, norm))
        self.head = nn.Linear(config.features, classes)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.no_grad()
    def frames(self, waves: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        shortest = (self.context - 1) * self.front_end.hop  # a shorter clip gets zeros, to be one image
        waves = F.pad(waves, (0, max(0, shortest - waves.shape[1])))
        if lengths is None:
            lengths = torch.full((len(waves),), waves.shape[1], device=waves.device)
        frames = torch.cat([self.front_end(part) for part in torch.split(waves, clips_at_once(waves.shape[1]))])
        return frames, self.front_end.frames(lengths).clamp_min(self.context)

    def logits(self, vectors: Tensor) -> Tensor:
        """Of images as vectors (n, frames x mels): (n, classes)."""
        images = vectors.view(-1, 1, self.context, self.bins).expand(-1, 3, -1, -1)  # as red, green and blue
        logits: Tensor = self.head(self.layers(images).mean((2, 3)))
        return logits

    def losses_of(self, vectors: Tensor, labels: Tensor) -> dict[str, Tensor]:
        return {"class": F.cross_entropy(self.logits(vectors).float(), labels)}

    def forward(self, waves: Tensor, lengths: Tensor | None = None) -> Tensor:
        return torch.stack([log_odds(self.logits(own).float()).mean(0) for own in self.vectors(waves, lengths)])


def log_odds(logits: Tensor) -> Tensor:
    """log((1 - p) / p) for each class, p = softmax, without its rounding near 0 and 1: (n, classes) -> (n, classes)."""
    own = torch.eye(logits.shape[1], dtype=torch.bool, device=logits.device)
    others = logits[:, None].expand(-1, len(own), -1).masked_fill(own, -torch.inf)
    return others.logsumexp(2) - logits


class InvertedResidual(nn.Module):
    """Wider by 1 x 1, 3 x 3 for each channel, narrow again without ReLU; a shortcut where the shape stays."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int, norm: dict[str, Any]) -> None:
        super().__init__()
        wide = inputs * expansion
        layers = [_convolution(inputs, wide, 1, norm)] if expansion > 1 else []
        layers.append(_convolution(wide, wide, 3, norm, stride=stride, groups=wide))
        self.layers = nn.Sequential(*layers, nn.Conv2d(wide, outputs, 1, bias=False), nn.BatchNorm2d(outputs, **norm))
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, features: Tensor) -> Tensor:
        made: Tensor = self.layers(features)
        return features + made if self.shortcut else made


def _convolution(
    inputs: int, outputs: int, kernel: int, norm: dict[str, Any], *, stride: int = 1, groups: int = 1
) -> nn.Module:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs, **norm), nn.ReLU6(inplace=True))


def build(config: Config, shape: InputShape, classes: int) -> MobileNet:
    """Raises: AsdzooError when there is one class, which cannot be told from others."""
    if classes < 2:
        raise AsdzooError(
            "mobilenet tells classes from one another, and there is one",
            "train it on more machines, or use `--systems autoencoder`",
        )
    return MobileNet(config, shape.sample_rate, classes)
