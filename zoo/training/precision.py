"""In which numbers a GPU computes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

Precision = Literal["fp32", "tf32", "bf16"]


@contextmanager
def arithmetic(device: torch.device, precision: Precision) -> Iterator[None]:
    """Products of matrices in this precision on CUDA: tf32 rounds their factors to 10 bits, bf16 most activations to 7.

    Elsewhere everything stays float32.
    """
    if device.type != "cuda" or precision == "fp32":
        yield
    elif precision == "bf16":
        with torch.autocast("cuda", torch.bfloat16):
            yield
    else:
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("high")
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(before)
