"""Damage that any machine may have, whatever its family: what a listener hears first.

    bands_a, bands_b, bands_c   a part of the machine, heard in four bands, is louder or softer there; which ones is its own
    modulation                  the level swings with a depth at 2 to 12 Hz
    rare                        one to three events of 30 to 150 ms

A damaged part sounds alike in every clip and in both domains; how much is graded. Healthy parts have no fixed level either: it
follows the load and wear of a day, so that damage is not a direction in which nothing ever moves.
"""

import zlib
from dataclasses import replace

import numpy as np

from zoo.data.synth import sources
from zoo.data.synth.machines import Fault
from zoo.data.synth.sessions import OCTAVES, through_knots
from zoo.data.synth.sources import F32, RATE

BANDS = tuple(Fault(name, 4.0, 14.0) for name in ("bands_a", "bands_b", "bands_c"))  # dB
ANY_MACHINE = (*BANDS, Fault("modulation", 0.1, 0.8), Fault("rare", 0.3, 3.0))
NAMES = frozenset(fault.name for fault in ANY_MACHINE)
WORSE = 3.0  # a family's own faults are so many times as strong where noise changes from clip to clip, to be heard
# where depths and shares end
LIMITS = {"missing": 0.9, "late": 0.9, "irregular": 0.3, "chipped": 1.0, "tooth": 1.0, "dull": 2.5}
DAY_STATE = 3.0  # dB, deviation of a healthy part's level from day to day
CLIP_STATE = 0.7  # likewise, from clip to clip
_BANDS_OF_PART = 4
_KNOTS = np.geomspace(*OCTAVES, 22)  # a third of an octave apart
_MACHINE = slice(1, 18)  # of the knots: 75 Hz to 3 kHz, where machines are louder than the noise around them


def worse(fault: Fault) -> Fault:
    """A family's own fault, strong enough to be heard through noise that changes."""
    strongest = min(WORSE * fault.strongest, max(LIMITS.get(fault.name, np.inf), fault.strongest))
    return replace(fault, weakest=min(WORSE * fault.weakest, strongest / 2), strongest=strongest)


def damaged(wave: F32, machine: str, fault: str, amplitude: float, rng: np.random.Generator) -> F32:
    """The sound of a healthy machine with one of the faults `NAMES`.

    `amplitude` is in decibels of the band that changes most, a depth, or the RMS of an event relative to the machine's.
    """
    if fault.startswith("bands"):
        return sources.through(wave, through_knots(len(wave), _KNOTS, amplitude * signature(machine, fault)))
    time = np.arange(len(wave)) / RATE
    if fault == "modulation":
        swing = np.sin(2 * np.pi * (rng.uniform(2.0, 12.0) * time + rng.random()))
        return wave * np.asarray(1 + amplitude * swing, np.float32)
    count = int(rng.integers(1, 4))
    envelope = sources.bursts(rng.uniform(0.1, 0.9, count) * time[-1], rng.uniform(0.03, 0.15), len(wave))
    center = rng.uniform(500.0, 5000.0)
    event = envelope * sources.band_noise(rng, len(wave), center / 1.3, center * 1.3)
    return wave + np.float32(amplitude * sources.rms(wave)) * event


def state(machine: str, samples: int, day: np.random.Generator, rng: np.random.Generator) -> F32:
    """Magnitude over the bins of a healthy machine's parts: some are louder and some softer, by the day's load and wear."""
    chosen = _parts(machine)
    gains = np.zeros(len(_KNOTS))
    gains[chosen] = DAY_STATE * day.standard_normal(len(chosen)) + CLIP_STATE * rng.standard_normal(len(chosen))
    return through_knots(samples, _KNOTS, gains)


def signature(machine: str, fault: str) -> np.ndarray:
    """By how much of the amplitude each band changes, -1 to 1: the same for every clip of a machine."""
    number = [one.name for one in BANDS].index(fault)
    own = np.random.default_rng([zlib.crc32(machine.encode()), number])
    shares = own.uniform(0.4, 1.0, _BANDS_OF_PART)
    gains = np.zeros(len(_KNOTS))
    chosen = _parts(machine)[number :: len(BANDS)]
    gains[chosen] = own.choice([-1.0, 1.0], len(chosen)) * shares / shares.max()
    return gains


def _parts(machine: str) -> np.ndarray:
    """Which bands the parts of a machine are heard in: numbers of knots, those of one part `len(BANDS)` apart."""
    own = np.random.default_rng(zlib.crc32(machine.encode()))
    return own.choice(np.arange(len(_KNOTS))[_MACHINE], _BANDS_OF_PART * len(BANDS), replace=False)
