"""How much recordings of one healthy machine differ: by the day they were made on, and from clip to clip.

On real recordings the level of a band differs by 4 or 5 dB from clip to clip (`docs/synth.md`), most of it because the noise
around is now louder and now softer; at low frequencies the machine is heard, at high ones the noise. Nothing of that is damage.
"""

import numpy as np

from zoo.data.synth import sources
from zoo.data.synth.sources import F32

OCTAVES = (60.0, 8000.0)  # Hz, between which responses and bands lie


DAYS = 10  # of each domain: a mounting, a microphone put down anew, what goes on around; clips are cut out of long recordings
DAY_RESPONSE = 1.5  # dB, deviation of each octave
CLIP_RESPONSE = 0.7
DAY_LEVEL = 5.0  # dB, deviation of the machine above the noise
CLIP_LEVEL = 2.0  # likewise, with the heavy tails of Student's t
TAILS = 4.0  # its degrees of freedom
LEAD = 8.0  # dB by which the machine is louder than its `snr` says: it is heard in fewer bands
TILT = -3.0  # dB per octave: housings and distance take more of a machine's high frequencies
LEAST, MOST = -12.0, 40.0  # dB, machine to noise: no clip is without either


def heard_on(wave: F32, state: F32, day: np.random.Generator, rng: np.random.Generator) -> F32:
    """The machine in a `state` (gain of each bin) as one clip of a day has it: the day's response, the clip's, and the tilt."""
    fixed = response(len(wave), DAY_RESPONSE, day) * response(len(wave), CLIP_RESPONSE, rng)
    return sources.through(wave, fixed * tilted(len(wave), TILT) * state)


def machine_to_noise(snr: float, day: np.random.Generator, rng: np.random.Generator) -> float:
    """Ratio of a clip in dB, around the ratio that the machine has in its domain."""
    heavy = rng.standard_t(TAILS) * np.sqrt((TAILS - 2) / TAILS)
    return float(np.clip(snr + LEAD + DAY_LEVEL * day.standard_normal() + CLIP_LEVEL * heavy, LEAST, MOST))


def response(samples: int, decibels: float, rng: np.random.Generator) -> F32:
    """Magnitude over the bins, smooth: a gain of `decibels` deviation at each octave."""
    knots = np.geomspace(*OCTAVES, 8)
    return through_knots(samples, knots, rng.normal(0.0, decibels, len(knots)))


def tilted(samples: int, slope: float) -> F32:
    """Magnitude over the bins: `slope` dB per octave, 1 at 1 kHz."""
    frequency = np.maximum(sources.bin_frequencies(samples), OCTAVES[0])
    return np.asarray((frequency / 1000.0) ** (slope / 6.02), np.float32)


def through_knots(samples: int, knots: np.ndarray, decibels: np.ndarray) -> F32:
    """Magnitude over the bins: `decibels` at the frequencies `knots`, straight lines on a logarithmic axis between them."""
    gains = np.interp(np.log(sources.bin_frequencies(samples)), np.log(knots), decibels)
    return np.asarray(10 ** (gains / 20), np.float32)
