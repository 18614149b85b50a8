"""StatEx gives a spectrogram the mean and the deviation of another, its classes say so, and it is off unless asked for."""

from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from zoo.losses import soft
from zoo.models.multi_resolution_cnn import (
    Config,
    FeatExConfig,
    MultiResolutionCNN,
    StatExConfig,
    build,
    restated,
    restated_shares,
)
from zoo.networks import InputShape

SMALL = {"dim": 8, "width": 8, "dense_layers": 1, "windows": (256, 512), "channels": (4, 8), "units": 1}
LABELS = torch.arange(6) % 3
Over = Literal["frequency", "time"]
OVER: list[Over] = ["frequency", "time"]


def network(**options: Any) -> MultiResolutionCNN:
    torch.manual_seed(0)
    return build(Config(**{**SMALL, **options}), InputShape(16000, 16000), 3)


def waves() -> Tensor:
    return torch.randn(6, 16000, generator=torch.Generator().manual_seed(1)) * 0.1


def drawn(batch: int = 8) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    spectrograms = torch.rand(batch, 11, 7, generator=generator) * (1 + torch.arange(batch)[:, None, None])
    return spectrograms, torch.rand(batch, 1, generator=generator) < 0.5, torch.randperm(batch, generator=generator)


@pytest.mark.parametrize("over", OVER)
def test_it_is_what_numpy_computes(over: Over) -> None:
    spectrograms, chosen, source = drawn()
    found = restated(spectrograms, chosen=chosen, source=source, over=over).numpy()
    shares = restated_shares(soft(torch.arange(8) % 3, 3), chosen, source).numpy()
    known, axis = spectrograms.numpy().astype(np.float64), {"frequency": 1, "time": 0}[over]
    assert 0 < int(chosen.sum()) < 8
    for row, (clip, other) in enumerate(zip(known, source.tolist(), strict=True)):
        wanted, classes = clip, np.zeros((3, 3))
        if chosen[row]:
            shape = (clip - clip.mean(axis, keepdims=True)) / clip.std(axis, keepdims=True)
            wanted = shape * known[other].std(axis, keepdims=True) + known[other].mean(axis, keepdims=True)
            classes[1, row % 3], classes[2, other % 3] = 0.5, 0.5
        else:
            classes[0, row % 3] = 1
        np.testing.assert_allclose(found[row], wanted, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(shares[row], classes.ravel())


@pytest.mark.parametrize("over", OVER)
def test_an_exchange_with_itself_changes_nothing(over: Over) -> None:
    spectrograms, _, source = drawn()
    everyone, nobody = torch.ones(8, 1, dtype=torch.bool), torch.zeros(8, 1, dtype=torch.bool)
    torch.testing.assert_close(restated(spectrograms, chosen=everyone, source=torch.arange(8), over=over), spectrograms)
    assert torch.equal(restated(spectrograms, chosen=nobody, source=source, over=over), spectrograms)


@pytest.mark.parametrize("over", OVER)
def test_an_order_of_frames_may_come_before_or_after(over: Over) -> None:
    """One order for all clips; over time, where frames lose their places, one for each clip as well."""
    spectrograms, chosen, source = drawn()
    orders = torch.randperm(11, generator=torch.Generator().manual_seed(3)).expand(8, 11)
    if over == "time":
        orders = torch.stack([orders[0].roll(row) for row in range(8)])

    def ordered(values: Tensor) -> Tensor:
        return values.gather(1, orders[:, :, None].expand_as(values))

    after = ordered(restated(spectrograms, chosen=chosen, source=source, over=over))
    torch.testing.assert_close(restated(ordered(spectrograms), chosen=chosen, source=source, over=over), after)


@pytest.mark.parametrize("over", OVER)
def test_silence_takes_the_mean_and_gives_its_own(over: Over) -> None:
    spectrograms, _, _ = drawn(2)
    spectrograms[0] = 0
    found = restated(spectrograms, chosen=torch.ones(2, 1, dtype=torch.bool), source=torch.tensor([1, 0]), over=over)
    mean = spectrograms[1].mean(1 if over == "frequency" else 0, keepdim=True)
    torch.testing.assert_close(found[0], mean.expand(11, 7))
    assert not found[1].any()


def test_it_is_off_unless_asked_for_and_in_training_alone() -> None:
    """Off, it draws nothing; in evaluation it changes no embedding, and the head sees clips that are left alone."""
    plain = network().train()
    torch.manual_seed(4)
    before = torch.get_rng_state()
    assert list(plain.losses(waves(), LABELS)) == ["whole", "spectrum", "spectrogram_256", "spectrogram_512"]
    assert torch.equal(torch.get_rng_state(), before)
    net = network(statex=StatExConfig()).eval()
    one, two = (net.losses(waves(), LABELS)["statex"].item() for _ in range(2))
    assert one == two
    assert one == net.restated_head(net(waves()), LABELS).item()
    net.train()
    assert len({net.losses(waves(), LABELS)["statex"].item() for _ in range(4)}) > 1


def test_it_leaves_the_spectrum_alone_and_changes_spectrograms() -> None:
    net = network(statex=StatExConfig()).eval()
    plain, zeroed = net.embeddings(waves()), net.embeddings(waves(), torch.zeros_like)
    assert {name: torch.equal(plain[name], zeroed[name]) for name in plain} == {
        "spectrum": True,
        "spectrogram_256": False,
        "spectrogram_512": False,
    }


def test_featex_makes_more_of_its_classes() -> None:
    """With three branches FeatEx has four classes for each of the three that StatEx makes of one."""
    net = network(statex=StatExConfig(probability=1.0, loss=None), featex=FeatExConfig(probability=1.0)).train()
    assert net.exchanged_head.classes == 4 * 3 * 3
    seen: list[Tensor] = []
    net.exchanged_head.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[1]))
    assert list(net.losses(waves(), LABELS)) == ["whole", "spectrum", "spectrogram_256", "spectrogram_512", "featex"]
    shares = seen[0].view(6, 4, 3, 3)  # clip, kind of FeatEx, kind of StatEx, class
    assert not shares[:, 0].any()
    assert not shares[:, :, 0].any()
    torch.testing.assert_close(shares.sum((1, 2, 3)), torch.ones(6))
    torch.testing.assert_close(shares[:, 1, 1], soft(LABELS, 3) / 6)
