"""Four families of machine: rotor, gears, slider, clicks. Each makes its sound from its physics, healthy or with a fault.

A fault has an amplitude in a unit of its own: for what is added to the sound (impacts, leak, rub, rattle) its RMS relative to
the healthy machine's, for a modulation its depth, for irregularity a fraction of the period, for missing clicks their share.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from zoo.data.synth import sources
from zoo.data.synth.sources import F32, F64, RATE
from zoo.errors import unknown_name


@dataclass(frozen=True)
class Setting:
    """One operating condition of a machine."""

    attributes: tuple[tuple[str, str], ...]  # what the file name and the attribute CSV say of it
    speed: float  # of the shaft, or cycles of a stroke or click pattern, per second
    load: float = 1.0  # share of noise (flow, friction) beside the tones
    pattern: tuple[float, ...] = ()  # clicks: where in the cycle, 0 to 1


@dataclass(frozen=True)
class Fault:
    """One kind of damage, graded: its amplitude runs geometrically from `weakest` (strength 0) to `strongest` (strength 1)."""

    name: str
    weakest: float
    strongest: float

    def amplitude(self, strength: float) -> float:
        """Amplitude at a strength between 0 and 1."""
        return float(self.weakest * (self.strongest / self.weakest) ** strength)


class Family(Protocol):
    """How a kind of machine sounds: an array of samples of no particular level, before any background noise."""

    def sound(self, setting: Setting, fault: str | None, amplitude: float, samples: int, rng: np.random.Generator) -> F32:
        """Sound of the healthy machine (`fault` None, `amplitude` then unused) or of a damaged one."""
        ...


@dataclass(frozen=True)
class Rotor:
    """Shaft harmonics, stronger at multiples of the blades (or poles), and flow noise that pulses with them.

    Faults: imbalance, chipped (a blade: the noise and tones pulse once a turn), impacts, leak, rub, rattle.
    """

    blades: int
    tilt: float = 1.0  # harmonic k has the amplitude k ** -tilt
    blade_gain: float = 4.0
    flow: tuple[float, float] = (300.0, 3000.0)  # Hz
    body: tuple[tuple[float, float], ...] = ((400.0, 4.0), (1300.0, 6.0), (3200.0, 8.0))  # (Hz, Q)
    defect_ratio: float = 3.58  # impacts per turn: outer race of a ball bearing of nine balls
    defect_resonance: float = 4200.0  # Hz
    profile: str = "steady"  # or a name of PROFILES: how the speed changes within a clip
    wander: float = 0.004

    def sound(self, setting: Setting, fault: str | None, amplitude: float, samples: int, rng: np.random.Generator) -> F32:
        speed = setting.speed * PROFILES[self.profile](samples, rng)
        phase = sources.shaft_phase(speed * (1 + 0.01 * rng.standard_normal()), samples, rng, self.wander)
        order = np.arange(1.0, max(2, int(0.45 * RATE / float(speed.max()))))
        levels = order**-self.tilt * np.where(order % self.blades == 0, self.blade_gain, 1.0)
        levels *= 10 ** (rng.normal(0, 1.5, len(order)) / 20)  # assembly and microphone position: some dB a line
        if fault == "imbalance":
            levels[0] *= 1 + amplitude
            levels[1] *= 1 + amplitude / 3
        tones = sources.unit(sources.harmonics(phase, levels, rng))
        flow = sources.band_noise(rng, samples, *self.flow)
        flow *= 1 + 0.5 * sources.harmonics(phase * self.blades, [1.0], rng)
        wave = (tones + np.float32(setting.load) * flow) * _relative_level(speed)
        if fault == "chipped":
            wave *= 1 + np.float32(amplitude) * sources.harmonics(phase, [1.0, 0.4], rng)
        if fault in ADDED:
            wave = _with_added(wave, fault, amplitude, phase, self.defect_ratio, self.defect_resonance, rng)
        elif fault not in (None, "imbalance", "chipped"):
            raise unknown_name("fault", str(fault), ["imbalance", "chipped", *ADDED])
        return _through_body(wave, self.body, rng)


@dataclass(frozen=True)
class Gears:
    """Tooth mesh harmonics at teeth x shaft rate with weak side bands at the shaft rate, in moves and pauses if `move` says so.

    Faults: tooth (a missing tooth: the mesh is modulated once a turn, so the side bands grow), wear (the higher mesh harmonics
    grow), impacts, leak, rub, rattle.
    """

    teeth: int
    healthy_modulation: float = 0.08  # no gear runs true
    friction: tuple[float, float] = (500.0, 4000.0)  # Hz
    body: tuple[tuple[float, float], ...] = ((700.0, 3.0), (1900.0, 5.0))
    defect_ratio: float = 5.42  # impacts per turn: inner race
    defect_resonance: float = 3600.0
    move: float = 0.0  # seconds of one move of an arm; 0 = it never stops
    wander: float = 0.0005
    slip: float = 0.001  # relative, from clip to clip: the mains hold the motor

    def sound(self, setting: Setting, fault: str | None, amplitude: float, samples: int, rng: np.random.Generator) -> F32:
        phase = sources.shaft_phase(setting.speed * (1 + self.slip * rng.standard_normal()), samples, rng, self.wander)
        order = np.arange(1, 1 + max(1, min(5, int(0.45 * RATE / (setting.speed * self.teeth)))))
        levels = 1 / order * 10 ** (rng.normal(0, 1.5, len(order)) / 20)
        if fault == "wear":
            levels[1:] *= 1 + amplitude
        mesh = sources.unit(sources.harmonics(phase * self.teeth, levels, rng))
        depth = self.healthy_modulation * 10 ** (rng.normal(0, 2) / 20) + (amplitude if fault == "tooth" else 0.0)
        mesh *= 1 + np.float32(depth) * sources.harmonics(phase, [1.0, 0.6, 0.4, 0.2], rng)
        wave = mesh + np.float32(0.5 * setting.load) * sources.band_noise(rng, samples, *self.friction)
        if fault in ADDED:
            wave = _with_added(wave, fault, amplitude, phase, self.defect_ratio, self.defect_resonance, rng)
        elif fault not in (None, "tooth", "wear"):
            raise unknown_name("fault", str(fault), ["tooth", "wear", *ADDED])
        if self.move:
            times = np.arange(rng.random() * 2 * self.move, samples / RATE + self.move, 1.6 * self.move)
            wave = wave * (0.15 + np.minimum(1, 1.6 * sources.bursts(times, self.move, samples)))
        return _through_body(wave, self.body, rng)


@dataclass(frozen=True)
class Slider:
    """A carriage going to and fro: noise bursts where it accelerates at both ends, rolling noise and a screw tone between them.

    Faults: irregular (the strokes come early or late), scratch (a squeak at one place of the rail), slack (a knock at each
    reversal), leak.
    """

    acceleration: tuple[float, float] = (800.0, 5000.0)  # Hz
    rolling: tuple[float, float] = (200.0, 1800.0)
    screw: float = 40.0  # revolutions of the screw per stroke
    body: tuple[tuple[float, float], ...] = ((500.0, 3.0), (2400.0, 5.0))
    squeak: float = 2900.0
    knock: float = 1200.0

    def sound(self, setting: Setting, fault: str | None, amplitude: float, samples: int, rng: np.random.Generator) -> F32:
        period = 1 / (setting.speed * (1 + 0.004 * rng.standard_normal()))
        reversals = np.arange(-rng.random() * period, samples / RATE + period, period / 2)
        jitter = 0.004 + (amplitude if fault == "irregular" else 0.0)
        reversals = reversals + period / 2 * jitter * rng.standard_normal(len(reversals))
        ends = sources.bursts(reversals, 0.3 * period, samples, 1 + 0.15 * rng.standard_normal(len(reversals)))
        carriage = np.cos(np.pi * np.interp(np.arange(samples) / RATE, reversals, np.arange(len(reversals))))
        velocity = np.abs(np.sin(np.arccos(np.clip(carriage, -1, 1)))).astype(np.float32)
        tone = sources.harmonics(
            np.cumsum(velocity.astype(np.float64)) * self.screw * setting.speed * 2 / RATE, [1, 0.5, 0.3], rng
        )
        wave = ends * sources.band_noise(rng, samples, *self.acceleration)
        wave += velocity * np.float32(setting.load) * (0.6 * sources.band_noise(rng, samples, *self.rolling) + 0.3 * tone)
        if fault == "scratch":
            places = reversals[:-1] + np.where(np.arange(len(reversals) - 1) % 2 == 0, 0.35, 0.65) * np.diff(reversals)
            squeaks = sources.bursts(places, 0.08 * period, samples) * sources.harmonics(
                np.arange(samples) / RATE * self.squeak, [1.0], rng
            )
            wave += _added(wave, squeaks, amplitude)
        elif fault == "slack":
            wave += _added(wave, sources.ring(sources.impulses(reversals, 1.0, samples), self.knock, 0.006), amplitude)
        elif fault == "leak":
            wave += _added(wave, sources.band_noise(rng, samples, *LEAK), amplitude)
        elif fault not in (None, "irregular"):
            raise unknown_name("fault", str(fault), ["irregular", "scratch", "slack", "leak"])
        return _through_body(wave, self.body, rng)


@dataclass(frozen=True)
class Clicks:
    """Something that opens and shuts in a pattern: each click rings a body, with a short rush of air behind it.

    Faults: missing (clicks that do not come), late (a sluggish spring), dull (contamination damps and lowers the ring), leak.
    """

    ring: float = 2300.0
    decay: float = 0.004  # seconds
    rush: tuple[float, float] = (1500.0, 6000.0)  # Hz
    rush_seconds: float = 0.12
    hum: float = 0.0  # level of a motor under the clicks, relative to them
    body: tuple[tuple[float, float], ...] = ((900.0, 3.0), (3500.0, 4.0))

    def sound(self, setting: Setting, fault: str | None, amplitude: float, samples: int, rng: np.random.Generator) -> F32:
        period = 1 / (setting.speed * (1 + 0.01 * rng.standard_normal()))
        cycles = np.arange(-1 - rng.random(), samples / RATE / period + 1)
        times = ((cycles[:, None] + np.array(setting.pattern)) * period).ravel()
        times = times + 0.003 * rng.standard_normal(len(times))
        heights = 10 ** (rng.normal(0, 1.5, len(times)) / 20)
        if fault == "missing":
            heights = heights * (rng.random(len(times)) >= amplitude)
        elif fault == "late":
            times = times + period * amplitude * rng.random(len(times))
        dullness = amplitude if fault == "dull" else 0.0
        click = sources.ring(
            sources.impulses(times, heights, samples),
            self.ring * (1 - 0.2 * dullness) * (1 + 0.03 * rng.standard_normal()),
            self.decay / (1 + dullness),
        )
        rush = sources.bursts(times + self.rush_seconds / 2, self.rush_seconds, samples, heights)
        wave = click + np.float32(0.25 * setting.load) * rush * sources.band_noise(rng, samples, *self.rush)
        if self.hum:
            phase = sources.shaft_phase(setting.speed * 60, samples, rng, 0.003)
            wave += np.float32(self.hum * sources.rms(wave)) * sources.unit(
                sources.harmonics(phase, [1, 0.5, 0.8, 0.3, 0.2], rng)
            )
        if fault == "leak":
            wave += _added(wave, sources.band_noise(rng, samples, *LEAK), amplitude)
        elif fault not in (None, "missing", "late", "dull"):
            raise unknown_name("fault", str(fault), ["missing", "late", "dull", "leak"])
        return _through_body(wave, self.body, rng)


LEAK = (3500.0, 7000.0)  # Hz: air through a small gap hisses high
ADDED = ("impacts", "leak", "rub", "rattle")


def _with_added(
    wave: F32, fault: str, amplitude: float, phase: F64, ratio: float, resonance: float, rng: np.random.Generator
) -> F32:
    """The wave and, at `amplitude` times its RMS, the sound of a fault that turns with the shaft."""
    samples = len(wave)
    if fault == "leak":
        extra = sources.band_noise(rng, samples, *LEAK)
    elif fault == "impacts":
        times = sources.event_times(phase, ratio, 0.01, rng)
        extra = sources.ring(sources.impulses(times, 1.0, samples), resonance, 0.0015)
    elif fault == "rub":
        once = np.maximum(0, sources.harmonics(phase, [1.0], rng)) ** 4
        extra = once * sources.band_noise(rng, samples, 1500.0, 4000.0)
    else:  # rattle: something loose strikes about once a turn, now and then twice, now and then not
        times = sources.event_times(phase, 1.0, 0.25, rng)
        heights = rng.exponential(1.0, len(times))
        extra = sources.ring(sources.impulses(times, heights, samples), 0.6 * resonance, 0.003)
    return wave + _added(wave, extra, amplitude)


def _added(wave: F32, extra: F32, amplitude: float) -> F32:
    return np.float32(amplitude * sources.rms(wave)) * sources.unit(extra)


def _through_body(wave: F32, body: tuple[tuple[float, float], ...], rng: np.random.Generator) -> F32:
    """The housing: its resonances move by a per cent from clip to clip (temperature, mounting)."""
    peaks = [(center * (1 + 0.01 * rng.standard_normal()), quality) for center, quality in body]
    return sources.through(wave, sources.resonances(len(wave), peaks, 0.15))


def _relative_level(speed: F64) -> F32:
    """A rotor is louder when it turns faster: pressure goes with the square of the speed."""
    return np.asarray(np.square(speed / speed.mean()), dtype=np.float32)


def _steady(samples: int, rng: np.random.Generator) -> F64:
    return np.ones(samples)


def _laps(samples: int, rng: np.random.Generator) -> F64:
    """A toy train: slower in the bends, faster on the straights, one lap in about four seconds."""
    lap = 4.0 * (1 + 0.05 * rng.standard_normal())
    return 1 + 0.18 * np.sin(2 * np.pi * (np.arange(samples) / RATE / lap + rng.random()))


def _hover(samples: int, rng: np.random.Generator) -> F64:
    """A drone that keeps its height: quick small corrections."""
    return 1 + 0.05 * sources.slow_curve(rng, samples, 5.0)


def _stop_and_go(samples: int, rng: np.random.Generator) -> F64:
    """A car on a circuit: accelerates, holds, brakes, again and again."""
    sweep = np.sin(2 * np.pi * (np.arange(samples) / RATE / (2.5 * (1 + 0.1 * rng.standard_normal())) + rng.random()))
    return 1 + 0.35 * np.clip(1.6 * sweep, -1, 1)


PROFILES = {"steady": _steady, "laps": _laps, "hover": _hover, "stop-and-go": _stop_and_go}
