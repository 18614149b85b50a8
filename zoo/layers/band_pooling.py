"""From the tokens of a clip to one vector for each frequency band: the mean over time, or what deviates from it.

RDP (relative deviation pooling; Wilkinghoff et al., 2603.04605): a token counts by its distance d from the mean over time, in
shares of the largest such distance, as (1 + d)^gamma. gamma 0 is the mean; the larger, the more short events count.
"""

from typing import Literal

import torch
from pydantic import NonNegativeFloat
from torch import Tensor, nn

from zoo.config import Frozen
from zoo.layers.pooling import Layout

EPSILON = 1e-8  # of the largest distance: tokens that are all the same have none


class BandPoolingConfig(Frozen):
    """How tokens are pooled over time."""

    bands: bool = True  # a vector for each frequency band of the encoder; False: one for the clip
    pooling: Literal["mean", "rdp"] = "mean"
    gamma: NonNegativeFloat = 4.0  # of RDP; 4 or 8 in the paper


class BandPooling(nn.Module):
    """Shape: tokens (batch, tokens, width), padding bool (batch, tokens) or None -> (batch, parts, width), float32.

    Padding never reaches the result. It has no parameters.
    """

    def __init__(self, config: BandPoolingConfig, layout: Layout) -> None:
        super().__init__()
        self.layout = layout
        self.gamma = config.gamma if config.pooling == "rdp" else 0.0
        self.bands = config.bands
        self.parts = layout.bands if config.bands else 1

    def forward(self, tokens: Tensor, padding: Tensor | None = None) -> Tensor:
        grid = self.layout.grid(tokens.float())
        absent = torch.zeros(grid.shape[:3], dtype=torch.bool, device=grid.device)
        if padding is not None:
            absent = self.layout.grid(padding)
        if not self.bands:  # one band of all tokens
            grid, absent = grid.flatten(1, 2)[:, :, None], absent.flatten(1, 2)[:, :, None]
        grid = grid.masked_fill(absent[..., None], 0.0)
        there = (~absent).float()
        mean = _weighted_mean(grid, there)
        if not self.gamma:
            return mean
        distance = torch.linalg.vector_norm(grid - mean[:, None], dim=3) * there
        share = distance / (distance.amax(dim=1, keepdim=True) + EPSILON)
        return _weighted_mean(grid, there * (1 + share) ** self.gamma)


def _weighted_mean(grid: Tensor, weights: Tensor) -> Tensor:
    """Over time: (batch, columns, bands, width), (batch, columns, bands) -> (batch, bands, width)."""
    shares = weights / weights.sum(dim=1, keepdim=True)
    return torch.einsum("tcbw,tcb->tbw", grid, shares)
