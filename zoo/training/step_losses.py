"""The losses of one step, which the device may still be working on."""

import math

import torch
from torch import Tensor

from zoo.errors import AsdzooError


class NotFiniteError(AsdzooError):
    """A loss is NaN or infinite."""


class StepLosses:
    """Means over the clips of optimizer step `step` (from 0), by name. `read` waits for the device, once.

    On CUDA the values are on their way to the host from here on: what is queued behind them is not waited for.
    """

    def __init__(self, step: int, values: dict[str, Tensor]) -> None:
        self.step, self._names = step, list(values)
        self._values = torch.stack(list(values.values()))
        self._arrived: torch.cuda.Event | None = None
        self._read: dict[str, float] | None = None
        if self._values.is_cuda:
            on_host = torch.empty(self._values.shape, dtype=self._values.dtype, pin_memory=True)
            self._values = on_host.copy_(self._values, non_blocking=True)
            self._arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._arrived.record()

    def read(self) -> dict[str, float]:
        """The values by name."""
        if self._read is None:
            if self._arrived is not None:
                self._arrived.synchronize()
            self._read = dict(zip(self._names, self._values.tolist(), strict=True))
        return self._read

    @property
    def bad(self) -> dict[str, float]:
        """Those that are not finite."""
        return {name: value for name, value in self.read().items() if not math.isfinite(value)}
