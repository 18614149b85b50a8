"""What all pretrained systems share: batches of any lengths, half precision, compilation, repeated short clips."""

import shutil
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.zoo.formula import waves
from zoo.encoders._base import at_least
from zoo.encoders.beats import BEATs
from zoo.errors import AsdzooError
from zoo.models.pretrained import AugmentConfig, Config, Pretrained, build
from zoo.networks import InputShape, Network
from zoo.systems import load_system, system_of

TINY = ["beats_lora_tiny", "eat_lora_tiny", "beats_eat_tiny"]
FROZEN = ["beats_frozen_tiny", "eat_frozen_tiny"]


def tiny(name: str, settings: tuple[str, ...] = ()) -> Network:
    return load_system(name, settings).build_network([""] * 3, 0)


def batch() -> tuple[Tensor, Tensor]:
    """Clips of 2, 0.7 and 0.1 s, zero-padded, and their lengths."""
    lengths = torch.tensor([32000, 11200, 1600])
    rows = torch.cat([waves(2, str(clip)) for clip in range(3)])
    return rows.masked_fill(torch.arange(32000) >= lengths[:, None], 0.0), lengths


@pytest.mark.parametrize("name", [*TINY, *FROZEN])
def test_a_clip_has_the_same_embedding_in_every_batch(name: str) -> None:
    network = tiny(name, ("input.seconds=null",)).eval()
    rows, lengths = batch()
    together = network(rows, lengths)
    for row, length, embedding in zip(rows, lengths, together, strict=True):
        alone = network(row[None, :length], length[None])
        torch.testing.assert_close(alone[0], embedding, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(network(row[None, :length])[0], embedding, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", TINY)
def test_half_precision_is_near(name: str) -> None:
    network = tiny(name).eval()
    rows = torch.cat([waves(2), waves(2, "other")])
    labels = torch.tensor([0, 1])
    with torch.autocast("cpu", torch.bfloat16):
        half = network(rows)
        losses = network.losses(rows, labels)
    assert half.dtype == torch.float32
    assert torch.nn.functional.cosine_similarity(half, network(rows)).min() > 0.999
    torch.stack(list(losses.values())).sum().backward()
    for label, loss in network.losses(rows, labels).items():
        torch.testing.assert_close(losses[label], loss, rtol=0.05, atol=0.05)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
@pytest.mark.filterwarnings("ignore")  # torch's own, while it compiles
def test_compiled_losses_and_gradients_are_the_same() -> None:
    network = tiny("beats_eat_tiny").eval()  # both encoders
    rows, labels = torch.cat([waves(2), waves(2, "other")]), torch.tensor([0, 1])
    trained = [value for value in network.parameters() if value.requires_grad]
    plain, fast = network.losses(rows, labels), torch.compile(network.losses, backend="aot_eager")(rows, labels)
    for label, loss in plain.items():
        torch.testing.assert_close(fast[label], loss)
    expected = torch.autograd.grad(torch.stack(list(plain.values())).sum(), trained)
    for gradient, wanted in zip(torch.autograd.grad(torch.stack(list(fast.values())).sum(), trained), expected, strict=True):
        torch.testing.assert_close(gradient, wanted, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", TINY)
def test_augmentation_and_dropout_are_for_training_only(name: str) -> None:
    network = tiny(name)
    wave = waves(2)
    assert torch.equal(network.eval()(wave), network(wave))
    assert not torch.equal(network.train()(wave), network(wave))


def test_waves_are_not_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BEATs, "spectral", False)
    assert Config(encoder="beats").augment == AugmentConfig(frequency=0, time=0)
    again = Config.model_validate(Config(encoder="beats").model_dump())
    assert again.augment == AugmentConfig(frequency=0, time=0)
    with pytest.raises(AsdzooError, match="augment masks spectra, and beats hears waves"):
        Config(encoder="beats", augment=AugmentConfig(time=5))
    network = tiny("beats_lora_tiny", ("model.augment={frequency: 0, time: 0}",))
    assert isinstance(network, Pretrained)
    assert isinstance(network.augment, torch.nn.Identity)


@pytest.mark.parametrize("length", [1, 3, 7, 20, 30])
def test_short_clips_are_repeated(length: int) -> None:
    rows = torch.arange(1.0, 31.0)[None].repeat(2, 1)
    rows[0, length:] = 0
    repeated, lengths = at_least(rows, torch.tensor([length, 30]), 20)
    assert lengths is not None
    assert lengths.tolist() == [max(length, 20), 30]
    expected = torch.arange(20) % length + 1.0 if length < 20 else torch.arange(1.0, 21.0)
    assert torch.equal(repeated[0, :20], expected)
    assert torch.equal(repeated[1], rows[1])
    alone, none = at_least(rows[:1, :length], None, 20)
    assert none is None
    assert torch.equal(alone[0, :20], expected)


def test_an_empty_clip_is_silence() -> None:
    repeated, lengths = at_least(torch.zeros(1, 5), torch.tensor([0]), 8)
    assert lengths is not None
    assert repeated.tolist() == [[0.0] * 8]
    assert lengths.tolist() == [8]


def test_another_sample_rate_is_refused() -> None:
    with pytest.raises(AsdzooError, match="beats hears 16000 Hz, the input has 8000") as caught:
        build(Config(encoder="beats", init="random"), InputShape(8000, None), 2)
    assert "input.sample_rate=16000" in caught.value.hint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sizes": {"depth": 3}}, "mine: model: sizes: unknown key depth"),
        ({"sizes": {"width": 65, "heads": 2}}, r"mine: model: sizes: .*width 65 is no multiple of 2 \(heads\)"),
        ({"sizes": {"position_groups": 5}}, r"width 768 is no multiple of 5 \(position_groups\)"),
        ({"encoder": "eat", "sizes": {"frame_multiple": 8}}, r"frame_multiple 8 is no multiple of 16"),
        ({"sizes": {"layers": 0}}, "mine: model: sizes: layers: input should be greater than 0"),
        ({"encoder": "beast"}, r"mine: model: unknown encoder 'beast' \(did you mean beats\?\)"),
        ({"encoder": None}, "mine: model: encoder: input should be a valid string"),
    ],
)
def test_a_mistake_about_the_encoder_is_named(change: dict[str, Any], message: str) -> None:
    values = load_system("beats_lora_tiny").resolved()
    with pytest.raises(AsdzooError, match=message):
        system_of("mine", {**values, "model": {**values["model"], **change}}, "mine")


@pytest.mark.parametrize("name", FROZEN)
def test_a_frozen_encoder_gives_its_bands_and_keeps_a_checksum(name: str) -> None:
    network = tiny(name).eval()
    assert (network.parts, network.dim) == (8, 64)
    assert network(waves(2)).shape == (1, 8, 64)
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert list(network.trained_state()) == ["base_sha256"]
    with pytest.raises(TypeError, match="is not trained"):
        network.losses(waves(2), torch.tensor([0]))
    with pytest.raises(AsdzooError, match="trained on another base"):
        network.load_trained_state(load_system(name).build_network([""], 1).trained_state())


def test_every_layer_and_band_is_a_part() -> None:
    network = tiny("eat_frozen_tiny", ("model.embedding={layers: 1-2, pooling: mean}",)).eval()
    last = tiny("eat_frozen_tiny", ("model.embedding={pooling: mean}",)).eval()
    whole = tiny("eat_frozen_tiny", ("model.embedding={layers: 2, bands: false}",)).eval()
    wave = waves(2)
    assert (network.parts, whole.parts) == (16, 1)
    torch.testing.assert_close(network(wave)[:, 8:], last(wave))
    torch.testing.assert_close(whole(wave), last(wave).mean(1, keepdim=True))


def test_bands_of_a_tuned_network_are_not_what_its_loss_sees() -> None:
    plain = tiny("eat_lora_tiny").eval()
    both = tiny("eat_lora_tiny", ("model.embedding={pooling: rdp}",)).eval()
    wave, labels = waves(2), torch.tensor([1])
    assert both(wave).shape == (1, 8, 64)
    torch.testing.assert_close(both.losses(wave, labels), plain.losses(wave, labels))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss": None}, "loss is null, so nothing can be trained: set tuning.mode to frozen"),
        ({"loss": None, "tuning": {"mode": "frozen"}, "projection": 4}, "leave out projection"),
        ({"embedding": {"layers": "first"}}, "layers are numbers and ranges from 1"),
        ({"embedding": {"gama": 2}}, "mine: model: unknown key embedding.gama"),
    ],
)
def test_a_mistake_about_the_embedding_is_named(change: dict[str, Any], message: str) -> None:
    values = load_system("beats_lora_tiny").resolved()
    with pytest.raises(AsdzooError, match=message):
        system_of("mine", {**values, "model": {**values["model"], **change}}, "mine")


def test_a_layer_that_is_not_there_is_named() -> None:
    with pytest.raises(AsdzooError, match=r"model.embedding.layers names layer 3, the encoder has 2"):
        tiny("eat_frozen_tiny", ("model.embedding.layers=2-3",))
