"""The stages of a task, each a pure function of files: train, embed, score."""

import csv
import io
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from accelerate import Accelerator

from zoo.data.store import WaveformStore
from zoo.detectors import FloatArray
from zoo.errors import AsdzooError
from zoo.files import write_text
from zoo.networks import Embedder, Network
from zoo.progress import Progress, unseen
from zoo.running.embeddings import Embeddings
from zoo.running.going_on import earlier_state
from zoo.running.limits import Limit
from zoo.running.own_files import load_weights, read_checkpoint, save_checkpoint, save_weights
from zoo.running.own_weights import own_weights, require_same_weights
from zoo.running.plan import Task, stamp
from zoo.running.pseudo_files import with_pseudo_labels
from zoo.running.records import TaskInfo, changed_versions, joined_versions, versions_now
from zoo.running.task_folder import TaskFolder
from zoo.running.training_data import training_data
from zoo.scores import ScoreTable
from zoo.systems import System
from zoo.training.cost import Cost, cost_of
from zoo.training.loop import CheckpointError, Hooks, Trainer, TrainingConfig
from zoo.training.tracking import tensorboard


def train(
    task: Task,
    folder: TaskFolder,
    store: WaveformStore,
    accelerator: Accelerator,
    hooks: Hooks,
    limit: Limit | None = None,
) -> Cost:
    """Train the task's network unless it is trained already; go on from its last checkpoint if there is one.

    Without one it goes on where a shorter training of the same kind ended. When the time of `limit` is over, the network is as
    good as it is then, and the checkpoint stays; with too few steps there is the checkpoint alone.

    A network that needs no training is used as it is: there is no checkpoint, and weights only if it has something to keep.

    Raises: AsdzooError from training, when a clip of the task is not in the store, or when a checkpoint's file has changed.
    """
    before = _known(folder, hooks)
    if folder.trained and before is not None:
        require_same_weights(before, task.system)
        return before.cost
    limit, name = limit or Limit(), f"{task.system.name} ({task.group})"
    task = with_pseudo_labels(task, folder.path, store, accelerator.device)
    network = task.system.build_network(task.classes, task.seed)
    cost = cost_of(network, task.system.shape)
    training = task.system.config.training
    done, state = folder.trained, read_checkpoint(folder.checkpoint)
    goes_on = before is not None and state is not None
    if training is None:
        save_weights(network, folder.weights)
    record = TaskInfo(
        system=task.system.name,
        config=task.system.resolved(),
        group=task.group,
        machines=task.machines,
        seed=task.seed,
        classes=tuple(task.classes),
        clips=len(task.learnt),
        trains=training is not None,
        untrained=network.untrained,
        cost=cost,
        went_in=task.went_in,
        weights=own_weights(task.system),
        versions=joined_versions([before.versions if before and goes_on else {}, {} if done else versions_now()]),
    )
    record.write(folder.record)
    if done or training is None:
        return cost
    if before and goes_on and (changed := changed_versions(before.versions, versions_now())):
        hooks.note(f"the training of {name} was begun by another version and goes on: {changed}")
    with tensorboard(folder.path) as log:

        def validated(history: list[dict[str, float]]) -> None:
            write_text(folder.path / "training.csv", _as_csv(history))
            log(history[-1])

        def save(state: dict[str, Any]) -> None:
            save_checkpoint(state, folder.checkpoint)

        def ended(state: dict[str, Any], stopped: bool) -> None:
            if stopped or limit.cut:
                save_checkpoint(state, folder.checkpoint if stopped else folder.last_state)

        hooks = replace(hooks, validated=validated, save=save, ended=ended, seconds=limit.longest)
        trainer = _trainer(task, network, training, store, accelerator, hooks)
        if state is None and (earlier := earlier_state(task, folder, trainer.steps, hooks.note)):
            state = earlier[1]
            hooks.note(f"{name} goes on from step {state['step']} of {earlier[0].path}")
        try:
            trainer.run(state)
        except CheckpointError:
            hooks.note(f"{folder.checkpoint} is of another training; this one begins again")
            network = task.system.build_network(task.classes, task.seed)
            trainer = _trainer(task, network, training, store, accelerator, hooks)
            trainer.run()
    if trainer.stopped and trainer.step < limit.least:
        hooks.note(
            f"{name} had time for {trainer.step} of {trainer.steps} steps and is of no use before {limit.least}: "
            "it is left out, and the same command goes on with it"
        )
        return cost
    if trainer.stopped:
        record.model_copy(update={"stopped": trainer.step}).write(folder.record)
        hooks.note(
            f"{name} is stopped at step {trainer.step} of {trainer.steps}, its share of the time is over: it is used as it is, "
            "and the same command goes on with it"
        )
    if trainer.learnt_nothing:
        hooks.note(
            f"{name}: the loss on held-out clips never got below its start ({trainer.start:.3f}): "
            "what was learnt does not carry over to clips that were not trained on"
        )
    if folder.weights.exists():  # of a network that was stopped
        shutil.rmtree(folder.path / "embeddings", ignore_errors=True)
    save_weights(trainer.network, folder.weights)
    if not trainer.stopped:
        folder.checkpoint.unlink(missing_ok=True)
    return cost


def _trainer(
    task: Task, network: Embedder, training: TrainingConfig, store: WaveformStore, accelerator: Accelerator, hooks: Hooks
) -> Trainer:
    if not isinstance(network, Network):
        raise TypeError(f"{task.system.name}: {type(network).__name__} is no Network, it has nothing to train")
    data = training_data(task, network, store, accelerator.device)
    if data.prepared:
        positions = {clip.path: index for index, clip in enumerate(store.clips)}
        learnt = np.array([positions[clip.path] for clip in task.learnt], np.int64)
        clips, seconds = task.system.hearing.unheard_when_prepared(store, learnt)
        if clips:
            heard = (
                f"{task.system.name} ({task.group}) learns from the first {task.system.hearing.prepared_seconds:g} s of a clip"
            )
            hooks.note(f"{heard}: {seconds:,.1f} s of {clips} training clips go unheard; cut these into shorter ones")
    return Trainer(network, data, training, task.seed, accelerator, hooks)


def _known(folder: TaskFolder, hooks: Hooks) -> TaskInfo | None:
    """What is written of the task already; a damaged record is said, and is made again from the task."""
    if not folder.record.exists():
        return None
    try:
        return folder.info()
    except AsdzooError as problem:
        hooks.note(f"{problem.message}; it is written anew")
        return None


def _as_csv(history: Sequence[dict[str, float]]) -> str:
    text = io.StringIO()
    columns = list(dict.fromkeys(column for row in history for column in row))
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "step": int(row["step"])} for row in history)
    return text.getvalue()


def load_network(system: System, folder: TaskFolder, accelerator: Accelerator) -> Embedder:
    """The trained network of a task, on the accelerator's device, in evaluation mode.

    Raises: AsdzooError when it was not trained to the end, or its weights do not fit.
    """
    info = folder.info()
    if not folder.usable:
        raise AsdzooError(f"{system.name} is not trained: there is no {folder.weights}", "run `asdzoo train-all` again")
    network = system.build_network(info.classes, info.seed)
    if folder.weights.exists():
        load_weights(network, folder.weights)
    return network.to(accelerator.device).eval()


def embed(
    system: System,
    folder: TaskFolder,
    store: WaveformStore,
    accelerator: Accelerator,
    elsewhere: Callable[[str], Iterable[Embeddings]] = lambda machine: (),
    keep_absent: bool = False,
    progress: Progress = unseen,
) -> None:
    """Embed the store's train and test clips of the task's machines; clips embedded before are not embedded again.

    `elsewhere` gives embeddings of a machine that the same network has made for another system.
    `keep_absent` keeps rows of clips that the store does not hold (the training recordings, when only test clips are at hand).
    """
    network: Embedder | None = None
    machines = folder.info().machines
    for done, machine in enumerate(machines):
        path = folder.embeddings(machine)
        old = Embeddings.read(path) if path.exists() else Embeddings((), (), np.empty((0, 1, 0), np.float32))
        indices = [i for i, clip in enumerate(store.clips) if clip.machine == machine and clip.split in ("train", "test")]
        stamps = [stamp(store.clips[i]) for i in indices]
        known = {_without_time(entry): row for row, entry in enumerate(old.stamps)}
        here = {tuple(entry[:4]) for entry in stamps}
        kept = [row for row, entry in enumerate(old.stamps) if keep_absent and tuple(entry[:4]) not in here]
        found = [known.get(_without_time(entry), known.get(tuple(entry[:6]))) for entry in stamps]  # stamps of 0.1 have no hash
        new = [position for position, row in enumerate(found) if row is None]
        clips = (*(old.clips[row] for row in kept), *(store.clips[i] for i in indices))
        if new or clips != old.clips:  # with the rows goes what is said of each clip now: label, domain, attributes
            rows = [old.values[row] for row in kept]
            fresh: dict[int, FloatArray] = {}
            wanted = {_without_time(stamps[position]): position for position in new}
            for one in elsewhere(machine) if new else ():
                fresh |= {wanted[key]: row for key, row in _by_stamp(one).items() if key in wanted}
                if len(fresh) == len(new):
                    break
            if new := [position for position in new if position not in fresh]:
                network = network or load_network(system, folder, accelerator)
                made = system.embed(network, store, np.array([indices[position] for position in new], np.int64))
                fresh |= dict(zip(new, made, strict=True))
            rows += [fresh[position] if row is None else old.values[row] for position, row in enumerate(found)]
            values = np.stack(rows) if rows else old.values[:0]
            Embeddings(clips, (*(old.stamps[row] for row in kept), *stamps), values).write(path)
        progress(done + 1, len(machines))


def unheard(system: System, folder: TaskFolder, store: WaveformStore) -> list[tuple[str, str]]:
    """Notes as `score` gives them, on the machines whose clips are longer than what is scored of them."""
    found = []
    for machine in folder.info().machines:
        own = [i for i, clip in enumerate(store.clips) if clip.machine == machine and clip.split in ("train", "test")]
        clips, seconds = system.hearing.unheard(store, own)
        if clips:
            found.append(f"{machine}: {seconds:,.1f} s of {clips} clips go unheard")
    if not found:
        return []
    heard = f"of longer clips the first {system.config.input.seconds:g} s are scored; --set input.longer=windows hears all"
    return [(heard, part) for part in found]


def _by_stamp(made: Embeddings) -> dict[tuple[str | int, ...], FloatArray]:
    return {_without_time(stamp): row for stamp, row in zip(made.stamps, made.values, strict=True)}


def _without_time(stamp: Sequence[str | int]) -> tuple[str | int, ...]:
    """A stamp but for the modification time, where there is a hash of the bytes (in runs of 0.1 there is none)."""
    return (*stamp[:5], *stamp[6:]) if len(stamp) > 6 else tuple(stamp)


def score(system: System, folder: TaskFolder, accelerator: Accelerator, note: Callable[[str, str], None]) -> list[ScoreTable]:
    """Score tables of the task's machines, from their embeddings: training clips leave-one-out, then test clips.

    `note(sentence, part)` hears what a person should know of a part: a section without training clips is left out, a detector
    had to do without something.
    """
    info = folder.info()
    network = load_network(system, folder, accelerator) if system.needs_network_to_score else None
    tables = []
    for machine in info.machines:
        embedded = Embeddings.read(folder.embeddings(machine))
        for section in sorted({clip.section for clip in embedded.clips}):
            training, test = embedded.rows(section, "train"), embedded.rows(section, "test")
            if not training.clips:
                note("test clips but no training clips, left out", f"{machine} section {section}")
                continue
            detector = system.build_detector(network, list(info.classes)).fit(training.values, training.clips)
            for sentence in detector.notes:
                note(sentence, f"{machine} section {section}")
            scores = [detector.score_training()] + ([detector.score(test.values)] if test.clips else [])
            tables.append(ScoreTable.of_clips(system.name, (*training.clips, *test.clips), np.concatenate(scores)))
    return tables
