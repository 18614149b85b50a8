"""Relative positions in logarithmic buckets, as WavLM and BEATs have them (Raffel et al., T5, JMLR 2020, section 2.1)."""

import math

import torch
from torch import Tensor


def buckets(count: int, max_distance: int) -> Tensor:
    """The bucket of each distance key - query from -max_distance to max_distance, int64 (2 max_distance + 1,).

    Half of the buckets for keys behind the query; of each half one half exact, the other logarithmic up to `max_distance`.
    Computed on the CPU in float32, as the public code of both does: a bucket border is where another device's logarithm would
    round the other way.
    """
    distance = torch.arange(-max_distance, max_distance + 1)
    half, exact = count // 2, count // 4
    far = distance.abs().clamp_min(1).float()
    logarithmic = exact + (torch.log(far / exact) / math.log(max_distance / exact) * (half - exact)).long()
    bucket = torch.where(distance.abs() < exact, distance.abs(), logarithmic.clamp_max(half - 1))
    return bucket + (distance > 0) * half


def distance_bias(table: Tensor, bucket: Tensor, tokens: int) -> Tensor:
    """Bias of each head for each distance key - query from 1 - tokens to tokens - 1: (heads, 2 tokens - 1)."""
    farthest = len(bucket) // 2
    distance = torch.arange(1 - tokens, tokens, device=bucket.device).clamp(-farthest, farthest)
    return table[bucket[distance + farthest]].T


def position_bias(table: Tensor, bucket: Tensor, tokens: int) -> Tensor:
    """Bias of each head for each pair of query and key: (buckets, heads), `buckets(...)` -> (heads, tokens, tokens).

    It depends on key - query only, so each row is a window on one vector of 2 tokens - 1 values.
    """
    windows: Tensor = distance_bias(table, bucket, tokens).unfold(1, tokens, 1).flip(1)
    return windows.contiguous()
