"""Attention with a relative position bias that a gate scales for each query: the plain way, and the door to the kernel.

Source: Chen et al., WavLM, arXiv 2110.13900, section 3.1; BEATs has it too. The bias is the same in all layers, and made once.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.layers.relative_positions import distance_bias, position_bias


def kernel_serves(x: Tensor, table: Tensor, heads: int, dropout: float = 0.0) -> bool:
    """Whether `zoo.layers.gated_attention` can do it for tokens x (batch, tokens, width).

    It is one of CUDA, gives the table of biases no gradient, drops nothing, and wants a power of two of values in a head.
    """
    width = x.shape[-1] // heads
    fits = width >= 16 and width & (width - 1) == 0
    return x.is_cuda and fits and not dropout and not (table.requires_grad and torch.is_grad_enabled())


def shared_bias(table: Tensor, bucket: Tensor, tokens: int, kernel: bool) -> Tensor:
    """What all layers are given: (heads, tokens, tokens), or for the kernel (heads, 2 tokens - 1), of distances."""
    return (distance_bias if kernel else position_bias)(table, bucket, tokens)


def attention(
    q: Tensor, k: Tensor, v: Tensor, gates: Tensor, bias: Tensor, padding: Tensor | None, dropout: float = 0.0
) -> Tensor:
    """q, k, v (batch, heads, tokens, D), gates (batch, heads, tokens, 1), a `shared_bias` -> (batch, heads, tokens, D).

    padding: (batch, tokens), True for keys that are not heard.
    """
    gates, bias = gates.to(q.dtype), bias.to(q.dtype)
    if bias.dim() == 2:  # of distances
        from zoo.layers.gated_attention import gated_attention

        mixed: Tensor = gated_attention(q, k, v, gates.squeeze(-1), bias, padding)
        return mixed
    mask = gates * bias
    if padding is not None:
        mask = mask.masked_fill(padding[:, None, None, :], -torch.inf)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)
