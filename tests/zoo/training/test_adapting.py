"""An adapter: what mixtures are, that the loss falls, and the way from the command to a system that hears with it."""

import zipfile
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from submission.cli import main
from tests.submission.conftest import TEAM
from zoo import registry
from zoo.data.clips import find_clips
from zoo.data.store import WaveformStore
from zoo.data.synth import write_challenge
from zoo.errors import AsdzooError
from zoo.layers.reference_attention import ReferenceAttention
from zoo.models._adapter_files import write_adapter
from zoo.models.pretrained import Config, Pretrained
from zoo.networks import InputShape
from zoo.running.folder import Run
from zoo.running.task_folder import TaskFolder
from zoo.systems import load_system, system_of
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


def adapted(system: str, data: Path, file: Path, *more: str) -> int:
    where = ["--data", str(data), "--out", str(file), "--device", "cpu"]
    return main(["adapt", system, *where, "--steps", "2", "--batch", "2", "--seconds", "1", "--rooms", "1", *more])


def words(text: str) -> str:
    return " ".join(text.split())


def scores(run: Path, name: str) -> np.ndarray:
    return Run(run).scores(name).frame["score"].to_numpy()


def test_from_the_command_to_a_package(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file, run = tmp_path / "adapter.safetensors", tmp_path / "run"
    assert adapted("beats_difference_tiny", data, file) == 0
    said = words(capsys.readouterr().out)
    assert "loss on mixtures kept back" in said
    assert "84 training clips of 3 machines" in said
    with safe_open(file, "pt") as opened:
        assert opened.metadata()["recordings"].startswith("84 training clips of 2026 SynthFan, ")
    assert adapted("beats_difference_tiny", data, file) == 2
    assert "is there already" in capsys.readouterr().err
    settings = ["--set", f"model.adapter={file}", "--set", "model.difference=0", "--set", "training.steps=2"]
    training = ["train-all", "--data", str(data), "--run", str(run), "--device", "cpu", "--systems", "beats_difference_tiny"]
    assert main([*training, *settings]) == 0
    assert main(["evaluate", "--run", str(run)]) == 0
    counted = Run(run).info().systems["beats_difference_tiny"].parameters
    task = next(Run(run).system_folder("beats_difference_tiny").glob("*/task.json"))
    plain = load_system("beats_difference_tiny").build_network(TaskFolder(task.parent).info().classes, 0)
    blocks = sum(value.numel() for value in load_file(file).values())
    assert counted.total == sum(value.numel() for value in plain.parameters()) + blocks
    (tmp_path / "team.yaml").write_text(TEAM)
    assert (
        main(["submit", "--run", str(run), "--team", str(tmp_path / "team.yaml"), "--ensemble", "beats_difference_tiny"]) == 0
    )
    with zipfile.ZipFile(next((run / "submission").glob("*.zip"))) as package:
        meta = yaml.safe_load(package.read(next(name for name in package.namelist() if name.endswith(".meta.yaml"))))
    assert meta["system"]["complexity"]["total_parameters"] == counted.total
    assert "LoRA, cross-attention adapter" in meta["system"]["description"]["machine_learning_method"]
    assert not meta["system"]["external_datasets"]  # blocks are trained on the challenge's own clips, this encoder on nothing


@pytest.mark.parametrize("name", ["beats_difference_tiny", "beats_frozen_tiny"])
def test_another_adapter_under_the_same_name_is_another_system(
    name: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file, run = tmp_path / "mine", tmp_path / "run"
    assert adapted(name, data, file) == 0
    next_command = words(capsys.readouterr().out).split("next: asdzoo ")[1].split()
    arguments = [*next_command, "--data", str(data), "--run", str(run), "--device", "cpu"]
    arguments += ["--set", "training.steps=2"]
    assert main(arguments) == 0
    first = scores(run, name)
    capsys.readouterr()
    assert main(arguments) == 0
    assert "trained anew" not in words(capsys.readouterr().err)
    assert np.array_equal(scores(run, name), first)
    state = {key: 0.1 * torch.randn(value.shape) for key, value in load_file(file).items()}
    with safe_open(file, "pt") as opened:
        told = opened.metadata()
    save_file(state, file, told)
    assert main(arguments) == 0
    assert "is trained anew: another content of its adapter" in words(capsys.readouterr().err)
    assert not np.allclose(scores(run, name), first)


@pytest.mark.parametrize("name", registry.names("encoder"))
def test_every_encoder_can_be_adapted_from_its_checkpoint(name: str, data: Path, mixtures: Mixtures, tmp_path: Path) -> None:
    kind = registry.module("encoder", name).ENCODER
    torch.manual_seed(0)
    encoder = kind(kind.sizes.model_validate(dict(kind.tiny)))
    weights, file = tmp_path / "weights.safetensors", tmp_path / "mine.safetensors"
    save_file({key: value.contiguous() for key, value in encoder.state_dict().items()}, weights)
    model: dict[str, Any] = {
        "encoder": name,
        "weights": str(weights),
        "sizes": dict(kind.tiny),
        "loss": None,
        "tuning": {"mode": "frozen"},
    }
    model |= {"embedding": {"bands": True, "pooling": "rdp", "gamma": 4.0}}
    few = copy(mixtures)
    few.config = mixtures.config.model_copy(update={"steps": 1, "batch": 1})
    network = Pretrained(Config.model_validate(model), InputShape(16_000, None), 1)
    write_adapter(file, adapt(network.encoder, few, torch.device("cpu")).adapter, name, network.encoder)
    system: dict[str, Any] = {"description": name, "classes": "machine", "detector": {"name": "knn"}}
    system |= {"input": {"seconds": 1.0, "longer": "first", "reference": "far"}}
    system |= {"model": {**model, "name": "two_views", "adapter": str(file), "difference": 0}}
    store = WaveformStore.open(find_clips(data), data / "waves")
    without = {**system, "model": {**system["model"], "adapter": None}}
    made = [system_of("mine", values, "mine") for values in (system, without)]
    heard, plain = (one.embed(one.build_network(["a"], 0), store, np.arange(2)) for one in made)
    assert heard.shape == (2, encoder.layout.bands, encoder.width)
    assert np.isfinite(heard).all()
    assert not np.array_equal(heard, plain)


def test_another_checkpoint_under_the_same_path_is_an_error(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kind = registry.module("encoder", "beats").ENCODER
    file, run = tmp_path / "weights.safetensors", tmp_path / "run"

    def write(seed: int) -> None:
        torch.manual_seed(seed)
        encoder = kind(kind.sizes.model_validate(dict(kind.tiny)))
        save_file({key: value.contiguous() for key, value in encoder.state_dict().items()}, file)

    write(0)
    system = {"base": "beats_frozen_tiny", "description": "mine", "model": {"init": "checkpoint", "weights": str(file)}}
    system["model"] |= {"sizes": dict(kind.tiny)}  # type: ignore[operator]
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(system))
    arguments = [
        "train-all",
        "--data",
        str(data),
        "--run",
        str(run),
        "--systems",
        str(tmp_path / "mine.yaml"),
        "--device",
        "cpu",
    ]
    assert main(arguments) == 0
    first = scores(run, "mine")
    assert main(arguments) == 0
    write(1)
    capsys.readouterr()
    assert main(arguments) == 2
    said = words(capsys.readouterr().err)
    assert "weights.safetensors is another file than mine (all) was made with" in said
    assert "name another folder with --run" in said
    file.unlink()  # what is made already needs it no more
    assert main(arguments) == 0
    assert np.array_equal(scores(run, "mine"), first)


@pytest.mark.parametrize("name", ["log_mel_knn", "beats_eat_tiny", "han_tiny"])
def test_a_system_without_one_encoder_cannot_be_adapted(
    name: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert adapted(name, data, tmp_path / "other") == 2
    said = words(capsys.readouterr().err)
    assert f"{name} is no system of one pretrained encoder" in said
    assert "hint: for example asdzoo adapt beats_difference" in said
    assert not (tmp_path / "other").exists()
