"""Recordings mixed with one another: mixup, and noise at a ratio that is said.

Waves are (batch, samples), or (batch, views, samples) where a clip is heard by several microphones: then all that happens to
the first one, gains as well, happens to all.
"""

import torch
from torch import Tensor


def mixup(waves: Tensor, shares: Tensor, weight: Tensor, labels: str = "sum") -> tuple[Tensor, Tensor]:
    """Each clip mixed with the one as far from the other end of the batch, and the classes of the mixture.

    Shape: waves (batch, ..., samples), shares of classes (batch, classes), weight (batch,) of the clip itself in the mixture.
    `labels`: "sum" mixes the shares alike; "max" takes the larger of both parts of each class, so that a clip mixed with one of
    its own class has less than a whole.

    Sources: Zhang et al., mixup, ICLR 2018; "max" and the reversed batch: the public code of Wilkinghoff, ICASSP 2023.
    """
    of_waves = weight.view(-1, *[1] * (waves.ndim - 1))
    mixed = of_waves * waves + (1 - of_waves) * waves.flip(0)
    own, other = weight[:, None], 1 - weight[:, None]
    if labels == "max":
        return mixed, torch.maximum(own * shares, other * shares.flip(0))
    return mixed, own * shares + other * shares.flip(0)


def at_snr(waves: Tensor, noise: Tensor, decibels: Tensor) -> Tensor:
    """Clips with noise added so that clip over noise is `decibels` (batch,) in the first view; silence there adds nothing.

    Shape: waves and noise (batch, ..., samples) -> the same, scaled down where it would leave [-1, 1].
    """
    signal, other = (part.view(len(part), -1, part.shape[-1])[:, 0].square().mean(1).sqrt() for part in (waves, noise))
    gain = torch.where(other > 0, signal / other.clamp_min(1e-12), 0.0) * 10 ** (-decibels / 20)
    mixed = waves + gain.view(-1, *[1] * (waves.ndim - 1)) * noise
    return mixed / mixed.abs().flatten(1).amax(1).clamp_min(1.0).view(-1, *[1] * (waves.ndim - 1))
