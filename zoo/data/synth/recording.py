"""One clip: the machine in the background noise of its domain, brought to one level, as 16-bit samples."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.data.names import Domain
from zoo.data.synth import damage, sources
from zoo.data.synth.machines import Family, Fault, Setting
from zoo.data.synth.room import Room, heard
from zoo.data.synth.sessions import heard_on, machine_to_noise
from zoo.data.synth.sources import F32, RATE
from zoo.data.synth.surroundings import surrounding

ROOM = Room((6.0, 5.0, 3.0), reverberation=0.1)  # a treated hall; a longer echo is more than windows of 64 ms can subtract
MACHINE_PLACE = np.array([2.0, 2.0, 1.0])  # metres
MICROPHONES = ((0.05, 0.0, 0.0), (1.0, 0.5, 0.1))  # from the machine, metres: near and far
NOISE_PLACES = ((4.0, 5.5), (0.5, 4.5), (0.5, 2.5))  # where in the room noise comes from, metres
LOUDNESS = (1.0, 0.1, 0.1)  # of its places
ROOM_SNR = -8.0  # dB, at the near microphone, beside that of a mono recording

LEVEL = 0.03  # RMS of every clip, full scale = 1: loudness gives nothing away, and a click of 30 dB crest still fits


@dataclass(frozen=True)
class Background:
    """Noise of a place: a slope, broad peaks of ventilation and other machines, mains hum, now and then a distant blow."""

    slope: float  # dB per octave
    peaks: tuple[tuple[float, float], ...]  # (Hz, Q)
    hum: float = 0.0  # RMS of the harmonics of 50 Hz, relative to the noise
    blows: float = 0.0  # per second


@dataclass(frozen=True)
class Machine:
    """A machine of the challenge: how it sounds, under which conditions in each domain, and what breaks."""

    name: str
    family: Family
    source: tuple[Setting, ...]
    target: tuple[Setting, ...]
    faults: tuple[Fault, ...]
    places: tuple[str, str]  # names of `PLACES`: background noise of source and target
    snr: tuple[float, float] = (3.0, 1.0)  # dB, machine to background, source and target
    seconds: float = 10.0
    hidden: bool = False  # attributes are not told (2024: gearbox, slider, ToyTrain, ...)
    glued: bool = False  # weight15_BckgF instead of weight_15_Bckg_F
    varied: bool = False  # its recordings differ by day, and by more than their background noise
    first_index: int = 0  # the challenge counts from 1 in its development set and for some machines of the evaluation set

    def settings(self, domain: Domain) -> tuple[Setting, ...]:
        """Operating conditions of a domain."""
        return self.source if domain == "source" else self.target


PLACES = {
    "hall": Background(-4.0, ((180.0, 1.5), (900.0, 1.0)), hum=0.3),
    "workshop": Background(-2.5, ((450.0, 1.2), (2600.0, 1.5)), blows=0.6),
    "ventilation": Background(-5.0, ((120.0, 2.0), (600.0, 2.0), (1500.0, 2.0)), hum=0.15),
    "press room": Background(-3.0, ((300.0, 1.0), (1200.0, 1.2)), hum=0.2, blows=1.2),
    "office": Background(-6.0, ((250.0, 1.0),), hum=0.1, blows=0.2),
}


class Take(NamedTuple):
    """What a recording is of."""

    machine: Machine
    setting: Setting
    domain: Domain
    fault: Fault | None
    strength: float  # of the fault, 0 to 1
    seconds: float
    day: tuple[int, ...] = (0,)  # entropy of what the recordings of one day have in common

    @property
    def place(self) -> str:
        """Where it is made: a name of `PLACES`."""
        return self.machine.places[self.domain == "target"]


def record(take: Take, rng: np.random.Generator) -> NDArray[np.int16]:
    """One recording, `(seconds * RATE,)` 16-bit samples."""
    sound, noise, snr = _parts(take, rng)
    return _digital(sound * np.float32(10 ** (snr / 20)) + noise)


def record_in_room(take: Take, rng: np.random.Generator) -> NDArray[np.int16]:
    """One recording by two microphones, `(seconds * RATE, 2)`: channel 0 at the machine, channel 1 a metre away from it."""
    sound, noise = in_room(take, rng)
    return _digital(sound + noise)


def in_room(take: Take, rng: np.random.Generator) -> tuple[F32, F32]:
    """The machine and the noise as both microphones hear them, each `(seconds * RATE, 2)`.

    The noise comes from one loud place and two faint ones, and drowns the machine: `ROOM_SNR` is added to the ratio of the two.
    """
    dry, noise, snr = _parts(take, rng)
    places = [MACHINE_PLACE + np.array(step) for step in MICROPHONES]
    sound = np.stack([heard(dry, ROOM.response(MACHINE_PLACE, place)) for place in places], axis=1)
    around = np.zeros_like(sound)
    for number, loudness in enumerate(LOUDNESS):
        wave = noise if number == 0 else background(PLACES[take.place], len(dry), rng)
        origin = np.array([rng.uniform(low, high) for low, high in NOISE_PLACES])
        for channel, place in enumerate(places):
            around[:, channel] += np.float32(loudness) * heard(wave, ROOM.response(origin, place))
    level = 10 ** ((snr + ROOM_SNR) / 20) * sources.rms(around[:, 0]) / (sources.rms(sound[:, 0]) or 1.0)
    return sound * np.float32(level), around


def _parts(take: Take, rng: np.random.Generator) -> tuple[F32, F32, float]:
    """The machine and the noise, both `(samples,)` at unit RMS, and the ratio between them in dB."""
    samples = round(take.seconds * RATE)
    amplitude = take.fault.amplitude(take.strength) if take.fault else 0.0
    own = take.fault.name if take.fault and take.fault.name not in damage.NAMES else None
    sound = take.machine.family.sound(take.setting, own, amplitude, samples, rng)
    if take.fault and own is None:
        sound = damage.damaged(sound, take.machine.name, take.fault.name, amplitude, rng)
    snr = take.machine.snr[take.domain == "target"]
    if not take.machine.varied:
        sound = sources.unit(sound)
        return sound, background(PLACES[take.place], samples, rng), snr + rng.normal(0, 1.0)
    day = np.random.default_rng(take.day)
    sound = sources.unit(heard_on(sound, damage.state(take.machine.name, samples, day, rng), day, rng))
    noise = surrounding(PLACES[take.place].slope, samples, day, rng)
    return sound, noise, machine_to_noise(snr, day, rng)


def _digital(mixture: F32) -> NDArray[np.int16]:
    """At the level of every clip, as 16-bit samples; both channels keep their ratio."""
    near = mixture if mixture.ndim == 1 else mixture[:, 0]
    mixture = np.float32(LEVEL) * (mixture / np.float32(sources.rms(near) or 1.0))
    peak = float(np.abs(mixture).max())
    if peak > 0.99:
        mixture *= np.float32(0.99 / peak)
    return np.asarray(np.rint(mixture * 32767), dtype=np.int16)


def background(place: Background, samples: int, rng: np.random.Generator) -> F32:
    """Noise of a place at unit RMS; from clip to clip its slope and its peaks move a little."""
    frequency = sources.bin_frequencies(samples)
    slope = place.slope + rng.normal(0, 0.4)
    tilt = np.asarray((np.maximum(frequency, 40.0) / 1000.0) ** (slope / 6.02), dtype=np.float32)
    peaks = [(center * 2 ** rng.normal(0, 0.08), quality) for center, quality in place.peaks]
    noise = sources.shaped_noise(rng, samples, tilt * sources.resonances(samples, peaks, 0.3))
    noise *= 1 + np.float32(0.1) * sources.slow_curve(rng, samples, 1.0).astype(np.float32)
    if place.hum:
        mains = np.arange(samples) / RATE * 50.0
        noise += np.float32(place.hum) * sources.unit(sources.harmonics(mains, [1, 0.7, 0.5, 0.35, 0.25, 0.2], rng))
    if place.blows:
        times = rng.random(rng.poisson(place.blows * samples / RATE)) * samples / RATE
        blow = sources.ring(sources.impulses(times, rng.exponential(1.0, len(times)), samples), rng.uniform(300, 1500), 0.03)
        noise += np.float32(0.15) * sources.unit(blow)
    return sources.unit(noise)
