"""What is done to features in training: SpecAugment."""

import torch
from torch import Tensor, nn


class SpecAugment(nn.Module):
    """One frequency mask and one time mask per clip, without warping; the identity in eval mode.

    The width of a mask is uniform in 0..`frequency` bins (0..`time` frames), its place uniform among those that fit. Masked
    values become `value`. Draws come from torch's default generator of the batch's device.
    Shape: (batch, frames, bins) -> the same. Source: Park et al., SpecAugment, Interspeech 2019, section 2; up to 80 in [T24].
    """

    def __init__(self, frequency: int = 80, time: int = 80, value: float = 0.0) -> None:
        super().__init__()
        self.frequency = frequency
        self.time = time
        self.value = value

    def forward(self, features: Tensor) -> Tensor:
        if not self.training:
            return features
        batch, frames, bins = features.shape
        hidden = _bands(batch, bins, self.frequency, features.device)[:, None, :]
        hidden = hidden | _bands(batch, frames, self.time, features.device)[:, :, None]
        return features.masked_fill(hidden, self.value)


def _bands(batch: int, size: int, widest: int, device: torch.device) -> Tensor:
    """A random band of each row, bool (batch, size)."""
    widest = min(widest, size)
    draws = torch.rand(2, batch, 1, device=device)
    width = (draws[0] * (widest + 1)).floor().clamp_max(widest)
    start = (draws[1] * (size - width + 1)).floor().clamp_max(size - width)
    place = torch.arange(size, device=device)
    inside: Tensor = (place >= start) & (place < start + width)
    return inside
