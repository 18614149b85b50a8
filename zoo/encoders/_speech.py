"""What wav2vec 2.0, HuBERT, UniSpeech-SAT and WavLM share: waves, seven convolutions, a transformer.

The networks are those of the package `transformers`, under the names of the official files. They are run here layer by layer,
because three things are asked of an encoder that the package's own `forward` does not do:

batches    In base models the first convolution is normalised over the whole clip, zeros of padding with it. Here only a clip's
           own frames count, so that it has the same tokens in every batch.
states     The last state of a pre-norm model (large ones) has the final LayerNorm here, those before it have none: as with
           hidden_states of `transformers` 4, with which published weighted sums were made. Those of version 5 leave the norm
           out; there the last state with it is called last_hidden_state.
positions  Frozen ones are applied by FFT (zoo/layers/position_conv.py).

Alone and without padding the numbers are those of `transformers`. Layer drop and masks of pretraining are off.

No tensor tells whether layers are pre-norm, how many heads there are, and whether waves are normalised: config.json and
preprocessor_config.json beside the file do.

Sources: Baevski et al., wav2vec 2.0, NeurIPS 2020; Hsu et al., HuBERT, 2021; Chen et al., UniSpeech-SAT, ICASSP 2022; Chen et
al., WavLM, 2022.
"""

from typing import Any, ClassVar, Literal

import torch
from pydantic import NonNegativeFloat, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from zoo.checkpoints.reading import Checkpoint, Content, beside, renamed
from zoo.encoders._base import Encoder, HeadSizes, at_least, require_multiple
from zoo.layers.position_conv import PositionConv

KERNELS = (10, 3, 3, 3, 3, 2, 2)
STRIDES = (5, 2, 2, 2, 2, 2, 2)  # samples of a token: 320
FIELD = 400  # samples that a token hears
_MARK = "feature_extractor.conv_layers.0.conv.weight"
_POSITIONS = "encoder.pos_conv_embed.conv."
_NEWER = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}


class Sizes(HeadSizes):
    """Sizes; the defaults are those of base models."""

    layers: PositiveInt = 12
    width: PositiveInt = 768
    hidden: PositiveInt = 3072  # of the feed-forward part
    channels: PositiveInt = 512  # of the convolutions
    conv_norm: Literal["group", "layer"] = "group"  # group: the first convolution only, over the clip; layer: every one
    conv_bias: bool = False
    pre_norm: bool = False  # large models: True
    normalize: bool = True  # each clip to mean 0 and variance 1
    position_kernel: PositiveInt = 128  # tokens
    position_groups: PositiveInt = 16
    dropout: NonNegativeFloat = 0.0  # in training, in every place where the models have one

    @model_validator(mode="after")
    def _fit(self) -> "Sizes":
        require_multiple("width", self.width, "position_groups", self.position_groups)
        return self

    def for_transformers(self) -> dict[str, Any]:
        """As the configurations of the package call them."""
        dropouts = ("hidden_dropout", "activation_dropout", "attention_dropout", "feat_proj_dropout")
        return {
            "num_hidden_layers": self.layers,
            "hidden_size": self.width,
            "num_attention_heads": self.attention_heads,
            "intermediate_size": self.hidden,
            "conv_dim": (self.channels,) * len(KERNELS),
            "conv_kernel": KERNELS,
            "conv_stride": STRIDES,
            "conv_bias": self.conv_bias,
            "feat_extract_norm": self.conv_norm,
            "do_stable_layer_norm": self.pre_norm,
            "num_conv_pos_embeddings": self.position_kernel,
            "num_conv_pos_embedding_groups": self.position_groups,
            "layerdrop": 0.0,
            "attn_implementation": "sdpa",
            **dict.fromkeys(dropouts, self.dropout),
        }


TINY = {
    "layers": 2,
    "width": 32,
    "heads": 2,
    "hidden": 64,
    "channels": 16,
    "pre_norm": False,
    "normalize": True,
    "position_kernel": 16,
    "position_groups": 4,
}


def tokens_of(samples: Tensor) -> Tensor:
    """How many tokens clips of so many samples have, int64."""
    for kernel, stride in zip(KERNELS, STRIDES, strict=True):
        samples = (samples - kernel) // stride + 1
    return samples


class Speech(Encoder):
    """Waves to tokens of 20 ms: features (batch, samples) -> (batch, tokens, width).

    With `lengths`, features are (batch, 2, samples): waves, and 1 where there is a sample of the clip and 0 beyond its end.
    """

    spectral = False
    sizes: ClassVar[type[Sizes]] = Sizes
    layer_list = "encoder.layers"
    matrices: ClassVar = {name: f"attention.{name}_proj" for name in ("q", "k", "v", "out")} | {
        "fc1": "feed_forward.intermediate_dense",
        "fc2": "feed_forward.output_dense",
    }
    tiny: ClassVar = TINY
    must_tell: ClassVar = {"pre_norm": "config.json", "heads": "config.json", "normalize": "preprocessor_config.json"}
    ignorable = (
        "masked_spec_embed",  # stands for what pretraining hides
        "quantizer.",
        "project_hid.",
        "project_q.",
        "project.",
        "dropout_features.",
        "speaker_proj.",
        "label_embeddings_concat",
        "lm_head.",  # of fine-tuned files
        "adapter.",
        "projector.",
        "classifier.",
        "layer_weights",
    )
    in_transformers: ClassVar[str]  # its class there, without Model and Config
    prefix: ClassVar[str]  # of files with a head, and the model_type of config.json: underscores for hyphens

    def __init__(self, config: Sizes) -> None:
        import transformers

        super().__init__()
        self.width, self.normalize, self.pre_norm = config.width, config.normalize, config.pre_norm
        settings = getattr(transformers, f"{self.in_transformers}Config")(**config.for_transformers())
        model = getattr(transformers, f"{self.in_transformers}Model")(settings)
        self.feature_extractor: nn.Module = model.feature_extractor
        self.feature_projection: nn.Module = model.feature_projection
        self.encoder: nn.Module = model.encoder
        positions = PositionConv(config.width, config.position_kernel, config.position_groups)
        self.encoder.pos_conv_embed = nn.ModuleDict({"conv": positions})

    @classmethod
    def claim(cls, content: Content) -> dict[str, Any] | None:
        names = renamed(content, _MARK, (f"{cls.prefix}.", ""))
        said = beside(content.path, "config.json").get("model_type")
        if names is None or (isinstance(said, str) and said.replace("-", "_") != cls.prefix):
            return None
        if any(name.endswith(".gru_rel_pos_const") for name in names) != (cls.prefix == "wavlm"):
            return None
        return {_name(name): value for name, value in names.items()}

    @classmethod
    def told(cls, checkpoint: Checkpoint) -> dict[str, Any]:
        tensors = checkpoint.tensors
        width, inputs, taps = tensors[f"{_POSITIONS}weight_v"].shape
        said = {
            "layers": sum(name.endswith(".feed_forward.output_dense.weight") for name in tensors),
            "width": width,
            "hidden": len(tensors["encoder.layers.0.feed_forward.intermediate_dense.weight"]),
            "channels": len(tensors[_MARK]),
            "conv_norm": "layer" if "feature_extractor.conv_layers.1.layer_norm.weight" in tensors else "group",
            "conv_bias": "feature_extractor.conv_layers.0.conv.bias" in tensors,
            "position_kernel": taps,
            "position_groups": width // inputs,
        }
        settings = beside(checkpoint.path, "config.json")
        waves = beside(checkpoint.path, "preprocessor_config.json")
        keys = {"pre_norm": (settings, "do_stable_layer_norm"), "heads": (settings, "num_attention_heads")}
        keys["normalize"] = (waves, "do_normalize")
        return said | {field: found[key] for field, (found, key) in keys.items() if key in found}

    def features(self, waves: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Waves, normalised where the checkpoint wants it: (batch, samples) or (batch, 2, samples), and padding."""
        waves, lengths = at_least(waves, lengths, FIELD)
        if lengths is None:
            return (_normalised(waves, torch.ones_like(waves)) if self.normalize else waves), None
        inside = (torch.arange(waves.shape[1], device=waves.device) < lengths[:, None]).to(waves.dtype)
        waves = (_normalised(waves, inside) if self.normalize else waves) * inside
        tokens = tokens_of(torch.tensor(waves.shape[1]))
        beyond = torch.arange(int(tokens), device=waves.device) >= tokens_of(lengths)[:, None]
        return torch.stack([waves, inside], dim=1), beyond

    def embed(self, features: Tensor, padding: Tensor | None) -> Tensor:
        """Tokens with positions, as the first layer has them: (batch, tokens, width)."""
        waves, inside = (features, None) if features.ndim == 2 else features.unbind(1)
        x = waves[:, None]
        for number, layer in enumerate(self.feature_extractor.get_submodule("conv_layers").children()):
            if number == 0 and inside is not None and isinstance(norm := layer.get_submodule("layer_norm"), nn.GroupNorm):
                x = F.gelu(_group_norm(layer.get_submodule("conv")(x), inside, norm))
            else:
                x = layer(x)
        x = self.project(x.transpose(1, 2))
        if padding is not None:
            x = x.masked_fill(padding[:, :, None], 0.0)
        x = x + F.gelu(self.encoder.get_submodule("pos_conv_embed.conv")(x))
        x = x if self.pre_norm else self.encoder.get_submodule("layer_norm")(x)
        dropped: Tensor = self.encoder.get_submodule("dropout")(x)
        return dropped

    def project(self, x: Tensor) -> Tensor:
        """Outputs of the convolutions to the width of layers; some models of the package give what they normalised as well."""
        projected = self.feature_projection(x)
        tokens: Tensor = projected[0] if isinstance(projected, tuple) else projected
        return tokens

    def bias(self, x: Tensor) -> Tensor | None:
        """What all layers are given beside tokens x and padding; None: nothing."""
        return None

    def layer(self, number: int, x: Tensor, padding: Tensor | None, bias: Tensor | None) -> Tensor:
        """Tokens after the layer `number`, from 0."""
        visible = None if padding is None else ~padding[:, None, None, :]
        y: Tensor = self.encoder.get_submodule(f"layers.{number}")(x, attention_mask=visible)
        return y

    def hidden_states(self, features: Tensor, padding: Tensor | None = None) -> list[Tensor]:
        return self._run(features, padding, every=True)

    def forward(self, features: Tensor, padding: Tensor | None = None) -> Tensor:
        return self._run(features, padding, every=False)[-1]

    def _run(self, features: Tensor, padding: Tensor | None, every: bool) -> list[Tensor]:
        x = self.embed(features, padding)
        bias = self.bias(x)
        states = [x]
        for number in range(self.layers()):
            if self.checkpointing and torch.is_grad_enabled():
                x = checkpoint(self.layer, number, x, padding, bias, use_reentrant=False)
            else:
                x = self.layer(number, x, padding, bias)
            states = [*states, x] if every else [x]
        if self.pre_norm:
            states[-1] = self.encoder.get_submodule("layer_norm")(states[-1])
        return states


def _name(name: str) -> str:
    """A name as files of transformers 4 have it."""
    head, positions, tail = name.partition(_POSITIONS)
    return f"{_POSITIONS}{_NEWER.get(tail, tail)}" if positions and not head else name


def _normalised(waves: Tensor, inside: Tensor) -> Tensor:
    """Clips with mean 0 and variance 1 over their own samples, as the feature extractor of the package makes them."""
    count = inside.sum(1, keepdim=True)
    centred = waves - (waves * inside).sum(1, keepdim=True) / count
    return centred / ((centred.square() * inside).sum(1, keepdim=True) / count + 1e-7).sqrt()


def _group_norm(x: Tensor, inside: Tensor, norm: nn.GroupNorm) -> Tensor:
    """Each channel normalised over a clip's own frames: x (batch, channels, frames), inside (batch, samples)."""
    frames = (inside.sum(1) - KERNELS[0]) // STRIDES[0] + 1
    own = (torch.arange(x.shape[2], device=x.device) < frames[:, None])[:, None]
    count = frames[:, None, None]
    x = x.float()
    centred = x - (x * own).sum(2, keepdim=True) / count
    variance = (centred.square() * own).sum(2, keepdim=True) / count
    normed = centred * (variance + norm.eps).rsqrt()
    return normed * norm.weight[:, None] + norm.bias[:, None]
