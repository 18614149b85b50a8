"""BEATs is the published network: goldens of every part, laws of padding, and the system around it."""

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.zoo.formula import fill, waves
from tests.zoo.golden import agrees, golden
from zoo.encoders import beats
from zoo.layers.relative_positions import position_bias
from zoo.models.pretrained import Config, build
from zoo.networks import InputShape

GOLDEN = golden("beats")
SMALL = beats.Sizes(layers=2, width=96, heads=3, hidden=192, patch_width=64, position_groups=4)


def filled(config: beats.Sizes) -> beats.BEATs:
    encoder = beats.BEATs(config).eval().requires_grad_(False)
    fill(encoder)
    return encoder


@pytest.fixture(scope="module")
def networks() -> dict[str, beats.BEATs]:
    return {"large": filled(beats.Sizes()), "small": filled(SMALL)}


def ahead(valid: list[int], patches: int) -> Tensor:
    """Padding behind the given numbers of valid patches."""
    return torch.arange(patches)[None] >= torch.tensor(valid)[:, None]


def test_every_part(networks: dict[str, beats.BEATs]) -> None:
    encoder, parts = networks["large"], GOLDEN["parts"]
    fbank, _ = encoder.features(waves(2))
    agrees(fbank, parts["fbank"])
    patches = encoder.embed(fbank)
    agrees(patches, parts["patches"])
    x = encoder.encoder.layer_norm(patches + encoder.encoder.pos_conv(patches))
    agrees(x, parts["positions"])
    table, bucket = encoder.encoder.layers[0].self_attn.relative_attention_bias.weight, encoder.encoder.bucket
    bias = position_bias(table, bucket, 96)
    agrees(bias, parts["bias"], 1e-6)
    agrees(position_bias(table, bucket, 1000)[:, [0, 999]], parts["bias_far"], 1e-6)
    layer: Any = encoder.encoder.layers[0]
    q = layer.self_attn.q_proj(x).view(1, 96, 12, 64).transpose(1, 2)
    agrees(layer.self_attn.gate(q), parts["gate"])
    agrees(layer.self_attn(x, bias, None), parts["attention"])
    agrees(layer(x, bias, None), parts["block"])


@pytest.mark.parametrize("case", GOLDEN["outputs"])
def test_outputs(networks: dict[str, beats.BEATs], case: dict[str, Any]) -> None:
    encoder = networks[case["network"]]
    fbank, _ = encoder.features(waves(case["seconds"]))
    agrees(encoder(fbank), case["probe"])


@pytest.mark.parametrize("case", GOLDEN["padded"])
def test_padded_outputs(networks: dict[str, beats.BEATs], case: dict[str, Any]) -> None:
    encoder, samples = networks[case["network"]], 16000 * case["seconds"]
    batch = torch.cat([waves(case["seconds"]), waves(case["seconds"], "other")])
    lengths = torch.tensor([samples, int(samples * 0.6)])
    batch[1, lengths[1] :] = 0
    fbank, padding = encoder.features(batch, lengths)
    assert padding is not None
    if case["mask"] == "by_columns":
        assert (~padding).sum(1).tolist() == case["valid"]
    else:
        padding = ahead(case["valid"], padding.shape[1])
    tokens = encoder(fbank, padding)
    for clip, valid, probe in zip(tokens, case["valid"], case["probes"], strict=True):
        agrees(clip[:valid], probe)


def test_hidden_states(networks: dict[str, beats.BEATs]) -> None:
    fbank, _ = networks["small"].features(waves(2))
    states = networks["small"].hidden_states(fbank)
    assert len(states) == len(GOLDEN["layers"])
    for state, probe in zip(states, GOLDEN["layers"], strict=True):
        agrees(state, probe)
    torch.testing.assert_close(networks["small"](fbank), states[-1], rtol=0, atol=0)


def test_a_clip_does_not_depend_on_its_batch(networks: dict[str, beats.BEATs]) -> None:
    encoder = networks["small"]
    short, long = waves(6, "short"), waves(18, "long")
    batch = torch.cat([torch.nn.functional.pad(short, (0, long.shape[1] - short.shape[1])), long])
    fbank, padding = encoder.features(batch, torch.tensor([short.shape[1], long.shape[1]]))
    together = encoder(fbank, padding)
    alone = encoder(encoder.features(short)[0])
    torch.testing.assert_close(together[0, : alone.shape[1]], alone[0], rtol=0, atol=2e-5)
    torch.testing.assert_close(together[1:], encoder(encoder.features(long)[0]), rtol=0, atol=2e-5)


@pytest.mark.parametrize("length", [2799, 400, 37, 1])
def test_a_clip_shorter_than_a_patch_is_repeated(networks: dict[str, beats.BEATs], length: int) -> None:
    encoder = networks["small"]
    clip = waves(1)[:, :length]
    repeated = clip.repeat(1, 2800 // length + 1)[:, :2800]
    alone = encoder(encoder.features(clip)[0])
    torch.testing.assert_close(alone, encoder(encoder.features(repeated)[0]))
    batch = torch.cat([torch.nn.functional.pad(clip, (0, 8000 - length)), waves(0.5)])
    fbank, padding = encoder.features(batch, torch.tensor([length, 8000]))
    together = encoder(fbank, padding)
    torch.testing.assert_close(together[:1, :8], alone, rtol=0, atol=2e-5)
    assert padding is not None
    assert (~padding).sum(1).tolist() == [8, 24]


def test_features_are_normalised_by_the_given_statistics(networks: dict[str, beats.BEATs]) -> None:
    other = beats.BEATs(SMALL.model_copy(update={"fbank_mean": 11.0, "fbank_deviation": 5.0}))
    expected = (networks["small"].features(waves(1))[0] * 2 * 6.55582 + 15.41663 - 11.0) / 10.0
    torch.testing.assert_close(other.features(waves(1))[0], expected)


def test_checkpointing_gives_the_same_gradients() -> None:
    encoder = filled(SMALL).requires_grad_(True)
    fbank, _ = encoder.features(waves(1))
    gradients = []
    for encoder.checkpointing in (False, True):
        encoder.zero_grad()
        encoder(fbank).square().mean().backward()
        gradients.append({name: value.grad.clone() for name, value in encoder.named_parameters() if value.grad is not None})
    assert gradients[0].keys() == dict(encoder.named_parameters()).keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient)


def test_official_size() -> None:
    with torch.device("meta"):
        encoder = beats.BEATs(beats.Sizes())
    table = encoder.get_parameter("encoder.layers.0.self_attn.relative_attention_bias.weight").numel()
    assert sum(value.numel() for value in encoder.state_dict().values()) + 11 * table == 90_354_032  # of BEATs_iter3.pt


def test_random_weights_are_finite_and_marked() -> None:
    torch.manual_seed(0)
    config = Config(encoder="beats", sizes=SMALL.model_dump(), init="random", projection=8)
    network = build(config, InputShape(16000, 16000), 3)
    assert network.untrained
    embeddings = network.eval()(torch.cat([waves(1), waves(1, "other")]))
    assert embeddings.shape == (2, network.dim) == (2, 8)
    assert embeddings.isfinite().all()
    assert not torch.allclose(embeddings[0], embeddings[1], atol=1e-3)
