"""Kaldi's log mel filterbank, which the pretrained encoders hear."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.features.fourier import in_float32, power
from zoo.features.mel import mel_filters


class KaldiFbank(nn.Module):
    """Log mel filterbank energies as Kaldi's `compute-fbank-feats` without dither and energy gives them.

    Frames of 25 ms every 10 ms, minus their mean, pre-emphasis 0.97, window, FFT padded to a power of two, power, triangular
    filters between 20 Hz and Nyquist on the mel scale 1127 ln(1 + f/700), natural log floored at the float32 epsilon. A filter
    between two FFT bins (there are some at 128 mels) is constant, log(epsilon).

    Kaldi expects 16-bit sample values: scale waves by 2**15 for its numbers; nothing is scaled in here.
    Shape: (batch, samples) -> (batch, frames, mels), frames = 1 + (samples - 400) // 160 at 16 kHz, none when shorter.
    """

    EPSILON = torch.finfo(torch.float32).eps

    def __init__(self, window: Literal["povey", "hanning"] = "povey", mels: int = 128, sample_rate: int = 16000) -> None:
        super().__init__()
        self.length = sample_rate * 25 // 1000
        self.hop = sample_rate * 10 // 1000
        self.pre_emphasis = 0.97
        size = 1 << (self.length - 1).bit_length()
        hann = torch.hann_window(self.length, periodic=False, dtype=torch.float64)
        padded = F.pad(hann**0.85 if window == "povey" else hann, (0, size - self.length))
        self.register_buffer("window", padded.float(), persistent=False)
        self.register_buffer("filters", mel_filters(mels, size, sample_rate, 20.0, by_mel=True)[:-1], persistent=False)
        self.window: Tensor
        self.filters: Tensor  # (size / 2, mels): Kaldi leaves the Nyquist bin out

    def frames(self, lengths: Tensor) -> Tensor:
        """Frames of clips with this many valid samples, int64 like `lengths`."""
        return (1 + (lengths - self.length).div(self.hop, rounding_mode="floor")).clamp_min(0)

    @in_float32
    def forward(self, waves: Tensor) -> Tensor:
        frames = max(0, 1 + (waves.shape[1] - self.length) // self.hop)
        size = len(self.window)
        if frames == 0:
            return waves.new_empty(len(waves), 0, self.filters.shape[1])
        means = waves.unfold(1, self.length, self.hop).mean(2, keepdim=True)
        # Pre-emphasis of the whole wave instead of each frame differs in a frame's first sample only, where the window is 0.
        emphasized = F.pad(waves, (0, size))
        emphasized[:, 1 : waves.shape[1]].sub_(waves[:, :-1], alpha=self.pre_emphasis)
        framed = emphasized.unfold(1, size, self.hop)[:, :frames]
        spectra = power((framed - (1 - self.pre_emphasis) * means).mul_(self.window))
        return (spectra[..., :-1] @ self.filters).clamp_min_(self.EPSILON).log_()
