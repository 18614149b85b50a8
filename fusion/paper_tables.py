"""Tables of papers that can be made again: what each needs, what is missing, and what making it costs.

`configs/tables/NAME.yaml` says which systems and ensembles the rows of a table are. Their numbers stand in the YAML of each, as
`published:`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import Field, PositiveInt

from zoo.config import Frozen, load_yaml, parse, shipped_configs
from zoo.data.published import facts_of
from zoo.data.years import YEARS
from zoo.errors import AsdzooError, listed, unknown_name
from zoo.papers import SET_NAMES, SetName

if TYPE_CHECKING:
    from zoo.systems import System

CLIPS = 1000  # training clips of a section, where the published number is not known


class PaperTable(Frozen):
    """One table: `configs/tables/NAME.yaml`."""

    title: str
    year: str  # of the recordings
    sets: list[SetName] = Field(min_length=1)
    systems: list[str] = Field(min_length=1)  # rows, and members of the ensembles
    ensembles: list[str] = Field(default_factory=list)  # more rows
    seeds: PositiveInt = 1  # trainings of each system, whose mean the paper prints

    @property
    def machines(self) -> tuple[str, ...]:
        """The machines of its sets."""
        year = YEARS[self.year]
        parts = [year.development if name == "dev" else year.evaluation for name in self.sets]
        return tuple(dict.fromkeys(machine for part in parts for machine in part))

    @property
    def sections(self) -> tuple[str, ...]:
        """The sections that each of them has in its sets."""
        year = YEARS[self.year]
        parts = [year.development_sections if name == "dev" else year.evaluation_sections for name in self.sets]
        return tuple(dict.fromkeys(section for part in parts for section in part))

    @property
    def said(self) -> str:
        """Which recordings: "the development set of 2024"."""
        return f"the {' and the '.join(SET_NAMES[name] for name in self.sets)} set of {self.year}"


def table_paths() -> dict[str, Path]:
    """The shipped tables by name."""
    return {path.stem: path for path in sorted((shipped_configs() / "tables").glob("*.yaml"))}


def find_table(name: str) -> PaperTable:
    """Raises: AsdzooError for a name that no table has."""
    paths = table_paths()
    if name not in paths:
        raise unknown_name("table", name, paths)
    return parse(PaperTable, load_yaml(paths[name]), str(paths[name]))


class Cost(NamedTuple):
    """What one system of a table costs, from published counts alone."""

    system: str
    networks: int
    clips: int  # to train on, the networks of all machines together
    seen: int  # clips that training looks at, at most
    trainable: int  # of one network
    training: float  # TFLOP, at most
    embedding: float  # TFLOP, of all clips once for each seed
    trainer: str = ""  # the system of the table whose networks and embeddings it has


@dataclass(frozen=True)
class Estimate:
    """The costs of a table's systems, and what they rest on."""

    costs: list[Cost]
    assumed: tuple[str, ...]  # machines whose number of training clips is not known, and taken as CLIPS


def estimate(table: PaperTable, telling: Callable[[str], None] = lambda name: None) -> Estimate:
    """Costs of all systems; `telling` hears the name of each. One that shares its networks with another trains none."""
    from zoo.systems import load_system

    facts = {machine: facts_of(table.year, machine) for machine in table.machines}
    train = {machine: sum(own.train.values()) if own.train else CLIPS for machine, own in facts.items()}
    test = {machine: sum(own.test.values()) if own.test else own.test_sum or 0 for machine, own in facts.items()}
    seconds = max((own.seconds[1] for own in facts.values() if own.seconds), default=10.0)
    sections = {machine: len(table.sections) for machine in table.machines}
    costs, known = [], dict[str, Any]()
    for name in table.systems:
        telling(name)
        costs.append(
            _cost(
                load_system(name),
                table.seeds,
                {machine: train[machine] * sections[machine] for machine in table.machines},
                sum((train[machine] + test[machine]) * sections[machine] for machine in table.machines),
                seconds,
                [f"{table.year}/{machine}/{section}/" for machine in table.machines for section in table.sections],
                known,
            )
        )
    return Estimate(costs, tuple(machine for machine, own in facts.items() if own.train is None))


def _cost(
    system: "System",
    seeds: int,
    train: Mapping[str, int],
    every: int,
    seconds: float,
    classes: Sequence[str],
    known: dict[str, Any],
) -> Cost:
    from zoo.running.beside import sharing
    from zoo.running.forecast import forecast
    from zoo.running.plan import most_clips, trained_config

    key = repr((system.resolved()["model"], system.shape, len(classes)))
    if key not in known:  # rows of a table often differ in what is not the network
        known[key] = forecast(system, classes, seconds)
    cost = known[key]
    shared = sharing(system, {})
    names = [shared(machine) for machine in train]
    clips = [sum(train[machine] for machine in train if shared(machine) == name) for name in dict.fromkeys(names)]
    of_training = repr(trained_config(system))
    trainer = known.setdefault(of_training, system.name)
    if trainer != system.name:
        return Cost(system.name, 0, 0, 0, cost.trainable, 0.0, 0.0, trainer)
    times = seeds if system.config.training is not None else 1
    seen = times * sum(most_clips(system.config.training, count) for count in clips)
    heard = system.shape.samples
    windows = 1
    if heard is not None and system.config.input.longer == "windows":
        windows = math.ceil(seconds * system.shape.sample_rate / heard)
    embedding = times * cost.to_score(every * windows) / 1e12
    return Cost(system.name, times * len(clips), sum(clips), seen, cost.trainable, cost.to_train(seen) / 1e12, embedding)


def missing_weights(table: PaperTable) -> list[str]:
    """Known checkpoints that its systems need and that are not here."""
    from zoo.checkpoints.known import cached, known
    from zoo.systems import load_system

    found: dict[str, None] = {}
    for name in table.systems:
        model = load_system(name).network_config.model_dump()
        for block in (model, *(value for value in model.values() if isinstance(value, dict))):
            if "init" in block and block.get("weights") in known() and cached(block["weights"]) is None:
                found[block["weights"]] = None
    return list(found)


def missing_recordings(table: PaperTable, data: Path) -> str:
    """Why the recordings in a folder do not do for a table; "" when they do."""
    from zoo.data.clips import find_clips

    try:
        clips = find_clips(data, table.year)
    except AsdzooError as problem:
        return problem.message
    there = {(clip.machine, clip.section, clip.split) for clip in clips}
    absent = [
        machine
        for machine in table.machines
        if not all((machine, section, split) in there for section in table.sections for split in ("train", "test"))
    ]
    return f"{data} does not hold all of {table.said}; missing, in whole or in part: {listed(absent)}" if absent else ""


def to_fetch(table: PaperTable) -> list[str]:
    """The commands that bring the recordings and weights that are not here."""
    part = " --part dev" if table.sets == ["dev"] else ""
    truth = [f"asdzoo data fetch {table.year} --part truth"] if "eval" in table.sets else []
    weights = [f"asdzoo weights fetch {name}" for name in missing_weights(table)]
    return [f"asdzoo data fetch {table.year}{part}", *truth, *weights]
