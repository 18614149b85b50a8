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
from pydantic import Field, PositiveFloat, PositiveInt

from zoo import registry
from zoo.classes import ClassesConfig, class_of, tells_nothing
from zoo.config import Frozen, ablation_paths, load_inherited, override, parse, shipped_configs
from zoo.data.clips import Clip
from zoo.data.store import WaveformStore
from zoo.data.synth.auxiliary import class_names as auxiliary_class_names
from zoo.data.views import View, view_of
from zoo.detectors import Detector, FloatArray, Need
from zoo.errors import AsdzooError, unknown_name
from zoo.files import require_plain_name
from zoo.hearing import Hearing, InputConfig
from zoo.legacy import current
from zoo.losses import Loss
from zoo.networks import DensityNetwork, Embedder, InputShape
from zoo.papers import Published
from zoo.pseudo_labels import PseudoConfig
from zoo.training.augment import AugmentConfig
from zoo.training.loop import TrainingConfig
from zoo.training.sampling import Indices


class AuxiliaryConfig(Frozen):
    """Synthetic machines that are trained on beside the recordings, and never scored (`zoo/data/synth/auxiliary.py`).

    They are made by this program from physics: no external data under the rules of the challenge.
    """

    machines: int = Field(16, ge=1, le=16)
    clips: PositiveInt = 40  # of each machine
    seconds: PositiveFloat | None = None  # of a clip; null: as many as the input has, 2 where clips keep their length


class SystemConfig(Frozen):
    """One system of the zoo."""

    description: str
    paper: str = ""
    published: list[Published] = Field(default_factory=list)  # what a paper reports of these very settings
    input: InputConfig = InputConfig()
    train_on: Literal["all", "group", "machine"] = "all"  # the clips that share a network
    classes: ClassesConfig = ClassesConfig()  # what a label is
    pseudo: PseudoConfig | None = None  # classes for clips whose attributes nobody tells; None: one for each machine
    supplemental: bool = False  # learn clips of the machine alone as well, where a year has them (2025); its rules allow it
    augment: AugmentConfig = AugmentConfig()  # what is done to waves in training
    model: dict[str, Any]  # name, and the Config of zoo/models/<name>.py
    auxiliary: AuxiliaryConfig | None = None  # synthetic machines to be told apart as well
    training: TrainingConfig | None = None  # None: of a network that needs none, which is used as it is
    seeds: PositiveInt = 1  # trainings of the whole: more than one are systems of their own, and NAME is their mean
    detector: dict[str, Any]  # name, and the Config of zoo/detectors/<name>.py


@dataclass(frozen=True)
class System:
    """A checked `SystemConfig`, ready to build what it describes."""

    name: str
    config: SystemConfig
    network_config: Frozen
    detector_config: Frozen
    unused: tuple[str, ...] = ()  # settings of `--set` that do not concern it
    seed: int = 0  # beyond the run's: which of its seeds it is of

    @property
    def members(self) -> "list[System]":
        """NAME.s0, NAME.s1, ..., a system for each of its seeds; with one seed it is its only member."""
        if self.config.seeds == 1:
            return [self]
        return [replace(self, name=f"{self.name}.s{seed}", seed=seed) for seed in range(self.config.seeds)]

    @property
    def hearing(self) -> Hearing:
        """How recordings become waves for the network."""
        return Hearing(self.config.input)

    @property
    def shape(self) -> InputShape:
        return self.hearing.shape

    def resolved(self) -> dict[str, Any]:
        """The whole config with every default written out, as JSON can hold it."""
        blocks = {
            "model": {"name": self.config.model["name"], **self.network_config.model_dump(mode="json")},
            "detector": {"name": self.config.detector["name"], **self.detector_config.model_dump(mode="json")},
        }
        return {**self.config.model_dump(mode="json"), **blocks}

    @property
    def drafted(self) -> "System":
        """The same with random weights in place of a checkpoint's: what depends on sizes alone needs no checkpoint."""
        changes: dict[str, Any] = {"init": "random"} if hasattr(self.network_config, "init") else {}
        for name in type(self.network_config).model_fields:
            if hasattr(block := getattr(self.network_config, name), "init"):
                changes[name] = block.model_copy(update={"init": "random"})
        return replace(self, network_config=self.network_config.model_copy(update=changes))

    def class_of(self, clip: Clip, told: str | None = None) -> str:
        """The class a training clip teaches; `told` is its pseudo-label."""
        return class_of(clip, self.config.classes, told)

    def build_network(self, classes: Sequence[str], seed: int) -> Embedder:
        """The network with fresh weights drawn by `seed`; a `Network` where there is something to train."""
        torch.manual_seed(seed)
        statuses = self.config.augment.statuses
        module = registry.module("model", self.config.model["name"])
        network: Embedder = module.build(self.network_config, self.shape, len(classes) * statuses)
        own = [not name.startswith("synthetic/") and tells_nothing(name, self.config.classes) for name in classes]
        bare = torch.tensor(own * statuses, dtype=torch.bool)
        for part in network.modules():
            if isinstance(part, Loss):
                part.unlabelled(bare.repeat(part.classes // max(1, len(bare))))  # FeatEx makes several of each class
        return network

    @property
    def views(self) -> list[View]:
        """What of recordings it hears."""
        names = (self.config.input.view, self.config.input.reference)
        return [view_of(name) for name in names if name is not None]

    @property
    def files(self) -> list[str]:
        """Files that the network is made of beside pretrained weights; most have none."""
        module = registry.module("model", self.config.model["name"])
        found: list[str] = module.files(self.network_config) if hasattr(module, "files") else []
        return found

    @property
    def auxiliary_classes(self) -> list[str]:
        """Names of the classes of synthetic machines, which stand behind those of the clips."""
        return auxiliary_class_names(self.config.auxiliary.machines) if self.config.auxiliary else []

    def embed(self, network: Embedder, store: WaveformStore, indices: Indices, batch: int = 32) -> FloatArray:
        """Embeddings (n, parts, dim), float32, of clips of the store, in order."""
        return self.hearing.embed(network, store, indices, batch)

    @property
    def needs_network_to_score(self) -> bool:
        """Whether the detector is the network's own density."""
        return bool(self.config.detector["name"] == "density")

    def build_detector(self, network: Embedder | None, classes: Sequence[str]) -> Detector:
        """A detector for one machine and section; only `density` looks at the network, and one of class odds at its classes."""
        module = registry.module("detector", self.config.detector["name"])
        need: Need | None = getattr(module, "NEEDS", None)
        detector: Detector
        if need is not None and need.flag == "CLASS_ODDS":
            detector = module.build(self.detector_config, lambda clip: classes.index(self.class_of(clip)))
            return detector
        if not self.needs_network_to_score:
            detector = module.build(self.detector_config)
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

        detector = module.build(self.detector_config, likelihood)
        return detector


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
    of_training = [setting for setting in settings if setting.split("=")[0].split(".")[0] in ("training", "seeds")]
    if values.get("training") is None and of_training:
        # `--set` is for all systems of a command, also for those that have nothing to train
        used = [one for one in settings if one not in of_training]
        system = system_of(path.stem, _changed(values, used), str(path))
        return replace(system, unused=tuple(of_training))
    return system_of(path.stem, _changed(values, settings), str(path))


def _changed(values: dict[str, Any], settings: Sequence[str]) -> dict[str, Any]:
    """`values` with `--set` put in; what was published is of the settings as they were, and of no others."""
    changed = override(values, settings)
    if any(setting.partition("=")[0] != "seeds" for setting in settings):
        changed.pop("published", None)
    return changed


def system_of(name: str, values: dict[str, Any], origin: str) -> System:
    """A system from the mapping that its YAML holds, or a run of today or of 0.1; `origin` is named in messages."""
    config = parse(SystemConfig, current(values), origin)
    network = _module(config.model, "model", origin)
    detector = _module(config.detector, "detector", origin)
    need: Need | None = getattr(detector, "NEEDS", None)
    if need is not None and not getattr(network, need.flag, False):
        raise AsdzooError(
            f"{origin}: the {config.detector['name']} detector needs a network with {need.what}, "
            f"which {config.model['name']} has not",
            f"use detector.name=knn, or model.name={need.model}",
        )
    network_config = parse(network.Config, _without_name(config.model), f"{origin}: model")
    detector_config = parse(detector.Config, _without_name(config.detector), f"{origin}: detector")
    needs_training = not hasattr(network, "needs_training") or network.needs_training(network_config)
    if needs_training and config.training is None:
        raise AsdzooError(f"{origin}: training is missing", "add `training:` to it")
    if config.training is not None and not needs_training:
        raise AsdzooError(f"{origin}: {config.model['name']} has nothing to train", "leave out the block `training:`")
    if config.training is None and config.seeds > 1:
        raise AsdzooError(f"{origin}: seeds is {config.seeds}, and nothing is trained: all are the same", "leave out `seeds:`")
    if config.pseudo is not None:
        _require_use(config, origin)
    _require_views(config, getattr(network, "VIEWS", 1), origin)
    return System(name, config, network_config, detector_config)


def _require_views(config: SystemConfig, views: int, origin: str) -> None:
    """Raises: AsdzooError when a model hears two views and gets one, or the other way round, or synthetic machines have one."""
    reference, name = config.input.reference, config.model["name"]
    if views == 2 and reference is None:
        raise AsdzooError(f"{origin}: {name} hears two views, and the input has one", "set input.reference=far")
    if views == 1 and reference is not None:
        raise AsdzooError(f"{origin}: {name} hears one view, and the input has two", "leave out input.reference")
    if reference is not None and config.auxiliary is not None:
        raise AsdzooError(
            f"{origin}: synthetic machines are heard by one microphone, and the input has two views",
            "set auxiliary=null, or leave out input.reference",
        )


def _require_use(config: SystemConfig, origin: str) -> None:
    """Raises: AsdzooError when nothing of the system looks at pseudo-labels, or its detector cannot."""
    if config.training is None or config.classes.of != "attributes":
        why = "nothing is trained" if config.training is None else "its classes are machines, whatever their attributes"
        raise AsdzooError(f"{origin}: pseudo-labels are of no use: {why}", "leave out the block `pseudo:`")
    if config.detector["name"] == "density":
        raise AsdzooError(
            f"{origin}: the density detector asks for the class of a test clip, and pseudo-labels are of training clips",
            "use detector.name=knn, or leave out the block `pseudo:`",
        )


def _module(block: dict[str, Any], kind: registry.Kind, origin: str) -> ModuleType:
    if not isinstance(block.get("name"), str):
        raise AsdzooError(f"{origin}: {kind}.name is missing", f"add `name:`, a file of zoo/{kind}s/, to the block {kind}")
    try:
        return registry.module(kind, block["name"])
    except AsdzooError as problem:
        raise AsdzooError(f"{origin}: {problem.message}", problem.hint) from None


def _without_name(block: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in block.items() if key != "name"}
