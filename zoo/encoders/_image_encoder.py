"""What encoders of the data2vec 2.0 image family (EAT, FISHER) share: their blocks, positions and names in official files."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from zoo.checkpoints.reading import Content, beside
from zoo.encoders._base import HeadSizes

FAIRSEQ = "modality_encoders.IMAGE."  # how names of fairseq's files begin
_SHORT = {
    "context_encoder.norm.": "pre_norm.",
    "local_encoder.": "local_encoder.",
    "extra_tokens": "extra_tokens",
    "fixed_positional_encoder.": "fixed_positional_encoder.",
}
_BANDED_TABLE = 128 * 50  # positions in FISHER's files; EAT's have 768 x 8


def short(name: str) -> str:
    """An official name of fairseq's as the Hugging Face files of EAT have it."""
    for long, own in _SHORT.items():
        if name.startswith(FAIRSEQ + long):
            return own + name.removeprefix(FAIRSEQ + long)
    return name


def said(content: Content) -> Mapping[str, Any]:
    """What a file, or config.json beside it, says of its model; empty when neither says anything."""
    settings = content.settings.get("model", content.settings)
    return settings if isinstance(settings, Mapping) and settings else beside(content.path, "config.json")


def banded(content: Content, prefix: str) -> bool:
    """Whether a file with fairseq's names is FISHER's, not EAT's: it says how wide bands are, or has FISHER's positions."""
    table = content.values.get(f"{prefix}{FAIRSEQ}fixed_positional_encoder.positions")
    return isinstance(table, Tensor) and (table.shape[1] == _BANDED_TABLE or "band_width" in said(content))


def positions(columns: int, rows: int, width: int) -> Tensor:
    """Fixed sine-cosine positions (columns x rows, width), rows running fastest; half of the channels tell the row."""
    frequencies = 10000.0 ** -(torch.arange(width // 4, dtype=torch.float64) / (width // 4))
    column, row = torch.meshgrid(torch.arange(columns), torch.arange(rows), indexing="ij")
    angles = [place.reshape(-1, 1) * frequencies for place in (row, column)]
    waves: list[Callable[[Tensor], Tensor]] = [torch.sin, torch.cos]
    return torch.cat([wave(angle) for angle in angles for wave in waves], dim=1).float()


class Block(nn.Module):
    """Post-norm block; it gives all tokens, or the first `outputs` alone."""

    def __init__(self, sizes: HeadSizes, hidden: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(sizes.width, eps=1e-6)
        self.attn = _Attention(sizes)
        self.norm2 = nn.LayerNorm(sizes.width, eps=1e-6)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(sizes.width, hidden), "fc2": nn.Linear(hidden, sizes.width)})
        self.dropout = nn.Dropout(dropout)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor, visible: Tensor | None, outputs: int | None = None) -> Tensor:
        x = self.norm1(x[:, :outputs] + self.dropout(self.attn(x, visible, outputs)))
        y = self.mlp["fc2"](F.gelu(self.mlp["fc1"](x)))
        normed: Tensor = self.norm2(x + self.dropout(y))
        return normed


class Blocks(nn.ModuleList):
    """Block after block."""

    def states(self, x: Tensor, visible: Tensor | None, *, outputs: int | None, every: bool, again: bool) -> list[Tensor]:
        """The input and what each block gives where `every` is wanted, else what the last one gives.

        The last block gives `outputs` tokens alone where not every state is wanted. `again`: activations are computed twice.
        """
        states = [x]
        for block in self:
            wanted = outputs if block is self[-1] and not every else None
            if again and torch.is_grad_enabled():
                x = checkpoint(block, x, visible, wanted, use_reentrant=False)
            else:
                x = block(x, visible, wanted)
            states = [*states, x] if every else [x]
        return states


class _Attention(nn.Module):
    def __init__(self, sizes: HeadSizes) -> None:
        super().__init__()
        self.heads = sizes.attention_heads
        self.qkv = nn.Linear(sizes.width, 3 * sizes.width)
        self.proj = nn.Linear(sizes.width, sizes.width)

    def forward(self, x: Tensor, visible: Tensor | None, outputs: int | None = None) -> Tensor:
        batch, tokens, _ = x.shape
        q, k, v = self.qkv(x).view(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q[:, :, :outputs], k, v, attn_mask=visible)
        mixed: Tensor = self.proj(y.transpose(1, 2).flatten(2))
        return mixed
