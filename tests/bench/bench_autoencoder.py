"""Training the autoencoder (batches of 256 vectors): time of a pass over the vectors against the loop that one would write.

    OMP_NUM_THREADS=1 python tests/bench/bench_autoencoder.py [clips]

"plain" is a data set of vectors made in advance, shuffled and collated by torch's DataLoader, and Adam; "ours" is the trainer.
The two take turns, each with the same network and the same noise as clips of ten seconds. CPU time stands beside the time on
the clock, which says little on a busy machine.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from zoo.models.autoencoder import Autoencoder, Config, build
from zoo.networks import InputShape, side_by_side
from zoo.training.data import TrainingData
from zoo.training.devices import accelerator_for
from zoo.training.loop import Trainer, TrainingConfig

FRAMES, CONTEXT, BATCH, ROUNDS = 313, 5, 256, 3


def fresh() -> Autoencoder:
    torch.manual_seed(0)
    return build(Config(), InputShape(16000, None), 1).train()


def plain(frames: list[Tensor]) -> int:
    """One pass; the number of steps."""
    network, vectors = fresh(), torch.cat([side_by_side(own, CONTEXT) for own in frames])
    optimizer, steps = torch.optim.Adam(network.parameters(), 1e-3), 0
    for (batch,) in DataLoader(TensorDataset(vectors), BATCH, shuffle=True):
        loss = network.losses_of(batch, batch)["mse"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    return steps


def ours(frames: list[Tensor]) -> int:
    """One pass; the number of steps."""
    vectors = side_by_side(torch.cat(frames), CONTEXT)
    each = FRAMES - CONTEXT + 1
    rows = torch.cat([torch.arange(each) + clip * FRAMES for clip in range(len(frames))])
    labels, clips = np.zeros(len(rows), np.int64), np.repeat(np.arange(len(frames)), each)

    def fetch(chosen: np.ndarray, generator: object) -> tuple[Tensor, Tensor, Tensor]:
        return vectors[rows[torch.from_numpy(chosen)]], torch.from_numpy(labels[chosen]), torch.empty(0)

    data = TrainingData(fetch, labels, [str(clip) for clip in range(len(frames))], prepared=True, clips=clips)
    config = TrainingConfig(optimizer="adam", epochs=1, steps=10**6, batch=BATCH, precision="fp32", validate_every=10**6)
    trainer = Trainer(fresh(), data, config, 0, accelerator_for("cpu"))
    trainer.run()
    return trainer.step


def main() -> None:
    clips = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    frames = [torch.randn(FRAMES, 128) for _ in range(clips)]
    variants: dict[str, Callable[[list[Tensor]], int]] = {"plain": plain, "ours": ours}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in variants}
    for run in variants.values():
        run(frames[:3])  # warm
    for _ in range(ROUNDS):
        for name, run in variants.items():
            clock, cpu = time.perf_counter(), time.process_time()
            steps = run(frames)
            found[name].append(((time.perf_counter() - clock) / steps * 1e3, (time.process_time() - cpu) / steps * 1e3))
    print(f"{clips} clips of 10 s, milliseconds a step of {BATCH} vectors, median of {ROUNDS} (load {os.getloadavg()[0]:.1f})")
    for name, times in found.items():
        clock, cpu = (statistics.median(column) for column in zip(*times, strict=True))
        ratio = cpu / statistics.median(cpu for _, cpu in found["plain"])
        print(f"  {name:6}{clock:7.2f} on the clock{cpu:7.2f} of CPU   {ratio:.2f} of plain")


if __name__ == "__main__":
    main()
