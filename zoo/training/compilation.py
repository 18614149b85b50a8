"""`torch.compile`, with a sentence where it does not work."""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from zoo.errors import AsdzooError

Losses = Callable[..., dict[str, Tensor]]


def compiled(losses: Losses) -> Losses:
    """The same function, compiled at its first call; this raises AsdzooError where there is no compiler that works."""
    fast = torch.compile(losses)
    # what is left as it is are the Fourier transforms of the front ends
    warnings.filterwarnings("ignore", "Torchinductor does not support code generation for complex", UserWarning)

    def call(*batch: Any) -> dict[str, Tensor]:
        try:
            return fast(*batch)
        except torch._dynamo.exc.BackendCompilerFailed as problem:
            raise AsdzooError(
                f"torch.compile does not work here: {' '.join(str(problem).split())[:160]}",
                "set training.compile=false, or install a C++ compiler such as g++",
            ) from problem

    return call
