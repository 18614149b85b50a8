"""However long a clip is, a batch holds a bounded number of seconds, and all of the clip is heard."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import zoo.hearing
from tests.zoo.trees import write_wav
from zoo.data.clips import find_clips
from zoo.data.store import WaveformStore, in_floats
from zoo.systems import load_system


@pytest.fixture
def store(tmp_path: Path) -> WaveformStore:
    for seconds in (1, 1, 9, 2):
        name = f"{len(list(tmp_path.rglob('*.wav')))}.wav"
        write_wav(tmp_path / "data" / "MyPump" / "test" / name, seconds=seconds)
    return WaveformStore.open(find_clips(tmp_path / "data"), tmp_path / "store")


@pytest.fixture
def shapes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """(rows, samples) of every batch from here on."""
    seen: list[tuple[int, int]] = []
    batch = WaveformStore.batch

    def spy(self: WaveformStore, *args: Any, **options: Any) -> Any:
        waves, lengths = batch(self, *args, **options)
        seen.append((waves.shape[0], waves.shape[1]))
        return waves, lengths

    monkeypatch.setattr(WaveformStore, "batch", spy)
    return seen


@pytest.mark.parametrize("name", ["nf_cdee_tiny", "dual_branch_cnn_tiny"])
def test_a_batch_is_bounded_by_seconds(
    store: WaveformStore, shapes: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(zoo.hearing, "LONG", 2)
    monkeypatch.setattr(zoo.hearing, "MOST_SECONDS", 4)
    system = load_system(name, ["input.longer=windows"])
    network = system.build_network(["a", "b"], 0)
    whole = system.embed(network, store, np.arange(4))
    assert len(shapes) > 1
    assert max(rows * samples for rows, samples in shapes) <= 4 * 16_000
    assert sum(rows for rows, _ in shapes) == 1 + 1 + 5 + 1  # windows of 2 s
    for index in range(4):
        np.testing.assert_allclose(system.embed(network, store, np.array([index]))[0], whole[index], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("settings", [[], ["input.longer=windows"], ["input.seconds=null"]])
def test_a_gpu_is_sent_the_stored_samples_of_the_same_clips(
    store: WaveformStore, monkeypatch: pytest.MonkeyPatch, settings: list[str]
) -> None:
    pinned: list[Tensor] = []
    monkeypatch.setattr(Tensor, "pin_memory", lambda tensor: (pinned.append(tensor), tensor)[1])
    hearing = load_system(
        "dual_branch_cnn_tiny" if settings[:1] != ["input.seconds=null"] else "nf_cdee_tiny", settings
    ).hearing
    plain, sent = (list(hearing._to_embed(store, np.arange(4), 3, to_gpu)) for to_gpu in (False, True))
    assert len(plain) == len(sent) == 2
    assert len(pinned) == 4
    for (waves, lengths, windows), (stored, own, counts) in zip(plain, sent, strict=True):
        assert (waves.dtype, stored.dtype) == (torch.float32, torch.int16)
        assert torch.equal(in_floats(stored), waves)
        assert torch.equal(own, lengths)
        assert counts == windows


def test_ordinary_clips_are_one_batch_of_their_own_lengths(store: WaveformStore, shapes: list[tuple[int, int]]) -> None:
    system = load_system("nf_cdee_tiny")
    system.embed(system.build_network(["a", "b"], 0), store, np.arange(4))
    assert shapes == [(4, 9 * 16_000)]


def test_training_reads_a_part_of_a_very_long_clip_anywhere(store: WaveformStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo.hearing, "LONG", 2)
    hearing = load_system("nf_cdee_tiny").hearing
    waves, lengths = hearing.crops(store, np.arange(4), None, None)
    assert lengths.tolist() == [16_000, 16_000, 32_000, 32_000]
    again = hearing.crops(store, np.arange(4), None, np.random.default_rng(0))[0]
    assert not (waves[2] == again[2]).all()
    assert (waves[[0, 1, 3]] == again[[0, 1, 3]]).all()


def test_crops_in_training_and_whole_clips_to_score(store: WaveformStore, shapes: list[tuple[int, int]]) -> None:
    system = load_system("beats_lora_tiny", ["input.longer=whole", "input.seconds=1.5"])
    assert (system.hearing.crop, system.shape.samples) == (24_000, None)
    network = system.build_network(["a", "b"], 0)
    together = system.embed(network, store, np.arange(4))
    assert shapes == [(4, 9 * 16_000)]
    for index in range(4):
        np.testing.assert_allclose(system.embed(network, store, np.array([index]))[0], together[index], rtol=1e-4, atol=1e-4)
