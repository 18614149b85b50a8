"""Sessions and the damage that any machine may have: what each changes, and what it leaves alone."""

from itertools import pairwise

import numpy as np
import pytest

from zoo.data.synth import sessions
from zoo.data.synth.challenge import plan
from zoo.data.synth.sources import F32, RATE


def wave(seconds: float = 4.0) -> F32:
    return np.random.default_rng(0).standard_normal(round(seconds * RATE)).astype(np.float32)


def bands(sound: F32) -> np.ndarray:
    """Level in dB of each third of an octave from 100 Hz to 6.4 kHz."""
    power = np.abs(np.fft.rfft(sound)) ** 2
    edges = 100.0 * 2 ** (np.arange(19) / 3)
    bins = np.fft.rfftfreq(len(sound), 1 / RATE)
    levels = [power[(bins >= low) & (bins < high)].mean() for low, high in pairwise(edges)]
    return 10 * np.log10(np.array(levels))


def test_a_session_moves_every_band_a_little_and_another_one_otherwise() -> None:
    healthy = wave()
    moved = [bands(sessions.drifted(healthy, 2.0, np.random.default_rng(seed))) - bands(healthy) for seed in range(40)]
    assert np.std(moved) == pytest.approx(1.7, abs=0.4)  # a third of an octave averages over a knot's slopes
    assert np.abs(np.mean(moved)) < 0.3
    assert np.allclose(sessions.drifted(healthy, 0.0, np.random.default_rng(0)), healthy, atol=1e-3)


def test_a_band_fault_moves_few_bands_by_its_decibels() -> None:
    healthy = wave()
    for seed in range(10):
        moved = np.abs(bands(sessions.altered(healthy, "band", 9.0, np.random.default_rng(seed))) - bands(healthy))
        assert 4.0 < moved.max() < 9.5
        assert np.median(moved) < 0.5


def test_modulation_swings_the_level_and_keeps_the_spectrum() -> None:
    healthy = wave()
    swung = sessions.altered(healthy, "modulation", 0.8, np.random.default_rng(1))
    envelope = np.abs(swung).reshape(-1, RATE // 50).mean(1)
    spectrum = np.abs(np.fft.rfft(envelope - envelope.mean()))
    rate = np.fft.rfftfreq(len(envelope), 1 / 50)[spectrum.argmax()]
    assert 2 <= rate <= 12
    assert np.ptp(bands(swung) - bands(healthy)) < 2.0


def test_rare_events_are_rare_and_loud() -> None:
    healthy = wave()
    struck = sessions.altered(healthy, "rare", 3.0, np.random.default_rng(2))
    changed = np.abs(struck - healthy).reshape(-1, RATE // 100).max(1) > 1e-3
    assert 0 < changed.mean() < 0.3
    assert np.abs(struck - healthy).max() > 2.0


def test_small_has_sessions_and_tiny_is_as_it_was() -> None:
    assert {machine.drift for machine in plan("tiny", "dev_data", 0)} == {0.0}
    small = plan("small", "dev_data", 0)
    assert all(machine.drift > 0 for machine in small)
    named = {clip.fault.name for clips in small.values() for clip in clips if clip.fault}
    assert named > sessions.NAMES
