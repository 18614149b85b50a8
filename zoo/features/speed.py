"""Speed of a recording, with the pitch or without it: what stands for a machine in another state ("status augmentation").

Source: Han et al., Exploring large scale pre-trained models for robust machine anomalous sound detection, ICASSP 2024.
"""

from fractions import Fraction

import torch
from scipy.signal import resample_poly
from torch import Tensor


def resampled(waves: Tensor, factor: float) -> Tensor:
    """Played `factor` times as fast, pitch and all: (..., samples) -> (..., samples / factor, rounded up)."""
    ratio = Fraction(factor).limit_denominator(100)
    if ratio == 1:
        return waves
    return torch.from_numpy(resample_poly(waves.numpy(), ratio.denominator, ratio.numerator, axis=-1))


def stretched(waves: Tensor, factor: float, window: int = 1024) -> Tensor:
    """Played `factor` times as fast at the same pitch, by a phase vocoder: (..., samples) -> (..., samples / factor).

    Magnitudes are read at `factor` times the pace of the output's frames, between two frames linearly; phases go on by what
    they advance between those two.
    """
    if factor == 1:
        return waves
    if waves.ndim > 2:
        return stretched(waves.flatten(0, -2), factor, window).view(*waves.shape[:-1], -1)
    hop, count = window // 4, round(waves.shape[-1] / factor)
    hann = torch.hann_window(window)
    padded = torch.nn.functional.pad(waves, (0, max(0, window - waves.shape[-1])))
    frames = torch.stft(padded, window, hop, window=hann, return_complex=True, pad_mode="reflect")
    frames = torch.nn.functional.pad(frames, (0, 2))
    at = torch.arange(0, frames.shape[-1] - 2, factor)
    before, part = at.long(), at - at.long()
    left, right = frames[..., before], frames[..., before + 1]
    size = left.abs() * (1 - part) + right.abs() * part
    expected = torch.linspace(0, torch.pi * hop, window // 2 + 1)[:, None]
    turned = right.angle() - left.angle() - expected
    advance = expected + turned - 2 * torch.pi * torch.round(turned / (2 * torch.pi))
    phase = torch.cumsum(advance, dim=-1) - advance
    # Phases are tied to a frame that lies inside: the first ones see the mirrored beginning, where bins disagree.
    inside = min(int(torch.searchsorted(at, 2.0)), len(at) - 1)
    tied = left[..., inside].angle() + part[inside] * advance[..., inside]
    phase = phase + (tied - phase[..., inside])[..., None]
    made = torch.istft(torch.polar(size, phase), window, hop, window=hann, length=max(count, window))
    return made[..., :count]
