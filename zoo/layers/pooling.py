"""From the tokens of a clip to one embedding.

Conventions
    tokens   (batch, tokens, width)
    padding  bool (batch, tokens), True where a token is none; None: all are tokens. It never reaches the embedding.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from zoo.errors import AsdzooError

PoolingName = Literal["mean", "attentive_statistics", "class_token"]


def pooling(name: PoolingName, width: int, class_token: bool) -> "Pooling":
    """The pooling of this name. Raises: AsdzooError for the class token of an encoder that has none."""
    if name == "class_token":
        if not class_token:
            raise AsdzooError("this encoder has no class token", "set model.pooling=mean")
        return ClassToken(width)
    skip = int(class_token)
    return Mean(width, skip) if name == "mean" else AttentiveStatistics(width, skip)


class Pooling(nn.Module):
    """(batch, tokens, width), padding -> (batch, dim). `skip` tokens in front (the class token) are left out."""

    def __init__(self, dim: int, skip: int = 0) -> None:
        super().__init__()
        self.dim = dim
        self.skip = skip

    def forward(self, tokens: Tensor, padding: Tensor | None = None) -> Tensor:
        return self.pool(tokens[:, self.skip :], None if padding is None else padding[:, self.skip :])

    def pool(self, tokens: Tensor, padding: Tensor | None) -> Tensor:
        raise NotImplementedError


class ClassToken(Pooling):
    """The first token."""

    def pool(self, tokens: Tensor, padding: Tensor | None) -> Tensor:
        return tokens[:, 0]


class Mean(Pooling):
    """The mean of the tokens."""

    def pool(self, tokens: Tensor, padding: Tensor | None) -> Tensor:
        if padding is None:
            return tokens.mean(1)
        valid = ~padding[:, :, None]
        return (tokens * valid).sum(1) / valid.sum(1)


class AttentiveStatistics(Pooling):
    """Weighted mean and weighted standard deviation; the weights of each channel come from a small network over the tokens.

    Source: Okabe et al., Attentive statistics pooling for deep speaker embedding, Interspeech 2018; one weight per channel as
    in ECAPA-TDNN (Desplanques et al., Interspeech 2020, section 3.1), without its global context. `dim` is 2 x width.
    """

    def __init__(self, width: int, skip: int = 0, hidden: int = 128) -> None:
        super().__init__(2 * width, skip)
        self.attention = nn.Sequential(nn.Linear(width, hidden), nn.Tanh(), nn.Linear(hidden, width))

    def pool(self, tokens: Tensor, padding: Tensor | None) -> Tensor:
        scores = self.attention(tokens).float()
        if padding is not None:
            scores = scores.masked_fill(padding[:, :, None], -torch.inf)
            tokens = tokens.masked_fill(padding[:, :, None], 0.0)
        weights = scores.softmax(1)
        mean = (weights * tokens).sum(1)
        variance = (weights * (tokens - mean[:, None]).square()).sum(1)
        return torch.cat([mean, variance.clamp_min(1e-9).sqrt()], dim=1)
