"""Self-attention along one axis of a feature map.

The axis gives the tokens and the last dimension the features; all other axes are batch, so that permuting them permutes the
output.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class AxialAttention(nn.Module):
    """Multi-head scaled dot-product self-attention without bias terms, dropout and residual.

    With projections, query, key and value are linear maps of the features and so is the output; where `dim` is no multiple of
    `heads` a head is rounded up. Without them, each is the features themselves, and `dim` has to be a multiple of `heads`.

    Queries and keys are normalised, without learned parameters: what attends here are magnitudes of any level, and the softmax
    of their bare products is all or nothing, with gradients that explode.

    Projections start with keys equal to queries and an output that undoes the values: there is no residual, and so each token
    starts as a mean of the tokens like it, itself first, and not as a random map of a mean of all.

    Shape: (..., tokens, dim) -> the same. Sources: Vaswani et al., Attention is all you need, NeurIPS 2017, section 3.2; Henry
    et al., Query-key normalization for transformers, Findings of EMNLP 2020.
    """

    def __init__(self, dim: int, heads: int, *, projections: bool) -> None:
        super().__init__()
        self.heads = heads
        inner = -(-dim // heads) * heads
        self.input: nn.Linear | None = nn.Linear(dim, 3 * inner, bias=False) if projections else None
        self.output: nn.Linear | None = nn.Linear(inner, dim, bias=False) if projections else None
        if self.input is not None and self.output is not None:
            matching, value = (nn.init.orthogonal_(torch.empty(inner, dim)) for _ in range(2))
            with torch.no_grad():
                self.input.weight.copy_(torch.cat([matching, matching, value]))
                self.output.weight.copy_(value.T)

    def forward(self, features: Tensor) -> Tensor:
        shape = features.shape
        tokens = features.reshape(-1, *shape[-2:])
        # Three products with a third of the weights each: after a single one, all three gradients would be copied together.
        parts = [tokens] * 3 if self.input is None else [F.linear(tokens, third) for third in self.input.weight.chunk(3)]
        query, key, value = (part.view(*part.shape[:2], self.heads, -1) for part in parts)
        query, key = (F.rms_norm(part, part.shape[-1:]) for part in (query, key))
        query, key, value = (part.transpose(1, 2) for part in (query, key, value))
        mixed = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        return (mixed if self.output is None else self.output(mixed)).view(shape)
