"""Triangular filters on the mel scale."""

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
