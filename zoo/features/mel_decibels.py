"""The log mel spectrogram of the challenge's baselines, in decibels."""

import sys

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.features.fourier import framed, in_float32, power
from zoo.features.mel import slaney_filters


class MelDecibels(nn.Module):
    """Power of Slaney's mel bands in dB re 1, periodic Hann window, centred frames.

    Frames are centred on multiples of `hop`; beyond either end of a clip there are zeros (open: librosa has changed there).
    Shape: (batch, samples) -> (batch, frames, mels), frames = 1 + samples // hop.
    Source: the baseline of DCASE 2020 to 2026 Task 2 (librosa's mel spectrogram).
    """

    def __init__(self, window: int = 1024, hop: int = 512, mels: int = 128, sample_rate: int = 16000) -> None:
        super().__init__()
        self.hop = hop
        self.register_buffer("window", torch.hann_window(window), persistent=False)
        self.register_buffer("filters", slaney_filters(mels, window, sample_rate), persistent=False)
        self.window: Tensor
        self.filters: Tensor

    def frames(self, lengths: Tensor) -> Tensor:
        """Frames of clips with so many valid samples, int64 like `lengths`."""
        return 1 + lengths.div(self.hop, rounding_mode="floor")

    @in_float32
    def forward(self, waves: Tensor) -> Tensor:
        half = len(self.window) // 2
        spectra = power(framed(F.pad(waves, (half, len(self.window) - half)), self.window, self.hop))
        decibels: Tensor = (spectra @ self.filters).clamp_min_(sys.float_info.epsilon).log10_().mul_(10)
        return decibels[:, : 1 + waves.shape[1] // self.hop]
