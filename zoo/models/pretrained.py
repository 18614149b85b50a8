"""A pretrained encoder, any of `zoo/encoders/`, tuned by a plan: what is trained beside its weights, and what of it is saved.

waves -> features -> SpecAugment -> encoder with adapters -> layers -> pooling -> projection -> embedding -> ArcFace

Sources: [T24 2.3-2.4], [LoRA]; the sum of layers is that of Han et al. (zoo/layers/layer_sum.py). With `embedding` detectors
are given the encoder's tokens themselves, pooled band by band, and not what the loss sees. Without a loss (`loss: null`) a
frozen encoder is used as it is, and nothing is trained.

Only what training changes is saved, with the checksum of the frozen weights: adapters fit no other base.
"""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from pydantic import Field, NonNegativeInt, PositiveInt, field_validator, model_validator
from torch import Tensor, nn

from zoo import losses, registry
from zoo.checkpoints.reading import filled
from zoo.config import Frozen, parse
from zoo.encoders._base import Encoder
from zoo.errors import AsdzooError
from zoo.features.augment import SpecAugment
from zoo.layers.band_pooling import BandPooling, BandPoolingConfig
from zoo.layers.layer_sum import Layers, LayerSum
from zoo.layers.lora import Tuning, add_adapters, layer_numbers, numbers, ranks
from zoo.layers.pooling import PoolingName, pooling
from zoo.losses import OptionalLossBlock, arcface
from zoo.metadata import Words
from zoo.models._segments import OverSegments, SegmentsConfig
from zoo.models._tuned import PretrainedNetwork
from zoo.networks import InputShape

METADATA = Words()  # its encoder has the words


class AugmentConfig(Frozen):
    """SpecAugment, in training."""

    frequency: NonNegativeInt = 80  # mel bins, the widest mask [T24 2.3]
    time: NonNegativeInt = 80  # frames, the widest mask [T24 2.3]


class EmbeddingConfig(BandPoolingConfig):
    """What detectors are given of the encoder's tokens; a part for each layer and band."""

    layers: str | None = None  # of the encoder, from 1, "9-12"; None: what model.layers says

    _readable = field_validator("layers", mode="before")(layer_numbers)


class Config(Frozen):
    """The system's model."""

    encoder: str  # a name of zoo/encoders/
    weights: str | None = None  # a name of `asdzoo weights list`, or the path of an official checkpoint
    init: Literal["checkpoint", "random"] = "checkpoint"  # random: for tests; marks the run as untrained
    sizes: dict[str, Any] = Field(default_factory=dict)  # of the encoder; what a checkpoint tells of them need not be said
    tuning: Tuning = Tuning()
    layers: Layers = "last"  # whose tokens are pooled: last, [4, 8] (their mean), or weighted (a learned sum of all)
    pooling: PoolingName = "mean"
    segments: SegmentsConfig | None = None  # transformer pooling over segments of a recording; None: it is heard at once
    projection: PositiveInt | None = None  # embedding size after a linear map without bias; None: what pooling gives
    embedding: EmbeddingConfig | None = None  # what detectors are given; None: what the loss sees
    augment: AugmentConfig = AugmentConfig()  # of an encoder that hears spectra; waves are not masked
    loss: OptionalLossBlock = arcface.Config()  # None: of a frozen encoder that is used as it is
    checkpointing: bool = False  # compute activations twice instead of keeping them: less memory, a third slower
    kernel: bool = False  # on CUDA, gated position biases inside the attention kernel; not measured yet  # open

    @model_validator(mode="before")
    @classmethod
    def _waves_are_not_masked(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and isinstance(name := values.get("encoder"), str) and not _kind(name).spectral:
            return {"augment": _NO_MASKS, **values}
        return values

    @model_validator(mode="after")
    def _the_encoder_agrees(self) -> "Config":
        kind = _kind(self.encoder)
        parse(kind.sizes, self.sizes, "sizes")
        if self.kernel and not kind.gated_kernel:
            raise ValueError(f"kernel: {self.encoder} has no gated position bias that a kernel computes; leave it out")
        if not kind.spectral and self.augment != _NO_MASKS:
            raise AsdzooError(
                f"augment masks spectra, and {self.encoder} hears waves",
                "leave it out; over a base, --set 'model.augment={frequency: 0, time: 0}'",
            )
        if self.loss is None and (
            self.tuning.mode != "frozen" or self.projection is not None or self.pooling == "attentive_statistics"
        ):
            raise ValueError(
                "loss is null, so nothing can be trained: "
                "set tuning.mode to frozen, and leave out projection and attentive pooling"
            )
        if self.segments is not None and (self.loss is None or self.embedding is not None):
            raise ValueError("segments are joined by a transformer that is trained: say a loss, and leave out embedding")
        if self.loss is None and self.layers == "weighted":
            raise ValueError("weights of layers are learned, and loss is null: set layers to last, or list some")
        return self


_NO_MASKS = AugmentConfig(frequency=0, time=0)


def needs_training(config: Config) -> bool:
    """A frozen encoder without a loss is used as it is."""
    return config.loss is not None


def build(config: Config, shape: InputShape, classes: int) -> PretrainedNetwork:
    """Encoder, pooling, head and the adapters of the plan; with `segments`, a transformer over such networks' embeddings.

    Raises: AsdzooError when the weights are missing or do not fit, or the plan names what is not there.
    """
    if config.segments is None or config.loss is None:
        return Pretrained(config, shape, classes)
    samples = round(config.segments.seconds * shape.sample_rate)
    segment = Pretrained(config, InputShape(shape.sample_rate, samples), classes)
    return OverSegments(config.segments, segment, losses.build(config.loss, segment.dim, classes), shape.sample_rate)


def _kind(name: str) -> type[Encoder]:
    kind: type[Encoder] = registry.module("encoder", name).ENCODER
    return kind


def _encoder(config: Config) -> Encoder:
    kind = _kind(config.encoder)
    if config.init == "random":
        return kind(parse(kind.sizes, config.sizes, "sizes"))
    return filled(kind, config.encoder, config.weights, config.sizes)


class Pretrained(PretrainedNetwork):
    """One encoder, tuned by a plan, with pooling and an ArcFace head."""

    def __init__(self, config: Config, shape: InputShape, classes: int) -> None:
        super().__init__()
        kind = _kind(config.encoder)
        if shape.sample_rate != kind.sample_rate:
            raise AsdzooError(
                f"{config.encoder} hears {kind.sample_rate} Hz, the input has {shape.sample_rate}",
                f"set input.sample_rate={kind.sample_rate}",
            )
        self.untrained = config.init == "random"
        self.encoder_name, self.encoder = config.encoder, _encoder(config)
        encoder = self.encoder
        if config.tuning.mode == "lora":
            adapted = ranks(config.tuning, encoder.layer_list, encoder.layers(), encoder.matrices)
            add_adapters(encoder, config.tuning, adapted)
        else:
            encoder.requires_grad_(config.tuning.mode == "full")
        encoder.checkpointing, encoder.kernel = config.checkpointing, config.kernel
        self.layer_sum = None if config.layers == "last" else LayerSum(config.layers, encoder.layers() + 1)
        only_front = config.pooling == "class_token" and config.embedding is None
        encoder.outputs = encoder.layout.front if only_front else None
        self.same_length = shape.samples is not None
        self.augment = SpecAugment(config.augment.frequency, config.augment.time) if encoder.spectral else nn.Identity()
        self.pooling = pooling(config.pooling, encoder.width, encoder.layout)
        self.dim = dim = config.projection or self.pooling.dim
        self.projection = nn.Linear(self.pooling.dim, dim, bias=False) if config.projection else nn.Identity()
        self.head = None if config.loss is None else losses.build(config.loss, dim, classes)
        self.band_pooling: BandPooling | None = None
        if config.embedding is not None:
            self.band_pooling = BandPooling(config.embedding, encoder.layout)
            self.layers = self._layers(config.embedding.layers)
            self.parts, self.dim = max(1, len(self.layers)) * self.band_pooling.parts, encoder.width

    def _layers(self, ranges: str | None) -> list[int]:
        """The layers whose tokens are given to detectors; none in the list means what `model.layers` says."""
        wanted = [] if ranges is None else numbers(ranges)
        if beyond := [layer for layer in wanted if not 1 <= layer <= self.encoder.layers()]:
            raise AsdzooError(
                f"model.embedding.layers names layer {beyond[0]}, the encoder has {self.encoder.layers()}",
                f"layers count from 1 to {self.encoder.layers()}",
            )
        return wanted

    def forward(self, waves: Tensor, lengths: Tensor | None = None) -> Tensor:
        """What detectors are given: (batch, dim), or (batch, layers x bands, width) with `embedding`."""
        if self.band_pooling is None:
            return self.embed(waves, lengths)
        features, padding = self._heard(waves, lengths)
        states = self.encoder.hidden_states(features, padding) if self.layers else [self._tokens(features, padding)]
        chosen = [states[layer] for layer in self.layers] or states
        return torch.cat([self.band_pooling(tokens, padding) for tokens in chosen], dim=1)

    def embed(self, waves: Tensor, lengths: Tensor | None = None) -> Tensor:
        """What the loss sees, (batch, projection)."""
        features, padding = self._heard(waves, lengths)
        embeddings: Tensor = self.projection(self.pooling(self._tokens(features, padding), padding))
        return embeddings.float()

    def _tokens(self, features: Tensor, padding: Tensor | None) -> Tensor:
        if self.layer_sum is None:
            last: Tensor = self.encoder(features, padding)
            return last
        summed: Tensor = self.layer_sum(self.encoder.hidden_states(features, padding))
        return summed

    def _heard(self, waves: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        with torch.no_grad():
            features, padding = self.encoder.features(waves, None if self.same_length else lengths)
        return self.augment(features), padding

    def losses(self, waves: Tensor, labels: Tensor, lengths: Tensor | None = None) -> dict[str, Tensor]:
        return {"arcface": self.loss_of(self.embed(waves, lengths), labels)}

    def loss_of(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The head's loss on what `embed` gave."""
        if self.head is None:
            raise TypeError("a network without a loss is not trained")
        loss: Tensor = self.head(embeddings, labels)
        return loss
