"""What an encoder promises, and what several of them need."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import torch
from pydantic import PositiveInt, model_validator
from torch import Tensor, nn

from zoo.checkpoints.reading import Loadable
from zoo.config import Frozen
from zoo.layers.pooling import Layout


class Encoder(Loadable):
    """A pretrained audio transformer.

    waves -> `features` (no gradients) -> augmentation in training -> `forward` or `hidden_states` -> tokens

    Shape: waves (batch, samples), float32 in [-1, 1] at `sample_rate`, zero beyond a clip's end -> tokens (batch, tokens,
    width), placed in time and frequency as `layout` says. A clip has the same tokens in every batch; those of padding mean
    nothing.
    """

    sample_rate: ClassVar[int] = 16000  # Hz
    spectral: ClassVar[bool] = True  # features are (batch, frames, bins), which SpecAugment may mask; False: waves
    layout: Layout = Layout()
    layer_list: ClassVar[str]  # name of the module list of layers
    matrices: ClassVar[Mapping[str, str]]  # short name of what can be adapted -> module inside a layer
    tiny: ClassVar[Mapping[str, Any]]  # sizes small enough for a test
    width: int
    checkpointing: bool = False  # set by the network: compute activations twice instead of keeping them
    gated_kernel: ClassVar[bool] = False  # whether `kernel` means something
    kernel: bool = False  # set by the network: gated position biases inside the attention kernel (`zoo.layers.gated_attention`)
    outputs: int | None = None  # set by the network: so many first tokens of the last layer are wanted; None: all

    @abstractmethod
    def features(self, waves: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """What the first layer hears, (batch, frames, bins) or what its own `forward` takes, and the padding of its tokens.

        `lengths` are valid samples of each clip, int64 (batch,); None: all. Padding is bool (batch, tokens), True where a token
        is none; None without `lengths`. A clip too short for one token is repeated.
        """

    @abstractmethod
    def forward(self, features: Tensor, padding: Tensor | None = None) -> Tensor:
        """Features to the last layer's tokens (batch, tokens, width); it may leave out those after the first `outputs`."""

    @abstractmethod
    def hidden_states(self, features: Tensor, padding: Tensor | None = None) -> list[Tensor]:
        """The input of the first layer and the output of every layer, each (batch, tokens, width)."""

    def by_layer(self, tokens: Tensor) -> Tensor:
        """Tokens of `hidden_states`, or their padding, placed as the layers have them: by default as they are."""
        return tokens

    def layers(self) -> int:
        """Number of layers."""
        return len(list(self.get_submodule(self.layer_list).children()))


class HeadSizes(Frozen):
    """Sizes of an encoder whose tensors do not tell its number of heads."""

    width: PositiveInt
    heads: PositiveInt | None = None  # None: as many as are 64 wide

    @property
    def attention_heads(self) -> int:
        """Number of heads, said or not."""
        return self.heads or max(1, self.width // 64)

    @model_validator(mode="after")
    def _whole_heads(self) -> Self:
        require_multiple("width", self.width, "heads", self.attention_heads)
        return self


def require_multiple(name: str, value: int, of: str, divisor: int) -> None:
    """Raises: ValueError, which a validator of sizes makes a sentence of, when `value` is no multiple."""
    if value % divisor:
        raise ValueError(f"{name} {value} is no multiple of {divisor} ({of})")


def at_least(waves: Tensor, lengths: Tensor | None, samples: int) -> tuple[Tensor, Tensor | None]:
    """The batch with clips that are shorter than `samples` repeated until they have as many; others are left as they are."""
    batch, width = waves.shape
    if lengths is None:
        if width >= samples:
            return waves, None
        return waves.repeat(1, -(-samples // max(width, 1)))[:, :samples], None
    head = torch.arange(samples, device=waves.device).expand(batch, -1)
    repeated = waves.gather(1, (head % lengths.clamp_min(1)[:, None]).clamp_max(width - 1))
    front = torch.where(
        (lengths < samples)[:, None], repeated, nn.functional.pad(waves[:, :samples], (0, max(0, samples - width)))
    )
    return torch.cat([front, waves[:, samples:]], dim=1), lengths.clamp_min(samples)


def centred(waves: Tensor, lengths: Tensor | None) -> Tensor:
    """The batch with every clip minus its mean; what is beyond a clip's end is no longer zero."""
    if lengths is None:
        return waves - waves.mean(1, keepdim=True)
    inside = torch.arange(waves.shape[1], device=waves.device) < lengths[:, None]
    return waves - (waves * inside).sum(1, keepdim=True) / lengths[:, None]
