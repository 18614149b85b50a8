"""Near with the magnitude of far taken off, near's phase.

Source: Boll, Suppression of acoustic noise in speech using spectral subtraction, IEEE Transactions on ASSP 27(2), 1979.
"""

import torch
from torch import Tensor

from zoo.views._spectra import spectrum, wave

NEEDS = 2
_FLOOR = 0.1  # of near's magnitude that stays where far is louder


def heard(waves: Tensor) -> Tensor:
    """Near with far's magnitude taken off in each window and frequency: (..., channels, samples) -> (..., samples).

    |near| - |far| where that is positive, else a tenth of |near|, with near's phase. Windows of 512 samples, 256 apart.
    """
    near, far = (spectrum(waves[..., channel, :], 512) for channel in (0, 1))
    size = near.abs()
    rest = size - far.abs()
    kept = torch.where(rest > 0, rest, _FLOOR * size)
    return wave(near * (kept / size.clamp_min(torch.finfo(size.dtype).tiny)), 512, waves.shape[-1])
