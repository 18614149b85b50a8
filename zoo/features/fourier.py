"""What front ends share: float32 whatever surrounds them, frames, power spectra."""

from collections.abc import Callable
from functools import wraps

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.autocast import without_autocast


def in_float32(method: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The method with its input in float32 and autocast off."""

    @wraps(method)
    def wrapped(self: nn.Module, waves: Tensor) -> Tensor:
        with without_autocast(waves):
            return method(self, waves.float())

    return wrapped


def clips_at_once(samples: int) -> int:
    """How many clips of this length (samples at 16 kHz) go through a front end together: so many that FFTs are cheap.

    The spectra of 16 clips of ten seconds with overlapping windows of 8192 samples take 400 MB; a long clip goes alone.
    """
    return 16 if samples <= 20 * 16000 else 1


def framed(waves: Tensor, window: Tensor, hop: int) -> Tensor:
    """The windowed frames that fit (batch, frames, window), one of a clip that is shorter than the window."""
    waves = F.pad(waves, (0, max(0, len(window) - waves.shape[1])))
    return waves.unfold(1, len(window), hop) * window


def power(signals: Tensor) -> Tensor:
    """Power spectrum over the last dimension, n -> n / 2 + 1 bins; several times faster than `rfft(...).abs().square()`."""
    spectra = torch.fft.rfft(signals.contiguous())  # before torch 2.7 MKL refuses signals that share their samples
    power: Tensor = spectra.real.square().addcmul_(spectra.imag, spectra.imag)
    return power
