"""A training step of the dual-branch CNN (batch 64): time and peak memory against the same network written plainly.

    OMP_NUM_THREADS=2 python tests/bench/bench_cnn.py [seconds ...]

A step is forward, three losses, backward and AdamW. Each measurement is a process of its own, so that its peak memory is; the
variants take turns. "plain" has the same layers channels first, conv1d, attention as softmax(QK^T)V, and memory as the system
gives it; without attention the network is that of W23, which is what public implementations have.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from typing import Any

BATCH, CLASSES, STEPS, ROUNDS = 64, 148, 2, 2
VARIANTS = ["ours", "plain", "ours without attention", "plain without attention"]


def make_plain() -> None:
    """Take away what makes the network fast."""
    from unittest import mock

    import torch
    from torch import Tensor, nn
    from torch.nn import functional as F

    from zoo.models.dual_branch_cnn import Convolution

    def attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return torch.softmax(query @ key.mT / query.shape[-1] ** 0.5, dim=-1) @ value

    def convolution(self: Convolution, features: Tensor) -> Tensor:
        positions, kernel, stride = features.shape[1], self.kernel_size[1], self.stride[1]
        missing = max(0, (-(-positions // stride) - 1) * stride + kernel - positions)
        padded = F.pad(features.mT, (missing // 2, missing - missing // 2))
        return F.conv1d(padded, self.weight[:, :, 0], stride=stride).mT

    mock.patch.object(F, "scaled_dot_product_attention", attention).start()
    mock.patch.object(Convolution, "forward", convolution).start()
    mock.patch.object(nn.Module, "to", lambda self, **_: self).start()


def measure(seconds: float, variant: str) -> dict[str, Any]:
    import torch

    from zoo.models.dual_branch_cnn import Config, build
    from zoo.networks import InputShape
    from zoo.training.memory import keep_freed_memory

    if variant.startswith("plain"):
        make_plain()
    else:
        keep_freed_memory()
    torch.manual_seed(0)
    off = {"spectrum_heads": None, "spectrogram_heads": None} if "without" in variant else {}
    network = build(Config(**off), InputShape(16000, round(seconds * 16000)), CLASSES)
    optimizer = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=5e-3)
    waves, labels = torch.randn(BATCH, round(seconds * 16000)) * 0.1, torch.randint(CLASSES, (BATCH,))
    times = []
    for _ in range(1 + STEPS):
        start = time.perf_counter()
        torch.stack(list(network.losses(waves, labels).values())).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        times.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"times": times[1:], "gigabytes": peak}


def main() -> None:
    for seconds in [float(argument) for argument in sys.argv[1:]] or [5.0, 10.0]:
        times: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
        peaks = dict.fromkeys(VARIANTS, 0.0)
        print(f"{seconds:g} s clips, batch {BATCH}; seconds a step in each round", flush=True)
        for _ in range(ROUNDS):
            for variant in VARIANTS:
                command = [sys.executable, __file__, "--one", str(seconds), variant]
                run = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
                times[variant] += run["times"]
                peaks[variant] = max(peaks[variant], run["gigabytes"])
                print(f"  {variant:24}", *(f"{each:5.2f}" for each in run["times"]), flush=True)
        print(f"{'':26}median   least   peak   share of plain's median (load {os.getloadavg()[0]:.1f})")
        for variant in VARIANTS:
            median, plain = (statistics.median(times[name]) for name in (variant, variant.replace("ours", "plain")))
            print(f"  {variant:24}{median:6.2f} s {min(times[variant]):5.2f} s {peaks[variant]:5.2f} GiB {median / plain:6.2f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(float(sys.argv[2]), sys.argv[3])))
    else:
        main()
