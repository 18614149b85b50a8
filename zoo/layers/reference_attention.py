"""Blocks between the layers of a frozen encoder: tokens of what is at the machine look at those of what is around it.

After each layer: x <- x + W_o attention(norm(x), norm(far)), then x <- x + W_d (silu(W_g norm(x)) * W_u norm(x)). The output
projections W_o and W_d start at zero, so that an untrained block changes nothing.

Source of the idea: NA-BEATs, DCASE 2026 Task 2 (frozen BEATs on both microphones, pre-norm cross-attention with 8 heads, gated
feed-forward of three times the width). Written anew from that description; what training it gives is not measured.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from torch import Tensor, nn
from torch.nn import functional as F

HEADS = 8
WIDER = 3  # of the feed-forward part, times the width


class Block(nn.Module):
    """Shape: x (batch, tokens, width), far (batch, others, width), padding of far bool (batch, others) -> as x."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_near, self.norm_far, self.norm_inner = (nn.RMSNorm(width, eps=1e-6) for _ in range(3))
        self.q, self.k, self.v, self.out = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.gate, self.up = (nn.Linear(width, WIDER * width, bias=False) for _ in range(2))
        self.down = nn.Linear(WIDER * width, width, bias=False)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.down.weight)

    def forward(self, x: Tensor, far: Tensor, padding: Tensor | None) -> Tensor:
        near, far = self.norm_near(x), self.norm_far(far)
        q, k, v = (self._by_head(project(one)) for project, one in ((self.q, near), (self.k, far), (self.v, far)))
        visible = None if padding is None else ~padding[:, None, None]
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=visible)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        inner = self.norm_inner(x)
        changed: Tensor = x + self.down(F.silu(self.gate(inner)) * self.up(inner))
        return changed

    def _by_head(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)


class Layered(Protocol):
    """What it needs of an encoder."""

    @property
    def layer_list(self) -> str: ...

    def by_layer(self, tokens: Tensor) -> Tensor: ...

    def get_submodule(self, target: str) -> nn.Module: ...


class ReferenceAttention(nn.Module):
    """A block for each layer of an encoder."""

    def __init__(self, layers: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.blocks = nn.ModuleList(Block(width, HEADS if width % HEADS == 0 else 1) for _ in range(layers))

    @contextmanager
    def between(self, encoder: Layered, far: Sequence[Tensor], padding: Tensor | None) -> Iterator[None]:
        """Let the encoder's layers hear `far`, its hidden states for the reference after each layer, while this lasts."""
        layers = encoder.get_submodule(encoder.layer_list).children()
        hidden = None if padding is None else encoder.by_layer(padding)
        handles = []
        try:
            for layer, block, states in zip(layers, self.blocks, far, strict=True):
                handles.append(layer.register_forward_hook(_after(block, encoder.by_layer(states), hidden)))
            yield
        finally:
            for handle in handles:
                handle.remove()


def _after(block: nn.Module, far: Tensor, padding: Tensor | None) -> Any:
    def changed(_: nn.Module, __: Any, output: Any) -> Any:
        x, *more = output if isinstance(output, tuple) else (output,)  # WavLM's layers hand on positions as well
        x = block(x, far.to(x.dtype), padding)
        return (x, *more) if isinstance(output, tuple) else x

    return changed
