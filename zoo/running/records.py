"""What run.json and task.json hold, as frozen models.

Files of earlier versions open: what they lack has a default, and keys that this version does not know are kept when the file is
written again. Nothing of torch is imported here, so that `evaluate` and `report` start at once.
"""

import platform
from collections.abc import Collection, Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator
from pydantic_core import from_json

from zoo.errors import AsdzooError, listed
from zoo.files import write_json
from zoo.training.cost import Cost

MOST_BYTES = 64 * 2**20  # of one record; the largest seen, with a class for every clip of a year, has under 4 MB
Versions = dict[str, str]  # package -> version


class Record(BaseModel):
    """A JSON file of a run."""

    model_config = ConfigDict(frozen=True, extra="allow")

    def write(self, path: Path) -> None:
        """Write what was given, whole or not at all; defaults stay unwritten."""
        write_json(path, self.model_dump(mode="json", exclude_unset=True))


class Parameters(Record):
    """How many numbers a system's networks have together."""

    total: int = 0  # frozen ones included
    trainable: int = 0


class SystemInfo(Record):
    """What run.json says of one system."""

    config: dict[str, Any] = {}  # the whole YAML, defaults included
    tasks: tuple[str, ...] = ()  # folders below systems/SYSTEM
    parameters: Parameters = Parameters()
    macs: int | None = None  # for one clip; None: not known
    versions: Versions = {}  # what trained it; empty in runs of 0.1: then those of the run

    @field_validator("config")
    @classmethod
    def _has_blocks(cls, config: dict[str, Any]) -> dict[str, Any]:
        for name in ("input", "model", "detector"):
            if not isinstance(config.get(name, {}), Mapping):
                raise ValueError(f"{name} is no block of settings")
        rate = config.get("input", {}).get("sample_rate", 16000)
        if not isinstance(rate, int) or isinstance(rate, bool) or rate < 1:
            raise ValueError("input.sample_rate is no number of Hz")
        return config

    def block(self, name: Literal["input", "model", "detector"]) -> Mapping[str, Any]:
        """A block of the config; empty where there is none."""
        found: Mapping[str, Any] = self.config.get(name, {})
        return found


class TableInfo(Record):
    """What run.json says of a score table: how it is known to be whole, and not older than what it was made from."""

    rows: int
    digest: str  # of the file
    before: str = ""  # digest of the file that it takes the place of: what lies there when a command was cut off in between


class Share(Record):
    """What a budget gives each network of a system."""

    training: dict[str, float] = {}  # group -> seconds that it is planned to take
    embedding: dict[str, float] = {}  # likewise
    least: int = 0  # steps before which its network is of no use


class BudgetInfo(Record):
    """What run.json says of `train-all --budget`: the plan that was fitted, so that the same command goes on with it."""

    seconds: float
    went_in: str  # fingerprint of the systems that were to be fitted
    order: tuple[str, ...]  # of the systems that are trained
    training: dict[str, dict[str, Any]] = {}  # the block of those that were cut
    shares: dict[str, Share] = {}  # of the systems that are trained
    cut: dict[str, str] = {}  # system -> what was cut
    stopped: dict[str, str] = {}  # system -> where its share of the time was over
    left_out: dict[str, str] = {}  # system -> why

    def of_others(self, systems: Collection[str]) -> dict[str, dict[str, str]]:
        """What was cut of other systems than these."""
        return {
            name: {system: said for system, said in getattr(self, name).items() if system not in systems}
            for name in ("cut", "stopped", "left_out")
        }

    def finished(self, system: str, training: Mapping[str, Any] | None) -> "BudgetInfo":
        """The same, when a system is done with this block `training`."""
        changes = self.of_others([system])
        if system in self.cut and self.training.get(system) == training:
            changes["cut"] = self.cut
        return self.model_copy(update=changes)

    @property
    def said(self) -> list[str]:
        """What is not as it was to be, a few words for each system; [] where nothing is."""
        named = [*self.cut.items(), *self.stopped.items()]
        return [f"{system} {what}" for system, what in named] + [f"{system} left out" for system in self.left_out]


class RunInfo(Record):
    """run.json: what went into a run."""

    year: str | None = None
    data: str | None = None  # folder of the recordings, as it was typed
    also: tuple[str, ...] = ()  # folders of other years whose training clips are learnt as well, as they were typed
    seed: int | None = None
    groups: dict[str, str] = {}  # machines filed by hand: machine -> group
    calibrate_on: Literal["train", "test"] = "train"
    versions: Versions = {}  # what began the run
    systems: dict[str, SystemInfo] = {}
    tables: dict[str, TableInfo] = {}  # score tables by name; empty in runs of 0.1
    without_training: dict[str, int] = {}  # machine and section -> its test clips, which nothing can score
    budget: BudgetInfo | None = None  # what `--budget` cut
    marks: tuple[str, ...] = ()  # see `zoo.running.marks`
    left_out: tuple[str, ...] = ()  # what was said of recordings that could not be used or look odd, by path

    @property
    def cannot_score(self) -> str:
        """A sentence on test clips without training clips; "" where there are none."""
        if not self.without_training:
            return ""
        shown = listed([f"{part} ({count})" for part, count in sorted(self.without_training.items())], 8)
        return f"test clips without training clips, which nothing can score: {shown}"

    def versions_of(self, system: str) -> Versions:
        """The versions that trained a system."""
        known = self.systems.get(system)
        return known.versions if known is not None and known.versions else self.versions


class TaskInfo(Record):
    """task.json: what went into one network, and what it costs."""

    system: str
    group: str
    machines: tuple[str, ...]
    classes: tuple[str, ...]
    seed: int
    cost: Cost
    config: dict[str, Any] = {}
    clips: int = 0  # to train on
    trains: bool = True  # False: a network that is used as it is, for which no weights may be kept
    untrained: bool = False
    stopped: int | None = None  # the step at which its share of a budget was over
    went_in: dict[str, str] = {}  # fingerprints of what the training depends on; empty in runs of 0.1
    weights: dict[str, str] = {}  # checkpoints that are named by a path -> hash of their content
    versions: Versions = {}  # what trained it; empty in runs of 0.1


R = TypeVar("R", bound=Record)


def read_record(path: Path, kind: type[R], cure: str) -> R:
    """The record in a file.

    Raises: AsdzooError, with `cure` as its hint, when the file is missing, empty, no JSON, or of another type.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"it has {path.stat().st_size / 1e6:.0f} MB")
        if not (content := path.read_bytes()).strip():
            raise ValueError("it is empty")
        return kind.model_validate(from_json(content, allow_inf_nan=False))
    except FileNotFoundError as problem:
        raise AsdzooError(f"{path} is missing", cure) from problem
    except ValidationError as problem:
        first = problem.errors()[0]
        where = ".".join(map(str, first["loc"]))
        said = f"{where}: {first['msg']}" if where else "it is no JSON object"
        raise AsdzooError(f"{path} is damaged: {said}", cure) from problem
    except (OSError, ValueError) as problem:
        raise AsdzooError(f"{path} is damaged: {problem}", cure) from problem


def versions_now() -> Versions:
    """Versions that a result may depend on."""
    packages = ("torch", "numpy", "scikit-learn", "imbalanced-learn", "pyro-ppl")
    return {"asdzoo": version("asdzoo"), "python": platform.python_version()} | {name: version(name) for name in packages}


def joined_versions(all_versions: Iterable[Versions]) -> Versions:
    """Versions of several trainings as one table; those that differ stand side by side: "2.6.0, 2.7.1"."""
    found: dict[str, list[str]] = {}
    for versions in all_versions:
        for package, one in versions.items():
            if one not in found.setdefault(package, []):
                found[package].append(one)
    return {package: ", ".join(several) for package, several in found.items()}


def changed_versions(then: Versions, now: Versions) -> str:
    """What differs between two versions where it can change numbers: "asdzoo 0.1.0 (now 0.2.0)"; "" when nothing does."""
    differing = [name for name in now if name != "python" and name in then and then[name] != now[name]]
    return ", ".join(f"{name} {then[name]} (now {now[name]})" for name in differing)
