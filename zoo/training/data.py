"""What a trainer is given: clips, or the vectors of clips, and how to fetch a batch of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from zoo.networks import FrameNetwork, Network, PreparedNetwork
from zoo.training.compilation import Losses
from zoo.training.sampling import Indices, split_holdout

Batch = tuple[Tensor, Tensor, Tensor]  # waves, labels (classes, or shares of them), lengths
Fetch = Callable[[Indices, np.random.Generator | None], Batch]


@dataclass(frozen=True)
class TrainingData:
    """Clips to train on: `fetch(indices, generator)` gives a batch; a generator means random crops and augmentation."""

    fetch: Fetch
    labels: Indices  # class index of each clip
    names: Sequence[str]  # of the clips, for messages
    prepared: bool = False  # `fetch` gives what a `PreparedNetwork` prepared in place of waves, or a `FrameNetwork`'s vectors
    clips: Indices | None = None  # the clip of each vector: then `labels` and what is fetched are of vectors

    @property
    def vectors_per_clip(self) -> float:
        """How many indices a clip has, on average: 1 where they are of clips."""
        return len(self.labels) / len(self.names)

    def losses_of(self, network: Network) -> Losses:
        """The losses of a network as a function of what `fetch` gives."""
        if not self.prepared:
            return network.losses
        if not isinstance(network, PreparedNetwork | FrameNetwork):
            raise TypeError(f"{type(network).__name__} is no PreparedNetwork and no FrameNetwork")
        return lambda prepared, labels, lengths: network.losses_of(prepared, labels)

    def names_of(self, indices: Indices) -> list[str]:
        """The clips of these indices, each once."""
        clips = indices if self.clips is None else self.clips[indices]
        return list(dict.fromkeys(self.names[clip] for clip in clips))

    def split(self, share: float, seed: int) -> tuple[Indices, Indices]:
        """Indices to train on and indices held out (`split_holdout`); a clip's vectors stay together."""
        if self.clips is None:
            return split_holdout(self.labels, share, seed)
        numbers, first = np.unique(self.clips, return_index=True)
        _, held_out = split_holdout(self.labels[first], share, seed)
        held = np.isin(self.clips, numbers[held_out])
        return np.flatnonzero(~held), np.flatnonzero(held)
