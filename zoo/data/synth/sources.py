"""What machine sounds are made of: harmonics of a turning shaft, impulses through resonances, noise.

*Conventions*: arrays are `(samples,)` at `RATE`; frequencies are in Hz, times in seconds, phases in revolutions; every random
number comes out of the generator that is passed in.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import fft, signal

RATE = 16_000  # Hz, the rate of the challenge

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

_TABLES = (
    1 << 12,
    1 << 15,
)  # points of one period, fewest and most: the phase error of the 40th harmonic is 55 dB down or less


def slow_curve(rng: np.random.Generator, samples: int, knots_per_second: float) -> F64:
    """A slow random curve of zero mean and about unit deviation: straight lines between random knots."""
    knots = max(2, int(np.ceil(samples / RATE * knots_per_second)) + 1)
    return np.interp(np.linspace(0, knots - 1, samples), np.arange(knots), rng.standard_normal(knots))


def shaft_phase(speed: F64 | float, samples: int, rng: np.random.Generator, wander: float) -> F64:
    """Phase of a shaft at `speed` (Hz, one number or a curve) whose relative speed wanders slowly by about `wander`."""
    instantaneous = speed * (1 + wander * slow_curve(rng, samples, 1.5))
    return np.asarray(rng.random() + np.cumsum(instantaneous) / RATE)


def harmonics(phase: F64, amplitudes: F64 | Sequence[float], rng: np.random.Generator) -> F32:
    """Sum of cosines at 1, 2, 3, ... times the phase, with random starting phases, from one period in a table."""
    size = min(max(1 << (256 * len(amplitudes)).bit_length(), _TABLES[0]), _TABLES[1])
    spectrum = np.zeros(size // 2 + 1, dtype=np.complex128)
    spectrum[1 : len(amplitudes) + 1] = np.asarray(amplitudes) * np.exp(2j * np.pi * rng.random(len(amplitudes)))
    table = (fft.irfft(spectrum) * (size / 2)).astype(np.float32)
    return np.asarray(table[(phase * size).astype(np.int64) & (size - 1)])


def event_times(phase: F64, per_revolution: float, slip: float, rng: np.random.Generator) -> F64:
    """Times of what happens `per_revolution` times a turn, each off by a relative `slip` (rolling elements slide)."""
    turns = phase * per_revolution
    events = np.arange(np.ceil(turns[0]), turns[-1])
    events = events + slip * rng.standard_normal(len(events))
    return np.asarray(np.interp(events, turns, np.arange(len(phase)) / RATE))


def impulses(times: F64, heights: F64 | float, samples: int) -> F32:
    """Unit impulses scaled by `heights` at `times`; those outside the clip are dropped."""
    where = np.rint(times * RATE).astype(np.int64)
    inside = (where >= 0) & (where < samples)
    heights = np.broadcast_to(heights, where.shape)
    return np.bincount(where[inside], weights=heights[inside], minlength=samples).astype(np.float32)


def ring(excitation: F32, frequency: float, decay: float) -> F32:
    """The excitation through one resonance at `frequency` that dies away to 1/e in `decay` seconds."""
    radius, angle = np.exp(-1 / (decay * RATE)), 2 * np.pi * frequency / RATE
    denominator = np.array([1, -2 * radius * np.cos(angle), radius**2], dtype=np.float32)
    return np.asarray(signal.lfilter(np.array([np.sin(angle)], dtype=np.float32), denominator, excitation))


def bursts(times: F64, width: float, samples: int, heights: F64 | float = 1.0) -> F32:
    """Envelope with a Hann-shaped hump of `width` seconds around each time."""
    hump = signal.windows.hann(max(3, int(width * RATE))).astype(np.float32)
    return np.asarray(signal.oaconvolve(impulses(times, heights, samples), hump, mode="same"))


def shaped_noise(rng: np.random.Generator, samples: int, shape: F32) -> F32:
    """Gaussian noise of unit RMS whose spectrum has the magnitude `shape`, one value for each of the samples // 2 + 1 bins."""
    bins = rng.standard_normal(2 * len(shape), dtype=np.float32).view(np.complex64)
    return unit(fft.irfft(bins * shape, n=samples))


def band_noise(rng: np.random.Generator, samples: int, low: float, high: float) -> F32:
    """Gaussian noise of unit RMS between two frequencies, falling off by 12 dB an octave outside of them."""
    frequency = bin_frequencies(samples)
    return shaped_noise(rng, samples, np.minimum(1, np.minimum((frequency / low) ** 2, (high / frequency) ** 2)))


def resonances(samples: int, peaks: Iterable[tuple[float, float]], floor: float) -> F32:
    """Magnitude response of a body over the bins: a `floor`, a resonance of height 1 for each (frequency, Q), 0 at 0 Hz."""
    frequency = bin_frequencies(samples)
    response = np.full(len(frequency), floor, dtype=np.float32)
    for center, quality in peaks:
        ratio = frequency / np.float32(center)
        response += 1 / np.sqrt(1 + np.float32(quality) ** 2 * (ratio - 1 / ratio) ** 2)
    response[0] = 0
    return response


def through(wave: F32, response: F32) -> F32:
    """The wave through a magnitude response given over its bins."""
    return np.asarray(fft.irfft(fft.rfft(wave) * response, n=len(wave)))


def bin_frequencies(samples: int) -> F32:
    """Frequencies of the bins of a clip, the first of them (0 Hz) moved to half a bin so that ratios stay finite."""
    frequency = fft.rfftfreq(samples, 1 / RATE).astype(np.float32)
    frequency[0] = frequency[1] / 2
    return np.asarray(frequency)


def rms(wave: F32) -> float:
    """Root mean square."""
    return float(np.sqrt(np.dot(wave, wave) / len(wave)))


def unit(wave: F32) -> F32:
    """The wave at unit RMS; silence stays silence."""
    return wave / np.float32(rms(wave) or 1.0)
