"""The magnitude spectrogram."""

import torch
from torch import Tensor, nn

from zoo.features.fourier import framed, in_float32, power


class StftMagnitude(nn.Module):
    """Magnitude spectrogram, periodic Hann window, not scaled [T24 2.2: 1024/512].

    Shape: (batch, samples) -> (batch, frames, window / 2 + 1), frames = 1 + (samples - window) // hop; a shorter clip is
    zero-padded to one.
    """

    def __init__(self, window: int = 1024, hop: int = 512) -> None:
        super().__init__()
        self.hop = hop
        self.register_buffer("window", torch.hann_window(window), persistent=False)
        self.window: Tensor

    @in_float32
    def forward(self, waves: Tensor) -> Tensor:
        return power(framed(waves, self.window, self.hop)).sqrt_()
