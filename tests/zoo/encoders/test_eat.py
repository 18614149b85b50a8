"""EAT is the published network: goldens of every part, laws of padding, and the system around it."""

from typing import Any

import pytest
import torch

from tests.zoo.formula import fill, waves
from tests.zoo.golden import agrees, golden
from zoo.encoders import eat
from zoo.errors import AsdzooError
from zoo.models.pretrained import Config, build
from zoo.networks import InputShape

GOLDEN = golden("eat")
SMALL = eat.Sizes(layers=2, width=96, heads=3, hidden=384)


def filled(config: eat.Sizes) -> eat.EAT:
    encoder = eat.EAT(config).eval().requires_grad_(False)
    fill(encoder)
    return encoder


@pytest.fixture(scope="module")
def networks() -> dict[str, eat.EAT]:
    return {"large": filled(eat.Sizes()), "small": filled(SMALL)}


def test_every_part(networks: dict[str, eat.EAT]) -> None:
    encoder, parts = networks["large"], GOLDEN["parts"]
    fbank, _ = encoder.features(waves(2))
    agrees(fbank, parts["fbank"])
    agrees(encoder.local_encoder["proj"](fbank[:, None]).flatten(2).transpose(1, 2), parts["patches"])
    agrees(encoder.fixed_positional_encoder(128)[0], parts["positions"])
    agrees(encoder.fixed_positional_encoder.positions[0, -8:], parts["positions_end"])
    x = encoder.embed(fbank)
    agrees(x, parts["tokens"])
    block: Any = encoder.blocks[0]
    agrees(block.attn(x, None), parts["attention"])
    agrees(block(x, None), parts["block"])


@pytest.mark.parametrize("case", GOLDEN["outputs"])
def test_outputs(networks: dict[str, eat.EAT], case: dict[str, Any]) -> None:
    encoder = networks[case["network"]]
    fbank, _ = encoder.features(waves(case["seconds"]))
    assert fbank.shape[1] == case["frames"]
    agrees(encoder(fbank), case["probe"])


@pytest.mark.parametrize("case", GOLDEN["padded"])
def test_padded_outputs(networks: dict[str, eat.EAT], case: dict[str, Any]) -> None:
    encoder, samples = networks[case["network"]], 16000 * case["seconds"]
    batch = torch.cat([waves(case["seconds"]), waves(case["seconds"], "other")])
    lengths = torch.tensor([samples, int(samples * 0.4)])
    batch[1, lengths[1] :] = 0
    fbank, padding = encoder.features(batch, lengths)
    assert padding is not None
    assert (~padding).sum(1).tolist() == case["valid"]
    tokens = encoder(fbank, padding)
    for clip, valid, probe in zip(tokens, case["valid"], case["probes"], strict=True):
        agrees(clip[:valid], probe)


def test_hidden_states(networks: dict[str, eat.EAT]) -> None:
    encoder = networks["small"]
    fbank, _ = encoder.features(waves(2))
    states = encoder.hidden_states(fbank)
    torch.testing.assert_close(states[0], encoder.embed(fbank))
    torch.testing.assert_close(states[1], encoder.blocks[0](states[0], None))
    torch.testing.assert_close(states[2], encoder(fbank))
    assert len(states) == 3


def test_the_class_token_alone_is_the_same(networks: dict[str, eat.EAT]) -> None:
    encoder = networks["small"]
    batch = torch.cat([waves(3), waves(3, "other")])
    fbank, padding = encoder.features(batch, torch.tensor([48000, 20000]))
    everything = encoder(fbank, padding)
    encoder.outputs = 1
    try:
        torch.testing.assert_close(encoder(fbank, padding), everything[:, :1])
        assert encoder.hidden_states(fbank, padding)[-1].shape == everything.shape
    finally:
        encoder.outputs = None


def test_a_clip_does_not_depend_on_its_batch(networks: dict[str, eat.EAT]) -> None:
    encoder = networks["small"]
    short, long = waves(6, "short"), waves(18, "long")
    batch = torch.cat([torch.nn.functional.pad(short, (0, long.shape[1] - short.shape[1])), long])
    fbank, padding = encoder.features(batch, torch.tensor([short.shape[1], long.shape[1]]))
    together = encoder(fbank, padding)
    alone = encoder(encoder.features(short)[0])
    torch.testing.assert_close(together[0, : alone.shape[1]], alone[0], rtol=0, atol=2e-5)
    torch.testing.assert_close(together[1:], encoder(encoder.features(long)[0]), rtol=0, atol=2e-5)


@pytest.mark.parametrize("length", [399, 37, 1])
def test_a_clip_shorter_than_a_frame_is_repeated(networks: dict[str, eat.EAT], length: int) -> None:
    encoder = networks["small"]
    clip = waves(1)[:, :length]
    repeated = clip.repeat(1, 400 // length + 1)[:, :400]
    torch.testing.assert_close(encoder(encoder.features(clip)[0]), encoder(encoder.features(repeated)[0]))


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


@pytest.mark.parametrize(
    ("sizes", "values"),
    [
        (eat.Sizes(), 89_972_736),  # 4 bytes each: the official file of 359,905,840 bytes less its header
        (eat.Sizes(layers=24, width=1024, hidden=4096), 308_867_072),  # as the page of EAT-large counts them
    ],
)
def test_official_sizes(sizes: eat.Sizes, values: int) -> None:
    with torch.device("meta"):
        encoder = eat.EAT(sizes)
    assert sum(value.numel() for value in encoder.state_dict().values()) == values


def test_a_clip_longer_than_the_positions_is_refused() -> None:
    encoder = eat.EAT(SMALL.model_copy(update={"columns": 8}))
    encoder(encoder.features(waves(1))[0])
    with pytest.raises(AsdzooError, match=r"2\.6 s, EAT has positions for 1\.3 s") as caught:
        encoder(encoder.features(waves(2))[0])
    assert "input.seconds" in caught.value.hint


def test_random_weights_are_finite_and_marked() -> None:
    torch.manual_seed(0)
    config = Config(encoder="eat", sizes=SMALL.model_dump(), init="random", pooling="class_token")
    network = build(config, InputShape(16000, 16000), 3)
    assert network.untrained
    embeddings = network.eval()(torch.cat([waves(1), waves(1, "other")]))
    assert embeddings.shape == (2, network.dim) == (2, 96)
    assert embeddings.isfinite().all()
    assert not torch.allclose(embeddings[0], embeddings[1], atol=1e-3)
