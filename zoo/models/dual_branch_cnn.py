"""The dual-branch CNN with attention of [T24] section 2.2, on the network of [W23].

One branch sees the magnitude spectrum of the whole clip (1-D convolutions, fine in frequency), the other a magnitude
spectrogram (a small ResNet). Each gives an embedding; the two side by side are the embedding of the clip. Each of the three has
a loss of its own, and one backward pass takes their sum.

[T24] the THUEE system, DCASE 2024 Task 2. [W23] Wilkinghoff, Design choices for learning embeddings from auxiliary tasks for
domain generalization in anomalous sound detection, ICASSP 2023: Table 1, and its public code where the two differ.

Chosen where the sources are silent or disagree:
- Attention follows the ReLU of its convolution. "Along frequency" takes the positions as tokens and the channels as features,
  "along channel" the other way round; the spectrogram's two axes take turns, channels being the features.
- Queries and keys are normalised: the features are magnitudes of any level, and with bare products the gradients of the
  spectrum branch exploded within 25 steps on real recordings (5 s, batch 32).
- That attention has no residual, and the spectrum branch is slow to learn through it: after 300 steps on 260 real clips (5 s,
  batch 32) its loss was still near that of guessing, 5 to 6; without it, 2.0 (`configs/ablations/dual_branch_cnn_w23.yaml`).
  It starts as a mean of like positions (`AxialAttention`); from random projections the official score of those clips was
  lower with each of three seeds, 0.484 against 0.560 on average.
- The maximum over time of the ResNet is over all frames, for clips of any length (10 frames are left of 10 s in W23).
- W23's table gives the strides of the spectrum branch as 64/16/4, its code as 64/32/4; only the latter gives T24's size.
- W23 has fixed class centres, T24 counts them as parameters: they are parameters that are not trained (`loss.trainable`).
- W23 has no bias terms, but its code leaves batch norm its shift: off here, the text's reading (`batch_norm_shift`).
- The rows of W23's tables are switches: `branches` (with a log-mel branch, the same ResNet on mel bands), `joined`, `losses_on`
  ("branches" is W23's joining after training: no loss sees the whole), `bias`, `temporal_normalization`.
- Logarithms and a mean over time are ours, for `dual_branch_cnn_robust`.
- The batch norm of W23's code before the first convolution, one for each frequency bin, has no learned scale here: it would be
  the only reason to compute the gradient of the network's largest feature map.
"""

from collections.abc import Callable
from typing import Literal

import torch
from pydantic import AliasChoices, Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from zoo import losses
from zoo.config import Frozen
from zoo.errors import AsdzooError
from zoo.features.log_mel import LogMel
from zoo.features.spectrum import Spectrum
from zoo.features.stft import StftMagnitude
from zoo.layers.attention import AxialAttention
from zoo.layers.batch_norm import convolution_norm_maximum, norm_relu_convolution
from zoo.losses import LossBlock, arcface
from zoo.losses.arcface import unit
from zoo.metadata import Words
from zoo.networks import InputShape, Network

METADATA = Words(("spectrogram", "spectrum"), (), ("CNN",))


_FLOOR = 1e-3  # added to magnitudes before their logarithm
Branch = Literal["spectrum", "spectrogram", "log_mel"]


class Config(Frozen):
    """Numbers of [T24] and [W23], see the YAML for where each stands."""

    dim: PositiveInt = 128  # of each branch's embedding
    kernels: tuple[PositiveInt, PositiveInt, PositiveInt] = (256, 64, 16)  # spectrum branch, in bins
    strides: tuple[PositiveInt, PositiveInt, PositiveInt] = (64, 32, 4)
    width: PositiveInt = 128  # its channels, and the units of its dense layers
    dense_layers: int = Field(4, ge=0)  # before the one that gives the embedding, each with batch norm and ReLU
    spectrum_heads: tuple[PositiveInt, PositiveInt, PositiveInt] | None = (4, 4, 2)  # null: no attention
    window: PositiveInt = 1024  # of the STFT, samples
    hop: PositiveInt = 512
    stem: PositiveInt = 7  # kernel of the first 2-D convolution
    channels: tuple[PositiveInt, ...] = Field((16, 32, 64, 128), min_length=1)  # of the stem and the residual stages
    units: PositiveInt = 2  # residual units in each stage
    spectrogram_heads: tuple[PositiveInt, PositiveInt] | None = (2, 2)  # along frequency and time; null: no attention
    batch_norm_shift: bool = False  # True: the learned shift of W23's code, the only bias terms of the network
    bias: bool = False  # of convolutions and dense layers
    temporal_normalization: bool = True  # spectrograms less their mean over time
    branches: tuple[Branch, ...] = Field(("spectrum", "spectrogram"), min_length=1)
    mels: PositiveInt = 128  # of the log-mel branch
    joined: Literal["concatenated", "sum"] = "concatenated"  # the branches' embeddings
    magnitudes: Literal["linear", "log"] = "linear"  # log: branches see log(magnitude + 0.001)
    over_time: Literal["maximum", "mean"] = "maximum"  # how a spectrogram branch joins its frames at the end
    alike: bool = False  # True: the embedding of a clip is made of its branches' at length 1
    losses_on: Literal["all", "whole", "branches"] = "all"  # embeddings that have a loss; one branch alone has one
    # of each branch and of the whole; 0.1 called it arcface
    loss: LossBlock = Field(arcface.Config(trainable=False), validation_alias=AliasChoices("loss", "arcface"))


class DualBranchCNN(Network):
    """Waves -> embeddings (batch, branches x dim): the spectrum branch's, then the spectrogram branch's; or their sum."""

    def __init__(self, config: Config, shape: InputShape, classes: int) -> None:
        super().__init__()
        self.joined, self.alike = config.joined, config.alike
        self.branches: list[str] = sorted(set(config.branches), key=("spectrum", "spectrogram", "log_mel").index)
        self.dim = config.dim * (len(self.branches) if config.joined == "concatenated" else 1)
        assert shape.samples is not None
        if "spectrum" in self.branches:
            self.spectrum = SpectrumBranch(config, shape.samples)
        if "spectrogram" in self.branches:
            self.spectrogram = SpectrogramBranch(
                config, _seen(config, StftMagnitude(config.window, config.hop)), config.window // 2 + 1
            )
        if "log_mel" in self.branches:
            front_end = LogMel(config.window, config.hop, config.mels, shape.sample_rate)
            self.log_mel = SpectrogramBranch(config, front_end, config.mels)
        dims: dict[str, int] = (
            {} if config.losses_on == "whole" or len(self.branches) == 1 else dict.fromkeys(self.branches, config.dim)
        )
        if config.losses_on != "branches" or len(self.branches) == 1:
            dims["whole"] = self.dim
        self.heads = nn.ModuleDict({name: losses.build(config.loss, dim, classes) for name, dim in dims.items()})
        if not config.batch_norm_shift:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                    module.register_parameter("bias", None)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # twice as fast; features follow the weights

    def embeddings(self, waves: Tensor) -> dict[str, Tensor]:
        """The embeddings of each branch and of the whole: "spectrum", "spectrogram", "whole"."""
        of = {name: getattr(self, name)(waves) for name in reversed(self.branches)}  # the largest maps first: less memory
        return self._with_whole({name: of[name] for name in self.branches})

    def _with_whole(self, parts: dict[str, Tensor]) -> dict[str, Tensor]:
        joined = list(parts.values())
        whole = torch.cat(joined, dim=1) if self.joined == "concatenated" else torch.stack(joined).sum(0)
        return {**parts, "whole": whole}

    def forward(self, waves: Tensor, lengths: Tensor | None = None) -> Tensor:
        embeddings = self.embeddings(waves)
        if self.alike:
            embeddings = self._with_whole({name: unit(embeddings[name].float()) for name in self.branches})
        return embeddings["whole"].float()

    def losses(self, waves: Tensor, labels: Tensor, lengths: Tensor | None = None) -> dict[str, Tensor]:
        embeddings = self.embeddings(waves)
        return {name: head(embeddings[name], labels) for name, head in self.heads.items()}


class _Logarithm(nn.Module):
    def __init__(self, magnitude: nn.Module) -> None:
        super().__init__()
        self.magnitude = magnitude

    def forward(self, waves: Tensor) -> Tensor:
        return torch.log(self.magnitude(waves) + _FLOOR)


def _seen(config: Config, magnitude: nn.Module) -> nn.Module:
    """A front end whose magnitudes are as the config says."""
    return _Logarithm(magnitude) if config.magnitudes == "log" else magnitude


class SpectrumBranch(nn.Module):
    """Whole-clip spectrum -> three strided convolutions with attention -> dense layers: (batch, samples) -> (batch, dim)."""

    def __init__(self, config: Config, samples: int) -> None:
        super().__init__()
        self.front_end = _seen(config, Spectrum())
        positions, channels = samples // 2, 1
        self.convolutions = nn.ModuleList()
        self.attention = nn.ModuleList()
        for layer, (kernel, stride) in enumerate(zip(config.kernels, config.strides, strict=True)):
            self.convolutions.append(Convolution(channels, config.width, kernel, stride, bias=config.bias))
            positions, channels = -(-positions // stride), config.width
            if config.spectrum_heads is not None:
                features = positions if layer == 2 else channels
                self.attention.append(AxialAttention(features, config.spectrum_heads[layer], projections=True))
        layers: list[nn.Module] = []
        units = positions * channels
        for _ in range(config.dense_layers):
            layers += [nn.Linear(units, config.width, config.bias), nn.BatchNorm1d(config.width), nn.ReLU(inplace=True)]
            units = config.width
        self.dense = nn.Sequential(*layers, nn.Linear(units, config.dim, config.bias))

    def forward(self, waves: Tensor) -> Tensor:
        features = self.front_end(waves)[:, :, None]  # (batch, positions, channels) from here on
        for layer, convolution in enumerate(self.convolutions):
            features = F.relu(convolution(features), inplace=True)
            if self.attention:
                along_channel = layer == 2
                features = features.mT if along_channel else features
                features = self.attention[layer](features)
                features = features.mT if along_channel else features
        return self.dense(features.flatten(1))  # type: ignore[no-any-return]


class Convolution(nn.Conv2d):
    """Strided 1-D convolution, padded with zeros to ceil(positions / stride) positions.

    Its weight is that of a 2-D one of height 1, because only those have a channels-last layout, in which attention takes the
    features as they are. Shape: (batch, positions, inputs) -> (batch, ceil(positions / stride), outputs).
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, bias: bool = False) -> None:
        super().__init__(inputs, outputs, (1, kernel), (1, stride), bias=bias)

    def forward(self, features: Tensor) -> Tensor:
        positions, kernel, stride = features.shape[1], self.kernel_size[1], self.stride[1]
        count = -(-positions // stride)
        missing = max(0, (count - 1) * stride + kernel - positions)
        # An explicit copy with zeros: the implicit padding of the first layer takes three times as long.
        padded = F.pad(features, (0, 0, missing // 2, missing - missing // 2))
        if self.in_channels == 1 or kernel % stride > 0:
            return super().forward(padded.mT[:, :, None]).squeeze(2).mT
        # A kernel of several strides: one matrix product for each, forward and backward in two thirds of the time.
        blocks = padded.reshape(len(padded), -1, stride * self.in_channels)
        weights = self.weight[:, :, 0].permute(2, 1, 0).reshape(kernel // stride, -1, self.out_channels)
        products = torch.stack([blocks[:, at : at + count] @ weight for at, weight in enumerate(weights)]).sum(0)
        return products if self.bias is None else products + self.bias


class SpectrogramBranch(nn.Module):
    """Spectrogram minus its temporal mean -> ResNet -> attention -> maximum over time -> (batch, dim)."""

    def __init__(self, config: Config, front_end: nn.Module, bins: int) -> None:
        super().__init__()
        self.front_end, self.centered, self.over_time = front_end, config.temporal_normalization, config.over_time
        self.norm = nn.BatchNorm1d(bins, affine=False)
        first = config.channels[0]
        self.stem = nn.Conv2d(1, first, config.stem, stride=2, padding=config.stem // 2, bias=config.bias)
        self.stem_norm = nn.BatchNorm2d(first)
        self.stem_pool = nn.MaxPool2d(3, stride=2)
        bins = (-(-bins // 2) - 3) // 2 + 1
        units: list[nn.Module] = []
        inputs = first
        for stage, outputs in enumerate(config.channels):
            for number in range(config.units):
                units.append(ResidualUnit(inputs, outputs, halve=stage > 0 and number == 0, bias=config.bias))
                inputs = outputs
            bins = -(-bins // 2) if stage > 0 else bins
        self.stages = nn.Sequential(*units)
        heads = config.spectrogram_heads
        self.attention = nn.ModuleList(AxialAttention(inputs, n, projections=False) for n in heads or ())
        self.flat_norm = nn.BatchNorm1d(bins * inputs)
        self.dense = nn.Linear(bins * inputs, config.dim, config.bias)

    def forward(self, waves: Tensor, exchange: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        features = self.front_end(waves)
        if exchange is not None:
            features = exchange(features)
        if self.centered:
            features = features - features.mean(1, keepdim=True)
        features = self.norm(features.flatten(0, 1)).view(features.shape)[:, None]
        # ReLU comes before the maximum in W23: the same, on four times as many numbers
        features = F.relu(convolution_norm_maximum(self.stem, self.stem_norm, self.stem_pool, features), inplace=True)
        features = self.stages(features).permute(0, 2, 3, 1)  # (batch, frames, bins, channels)
        if self.attention:
            features = features + self.attention[0](features)
            features = features + self.attention[1](features.transpose(1, 2)).transpose(1, 2)
        joined = features.amax(1) if self.over_time == "maximum" else features.mean(1)
        return self.dense(self.flat_norm(joined.flatten(1)))  # type: ignore[no-any-return]


class ResidualUnit(nn.Module):
    """Two 3 x 3 convolutions, each after batch norm and ReLU, around a shortcut that starts after the first batch norm.

    Shape: (batch, inputs, frames, bins) -> (batch, outputs, frames, bins); with `halve`, ceil(frames / 2) and ceil(bins / 2),
    and the shortcut is a maximum over 2 x 2 and a 1 x 1 convolution. Source: [W23] Table 1.
    """

    def __init__(self, inputs: int, outputs: int, *, halve: bool, bias: bool = False) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(inputs), nn.BatchNorm2d(outputs)
        self.convolution1 = nn.Conv2d(inputs, outputs, 3, stride=2 if halve else 1, padding=1, bias=bias)
        self.convolution2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=bias)
        self.shortcut = (
            nn.Sequential(nn.MaxPool2d(2, ceil_mode=True), nn.Conv2d(inputs, outputs, 1, bias=bias)) if halve else None
        )

    def forward(self, features: Tensor) -> Tensor:
        normed, features = norm_relu_convolution(self.norm1, self.convolution1, features)
        shortcut = normed if self.shortcut is None else self.shortcut(normed)
        _, features = norm_relu_convolution(self.norm2, self.convolution2, features)
        return features + shortcut


def build(config: Config, shape: InputShape, classes: int) -> DualBranchCNN:
    """Raises: AsdzooError when clips are too short or keep their length (one dense layer has a size that depends on it)."""
    if shape.samples is None:
        raise AsdzooError(
            "dual_branch_cnn needs clips of one length",
            "set input.seconds to a number, such as 10.0, and input.longer to first or windows",
        )
    if shape.samples < config.window + 4 * config.hop:
        raise AsdzooError(
            f"{shape.samples / shape.sample_rate:g} s is too short for dual_branch_cnn, whose spectrogram needs 5 frames",
            f"set input.seconds to {(config.window + 4 * config.hop) / shape.sample_rate:g} or more",
        )
    return DualBranchCNN(config, shape, classes)
