"""Speed and memory of the pretrained encoders at full size on random weights: `python -m tests.bench.bench_encoders`.

For each system: embedding (waveform to embedding) and LoRA training in clips of 10 s per second, peak memory, and the share of
the ideal. Ideal is what the device reaches in one large matrix product of the same type, measured in the same process; the work
of a clip is counted by torch, and a training step counts twice the forward pass (gradients with respect to activations go
through everything, those of the adapters are small). Each line is a process of its own, so that its peak memory is.

`--reference transformers` holds the speech encoders and Whisper against the package used plainly: its feature extractor,
its model, the mean of the last hidden state. Whisper's extractor fills each clip up to 30 s, as it is meant to be used.
"""

import argparse
import importlib.util
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from zoo.console import out, table
from zoo.systems import load_system
from zoo.training.cost import cost_of
from zoo.training.memory import keep_freed_memory

CLASSES = 148
SYSTEMS = {
    "beats_lora": ["model.init=random"],
    "eat_lora": ["model.init=random"],
    "beats_eat": ["model.beats.init=random", "model.eat.init=random"],
    "wav2vec2_frozen": ["model.init=random"],
    "hubert_frozen": ["model.init=random"],
    "unispeech_sat_frozen": ["model.init=random"],
    "wavlm_frozen": ["model.init=random"],
    "whisper_frozen": ["model.init=random"],
    "ced_frozen": ["model.init=random"],
    "fisher_frozen": ["model.init=random"],
}


Clock = Callable[[], float]
CLOCKS: dict[str, Clock] = {"wall": time.perf_counter, "cpu": time.process_time}


def seconds(work: Callable[[], object], device: str, repeats: int, clock: Clock = time.perf_counter) -> float:
    """Median time of `work`, after one call that is not counted unless it is the only one."""
    times = []
    for _ in range(repeats + 1):
        started = clock()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(clock() - started)
    return statistics.median(times[1:] or times)


def ideal(device: str, dtype: torch.dtype, clock: Clock) -> float:
    """FLOP/s of one large matrix product."""
    size = 8192 if device == "cuda" else 2048
    a = torch.randn(size, size, device=device, dtype=dtype)
    return 2 * size**3 / seconds(lambda: a @ a, device, 5, clock)


def ours(name: str) -> Any:
    """The network of a system of the zoo."""
    return load_system(name, SYSTEMS[name]).build_network([""] * CLASSES, seed=0)


def theirs(reference: Path, name: str) -> Any:
    """What `build` of the reference's file gives; `transformers` is the package."""
    if str(reference) == "transformers":
        return Plain(name)
    spec = importlib.util.spec_from_file_location("reference", reference)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.build(name, CLASSES)


class Plain(nn.Module):
    """The encoder of a system as `transformers` has it, with random weights: waves to the mean of the last hidden state."""

    def __init__(self, name: str) -> None:
        import transformers

        super().__init__()
        network = ours(name)
        sizes = load_system(name, SYSTEMS[name]).config.model.get("sizes", {})
        self.whisper = name.startswith("whisper")
        if self.whisper:
            kind = {"d_model": 1280, "encoder_layers": 32, "encoder_attention_heads": 20, "encoder_ffn_dim": 5120}
            config = transformers.WhisperConfig(**kind, decoder_layers=1)
            self.model = transformers.WhisperModel(config).encoder.eval()
            self.extractor = transformers.WhisperFeatureExtractor()
            return
        encoder = network.encoder
        settings = getattr(transformers, f"{encoder.in_transformers}Config")
        config = settings(**encoder.sizes.model_validate(sizes).for_transformers())
        self.model = getattr(transformers, f"{encoder.in_transformers}Model")(config).eval()
        self.extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=encoder.normalize)

    def forward(self, waves: Tensor) -> Tensor:
        heard = self.extractor([wave.cpu().numpy() for wave in waves], sampling_rate=16000, return_tensors="pt")
        values = heard["input_features" if self.whisper else "input_values"].to(waves.device)
        mean: Tensor = self.model(values).last_hidden_state.mean(1)
        return mean


def half(device: str) -> bool:
    return device == "cuda" and torch.cuda.is_bf16_supported()


def clips(batch: int, device: str) -> Tensor:
    return 0.1 * torch.randn(batch, 160_000, device=device)


def embedding(network: nn.Module, waves: Tensor) -> Callable[[], Tensor]:
    network.eval()

    def embed() -> Tensor:
        device = waves.device.type
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=half(device)):
            embedded: Tensor = network(waves)
            return embedded

    return embed


def training(network: Any, waves: Tensor, compiled: bool) -> Callable[[], None]:
    network.train()
    losses = torch.compile(network.losses) if compiled else network.losses
    device = waves.device.type
    labels = torch.arange(len(waves), device=device) % CLASSES
    optimizer = torch.optim.AdamW([value for value in network.parameters() if value.requires_grad], fused=device == "cuda")

    def step() -> None:
        with torch.autocast(device, torch.bfloat16, enabled=half(device)):
            loss = torch.stack(list(losses(waves, labels).values())).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def measure(name: str, task: str, options: argparse.Namespace) -> dict[str, float]:
    """One line of the table, without the share of the ideal where a reference is measured."""
    device, batch = options.device, options.batch
    if device == "cpu" and not options.reference:
        keep_freed_memory()  # as `asdzoo` does
    network = theirs(options.reference, name) if options.reference else ours(name)
    network.to(device)
    waves = clips(batch, device)
    work = training(network, waves, options.compile) if task == "train" else embedding(network, waves)
    clock = CLOCKS[options.clock]
    took = seconds(work, device, options.repeats, clock)
    if device == "cuda":
        peak = torch.cuda.max_memory_allocated() / 2**20
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    found = {"clips": batch / took, "peak": peak}
    if not options.reference:
        network.eval().to("cpu")
        with sdpa_kernel(SDPBackend.MATH):  # the counter does not know the CPU's fused attention
            flops = 2 * cost_of(network, load_system(name).shape).macs
        rate = flops * batch * (2 if task == "train" else 1) / took
        found["tera"] = rate / 1e12
        found["share"] = rate / ideal(device, torch.bfloat16 if half(device) else torch.float32, clock)
    return found


def ratio(name: str, options: argparse.Namespace) -> dict[str, float]:
    """How many times as fast as the reference we embed: the median over turns, each one of both."""
    waves = clips(options.batch, options.device)
    here = embedding(ours(name).to(options.device), waves)
    there = embedding(theirs(options.reference, name).to(options.device), waves)
    clock = CLOCKS[options.clock]
    turns = [[seconds(work, options.device, 0, clock) for work in (there, here)] for _ in range(options.repeats + 1)]
    return {"ratio": statistics.median(reference / own for reference, own in turns[1:])}


def in_a_process(name: str, task: str, options: argparse.Namespace, reference: Path | None) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.bench_encoders", "--measure", name, task]
    command += ["--batch", str(options.batch), "--repeats", str(options.repeats), "--clock", options.clock]
    command += ["--compile"] if options.compile else []
    command += ["--reference", str(reference)] if reference else []
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[str, float] = json.loads(printed.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", default="beats_lora,eat_lora")
    parser.add_argument("--tasks", default="embed,train")
    parser.add_argument("--batch", type=int, help="clips of one pass; 64 on a GPU, 2 on a CPU")
    parser.add_argument("--repeats", type=int, help="20 on a GPU, 3 on a CPU")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: CPU time, where other programs run as well")
    parser.add_argument(
        "--reference", type=Path, metavar="FILE", help="another implementation to be held against, or transformers"
    )
    parser.add_argument("--measure", nargs=2, metavar=("SYSTEM", "TASK"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.device = "cuda" if torch.cuda.is_available() else "cpu"
    options.batch = options.batch or (64 if options.device == "cuda" else 2)
    options.repeats = options.repeats or (20 if options.device == "cuda" else 3)
    if options.measure:
        name, task = options.measure
        found = ratio(name, options) if task == "ratio" else measure(name, task, options)
        sys.stdout.write(json.dumps(found) + "\n")
        return
    rows, sentences = [], []
    for name in options.systems.split(","):
        for task in options.tasks.split(","):
            for reference in (None, options.reference) if options.reference else (None,):
                found = in_a_process(name, task, options, reference)
                who = "reference" if reference else "ours"
                cells = [found["clips"], round(found["peak"]), found.get("tera"), found.get("share")]
                rows.append([name, task, who, options.batch, *cells])
        if options.reference:
            times = in_a_process(name, "ratio", options, options.reference)["ratio"]
            sentences.append(f"{name}: waveform to embedding {times:.2f} times as fast as the reference, in turns")
    where = torch.cuda.get_device_name() if options.device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    columns = ["system", "task", "whose", "batch", "clips/s", "peak MiB", "TFLOP/s", "share of ideal"]
    out.print(table(f"pretrained encoders on {where}", columns, rows))
    for sentence in sentences:
        out.print(sentence)


if __name__ == "__main__":
    main()
