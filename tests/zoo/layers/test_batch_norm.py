"""Layers that keep less for the backward pass give the numbers of the plain ones, bit for bit."""

import copy
from collections.abc import Callable
from unittest import mock

import pytest
import torch
from torch import Tensor, nn

from zoo.layers import batch_norm as lean_norm
from zoo.layers.batch_norm import convolution_norm_maximum, norm_relu_convolution

BATCH, CHANNELS, FRAMES, BINS = 4, 8, 21, 14


class Unit(nn.Module):
    """Uses both outputs, as a residual unit does, or the second alone."""

    def __init__(self, *, stride: int, shift: bool, both: bool) -> None:
        super().__init__()
        self.norm, self.both = nn.BatchNorm2d(CHANNELS), both
        self.convolution = nn.Conv2d(CHANNELS, 5 if stride > 1 else CHANNELS, 3, stride=stride, padding=1, bias=False)
        _prepare(self, self.norm, shift=shift)

    def forward(self, features: Tensor) -> Tensor:
        normed, convolved = norm_relu_convolution(self.norm, self.convolution, features)
        return torch.cat([normed.flatten(1), convolved.flatten(1)], dim=1) if self.both else convolved.flatten(1)


class Stem(nn.Module):
    def __init__(self, *, shift: bool) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, CHANNELS, 7, stride=2, padding=3, bias=False)
        self.norm, self.pool = nn.BatchNorm2d(CHANNELS), nn.MaxPool2d(3, stride=2)
        _prepare(self, self.norm, shift=shift)

    def forward(self, features: Tensor) -> Tensor:
        return convolution_norm_maximum(self.convolution, self.norm, self.pool, features).flatten(1)


def _prepare(module: nn.Module, norm: nn.BatchNorm2d, *, shift: bool) -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        norm.weight.normal_()  # also negative: the maximum of what is normed is not the norm of the maximum
        norm.bias.normal_()
    if not shift:
        norm.register_parameter("bias", None)
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def stem_input() -> Tensor:
    return torch.randn(BATCH, 1, 37, 41, generator=torch.Generator().manual_seed(1))


def unit_input() -> Tensor:
    return torch.randn(BATCH, CHANNELS, FRAMES, BINS, generator=torch.Generator().manual_seed(1)).requires_grad_()


CASES: dict[str, tuple[Callable[[], nn.Module], Callable[[], Tensor]]] = {
    "stem": (lambda: Stem(shift=False), stem_input),
    "stem with shift": (lambda: Stem(shift=True), stem_input),
    "unit": (lambda: Unit(stride=1, shift=False, both=True), unit_input),
    "unit with shift": (lambda: Unit(stride=1, shift=True, both=True), unit_input),
    "halving unit": (lambda: Unit(stride=2, shift=False, both=True), unit_input),
    "second half of a unit": (lambda: Unit(stride=1, shift=False, both=False), unit_input),
}


def kept(module: nn.Module, features: Tensor) -> tuple[Tensor, int]:
    """The output, and the bytes that autograd keeps for the backward pass, the input and the parameters aside."""
    known = {value.data_ptr() for value in (features, *module.state_dict().values())}
    found: dict[int, int] = {}

    def pack(value: Tensor) -> Tensor:
        if value.data_ptr() not in known:
            found[value.data_ptr()] = value.untyped_storage().nbytes()
        return value

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
        return module(features), sum(found.values())


@pytest.mark.parametrize("case", CASES)
def test_outputs_gradients_and_statistics_are_those_of_the_plain_layers_and_less_is_kept(case: str) -> None:
    make, data = CASES[case]
    lean = make()
    plain = copy.deepcopy(lean)
    features, plain_features = data(), data()
    output, bytes_kept = kept(lean, features)
    with mock.patch.object(lean_norm, "_can_be_lean", return_value=False):
        expected, plain_bytes = kept(plain, plain_features)
    assert torch.equal(output, expected)
    weights = torch.randn(output.shape, generator=torch.Generator().manual_seed(2))
    (output * weights).sum().backward()
    (expected * weights).sum().backward()
    for (name, value), other in zip(lean.named_parameters(), plain.parameters(), strict=True):
        assert value.grad is not None, name
        assert torch.equal(value.grad, other.grad), name
    if features.requires_grad:
        assert torch.equal(features.grad, plain_features.grad)
    for name, value in lean.state_dict().items():
        assert torch.equal(value, plain.state_dict()[name]), name
    assert bytes_kept < 0.2 * plain_bytes


@pytest.mark.parametrize("case", ["stem", "unit"])
def test_where_it_cannot_be_lean_the_layers_run_one_by_one(case: str) -> None:
    make, data = CASES[case]
    module, features = make(), data()
    with (
        mock.patch.object(lean_norm._NormReluConvolution, "apply", side_effect=AssertionError),
        mock.patch.object(lean_norm._ConvolutionNormMaximum, "apply", side_effect=AssertionError),
    ):
        with torch.no_grad():
            module(features)
        with torch.autocast("cpu", torch.bfloat16):
            module(features).float().sum().backward()
        module.eval()(features)
        module.train().norm.momentum = None  # the plain mean over batches, as after averaging checkpoints
        module(features)
        with pytest.raises(AssertionError):
            make()(features)
