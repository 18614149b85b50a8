"""The two ways of the convolution agree."""

import pytest
import torch

from zoo.layers.position_conv import PositionConv


@pytest.mark.parametrize(("taps", "groups"), [(8, 4), (7, 2), (128, 1)])
@pytest.mark.parametrize("tokens", [1, 8, 120, 129, 130])
def test_frozen_and_trainable_weights_give_the_same(taps: int, groups: int, tokens: int) -> None:
    torch.manual_seed(0)
    conv = PositionConv(16, taps, groups)
    torch.nn.init.normal_(conv.bias)
    x = torch.randn(3, tokens, 16)
    direct = conv(x).detach()
    assert direct.shape == x.shape
    torch.testing.assert_close(conv.requires_grad_(False)(x), direct, rtol=1e-4, atol=1e-5)


def test_it_is_torchs_weight_normalised_convolution() -> None:
    torch.manual_seed(0)
    conv, reference = PositionConv(16, 8, 4), torch.nn.Conv1d(16, 16, 8, padding=4, groups=4)
    torch.nn.utils.parametrizations.weight_norm(reference, dim=2)
    state = {"bias": conv.bias, "parametrizations.weight.original0": 3 * conv.weight_g}
    reference.load_state_dict(state | {"parametrizations.weight.original1": conv.weight_v})
    with torch.no_grad():
        conv.weight_g.mul_(3)
    x = torch.randn(2, 20, 16)
    torch.testing.assert_close(conv(x), reference(x.transpose(1, 2)).transpose(1, 2)[:, :20])


def test_changed_weights_are_noticed() -> None:
    torch.manual_seed(0)
    conv = PositionConv(16, 8, 4).requires_grad_(False)
    x = torch.randn(1, 40, 16)
    before = conv(x)
    conv.weight_g.mul_(2)
    torch.testing.assert_close(conv(x), 2 * before, rtol=1e-4, atol=1e-5)
    other = PositionConv(16, 8, 4).requires_grad_(False)
    conv.load_state_dict(other.state_dict())
    torch.testing.assert_close(conv(x), other(x))
