"""Near without what is linear in far: complex reference subtraction over the whole clip.

Source: the public protocol of kasahart/asd-experiments (`docs/02-protocol.md`, "W1", 2026) and the report of Ozeki et al. for
DCASE 2026 Task 2.
"""

import torch
from torch import Tensor

from zoo.views._spectra import spectrum, wave

NEEDS = 2
_PEAK = 0.9  # of near and far together, while they are subtracted
_REGULAR = 1e-12  # added to the power of far, so that a silent far changes nothing


def heard(waves: Tensor) -> Tensor:
    """Near without what a linear filter makes of far: (..., channels, samples) -> (..., samples).

    With C and F the spectra of near and far, H = sum_t C conj(F) / sum_t |F|^2 for each frequency over the whole clip, and the
    result is C - H F. Windows of 1024 samples (periodic Hann), 512 apart.
    """
    scale = waves[..., :2, :].abs().amax((-2, -1), keepdim=True).clamp_min(torch.finfo(waves.dtype).tiny) / _PEAK
    near, far = (spectrum(waves[..., channel, :] / scale[..., 0], 1024) for channel in (0, 1))
    power = (far.real.square() + far.imag.square()).sum(-1, keepdim=True)
    transfer = (near * far.conj()).sum(-1, keepdim=True) / (power + _REGULAR)
    return wave(near - transfer * far, 1024, waves.shape[-1]) * scale[..., 0]
