"""A recording as a sequence of segments: each is embedded by a network, a transformer makes one embedding of them.

Source: Han et al. (zoo/layers/transformer_pooling.py). The paper trains the encoder on segments first, and the transformer over
the segments of whole recordings afterwards. Here both happen in one training, and neither knows of the other: the encoder
learns from one segment of each recording, and the transformer from all of them, with no gradient into the encoder.
"""

from typing import TYPE_CHECKING

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor

from zoo.config import Frozen
from zoo.errors import AsdzooError
from zoo.layers.transformer_pooling import TransformerPooling
from zoo.losses import Loss
from zoo.models._tuned import PretrainedNetwork

if TYPE_CHECKING:
    from zoo.models.pretrained import Pretrained


class SegmentsConfig(Frozen):
    """How a recording is cut, and the transformer over its segments."""

    seconds: PositiveFloat = 2.0  # of a segment; a shorter recording is repeated
    hop: PositiveFloat = 1.0  # seconds; open in the paper. The last segment ends with the recording
    layers: PositiveInt = 1  # open
    heads: PositiveInt = 4  # open


class OverSegments(PretrainedNetwork):
    """Waves to one embedding of all segments, (batch, dim)."""

    def __init__(self, config: SegmentsConfig, segment: "Pretrained", head: Loss, sample_rate: int) -> None:
        super().__init__()
        if segment.dim % config.heads:
            raise AsdzooError(
                f"embeddings of {segment.dim} values cannot be shared among {config.heads} heads",
                "set model.projection to a multiple of model.segments.heads",
            )
        self.samples, self.hop = round(config.seconds * sample_rate), round(config.hop * sample_rate)
        self.segment, self.head = segment, head
        self.untrained, self.dim = segment.untrained, segment.dim
        self.fusion = TransformerPooling(segment.dim, config.layers, config.heads)

    def forward(self, waves: Tensor, lengths: Tensor | None = None) -> Tensor:
        return self._fused(*cut(waves, lengths, self.samples, self.hop))

    def losses(self, waves: Tensor, labels: Tensor, lengths: Tensor | None = None) -> dict[str, Tensor]:
        segments, absent = cut(waves, lengths, self.samples, self.hop)
        counts = (~absent).sum(1)
        drawn = (torch.rand(len(waves), device=waves.device) * counts).long().clamp_max(counts - 1)
        one = segments[torch.arange(len(waves), device=waves.device), drawn]
        with torch.no_grad():
            embedded = self._embedded(segments, absent)
        fused = self.fusion(embedded, absent).float()
        return {"segment": self.segment.losses(one, labels)["arcface"], "arcface": self.head(fused, labels)}

    def _fused(self, segments: Tensor, absent: Tensor) -> Tensor:
        fused: Tensor = self.fusion(self._embedded(segments, absent), absent)
        return fused.float()

    def _embedded(self, segments: Tensor, absent: Tensor) -> Tensor:
        there = self.segment.embed(segments[~absent])
        embedded = there.new_zeros(*absent.shape, there.shape[1])
        embedded[~absent] = there
        return embedded


def cut(waves: Tensor, lengths: Tensor | None, samples: int, hop: int) -> tuple[Tensor, Tensor]:
    """Segments of clips and where there is none: (batch, samples of clips) -> (batch, segments, samples), (batch, segments)."""
    batch, width = waves.shape
    every = torch.full((batch,), width, device=waves.device) if lengths is None else lengths.clamp_min(1)
    rest = (every - samples).clamp_min(0)
    counts = 1 + -(-rest // hop)
    number = torch.arange(int(counts.max()), device=waves.device)
    starts = torch.minimum(number * hop, rest[:, None])
    place = (starts[:, :, None] + torch.arange(samples, device=waves.device)) % every[:, None, None]
    return waves.gather(1, place.flatten(1)).view(batch, len(number), samples), number >= counts[:, None]
