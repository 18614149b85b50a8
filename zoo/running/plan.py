"""The plan of a run: a list of independent tasks, made before anything is trained.

A task trains one network (system x group x seed) and embeds the clips of its machines with it. Tasks share nothing, so any
executor may run them in any order; `asdzoo train-all` runs them one after another in its own process.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.data.clips import Clip
from zoo.data.identity import content_hash
from zoo.errors import AsdzooError
from zoo.files import fingerprint
from zoo.pseudo_labels import Labels, counted
from zoo.running.beside import beside, sharing
from zoo.systems import System
from zoo.training.loop import VERSION, TrainingConfig

NOT_TRAINED = ("description", "paper", "published", "detector", "seeds")  # blocks of a config that no training depends on


@dataclass(frozen=True)
class Task:
    """One network to train, and the machines it is for."""

    system: System
    group: str  # "all", a machine group, or a machine, as the system's `train_on` says
    machines: tuple[str, ...]
    seed: int
    clips: tuple[Clip, ...]  # the train split of these machines
    beside: tuple[Clip, ...] = ()  # also trained on, but neither embedded nor scored: other years, supplemental clips
    told: Labels = field(default_factory=dict)  # pseudo-labels; before the clips are heard, as many as there will be

    @property
    def year(self) -> str:
        return self.clips[0].year

    @property
    def learnt(self) -> tuple[Clip, ...]:
        """All clips to train on."""
        return (*self.clips, *self.beside)

    @property
    def classes(self) -> list[str]:
        """The classes that number the labels, sorted."""
        return sorted({self.class_of(clip) for clip in self.learnt}) + self.system.auxiliary_classes

    def class_of(self, clip: Clip) -> str:
        """The class that a clip of the task teaches."""
        return self.system.class_of(clip, self.told.get(clip))

    @property
    def name(self) -> str:
        """The task's folder: its group and a fingerprint of all that its result depends on."""
        return f"{self.group}-{fingerprint(self.went_in)}"

    @property
    def went_in(self) -> dict[str, str]:
        """A fingerprint of each thing that the trained network depends on; what the clips teach is one of them."""
        parts: dict[str, object] = {
            "version": VERSION,
            "config": trained_config(self.system),
            "seed": self.seed,
            "recordings": [recording(clip) for clip in self.clips] + [[clip.year, *recording(clip)] for clip in self.beside],
            "classes": [self.system.class_of(clip) for clip in self.learnt] if self.system.config.training else [],
        }
        if files := self.system.files:
            parts["files"] = [content_hash(Path(file)) for file in files]
        if versions := [[view.name, view.version] for view in self.system.views if view.version > 1]:
            parts["views"] = versions
        return {name: fingerprint(part) for name, part in parts.items()}

    @property
    def clips_to_see(self) -> int:
        """How many clips training will look at, at most; none when there is nothing to train."""
        return most_clips(self.system.config.training, len(self.learnt))


def trained_config(system: System) -> dict[str, Any]:
    """What of a system's config its networks depend on."""
    return {key: value for key, value in system.resolved().items() if key not in NOT_TRAINED}


def origins(plan: Sequence[Task]) -> list[Task | None]:
    """For each task the one before it, of another system, whose network is the same; None where the network is its own.

    Systems that differ in what is done with embeddings share their networks.
    """
    first: dict[str, Task] = {}
    return [None if (found := first.setdefault(task.name, task)) is task else found for task in plan]


def followers(plan: Sequence[Task]) -> dict[str, str]:
    """Names of the systems without networks of their own -> the system that trains theirs."""
    found: dict[str, str] = {}
    for task, origin in zip(plan, origins(plan), strict=True):
        if origin is not None:
            found[task.system.name] = origin.system.name
    return found


def most_clips(training: TrainingConfig | None, clips: int) -> int:
    """How many clips a training on `clips` of them looks at, at most."""
    if training is None:
        return 0
    most = training.steps * training.batch * training.accumulation
    return most if training.epochs is None else min(most, math.ceil(training.epochs * clips))


def recording(clip: Clip) -> list[str | int]:
    """What tells one recording from another, and a changed one from what it was, wherever it lies and whatever its time.

    Machine, section, split and name; size and hash of all bytes.
    """
    size, _, content = stamp(clip)[4:]
    return [*_told(clip), size, content]


def stamp(clip: Clip) -> list[str | int]:
    """The same with the modification time (ns) after the size, which is all that runs of 0.1 knew."""
    status = clip.path.stat()
    return [*_told(clip), status.st_size, status.st_mtime_ns, content_hash(clip.path)]


def _told(clip: Clip) -> list[str | int]:
    return [clip.machine, clip.section, clip.split, clip.name]


def make_plan(systems: Sequence[System], clips: Sequence[Clip], groups: Mapping[str, str], seed: int) -> list[Task]:
    """All tasks of a run, system by system. `groups` files machines by hand (`--group MyPump=periodic`).

    `seed` is the run's, that of each system's first member.

    Clips of other years than the first one's are learnt, and nothing else is done with them (`zoo.running.beside`).

    Raises: AsdzooError when no machine has training clips.
    """
    also = [clip for clip in clips if clip.year != clips[0].year]
    clips = [clip for clip in clips if clip.year == clips[0].year]
    training = [clip for clip in clips if clip.split == "train"]
    if not training:
        raise AsdzooError("no machine has training clips", "recordings to train on lie in MACHINE/train/*.wav")
    machines = sorted({clip.machine for clip in training})
    tasks = []
    for system in systems:
        members: dict[str, list[str]] = {}
        shared = sharing(system, groups)
        for machine in machines:
            members.setdefault(shared(machine), []).append(machine)
        for group, names in sorted(members.items()):
            own = tuple(clip for clip in training if clip.machine in names)
            pseudo = system.config.pseudo
            more = beside(system, group, names, clips, also, groups)
            told = counted((*own, *more), pseudo, system.config.classes) if pseudo else {}
            tasks.append(Task(system, group, tuple(names), seed + system.seed, own, more, told))
    return tasks
