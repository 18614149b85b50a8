"""The noise of a place where things happen: its color and restlessness belong to a day, and events come and go.

Real noise changes how loud each moment is, so that deviations over time tell of the surroundings before they tell of the
machine; and the nearest clip of the same day knows that noise, which an average over all days does not.
"""

import numpy as np
from scipy import signal

from zoo.data.synth import sources
from zoo.data.synth.sessions import tilted
from zoo.data.synth.sources import F32, RATE

FLATTER = 3.0  # dB per octave: the slope of a place is that of its ventilation, not of what people do in it
COLOR = 1.5  # dB per octave, deviation of the slope from day to day
OWN = 0.25  # share of a day's deviations that a clip adds
PEAKS = 2  # broad ones of a day
GUSTS = 4.0  # dB, deviation of how deep the level swings
EVENTS = 2.0  # per second, in the mean; most days have fewer


def surrounding(slope: float, samples: int, day: np.random.Generator, rng: np.random.Generator) -> F32:
    """Noise at unit RMS, `(samples,)`, of a place whose noise falls by `slope` dB per octave."""
    slope += FLATTER + day.normal(0.0, COLOR) + rng.normal(0.0, OWN * COLOR)
    peaks = [(_frequency(day, 150.0) * 2 ** rng.normal(0.0, 0.1), day.uniform(0.7, 3.0)) for _ in range(PEAKS)]
    noise = sources.shaped_noise(rng, samples, tilted(samples, slope) * sources.resonances(samples, peaks, 0.5))
    depth, knots = abs(day.normal(0.0, GUSTS)), 0.5 * 16 ** day.random()
    swing = depth * rng.lognormal(0.0, OWN) * sources.slow_curve(rng, samples, knots)
    noise = noise * np.asarray(10 ** (swing / 20), np.float32)
    for _ in range(rng.poisson(EVENTS * day.exponential() * samples / RATE)):
        _add_event(noise, rng)
    return sources.unit(noise)


def _add_event(noise: F32, rng: np.random.Generator) -> None:
    """Somewhere in the noise, for 50 to 600 ms, a band about an octave wide rises and falls."""
    center = _frequency(rng, 200.0)
    hump = signal.windows.hann(min(int(rng.integers(5, 61)) * RATE // 100, len(noise))).astype(np.float32)
    start = int(rng.integers(len(noise) - len(hump) + 1))
    level = np.float32(10 ** (rng.normal(0.0, 6.0) / 20))
    band = sources.band_noise(rng, len(hump), center / 1.4, center * 1.4)
    noise[start : start + len(hump)] += level * hump * band


def _frequency(rng: np.random.Generator, lowest: float) -> float:
    """Somewhere up to 6 kHz, every octave as likely (Hz)."""
    return float(lowest * (6000.0 / lowest) ** rng.random())
