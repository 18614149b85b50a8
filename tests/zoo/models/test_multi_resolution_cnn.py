"""The multi-resolution CNN: its branches are those of the dual-branch CNN, each has a loss, and FeatEx is what it says."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from zoo.config import ablation_paths
from zoo.errors import AsdzooError
from zoo.losses import soft
from zoo.models.multi_resolution_cnn import Config, FeatExConfig, MultiResolutionCNN, StatExConfig, build, exchanged
from zoo.networks import InputShape
from zoo.systems import load_system

SMALL = {"dim": 8, "width": 8, "dense_layers": 1, "windows": (256, 512), "channels": (4, 8), "units": 1}


def network(classes: int = 3, **options: Any) -> MultiResolutionCNN:
    torch.manual_seed(0)
    return build(Config(**{**SMALL, "featex": FeatExConfig(), **options}), InputShape(16000, 16000), classes)


def waves(batch: int = 6) -> Tensor:
    return torch.randn(batch, 16000, generator=torch.Generator().manual_seed(1)) * 0.1


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_its_branches_have_the_sizes_of_the_dual_branch_cnn() -> None:
    net, dual = (load_system(name).build_network(["a", "b"], 0) for name in ("multi_resolution_cnn", "wilkinghoff_2023"))
    assert isinstance(net, MultiResolutionCNN)
    assert parameters(net.branches["spectrum"]) == parameters(dual.get_submodule("spectrum"))
    assert parameters(net.branches["spectrogram_1024"]) == parameters(dual.get_submodule("spectrogram"))
    assert net.dim == 4 * 128
    assert parameters(net.heads) == 16 * 2 * (512 + 4 * 128)
    assert parameters(net.exchanged_head) == 16 * 5 * 2 * 512
    assert not any("bias" in name for name, _ in net.named_parameters())


def test_losses_of_the_whole_and_of_each_branch_and_featex() -> None:
    names = ["whole", "spectrum", "spectrogram_256", "spectrogram_512"]
    assert list(network().losses(waves(), torch.arange(6) % 3)) == [*names, "featex"]
    assert list(network(featex=None).losses(waves(), torch.arange(6) % 3)) == names
    assert list(network(subspace_loss=False, featex=None).losses(waves(), torch.arange(6) % 3)) == ["whole"]
    assert list(network(spectrum=False).embeddings(waves())) == names[2:]


def test_the_embedding_is_all_branches_side_by_side() -> None:
    net = network().eval()
    assert torch.equal(net(waves()), torch.cat(list(net.embeddings(waves()).values()), dim=1))


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("branches", [2, 3])
def test_featex_exchanges_all_but_the_first_branch(branches: int, mixed: bool) -> None:
    """Row by row in numpy: a class for clips that are left alone, and one for each branch, of the clip that it is from."""
    torch.manual_seed(3)
    parts = [torch.randn(40, 2) for _ in range(branches)]
    shares = soft(torch.arange(40) % 5, 5)
    shares = 0.7 * shares + 0.3 * shares.flip(0) if mixed else shares
    embeddings, labels = (value.numpy() for value in exchanged(parts, shares, 0.5))
    assert labels.shape == (40, (1 + branches) * 5)
    known = shares.numpy()
    alone, sources = 0, []
    for row in range(40):
        rows = [
            int(np.flatnonzero((part.numpy() == embeddings[row, 2 * at : 2 * at + 2]).all(1))[0])
            for at, part in enumerate(parts)
        ]
        assert rows[0] == row
        wanted = np.zeros((1 + branches, 5))
        if labels[row, :5].any():
            alone += 1
            assert rows == [row] * branches
            wanted[0] = known[row]
        else:
            sources.append(rows)
            for at, source in enumerate(rows):
                wanted[1 + at] = known[source] / branches
        np.testing.assert_allclose(labels[row], wanted.ravel(), rtol=1e-6)
    assert 8 < alone < 32
    assert branches == 2 or any(rows[1] != rows[2] for rows in sources)
    assert not exchanged(parts, shares, 0.0)[1][:, 5:].any()


def test_centres_of_branches_are_learned_and_those_of_the_whole_are_not() -> None:
    def learned(net: MultiResolutionCNN) -> dict[str, bool]:
        return {name: any(value.requires_grad for value in head.parameters()) for name, head in net.heads.items()}

    assert learned(network()) == {"whole": False, "spectrum": True, "spectrogram_256": True, "spectrogram_512": True}
    assert not any(learned(network(subspace_trainable=False)).values())


def test_nothing_is_exchanged_but_in_training() -> None:
    net = network().eval()
    one, two = (net.losses(waves(), torch.arange(6) % 3)["featex"].item() for _ in range(2))
    assert one == two
    net.train()
    drawn = {net.losses(waves(), torch.arange(6) % 3)["featex"].item() for _ in range(4)}
    assert len(drawn) > 1


@pytest.mark.parametrize("name", [name for name in ablation_paths() if name.startswith("multi_resolution_cnn")])
def test_every_ablation_trains(name: str) -> None:
    settings = ["model.dim=8", "model.width=8", "model.channels=[4, 8]", "model.units=1", "input.seconds=1.0"]
    net = load_system(name, settings).build_network(["a", "b"], 0)
    assert isinstance(net, MultiResolutionCNN)
    losses = net.train().losses(waves(), torch.arange(6) % 2)
    torch.stack(list(losses.values())).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters() if p.requires_grad)
    assert ("featex" in losses) == (name not in ("multi_resolution_cnn_no_featex", "multi_resolution_cnn_statex"))
    assert ("statex" in losses) == (name == "multi_resolution_cnn_statex")
    assert ("spectrum" in losses) == (name != "multi_resolution_cnn_no_subspace_loss")
    assert len(net.branches) == (2 if name == "multi_resolution_cnn_one_resolution" else 4)


def test_machines_without_attributes_have_their_centres_in_every_kind_of_featex() -> None:
    loss = "{name: arcface, centers: 1, unlabelled_centers: 3}"
    net = load_system("multi_resolution_cnn_tiny", [f"model.featex.loss={loss}"]).build_network(
        ["fan/00/source/", "fan/00/source/speed_1"], 0
    )
    assert isinstance(net, MultiResolutionCNN)
    counts = (~net.exchanged_head.get_buffer("absent")).sum(1).tolist()
    assert len(counts) == 4 * 2
    assert counts == counts[:2] * 4
    assert sorted(counts[:2]) == [1, 3]
    assert net.train().losses(torch.randn(4, 32000), torch.arange(4) % 2)["featex"].isfinite()


@pytest.mark.parametrize(
    ("samples", "options", "said", "hint"),
    [
        (None, {}, "one length", "input.seconds"),
        (1500, {}, "too short for a window of 512", "input.seconds to 0.096"),
        (16000, {"spectrum": False, "windows": (256,)}, "there is one", "model.featex=null"),
        (
            16000,
            {"featex": None, "statex": StatExConfig(loss=None)},
            "nothing learns the classes of StatEx",
            "model.statex.loss",
        ),
    ],
)
def test_what_cannot_be(samples: int | None, options: dict[str, Any], said: str, hint: str) -> None:
    with pytest.raises(AsdzooError, match=said) as caught:
        build(Config(**{**SMALL, "featex": FeatExConfig(), **options}), InputShape(16000, samples), 3)
    assert hint in caught.value.hint


def test_recipes_of_asdkit_differ_in_what_their_names_say() -> None:
    """Each is named in the table of docs/baselines.md, and has the losses of its name."""
    page = (Path(__file__).parents[3] / "docs" / "baselines.md").read_text()
    settings = ["model.dim=8", "model.width=8", "model.channels=[4, 8]", "model.units=1", "input.seconds=1.0"]
    found: dict[str, list[str]] = {}
    for name in [name for name in ablation_paths() if name.startswith("asdkit_")]:
        assert f"`{name}`" in page
        if name not in ("asdkit_beats", "asdkit_eat"):
            net = load_system(name, settings).build_network(["a", "b"], 0)
            found[name.removeprefix("asdkit_")] = list(net.train().losses(waves(), torch.arange(6) % 2))  # type: ignore[operator]
    one, more = ["whole"], ["whole", "spectrum", "spectrogram_1024"]
    names = ("spec_adacos_fixed", "spec_adacos_fixed_no_mixup", "spec_scac_fixed", "spec_scac_trainable")
    assert found == dict.fromkeys((*names, "multispec_scac_trainable"), one) | {
        "spec_featex": ["whole", "featex"],
        "spec_subspace_loss": more,
    }
