"""A room with a machine, noise around it and two microphones, by image sources.

The near microphone stands at the machine, the far one a step away from it, as the challenge of 2026 describes its recordings.
Walls reflect all frequencies alike; what a wall keeps follows from the reverberation time by Sabine's formula.

Source: Allen and Berkley, Image method for efficiently simulating small-room acoustics, JASA 65(4), 1979.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy import signal

from zoo.data.synth.sources import F32, F64, RATE

SOUND = 343.0  # m/s
_TAPS = 33  # of the filter that puts an echo between two samples


@dataclass(frozen=True)
class Room:
    """A box with one corner at the origin; all lengths in metres."""

    size: tuple[float, float, float]
    reverberation: float  # seconds until an echo has fallen by 60 dB

    @property
    def reflection(self) -> float:
        """What a wall leaves of a pressure wave's amplitude (Sabine, all walls alike)."""
        length, width, height = self.size
        volume = length * width * height
        surface = 2 * (length * width + width * height + length * height)
        absorbed = min(0.99, 0.161 * volume / (surface * self.reverberation))
        return float(np.sqrt(1 - absorbed))

    def response(self, source: F64, microphone: F64) -> F32:
        """Impulse response (taps,) at `RATE` from one place to another, as long as the reverberation lasts."""
        taps = int(self.reverberation * RATE) + _TAPS
        reach = taps / RATE * SOUND
        counts = [int(np.ceil(reach / (2 * edge))) for edge in self.size]
        cells = np.array(list(product(*(range(-count, count + 1) for count in counts))), np.float64)
        total = np.zeros(taps)
        for mirror in product((0, 1), repeat=3):
            signs = 1 - 2 * np.array(mirror)
            places = signs * source + 2 * cells * np.array(self.size)
            bounces = np.abs(2 * cells - mirror).sum(axis=1)
            distance = np.linalg.norm(places - microphone, axis=1)
            heard = distance < reach
            _place(total, distance[heard] / SOUND * RATE, self.reflection ** bounces[heard] / np.maximum(distance[heard], 0.01))
        return total.astype(np.float32)


def _place(total: F64, delays: F64, gains: F64) -> None:
    """Add echoes at fractional delays (samples): each a sinc under a Hann window."""
    offsets = np.arange(_TAPS) - _TAPS // 2
    whole = np.rint(delays).astype(np.int64)
    lag = offsets[None, :] - (delays - whole)[:, None]
    pulses = np.sinc(lag) * (0.5 + 0.5 * np.cos(np.pi * lag / (_TAPS / 2 + 1)))
    where = whole[:, None] + offsets[None, :]
    inside = (where >= 0) & (where < len(total))
    np.add.at(total, where[inside], (gains[:, None] * pulses)[inside])


def heard(wave: F32, response: F32) -> F32:
    """A dry wave as it arrives through a response: same length."""
    return np.asarray(signal.oaconvolve(wave, response)[: len(wave)], np.float32)
