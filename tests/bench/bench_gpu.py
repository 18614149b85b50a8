"""BEATs on a GPU as the product runs it, with and without each switch: a table of embedding and one of training.

    python -m tests.bench.bench_gpu [--minutes 10] [--clips 512] [--batch 64] [--seconds 10]

Random weights of the sizes of BEATs iter3+, noise as recordings. Training is `Trainer` on `beats_lora` without its files, and
embedding `System.embed`; each row is a process of its own, so that its peak memory is, and one that fails says so in its row.
What does not fit into the minutes is named. Times are those of the clock, after the first steps.

Without a CUDA device it says so and ends. `--tiny` measures a small encoder on any device: to see that the rows work.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
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
from zoo.systems import System, load_system
from zoo.training.devices import accelerator_for
from zoo.training.loop import Hooks, Trainer

PLAIN = {"precision": "bf16", "compile": "false", "overlap": "false", "frozen_precision": "fp32", "kernel": "false"}
TRAINING = {  # what compiles comes last: its first step takes long
    "bf16, every switch off": {},
    "float32": {"precision": "fp32"},
    "samples as int16, losses late": {"overlap": "true"},
    "frozen matrices in bf16": {"frozen_precision": "bf16"},
    "kernel of the position bias": {"kernel": "true"},
    "layers compiled": {"compile": "layers"},
    "as it is by default": {"compile": "auto", "overlap": "auto", "precision": "auto"},
    "every switch on": {"overlap": "true", "compile": "layers", "frozen_precision": "bf16", "kernel": "true"},
    "all but the kernel": {"overlap": "true", "compile": "layers", "frozen_precision": "bf16"},
}
EMBEDDING = {
    "float32, as it is by default": {"precision": "fp32", "kernel": "false"},
    "tf32": {"precision": "tf32", "kernel": "false"},
    "bf16": {"precision": "bf16", "kernel": "false"},
    "float32, kernel": {"precision": "fp32", "kernel": "true"},
    "tf32, kernel": {"precision": "tf32", "kernel": "true"},
    "bf16, kernel": {"precision": "bf16", "kernel": "true"},
}
EMBEDDED = 32  # clips of a batch, in the product
MOST = 240.0  # seconds of one row


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="for everything")
    parser.add_argument("--clips", type=int)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--tiny", action="store_true", help="a small encoder, on any device: its numbers say nothing")
    parser.add_argument("--row", nargs=3, metavar=("TASK", "NAME", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.clips, given.batch = given.clips or (32 if given.tiny else 512), given.batch or (8 if given.tiny else 64)
    given.seconds = given.seconds or (2.0 if given.tiny else 10.0)
    if given.row:
        sys.stdout.write(json.dumps(_measured(*given.row, given)) + "\n")
        return
    if not (torch.cuda.is_available() or given.tiny):
        out.print("there is no CUDA device here: nothing is measured (--tiny tries the rows with a small encoder on the CPU)")
        return
    until, left_out = time.monotonic() + 60 * given.minutes, list[str]()
    where = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    what = "a small encoder" if given.tiny else "BEATs"
    with tempfile.TemporaryDirectory() as folder:
        _noise(Path(folder), given.clips, given.seconds)
        for task, ways in (("embedding", EMBEDDING), ("training", TRAINING)):
            rows: list[list[object]] = []
            base = 0.0
            for name in ways:
                found = _in_a_process(task, name, folder, given, min(MOST, until - time.monotonic()))
                if found is None:
                    left_out.append(f"{task}, {name}")
                    continue
                base = base or float(found.get("clips", 0.0))
                rows.append([name, *_cells(found, base)])
            if not rows:
                continue
            batch = EMBEDDED if task == "embedding" else given.batch
            columns = ["how", "ms a batch", "clips/s", "times the first", "first s", "peak MiB", "said"]
            out.print(table(f"{task}: {what}, {given.seconds:g} s, batches of {batch}, {where}", columns, rows))
    out.print(f"torch {torch.__version__}, CUDA {torch.version.cuda or 'none'}, {given.clips} clips")
    if left_out:
        out.print(f"no time was left for: {'; '.join(left_out)} (--minutes)")


def _cells(found: dict[str, object], base: float) -> list[object]:
    if "clips" not in found:
        return [None, None, None, None, None, found["said"]]
    clips, took, first = (float(str(found[key])) for key in ("clips", "ms", "first"))
    return [f"{took:.1f}", f"{clips:.0f}", f"{clips / base:.2f}", f"{first:.1f}", found["peak"], found["said"]]


def _in_a_process(task: str, name: str, folder: str, given: argparse.Namespace, seconds: float) -> dict[str, object] | None:
    """What `--row` prints, or why it does not; None: there was no time."""
    if seconds < 1:
        return None
    command = [sys.executable, "-m", "tests.bench.bench_gpu", "--row", task, name, folder, *(["--tiny"] if given.tiny else [])]
    command += ["--batch", str(given.batch), "--clips", str(given.clips), "--seconds", str(given.seconds)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return {"said": f"not done after {seconds:.0f} s"} if seconds == MOST else None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        return {"said": f"failed: {lines[-1][:160]}"}
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


def _measured(task: str, name: str, folder: str, given: argparse.Namespace) -> dict[str, object]:
    store = WaveformStore.open(find_clips(Path(folder) / "data"), Path(folder) / "store")
    found = _training(name, store, given) if task == "training" else _embedding(name, store, given)
    return {**found, "peak": torch.cuda.max_memory_allocated() // 2**20 if torch.cuda.is_available() else None}


def _noise(folder: Path, clips: int, seconds: float) -> None:
    generator = np.random.default_rng(0)
    (folder / "data" / "Noise" / "train").mkdir(parents=True)
    for number in range(clips):
        samples = generator.integers(-9999, 9999, round(seconds * 16_000), dtype=np.int16)
        write_wav(folder / "data" / "Noise" / "train" / f"{number:05d}.wav", samples, 16_000)
    WaveformStore.open(find_clips(folder / "data"), folder / "store")


def _system(given: argparse.Namespace, settings: list[str]) -> System:
    name, length = ("beats_lora_tiny" if given.tiny else "beats_lora"), f"input.seconds={given.seconds}"
    return load_system(name, ["model.init=random", length, *settings])


def _training(name: str, store: WaveformStore, given: argparse.Namespace) -> dict[str, object]:
    """Of the steps after the first ones: milliseconds, clips a second; seconds until the first was taken; what was noted."""
    switches = {**PLAIN, **TRAINING[name]}
    warm, steps = (2, 5) if given.tiny else (10, 30)
    fixed = {"batch": given.batch, "accumulation": 1, "steps": warm + steps, "holdout": 0, "validate_every": 10**6}
    values = {**fixed, **{key: value for key, value in switches.items() if key != "kernel"}}
    settings = [f"training.{key}={value}" for key, value in values.items()]
    system = _system(given, [*settings, f"model.kernel={switches['kernel']}"])
    assert system.config.training is not None
    (task,) = make_plan([system], store.clips, {}, 0)
    network, accelerator = task.system.build_network(task.classes, 0), accelerator_for("auto")
    assert isinstance(network, Network)
    times, notes = list[float](), list[str]()
    data = training_data(task, network, store, accelerator.device)
    # when a loss is on the host, the device is done with its step
    hooks = Hooks(stepped=lambda taken: times.append(time.monotonic()), note=notes.append)
    begun = time.monotonic()
    Trainer(network, data, system.config.training, 0, accelerator, hooks).run()
    took = (times[-1] - times[warm - 1]) / steps
    return {"ms": 1e3 * took, "clips": given.batch / took, "first": times[0] - begun, "said": "; ".join(notes)}


def _embedding(name: str, store: WaveformStore, given: argparse.Namespace) -> dict[str, object]:
    """The same of embedding all clips, thrice, in batches of the product's own size."""
    way, batch, device = EMBEDDING[name], EMBEDDED, "cuda" if torch.cuda.is_available() else "cpu"
    system = _system(given, [f"input.precision={way['precision']}", f"model.kernel={way['kernel']}"])
    network = system.build_network(["a", "b"], 0).to(device)
    indices, ends = np.arange(len(store.clips)), [time.monotonic()]
    system.embed(network, store, indices[:batch])  # warm
    for _ in range(4):
        ends.append(time.monotonic())
        system.embed(network, store, indices)  # its rows are on the host
    took = statistics.median(later - earlier for earlier, later in pairwise(ends[1:]))
    clips = len(indices) / took
    return {"ms": 1e3 * batch / clips, "clips": clips, "first": ends[1] - ends[0], "said": ""}


if __name__ == "__main__":
    main()
