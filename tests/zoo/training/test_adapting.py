"""An adapter: what mixtures are, that the loss falls, and the way from the command to a system that hears with it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from submission.cli import main
from zoo.data.clips import find_clips
from zoo.data.store import WaveformStore
from zoo.data.synth import write_challenge
from zoo.errors import AsdzooError
from zoo.layers.reference_attention import ReferenceAttention
from zoo.models.pretrained import Pretrained
from zoo.systems import load_system
from zoo.training.adapting import AdaptConfig, Mixtures, adapt, loss_of

SMALL = AdaptConfig(steps=100, batch=4, seconds=1.0, rooms=1, noises=1, learning_rate=3e-3)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    write_challenge(folder, "tiny", channels=2)
    return folder


@pytest.fixture(scope="module")
def mixtures(data: Path) -> Mixtures:
    store = WaveformStore.open(find_clips(data), data / "waves")
    return Mixtures(store, [index for index, clip in enumerate(store.clips) if clip.split == "train"], SMALL)


def test_a_mixture_is_the_clean_sound_and_noise_at_a_ratio_that_was_drawn(mixtures: Mixtures) -> None:
    mixed, clean = mixtures.batch(np.random.default_rng(0), 12)
    assert mixed.shape == (12, 2, 16_000)
    noise = mixed[:, 0] - clean
    ratio = 10 * torch.log10(clean.square().mean(1) / noise.square().mean(1))
    assert (ratio.abs() <= 10.01).all()
    assert ratio.std() > 2
    torch.testing.assert_close(mixed.abs().amax((1, 2)), torch.full((12,), 0.9))
    again, _ = mixtures.batch(np.random.default_rng(0), 12)
    assert torch.equal(mixed, again)


def test_the_loss_falls_from_that_of_the_plain_encoder_which_stays_as_it_is(mixtures: Mixtures) -> None:
    def encoder() -> torch.nn.Module:
        network = load_system("beats_frozen_tiny").build_network([], 0)
        assert isinstance(network, Pretrained)
        return network.encoder

    used, plain = encoder(), encoder()
    found = adapt(used, mixtures, torch.device("cpu"))  # type: ignore[arg-type]
    assert 0 < found.after < 0.99 * found.before  # an encoder with random weights hears little that could be mended
    assert all(torch.equal(one, other) for one, other in zip(used.parameters(), plain.parameters(), strict=True))


def test_blocks_can_learn_a_batch_by_heart_and_start_at_the_loss_of_the_plain_encoder(mixtures: Mixtures) -> None:
    network = load_system("beats_frozen_tiny").build_network([], 0)
    assert isinstance(network, Pretrained)
    encoder = network.encoder.eval().requires_grad_(False)
    torch.manual_seed(0)
    adapter = ReferenceAttention(encoder.layers(), encoder.width)
    mixed, clean = mixtures.batch(np.random.default_rng(1), 1)
    with torch.no_grad():
        near, wanted = (encoder(*encoder.features(waves)) for waves in (mixed[:, 0], clean))
    first = loss_of(encoder, adapter, mixed, clean)
    torch.testing.assert_close(first, (near - wanted).square().mean())
    optimizer = torch.optim.Adam(adapter.parameters(), lr=3e-3)
    for _ in range(80):
        loss = loss_of(encoder, adapter, mixed, clean)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.5 * first


def test_one_machine_is_not_enough(data: Path) -> None:
    store = WaveformStore.open(find_clips(data), data / "waves")
    fan = [index for index, clip in enumerate(store.clips) if clip.split == "train" and clip.machine == "SynthFan"]
    with pytest.raises(AsdzooError, match="of two machines"):
        Mixtures(store, fan, SMALL)


def test_from_the_command_to_a_system(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "adapter.safetensors"
    command = ["adapt", "beats_difference_tiny", "--data", str(data), "--out", str(file), "--device", "cpu"]
    assert main([*command, "--steps", "2", "--batch", "2", "--seconds", "1", "--rooms", "1"]) == 0
    assert "loss on mixtures kept back" in " ".join(capsys.readouterr().out.split())
    assert main(command) == 2
    assert "is there already" in capsys.readouterr().err
    settings = ["--set", f"model.adapter={file}", "--set", "model.difference=0", "--set", "training.steps=2"]
    where = ["--data", str(data), "--run", str(tmp_path / "run"), "--device", "cpu"]
    assert main(["train-all", *where, "--systems", "beats_difference_tiny", *settings]) == 0
    assert (tmp_path / "run" / "scores" / "beats_difference_tiny.csv").exists()
    assert main(["adapt", "log_mel_knn", "--data", str(data), "--out", str(tmp_path / "other")]) == 2
    assert "log_mel_knn has no pretrained encoder" in " ".join(capsys.readouterr().err.split())
