"""Which clips are held out, and in which order the others are drawn: pure functions of a seed."""

import numpy as np
import torch
from numpy.typing import NDArray

Indices = NDArray[np.int64]
_HOLDOUT, _ORDER, _STEP, _CROPS = 1, 2, 3, 4  # independent streams of one seed


def split_holdout(labels: Indices, share: float, seed: int) -> tuple[Indices, Indices]:
    """Indices to train on and indices held out: floor(share x count) of each class, drawn by `seed`.

    >>> kept, held = split_holdout(np.repeat([0, 1], [20, 3]), 0.1, seed=0)
    >>> len(kept), len(held)
    (21, 2)
    """
    generator = np.random.default_rng([seed, _HOLDOUT])
    held = [
        generator.permutation(members)[: int(share * len(members))]
        for members in (np.flatnonzero(labels == label) for label in np.unique(labels))
    ]
    out = np.sort(np.concatenate(held)) if held else np.empty(0, np.int64)
    return np.setdiff1d(np.arange(len(labels)), out), out


class Order:
    """The endless order in which clips are drawn: one seeded permutation (epoch) after another."""

    def __init__(self, members: Indices, seed: int) -> None:
        self.members, self.seed = members, seed
        self._drawn: dict[int, Indices] = {}  # the epochs that were asked for last

    def take(self, start: int, count: int) -> Indices:
        """Clips number `start` to `start + count` of the order."""
        parts = []
        while count:
            epoch, place = divmod(start, len(self.members))
            parts.append(self._epoch(epoch)[place : place + count])
            start, count = start + len(parts[-1]), count - len(parts[-1])
        return np.concatenate(parts)

    def _epoch(self, epoch: int) -> Indices:
        drawn = self._drawn.get(epoch)
        if drawn is None:
            generator = np.random.default_rng([self.seed, _ORDER, epoch])
            drawn = self.members[generator.permutation(len(self.members))]
            self._drawn = {**{near: order for near, order in self._drawn.items() if abs(near - epoch) == 1}, epoch: drawn}
        return drawn


def step_seed(seed: int, step: int) -> int:
    """Seed of torch's global generator in optimizer step `step`."""
    return int(np.random.SeedSequence([seed, _STEP, step]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def seed_draws(seed: int, device: torch.device) -> None:
    """Seed torch's global generators. On a CPU its own alone: torch notes a call for every GPU to come, in two milliseconds."""
    if device.type == "cpu":
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)


def crop_generator(seed: int, step: int) -> np.random.Generator:
    """Where the crops of optimizer step `step` come from."""
    return np.random.default_rng([seed, _CROPS, step])
