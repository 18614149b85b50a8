"""Front ends: from waves to what a network sees.

Conventions
    waves      float32 (batch, samples), in [-1, 1] unless said otherwise; other types are converted
    output     float32 (batch, frames, bins), also inside autocast: half precision has too few digits for a power spectrum
    frames     a frame is computed from its own samples only (no padding, no centring), so a clip in a zero-padded batch has the
               frames it has alone, in front; `frames(lengths)` says how many
    device     where the batch is; windows and filters are buffers

Front ends
    KaldiFbank     log mel filterbank as Kaldi computes it: 25 ms every 10 ms
    LogMel         log mel spectrogram with long windows
    StftMagnitude  magnitude spectrogram
    Spectrum       magnitude of the DFT of a whole clip
    SpecAugment    masks, in training mode only
"""

from collections.abc import Callable
from functools import wraps
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def _in_float32(method: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The method with its input in float32 and autocast off."""

    @wraps(method)
    def wrapped(self: nn.Module, waves: Tensor) -> Tensor:
        with torch.autocast(waves.device.type, enabled=False):
            return method(self, waves.float())

    return wrapped


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
        self.register_buffer("filters", _mel_filters(mels, size, sample_rate, 20.0, by_mel=True)[:-1], persistent=False)
        self.window: Tensor
        self.filters: Tensor  # (size / 2, mels): Kaldi leaves the Nyquist bin out

    def frames(self, lengths: Tensor) -> Tensor:
        """Frames of clips with this many valid samples, int64 like `lengths`."""
        return (1 + (lengths - self.length).div(self.hop, rounding_mode="floor")).clamp_min(0)

    @_in_float32
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
        power = _power((framed - (1 - self.pre_emphasis) * means).mul_(self.window))
        return (power[..., :-1] @ self.filters).clamp_min_(self.EPSILON).log_()


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
        self.register_buffer("filters", _mel_filters(mels, window, sample_rate, 0.0, by_mel=False))
        self.window: Tensor
        self.filters: Tensor  # (window / 2 + 1, mels)

    def frames(self, lengths: Tensor) -> Tensor:
        """Frames of clips with this many valid samples, at least one, int64 like `lengths`."""
        return (1 + (lengths - len(self.window)).div(self.hop, rounding_mode="floor")).clamp_min(1)

    def mask(self, lengths: Tensor, frames: int) -> Tensor:
        """True where a frame is valid, bool (batch, frames): for means over time in a zero-padded batch."""
        return torch.arange(frames, device=lengths.device) < self.frames(lengths)[:, None]

    @_in_float32
    def forward(self, waves: Tensor) -> Tensor:
        power = _power(_framed(waves, self.window, self.hop))
        return (power @ self.filters).clamp_min_(self.floor).log_()


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

    @_in_float32
    def forward(self, waves: Tensor) -> Tensor:
        return _power(_framed(waves, self.window, self.hop)).sqrt_()


class Spectrum(nn.Module):
    """Magnitude of the DFT of a whole clip, not scaled: its bins 0 to samples / 2 - 1 [T24 2.2: 80,000 of 10 s].

    A real DFT has one bin more, Nyquist, which W23's code leaves out.
    Shape: (batch, samples) -> (batch, samples // 2).
    """

    @_in_float32
    def forward(self, waves: Tensor) -> Tensor:
        return _power(waves)[:, : waves.shape[1] // 2].sqrt_()


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


def _framed(waves: Tensor, window: Tensor, hop: int) -> Tensor:
    """The windowed frames that fit (batch, frames, window), one of a clip that is shorter than the window."""
    waves = F.pad(waves, (0, max(0, len(window) - waves.shape[1])))
    return waves.unfold(1, len(window), hop) * window


def _power(signals: Tensor) -> Tensor:
    """Power spectrum over the last dimension, n -> n / 2 + 1 bins; several times faster than `rfft(...).abs().square()`."""
    spectra = torch.fft.rfft(signals.contiguous())  # before torch 2.7 MKL refuses signals that share their samples
    power: Tensor = spectra.real.square().addcmul_(spectra.imag, spectra.imag)
    return power


def _mel_filters(mels: int, size: int, sample_rate: int, lowest: float, *, by_mel: bool) -> Tensor:
    """Triangular filters from `lowest` Hz to Nyquist, equally wide on the mel scale, float32 (size / 2 + 1, mels).

    by_mel  the sides are straight lines over mel (Kaldi), else over Hz
    """

    def mel(hertz: Tensor) -> Tensor:
        return torch.log1p(hertz / 700.0) * 1127.0  # = 2595 log10(1 + f/700)

    nyquist = sample_rate / 2
    limits = mel(torch.tensor([lowest, nyquist], dtype=torch.float64)).tolist()
    edges = torch.linspace(limits[0], limits[1], mels + 2, dtype=torch.float64)
    bins = torch.linspace(0.0, nyquist, size // 2 + 1, dtype=torch.float64)
    if by_mel:
        bins = mel(bins)
    else:
        edges = 700.0 * torch.expm1(edges / 1127.0)
    left, center, right = edges[:-2], edges[1:-1], edges[2:]
    rising = (bins[:, None] - left) / (center - left)
    falling = (right - bins[:, None]) / (right - center)
    return torch.minimum(rising, falling).clamp_min(0.0).float()
