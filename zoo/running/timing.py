"""How long the tasks of a plan will take on this device: a few steps of each system, measured and thrown away.

Where training stops early, nobody knows when. It takes at least `patience` validations, and most of the networks here are at
their best soon: `EARLY` times that is planned with, or all steps where these are fewer.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from accelerate import Accelerator

from zoo.data.store import WaveformStore
from zoo.networks import Embedder, FrameNetwork, Network
from zoo.progress import Progress, unseen
from zoo.running.plan import Task
from zoo.running.training_data import training_data
from zoo.systems import System
from zoo.training.data import TrainingData
from zoo.training.loop import Hooks, StepTaken, Trainer, TrainingConfig

MOST_PASSES = 4  # forward and backward passes that are measured; the first one is slower and counts only if it is alone
LONG_ENOUGH = 4.0  # seconds after which no more are
CLIPS_OF_A_PASS = 8  # on a CPU, at most
CLIPS_TO_EMBED = 8
EARLY = 1.25  # open: NF-CDEE on 234 clips was best at step 40, and stopped at 1040


@dataclass(frozen=True)
class Timing:
    """Of one system: what its training and its embeddings cost."""

    system: System
    tasks: tuple[Task, ...]
    passes: float  # seconds of one forward and backward pass over `training.batch` clips; 0 where nothing is trained
    embedding: float  # seconds, of all clips that are embedded
    steps: tuple[int, ...]  # of each task, at most
    made: tuple[int, ...] = ()  # of each task, steps from which it goes on; () where all begin

    partly: bool = False  # other tasks of the system are trained: it keeps its steps, whatever time there is for them

    @property
    def step(self) -> float:
        """Seconds of one optimizer step."""
        training = self.system.config.training
        return 0.0 if training is None else self.passes * training.accumulation

    @property
    def training(self) -> float:
        """Seconds, of all tasks."""
        return sum(self.training_of)

    @property
    def training_of(self) -> list[float]:
        """Seconds that the training of each task takes, of those steps that are not made."""
        return [self.step * (usual - made) for usual, made in zip(self.usual, self.already, strict=True)]

    @property
    def already(self) -> tuple[int, ...]:
        return self.made or (0,) * len(self.tasks)

    @property
    def usual(self) -> list[int]:
        """Steps of each task, as many as are to be expected."""
        training = self.system.config.training
        if training is None or training.patience is None or not training.holdout:
            return list(self.steps)
        window = training.patience * training.validate_every
        return [
            min(most, max(round(EARLY * window), made + window)) for most, made in zip(self.steps, self.already, strict=True)
        ]

    @property
    def embedding_of(self) -> list[float]:
        """Seconds that the clips of each task take to be embedded."""
        machines = [len(task.machines) for task in self.tasks]
        return [self.embedding * own / sum(machines) for own in machines]

    @property
    def seconds(self) -> float:
        return self.training + self.embedding


class _EnoughError(Exception):
    """No more steps are needed."""


def timings(plan: Sequence[Task], store: WaveformStore, accelerator: Accelerator, progress: Progress = unseen) -> list[Timing]:
    """Measure each system of a plan, on the task with the most to learn.

    Raises: AsdzooError when a network cannot be built or trained, as its training would.
    """
    systems = {task.system.name: task.system for task in plan}
    found = []
    for done, system in enumerate(systems.values(), start=1):
        own = tuple(task for task in plan if task.system is system)
        found.append(_timing(own, store, accelerator))
        progress(done, len(systems))
    return found


def _timing(tasks: tuple[Task, ...], store: WaveformStore, accelerator: Accelerator) -> Timing:
    system, training = tasks[0].system, tasks[0].system.config.training
    learnt = _learnt(tasks, store)
    task = tasks[learnt.index(max(learnt))]
    network = system.build_network(task.classes, task.seed)
    passes, steps = 0.0, [0] * len(tasks)
    if training is not None and isinstance(network, Network):
        data = training_data(task, network, store, accelerator.device)
        most = Trainer(network, data, training, task.seed, accelerator).steps
        # epochs count clips or vectors, so that a task with fewer of them takes fewer steps
        steps = [most if training.epochs is None else -(-most * own // max(learnt)) for own in learnt]
        passes = _seconds_of_a_pass(network, data, training, accelerator)
    machines = {machine for one in tasks for machine in one.machines}
    heard = [i for i, clip in enumerate(store.clips) if clip.machine in machines and clip.split in ("train", "test")]
    embedding = _seconds_to_embed(system, network.to(accelerator.device).eval(), store, heard)
    return Timing(system, tasks, passes, embedding, tuple(steps))


def _learnt(tasks: Sequence[Task], store: WaveformStore) -> list[int]:
    """How much each task learns: clips, or samples where its network sees vectors, of which a longer clip has more."""
    first = tasks[0]
    if not isinstance(first.system.build_network(first.classes, first.seed), FrameNetwork):
        return [len(task.learnt) for task in tasks]
    lengths = {clip.path: int(length) for clip, length in zip(store.clips, store.lengths, strict=True)}
    return [sum(lengths[clip.path] for clip in task.learnt) for task in tasks]


def _seconds_of_a_pass(network: Network, data: TrainingData, training: TrainingConfig, accelerator: Accelerator) -> float:
    few = {
        "steps": MOST_PASSES,
        "accumulation": 1,
        "merge": False,
        "epochs": None,
        "holdout": 0.0,
        "patience": None,
        "overlap": False,
    }
    # on a CPU a pass takes as long as its clips; a GPU needs many of them to show what it can
    batch = min(training.batch, CLIPS_OF_A_PASS) if accelerator.device.type == "cpu" else training.batch
    config = training.model_copy(update={**few, "batch": batch, "average": 1, "validate_every": MOST_PASSES + 1})
    ends: list[float] = []

    def stepped(now: StepTaken) -> None:
        ends.append(time.perf_counter())
        if ends[-1] - begun > LONG_ENOUGH:
            raise _EnoughError

    begun = time.perf_counter()
    with suppress(_EnoughError):
        Trainer(network, data, config, 0, accelerator, Hooks(stepped=stepped)).run()
    instants = [begun, *ends] if len(ends) == 1 else ends
    return training.batch / batch * min(later - earlier for earlier, later in pairwise(instants))


def _seconds_to_embed(system: System, network: Embedder, store: WaveformStore, heard: Sequence[int]) -> float:
    few = np.asarray(heard[:: max(1, len(heard) // CLIPS_TO_EMBED)][:CLIPS_TO_EMBED], np.int64)
    took = []
    for _ in range(2):
        begun = time.perf_counter()
        system.embed(network, store, few)
        took.append(time.perf_counter() - begun)
        if took[0] > LONG_ENOUGH:
            break
    return min(took) / len(few) * len(heard)
