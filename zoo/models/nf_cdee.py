"""NF-CDEE: a normalizing flow over the time-averaged log-mel spectrum, conditioned on the machine.

[T24] THUEE technical report, DCASE 2024 Task 2, section 2.1. Log-mel -> batch norm per mel bin -> mean over time -> flow; loss
and anomaly score are the negative log-likelihood; one model per machine group.

What the report leaves open
    flow         affine autoregressive layers with random permutations between them, conditioned on a one-hot of the class, the
                 (machine, section) within the group. Pyro's autoregressive layers are one pass from noise to data and one pass
                 per dimension back; here their inverses are chained, so that the likelihood of data is the one pass.
                 They start as the identity, and all together scale by exp(+-log_scale) at most. With Pyro's random start and
                 limits (-5 to 3 a layer), trained on 234 real clips, the mean over 26 held-out ones was 5e5 nats after 40 steps
                 and 5e11 after 400; so it is 185 after 40, and between 185 and 410 up to step 80.
    batch norm   without affine weights: the likelihood is that of the normalised vector, and trainable scales could raise it
                 without end by shrinking the vector. Running statistics are not trained, so they cannot.
    noise        on the vectors, in training. A hundred clips are few for 256 dimensions: without it the flow knew them by heart
                 after 75 steps and then diverged, the training likelihood too. With 0.2 it stays, and the mean over held-out
                 clips is at best 137 nats on either of two real machines; it was 234 and 283.
    stopping     at the report's rate of 1e-3 training on so few clips ends badly all the same. The training likelihood goes on
                 rising, the gradient's norm is about 80 for 350 to 500 steps, then a thousand within 20 steps, then 1e13, and
                 the loss 1e12 or no number. Clipping the norm to 100 does not help. With each of five seeds the best held-out
                 likelihood came before it, at steps 40 to 340 on one machine and 320 to 460 on the other, and is kept.
    pooling      mean and normalisation commute, so only the mean and variance over time of each clip are needed. They depend on
                 the waves alone (`prepare`) and are nearly all of the work of a step, so training computes them once a clip.
"""

from typing import Any, Self

import pyro.distributions as dist
import torch
from pydantic import Field, model_validator
from pyro.distributions.transforms import ConditionalAffineAutoregressive, Permute
from pyro.nn import ConditionalAutoRegressiveNN
from pyro.nn.auto_reg_nn import MaskedLinear
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.autocast import without_autocast
from zoo.config import Frozen
from zoo.features.fourier import clips_at_once
from zoo.features.log_mel import LogMel
from zoo.metadata import Words
from zoo.networks import DensityNetwork, InputShape, Network, PreparedNetwork

METADATA = Words(("log-mel energies",), (), ("normalizing flow",))
LIKELIHOOD = True


class Config(Frozen):
    window: int = Field(ge=2)  # samples of a frame
    hop: int = Field(ge=1)  # samples between frames
    mels: int = Field(ge=2)  # mel bins: the dimension of the flow
    layers: int = Field(ge=1)  # autoregressive layers
    hidden: int  # units in the one hidden layer of each; at least `mels`
    log_scale: float = Field(default=5.5, gt=0)  # open: the largest |log scale| of all layers together
    noise: float = Field(default=0.0, ge=0)  # open: standard deviation of the noise on training vectors, which have about 1
    momentum: float = Field(default=0.1, gt=0, le=1)  # of the running batch-norm statistics

    @model_validator(mode="after")
    def _enough_units(self) -> Self:
        if self.hidden < self.mels:
            raise ValueError(f"hidden is {self.hidden}, but an autoregressive layer needs as many units as mels, {self.mels}")
        return self


class ConditionalFlow(nn.Module):
    """Density of vectors given a class.

    Shape: values float32 (batch, dim), labels int64 (batch,) below `classes`.
    """

    def __init__(self, dim: int, classes: int, layers: int, hidden: int, log_scale: float = 5.5) -> None:
        super().__init__()
        self.dim = dim
        self.classes = classes
        order = torch.arange(dim)
        self.layers: Any = nn.ModuleList(  # Pyro is untyped
            ConditionalAffineAutoregressive(
                ConditionalAutoRegressiveNN(dim, classes, [hidden], permutation=order),
                log_scale_min_clip=-log_scale / layers,
                log_scale_max_clip=log_scale / layers,
            )
            for _ in range(layers)
        )
        # drawn once, and part of the checkpoint
        self.register_buffer("permutations", torch.stack([torch.randperm(dim) for _ in range(layers)]))
        self.permutations: Tensor
        for module in self.modules():
            if isinstance(module, MaskedLinear):
                _leave_out_of_checkpoints(module, "mask")
            elif isinstance(module, ConditionalAutoRegressiveNN):
                _leave_out_of_checkpoints(module, "permutation")
                nn.init.zeros_(module.layers[-1].weight)
                nn.init.zeros_(module.layers[-1].bias)

    def density(self, labels: Tensor) -> dist.TransformedDistribution:
        """Distribution over (batch, dim): `log_prob` is one pass, `sample` one pass per dimension."""
        context = F.one_hot(labels, self.classes).to(next(self.parameters()).dtype)
        base = dist.Normal(context.new_zeros(len(labels), self.dim), 1.0, validate_args=False).to_event(1)
        to_data = []  # from noise to data: the last layer first
        for layer, permutation in zip(reversed(self.layers), self.permutations.flip(0), strict=True):
            to_data += [layer.condition(context).inv, Permute(permutation).inv]
        return dist.TransformedDistribution(base, to_data, validate_args=False)

    def forward(self, values: Tensor, labels: Tensor) -> Tensor:
        """Log-likelihood in nats, (batch,)."""
        log_likelihood: Tensor = self.density(labels).log_prob(values)
        return log_likelihood


class PooledBatchNorm(nn.Module):
    """Batch norm per bin over all frames of a batch, then the mean over time, from each clip's statistics over time.

    The same as `nn.BatchNorm1d(bins, affine=False)` over all valid frames and then the mean, at the cost of one frame a clip.
    Shape: (batch, 3, bins), each clip's mean and variance over time and its number of frames -> (batch, bins).
    """

    EPSILON = 1e-5

    def __init__(self, bins: int, momentum: float) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("running_mean", torch.zeros(bins))
        self.register_buffer("running_var", torch.ones(bins))
        self.running_mean: Tensor
        self.running_var: Tensor

    def forward(self, statistics: Tensor) -> Tensor:
        mean, variance, frames = statistics.unbind(1)
        if self.training:
            total = frames.sum(0)
            share = frames / total
            center = (share * mean).sum(0)
            spread = (share * (variance + (mean - center) ** 2)).sum(0)
            with torch.no_grad():
                unbiased = spread * total / (total - 1).clamp_min(1)
                self.running_mean.lerp_(center, self.momentum)
                self.running_var.lerp_(unbiased, self.momentum)
        else:
            center, spread = self.running_mean, self.running_var
        return (mean - center) / torch.sqrt(spread + self.EPSILON)


class NfCdee(PreparedNetwork, DensityNetwork):
    """Log-mel, batch norm, mean over time, and a conditional flow over the result, which is the embedding."""

    def __init__(self, config: Config, sample_rate: int, classes: int) -> None:
        super().__init__()
        self.dim = config.mels
        self.noise = config.noise
        self.log_mel = LogMel(config.window, config.hop, config.mels, sample_rate)
        self.norm = PooledBatchNorm(config.mels, config.momentum)
        self.flow = ConditionalFlow(config.mels, classes, config.layers, config.hidden, config.log_scale)

    @torch.no_grad()
    def prepare(self, waves: Tensor, lengths: Tensor | None = None) -> Tensor:
        """What the network needs of each clip, (batch, 3, mels): mean and variance of its log-mels over time, frames."""
        if lengths is None:
            lengths = torch.full((len(waves),), waves.shape[1], device=waves.device)
        several = clips_at_once(waves.shape[1])
        parts = zip(torch.split(waves, several), torch.split(lengths, several), strict=True)
        return torch.cat([self._statistics(*part) for part in parts])

    def embed(self, prepared: Tensor) -> Tensor:
        """The normalised log-mel spectrum averaged over time, (batch, mels)."""
        pooled: Tensor = self.norm(prepared)
        return pooled

    def losses_of(self, prepared: Tensor, labels: Tensor) -> dict[str, Tensor]:
        values = self.embed(prepared)
        if self.training and self.noise:
            values = values + self.noise * torch.randn_like(values)
        return {"nll": self.negative_log_likelihood(values, labels).mean()}

    def negative_log_likelihood(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Of embeddings (batch, mels) given their classes (batch,): (batch,), in nats, float32 also inside autocast."""
        with without_autocast(embeddings):
            log_likelihood: Tensor = self.flow(embeddings.float(), labels)
            return -log_likelihood

    def _statistics(self, waves: Tensor, lengths: Tensor) -> Tensor:
        log_mel = self.log_mel(waves)
        valid = self.log_mel.mask(lengths, log_mel.shape[1])[:, :, None]
        frames = valid.sum(1)
        mean = log_mel.where(valid, 0.0).sum(1) / frames
        variance = (log_mel - mean[:, None]).square().where(valid, 0.0).sum(1) / frames
        return torch.stack([mean, variance, frames.expand_as(mean)], dim=1)


def build(config: Config, shape: InputShape, classes: int) -> Network:
    """`classes` is the number of (machine, section) in the group: the width of the flow's condition."""
    return NfCdee(config, shape.sample_rate, classes)


def _leave_out_of_checkpoints(module: nn.Module, name: str) -> None:
    """Pyro's masks and identity orders follow from the sizes: in a checkpoint they would double it."""
    buffer = module.get_buffer(name)
    delattr(module, name)
    module.register_buffer(name, buffer, persistent=False)
