"""WavLM, HuBERT with gated relative positions.

Source: Chen et al., WavLM: large-scale self-supervised pre-training for full stack speech processing, IEEE JSTSP 2022, section
III. The attention is written here: that of `transformers` takes the weights of its linear maps and not their outputs, so that
an adapter beside them would be passed over, and it keeps a matrix of attention weights that nobody reads.
"""

from typing import Any, ClassVar

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from zoo.checkpoints.reading import Checkpoint, beside
from zoo.encoders import _speech
from zoo.encoders._speech import Speech
from zoo.layers.gated_bias import attention, kernel_serves, shared_bias
from zoo.layers.relative_positions import buckets
from zoo.metadata import Words

METADATA = Words(("raw waveform",), ("WavLM",), ("transformer",), {"LibriSpeech": "https://www.openslr.org/12"})
_TABLE = "encoder.layers.0.attention.rel_attn_embed.weight"


class Sizes(_speech.Sizes):
    """Sizes; the defaults are those of the base model."""

    normalize: bool = False  # each clip to mean 0 and variance 1; large: True
    buckets: PositiveInt = 320  # of relative positions
    max_distance: PositiveInt = 800  # tokens; farther ones share the last bucket

    def for_transformers(self) -> dict[str, Any]:
        own = {"num_buckets": self.buckets, "max_bucket_distance": self.max_distance, "attn_implementation": "eager"}
        return super().for_transformers() | own


class WavLM(Speech):
    """Waves to tokens; see `zoo/encoders/_speech.py`."""

    prefix: ClassVar = "wavlm"
    in_transformers: ClassVar = "WavLM"
    gated_kernel = True
    sizes: ClassVar[type[Sizes]] = Sizes
    must_tell: ClassVar = {name: file for name, file in Speech.must_tell.items() if name != "heads"}

    def __init__(self, config: Sizes) -> None:
        super().__init__(config)
        self.heads, self.dropout = config.attention_heads, config.dropout
        for number, layer in enumerate(self.get_submodule(self.layer_list).children()):
            layer.attention = _Attention(config, first=number == 0)
        self.register_buffer("bucket", buckets(config.buckets, config.max_distance), persistent=False)
        self.bucket: Tensor

    @classmethod
    def told(cls, checkpoint: Checkpoint) -> dict[str, Any]:
        count, heads = checkpoint.tensors[_TABLE].shape
        said = super().told(checkpoint) | {"buckets": count, "heads": heads}
        distance = beside(checkpoint.path, "config.json").get("max_bucket_distance")
        return said if distance is None else said | {"max_distance": distance}

    def bias(self, x: Tensor) -> Tensor:
        table, dropout = self.get_parameter(_TABLE), self.dropout if self.training else 0.0
        kernel = self.kernel and kernel_serves(x, table, self.heads, dropout)
        return shared_bias(table, self.bucket, x.shape[1], kernel)

    def layer(self, number: int, x: Tensor, padding: Tensor | None, bias: Tensor | None) -> Tensor:
        y: Tensor = self.encoder.get_submodule(f"layers.{number}")(x, attention_mask=padding, position_bias=bias)[0]
        return y


class _Attention(nn.Module):
    """Attention whose position bias counts as much as a gate says, which looks at each head's slice of the layer's input."""

    def __init__(self, config: Sizes, first: bool) -> None:
        super().__init__()
        self.heads, self.dropout = config.attention_heads, config.dropout
        self.q_proj = nn.Linear(config.width, config.width)
        self.k_proj = nn.Linear(config.width, config.width)
        self.v_proj = nn.Linear(config.width, config.width)
        self.out_proj = nn.Linear(config.width, config.width)
        self.gru_rel_pos_const = nn.Parameter(torch.ones(1, self.heads, 1, 1))
        self.gru_rel_pos_linear = nn.Linear(config.width // self.heads, 8)
        if first:  # one table for all layers
            self.rel_attn_embed = nn.Embedding(config.buckets, self.heads)

    def forward(
        self, x: Tensor, attention_mask: Tensor | None, position_bias: Tensor, **_: object
    ) -> tuple[Tensor, None, Tensor]:
        """Tokens (batch, tokens, width), padding bool (batch, tokens), and a `shared_bias`; layers want all three."""
        batch, tokens, width = x.shape
        q, k, v = (
            projected(x).view(batch, tokens, self.heads, -1).transpose(1, 2)
            for projected in (self.q_proj, self.k_proj, self.v_proj)
        )
        slices = x.view(batch, tokens, self.heads, -1).transpose(1, 2)
        pairs = self.gru_rel_pos_linear(slices).unflatten(-1, (2, 4)).sum(-1)
        a, b = torch.sigmoid(pairs).chunk(2, dim=-1)
        gates = a * (b * self.gru_rel_pos_const - 1.0) + 2.0
        y = attention(q, k, v, gates, position_bias, attention_mask, self.dropout if self.training else 0.0)
        return self.out_proj(y.transpose(1, 2).reshape(batch, tokens, width)), None, position_bias


ENCODER = WavLM
