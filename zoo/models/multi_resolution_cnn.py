"""A CNN for the spectrum of the whole clip and for spectrograms of several resolutions, with FeatEx and a loss of each branch.

Each branch gives an embedding, all side by side are that of the clip. The branches are those of `dual_branch_cnn`, without
attention.

Sources
    [F24] Fujimura, Kuroyanagi & Toda, Improvements of discriminative feature space training for anomalous sound detection in
    unlabeled conditions, 2024: spectrograms of several resolutions; the sub-space loss, one on the embedding of each branch.
    [FeatEx] Wilkinghoff, Self-supervised learning for anomalous sound detection, ICASSP 2024: embeddings of branches are
    exchanged between clips, and the network has to tell which clips they were from.
    [ASDKit] Fujimura et al., ASDKit, 2025 (arXiv 2507.10264), and its public code: windows of 256, 1024 and 4096 samples with
    hops of half of them; losses of branches and of FeatEx have learned centres, that of the whole fixed ones; FeatEx with a
    class for each branch.
The abstracts and public code were at hand (github.com/wilkinghoff/ssl4asd, by which FeatEx with two branches is the same):
- half of the clips are exchanged: the first branch stays, each other branch comes from a clip of its own draw;
- with B branches each class becomes B + 1. A clip that is left alone is of the first one; one that is exchanged has a share of
  1 / B in each of the others, the first branch's class, the second branch's class, ..., each of the clip the branch is from.

StatEx, off unless asked for: Chen et al., Effective anomalous sound detection based on statistics exchange, 2023, as the same
public code has it (the paper was not at hand):
- half of the clips get the mean and deviation of another clip's magnitude spectrogram, before its mean over time is taken off;
  each class becomes three: left alone, half of its own, half of the other clip's. The whole keeps its loss on plain classes.
- Together with FeatEx, these classes are those that FeatEx makes more of, and StatEx has no loss of its own (`loss: null`).
- The code takes statistics over frequency, one of each frame, and has those over time, one of each bin, switched off (`over`).
Open: which statistics the paper takes; the loss of the whole beside StatEx alone, which early code leaves out;
several resolutions, which share one draw here. The code has one, and pairs clips with the batch read backwards, not at random.
"""

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from zoo import losses
from zoo.config import Frozen
from zoo.errors import AsdzooError
from zoo.features.stft import StftMagnitude
from zoo.losses import LossBlock, OptionalLossBlock, sc_adacos, soft
from zoo.metadata import Words
from zoo.models import dual_branch_cnn
from zoo.models.dual_branch_cnn import SpectrogramBranch, SpectrumBranch
from zoo.networks import InputShape, Network

METADATA = Words(("spectrogram", "spectrum"), (), ("CNN",))


class FeatExConfig(Frozen):
    """Embeddings of branches are exchanged between clips, in training."""

    probability: float = Field(0.5, ge=0, le=1)  # of a clip
    loss: LossBlock = sc_adacos.Config(trainable=True)


class StatExConfig(Frozen):
    """Mean and deviation of spectrograms are exchanged between clips, in training."""

    probability: float = Field(0.5, ge=0, le=1)  # of a clip
    over: Literal["frequency", "time"] = "frequency"  # of each frame, or of each bin
    loss: OptionalLossBlock = sc_adacos.Config(trainable=True)  # null: that of FeatEx sees its classes


class Config(Frozen):
    """Sizes are those of `dual_branch_cnn`."""

    dim: PositiveInt = 128  # of each branch's embedding
    spectrum: bool = True  # whether there is a branch for the spectrum of the whole clip, the first one
    kernels: tuple[PositiveInt, PositiveInt, PositiveInt] = (256, 64, 16)  # of that branch, in bins
    strides: tuple[PositiveInt, PositiveInt, PositiveInt] = (64, 32, 4)
    width: PositiveInt = 128
    dense_layers: int = Field(4, ge=0)
    windows: tuple[PositiveInt, ...] = Field((256, 1024, 4096), min_length=1)  # of the spectrograms, samples; hop: half
    stem: PositiveInt = 7
    channels: tuple[PositiveInt, ...] = Field((16, 32, 64, 128), min_length=1)
    units: PositiveInt = 2
    loss: LossBlock = sc_adacos.Config()  # of the whole and of each branch
    subspace_loss: bool = True  # whether each branch has a loss of its own
    subspace_trainable: bool = True  # whether the centres of these are learned [ASDKit]
    featex: FeatExConfig | None = None
    statex: StatExConfig | None = None


class MultiResolutionCNN(Network):
    """Waves -> embeddings (batch, branches x dim): the spectrum's, then the spectrograms' by window."""

    def __init__(self, config: Config, samples: int, classes: int) -> None:
        super().__init__()
        self.classes, self.featex, self.statex = classes, config.featex, config.statex
        sizes = config.model_dump(include={"dim", "kernels", "strides", "width", "dense_layers", "stem", "channels", "units"})
        of_branch = dual_branch_cnn.Config(**sizes, spectrum_heads=None, spectrogram_heads=None)
        self.branches = nn.ModuleDict({"spectrum": SpectrumBranch(of_branch, samples)} if config.spectrum else {})
        for window in config.windows:
            front_end = StftMagnitude(window, max(1, window // 2))
            self.branches[f"spectrogram_{window}"] = SpectrogramBranch(of_branch, front_end, window // 2 + 1)
        self.dim = config.dim * len(self.branches)
        self.heads = nn.ModuleDict({"whole": losses.build(config.loss, self.dim, classes)})
        if config.subspace_loss:
            learned = {"trainable": True} if config.subspace_trainable else {}
            of_each = config.loss.model_copy(update=learned)
            self.heads.update({name: losses.build(of_each, config.dim, classes) for name in self.branches})
        kinds = classes if config.statex is None else 3 * classes
        if config.featex is not None:
            self.exchanged_head = losses.build(config.featex.loss, self.dim, (len(self.branches) + 1) * kinds)
        if config.statex is not None and config.statex.loss is not None:
            self.restated_head = losses.build(config.statex.loss, self.dim, kinds)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.register_parameter("bias", None)  # no bias terms, as in dual_branch_cnn
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def embeddings(self, waves: Tensor, exchange: Callable[[Tensor], Tensor] | None = None) -> dict[str, Tensor]:
        """The embeddings of each branch, by its name; `exchange` is what happens to spectrograms first."""
        return {
            name: branch(waves) if exchange is None or name == "spectrum" else branch(waves, exchange)
            for name, branch in self.branches.items()
        }

    def forward(self, waves: Tensor, lengths: Tensor | None = None) -> Tensor:
        return torch.cat(list(self.embeddings(waves).values()), dim=1).float()

    def losses(self, waves: Tensor, labels: Tensor, lengths: Tensor | None = None) -> dict[str, Tensor]:
        kinds, exchange = labels, None
        if self.statex is not None:
            share = self.statex.probability if self.training else 0.0
            chosen = torch.rand(len(waves), 1, device=waves.device) < share
            source = torch.randperm(len(waves), device=waves.device)
            kinds = restated_shares(soft(labels, self.classes), chosen, source)
            exchange = partial(restated, chosen=chosen, source=source, over=self.statex.over)
        parts = self.embeddings(waves, exchange)
        whole = {"whole": torch.cat(list(parts.values()), dim=1)}
        found = {name: self.heads[name](embedding, labels) for name, embedding in (whole | parts).items() if name in self.heads}
        if self.statex is not None and self.statex.loss is not None:
            found["statex"] = self.restated_head(whole["whole"], kinds)
        if self.featex is not None:
            share = self.featex.probability if self.training else 0.0
            found["featex"] = self.exchanged_head(*exchanged(list(parts.values()), soft(kinds, self.classes), share))
        return found


def restated(
    spectrograms: Tensor, *, chosen: Tensor, source: Tensor, over: Literal["frequency", "time"] = "frequency"
) -> Tensor:
    """StatEx: chosen spectrograms get the mean and the deviation, over frequency or time, of those at `source`.

    Shape: (batch, frames, bins), chosen bool (batch, 1), source int64 (batch,) -> (batch, frames, bins).
    """
    deviation, mean = torch.std_mean(spectrograms, dim=2 if over == "frequency" else 1, correction=0, keepdim=True)
    shapes = (spectrograms - mean) / (deviation + 1e-16)  # 0 where nothing varies, as in digital silence
    return torch.where(chosen[:, :, None], shapes * deviation[source] + mean[source], spectrograms)


def restated_shares(shares: Tensor, chosen: Tensor, source: Tensor) -> Tensor:
    """The classes of StatEx: shares (batch, classes) -> (batch, 3 x classes) of "left alone", "its own" and "the other's"."""
    nothing = torch.zeros_like(shares)
    apart = torch.cat([nothing, shares / 2, shares[source] / 2], dim=1)
    return torch.where(chosen, apart, torch.cat([shares, nothing, nothing], dim=1))


def exchanged(parts: list[Tensor], shares: Tensor, probability: float) -> tuple[Tensor, Tensor]:
    """FeatEx: some clips keep their first branch's embedding, each other branch's comes from another clip of the batch.

    Shape: embeddings (batch, dim) of each branch and shares of classes (batch, classes) -> (batch, branches x dim) and shares
    (batch, (1 + branches) x classes) of "left alone" and of each branch.
    """
    count, device = len(shares), shares.device
    chosen = torch.rand(count, 1, device=device) < probability
    sources = [torch.arange(count, device=device), *(torch.randperm(count, device=device) for _ in parts[1:])]
    embeddings = [torch.where(chosen, part[source], part) for part, source in zip(parts, sources, strict=True)]
    nothing = torch.zeros_like(shares)
    apart = torch.cat([nothing, *(shares[source] / len(parts) for source in sources)], dim=1)
    whole = torch.cat([shares, *(nothing for _ in parts)], dim=1)
    return torch.cat(embeddings, dim=1), torch.where(chosen, apart, whole)


def build(config: Config, shape: InputShape, classes: int) -> MultiResolutionCNN:
    """Raises: AsdzooError when clips are too short or keep their length, FeatEx has nothing to exchange, or StatEx no loss."""
    if shape.samples is None:
        raise AsdzooError("multi_resolution_cnn needs clips of one length", "set input.seconds to a number, such as 10.0")
    longest = max(config.windows)
    if shape.samples < 3 * longest:
        raise AsdzooError(
            f"{shape.samples / shape.sample_rate:g} s is too short for a window of {longest} samples, which needs 5 frames",
            f"set input.seconds to {3 * longest / shape.sample_rate:g} or more, or leave it out of model.windows",
        )
    if config.featex is not None and config.spectrum + len(config.windows) < 2:
        raise AsdzooError("FeatEx exchanges branches, and there is one", "set model.featex=null, or name more windows")
    if config.statex is not None and config.statex.loss is None and config.featex is None:
        raise AsdzooError(
            "nothing learns the classes of StatEx: it has no loss, and there is no FeatEx",
            "leave model.statex.loss out, or model.featex in",
        )
    return MultiResolutionCNN(config, shape.samples, classes)
