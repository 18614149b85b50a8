"""Batch norm among convolutions that keeps less for the backward pass: the same numbers, bit for bit.

Autograd keeps what goes into batch norm and what comes out of the ReLU behind it, two maps of one size; making the second from
the first again takes a fraction of a convolution's time. The steps here keep the first alone (and in the first layers, where
maps are largest, only the input), which halves what a residual network keeps. They are for training on a CPU in float32;
everywhere else the layers run one by one.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

_aten = torch.ops.aten


def norm_relu_convolution(norm: nn.BatchNorm2d, convolution: nn.Conv2d, features: Tensor) -> tuple[Tensor, Tensor]:
    """What `norm` makes of the features, and what ReLU and `convolution` make of that."""
    if _can_be_lean(norm, features) and convolution.bias is None:
        geometry = (convolution.stride, convolution.padding)
        lean: tuple[Tensor, Tensor] = _NormReluConvolution.apply(  # type: ignore[no-untyped-call]
            features, norm.weight, norm.bias, convolution.weight, geometry, _running(norm)
        )
        return lean
    normed: Tensor = norm(features)
    return normed, convolution(F.relu(normed))


def convolution_norm_maximum(convolution: nn.Conv2d, norm: nn.BatchNorm2d, pool: nn.MaxPool2d, features: Tensor) -> Tensor:
    """`pool` of `norm` of `convolution` of the features, which need no gradient."""
    if _can_be_lean(norm, features) and convolution.bias is None:
        geometry = (convolution.stride, convolution.padding, pool.kernel_size, pool.stride)
        lean: Tensor = _ConvolutionNormMaximum.apply(  # type: ignore[no-untyped-call]
            features, convolution.weight, norm.weight, norm.bias, geometry, _running(norm)
        )
        return lean
    pooled: Tensor = pool(norm(convolution(features)))
    return pooled


def _can_be_lean(norm: nn.BatchNorm2d, features: Tensor) -> bool:
    here = features.device.type == "cpu" and not torch.is_autocast_enabled("cpu") and not torch.compiler.is_compiling()
    return here and norm.training and torch.is_grad_enabled() and norm.momentum is not None


def _running(norm: nn.BatchNorm2d) -> tuple[Tensor | None, Tensor | None, float, float]:
    """Running statistics, momentum and epsilon, as `native_batch_norm` takes them."""
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked.add_(1)
    return norm.running_mean, norm.running_var, norm.momentum or 0.0, norm.eps


class _NormReluConvolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, features: Tensor, scale: Tensor, shift: Tensor | None, kernel: Tensor, geometry: Any, running: Any
    ) -> tuple[Tensor, Tensor]:
        normed, mean, inverse = torch.native_batch_norm(features, scale, shift, running[0], running[1], True, *running[2:])
        ctx.save_for_backward(features, scale, shift, kernel, mean, inverse)
        ctx.geometry, ctx.epsilon = geometry, running[3]
        ctx.set_materialize_grads(False)
        return normed, F.conv2d(normed.relu(), kernel, None, *geometry)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_normed: Tensor | None, of_convolved: Tensor) -> Any:
        features, scale, shift, kernel, mean, inverse = ctx.saved_tensors
        activated = torch.native_batch_norm(features, scale, shift, None, None, True, 0.0, ctx.epsilon)[0].relu_()
        gradient, of_kernel = _convolution_backward(of_convolved, activated, kernel, ctx.geometry, to_input=True)
        gradient = _aten.threshold_backward(gradient, activated, 0)
        if of_normed is not None:
            gradient += of_normed
        return *_norm_backward(ctx, gradient, features, scale, shift, mean, inverse), of_kernel, None, None


class _ConvolutionNormMaximum(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, features: Tensor, kernel: Tensor, scale: Tensor, shift: Tensor | None, geometry: Any, running: Any
    ) -> Tensor:
        convolved = F.conv2d(features, kernel, None, *geometry[:2])
        normed, mean, inverse = torch.native_batch_norm(convolved, scale, shift, running[0], running[1], True, *running[2:])
        del convolved
        pooled, where = F.max_pool2d_with_indices(normed, *geometry[2:])
        ctx.save_for_backward(features, kernel, scale, shift, mean, inverse, where)
        ctx.geometry, ctx.epsilon = geometry, running[3]
        return pooled

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_pooled: Tensor) -> Any:
        features, kernel, scale, shift, mean, inverse, where = ctx.saved_tensors
        *geometry, size, step = ctx.geometry
        convolved = F.conv2d(features, kernel, None, *geometry)
        pool = ([size, size], [step, step], [0, 0], [1, 1], False)
        gradient = _aten.max_pool2d_with_indices_backward(of_pooled, convolved, *pool, where)
        gradient, of_scale, of_shift = _norm_backward(ctx, gradient, convolved, scale, shift, mean, inverse)
        _, of_kernel = _convolution_backward(gradient, features, kernel, geometry, to_input=False)
        return None, of_kernel, of_scale, of_shift, None, None


def _convolution_backward(gradient: Tensor, features: Tensor, kernel: Tensor, geometry: Any, *, to_input: bool) -> Any:
    """Gradients of a convolution's input, if wanted, and kernel."""
    rest = ([1, 1], False, [0, 0], 1, [to_input, True, False])
    return _aten.convolution_backward(gradient, features, kernel, None, *geometry, *rest)[:2]


def _norm_backward(
    ctx: Any, gradient: Tensor, features: Tensor, scale: Tensor, shift: Tensor | None, mean: Tensor, inverse: Tensor
) -> Any:
    """Gradients of batch norm's input, scale and shift (None without one)."""
    wanted = [True, True, shift is not None]
    found = _aten.native_batch_norm_backward(gradient, features, scale, None, None, mean, inverse, True, ctx.epsilon, wanted)
    return found[0], found[1], found[2] if shift is not None else None
