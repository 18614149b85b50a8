"""From the tokens of a clip to one embedding.

Conventions
    tokens   (batch, tokens, width)
    padding  bool (batch, tokens), True where a token is none; None: all are tokens. It never reaches the embedding.
    layout   where tokens stand: first those in front (a class token), then column by column in time, each band by band
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from zoo.errors import AsdzooError

PoolingName = Literal["mean", "attentive_statistics", "class_token"]


@dataclass(frozen=True)
class Layout:
    """Where an encoder's tokens stand in time and frequency.

    >>> Layout(front=1, bands=8).grid(torch.zeros(2, 1 + 8 * 62, 768)).shape
    torch.Size([2, 62, 8, 768])
    """

    front: int = 0  # tokens before all others that stand for the whole clip: the class token, or one of each sub-band
    bands: int = 1  # tokens of a column in time, the lowest frequency first

    def grid(self, tokens: Tensor) -> Tensor:
        """Tokens without those in front, by column and band: (batch, tokens, ...) -> (batch, columns, bands, ...).

        It takes padding as well, bool (batch, tokens) -> (batch, columns, bands).
        """
        return tokens[:, self.front :].reshape(len(tokens), -1, self.bands, *tokens.shape[2:])


def pooling(name: PoolingName, width: int, layout: Layout) -> "Pooling":
    """The pooling of this name. Raises: AsdzooError for the class token of an encoder that has none."""
    if name == "class_token":
        if not layout.front:
            raise AsdzooError("this encoder has no class token", "set model.pooling=mean")
        return ClassToken(width, layout.front)
    return Mean(width, layout.front) if name == "mean" else AttentiveStatistics(width, layout.front)


class Pooling(nn.Module, ABC):
    """(batch, tokens, width), padding -> (batch, dim). `skip` tokens in front are left out."""

    def __init__(self, dim: int, skip: int = 0) -> None:
        super().__init__()
        self.dim = dim
        self.skip = skip

    def forward(self, tokens: Tensor, padding: Tensor | None = None) -> Tensor:
        return self.pool(tokens[:, self.skip :], None if padding is None else padding[:, self.skip :])

    @abstractmethod
    def pool(self, tokens: Tensor, padding: Tensor | None) -> Tensor:
        """`forward` of the tokens that are not left out."""


class ClassToken(Pooling):
    """The class token; of several, all of them side by side. `dim` is count x width."""

    def __init__(self, width: int, count: int = 1) -> None:
        super().__init__(count * width)
        self.count = count

    def pool(self, tokens: Tensor, padding: Tensor | None) -> Tensor:
        return tokens[:, : self.count].flatten(1)


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
