"""Speed and memory of the pretrained encoders at full size on random weights: `python -m tests.bench.bench_encoders`.

For each system: embedding (waveform to embedding) and LoRA training in clips of 10 s per second, peak memory, and the share of
the ideal. Ideal is what the device reaches in one large matrix product of the same type, measured in the same process; the work
of a clip is counted by torch, and a training step counts twice the forward pass (gradients with respect to activations go
through everything, those of the adapters are small). Each line is a process of its own, so that its peak memory is.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from zoo.console import out, table
from zoo.cost import cost_of
from zoo.systems import load_system

CLASSES = 148
SYSTEMS = {
    "beats_lora": ["model.init=random"],
    "eat_lora": ["model.init=random"],
    "beats_eat": ["model.beats.init=random", "model.eat.init=random"],
}


def seconds(work: Callable[[], object], device: str, repeats: int) -> float:
    """Median time of `work`, after one call that is not counted."""
    times = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def ideal(device: str, dtype: torch.dtype) -> float:
    """FLOP/s of one large matrix product."""
    size = 8192 if device == "cuda" else 2048
    a = torch.randn(size, size, device=device, dtype=dtype)
    return 2 * size**3 / seconds(lambda: a @ a, device, 5)


def measure(name: str, task: str, batch: int, repeats: int, device: str, compiled: bool) -> dict[str, float]:
    """One line of the table."""
    half = device == "cuda" and torch.cuda.is_bf16_supported()
    system = load_system(name, SYSTEMS[name])
    network = system.build_network(CLASSES, seed=0)
    with sdpa_kernel(SDPBackend.MATH):  # the counter does not know the CPU's fused attention
        flops = 2 * cost_of(network, system.shape).macs
    network.to(device)
    losses: Callable[..., dict[str, Tensor]] = torch.compile(network.losses) if compiled else network.losses
    waves = 0.1 * torch.randn(batch, system.shape.samples or 160_000, device=device)
    labels = torch.arange(batch, device=device) % CLASSES
    optimizer = torch.optim.AdamW([value for value in network.parameters() if value.requires_grad], fused=device == "cuda")

    def embed() -> Tensor:
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=half):
            return network(waves)

    def step() -> None:
        with torch.autocast(device, torch.bfloat16, enabled=half):
            loss = torch.stack(list(losses(waves, labels).values())).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    network.train(task == "train")
    took = seconds(step if task == "train" else embed, device, repeats)
    if device == "cuda":
        peak = torch.cuda.max_memory_allocated() / 2**20
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    work = flops * batch * (2 if task == "train" else 1) / took
    rate = ideal(device, torch.bfloat16 if half else torch.float32)
    return {"clips": batch / took, "peak": peak, "tera": work / 1e12, "share": work / rate}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", default="beats_lora,eat_lora")
    parser.add_argument("--batch", type=int, help="clips of one pass; 64 on a GPU, 2 on a CPU")
    parser.add_argument("--repeats", type=int, help="20 on a GPU, 3 on a CPU")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--measure", nargs=2, metavar=("SYSTEM", "TASK"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    batch = options.batch or (64 if device == "cuda" else 2)
    repeats = options.repeats or (20 if device == "cuda" else 3)
    if options.measure:
        sys.stdout.write(json.dumps(measure(*options.measure, batch, repeats, device, options.compile)) + "\n")
        return
    rows = []
    for name in options.systems.split(","):
        for task in ("embed", "train"):
            command = [sys.executable, "-m", "tests.bench.bench_encoders", "--measure", name, task, "--batch", str(batch)]
            command += ["--repeats", str(repeats), *(["--compile"] if options.compile else [])]
            printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            found = json.loads(printed.splitlines()[-1])
            rows.append([name, task, batch, found["clips"], round(found["peak"]), found["tera"], found["share"]])
    where = torch.cuda.get_device_name() if device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    columns = ["system", "task", "batch", "clips/s", "peak MiB", "TFLOP/s", "share of ideal"]
    out.print(table(f"pretrained encoders on {where}", columns, rows))


if __name__ == "__main__":
    main()
