"""What differs between recordings of a healthy machine, and the damage that any machine may have: what each changes."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from zoo.data.synth import damage, sessions, sources
from zoo.data.synth.challenge import plan
from zoo.data.synth.fleet import DEV, EVAL
from zoo.data.synth.recording import record
from zoo.data.synth.sources import F32, RATE, rms
from zoo.data.synth.surroundings import surrounding


def wave(seconds: float = 4.0) -> F32:
    return np.random.default_rng(0).standard_normal(round(seconds * RATE)).astype(np.float32)


def bands(sound: F32) -> np.ndarray:
    """Level in dB of each third of an octave from 100 Hz to 6.4 kHz."""
    power = np.abs(np.fft.rfft(sound)) ** 2
    edges = 100.0 * 2 ** (np.arange(19) / 3)
    bins = np.fft.rfftfreq(len(sound), 1 / RATE)
    levels = [power[(bins >= low) & (bins < high)].mean() for low, high in pairwise(edges)]
    return 10 * np.log10(np.array(levels))


def noise_of(day: int, clip: int, seconds: float = 4.0) -> F32:
    return surrounding(-4.0, round(seconds * RATE), np.random.default_rng([1, day]), np.random.default_rng([2, day, clip]))


# --- days and clips


def test_a_response_moves_every_octave_by_its_deviation() -> None:
    healthy = wave()
    moved = [
        bands(sources.through(healthy, sessions.response(len(healthy), 2.0, np.random.default_rng(seed)))) - bands(healthy)
        for seed in range(40)
    ]
    assert np.std(moved) == pytest.approx(1.7, abs=0.4)  # between two knots the deviation is smaller
    assert np.abs(np.mean(moved)) < 0.5


def test_a_tilt_is_decibels_per_octave() -> None:
    response = sessions.tilted(RATE, -3.0)
    assert 20 * np.log10(response[[500, 1000, 4000]]) == pytest.approx([3.0, 0.0, -6.0], abs=0.01)


def test_two_clips_of_a_day_are_nearer_to_each_other_than_two_of_two_days() -> None:
    healthy = wave()

    def clip(day: int, number: int) -> np.ndarray:
        return bands(
            sessions.heard_on(
                healthy, np.ones(1, np.float32), np.random.default_rng([3, day]), np.random.default_rng([4, day, number])
            )
        )

    machine = np.array([[clip(day, number) for number in range(4)] for day in range(8)])
    noise = np.array([[bands(noise_of(day, number)) for number in range(4)] for day in range(8)])
    for levels in (machine, noise):
        assert levels.std(1).mean() < 0.7 * levels.mean(1).std(0).mean()


def test_the_ratio_to_the_noise_varies_by_day_and_by_clip_and_keeps_its_limits() -> None:
    ratios = np.array(
        [
            [sessions.machine_to_noise(3.0, np.random.default_rng([5, day]), np.random.default_rng([6, day, clip]))
             for clip in range(50)]
            for day in range(50)
        ]
    )  # fmt: skip
    assert np.median(ratios) == pytest.approx(3.0 + sessions.LEAD, abs=1.5)
    assert ratios.mean(1).std() == pytest.approx(sessions.DAY_LEVEL, rel=0.3)
    assert ratios.std(1).mean() == pytest.approx(sessions.CLIP_LEVEL, rel=0.2)
    assert ratios.min() >= sessions.LEAST
    assert ratios.max() <= sessions.MOST


def test_surroundings_are_noise_at_unit_level_and_some_days_are_restless() -> None:
    restless = []
    for day in range(20):
        noise = noise_of(day, 0)
        assert rms(noise) == pytest.approx(1.0, rel=1e-3)
        moments = 20 * np.log10(np.sqrt((noise.reshape(-1, RATE // 20) ** 2).mean(1)))
        restless.append(moments.std())
    assert min(restless) < 2.0
    assert max(restless) > 4.0


def test_bands_differ_from_clip_to_clip_as_on_real_recordings() -> None:
    """4 or 5 dB there; and the first of few directions is all high frequencies together."""
    machine, clips = next(iter(plan("small", "dev_data", 0).items()))
    normal = [clip for clip in clips if clip.folder == "train" and clip.domain == "source"][:60]
    levels = np.array([bands(record(clip.take, np.random.default_rng(clip.entropy)).astype(np.float32)) for clip in normal])
    assert machine.varied
    assert 1.5 < levels.std(0).mean() < 6.0
    share = np.linalg.svd(levels - levels.mean(0), compute_uv=False) ** 2
    assert share[:3].sum() > 0.6 * share.sum()


# --- damage


def test_damaged_parts_are_few_bands_by_their_decibels_and_the_machines_own() -> None:
    healthy = wave()
    seen = set()
    for machine in (*DEV, *EVAL):
        for fault in damage.BANDS:
            one, again = (
                damage.damaged(healthy, machine.name, fault.name, 9.0, np.random.default_rng(seed)) for seed in range(2)
            )
            assert np.array_equal(one, again), "a damaged part sounds alike in every clip"
            moved = np.abs(bands(one) - bands(healthy))
            assert 2.0 < moved.max() < 9.5  # a third of an octave averages over a knot and its slopes
            assert np.median(moved) < 2.5
            seen.add(tuple(damage.signature(machine.name, fault.name)))
    assert len(seen) == 3 * len((*DEV, *EVAL))


def test_modulation_swings_the_level_and_keeps_the_spectrum() -> None:
    healthy = wave()
    swung = damage.damaged(healthy, "SynthFan", "modulation", 0.8, np.random.default_rng(1))
    envelope = np.abs(swung).reshape(-1, RATE // 50).mean(1)
    spectrum = np.abs(np.fft.rfft(envelope - envelope.mean()))
    rate = np.fft.rfftfreq(len(envelope), 1 / 50)[spectrum.argmax()]
    assert 2 <= rate <= 12
    assert np.ptp(bands(swung) - bands(healthy)) < 2.0


def test_rare_events_are_rare_and_loud() -> None:
    healthy = wave()
    struck = damage.damaged(healthy, "SynthFan", "rare", 3.0, np.random.default_rng(2))
    changed = np.abs(struck - healthy).reshape(-1, RATE // 100).max(1) > 1e-3
    assert 0 < changed.mean() < 0.3
    assert np.abs(struck - healthy).max() > 2.0


def test_a_familys_own_faults_are_worse_but_depths_and_shares_end() -> None:
    for machine in (*DEV, *EVAL):
        for fault in machine.faults:
            worse = damage.worse(fault)
            assert fault.strongest <= worse.strongest <= damage.WORSE * fault.strongest
            assert fault.weakest <= worse.weakest < worse.strongest or worse.weakest == worse.strongest / 2
            if fault.name in ("missing", "late"):
                assert worse.strongest < 1.0


# --- sizes


def test_small_varies_and_tiny_is_as_it_was() -> None:
    assert not any(machine.varied for machine in plan("tiny", "dev_data", 0))
    small = plan("small", "dev_data", 0)
    assert all(machine.varied for machine in small)
    named = {clip.fault.name for clips in small.values() for clip in clips if clip.fault}
    assert named > damage.NAMES


def test_days_are_shared_by_training_and_test_not_by_domains_machines_or_seeds() -> None:
    days: list[set[tuple[int, ...]]] = []
    for seed in (0, 1):
        for clips in plan("small", "dev_data", seed).values():
            for domain in ("source", "target"):
                train, test = (
                    Counter(clip.day for clip in clips if (clip.domain, clip.folder) == (domain, folder))
                    for folder in ("train", "test")
                )
                assert train.keys() <= test.keys() or test.keys() <= train.keys()
                days.append({*train, *test})
    assert sum(map(len, days)) == len(set().union(*days))
    assert all(len(of_it) == sessions.DAYS for of_it in days[::2])


def test_days_do_not_give_faults_away() -> None:
    for clips in plan("small", "dev_data", 0).values():
        anomalous = Counter(clip.day for clip in clips if clip.fault)
        healthy = Counter(clip.day for clip in clips if clip.folder == "test" and not clip.fault)
        assert anomalous.keys() == healthy.keys()
