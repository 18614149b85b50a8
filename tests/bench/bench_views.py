"""Time of computed views on a 10 s clip of two channels, one thread.

OMP_NUM_THREADS=1 python tests/bench/bench_views.py
"""

import statistics
import time

import torch

from zoo.data.views import names, view_of

ROUNDS, SECONDS, RATE = 30, 10, 16_000


def main() -> None:
    torch.set_num_threads(1)
    waves = 0.1 * torch.randn(2, SECONDS * RATE)
    for name in names():
        recipe = view_of(name.replace("N", "1")).recipe
        if recipe is None:
            continue
        times = []
        for _ in range(ROUNDS + 3):
            start = time.perf_counter()
            recipe(waves)
            times.append(time.perf_counter() - start)
        print(f"{name:20} {statistics.median(times[3:]) * 1e3:6.2f} ms a clip of {SECONDS} s")


if __name__ == "__main__":
    main()
