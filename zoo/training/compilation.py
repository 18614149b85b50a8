"""`torch.compile`, with a sentence where it does not work."""

import importlib.util
import shutil
import time
import warnings
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from zoo.encoders._base import Encoder
from zoo.errors import AsdzooError

Losses = Callable[..., dict[str, Tensor]]
Compile = bool | Literal["auto", "layers"]


def made_fast(losses: Losses, network: nn.Module, how: Compile, device: torch.device, note: Callable[[str], None]) -> Losses:
    """The losses as `training.compile` wants them: compiled as a whole, with the layers of encoders compiled, or as they are.

    Layers share one graph, so that compiling takes as long as for one of them; what stands outside of them stays as it is.
    `auto` does that on CUDA where there is a compiler, and nothing elsewhere.
    """
    if how is True:
        return compiled(losses)
    layers = [layer for encoder in network.modules() if isinstance(encoder, Encoder) for layer in _layers(encoder)]
    able = device.type == "cuda" and importlib.util.find_spec("triton") is not None and shutil.which("cc") is not None
    if how is False or not layers or (how == "auto" and not able):
        return losses
    for layer in layers:
        layer.compile()
    return _first_timed(_or_a_sentence(losses), note)


def _layers(encoder: Encoder) -> list[nn.Module]:
    return list(encoder.get_submodule(encoder.layer_list).children())


def _first_timed(losses: Losses, note: Callable[[str], None]) -> Losses:
    started: list[float] = []

    def call(*batch: Any) -> dict[str, Tensor]:
        if started:
            return losses(*batch)
        started.append(time.monotonic())
        values = losses(*batch)
        note(f"layers compiled in {time.monotonic() - started[0]:.0f} s; training.compile=false leaves them as they are")
        return values

    return call


def compiled(losses: Losses) -> Losses:
    """The same function, compiled at its first call; this raises AsdzooError where there is no compiler that works."""
    return _or_a_sentence(torch.compile(losses))


def _or_a_sentence(fast: Losses) -> Losses:
    # what is left as it is are the Fourier transforms of the front ends
    warnings.filterwarnings("ignore", "Torchinductor does not support code generation for complex", UserWarning)
    warnings.filterwarnings("ignore", "The .grad attribute of a Tensor that is not a leaf", UserWarning)  # it looks, not we

    def call(*batch: Any) -> dict[str, Tensor]:
        try:
            return fast(*batch)
        except torch._dynamo.exc.BackendCompilerFailed as problem:
            raise AsdzooError(
                f"torch.compile does not work here: {' '.join(str(problem).split())[:160]}",
                "set training.compile=false, or install a C++ compiler such as g++",
            ) from problem

    return call
