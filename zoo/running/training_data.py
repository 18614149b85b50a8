"""What a task trains on: its clips of the store, synthetic machines beside them, augmented as the system says."""

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from zoo.data.store import WaveformStore, in_floats
from zoo.data.synth.auxiliary import Auxiliary, auxiliary
from zoo.data.views import view_of
from zoo.errors import AsdzooError
from zoo.networks import FrameNetwork, Network, PreparedNetwork, side_by_side
from zoo.running.plan import Task
from zoo.training.augment import Augmentation, NoiseConfig, Read
from zoo.training.data import Batch, Fetch, TrainingData
from zoo.training.sampling import Indices


def training_data(task: Task, network: Network, store: WaveformStore, device: torch.device) -> TrainingData:
    """Everything that `Trainer` asks for, of a task.

    Raises: AsdzooError when a clip has not the channels that the system's view needs, there is no noise to mix in, or a system
    that is prepared once asks for augmentation.
    """
    system = task.system
    positions = {clip.path: index for index, clip in enumerate(store.clips)}
    index = np.array([positions[clip.path] for clip in task.learnt], np.int64)
    number = {name: number for number, name in enumerate(task.classes)}
    extra = _auxiliary(task)
    labels = np.array([number[name] for name in (*map(task.class_of, task.learnt), *extra.classes)], np.int64)
    names = [f"{clip.machine}/{clip.name}" for clip in task.clips]
    names += [f"{clip.year}/{clip.machine}/{clip.name}" for clip in task.beside]
    names += extra.classes
    samples, config = system.hearing.crop, system.config.augment
    in_every_step = not isinstance(network, PreparedNetwork | FrameNetwork) and not config.anything
    stored = in_every_step and system.config.training is not None and system.config.training.overlaps(device)

    def read(chosen: Indices, samples: int | None, generator: np.random.Generator | None) -> tuple[Tensor, Tensor]:
        of_store, made = np.flatnonzero(chosen < len(index)), np.flatnonzero(chosen >= len(index))
        if not len(made):
            return system.hearing.crops(store, index[chosen], samples, generator, stored)
        parts = [_crops(extra.waves[chosen[made] - len(index)], samples, generator, stored)]
        if len(of_store):
            parts.insert(0, system.hearing.crops(store, index[chosen[of_store]], samples, generator, stored))
        return _in_order(parts, np.concatenate([of_store, made]))

    noise = _noise(config.noise, task, store, index) if config.noise else None
    augmentation = Augmentation(config, len(task.classes), read, noise)

    def fetch(chosen: Indices, generator: np.random.Generator | None) -> Batch:
        if generator is None or not config.anything:
            waves, lengths = read(chosen, samples, generator)
            return waves, torch.from_numpy(labels[chosen]), lengths
        return augmentation.batch(chosen, labels[chosen], samples, generator)

    if not isinstance(network, PreparedNetwork | FrameNetwork):
        return TrainingData(fetch, labels, names)
    if config.anything:
        raise AsdzooError(
            f"{system.name} prepares each clip once, so nothing can be done to its waves in every step",
            "leave out the block `augment:`",
        )
    if isinstance(network, FrameNetwork):
        return _vectors(network.to(device), fetch, labels, names)
    return TrainingData(_prepared(network.to(device), fetch, labels), labels, names, prepared=True)


def _auxiliary(task: Task) -> Auxiliary:
    config, seconds = task.system.config.auxiliary, task.system.config.input.seconds
    if config is None:
        return Auxiliary(np.empty((0, 0), np.int16), ())
    return auxiliary(config.machines, config.clips, config.seconds or (seconds or 2.0), task.seed)


def _crops(
    waves: np.ndarray, samples: int | None, generator: np.random.Generator | None, stored: bool
) -> tuple[Tensor, Tensor]:
    """Waves int16 (clips, length) as (clips, samples): random crops, or repeated where they are too short."""
    if samples is not None:
        waves = np.tile(waves, (1, -(-samples // waves.shape[1])))
        starts = np.zeros(len(waves), np.int64)
        if generator is not None:
            starts = generator.integers(0, waves.shape[1] - samples, len(waves), endpoint=True)
        waves = np.take_along_axis(waves, starts[:, None] + np.arange(samples), axis=1)
    cropped = torch.from_numpy(np.ascontiguousarray(waves))
    return cropped if stored else in_floats(cropped), torch.full((len(waves),), waves.shape[1])


def _in_order(parts: list[tuple[Tensor, Tensor]], places: Indices) -> tuple[Tensor, Tensor]:
    """Batches one after the other, each row brought to its place; shorter ones are filled up with zeros."""
    width = max(waves.shape[1] for waves, _ in parts)
    waves = torch.cat([torch.nn.functional.pad(waves, (0, width - waves.shape[1])) for waves, _ in parts])
    order = torch.from_numpy(np.argsort(places))
    return waves[order], torch.cat([lengths for _, lengths in parts])[order]


def _noise(config: NoiseConfig, task: Task, store: WaveformStore, index: Indices) -> Read:
    """Reads noise for clips of the task: what their far microphone heard, supplemental noise, or clips of other machines.

    A system with a reference hears noise with both microphones, as the clip that it is of was heard; what the far one heard of
    the clip itself is added to the near one alone.
    """
    far = store.viewed(view_of("far")) if "far" in config.sources else None
    heard = [store.viewed(view) for view in task.system.views]
    pool = [
        number
        for number, clip in enumerate(store.clips)
        if "supplemental" in config.sources and clip.split == "supplemental" and clip.attributes == "noise"
    ]
    machines = np.array([clip.machine for clip in task.learnt])
    if "machines" in config.sources and len(set(machines)) < 2 and far is None and not pool:
        raise AsdzooError(
            f"{task.system.name} mixes in the clips of other machines, and {machines[0]} is the only one",
            "set augment.noise=null, or train it with other machines",
        )
    if config.sources == ("supplemental",) and not pool:
        raise AsdzooError(f"{task.system.name} mixes in supplemental noise, and there is none", "set augment.noise=null")

    several = len(set(machines)) > 1

    def one(clip: int, samples: int, generator: np.random.Generator) -> Tensor:
        there = {"far": far is not None and clip < len(index), "supplemental": bool(pool), "machines": several}
        kinds = [kind for kind in config.sources if there[kind]]
        if not kinds:  # a synthetic clip, and noise is only that of far microphones
            return torch.zeros(samples if len(heard) == 1 else (len(heard), samples))
        kind = kinds[int(generator.integers(len(kinds)))]
        sources, number = heard, 0
        if kind == "far" and far is not None:
            sources, number = [far], int(index[clip])
        elif kind == "supplemental":
            number = pool[int(generator.integers(len(pool)))]
        else:
            own = machines[clip] if clip < len(index) else ""
            number = int(index[generator.choice(np.flatnonzero(machines != own))])
        spare = max(0, int(sources[0].lengths[number]) - samples)
        start = int(generator.integers(0, spare, endpoint=True))
        waves = torch.cat([source.batch([number], samples=samples, starts=[start])[0] for source in sources])
        if len(heard) == 1:
            return waves[0]
        return torch.nn.functional.pad(waves, (0, 0, 0, len(heard) - len(waves)))

    def read(chosen: Indices, samples: int | None, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
        assert samples is not None  # as many as the batch it is added to has
        waves = torch.stack([one(int(clip), samples, generator) for clip in chosen])
        return waves, torch.full((len(chosen),), samples)

    return read


def _prepared(network: PreparedNetwork, fetch: Fetch, labels: Indices, batch: int = 32) -> Fetch:
    """`fetch` for a network whose front end is run once for each clip, here."""
    network.eval()
    device = network.device
    parts = []
    for start in range(0, len(labels), batch):
        waves, _, lengths = fetch(np.arange(start, min(start + batch, len(labels))), None)
        parts.append(network.prepare(waves.to(device), lengths.to(device)))
    prepared = torch.cat(parts)
    return lambda chosen, generator: (
        prepared[torch.from_numpy(chosen).to(device)],
        torch.from_numpy(labels[chosen]),
        torch.empty(0),
    )


def _vectors(network: FrameNetwork, fetch: Fetch, labels: Indices, names: list[str], batch: int = 32) -> TrainingData:
    """All frames of all clips in one tensor, out of which batches of vectors are drawn."""
    device, parts = network.device, []
    for start in range(0, len(labels), batch):
        waves, _, lengths = fetch(np.arange(start, min(start + batch, len(labels))), None)
        frames, counts = network.frames(waves.to(device), lengths.to(device))
        parts += [own[:count].clone() for own, count in zip(frames, counts.tolist(), strict=True)]
    first = np.cumsum([0, *(len(part) for part in parts)])  # frame of each clip
    starts = [np.arange(start, end - network.context + 1, network.stride) for start, end in pairwise(first)]
    clips, rows = np.repeat(np.arange(len(parts)), [len(own) for own in starts]), np.concatenate(starts)
    vectors, places, own = side_by_side(torch.cat(parts), network.context), torch.from_numpy(rows), labels[clips]

    def batch_of(chosen: Indices, generator: np.random.Generator | None) -> Batch:
        drawn = torch.from_numpy(chosen)
        return vectors[places[drawn].to(device)], torch.from_numpy(own[chosen]), torch.empty(0)

    return TrainingData(batch_of, own, names, prepared=True, clips=clips)
