"""What the pretrained systems share: an encoder with frozen weights, what is trained beside it, and what of it is saved.

waves -> fbank -> SpecAugment -> encoder with adapters -> pooling -> projection -> embedding -> ArcFace

Only what training changes is saved, with the checksum of the frozen weights: adapters fit no other base.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal

import torch
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor, nn

from zoo import losses
from zoo.checkpoints import reading as weights
from zoo.config import Frozen
from zoo.errors import AsdzooError, listed
from zoo.features.augment import SpecAugment
from zoo.layers.lora import Tuning, add_adapters, ranks
from zoo.layers.pooling import PoolingName, pooling
from zoo.losses import LossBlock, arcface
from zoo.networks import InputShape, Network

_CHECKSUM = "base_sha256"
_ADAPTER = ".default"  # peft's name of the only adapter, left out of saved names


class AugmentConfig(Frozen):
    """SpecAugment, in training."""

    frequency: NonNegativeInt = 80  # mel bins, the widest mask [T24 2.3]
    time: NonNegativeInt = 80  # frames, the widest mask [T24 2.3]


class PretrainedConfig(Frozen):
    """What the systems with one pretrained encoder have in common; the encoder's sizes are added by its module."""

    weights: str | None = None  # a name of `asdzoo weights list`, or the path of an official checkpoint
    init: Literal["checkpoint", "random"] = "checkpoint"  # random: for tests; marks the run as untrained
    tuning: Tuning = Tuning()
    pooling: PoolingName = "mean"
    projection: PositiveInt | None = None  # embedding size after a linear map without bias; None: what pooling gives
    augment: AugmentConfig = AugmentConfig()
    loss: LossBlock = arcface.Config()
    checkpointing: bool = False  # compute activations twice instead of keeping them: less memory, a third slower


class Encoder(nn.Module, ABC):
    """A pretrained audio transformer; parameters carry the names of its official checkpoints."""

    kind: ClassVar[str]  # of checkpoints that fit
    sample_rate: ClassVar[int] = 16000  # Hz
    class_token: ClassVar[bool] = False  # the first token stands for the clip
    layer_list: ClassVar[str]  # name of the module list of layers
    matrices: ClassVar[Mapping[str, str]]  # short name of what can be adapted -> module inside a layer
    width: int
    checkpointing: bool = False
    outputs: int | None = None  # so many first tokens of the last layer are wanted; None: all

    @abstractmethod
    def fbank(self, waves: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Waves (batch, samples) to normalised features (batch, frames, mels) and the padding of their tokens, or None."""

    @abstractmethod
    def forward(self, fbank: Tensor, padding: Tensor | None = None) -> Tensor:
        """Features to the last layer's tokens (batch, tokens, width); it may leave out those after the first `outputs`."""

    @abstractmethod
    def hidden_states(self, fbank: Tensor, padding: Tensor | None = None) -> list[Tensor]:
        """The input of the first layer and the output of every layer, each (batch, tokens, width)."""

    @abstractmethod
    def settings(self) -> dict[str, object]:
        """What a checkpoint's own configuration has to say beyond the shapes of its tensors, where it says anything."""

    def layers(self) -> int:
        """Number of layers."""
        return len(list(self.get_submodule(self.layer_list).children()))


class PretrainedNetwork(Network):
    """A network with one or more encoders whose frozen weights are not saved."""

    _checksum: bytes | None = None

    def frozen(self) -> Iterator[tuple[str, Tensor]]:
        """Names and tensors of the base: what of the encoders training does not change."""
        encoders = tuple(f"{name}." for name, module in self.named_modules() if isinstance(module, Encoder))
        trained = {name for name, parameter in self.named_parameters() if parameter.requires_grad}
        for name, value in self.state_dict().items():
            if name not in trained and name.startswith(encoders):
                yield name, value

    def base_checksum(self) -> bytes:
        """SHA-256 of the frozen weights, the same for every tuning plan that freezes them all."""
        digest = hashlib.sha256()
        for name, value in sorted((name.replace(".base_layer", ""), value) for name, value in self.frozen()):
            digest.update(name.encode())
            digest.update(value.detach().cpu().reshape(-1).view(torch.uint8).numpy().data)
        return digest.digest()

    def trained_state(self) -> dict[str, Tensor]:
        base = {name for name, _ in self.frozen()}
        state = {name.replace(_ADAPTER, ""): value for name, value in self.state_dict().items() if name not in base}
        if base:
            if self._checksum is None:
                self._checksum = self.base_checksum()  # once: it is some hundred megabytes, and frozen
            state[_CHECKSUM] = torch.tensor(list(self._checksum), dtype=torch.uint8)
        return state

    def load_trained_state(self, state: dict[str, Tensor]) -> None:
        own = self.trained_state()
        if _CHECKSUM in own and _CHECKSUM in state and not torch.equal(own[_CHECKSUM], state[_CHECKSUM].cpu()):
            raise AsdzooError(
                f"this was trained on another base: the encoder's weights have checksum {_shown(own)}, it was {_shown(state)}",
                "give the checkpoint it was trained with in model.weights, or train again",
            )
        if different := sorted(own.keys() ^ state.keys()):
            raise AsdzooError(f"the saved state does not fit the network: {listed(different)}", "was model.tuning changed?")
        if different := [name for name in own if own[name].shape != state[name].shape]:
            raise AsdzooError(f"other shapes in the saved state: {listed(different)}", "was model.tuning changed?")
        with torch.no_grad():
            for name, value in self.state_dict().items():
                if (short := name.replace(_ADAPTER, "")) in state and short in own:
                    value.copy_(state[short])


def _shown(state: Mapping[str, Tensor]) -> str:
    return bytes(state[_CHECKSUM].tolist()).hex()[:12]


class Branch(PretrainedNetwork):
    """One encoder, tuned by a plan, with pooling and an ArcFace head.

    Raises: AsdzooError when the weights are missing or do not fit, or the plan names what is not there.
    """

    def __init__(self, encoder: Encoder, config: PretrainedConfig, shape: InputShape, classes: int) -> None:
        super().__init__()
        if shape.sample_rate != encoder.sample_rate:
            raise AsdzooError(
                f"{encoder.kind} hears {encoder.sample_rate} Hz, the input has {shape.sample_rate}",
                f"set input.sample_rate={encoder.sample_rate}",
            )
        self.untrained = config.init == "random"
        if not self.untrained:
            weights.load(encoder, config.weights)
        if config.tuning.mode == "lora":
            adapted = ranks(config.tuning, encoder.layer_list, encoder.layers(), encoder.matrices)
            add_adapters(encoder, config.tuning, adapted)
        else:
            encoder.requires_grad_(config.tuning.mode == "full")
        encoder.checkpointing = config.checkpointing
        encoder.outputs = 1 if config.pooling == "class_token" else None
        self.same_length = shape.samples is not None
        self.encoder = encoder
        self.augment = SpecAugment(config.augment.frequency, config.augment.time)
        self.pooling = pooling(config.pooling, encoder.width, encoder.class_token)
        self.dim = config.projection or self.pooling.dim
        self.projection = nn.Linear(self.pooling.dim, self.dim, bias=False) if config.projection else nn.Identity()
        self.head = losses.build(config.loss, self.dim, classes)

    def forward(self, waves: Tensor, lengths: Tensor | None = None) -> Tensor:
        with torch.no_grad():
            fbank, padding = self.encoder.fbank(waves, None if self.same_length else lengths)
        tokens = self.encoder(self.augment(fbank), padding)
        embeddings: Tensor = self.projection(self.pooling(tokens, padding))
        return embeddings.float()

    def losses(self, waves: Tensor, labels: Tensor, lengths: Tensor | None = None) -> dict[str, Tensor]:
        return {"arcface": self.head(self(waves, lengths), labels)}


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
