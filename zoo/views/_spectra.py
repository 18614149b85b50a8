"""Short-time spectra of whole clips, and the way back."""

import torch
from torch import Tensor
from torch.nn import functional as F


def spectrum(wave: Tensor, window: int) -> Tensor:
    """STFT (..., window / 2 + 1, frames), centred, with zeros behind the clip up to a whole number of hops."""
    wave = F.pad(wave, (0, filled(wave.shape[-1], window) - wave.shape[-1]))
    flat = wave.reshape(-1, wave.shape[-1])
    spectrum = torch.stft(flat, window, window // 2, window=torch.hann_window(window), pad_mode="reflect", return_complex=True)
    return spectrum.reshape(*wave.shape[:-1], *spectrum.shape[-2:])


def wave(spectrum: Tensor, window: int, samples: int) -> Tensor:
    flat = spectrum.reshape(-1, *spectrum.shape[-2:])
    wave = torch.istft(flat, window, window // 2, window=torch.hann_window(window), length=filled(samples, window))
    return wave.reshape(*spectrum.shape[:-2], -1)[..., :samples]


def filled(samples: int, window: int) -> int:
    return max(window, -(-samples // (window // 2)) * (window // 2))
