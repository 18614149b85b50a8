"""Views: which waves of a recording a system hears.

near                  channel 0: in 2026 the microphone at the machine; the only channel of a mono recording
far                   channel 1: in 2026 the microphone away from it
channel:N             channel N
mean                  the mean over all channels
subtracted            near without what is linear in far: complex reference subtraction over the whole clip
spectral_subtracted   near with the magnitude of far taken off, near's phase

The last two are computed from near and far of the same clip, with nothing of any other clip, once, and are kept in the waveform
store beside the channels.

Sources: reference subtraction as in the public protocol of kasahart/asd-experiments (`docs/02-protocol.md`, "W1", 2026) and the
report of Ozeki et al. for DCASE 2026 Task 2; magnitude subtraction after Boll, IEEE Transactions on ASSP 27(2), 1979.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.errors import AsdzooError, unknown_name

NAMES = ("near", "far", "channel:N", "mean", "subtracted", "spectral_subtracted")
_CHANNELS = {"near": 0, "far": 1}
_PEAK = 0.9  # of near and far together, while they are subtracted
_REGULAR = 1e-12  # added to the power of far, so that a silent far changes nothing
_FLOOR = 0.1  # of near's magnitude that stays where far is louder


@dataclass(frozen=True)
class View:
    """One view of a recording: a stored channel, or a recipe that makes a wave of the first `needs` channels."""

    name: str
    channel: int | None  # the channel itself; None: computed by `recipe`
    needs: int  # channels that a recording must have

    @property
    def recipe(self) -> Callable[[Tensor], Tensor] | None:
        """From waves (channels, samples) in [-1, 1] to the wave (samples,) of this view; None for a stored channel."""
        return _RECIPES.get(self.name)

    def require(self, channels: int, machine: str, clip: str) -> None:
        """Raises: AsdzooError when a recording with so many channels has no such view."""
        if channels < self.needs:
            raise self.missing(channels, machine, clip)

    def missing(self, channels: int, machine: str, clip: str) -> AsdzooError:
        """The error for a recording with so many channels, which are not what the view needs."""
        has = f"{channels} channel{'s' if channels > 1 else ''}"
        if self.channel is not None:
            return AsdzooError(
                f"{machine} has {has}, so {clip} has no channel {self.channel}",
                f"channels count from 0: set input.channel to {' or '.join(str(number) for number in range(channels))}",
            )
        return AsdzooError(
            f"{machine} has {has}, and the view {self.name} needs a near and a far microphone ({clip})",
            "take a system that hears one channel, or --set input.view=near",
        )


def view_of(text: str) -> View:
    """The view that `input.view` names. Raises: AsdzooError for a name that is none, naming those there are."""
    if text in _RECIPES:
        return View(text, None, 1 if text == "mean" else 2)
    kind, _, number = text.partition(":")
    if kind == "channel" and number.isascii() and number.isdigit():
        return View(text, int(number), int(number) + 1)
    if text in _CHANNELS:
        return View(text, _CHANNELS[text], _CHANNELS[text] + 1)
    raise unknown_name("view", text, NAMES)


def mean(waves: Tensor) -> Tensor:
    """The mean over channels: (channels, samples) -> (samples,)."""
    return waves.mean(0)


def subtracted(waves: Tensor) -> Tensor:
    """Near without what a linear filter makes of far: (..., channels, samples) -> (..., samples).

    With C and F the spectra of near and far, H = sum_t C conj(F) / sum_t |F|^2 for each frequency over the whole clip, and the
    result is C - H F. Windows of 1024 samples (periodic Hann), 512 apart.
    """
    scale = waves[..., :2, :].abs().amax((-2, -1), keepdim=True).clamp_min(torch.finfo(waves.dtype).tiny) / _PEAK
    near, far = (_spectrum(waves[..., channel, :] / scale[..., 0], 1024) for channel in (0, 1))
    power = (far.real.square() + far.imag.square()).sum(-1, keepdim=True)
    transfer = (near * far.conj()).sum(-1, keepdim=True) / (power + _REGULAR)
    return _wave(near - transfer * far, 1024, waves.shape[-1]) * scale[..., 0]


def spectral_subtracted(waves: Tensor) -> Tensor:
    """Near with far's magnitude taken off in each window and frequency: (..., channels, samples) -> (..., samples).

    |near| - |far| where that is positive, else a tenth of |near|, with near's phase. Windows of 512 samples, 256 apart.
    """
    near, far = (_spectrum(waves[..., channel, :], 512) for channel in (0, 1))
    size = near.abs()
    rest = size - far.abs()
    kept = torch.where(rest > 0, rest, _FLOOR * size)
    return _wave(near * (kept / size.clamp_min(torch.finfo(size.dtype).tiny)), 512, waves.shape[-1])


def _spectrum(wave: Tensor, window: int) -> Tensor:
    """STFT (..., window / 2 + 1, frames), centred, with zeros behind the clip up to a whole number of hops."""
    wave = F.pad(wave, (0, _filled(wave.shape[-1], window) - wave.shape[-1]))
    flat = wave.reshape(-1, wave.shape[-1])
    spectrum = torch.stft(flat, window, window // 2, window=torch.hann_window(window), pad_mode="reflect", return_complex=True)
    return spectrum.reshape(*wave.shape[:-1], *spectrum.shape[-2:])


def _wave(spectrum: Tensor, window: int, samples: int) -> Tensor:
    flat = spectrum.reshape(-1, *spectrum.shape[-2:])
    wave = torch.istft(flat, window, window // 2, window=torch.hann_window(window), length=_filled(samples, window))
    return wave.reshape(*spectrum.shape[:-2], -1)[..., :samples]


def _filled(samples: int, window: int) -> int:
    return max(window, -(-samples // (window // 2)) * (window // 2))


_RECIPES: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": mean,
    "subtracted": subtracted,
    "spectral_subtracted": spectral_subtracted,
}
