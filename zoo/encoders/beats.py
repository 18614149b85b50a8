"""BEATs, an audio transformer pretrained with acoustic tokenizers.

Source: Chen et al., BEATs: Audio Pre-Training with Acoustic Tokenizers, arXiv 2212.09058. Modules and
parameters carry the names of the official checkpoints, and for the same weights and the same patches the numbers are those of
the public code. Two things differ:

padding   The public code maps padded samples to padded patches by reshaping, which cuts through columns of patches. Here a
          column of 16 frames counts when all 16 lie inside the clip, so that a clip has the same embedding in every batch.
short     The public code fails on clips shorter than one patch (2800 samples); here they are repeated until they fill one.

Files are torch files {"cfg": ..., "model": ...}; fine-tuned ones have a predictor. OpenBEATs is the same, from ESPnet also a
bare state dict with the prefix `encoder.`.
"""

import re
from typing import Any, ClassVar

import torch
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from zoo.checkpoints.reading import Checkpoint, Content, renamed
from zoo.config import Frozen
from zoo.encoders._base import Encoder, at_least, require_multiple
from zoo.errors import AsdzooError
from zoo.features.fbank import KaldiFbank
from zoo.layers.gated_bias import attention, kernel_serves, shared_bias
from zoo.layers.pooling import Layout
from zoo.layers.position_conv import PositionConv
from zoo.layers.relative_positions import buckets
from zoo.metadata import AUDIOSET, Words

METADATA = Words(("log-mel energies",), ("BEATs",), ("transformer",), AUDIOSET)
PATCH = 16  # frames, and mel bins
MELS = 128
_TABLE = "encoder.layers.0.self_attn.relative_attention_bias.weight"
_SHARED_TABLE = re.compile(r"encoder\.layers\.(?!0\.)\d+\.self_attn\.relative_attention_bias\.weight")


class Sizes(Frozen):
    """Sizes; the defaults are those of all official checkpoints."""

    layers: PositiveInt = 12
    width: PositiveInt = 768
    heads: PositiveInt = 12
    hidden: PositiveInt = 3072  # of the feed-forward part
    patch_width: PositiveInt = 512
    position_kernel: PositiveInt = 128  # patches
    position_groups: PositiveInt = 16
    buckets: PositiveInt = 320  # of relative positions
    max_distance: PositiveInt = 800  # patches; farther ones share the last bucket
    fbank_mean: float = 15.41663  # what features are normalised by; no checkpoint says it, and training anew (ESPnet's
    fbank_deviation: PositiveFloat = 6.55582  # recipes for OpenBEATs) may have taken other statistics than BEATs did
    dropout: NonNegativeFloat = 0.0  # in training, after the positions and each half of a layer

    @model_validator(mode="after")
    def _fit(self) -> "Sizes":
        require_multiple("width", self.width, "heads", self.heads)
        require_multiple("width", self.width, "position_groups", self.position_groups)
        return self


class BEATs(Encoder):
    """Waves to patch embeddings.

    Shape: fbank (batch, frames, 128) -> (batch, patches, width); patches = frames // 16 * 8, frequency running fastest.
    `padding` is True where a patch is not to be looked at, bool (batch, patches); outputs there mean nothing.
    """

    sizes = Sizes
    layout = Layout(bands=MELS // PATCH)
    gated_kernel = True
    layer_list = "encoder.layers"
    matrices: ClassVar = {name: f"self_attn.{name}_proj" for name in ("q", "k", "v", "out")} | {"fc1": "fc1", "fc2": "fc2"}
    tiny: ClassVar = {
        "layers": 2,
        "width": 64,
        "heads": 2,
        "hidden": 128,
        "patch_width": 32,
        "position_kernel": 16,
        "position_groups": 4,
    }
    ignorable = (
        "predictor.",  # classifier of fine-tuned files
        "patch_embedding_pad.",  # OpenBEATs: constant kernels that map padding masks
        "raw2fbank_pad.",
        "decoder.",  # OpenBEATs, ESPnet's bare state dicts: what stands beside the encoder
        "classifier.",
    )

    def __init__(self, config: Sizes) -> None:
        super().__init__()
        self.width = config.width
        self.max_distance = config.max_distance
        self.fbank_mean, self.fbank_deviation = config.fbank_mean, config.fbank_deviation
        with torch.device("cpu"):  # also when the encoder is made on the meta device, to count or check
            self.front_end = KaldiFbank("povey", mels=MELS, sample_rate=self.sample_rate)
        self.patch_embedding = nn.Conv2d(1, config.patch_width, PATCH, PATCH, bias=False)
        self.layer_norm = nn.LayerNorm(config.patch_width)
        self.post_extract_proj: nn.Module = nn.Identity()
        if config.patch_width != config.width:
            self.post_extract_proj = nn.Linear(config.patch_width, config.width)
        self.encoder = _Transformer(config)

    @classmethod
    def claim(cls, content: Content) -> dict[str, Any] | None:
        names = renamed(content, "patch_embedding.weight", ("", "encoder."))
        if names is None:
            return None
        for name in [name for name in names if _SHARED_TABLE.fullmatch(name)]:  # one table, stored with every layer
            table, first = names.pop(name), names.get(_TABLE)
            if not (isinstance(table, Tensor) and isinstance(first, Tensor) and torch.equal(first, table)):
                raise AsdzooError(
                    f"{content.path}: {name} is not the first layer's", "only networks with one shared table are known"
                )
        return names

    @classmethod
    def told(cls, checkpoint: Checkpoint) -> dict[str, Any]:
        tensors = checkpoint.tensors
        width, inputs, taps = tensors["encoder.pos_conv.0.weight_v"].shape
        buckets, heads = tensors[_TABLE].shape
        said = {
            "layers": sum(name.endswith(".fc1.weight") for name in tensors),
            "width": width,
            "heads": heads,
            "hidden": len(tensors["encoder.layers.0.fc1.weight"]),
            "patch_width": len(tensors["patch_embedding.weight"]),
            "position_kernel": taps,
            "position_groups": width // inputs,
            "buckets": buckets,
        }
        distance = checkpoint.settings.get("max_distance")
        return said if distance is None else {**said, "max_distance": distance}

    def settings(self) -> dict[str, object]:
        return {
            "input_patch_size": PATCH,
            "conv_bias": False,
            "activation_fn": "gelu",
            "layer_norm_first": False,
            "deep_norm": True,
            "relative_position_embedding": True,
            "gru_rel_pos": True,
            "max_distance": self.max_distance,
        }

    def features(self, waves: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Normalised log mel energies and the padding of their patches: (batch, frames, 128), (batch, patches) or None."""
        waves, lengths = at_least(waves, lengths, self.front_end.length + (PATCH - 1) * self.front_end.hop)
        fbank = (self.front_end(waves * 2**15) - self.fbank_mean) / (2 * self.fbank_deviation)
        if lengths is None:
            return fbank, None
        columns = torch.arange(fbank.shape[1] // PATCH, device=waves.device)
        beyond = columns >= self.front_end.frames(lengths)[:, None] // PATCH
        return fbank, beyond.repeat_interleave(MELS // PATCH, dim=1)

    def embed(self, fbank: Tensor) -> Tensor:
        """Patches, normalised and projected, without positions: (batch, frames, 128) -> (batch, patches, width)."""
        patches = self.patch_embedding(fbank[:, None]).flatten(2).transpose(1, 2)
        projected: Tensor = self.post_extract_proj(self.layer_norm(patches))
        return projected

    def hidden_states(self, features: Tensor, padding: Tensor | None = None) -> list[Tensor]:
        states: list[Tensor] = self.encoder(self.embed(features), padding, self.checkpointing, every=True, kernel=self.kernel)
        return states

    def forward(self, features: Tensor, padding: Tensor | None = None) -> Tensor:
        states: list[Tensor] = self.encoder(self.embed(features), padding, self.checkpointing, every=False, kernel=self.kernel)
        return states[-1]


class _Transformer(nn.Module):
    def __init__(self, config: Sizes) -> None:
        super().__init__()
        self.pos_conv = nn.Sequential(PositionConv(config.width, config.position_kernel, config.position_groups), nn.GELU())
        self.layer_norm = nn.LayerNorm(config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.heads = config.heads
        self.layers = nn.ModuleList(_Layer(config, first=layer == 0) for layer in range(config.layers))
        self.register_buffer("bucket", buckets(config.buckets, config.max_distance), persistent=False)
        self.bucket: Tensor  # of the distances -max_distance .. max_distance

    def forward(
        self, x: Tensor, padding: Tensor | None, checkpointing: bool, every: bool, kernel: bool = False
    ) -> list[Tensor]:
        """The input of the first layer and the output of each; only the last one unless `every`."""
        if padding is not None:
            x = x.masked_fill(padding[:, :, None], 0.0)
        x = self.dropout(self.layer_norm(x + self.pos_conv(x)))
        bias = self.bias(x, kernel)
        states = [x]
        for layer in self.layers:
            if checkpointing and torch.is_grad_enabled():
                x = checkpoint(layer, x, bias, padding, use_reentrant=False)
            else:
                x = layer(x, bias, padding)
            states = [*states, x] if every else [x]
        return states

    def bias(self, x: Tensor, kernel: bool) -> Tensor:
        """The `shared_bias` of all layers, for tokens x."""
        table = self.get_parameter("layers.0.self_attn.relative_attention_bias.weight")
        return shared_bias(table, self.bucket, x.shape[1], kernel and kernel_serves(x, table, self.heads))


class _Layer(nn.Module):
    """Post-norm with deep norm: the residual counts (2 layers)^(1/4) times (Wang et al., DeepNet, 2022)."""

    def __init__(self, config: Sizes, first: bool) -> None:
        super().__init__()
        self.residual = (2 * config.layers) ** 0.25
        self.self_attn = _Attention(config, first)
        self.self_attn_layer_norm = nn.LayerNorm(config.width)
        self.fc1 = nn.Linear(config.width, config.hidden)
        self.fc2 = nn.Linear(config.hidden, config.width)
        self.final_layer_norm = nn.LayerNorm(config.width)
        self.dropout = nn.Dropout(config.dropout)
        gain = (8 * config.layers) ** -0.25
        for linear in (self.self_attn.v_proj, self.self_attn.out_proj, self.fc1, self.fc2):
            nn.init.xavier_normal_(linear.weight, gain)
        for linear in (self.self_attn.q_proj, self.self_attn.k_proj):
            nn.init.xavier_normal_(linear.weight)
        for linear in (self.self_attn.q_proj, self.self_attn.k_proj, self.self_attn.v_proj, self.self_attn.out_proj):
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor, bias: Tensor, padding: Tensor | None) -> Tensor:
        y = self.dropout(self.self_attn(x, bias, padding))
        x = self.self_attn_layer_norm(torch.add(y, x, alpha=self.residual))
        y = self.dropout(self.fc2(F.gelu(self.fc1(x))))
        normed: Tensor = self.final_layer_norm(torch.add(y, x, alpha=self.residual))
        return normed


class _Attention(nn.Module):
    """Attention whose relative position bias is gated by the query: the gate of WavLM, arXiv 2110.13900, section 3.1."""

    def __init__(self, config: Sizes, first: bool) -> None:
        super().__init__()
        if first:  # one table for all layers
            self.relative_attention_bias = nn.Embedding(config.buckets, config.heads)
            nn.init.xavier_normal_(self.relative_attention_bias.weight)
        self.heads = config.heads
        self.q_proj = nn.Linear(config.width, config.width)
        self.k_proj = nn.Linear(config.width, config.width)
        self.v_proj = nn.Linear(config.width, config.width)
        self.out_proj = nn.Linear(config.width, config.width)
        self.grep_linear = nn.Linear(config.width // config.heads, 8)
        self.grep_a = nn.Parameter(torch.ones(1, config.heads, 1, 1))

    def forward(self, x: Tensor, bias: Tensor, padding: Tensor | None) -> Tensor:
        batch, patches, width = x.shape
        q, k, v = (
            project(x).view(batch, patches, self.heads, -1).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        y = attention(q, k, v, self.gate(q), bias, padding)
        mixed: Tensor = self.out_proj(y.transpose(1, 2).reshape(batch, patches, width))
        return mixed

    def gate(self, q: Tensor) -> Tensor:
        """How much the position bias counts for each query: (batch, heads, patches, head width) -> (batch, heads, patches, 1).

        The public code adds up two groups of four outputs of a linear map; here their rows are added first.
        """
        weight = self.grep_linear.weight.view(2, 4, -1).sum(1)
        a, b = torch.sigmoid(F.linear(q, weight, self.grep_linear.bias.view(2, 4).sum(1))).chunk(2, dim=-1)
        return a * (b * self.grep_a - 1.0) + 2.0


ENCODER = BEATs
