"""`torch.compile`, and the plain way where it does not work."""

import importlib.util
import os
import shutil
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from zoo.encoders._base import Encoder

Losses = Callable[..., dict[str, Tensor]]
Compile = bool | Literal["auto", "layers"]
_GRAPHS = 64  # of one function, at most
_COMPILERS = ("torch._dynamo", "torch._functorch", "torch._inductor", "triton")  # whose errors are not the network's


class FastLosses:
    """Losses that are computed by compiled code until that fails, and then by what it was compiled from.

    A compiler fails in a forward pass or in a backward one, so that the caller has to begin the step again: `give_up` says
    whether it should.
    """

    def __init__(
        self, plain: Losses, fast: Losses | None, note: Callable[[str], None], layers: Sequence[nn.Module] = ()
    ) -> None:
        self._plain, self._fast, self._layers, self._note = plain, fast, layers, note
        self._timed = fast is None or not layers

    def __call__(self, *batch: Any) -> dict[str, Tensor]:
        if self._fast is None:
            return self._plain(*batch)
        if self._timed or not torch.is_grad_enabled():
            return self._fast(*batch)
        started = time.monotonic()
        values = self._fast(*batch)
        self._timed = True
        self._note(f"layers compiled in {time.monotonic() - started:.0f} s; training.compile=false leaves them as they are")
        return values

    def give_up(self, problem: Exception) -> bool:
        """Whether the problem is one of a compiler's, and from now on there will be none; this is noted."""
        if self._fast is None or not _of_a_compiler(problem):
            return False
        self._fast = None
        for layer in self._layers:
            layer._compiled_call_impl = None  # what `layer.compile()` has set
        said = " ".join(str(problem).split("\n\n")[0].split())[:160]  # what follows is advice for those who debug a compiler
        self._note(f"torch.compile does not work here, going on without it (training.compile=false): {said}")
        return True


def made_fast(
    losses: Losses, network: nn.Module, how: Compile, device: torch.device, note: Callable[[str], None]
) -> FastLosses:
    """The losses as `training.compile` wants them: compiled as a whole, with the layers of encoders compiled, or as they are.

    Layers that are alike share a graph, so that compiling takes as long as for one; what stands outside of them stays as it is.
    `auto` does that on CUDA where there is a compiler, and nothing elsewhere.
    """
    if how is True:
        _prepare()
        return FastLosses(losses, torch.compile(losses), note)
    layers = [layer for encoder in network.modules() if isinstance(encoder, Encoder) for layer in _layers(encoder)]
    if how is False or not layers or (how == "auto" and not _able(device)):
        return FastLosses(losses, None, note)
    _prepare()
    for layer in layers:
        layer.compile()
    return FastLosses(losses, losses, note, layers)


def _layers(encoder: Encoder) -> list[nn.Module]:
    return list(encoder.get_submodule(encoder.layer_list).children())


def _able(device: torch.device) -> bool:
    """Whether there is a GPU, and what Triton makes its code with."""
    compiler = os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")
    return device.type == "cuda" and importlib.util.find_spec("triton") is not None and compiler is not None


def _of_a_compiler(problem: Exception) -> bool:
    return any(kind.__module__.startswith(_COMPILERS) for kind in type(problem).__mro__)


def _prepare() -> None:
    # layers differ by the ranks of their adapters, whether gradients are wanted, whether their input has one, and batch sizes;
    # beyond the limit a layer would be run as it is, and nobody would know
    torch._dynamo.config.recompile_limit = max(_GRAPHS, torch._dynamo.config.recompile_limit)
    # what is left as it is are the Fourier transforms of the front ends
    warnings.filterwarnings("ignore", "Torchinductor does not support code generation for complex", UserWarning)
    warnings.filterwarnings("ignore", "The .grad attribute of a Tensor that is not a leaf", UserWarning)  # it looks, not we
    warnings.filterwarnings("ignore", "TensorFloat32 tensor cores", UserWarning)  # float32 is what was asked for
