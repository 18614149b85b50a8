"""The synthetic challenge: names and counts, the same bytes from the same seed, lines where physics puts them, difficulty."""

import csv
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy import signal
from scipy.stats import hmean

from tests.bench.bench_synth import judge, mean_and_deviation, nearest, render
from tests.zoo.trees import HIDDEN
from zoo.data.clips import find_clips
from zoo.data.groups import group_of
from zoo.data.names import parse_name
from zoo.data.synth import sources, write_challenge
from zoo.data.synth.challenge import attribute_string, plan
from zoo.data.synth.fleet import DEV, EVAL
from zoo.data.synth.machines import PROFILES, Family, Fault, Gears, Rotor, Setting
from zoo.data.synth.recording import LEVEL, PLACES, Machine, Take, background, record
from zoo.data.synth.sources import F32, F64, RATE
from zoo.data.years import YEARS
from zoo.errors import AsdzooError

FLEET = DEV + EVAL


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("synth")
    write_challenge(out, "tiny", seed=3, workers=1)
    return out / "dcase2024t2"


def digest(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def rows(path: Path) -> list[list[str]]:
    return list(csv.reader(path.read_text().splitlines()))


# --- the tree


def test_same_seed_same_bytes_whatever_the_workers(tiny: Path, tmp_path: Path) -> None:
    again = write_challenge(tmp_path / "again", "tiny", seed=3, workers=3)[0].parents[2]
    other = write_challenge(tmp_path / "other", "tiny", seed=4)[0].parents[2]
    assert digest(again) == digest(tiny)
    mine, theirs = digest(tiny), digest(other)
    wavs = [name for name in mine if name.endswith(".wav")]
    assert not {mine[name] for name in wavs} & {value for name, value in theirs.items() if name.endswith(".wav")}


def test_no_two_clips_are_alike(tiny: Path) -> None:
    wavs = [value for name, value in digest(tiny).items() if name.endswith(".wav")]
    assert len(set(wavs)) == len(wavs) == 3 * (24 + 4 + 4 * 6)


def test_folders_are_returned_and_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    folders = write_challenge(tmp_path, "tiny", progress=lambda done, total: told.append((done, total)))
    assert [folder.name for folder in folders] == ["SynthFan", "SynthGearbox", "SynthRoboticArm"]
    assert all((folder / split).is_dir() for folder, split in product(folders, ("train", "test")))
    assert told == [(number, 156) for number in range(1, 157)]


@pytest.mark.parametrize(
    ("size", "machines", "train", "test", "seconds"),
    [
        ("tiny", 3, (24, 4), 6, {2.0}),
        ("small", 8, (100, 10), 25, {4.0}),
        ("full", 16, (990, 10), 50, {10.0, 12.0}),
    ],
)
def test_counts_of_every_size(size: str, machines: int, train: tuple[int, int], test: int, seconds: set[float]) -> None:
    plans = plan(size, "dev_data", 0) | plan(size, "eval_data", 0)  # type: ignore[arg-type]
    assert len(plans) == machines
    for recordings in plans.values():
        counts = Counter((clip.folder, clip.domain, clip.label) for clip in recordings)
        assert counts == {
            ("train", "source", "normal"): train[0],
            ("train", "target", "normal"): train[1],
            **{("test", domain, label): test for domain, label in product(("source", "target"), ("normal", "anomaly"))},
        }
        assert len({clip.entropy for clip in recordings}) == len(recordings)
        for folder in ("train", "test"):
            names = [clip.released for clip in recordings if clip.folder == folder]
            assert len(set(names)) == len(names)
    assert {clip.seconds for recordings in plans.values() for clip in recordings} == seconds


def test_full_has_the_machines_of_2024_their_lengths_and_their_secrets() -> None:
    year = YEARS["2024"]

    def bare(fleet: Iterable[Machine]) -> set[str]:
        return {machine.name.removeprefix("Synth").lower() for machine in fleet}

    assert bare(DEV) == {name.lower() for name in year.development}
    assert bare(EVAL) == {name.lower() for name in year.evaluation}
    assert bare(machine for machine in FLEET if machine.hidden) == {name.lower() for name in HIDDEN["2024"]}
    assert {machine.name for machine in FLEET if machine.seconds == 12.0} == {"SynthToyCar", "SynthToyTrain"}
    groups = {group_of(machine.name) for machine in plan("small", "dev_data", 0)}
    assert groups == {"stationary", "non-stationary", "periodic", "impulsive"}


def test_clips_read_back_as_they_were_planned(tiny: Path) -> None:
    for subset, blind in (("dev_data", False), ("eval_data", True)):
        found = {(clip.machine, clip.name): clip for clip in find_clips(tiny / subset, year="2024")}
        planned = {
            (machine.name, f"{recording.released}.wav"): recording
            for machine, recordings in plan("tiny", subset, 3).items()
            for recording in recordings
        }
        assert found.keys() == planned.keys()
        for key, clip in found.items():
            recording = planned[key]
            unknown = blind and recording.folder == "test"
            assert (clip.year, clip.section, clip.split) == ("2024", "00", recording.folder)
            assert (clip.domain, clip.label) == ((None, None) if unknown else (recording.domain, recording.label))
            told = None if unknown or recording.machine.hidden else attribute_string(recording.machine, recording.setting)
            assert clip.attributes == told
            info = soundfile.info(clip.path)
            assert (info.samplerate, info.channels, info.subtype, info.frames) == (RATE, 1, "PCM_16", 2 * RATE)


def test_attribute_tables_tell_what_2024_tells(tiny: Path) -> None:
    fan = rows(tiny / "dev_data/raw/SynthFan/attributes_00.csv")
    assert fan[0] == ["file_name", "d1p", "d1v"]
    assert len(fan) == 1 + 28 + 24
    for name, key, value in fan[1:]:
        assert Path(name).parts[0] == "SynthFan"
        assert (tiny / "dev_data/raw" / name).exists()
        assert Path(name).stem.endswith(f"_{key}_{value}")
    gearbox = rows(tiny / "dev_data/raw/SynthGearbox/attributes_00.csv")
    assert [len(row) for row in gearbox] == [1] * (1 + 28 + 24)
    arm = rows(tiny / "eval_data/raw/SynthRoboticArm/attributes_00.csv")
    assert arm[0] == ["file_name", "d1p", "d1v", "d2p", "d2v"]
    assert len(arm) == 1 + 28, "nothing is told of a blind test"
    assert all(Path(row[0]).stem.endswith("{}{}_{}{}".format(*row[1:])) for row in arm[1:]), "key and value are glued"


def test_truth_is_that_of_the_blind_clips(tiny: Path) -> None:
    name = "ground_truth_SynthRoboticArm_section_00_test.csv"
    data, domain, attributes = (
        rows(tiny / f"ground_truth/ground_truth_{kind}" / name) for kind in ("data", "domain", "attributes")
    )
    blind = [f"section_00_{index:04d}.wav" for index in range(24)]
    assert [row[0] for row in data] == [row[0] for row in domain] == [row[0] for row in attributes] == blind
    for (_, anomalous), (_, target), (_, true) in zip(data, domain, attributes, strict=True):
        parsed = parse_name(f"{true}.wav", "test")
        assert parsed is not None
        assert (parsed.label, parsed.domain) == (("normal", "anomaly")[int(anomalous)], ("source", "target")[int(target)])
    faults = rows(tiny / "ground_truth/ground_truth_faults" / name)
    assert {row[0] for row in faults} == {row[0] for row in data if row[1] == "1"}
    assert not (tiny / "ground_truth/ground_truth_data/ground_truth_SynthFan_section_00_test.csv").exists(), "its names say it"
    # A blind name must not follow the label: the first half is neither all normal nor all anomalous.
    assert 0 < sum(int(row[1]) for row in data[:12]) < 12


def test_a_folder_in_use_is_left_alone(tiny: Path) -> None:
    before = digest(tiny)
    with pytest.raises(AsdzooError, match="is there already") as caught:
        write_challenge(tiny.parent, "tiny")
    assert "another folder" in caught.value.hint
    assert digest(tiny) == before


def test_bad_arguments_are_named(tmp_path: Path) -> None:
    with pytest.raises(AsdzooError, match=r"unknown size 'smal'.*did you mean small"):
        write_challenge(tmp_path, "smal")  # type: ignore[arg-type]
    with pytest.raises(AsdzooError, match="seed -1 is negative"):
        write_challenge(tmp_path, "tiny", seed=-1)
    assert not list(tmp_path.iterdir())


def test_interrupted_writing_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_challenge(tmp_path, "tiny", progress=interrupt)
    assert not list(tmp_path.iterdir())


# --- sources


def line_level(wave: F32, frequency: float) -> float:
    """Amplitude of a cosine of exactly that frequency in the wave."""
    time = np.arange(len(wave)) / RATE
    window = np.hanning(len(wave))
    return float(2 * abs(np.sum(window * wave * np.exp(-2j * np.pi * frequency * time))) / window.sum())


def test_harmonics_have_the_amplitudes_asked_for() -> None:
    rng = np.random.default_rng(0)
    phase = 51.0 * np.arange(4 * RATE) / RATE
    wave = sources.harmonics(phase, [1.0, 0.5, 0.0, 0.25], rng)
    levels = [line_level(wave, 51.0 * order) for order in range(1, 6)]
    assert levels == pytest.approx([1.0, 0.5, 0.0, 0.25, 0.0], abs=1e-3)


def test_a_resonance_rings_at_its_frequency_and_dies_in_its_time() -> None:
    click = sources.ring(sources.impulses(np.array([0.1]), 1.0, RATE), 1500.0, 0.01)
    assert not click[: int(0.1 * RATE)].any(), "nothing rings before it is struck"
    spectrum = np.abs(np.fft.rfft(click))
    assert spectrum.argmax() == pytest.approx(1500, abs=10)
    envelope = np.abs(signal.hilbert(click))
    assert envelope[int(0.13 * RATE)] / envelope[int(0.12 * RATE)] == pytest.approx(np.exp(-1), rel=0.05)


def test_events_come_so_many_times_a_turn() -> None:
    rng = np.random.default_rng(0)
    times = sources.event_times(20.0 * np.arange(RATE) / RATE, 3.5, 0.0, rng)
    assert np.diff(times) == pytest.approx(1 / 70, rel=1e-6)


def test_band_noise_falls_by_twelve_decibels_an_octave() -> None:
    noise = sources.band_noise(np.random.default_rng(0), 8 * RATE, 1000.0, 2000.0)
    assert sources.rms(noise) == pytest.approx(1.0, rel=1e-5)
    frequency, power = signal.welch(noise, RATE, nperseg=2048)
    level = {at: 10 * np.log10(power[np.abs(frequency - at) < 60].mean()) for at in (250, 500, 1500, 4000, 7900)}
    assert level[500] - level[250] == pytest.approx(12, abs=1.5)
    assert level[1500] - level[4000] == pytest.approx(12, abs=1.5)
    assert level[4000] - level[7900] == pytest.approx(12, abs=1.5)


def test_backgrounds_of_source_and_target_differ_and_none_is_silent() -> None:
    def color(place: str) -> F64:
        noise = background(PLACES[place], 4 * RATE, np.random.default_rng(1))
        assert sources.rms(noise) == pytest.approx(1.0, rel=1e-4)
        return bands(noise).mean(1)

    colors = {place: color(place) for place in PLACES}
    assert all(machine.places[0] != machine.places[1] for machine in FLEET)
    for one, other in {machine.places for machine in FLEET}:
        assert np.abs(colors[one] - colors[other]).mean() > 0.25


# --- machines


def bands(wave: F32) -> F64:
    """Log energies of 32 bands of 250 Hz in frames of 64 ms, `(32, frames)`."""
    _, _, spectrum = signal.stft(wave, RATE, nperseg=1024, noverlap=512, boundary=None, padded=False)
    return np.log(np.square(np.abs(spectrum[:512])).reshape(32, 16, -1).mean(1) + 1e-9)


def envelope_line(wave: F32, low: float, high: float, around: float) -> float:
    """Frequency, within a third of `around`, of the strongest line in the envelope of a band."""
    band = signal.sosfilt(signal.butter(4, (low, high), "band", fs=RATE, output="sos"), wave)
    envelope = np.abs(signal.hilbert(band))
    spectrum = np.abs(np.fft.rfft(envelope * np.hanning(len(wave)), 8 * len(wave)))
    frequency = np.fft.rfftfreq(8 * len(wave), 1 / RATE)
    near = np.abs(frequency - around) < around / 3
    assert spectrum[near].max() > 4 * np.median(spectrum[near])
    return float(frequency[near][spectrum[near].argmax()])


@pytest.mark.parametrize("depth", [0.2, 0.8])
def test_a_missing_tooth_puts_side_bands_at_the_shaft_rate_beside_the_mesh_line(depth: float) -> None:
    gears = Gears(teeth=31, body=(), wander=0.0, healthy_modulation=0.0)
    wave = gears.sound(Setting((), speed=20.0, load=0.0), "tooth", depth, 10 * RATE, np.random.default_rng(5))
    frequency = np.fft.rfftfreq(len(wave), 1 / RATE)
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave))))
    mesh = float(frequency[:10_000][spectrum[:10_000].argmax()])
    assert mesh == pytest.approx(31 * 20.0, rel=0.015)
    shaft = mesh / 31
    for side in (mesh - shaft, mesh + shaft):
        level = np.linalg.norm(spectrum[np.abs(frequency - side) < 1]) / np.linalg.norm(spectrum[np.abs(frequency - mesh) < 1])
        assert level == pytest.approx(depth / 2, rel=0.02), "amplitude modulation puts half its depth on either side"
        around = (np.abs(frequency - side) < shaft / 2) & (np.abs(frequency - side) > 1)
        assert spectrum[around].max() < 0.02 * spectrum.max() * depth, "and nothing between"


def test_bearing_impacts_come_at_the_characteristic_frequency() -> None:
    rotor = Rotor(blades=9, wander=0.0, defect_ratio=3.58, defect_resonance=4200.0)
    setting = Setting((), speed=20.0, load=0.2)
    wave = rotor.sound(setting, "impacts", 1.0, 8 * RATE, np.random.default_rng(2))
    assert envelope_line(wave, 3600.0, 4800.0, 3.58 * 20) == pytest.approx(3.58 * 20, rel=0.03)


def test_a_rotor_sounds_at_its_shaft_rate_and_loudest_at_its_blades() -> None:
    rotor = Rotor(blades=7, tilt=1.0, blade_gain=6.0, body=(), wander=0.0)
    wave = rotor.sound(Setting((), speed=24.0, load=0.0), None, 0.0, 8 * RATE, np.random.default_rng(2))
    frequency = np.fft.rfftfreq(len(wave), 1 / RATE)
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave))))
    lines = frequency[signal.find_peaks(spectrum[: 8 * 500], 0.02 * spectrum.max(), distance=80)[0]]
    shaft = lines[0]
    assert shaft == pytest.approx(24.0, rel=0.04)
    assert lines / shaft == pytest.approx(np.rint(lines / shaft), abs=0.1)
    beside = [spectrum[np.abs(frequency - order * shaft) < 2].max() for order in (6, 7, 8)]
    assert beside[1] > 2.5 * max(beside[0], beside[2])


def test_a_slider_bursts_at_both_ends_of_its_stroke() -> None:
    (slider,) = (machine for machine in FLEET if machine.name == "SynthSlider")
    wave = slider.family.sound(slider.source[0], None, 0.0, 10 * RATE, np.random.default_rng(2))
    rate = 2 * slider.source[0].speed
    assert envelope_line(wave, 3000.0, 5000.0, rate) == pytest.approx(rate, rel=0.03)


@pytest.mark.parametrize("missing", [0.0, 0.5])
def test_a_valve_clicks_in_its_pattern_and_misses_the_share_it_should(missing: float) -> None:
    (valve,) = (machine for machine in FLEET if machine.name == "SynthValve")
    setting = valve.source[1]
    wave = valve.family.sound(setting, "missing", missing, 40 * RATE, np.random.default_rng(4))
    envelope = np.abs(signal.hilbert(signal.sosfilt(signal.butter(4, (1500, 3500), "band", fs=RATE, output="sos"), wave)))
    clicks, _ = signal.find_peaks(envelope, 0.3 * envelope.max(), distance=int(0.1 * RATE))
    expected = 40 * setting.speed * len(setting.pattern) * (1 - missing)
    assert len(clicks) == pytest.approx(expected, rel=0.15 if missing else 0.03)


@pytest.mark.parametrize("profile", ["laps", "hover", "stop-and-go"])
def test_non_stationary_machines_change_their_speed(profile: str) -> None:
    curve = PROFILES[profile](8 * RATE, np.random.default_rng(0))
    assert (curve > 0).all()
    assert 0.03 < curve.std() < 0.4
    assert curve.mean() == pytest.approx(1.0, abs=0.12)


CASES = [(machine, fault) for machine in FLEET for fault in machine.faults]


@pytest.mark.parametrize(("machine", "fault"), CASES, ids=[f"{machine.name}-{fault.name}" for machine, fault in CASES])
def test_damage_moves_the_sound_further_the_stronger_it_is(machine: Machine, fault: Fault) -> None:
    def distance(strength: float) -> float:
        moved = []
        for seed in range(4):
            healthy, damaged = (
                sources.unit(
                    machine.family.sound(machine.source[0], fault.name, amplitude, 2 * RATE, np.random.default_rng(seed))
                )
                for amplitude in (0.0, fault.amplitude(strength))
            )
            moved.append(np.abs(bands(damaged) - bands(healthy)).mean())
        return float(np.mean(moved))

    weak, middle, strong = (distance(strength) for strength in (0.0, 0.5, 1.0))
    assert 0 < weak < middle < strong


@pytest.mark.parametrize(
    "family", {type(machine.family): machine.family for machine in FLEET}.values(), ids=lambda family: type(family).__name__
)
def test_an_unknown_fault_lists_the_known_ones(family: Family) -> None:
    setting = Setting((), speed=1.0, pattern=(0.0, 0.5))
    with pytest.raises(AsdzooError, match="unknown fault 'rust'"):
        family.sound(setting, "rust", 1.0, RATE, np.random.default_rng(0))


@pytest.mark.parametrize("machine", FLEET, ids=lambda machine: machine.name)
def test_clips_neither_clip_nor_fall_silent_nor_differ_in_level(machine: Machine) -> None:
    for domain, fault in product(("source", "target"), (None, *machine.faults)):
        for setting in machine.settings(domain):
            clip = record(Take(machine, setting, domain, fault, 1.0, 2.0), np.random.default_rng(7)) / 32768
            assert np.abs(clip).max() < 0.99
            assert np.sqrt(np.mean(clip**2)) == pytest.approx(LEVEL, rel=2e-3)
            assert np.sqrt((clip.reshape(20, -1) ** 2).mean(1)).min() > LEVEL / 30
            assert abs(clip.mean()) < 1e-3


# --- difficulty


def test_it_is_as_hard_as_the_real_thing() -> None:
    """Half of `small`, clips of two seconds, one seed; `tests/bench/bench_synth.py` has the whole table."""
    judged, ranks = {}, defaultdict(list)
    for machine, recordings in (plan("small", "dev_data", 0) | plan("small", "eval_data", 0)).items():
        test = [replace(clip, seconds=2.0) for clip in recordings if clip.folder == "test"]
        train = [replace(clip, seconds=2.0) for clip in recordings if clip.folder == "train"][70:]  # 30 source, 10 target
        scores = nearest(np.array([mean_and_deviation(render(clip)) for clip in train + test]), train + test)
        judged[machine.name] = judge(scores, test)
        normal = np.array([score for score, clip in zip(scores, test, strict=True) if not clip.fault])
        for score, clip in zip(scores, test, strict=True):
            if clip.fault:
                ranks[machine.name, min(2, int(3 * clip.strength))].append((score > normal).mean())
    assert 0.55 < hmean(np.ravel(list(judged.values()))) < 0.75
    for name, measures in judged.items():
        assert max(measures) < 0.99, name
        assert hmean(measures) > 0.45, name
        assert np.mean(ranks[name, 2]) > np.mean(ranks[name, 0]), name
    assert np.mean([np.mean(ranks[name, 2]) for name in judged]) > 0.75


def test_two_channels_are_the_tree_of_2026_with_both_microphones(tmp_path: Path) -> None:
    folders = write_challenge(tmp_path, "tiny", channels=2)
    assert {folder.parents[2].name for folder in folders} == {"dcase2026t2"}
    clips = find_clips(tmp_path)
    assert {clip.year for clip in clips} == {"2026"}
    waves = [soundfile.read(clip.path, dtype="float64")[0] for clip in clips[:6]]
    for wave in waves:
        assert wave.shape == (32_000, 2)
        near, far = wave.T
        assert np.sqrt((near**2).mean()) == pytest.approx(0.03, rel=0.02)
        assert np.abs(np.corrcoef(near, far)[0, 1]) < 0.99
    with pytest.raises(AsdzooError, match="one channel or two"):
        write_challenge(tmp_path / "three", "tiny", channels=3)
