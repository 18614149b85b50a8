"""FISHER is the published network: goldens of the public code, its files, and what tells them from EAT's."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.zoo.formula import fill, waves
from tests.zoo.golden import agrees, golden
from zoo.checkpoints import reading
from zoo.encoders import fisher
from zoo.errors import AsdzooError
from zoo.models.pretrained import Config, build
from zoo.networks import InputShape

GOLDEN = golden("fisher")
SMALL = fisher.Sizes(layers=2, width=96, heads=3, hidden=384)
SIZES = {"full": fisher.Sizes(), "small": SMALL, "narrow": SMALL.model_copy(update={"band_width": 50, "positions": 400})}
IMAGE = "modality_encoders.IMAGE."


def filled(sizes: fisher.Sizes) -> fisher.FISHER:
    encoder = fisher.FISHER(sizes).eval().requires_grad_(False)
    fill(encoder)
    return encoder


@pytest.fixture(scope="module")
def networks() -> dict[str, fisher.FISHER]:
    return {name: filled(sizes) for name, sizes in SIZES.items()}


def official(encoder: fisher.FISHER) -> dict[str, Tensor]:
    """Its state under the names of the public code."""
    renamed = {"band_token": f"{IMAGE}extra_tokens"}
    for name in encoder.state_dict():
        if name.startswith("pre_norm."):
            renamed[name] = f"{IMAGE}context_encoder.norm.{name.removeprefix('pre_norm.')}"
        elif not name.startswith("blocks."):
            renamed.setdefault(name, IMAGE + name)
    return {renamed.get(name, name): value.clone() for name, value in encoder.state_dict().items()}


def public_file(folder: Path, **model: Any) -> Path:
    said = {"band_width": 100, "num_heads": 3, **model}
    torch.save({"cfg": {"model": said}, "model": official(filled(SMALL))}, folder / "fisher.pt")
    return folder / "fisher.pt"


def test_every_part(networks: dict[str, fisher.FISHER]) -> None:
    encoder, parts = networks["full"], GOLDEN["parts"]
    spectra, _ = encoder.features(waves(1))
    agrees(spectra, parts["spectra"])
    bands = spectra[0].view(-1, 2, 100).transpose(0, 1)[:, None]
    agrees(encoder.local_encoder["proj"](bands).flatten(2).transpose(1, 2), parts["patches"])
    agrees(networks["narrow"].fixed_positional_encoder.positions[0], parts["positions"])


@pytest.mark.parametrize("case", GOLDEN["outputs"], ids=lambda case: f"{case['network']}-{case['seconds']}-{case['at_least']}")
def test_outputs(networks: dict[str, fisher.FISHER], case: dict[str, Any]) -> None:
    encoder = networks[case["network"]]
    encoder.at_least = case["at_least"]
    try:
        spectra, _ = encoder.features(waves(case["seconds"]))
    finally:
        encoder.at_least = 0
    assert spectra.shape[1] == case["frames"]
    tokens = encoder(spectra)
    agrees(tokens, case["tokens"])
    agrees(tokens[:, : encoder.bands].flatten(1), case["embedding"])


def test_zero_padded_clips_are_the_same_in_every_batch() -> None:
    encoder = filled(SMALL.model_copy(update={"at_least": 160}))
    short, long = waves(1, "short"), waves(2, "long")
    batch = torch.cat([torch.nn.functional.pad(short, (0, 16000)), long])
    tokens = encoder(*encoder.features(batch, torch.tensor([16000, 32000])))
    alone = encoder(encoder.features(short)[0])
    assert alone.shape[1] == 2 + 10 * 12
    torch.testing.assert_close(tokens[0, : alone.shape[1]], alone[0], rtol=0, atol=2e-5)


def test_the_class_tokens_alone_are_the_same(networks: dict[str, fisher.FISHER]) -> None:
    encoder = networks["narrow"]
    batch = torch.cat([waves(1), waves(1, "other")])
    spectra, padding = encoder.features(batch, torch.tensor([16000, 9000]))
    everything = encoder(spectra, padding)
    encoder.outputs = encoder.layout.front
    try:
        torch.testing.assert_close(encoder(spectra, padding), everything[:, :4])
        assert encoder.hidden_states(spectra, padding)[-1].shape == everything.shape
    finally:
        encoder.outputs = None


def test_a_band_is_heard_by_its_own_tokens_alone(networks: dict[str, fisher.FISHER]) -> None:
    encoder = networks["small"]
    spectra, _ = encoder.features(waves(1))
    other = spectra.clone()
    other[:, :, 100:] += 1
    tokens, changed = encoder(spectra), encoder(other)
    torch.testing.assert_close(changed[:, 0], tokens[:, 0])
    grid, moved = encoder.layout.grid(tokens), encoder.layout.grid(changed)
    torch.testing.assert_close(moved[:, :, :6], grid[:, :, :6])
    assert ((moved - grid)[:, :, 6:].abs().amax(-1) > 0).all()


def test_the_embedding_of_a_system_is_the_class_tokens_side_by_side() -> None:
    torch.manual_seed(0)
    config = Config(encoder="fisher", sizes=SMALL.model_dump(), init="random", pooling="class_token")
    network = build(config, InputShape(16000, 16000), 3).eval()
    embedding = network(waves(1))
    assert embedding.shape == (1, network.dim) == (1, 2 * 96)
    torch.testing.assert_close(embedding, network.encoder(network.encoder.features(waves(1))[0])[:, :2].flatten(1))


def test_official_sizes() -> None:
    for width, heads, hidden, parameters in ((192, 3, 768, 5_388_288), (384, 6, 1536, 21_393_408)):
        with torch.device("meta"):
            encoder = fisher.FISHER(fisher.Sizes(width=width, heads=heads, hidden=hidden))
        assert sum(value.numel() for value in encoder.parameters()) == parameters  # published: 5.5 M and 22 M


def test_a_public_file_tells_its_sizes(tmp_path: Path) -> None:
    path = public_file(tmp_path)
    report = reading.check(path)
    assert (report.encoder, report.others) == ("fisher", ())
    assert report.sizes == {"band_width": 100, "heads": 3, "layers": 2, "width": 96, "hidden": 384, "positions": 6400}
    encoder = reading.filled(fisher.FISHER, "fisher", str(path), {"at_least": 1024})
    assert encoder.at_least == 1024
    for name, value in filled(SMALL).state_dict().items():
        assert torch.equal(encoder.state_dict()[name], value), name


@pytest.mark.parametrize("prefix", ["", "model."])
def test_a_file_with_its_config_beside(prefix: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({prefix + name: value for name, value in official(filled(SIZES["narrow"])).items()}, path)
    assert reading.check(path).encoder == "eat"  # nothing in the file says otherwise
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "fisher", "band_width": 50, "num_heads": 3}))
    report = reading.check(path)
    assert (report.encoder, report.others, report.sizes["band_width"]) == ("fisher", (), 50)


def test_the_width_of_bands_is_asked_for_where_nothing_says_it(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file(official(filled(SMALL)), path)
    with pytest.raises(AsdzooError, match=r"no tensor tells band_width, and no config\.json beside it does"):
        reading.filled(fisher.FISHER, "fisher", str(path), {"heads": 3})
    assert reading.filled(fisher.FISHER, "fisher", str(path), {"heads": 3, "band_width": 100}).bands == 2


@pytest.mark.parametrize("model", [{"layer_norm_first": True}, {"modalities": {"image": {"flatten": "time"}}}])
def test_another_form_is_refused(model: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(AsdzooError, match=r"its (layer_norm_first is True|flatten is 'time'), the encoder's is"):
        reading.check(public_file(tmp_path, **model))


@pytest.mark.parametrize("width", [8, 202])
def test_bands_of_an_impossible_width_are_refused(width: int) -> None:
    with pytest.raises(ValueError, match=rf"band_width {width} is none of 16 \(a patch\) to 201"):
        fisher.Sizes(band_width=width)


def test_a_clip_longer_than_the_positions_is_refused(networks: dict[str, fisher.FISHER]) -> None:
    encoder = fisher.FISHER(SMALL.model_copy(update={"positions": 60}))
    with pytest.raises(AsdzooError, match=r"1\.9 s, FISHER has positions for 1\.6 s") as caught:
        encoder(encoder.features(waves(2))[0])
    assert "input.seconds" in caught.value.hint


@torch.no_grad()
def test_tokens_are_placed_as_the_layers_have_them() -> None:
    encoder = fisher.FISHER(fisher.Sizes.model_validate(dict(fisher.FISHER.tiny))).eval()
    seen: list[torch.Tensor] = []
    encoder.blocks[-1].register_forward_hook(lambda _, __, output: seen.append(output))
    features, padding = encoder.features(0.1 * torch.randn(2, 24_000), torch.tensor([24_000, 12_000]))
    last = encoder.hidden_states(features, padding)[-1]
    assert padding is not None
    assert torch.equal(encoder.by_layer(last), seen[0])
    assert torch.equal(encoder.by_layer(padding), encoder.by_layer(padding[..., None])[..., 0])
    assert encoder.by_layer(padding).sum() == padding.sum() > 0
