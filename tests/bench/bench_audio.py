"""The waveform store against decoding every clip of a batch with soundfile, and how long it takes to open.

    python tests/bench/bench_audio.py

One machine of the real size: 1,200 clips of 10 s. Both sides give the same float32 batch of 64 clips; they take
turns, and the median is shown.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import soundfile
import torch

from zoo.data.clips import Clip, find_clips
from zoo.data.store import WaveformStore

CLIPS, SECONDS, BATCH, ROUNDS = 1200, 10.0, 64, 30
MACHINES = 16  # of the challenge of 2024, for the time that opening takes


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def write_machine(folder: Path, duration: float = SECONDS) -> None:
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for index in range(CLIPS):
        samples = generator.integers(-3000, 3000, round(duration * 16000), dtype=np.int16)
        soundfile.write(folder / f"section_00_source_train_normal_{index:04d}_n_A.wav", samples, 16000)


def decode(clips: list[Clip], indices: list[int]) -> torch.Tensor:
    rows = [soundfile.read(clips[index].path, dtype="float32")[0] for index in indices]
    return torch.from_numpy(np.stack(rows))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        data, stores = Path(folder) / "dcase2024t2", Path(folder) / "stores"
        write_machine(data / "fan" / "train")
        clips = find_clips(data)
        building = seconds(lambda: WaveformStore.open(clips, stores))
        whole = seconds(lambda: [soundfile.read(clip.path, dtype="int16") for clip in clips])
        print(f"build the store {building:.2f} s, {building / whole:.2f} x one loop that decodes ({whole:.2f} s)")

        store = WaveformStore.open(clips, stores)
        generator = np.random.default_rng(1)
        times: dict[str, list[float]] = {"store": [], "decoding": []}
        for _ in range(ROUNDS):
            indices = generator.permutation(CLIPS)[:BATCH].tolist()
            assert torch.equal(store.batch(indices)[0], decode(clips, indices))
            times["store"].append(seconds(lambda indices=indices: store.batch(indices)))
            times["decoding"].append(seconds(lambda indices=indices: decode(clips, indices)))
        ours, theirs = median(times["store"]), median(times["decoding"])
        print(f"batch of {BATCH}: store {ours * 1000:.1f} ms, decoding {theirs * 1000:.1f} ms, ratio {ours / theirs:.2f}")

        for machine in range(MACHINES):
            write_machine(data / "many" / f"Fan{machine}" / "train", duration=0.01)  # opening looks at files, not into them
        listing = seconds(lambda: find_clips(data / "many"))
        everything = find_clips(data / "many")
        WaveformStore.open(everything, stores)
        opening = median(seconds(lambda: WaveformStore.open(everything, stores)) for _ in range(5))
        print(f"{len(everything)} clips of {MACHINES} machines: list {listing:.2f} s, open again {opening:.2f} s")


if __name__ == "__main__":
    main()
