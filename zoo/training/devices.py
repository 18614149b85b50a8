"""Where to compute."""

from contextlib import AbstractContextManager

import torch
from accelerate import Accelerator, init_empty_weights

from zoo.errors import AsdzooError
from zoo.training.memory import keep_freed_memory


def accelerator_for(device: str) -> Accelerator:
    """The accelerate handle for "auto", "cpu", "cuda" ("cuda:1") or "mps"; on a CPU the process keeps the memory it frees.

    Raises: AsdzooError when the device is not there.
    """
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise AsdzooError("this machine has no CUDA device", "leave out --device, or use --device cpu")
    if device == "mps" and not torch.backends.mps.is_available():
        raise AsdzooError("this machine has no MPS device", "leave out --device, or use --device cpu")
    if not (device in ("auto", "cpu", "mps") or device.startswith("cuda")):
        raise AsdzooError(f"unknown device {device!r}", "known: auto, cpu, cuda, cuda:0, mps")
    if ":" in device:
        torch.cuda.set_device(device)
    accelerator = Accelerator(cpu=device == "cpu")
    if accelerator.device.type == "cpu":
        keep_freed_memory()
    return accelerator


def nowhere() -> AbstractContextManager[None]:
    """Inside, parameters of networks that are built lie on torch's meta device: they have shapes, and take no memory."""
    inside: AbstractContextManager[None] = init_empty_weights()
    return inside
