"""The mean over all channels."""

from torch import Tensor

NEEDS = 1


def heard(waves: Tensor) -> Tensor:
    """(..., channels, samples) -> (..., samples)."""
    return waves.mean(-2)
