"""What real recordings have beside the physics of their machine: sessions that differ, and damage that any machine may have.

A session is a day, a mounting, a microphone put down anew: each clip has a frequency response of its own, smooth and small. The
faults change what a listener hears first, whatever the machine: the level of single bands, its modulation, rare events.
"""

import numpy as np

from zoo.data.synth import sources
from zoo.data.synth.machines import Fault
from zoo.data.synth.sources import F32, RATE

OCTAVES = (60.0, 8000.0)  # Hz, between which responses and bands lie
ANY_MACHINE = (Fault("band", 2.0, 12.0), Fault("modulation", 0.1, 0.8), Fault("rare", 0.3, 3.0))
NAMES = frozenset(fault.name for fault in ANY_MACHINE)


def drifted(wave: F32, decibels: float, rng: np.random.Generator) -> F32:
    """The wave through a session's response: gains of `decibels` deviation at each third of an octave."""
    knots = np.geomspace(*OCTAVES, 22)
    return sources.through(wave, _response(len(wave), knots, rng.normal(0.0, decibels, len(knots))))


def altered(wave: F32, fault: str, amplitude: float, rng: np.random.Generator) -> F32:
    """The sound of a healthy machine with one of the faults of any machine.

    band        one or two bands of half an octave are louder or softer by `amplitude` decibels
    modulation  the level swings with depth `amplitude` at 2 to 12 Hz
    rare        one to three events of 30 to 150 ms, their RMS `amplitude` times that of the machine
    """
    if fault == "band":
        knots = np.geomspace(*OCTAVES, 15)
        gains = np.zeros(len(knots))
        gains[rng.choice(np.arange(3, 14), 1 + int(rng.integers(2)), replace=False)] = amplitude * rng.choice([-1.0, 1.0])
        return sources.through(wave, _response(len(wave), knots, gains))
    time = np.arange(len(wave)) / RATE
    if fault == "modulation":
        swing = np.sin(2 * np.pi * (rng.uniform(2.0, 12.0) * time + rng.random()))
        return wave * np.asarray(1 + amplitude * swing, np.float32)
    count = int(rng.integers(1, 4))
    envelope = sources.bursts(rng.uniform(0.1, 0.9, count) * time[-1], rng.uniform(0.03, 0.15), len(wave))
    center = rng.uniform(500.0, 5000.0)
    event = envelope * sources.band_noise(rng, len(wave), center / 1.3, center * 1.3)
    return wave + np.float32(amplitude * sources.rms(wave)) * event


def _response(samples: int, knots: np.ndarray, decibels: np.ndarray) -> F32:
    """Magnitude over the bins: `decibels` at the frequencies `knots`, straight lines on a logarithmic axis between them."""
    gains = np.interp(np.log(sources.bin_frequencies(samples)), np.log(knots), decibels)
    return np.asarray(10 ** (gains / 20), np.float32)
