"""BEATs on a GPU as the product runs it: clips a second of training and of embedding, a row for each way to be faster.

python -m tests.bench.bench_gpu [--clips 512] [--batch 64] [--seconds 10]

Random weights of the sizes of BEATs iter3+, noise as recordings. Training is `Trainer` on `beats_lora` without its files, and
embedding `System.embed`. Without a CUDA device it says so and ends.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from zoo.console import out, table
from zoo.data.clips import find_clips
from zoo.data.store import WaveformStore
from zoo.data.wavs import write_wav
from zoo.networks import Network
from zoo.running.plan import make_plan
from zoo.running.training_data import training_data
from zoo.systems import load_system
from zoo.training.devices import accelerator_for
from zoo.training.loop import Trainer

WAYS = {
    "fp32": ["training.precision=fp32", "training.compile=false"],
    "bf16": ["training.compile=false"],
    "bf16, layers compiled": ["training.compile=layers"],
    "bf16, kernel": ["training.compile=false", "model.kernel=true"],
    "bf16, kernel, layers compiled": ["training.compile=layers", "model.kernel=true"],
}
PRECISIONS = ("fp32", "tf32", "bf16")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clips", type=int, default=512)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    if not torch.cuda.is_available():
        out.print("there is no CUDA device here: nothing is measured")
        return
    with tempfile.TemporaryDirectory() as folder:
        store = _noise(Path(folder), given.clips, given.seconds)
        rows = [["training", name, _training(store, settings, given.batch)] for name, settings in WAYS.items()]
        for kernel in ("false", "true"):
            for precision in PRECISIONS:
                name = precision + (", kernel" if kernel == "true" else "")
                rows.append(["embedding", name, _embedding(store, [f"input.precision={precision}", f"model.kernel={kernel}"])])
    card = torch.cuda.get_device_name()
    out.print(table(f"BEATs, {given.seconds:g} s, {card}, torch {torch.__version__}", ["what", "how", "clips/s"], rows))


def _noise(folder: Path, clips: int, seconds: float) -> WaveformStore:
    generator = np.random.default_rng(0)
    (folder / "data" / "Noise" / "train").mkdir(parents=True)
    for number in range(clips):
        samples = generator.integers(-9999, 9999, round(seconds * 16_000), dtype=np.int16)
        write_wav(folder / "data" / "Noise" / "train" / f"{number:05d}.wav", samples, 16_000)
    return WaveformStore.open(find_clips(folder / "data"), folder / "store")


def _training(store: WaveformStore, settings: list[str], batch: int, steps: int = 20, warm: int = 10) -> float:
    """Clips a second of the steps after the first `warm` ones."""
    fixed = [
        "model.init=random",
        f"training.batch={batch}",
        "training.accumulation=1",
        f"training.steps={warm + steps}",
        "training.holdout=0",
    ]
    system = load_system("beats_lora", [*fixed, *settings])
    assert system.config.training is not None
    (task,) = make_plan([system], store.clips, {}, 0)
    network, accelerator = task.system.build_network(task.classes, 0), accelerator_for("cuda")
    assert isinstance(network, Network)
    times: list[float] = []
    data = training_data(task, network, store, accelerator.device)
    trainer = Trainer(network, data, system.config.training, 0, accelerator)
    trainer.hooks.stepped = lambda taken: times.append(time.monotonic())  # every step ends with its loss on the host
    trainer.run()
    return batch * steps / (times[-1] - times[warm - 1])


def _embedding(store: WaveformStore, settings: list[str]) -> float:
    system = load_system("beats_lora", ["model.init=random", *settings])
    network = system.build_network(["a", "b"], 0).to("cuda")
    indices = np.arange(len(store.clips))
    system.embed(network, store, indices[:128])  # warm
    torch.cuda.synchronize()
    start = time.monotonic()
    system.embed(network, store, indices)
    return len(indices) / (time.monotonic() - start)


if __name__ == "__main__":
    main()
