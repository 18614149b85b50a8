"""What a network promises: waves in, embeddings out, and what of it training changes."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class InputShape:
    """What waves look like when they reach a network."""

    sample_rate: int  # Hz
    samples: int | None  # every clip is cropped or repeated to this many; None: clips keep their length
    views: int = 1  # two: waves are (batch, 2, samples), what is heard and a reference


class Embedder(nn.Module, ABC):
    """Waves in, embeddings out; it may have no parameters, and needs no training.

    waves    float32 (batch, samples) in [-1, 1] at the rate of `InputShape`, zero beyond a clip's end; (batch, 2, samples) for
             a model with `VIEWS = 2`, where the input has a reference
    lengths  int64 (batch,), valid samples of each clip; None: all of them

    An embedding has parts, which detectors may compare one by one: the frequency bands of a patch transformer, say.
    """

    dim: int  # of each part
    parts: int = 1
    untrained: bool = False  # a pretrained encoder that got random weights; its numbers say nothing about the method

    @abstractmethod
    def forward(self, waves: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Embeddings, float32 (batch, parts, dim), or (batch, dim) when there is one part."""

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return next((tensor.device for tensor in chain(self.parameters(), self.buffers())), torch.device("cpu"))

    def trained_state(self) -> dict[str, Tensor]:
        """What a run has to keep, to have the same network again; nothing, where nothing is trained."""
        return {}

    def load_trained_state(self, state: dict[str, Tensor]) -> None:
        """Put `trained_state` back. Raises: AsdzooError when it belongs to another base."""


def with_parts(embeddings: Tensor) -> Tensor:
    """What `forward` gave, as (batch, parts, dim)."""
    return embeddings[:, None] if embeddings.ndim == 2 else embeddings


class Network(Embedder):
    """An embedder that is trained: `losses` gives what training minimises.

    Augmentation happens inside, in training mode only.
    """

    @abstractmethod
    def losses(self, waves: Tensor, labels: Tensor, lengths: Tensor | None = None) -> dict[str, Tensor]:
        """Scalar batch means by name; training back-propagates their sum. `labels` is int64 (batch,), the class index."""

    def trained_state(self) -> dict[str, Tensor]:
        """What training changes; a network with a frozen base leaves the base out."""
        return self.state_dict()

    def load_trained_state(self, state: dict[str, Tensor]) -> None:
        self.load_state_dict(state)


class PreparedNetwork(Network):
    """A network whose front end neither learns nor augments: training runs it once for each clip instead of in every step."""

    @abstractmethod
    def prepare(self, waves: Tensor, lengths: Tensor | None = None) -> Tensor:
        """What the rest of the network needs of each clip, (batch, ...), without gradients."""

    @abstractmethod
    def embed(self, prepared: Tensor) -> Tensor:
        """`forward` from what `prepare` gave."""

    @abstractmethod
    def losses_of(self, prepared: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """`losses` from what `prepare` gave."""

    def forward(self, waves: Tensor, lengths: Tensor | None = None) -> Tensor:
        return self.embed(self.prepare(waves, lengths))

    def losses(self, waves: Tensor, labels: Tensor, lengths: Tensor | None = None) -> dict[str, Tensor]:
        return self.losses_of(self.prepare(waves, lengths), labels)


class FrameNetwork(Network):
    """A network that sees a few frames at a time: training draws vectors of them out of all clips, in place of clips."""

    context: int  # frames side by side in one vector
    stride: int = 1  # frames from one vector to the next

    @abstractmethod
    def frames(self, waves: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Features (batch, frames, bins), and how many of them are a clip's own (batch,), at least `context`; no gradients."""

    @abstractmethod
    def losses_of(self, vectors: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """`losses` of vectors (n, context x bins) of clips of the classes `labels` (n,)."""

    def vectors(self, waves: Tensor, lengths: Tensor | None = None) -> list[Tensor]:
        """All vectors of each clip, (vectors, context x bins)."""
        frames, counts = self.frames(waves, lengths)
        own = [frames[:count] for frames, count in zip(frames, counts.tolist(), strict=True)]
        return [side_by_side(each, self.context)[:: self.stride] for each in own]

    def losses(self, waves: Tensor, labels: Tensor, lengths: Tensor | None = None) -> dict[str, Tensor]:
        vectors = self.vectors(waves, lengths)
        counts = torch.tensor([len(own) for own in vectors], device=labels.device)
        return self.losses_of(torch.cat(vectors), labels.repeat_interleave(counts))


def side_by_side(frames: Tensor, context: int) -> Tensor:
    """Every `context` consecutive frames as one vector, hop 1: (n, bins) -> (n - context + 1, context x bins), not copied."""
    count, bins = frames.shape
    return frames.contiguous().as_strided((count - context + 1, context * bins), (bins, 1))


class DensityNetwork(Network):
    """A network that knows how likely an embedding is; the density detector scores with it."""

    @abstractmethod
    def negative_log_likelihood(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """In nats, (n,), of embeddings (n, dim) of the classes `labels` (n,)."""
