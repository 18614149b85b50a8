"""Views: laws of the subtractions, a reference in numpy, and what they do in a room with two microphones."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from zoo import registry
from zoo.data.clips import find_clips
from zoo.data.store import WaveformStore
from zoo.data.synth import recording, write_challenge
from zoo.data.synth.fleet import DEV
from zoo.data.synth.room import Room, heard
from zoo.data.synth.sources import RATE
from zoo.data.views import names, view_of
from zoo.errors import AsdzooError
from zoo.registry import Entry
from zoo.running.plan import make_plan
from zoo.systems import load_system
from zoo.views.spectral_subtracted import heard as spectral_subtracted
from zoo.views.subtracted import heard as subtracted

Wave = NDArray[np.floating]


def noise(seed: int, samples: int, level: float = 0.1) -> torch.Tensor:
    return level * torch.randn(samples, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("subtract", [subtracted, spectral_subtracted])
@given(samples=st.integers(1, 6000), level=st.floats(1e-4, 0.9))
def test_a_far_of_zeros_changes_nothing(subtract: Callable[[torch.Tensor], torch.Tensor], samples: int, level: float) -> None:
    near = noise(1, samples, level)
    assert torch.allclose(
        subtract(torch.stack([near, torch.zeros(samples)])), near, atol=2e-6 * max(1.0, near.abs().max().item())
    )


def test_near_that_is_far_and_something_else_gives_that_something_back() -> None:
    far, own = noise(0, 10 * RATE, 0.2), noise(1, 10 * RATE, 0.05)
    rest = subtracted(torch.stack([far + own, far])) - own
    assert 10 * torch.log10(rest.square().mean() / own.square().mean()) < -20
    filtered = torch.from_numpy(heard(far.numpy(), np.array([0.0, 0.5, -0.3, 0.2], np.float32)))
    rest = subtracted(torch.stack([filtered + own, far])) - own
    assert 10 * torch.log10(rest.square().mean() / own.square().mean()) < -20


def test_what_is_all_in_far_is_gone() -> None:
    far = noise(3, 4 * RATE)
    assert subtracted(torch.stack([0.7 * far, far])).abs().max() < 1e-5


@given(scale=st.floats(1e-3, 5.0))
def test_subtraction_follows_the_level_of_the_recording(scale: float) -> None:
    pair = torch.stack([noise(4, 5000), noise(5, 5000)])
    for subtract in (subtracted, spectral_subtracted):
        assert torch.allclose(subtract(scale * pair), scale * subtract(pair), rtol=1e-3, atol=1e-4 * scale)


def test_a_batch_is_its_clips() -> None:
    batch = torch.stack([torch.stack([noise(seed, 3000), noise(seed + 9, 3000)]) for seed in range(3)])
    for subtract in (subtracted, spectral_subtracted):
        assert torch.allclose(subtract(batch), torch.stack([subtract(pair) for pair in batch]), atol=1e-6)


def spectra(wave: Wave, window: int) -> NDArray[np.complex128]:
    """The STFT of the definition, frame by frame: (frames, bins)."""
    padded = np.pad(wave, window // 2, mode="reflect")
    shape = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    starts = range(0, len(padded) - window + 1, window // 2)
    return np.stack([np.fft.rfft(padded[start : start + window] * shape) for start in starts])


def overlapped(frames: NDArray[np.complex128], window: int, samples: int) -> Wave:
    shape = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    total, weight = np.zeros(samples + 2 * window), np.zeros(samples + 2 * window)
    for number, frame in enumerate(frames):
        place = slice(number * window // 2, number * window // 2 + window)
        total[place] += np.fft.irfft(frame) * shape
        weight[place] += shape**2
    inside = slice(window // 2, window // 2 + samples)
    return total[inside] / weight[inside]


def test_subtraction_equals_its_formula_in_numpy() -> None:
    near, far = (noise(seed, 8192).double().numpy() for seed in (6, 7))
    near = near + 0.5 * far
    got = subtracted(torch.from_numpy(np.stack([near, far])).float()).numpy()
    c, f = spectra(near, 1024), spectra(far, 1024)
    transfer = (c * f.conj()).sum(0) / (np.abs(f) ** 2).sum(0)
    np.testing.assert_allclose(got, overlapped(c - transfer * f, 1024, 8192), atol=2e-6)


def test_magnitude_subtraction_equals_its_formula_in_numpy() -> None:
    near, far = (noise(seed, 4096).double().numpy() for seed in (8, 9))
    got = spectral_subtracted(torch.from_numpy(np.stack([near, far])).float()).numpy()
    c, f = spectra(near, 512), spectra(far, 512)
    kept = np.where(np.abs(c) > np.abs(f), np.abs(c) - np.abs(f), 0.1 * np.abs(c))
    np.testing.assert_allclose(got, overlapped(c / np.abs(c) * kept, 512, 4096), atol=2e-6)


@pytest.mark.parametrize("machine", DEV, ids=lambda machine: machine.name)
def test_in_a_room_the_signal_to_noise_ratio_rises_by_ten_decibels(machine: recording.Machine) -> None:
    rng = np.random.default_rng(7)
    sound, around = recording.in_room(recording.Take(machine, machine.source[0], "source", None, 0.0, 5.0), rng)
    c, f = spectra(sound[:, 0] + around[:, 0], 1024), spectra(sound[:, 1] + around[:, 1], 1024)
    transfer = (c * f.conj()).sum(0) / (np.abs(f) ** 2).sum(0)

    def left(part: Wave) -> float:  # subtraction is linear once the transfer is known
        return float((np.abs(spectra(part[:, 0], 1024) - transfer * spectra(part[:, 1], 1024)) ** 2).sum())

    before = 10 * np.log10((sound[:, 0] ** 2).sum() / (around[:, 0] ** 2).sum())
    assert 10 * np.log10(left(sound) / left(around)) - before > 10


def test_direct_sound_comes_after_its_distance_and_falls_with_it() -> None:
    room = Room((6.0, 5.0, 3.0), 0.1)
    source = np.array([2.0, 2.0, 1.0])
    for distance in (0.5, 1.0, 2.0):
        response = room.response(source, source + np.array([distance, 0.0, 0.0]))
        peak = int(np.argmax(np.abs(response)))
        assert peak == pytest.approx(distance / 343 * RATE, abs=1)
        assert np.abs(response[peak - 3 : peak + 4]).sum() > 0.9 / distance


def test_energy_falls_by_sixty_decibels_in_the_reverberation_time() -> None:
    room = Room((6.0, 5.0, 3.0), 0.3)
    response = room.response(np.array([2.0, 2.0, 1.0]), np.array([4.0, 3.0, 1.5])).astype(np.float64)
    decay = np.cumsum(response[::-1] ** 2)[::-1]
    fall = 10 * np.log10(decay / decay[0])
    early, late = np.argmax(fall < -5), np.argmax(fall < -25)  # T20, extrapolated
    assert 3 * (late - early) / RATE == pytest.approx(0.3, rel=0.35)


@pytest.mark.parametrize(
    ("text", "channel", "needs"),
    [
        ("near", 0, 1),
        ("far", 1, 2),
        ("channel:3", 3, 4),
        ("mean", None, 1),
        ("subtracted", None, 2),
        ("spectral_subtracted", None, 2),
    ],
)
def test_a_name_says_what_it_hears(text: str, channel: int | None, needs: int) -> None:
    view = view_of(text)
    assert (view.channel, view.needs) == (channel, needs)
    assert (view.recipe is None) == (channel is not None)
    with pytest.raises(AsdzooError, match="channel"):
        view.require(needs - 1, "fan", "a.wav")
    view.require(needs, "fan", "a.wav")


@pytest.fixture
def loudest(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A view of another package."""
    module = ModuleType("loudest")
    module.NEEDS, module.heard = 2, lambda waves: waves.abs().amax(-2)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "loudest", module)
    own, entry = registry.entries, {"loudest": Entry("view", "loudest", "loudest", "p")}
    monkeypatch.setattr(registry, "entries", lambda kind: own(kind) | (entry if kind == "view" else {}))
    return module


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    write_challenge(folder, "tiny", channels=2)
    return folder


def opened(recorded: Path, folder: Path) -> WaveformStore:
    return WaveformStore.open(find_clips(recorded)[:3], folder)


def heard_as(store: WaveformStore, view: str) -> torch.Tensor:
    return store.viewed(view_of(view)).batch(np.arange(3))[0]


def test_a_view_of_another_package_is_heard_and_kept(loudest: ModuleType, recorded: Path, tmp_path: Path) -> None:
    assert "loudest" in names()
    store = opened(recorded, tmp_path)
    both = torch.stack([store.batch(np.arange(3), channel=channel)[0] for channel in (0, 1)])
    assert torch.allclose(heard_as(store, "loudest"), both.abs().amax(0), atol=1e-4)
    assert len(list(tmp_path.rglob("view_loudest_1.i16"))) == 1


def test_another_version_of_a_view_is_computed_anew_and_trained_anew(
    loudest: ModuleType, recorded: Path, tmp_path: Path
) -> None:
    system = load_system("log_mel_knn", ["input.view=loudest"])
    first, task = heard_as(opened(recorded, tmp_path), "loudest"), make_plan([system], find_clips(recorded), {}, 0)[0].name
    loudest.heard = lambda waves: 0.5 * waves.abs().amax(-2)  # type: ignore[attr-defined]
    assert torch.equal(heard_as(opened(recorded, tmp_path), "loudest"), first)  # nobody said so
    assert make_plan([system], find_clips(recorded), {}, 0)[0].name == task
    loudest.VERSION = 2  # type: ignore[attr-defined]
    assert torch.allclose(heard_as(opened(recorded, tmp_path), "loudest"), first / 2, atol=1e-4)
    assert sorted(path.name for path in tmp_path.rglob("view_*")) == ["view_loudest_2.i16", "view_loudest_2.json"]
    assert make_plan([system], find_clips(recorded), {}, 0)[0].name != task


@pytest.mark.parametrize("damage", ["bit", "cut", "no JSON", "JSON cut"])
def test_a_damaged_view_is_computed_anew(damage: str, recorded: Path, tmp_path: Path) -> None:
    expected = heard_as(opened(recorded, tmp_path), "subtracted")
    file = next(tmp_path.rglob("view_subtracted_1.i16"))
    content = bytearray(file.read_bytes())
    content[2 * 40_000] ^= 4  # in the second recording
    file.write_bytes(content[:-2] if damage == "cut" else content)
    if damage == "no JSON":
        file.with_suffix(".json").unlink()
    elif damage == "JSON cut":
        file.with_suffix(".json").write_text("{")
    elif damage == "bit":
        view = opened(recorded, tmp_path).viewed(view_of("subtracted"))
        view.batch([0])
        with pytest.raises(AsdzooError, match=r"of section_00\S+ \(subtracted\) in .* are damaged") as raised:
            view.batch([0, 1])
        assert "it computes the view anew" in raised.value.hint
    assert torch.equal(heard_as(opened(recorded, tmp_path), "subtracted"), expected)
    parts = opened(recorded, tmp_path).cut([(1, 5, 1000)]).viewed(view_of("subtracted"))
    assert torch.equal(parts.batch([0])[0], expected[1:2, 5:1005])


@pytest.mark.parametrize("text", ["nea", "", "channel:", "channel:-1", "channel:x", "channel:²"])
def test_an_unknown_view_lists_the_known_ones(text: str) -> None:
    with pytest.raises(AsdzooError, match="unknown view") as raised:
        view_of(text)
    assert raised.value.hint == f"known: {', '.join(names())}"
