"""From the embeddings of a recording's segments to one: a small transformer, read at a token of its own.

Source: Han et al., Exploring large scale pre-trained models for robust machine anomalous sound detection, ICASSP 2024, section
2.4. Open there: the number of layers and heads, the read-out, and positions; here there are none, so that a segment counts
wherever it stands.
"""

import torch
from torch import Tensor, nn


class TransformerPooling(nn.Module):
    """Shape: (batch, segments, dim), absent bool (batch, segments), True where there is no segment -> (batch, dim)."""

    def __init__(self, dim: int, layers: int, heads: int) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(dim))
        layer = nn.TransformerEncoderLayer(dim, heads, 4 * dim, 0.0, "gelu", batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, layers, nn.LayerNorm(dim), enable_nested_tensor=False)

    def forward(self, segments: Tensor, absent: Tensor) -> Tensor:
        first = self.token.to(segments.dtype).expand(len(segments), 1, -1)
        hidden = nn.functional.pad(absent, (1, 0), value=False)
        read: Tensor = self.layers(torch.cat([first, segments], dim=1), src_key_padding_mask=hidden)[:, 0]
        return read
