"""A system = front end + network + losses + training + detector, from one YAML in `configs/systems/`.

The file name is the system's name. Keys are those of `SystemConfig`; `model` and `detector` name a module of `zoo/models/` and
`zoo/detectors/`, whose own `Config` reads the other keys of the block.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field, PositiveFloat
from torch import Tensor

from zoo import registry
from zoo.config import Frozen, ablation_paths, load_inherited, override, parse, shipped_configs
from zoo.data.clips import Clip
from zoo.data.store import WaveformStore
from zoo.detectors import Detector, FloatArray
from zoo.errors import AsdzooError, unknown_name
from zoo.files import require_plain_name
from zoo.legacy import current
from zoo.networks import DensityNetwork, Embedder, InputShape, with_parts
from zoo.training.loop import TrainingConfig
from zoo.training.sampling import Indices


class InputConfig(Frozen):
    """What of a recording reaches the network."""

    sample_rate: Literal[16000] = 16000  # Hz, of every year of the challenge
    channel: int = Field(default=0, ge=0)  # 2026: 0 is the near microphone, 1 the far one
    seconds: PositiveFloat | None = None  # shorter clips are repeated, longer ones cropped; null: clips keep their length
    longer: Literal["first", "windows"] = "first"  # scoring a longer clip: its first seconds, or the mean over windows


class SystemConfig(Frozen):
    """One system of the zoo."""

    description: str
    paper: str = ""
    input: InputConfig = InputConfig()
    train_on: Literal["all", "group", "machine"] = "all"  # the clips that share a network
    classes: Literal["attributes", "machine"] = (
        "attributes"  # what a label is: (machine, section, attributes) or (machine, section)
    )
    model: dict[str, Any]  # name, and the Config of zoo/models/<name>.py
    training: TrainingConfig | None = None  # None: of a network that needs none, which is used as it is
    detector: dict[str, Any]  # name, and the Config of zoo/detectors/<name>.py


@dataclass(frozen=True)
class System:
    """A checked `SystemConfig`, ready to build what it describes."""

    name: str
    config: SystemConfig
    network_config: Frozen
    detector_config: Frozen
    unused: tuple[str, ...] = ()  # settings of `--set` that do not concern it

    @property
    def shape(self) -> InputShape:
        seconds = self.config.input.seconds
        rate = self.config.input.sample_rate
        return InputShape(rate, None if seconds is None else round(seconds * rate))

    def resolved(self) -> dict[str, Any]:
        """The whole config with every default written out, as JSON can hold it."""
        blocks = {
            "model": {"name": self.config.model["name"], **self.network_config.model_dump(mode="json")},
            "detector": {"name": self.config.detector["name"], **self.detector_config.model_dump(mode="json")},
        }
        return {**self.config.model_dump(mode="json"), **blocks}

    def class_of(self, clip: Clip) -> str:
        """The class a training clip teaches: a machine without attributes is one class."""
        machine = f"{clip.year}/{clip.machine}/{clip.section}"
        return machine if self.config.classes == "machine" else f"{machine}/{clip.attributes or ''}"

    def build_network(self, classes: int, seed: int) -> Embedder:
        """The network with fresh weights drawn by `seed`; a `Network` where there is something to train."""
        torch.manual_seed(seed)
        network: Embedder = registry.module("model", self.config.model["name"]).build(self.network_config, self.shape, classes)
        return network

    @property
    def needs_network_to_score(self) -> bool:
        """Whether the detector is the network's own density."""
        return bool(self.config.detector["name"] == "density")

    def build_detector(self, network: Embedder | None, classes: Sequence[str]) -> Detector:
        """A detector for one machine and section; only `density` looks at the network and its classes."""
        module = registry.module("detector", self.config.detector["name"])
        if not self.needs_network_to_score:
            detector: Detector = module.build(self.detector_config)
            return detector
        if not isinstance(network, DensityNetwork):
            raise TypeError(f"{self.name}: {type(network).__name__} is no DensityNetwork")

        @torch.no_grad()
        def likelihood(embeddings: FloatArray, clip: Clip) -> FloatArray:
            device = network.device
            label = classes.index(self.class_of(clip))
            points = torch.as_tensor(np.asarray(embeddings, np.float32), device=device)
            labels = torch.full((len(points),), label, dtype=torch.int64, device=device)
            return network.negative_log_likelihood(points, labels).double().cpu().numpy()

        density: Detector = module.build(self.detector_config, likelihood)
        return density

    def fetch(self, store: WaveformStore, indices: Indices, generator: np.random.Generator | None) -> tuple[Tensor, Tensor]:
        """Waves and lengths of clips of the store; a generator crops longer clips at random, none takes their beginning."""
        samples = self.shape.samples
        starts = None
        if samples is not None and generator is not None:
            spare = np.maximum(store.lengths[indices] - samples, 0)
            starts = generator.integers(0, spare, endpoint=True)
        return store.batch(indices, channel=self.config.input.channel, samples=samples, starts=starts)

    @torch.inference_mode()
    def embed(self, network: Embedder, store: WaveformStore, indices: Indices, batch: int = 32) -> FloatArray:
        """Embeddings (n, parts, dim), float32, of clips of the store, in order."""
        network.eval()
        device = network.device
        rows: list[FloatArray] = []
        for start in range(0, len(indices), batch):
            part = indices[start : start + batch]
            views = [self._views(store, index) for index in part]
            flat = np.array([index for index, view in zip(part, views, strict=True) for _ in view])
            starts = np.array([offset for view in views for offset in view])
            waves, lengths = store.batch(flat, channel=self.config.input.channel, samples=self.shape.samples, starts=starts)
            embedded = with_parts(network(waves.to(device), lengths.to(device))).float().cpu().numpy()
            ends = np.cumsum([len(view) for view in views])
            rows.extend(piece.mean(axis=0) for piece in np.split(embedded, ends[:-1]))
        return np.stack(rows).astype(np.float32) if rows else np.empty((0, network.parts, network.dim), np.float32)

    def _views(self, store: WaveformStore, index: int) -> list[int]:
        """Where the windows of one clip start: side by side, the last one flush with the end."""
        samples, length = self.shape.samples, int(store.lengths[index])
        if samples is None or length <= samples or self.config.input.longer == "first":
            return [0]
        return [*range(0, length - samples, samples), length - samples]


def system_paths() -> dict[str, Path]:
    """The shipped systems by name."""
    return {path.stem: path for path in sorted((shipped_configs() / "systems").glob("*.yaml"))}


def load_system(name: str, settings: Iterable[str] = ()) -> System:
    """The system of a shipped name (systems and ablations) or of a YAML file's path, with `--set` overrides put in.

    Raises: AsdzooError naming file, key and nearest known key.
    """
    paths = system_paths() | ablation_paths()
    path = Path(name) if name.endswith((".yaml", ".yml")) else paths.get(name)
    if path is None:
        raise unknown_name("system", name, paths)
    require_plain_name("a system", path.stem, f"rename the file {path}; its name is the system's")
    values, settings = load_inherited(path), list(settings)
    of_training = [setting for setting in settings if setting.split("=")[0].split(".")[0] == "training"]
    if values.get("training") is None and of_training:
        # `--set` is for all systems of a command, also for those that have nothing to train
        system = system_of(path.stem, override(values, [one for one in settings if one not in of_training]), str(path))
        return replace(system, unused=tuple(of_training))
    return system_of(path.stem, override(values, settings), str(path))


def system_of(name: str, values: dict[str, Any], origin: str) -> System:
    """A system from the mapping that its YAML holds, or a run of today or of 0.1; `origin` is named in messages."""
    config = parse(SystemConfig, current(values), origin)
    network = _module(config.model, "model", origin)
    detector = _module(config.detector, "detector", origin)
    if config.detector["name"] == "density" and not getattr(network, "LIKELIHOOD", False):
        raise AsdzooError(
            f"{origin}: the density detector needs a network with a likelihood, which {config.model['name']} has not",
            "use detector.name=knn, or model.name=nf_cdee",
        )
    network_config = parse(network.Config, _without_name(config.model), f"{origin}: model")
    detector_config = parse(detector.Config, _without_name(config.detector), f"{origin}: detector")
    needs_training = not hasattr(network, "needs_training") or network.needs_training(network_config)
    if needs_training and config.training is None:
        raise AsdzooError(f"{origin}: training is missing", "add `training:` to it")
    if config.training is not None and not needs_training:
        raise AsdzooError(f"{origin}: {config.model['name']} has nothing to train", "leave out the block `training:`")
    return System(name, config, network_config, detector_config)


def _module(block: dict[str, Any], kind: registry.Kind, origin: str) -> ModuleType:
    if not isinstance(block.get("name"), str):
        raise AsdzooError(f"{origin}: {kind}.name is missing", f"add `name:`, a file of zoo/{kind}s/, to the block {kind}")
    try:
        return registry.module(kind, block["name"])
    except AsdzooError as problem:
        raise AsdzooError(f"{origin}: {problem.message}", problem.hint) from None


def _without_name(block: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in block.items() if key != "name"}
