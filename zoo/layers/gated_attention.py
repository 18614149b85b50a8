# mypy: disable-error-code="no-untyped-def, untyped-decorator, no-untyped-call"
"""Attention with a gated relative position bias in one kernel, forward and backward, for CUDA; nothing of N x N is kept.

score of query i and key j   q_i . k_j / sqrt(D) + gate_i * bias[j - i]

The plain path writes gate * bias as a mask (batch, heads, N, N) in every layer. Here the bias stays a vector of 2 N - 1 values
for each head. The gate's gradient, sum over j of dscore_ij * bias[j - i], is added up in the loop that makes dq, without
atomics. The bias itself gets no gradient: where it is trained, the plain path serves.

Source: Dao, FlashAttention-2, arXiv 2307.08691, algorithms 1 and 2; the gate: Chen et al., WavLM, arXiv 2110.13900, 3.1.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

_ROWS = 64  # queries, and keys, of a tile
# WIDE, below: the interpreter multiplies bf16 as if it were integers, so there its values, which float32 holds, become float32


@triton.jit
def _dot(a, b, WIDE: tl.constexpr):
    if WIDE:
        a, b = a.to(tl.float32), b.to(tl.float32)
    return tl.dot(a, b, input_precision="ieee")


@triton.jit
def _scores(q, k, gate, bias, head, rows, columns, length, scale, keys, batch, PADDED: tl.constexpr, WIDE: tl.constexpr):
    """Scores of a tile and its biases; -inf for keys that are padding or beyond the end."""
    inside = (rows[:, None] < length) & (columns[None, :] < length)
    biases = tl.load(bias + head * (2 * length - 1) + columns[None, :] - rows[:, None] + length - 1, inside, 0.0).to(tl.float32)
    scores = _dot(q, tl.trans(k), WIDE) * scale + gate[:, None] * biases
    heard = columns < length
    if PADDED:
        heard = heard & (tl.load(keys + batch * length + columns, heard, 1) == 0)
    return tl.where(heard[None, :], scores, float("-inf")), biases


@triton.jit
def _forward(
    Q,
    K,
    V,
    gates,
    bias,
    keys,
    out,
    logs,
    heads,
    length,
    scale,
    PADDED: tl.constexpr,
    D: tl.constexpr,
    M: tl.constexpr,
    WIDE: tl.constexpr,
):
    tile, row = tl.program_id(0), tl.program_id(1)  # row: of batch x heads
    head, batch = row % heads, row // heads
    start = row.to(tl.int64) * length
    rows, width = tile * M + tl.arange(0, M), tl.arange(0, D)
    at = (start + rows[:, None]) * D + width[None, :]
    q = tl.load(Q + at, rows[:, None] < length, 0.0)
    gate = tl.load(gates + start + rows, rows < length, 0.0).to(tl.float32)
    highest = tl.full([M], float("-inf"), tl.float32)
    total = tl.zeros([M], tl.float32)
    mixed = tl.zeros([M, D], tl.float32)
    for first in range(0, length, M):
        columns = first + tl.arange(0, M)
        there = (start + columns[:, None]) * D + width[None, :]
        k = tl.load(K + there, columns[:, None] < length, 0.0)
        v = tl.load(V + there, columns[:, None] < length, 0.0)
        scores, _ = _scores(q, k, gate, bias, head, rows, columns, length, scale, keys, batch, PADDED, WIDE)
        higher = tl.maximum(highest, tl.max(scores, 1))
        base = tl.where(higher == float("-inf"), 0.0, higher)  # a whole tile of padding
        weights = tl.exp(scores - base[:, None])
        decay = tl.exp(highest - base)
        total = total * decay + tl.sum(weights, 1)
        mixed = mixed * decay[:, None] + _dot(weights.to(v.dtype), v, WIDE)
        highest = higher
    tl.store(out + at, (mixed / total[:, None]).to(out.dtype.element_ty), rows[:, None] < length)
    tl.store(logs + start + rows, highest + tl.log(total), rows < length)


@triton.jit
def _backward_queries(
    Q, K, V, gates, bias, keys, logs, dout, delta, dq, dgates, heads, length, scale,
    PADDED: tl.constexpr, D: tl.constexpr, M: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    tile, row = tl.program_id(0), tl.program_id(1)
    head, batch = row % heads, row // heads
    start = row.to(tl.int64) * length
    rows, width = tile * M + tl.arange(0, M), tl.arange(0, D)
    at = (start + rows[:, None]) * D + width[None, :]
    q = tl.load(Q + at, rows[:, None] < length, 0.0)
    do = tl.load(dout + at, rows[:, None] < length, 0.0)
    gate = tl.load(gates + start + rows, rows < length, 0.0).to(tl.float32)
    log = tl.load(logs + start + rows, rows < length, 0.0)
    di = tl.load(delta + start + rows, rows < length, 0.0)
    grad, grad_gate = tl.zeros([M, D], tl.float32), tl.zeros([M], tl.float32)
    for first in range(0, length, M):
        columns = first + tl.arange(0, M)
        there = (start + columns[:, None]) * D + width[None, :]
        k = tl.load(K + there, columns[:, None] < length, 0.0)
        v = tl.load(V + there, columns[:, None] < length, 0.0)
        scores, biases = _scores(q, k, gate, bias, head, rows, columns, length, scale, keys, batch, PADDED, WIDE)
        weights = tl.exp(scores - log[:, None])
        ds = weights * (_dot(do, tl.trans(v), WIDE) - di[:, None])
        grad += _dot(ds.to(k.dtype), k, WIDE)
        grad_gate += tl.sum(ds * biases, 1)
    tl.store(dq + at, (grad * scale).to(dq.dtype.element_ty), rows[:, None] < length)
    tl.store(dgates + start + rows, grad_gate.to(dgates.dtype.element_ty), rows < length)


@triton.jit
def _backward_keys(
    Q, K, V, gates, bias, keys, logs, dout, delta, dk, dv, heads, length, scale,
    PADDED: tl.constexpr, D: tl.constexpr, M: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    tile, row = tl.program_id(0), tl.program_id(1)
    head, batch = row % heads, row // heads
    start = row.to(tl.int64) * length
    columns, width = tile * M + tl.arange(0, M), tl.arange(0, D)
    at = (start + columns[:, None]) * D + width[None, :]
    k = tl.load(K + at, columns[:, None] < length, 0.0)
    v = tl.load(V + at, columns[:, None] < length, 0.0)
    grad_k, grad_v = tl.zeros([M, D], tl.float32), tl.zeros([M, D], tl.float32)
    for first in range(0, length, M):
        rows = first + tl.arange(0, M)
        there = (start + rows[:, None]) * D + width[None, :]
        q = tl.load(Q + there, rows[:, None] < length, 0.0)
        do = tl.load(dout + there, rows[:, None] < length, 0.0)
        gate = tl.load(gates + start + rows, rows < length, 0.0).to(tl.float32)
        log = tl.load(logs + start + rows, rows < length, float("inf"))  # no weight beyond the end
        di = tl.load(delta + start + rows, rows < length, 0.0)
        scores, _ = _scores(q, k, gate, bias, head, rows, columns, length, scale, keys, batch, PADDED, WIDE)
        weights = tl.exp(scores - log[:, None])
        grad_v += _dot(tl.trans(weights).to(do.dtype), do, WIDE)
        ds = weights * (_dot(do, tl.trans(v), WIDE) - di[:, None])
        grad_k += _dot(tl.trans(ds).to(q.dtype), q, WIDE)
    tl.store(dk + at, (grad_k * scale).to(dk.dtype.element_ty), columns[:, None] < length)
    tl.store(dv + at, grad_v.to(dv.dtype.element_ty), columns[:, None] < length)


class _GatedAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, gates: Tensor, bias: Tensor, padding: Tensor | None) -> Tensor:
        batch, heads, length, width = q.shape
        q, k, v, gates, bias = (each.contiguous() for each in (q, k, v, gates, bias))
        keys = q if padding is None else padding.to(torch.int8).contiguous()  # any pointer where it is not read
        out, logs = torch.empty_like(q), torch.empty(q.shape[:3], dtype=torch.float32, device=q.device)
        ctx.grid, ctx.sizes = (triton.cdiv(length, _ROWS), batch * heads), (heads, length, width**-0.5)
        ctx.constants = {"PADDED": padding is not None, "D": width, "M": _ROWS, "WIDE": bool(triton.knobs.runtime.interpret)}
        _forward[ctx.grid](q, k, v, gates, bias, keys, out, logs, *ctx.sizes, **ctx.constants)
        ctx.save_for_backward(q, k, v, gates, bias, keys, out, logs)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        q, k, v, gates, bias, keys, out, logs = ctx.saved_tensors
        dout = gradients[0].contiguous()
        delta = (dout.float() * out.float()).sum(-1)
        dq, dk, dv, dgates = (torch.empty_like(each) for each in (q, k, v, gates))
        known = (q, k, v, gates, bias, keys, logs, dout, delta)
        _backward_queries[ctx.grid](*known, dq, dgates, *ctx.sizes, **ctx.constants)
        _backward_keys[ctx.grid](*known, dk, dv, *ctx.sizes, **ctx.constants)
        return dq, dk, dv, dgates, None, None


@torch.compiler.disable  # compiled layers call it as it is
def gated_attention(q: Tensor, k: Tensor, v: Tensor, gates: Tensor, bias: Tensor, padding: Tensor | None = None) -> Tensor:
    """What the keys' values are for each query: (batch, heads, N, D), as q, k and v; D is a power of two from 16 on.

    gates: (batch, heads, N). bias: (heads, 2 N - 1), of the distances 1 - N to N - 1 from query to key. padding: (batch, N),
    True for keys that are not heard; every row has one that is.
    """
    mixed: Tensor = _GatedAttention.apply(q, k, v, gates, bias, padding)
    return mixed
