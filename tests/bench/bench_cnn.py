"""A training step of the dual-branch CNN (batch 64): time and peak memory against the same network written plainly.

    OMP_NUM_THREADS=2 python tests/bench/bench_cnn.py [seconds ...]

A step is forward, three losses, backward and AdamW. Each measurement is a process of its own, so that its peak memory is; the
variants take turns. "plain" has the same layers channels first and attention as softmax(QK^T)V; without attention the network
is that of W23, which is what public implementations have.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time

BATCH, CLASSES, STEPS, ROUNDS = 64, 148, 3, 2
VARIANTS = ["ours", "plain", "ours without attention", "plain without attention"]


def make_plain() -> None:
    """Take away what makes the network fast."""
    import torch
    from torch import Tensor, nn
    from torch.nn import functional as F

    def attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return torch.softmax(query @ key.mT / query.shape[-1] ** 0.5, dim=-1) @ value

    F.scaled_dot_product_attention = attention
    nn.Module.to = lambda self, **_: self  # type: ignore[method-assign,assignment]


def measure(seconds: float, variant: str) -> dict[str, float]:
    import torch

    from zoo.models import InputShape
    from zoo.models.dual_branch_cnn import Config, build

    if variant.startswith("plain"):
        make_plain()
    torch.manual_seed(0)
    off = {"spectrum_heads": None, "spectrogram_heads": None} if "without" in variant else {}
    network = build(Config(**off), InputShape(16000, round(seconds * 16000)), CLASSES)
    optimizer = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=5e-3)
    waves, labels = torch.randn(BATCH, round(seconds * 16000)) * 0.1, torch.randint(CLASSES, (BATCH,))
    times, cpu = [], []
    for _ in range(1 + STEPS):
        start, used = time.perf_counter(), time.process_time()
        torch.stack(list(network.losses(waves, labels).values())).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        times.append(time.perf_counter() - start)
        cpu.append(time.process_time() - used)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"seconds": statistics.median(times[1:]), "cpu": statistics.median(cpu[1:]), "gigabytes": peak}


def main() -> None:
    for seconds in [float(argument) for argument in sys.argv[1:]] or [5.0, 10.0]:
        results: dict[str, list[dict[str, float]]] = {variant: [] for variant in VARIANTS}
        for _ in range(ROUNDS):
            for variant in VARIANTS:
                command = [sys.executable, __file__, "--one", str(seconds), variant]
                results[variant].append(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
        print(f"{seconds:g} s clips, batch {BATCH}, load {os.getloadavg()[0]:.1f}")
        for variant, runs in results.items():
            step, cpu, peak = (statistics.median(run[key] for run in runs) for key in ("seconds", "cpu", "gigabytes"))
            plain = statistics.median(run["seconds"] for run in results[variant.replace("ours", "plain")])
            print(
                f"  {variant:24} {step:6.2f} s a step ({cpu:6.2f} s of CPU), {plain / step:5.2f} times plain, {peak:5.2f} GiB"
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(float(sys.argv[2]), sys.argv[3])))
    else:
        main()
