"""Two views of a clip: the difference of embeddings, and blocks that look at the far microphone."""

from pathlib import Path

import numpy as np
import pytest
import torch

from zoo import registry
from zoo.data.clips import find_clips
from zoo.data.store import WaveformStore
from zoo.data.synth import write_challenge
from zoo.data.views import view_of
from zoo.errors import AsdzooError
from zoo.layers.reference_attention import Block, ReferenceAttention
from zoo.models import pretrained
from zoo.models._adapter_files import write_adapter
from zoo.models.pretrained import Pretrained
from zoo.models.two_views import Config, TwoViews, build
from zoo.networks import InputShape
from zoo.systems import load_system, system_of

SIZES = {"layers": 2, "width": 64, "heads": 2, "hidden": 128, "patch_width": 32, "position_kernel": 16, "position_groups": 4}
FROZEN = {"encoder": "beats", "init": "random", "sizes": SIZES, "tuning": {"mode": "frozen"}, "loss": None}
SHAPE = InputShape(16000, None, 2)


def network(**options: object) -> TwoViews:
    torch.manual_seed(0)
    return build(Config.model_validate({**FROZEN, **options}), SHAPE, 2).eval()


def plain() -> Pretrained:
    torch.manual_seed(0)
    return Pretrained(pretrained.Config.model_validate(FROZEN), InputShape(16000, None), 2).eval()


@pytest.fixture
def waves() -> torch.Tensor:
    return 0.1 * torch.randn(3, 2, 24_000, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_the_difference_is_that_of_the_embeddings(waves: torch.Tensor) -> None:
    near, far = (plain()(waves[:, channel]) for channel in (0, 1))
    torch.testing.assert_close(network(difference=0.3)(waves), near - 0.3 * far)
    torch.testing.assert_close(network(difference=0.0)(waves), near)
    with pytest.raises(TypeError, match="waves of 2 views are wanted"):
        network(difference=0.3)(waves[:, 0])
    torch.manual_seed(0)
    alone = build(Config.model_validate({**FROZEN, "difference": 0.3}), InputShape(16000, None), 2).eval()
    torch.testing.assert_close(alone(waves[:, 0]), near)  # the input has one view
    lengths = torch.tensor([24_000, 16_000, 24_000])
    waves[1, :, 16_000:] = 0
    alone = network()(waves[1:2, :, :16_000])[0]
    torch.testing.assert_close(network()(waves, lengths)[1], alone, rtol=1e-4, atol=1e-4)


def numpy_block(block: Block, x: np.ndarray, far: np.ndarray) -> np.ndarray:
    """One clip (tokens, width), written out."""
    weights = {name: value.detach().double().numpy() for name, value in block.named_parameters()}

    def norm(values: np.ndarray, name: str) -> np.ndarray:
        return np.asarray(values / np.sqrt((values**2).mean(1, keepdims=True) + 1e-6) * weights[f"{name}.weight"])

    near, other, size = norm(x, "norm_near"), norm(far, "norm_far"), x.shape[1] // block.heads
    mixed = np.empty_like(x)
    for head in range(block.heads):
        own = slice(head * size, (head + 1) * size)
        q, k, v = (one @ weights[f"{name}.weight"][own].T for name, one in (("q", near), ("k", other), ("v", other)))
        logits = q @ k.T / np.sqrt(size)
        shares = np.exp(logits - logits.max(1, keepdims=True))
        mixed[:, own] = shares / shares.sum(1, keepdims=True) @ v
    x = x + mixed @ weights["out.weight"].T
    inner = norm(x, "norm_inner")
    gate = inner @ weights["gate.weight"].T
    return np.asarray(x + (gate / (1 + np.exp(-gate)) * (inner @ weights["up.weight"].T)) @ weights["down.weight"].T)


@torch.no_grad()
def test_a_block_is_what_it_says() -> None:
    torch.manual_seed(3)
    block = Block(16, 8).double()
    x, far = torch.randn(2, 5, 16).double(), torch.randn(2, 7, 16).double()
    assert torch.equal(block(x, far, None), x)  # it starts as nothing
    for parameter in block.parameters():
        parameter.add_(0.3 * torch.randn(parameter.shape))
    padding = torch.zeros(2, 7, dtype=torch.bool)
    padding[1, 4:] = True
    found = block(x, far, padding)
    np.testing.assert_allclose(found[0], numpy_block(block, x[0].numpy(), far[0].numpy()), atol=1e-10)
    np.testing.assert_allclose(found[1], numpy_block(block, x[1].numpy(), far[1, :4].numpy()), atol=1e-10)


@torch.no_grad()
@pytest.mark.parametrize("name", registry.names("encoder"))
def test_untrained_blocks_change_no_encoder_and_trained_ones_do(name: str) -> None:
    kind = registry.module("encoder", name).ENCODER
    torch.manual_seed(0)
    encoder = kind(kind.sizes.model_validate(dict(kind.tiny))).eval()
    waves = 0.1 * torch.randn(2, 2, 24_000)
    features, padding = encoder.features(waves[:, 0])
    far_features, far_padding = encoder.features(waves[:, 1])
    far = encoder.hidden_states(far_features, far_padding)[1:]
    tokens = encoder(features, padding)
    adapter = ReferenceAttention(encoder.layers(), encoder.width)
    with adapter.between(encoder, far, far_padding):
        assert torch.equal(encoder(features, padding), tokens)
    for parameter in adapter.parameters():
        parameter.add_(0.1 * torch.randn(parameter.shape))
    with adapter.between(encoder, far, far_padding):
        assert not torch.allclose(encoder(features, padding), tokens)
    assert torch.equal(encoder(features, padding), tokens)


@torch.no_grad()
def test_an_adapter_is_read_for_its_own_encoder_and_no_other(tmp_path: Path, waves: torch.Tensor) -> None:
    path = tmp_path / "mine.safetensors"
    adapter = ReferenceAttention(2, 64)
    write_adapter(path, adapter, "beats", plain().encoder)
    torch.testing.assert_close(network(adapter=str(path), difference=0)(waves), plain()(waves[:, 0]))
    for parameter in adapter.parameters():
        parameter.add_(0.1 * torch.randn(parameter.shape))
    write_adapter(path, adapter, "beats", plain().encoder)
    found = network(adapter=str(path), difference=0)(waves)
    assert not torch.allclose(found, plain()(waves[:, 0]))
    assert not torch.allclose(found, network(adapter=str(path), difference=0)(waves[:, [0, 0]]))
    tuned = network(adapter=str(path), difference=0, loss={}, tuning={"mode": "lora", "matrices": ["q"], "rank": 2})
    torch.testing.assert_close(tuned(waves), found)
    assert not any(name.startswith("adapter.") and value.requires_grad for name, value in tuned.named_parameters())
    for change, message in (
        ({"sizes": {**SIZES, "hidden": 96}}, "was trained on other weights of beats"),
        ({"encoder": "eat", "sizes": {"layers": 2, "width": 64, "heads": 2, "hidden": 128, "columns": 192}}, "not of eat"),
        ({"adapter": str(tmp_path / "none")}, "there is no adapter"),
    ):
        with pytest.raises(AsdzooError, match=message) as raised:
            network(**{"adapter": str(path), "difference": 0, **change})
        assert raised.value.hint
    path.write_bytes(b"{}")
    with pytest.raises(AsdzooError, match="is damaged"):
        network(adapter=str(path), difference=0)
    for mistake in ({"difference": 0.5}, {"difference": 0, "checkpointing": True}):
        with pytest.raises(ValueError, match=r"set (difference|checkpointing) to"):
            network(adapter=str(path), **mistake)


def test_a_system_hears_near_and_far(tmp_path: Path) -> None:
    write_challenge(tmp_path / "two", "tiny", channels=2)
    store = WaveformStore.open(find_clips(tmp_path / "two"), tmp_path / "waves")
    system = load_system("beats_difference_tiny")
    waves, lengths = system.hearing.crops(store, np.arange(3), 16_000, np.random.default_rng(0))
    near, _ = system.hearing.alone.crops(store, np.arange(3), 16_000, np.random.default_rng(0))
    assert waves.shape == (3, 2, 16_000)
    assert lengths.tolist() == [16_000] * 3
    assert torch.equal(waves[:, 0], near)
    assert not torch.allclose(waves[:, 1], near)
    network = system.build_network(["a", "b"], 0).eval()
    heard = system.embed(network, store, np.arange(3))
    assert heard.shape == (3, 8, 64)
    both, lengths = (
        torch.stack([store.viewed(view_of(name)).batch(range(3), samples=32_000)[part] for name in ("near", "far")], 1)
        for part in (0, 1)
    )
    np.testing.assert_allclose(heard, network(both, lengths[:, 0]).detach(), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("beats_difference_tiny", {"input": {"seconds": 2.0}}, "hears two views, and the input has one"),
        ("beats_frozen_tiny", {"input": {"reference": "far"}}, "hears one view, and the input has two"),
        ("beats_difference_tiny", {"auxiliary": {}}, "synthetic machines are heard by one microphone"),
    ],
)
def test_views_that_do_not_fit_are_said(name: str, change: dict[str, object], message: str) -> None:
    values = {**load_system(name).resolved(), **change}
    with pytest.raises(AsdzooError, match=message):
        system_of("mine", values, "mine.yaml")
