"""The micro-batches of a training, in order, fetched while the device works on the one before."""

from collections.abc import Generator

import numpy as np
import torch

from zoo.training.data import Batch, TrainingData
from zoo.training.prefetch import one_ahead
from zoo.training.sampling import Indices, Order, crop_generator


class Feed:
    """Batches of `micro` clips or fewer, `per_step` clips to a step; `micro` may change between two steps, after `drop`."""

    def __init__(
        self, data: TrainingData, order: Order, seed: int, device: torch.device, *, steps: int, per_step: int, micro: int
    ) -> None:
        self.data, self.order, self.seed, self.device = data, order, seed, device
        self.steps, self.per_step, self.micro = steps, per_step, micro
        self._coming: Generator[Batch] | None = None  # from the micro-batch on that is wanted next

    def parts(self, step: int) -> list[Indices]:
        """The clips of each micro-batch of a step."""
        indices = self.order.take(step * self.per_step, self.per_step)
        return [indices[start : start + self.micro] for start in range(0, len(indices), self.micro)]

    def batches(self, step: int) -> Generator[tuple[Batch, float]]:
        """The micro-batches of a step, each with its share of the step's clips. Steps follow each other, but after `drop`."""
        self._coming = self._coming or self._from(step)
        for part in self.parts(step):
            yield next(self._coming), len(part) / self.per_step

    def drop(self) -> None:
        """Forget what was fetched ahead."""
        if self._coming is not None:
            self._coming.close()  # at a place of our choosing: the garbage collector may run in the very thread it waits for
            self._coming = None

    def _from(self, first: int) -> Generator[Batch]:
        def in_order() -> Generator[Batch]:
            for step in range(first, self.steps):
                generator = crop_generator(self.seed, step)
                for part in self.parts(step):
                    yield self.fetched(part, generator)

        return in_order() if self.data.prepared else one_ahead(in_order())

    def fetched(self, indices: Indices, generator: np.random.Generator | None) -> Batch:
        """One batch, where the device can copy it from; a generator crops and augments at random."""
        batch = self.data.fetch(indices, generator)
        if self.device.type == "cuda" and not batch[0].is_cuda:
            batch = (batch[0].pin_memory(), batch[1].pin_memory(), batch[2].pin_memory())  # else copies make the host wait
        return batch
