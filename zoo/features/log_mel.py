"""The log mel spectrogram of NF-CDEE, with long windows."""

import torch
from torch import Tensor, nn

from zoo.features.fourier import framed, in_float32, power
from zoo.features.mel import mel_filters


class LogMel(nn.Module):
    """Log mel spectrogram of [T24] (NF-CDEE): window 8192, hop 512, 256 mels.

    Open in the paper, and taken from what its parameter count suggests (torchaudio's module: two buffers, mel matrix and
    window): periodic Hann window, power spectrum, triangular filters from 0 Hz to Nyquist on the mel scale
    2595 log10(1 + f/700), not normalised by area; then the natural log, floored at `floor`. No centring, see the conventions.

    Shape: (batch, samples) -> (batch, frames, mels), frames = 1 + (samples - window) // hop; a shorter clip is zero-padded to
    one.
    """

    def __init__(
        self, window: int = 8192, hop: int = 512, mels: int = 256, sample_rate: int = 16000, floor: float = 1e-10
    ) -> None:
        super().__init__()
        self.hop = hop
        self.floor = floor
        self.register_buffer("window", torch.hann_window(window))
        self.register_buffer("filters", mel_filters(mels, window, sample_rate, 0.0, by_mel=False))
        self.window: Tensor
        self.filters: Tensor  # (window / 2 + 1, mels)

    def frames(self, lengths: Tensor) -> Tensor:
        """Frames of clips with this many valid samples, at least one, int64 like `lengths`."""
        return (1 + (lengths - len(self.window)).div(self.hop, rounding_mode="floor")).clamp_min(1)

    def mask(self, lengths: Tensor, frames: int) -> Tensor:
        """True where a frame is valid, bool (batch, frames): for means over time in a zero-padded batch."""
        return torch.arange(frames, device=lengths.device) < self.frames(lengths)[:, None]

    @in_float32
    def forward(self, waves: Tensor) -> Tensor:
        spectra = power(framed(waves, self.window, self.hop))
        return (spectra @ self.filters).clamp_min_(self.floor).log_()
