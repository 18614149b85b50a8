"""The multi-resolution CNN: its branches are those of the dual-branch CNN, each has a loss, and FeatEx is what it says."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from zoo.config import ablation_paths
from zoo.errors import AsdzooError
from zoo.losses import soft
from zoo.models.multi_resolution_cnn import Config, FeatExConfig, MultiResolutionCNN, build, exchanged
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
    assert parameters(net.exchanged_head) == 16 * 3 * 2 * 512
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
def test_featex_exchanges_all_but_the_first_branch(mixed: bool) -> None:
    torch.manual_seed(3)
    parts = [torch.randn(40, 2) for _ in range(3)]
    shares = soft(torch.arange(40) % 5, 5)
    shares = 0.7 * shares + 0.3 * shares.flip(0) if mixed else shares
    embeddings, labels = exchanged(parts, shares, 0.5)
    assert torch.equal(embeddings[:, :2], parts[0])
    torch.testing.assert_close(labels.sum(1), torch.ones(40))
    stayed = 0
    for row in range(40):
        source = next(other for other in range(40) if torch.equal(parts[1][other], embeddings[row, 2:4]))
        assert torch.equal(embeddings[row, 4:], parts[2][source])
        both, first, others = labels[row].split(5)
        if both.any():
            stayed += 1
            assert source == row
            assert torch.equal(both, shares[row])
            assert not first.any()
            assert not others.any()
        else:
            assert torch.equal(first, shares[row] / 2)
            assert torch.equal(others, shares[source] / 2)
    assert 8 < stayed < 32
    assert not exchanged(parts, shares, 0.0)[1][:, 5:].any()


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
    assert ("featex" in losses) == (name != "multi_resolution_cnn_no_featex")
    assert ("spectrum" in losses) == (name != "multi_resolution_cnn_no_subspace_loss")
    assert len(net.branches) == (2 if name == "multi_resolution_cnn_one_resolution" else 4)


@pytest.mark.parametrize(
    ("samples", "options", "said", "hint"),
    [
        (None, {}, "one length", "input.seconds"),
        (1500, {}, "too short for a window of 512", "input.seconds to 0.096"),
        (16000, {"spectrum": False, "windows": (256,)}, "there is one", "model.featex=null"),
    ],
)
def test_what_cannot_be(samples: int | None, options: dict[str, Any], said: str, hint: str) -> None:
    with pytest.raises(AsdzooError, match=said) as caught:
        build(Config(**{**SMALL, "featex": FeatExConfig(), **options}), InputShape(16000, samples), 3)
    assert hint in caught.value.hint
