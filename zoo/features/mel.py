"""Triangular filters on the mel scale."""

import math

import torch
from torch import Tensor


def mel_filters(mels: int, size: int, sample_rate: int, lowest: float, *, by_mel: bool) -> Tensor:
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


def slaney_filters(mels: int, size: int, sample_rate: int) -> Tensor:
    """Triangular filters of area 1 from 0 Hz to Nyquist on Slaney's mel scale, float32 (size / 2 + 1, mels).

    The scale is linear up to 1 kHz (15 mel) and logarithmic above, 27 mel for a factor of 6.4.
    Source: Slaney, Auditory Toolbox, 1998; the filters that librosa makes by default.
    """
    step = math.log(6.4) / 27
    nyquist = sample_rate / 2
    highest = 15 + math.log(nyquist / 1000) / step if nyquist > 1000 else 3 * nyquist / 200
    scale = torch.linspace(0.0, highest, mels + 2, dtype=torch.float64)
    edges = torch.where(scale < 15, 200 * scale / 3, 1000 * torch.exp(step * (scale - 15)))
    bins = torch.linspace(0.0, nyquist, size // 2 + 1, dtype=torch.float64)[:, None]
    left, center, right = edges[:-2], edges[1:-1], edges[2:]
    triangles = torch.minimum((bins - left) / (center - left), (right - bins) / (right - center)).clamp_min(0.0)
    return (triangles * 2 / (right - left)).float()
