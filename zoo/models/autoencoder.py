"""The autoencoder of the challenge's baseline, 2020 to 2026: what it reconstructs badly, it has not heard in training.

One network a machine. Five consecutive frames of a log mel spectrum are one vector; dense layers squeeze it to eight numbers
and back. A clip's embedding is what its errors come to (`zoo/layers/error_moments.py`), from which `mse` and
`selective_mahalanobis` score it.

Sources: Harada et al., First-shot anomaly detection, EUSIPCO 2023, and the baseline's public code (nttcslab), from which all
sizes are. That code keeps a tenth of the vectors back and does nothing with them; here all are trained on.

Training draws vectors, not clips: the frames of all clips lie in one tensor, of which a vector is a view.
"""

from itertools import pairwise

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.config import Frozen
from zoo.features.fourier import clips_at_once
from zoo.features.mel_decibels import MelDecibels
from zoo.layers.error_moments import error_moments, moments_dim
from zoo.metadata import Words
from zoo.networks import FrameNetwork, InputShape

METADATA = Words(("log-mel energies",), (), ("AE",))
ERROR_MOMENTS = True


class Config(Frozen):
    """Numbers of the baseline's code."""

    window: PositiveInt = 1024  # samples of a frame
    hop: PositiveInt = 512  # samples between frames
    mels: PositiveInt = 128
    context: PositiveInt = 5  # consecutive frames in a vector
    width: PositiveInt = 128  # of the dense layers
    depth: PositiveInt = 4  # dense layers of this width, before and after the bottleneck
    bottleneck: PositiveInt = 8
    momentum: PositiveFloat = 0.01  # of the running batch-norm statistics
    epsilon: PositiveFloat = 1e-3  # of batch norm


class Autoencoder(FrameNetwork):
    """Dense layers, each but the last with batch norm and ReLU."""

    def __init__(self, config: Config, sample_rate: int) -> None:
        super().__init__()
        self.context, self.bins = config.context, config.mels
        self.dim = moments_dim(config.mels)
        self.front_end = MelDecibels(config.window, config.hop, config.mels, sample_rate)
        width = config.context * config.mels
        sizes = [width, *[config.width] * config.depth, config.bottleneck, *[config.width] * config.depth]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes):
            norm = nn.BatchNorm1d(outputs, eps=config.epsilon, momentum=config.momentum)
            layers += [nn.Linear(inputs, outputs), norm, nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], width))

    @torch.no_grad()
    def frames(self, waves: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        shortest = (self.context - 1) * self.front_end.hop  # a shorter clip gets zeros, to be one vector
        waves = F.pad(waves, (0, max(0, shortest - waves.shape[1])))
        if lengths is None:
            lengths = torch.full((len(waves),), waves.shape[1], device=waves.device)
        frames = torch.cat([self.front_end(part) for part in torch.split(waves, clips_at_once(waves.shape[1]))])
        return frames, self.front_end.frames(lengths).clamp_min(self.context)

    def losses_of(self, vectors: Tensor, labels: Tensor) -> dict[str, Tensor]:
        return {"mse": F.mse_loss(self.layers(vectors).float(), vectors)}

    def forward(self, waves: Tensor, lengths: Tensor | None = None) -> Tensor:
        vectors = self.vectors(waves, lengths)
        together = torch.cat(vectors)
        errors = (together - self.layers(together)).float()
        return torch.stack([error_moments(own, self.bins) for own in errors.split([len(own) for own in vectors])])


def build(config: Config, shape: InputShape, classes: int) -> Autoencoder:
    """`classes` do not matter: nothing is told apart."""
    return Autoencoder(config, shape.sample_rate)
