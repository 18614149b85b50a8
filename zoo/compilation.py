"""`torch.compile`, with a sentence where it does not work."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from zoo.errors import AsdzooError

Losses = Callable[..., dict[str, Tensor]]


def compiled(losses: Losses) -> Losses:
    """The same function, compiled at its first call; this raises AsdzooError where there is no compiler that works."""
    fast = torch.compile(losses)

    def call(*batch: Any) -> dict[str, Tensor]:
        try:
            return fast(*batch)
        except torch._dynamo.exc.BackendCompilerFailed as problem:
            reason = str(problem).splitlines()[0]
            raise AsdzooError(
                f"torch.compile does not work here: {reason}",
                "set training.compile=false, or install a C++ compiler such as g++",
            ) from problem

    return call
