"""`train-all --budget`: which systems are trained, in which order, and for how many steps, so that all is done in a given time.

Members without training come first, then the quickest networks. Time is shared evenly: a system that needs less than its share
leaves the rest to the others. A system that is cut gets a schedule of its steps, and is left out where it could learn nothing.
Where no schedule is fitted to the number of steps, a training that was cut goes on with more time as if it had never stopped.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from zoo.running.durations import spoken
from zoo.running.records import Share
from zoo.running.timing import Timing
from zoo.systems import System
from zoo.training.config import TrainingConfig

MARGIN = 0.9  # of the time is planned with: a few steps are no exact measure
PASSES = 5  # over its training clips, that a network must make to be of use
STEPS = 100  # optimizer steps, likewise
ENOUGH_STEPS = 1000  # with fewer, batches are not accumulated: more and smaller steps learn more


@dataclass(frozen=True)
class Fitted:
    """A plan that fits into a time."""

    systems: tuple[System, ...]  # in the order in which they are trained
    shares: dict[str, Share]  # system -> what it is planned to take
    cut: dict[str, str]  # system -> what was cut: "400 of 10000 steps"
    left_out: dict[str, str]  # system -> why
    seconds: float  # that it will take


@dataclass(frozen=True)
class Cut:
    """A system as it is trained in its share."""

    system: System
    seconds: list[float]  # of the training of each task
    said: str = ""  # what was cut; "" where nothing was


def fit(timings: Sequence[Timing], seconds: float, at_a_time: int = 1) -> Fitted:
    """The plan of these systems that takes at most `seconds`, with so many tasks done at a time."""
    order = sorted(timings, key=lambda one: (one.training > 0, one.seconds))
    left_out: dict[str, str] = {}
    kept: list[Timing] = []
    longest = seconds * MARGIN  # of one task
    left = longest * at_a_time
    for one in order:
        if one.embedding > left:
            left_out[one.system.name] = f"its embeddings alone take {spoken(one.embedding)}"
        else:
            left -= one.embedding
            kept.append(one)
    trained = [one for one in kept if one.training > 0]
    while True:
        shares = _shared([min(one.training, longest * len(one.tasks)) for one in trained], left)
        useless = [one for one, share in zip(trained, shares, strict=True) if _passes(one, share) < _needed(one)]
        if not useless:
            break
        worst = max(useless, key=_seconds_needed)
        left_out[worst.system.name] = f"it is of no use before {spoken(_seconds_needed(worst))} of training"
        trained.remove(worst)
        kept.remove(worst)
        left += worst.embedding
    given = {one.system.name: share for one, share in zip(trained, shares, strict=True)}
    fitted = [_fitted(one, given.get(one.system.name, 0.0)) for one in kept]
    total = sum(sum(one.seconds) for one in fitted) + sum(one.embedding for one in kept)
    return Fitted(
        systems=tuple(one.system for one in fitted),
        shares={one.system.name: _share(one, cut) for one, cut in zip(kept, fitted, strict=True)},
        cut={one.system.name: one.said for one in fitted if one.said},
        left_out=left_out,
        seconds=total / at_a_time,
    )


def _share(one: Timing, cut: Cut) -> Share:
    training = cut.system.config.training
    groups = [task.group for task in one.tasks]
    return Share(
        training=dict(zip(groups, cut.seconds, strict=True)),
        embedding=dict(zip(groups, one.embedding_of, strict=True)),
        least=-(-_needed(one) // training.accumulation) if training is not None else 0,
    )


def with_followers(fitted: Fitted, systems: Sequence[System], following: Mapping[str, str]) -> Fitted:
    """The plan with those of `systems` that have another's networks: each behind that one, and cut as that one is."""
    named = {system.name: system for system in systems}
    order, cut, left_out = list[System](), dict(fitted.cut), dict(fitted.left_out)
    shares = dict(fitted.shares)
    for trainer in fitted.systems:
        order.append(trainer)
        for name in (name for name, other in following.items() if other == trainer.name):
            training = trainer.config.training
            order.append(replace(named[name], config=named[name].config.model_copy(update={"training": training})))
            if trainer.name in cut:
                cut[name] = cut[trainer.name]
            if trainer.name in shares:  # no time to train: without the other's network it is left out
                shares[name] = shares[trainer.name].model_copy(update={"training": {}})
    for name, trainer_name in following.items():
        if trainer_name in left_out:
            left_out[name] = f"it has the networks of {trainer_name}"
    return replace(fitted, systems=tuple(order), shares=shares, cut=cut, left_out=left_out)


def _shared(needs: Sequence[float], time: float) -> list[float]:
    """Even shares of `time`, none of which is more than what is needed.

    >>> _shared([1.0, 10.0, 10.0], 7.0)
    [1.0, 3.0, 3.0]
    """
    shares = [0.0] * len(needs)
    for rank, index in enumerate(sorted(range(len(needs)), key=lambda index: needs[index])):
        shares[index] = min(needs[index], time / (len(needs) - rank))
        time -= shares[index]
    return shares


def _pass_of(one: Timing) -> float:
    return max(one.passes, 1e-9)


def _training(one: Timing) -> TrainingConfig:
    training = one.system.config.training
    assert training is not None
    return training


def _passes(one: Timing, share: float) -> int:
    """Passes that each task of a system has made when its share is spent, with those that are made already."""
    made = sum(one.already) * _training(one).accumulation
    return int((share * (1 + 1e-9) / _pass_of(one) + made) / len(one.tasks))


def _needed(one: Timing) -> int:
    """Passes that each task must make for the system to be of use; at most those of the whole training."""
    training = _training(one)
    clips = max(len(task.learnt) for task in one.tasks)
    return min(min(one.usual) * training.accumulation, max(STEPS, -(-PASSES * clips // training.batch)))


def _seconds_needed(one: Timing) -> float:
    made = sum(one.already) * _training(one).accumulation
    return max(0, _needed(one) * len(one.tasks) - made) * _pass_of(one)


def _fitted(one: Timing, share: float) -> Cut:
    """The system with as many steps as fit into its share."""
    training = one.system.config.training
    if training is None or share >= one.training * (1 - 1e-9):
        return Cut(one.system, one.training_of)
    if one.partly:
        part = share / one.training
        return Cut(one.system, [seconds * part for seconds in one.training_of], "as far as it comes")
    if training.goes_on and training.epochs is not None and max(one.steps) < training.steps:
        return _fewer_epochs(one, training, share)
    passes = _passes(one, share)
    accumulation = training.accumulation
    if not any(one.already):
        accumulation = max(1, min(accumulation, passes // ENOUGH_STEPS))
    steps = passes // accumulation
    if accumulation == training.accumulation and training.schedule == "cosine_restarts" and steps > training.warm_up:
        whole = (steps - training.warm_up) // training.cycle  # it ends where a cycle does
        steps = whole * training.cycle + training.warm_up if whole else steps
    changes: dict[str, Any] = {"steps": steps, "epochs": None, "accumulation": accumulation}
    if not (training.goes_on and training.warm_up <= steps):
        changes["warm_up"] = min(training.warm_up, steps // 10)
    if training.schedule == "cosine_restarts":
        changes["cycle"] = min(training.cycle, steps - changes["warm_up"])
    if not (training.goes_on and training.holdout):  # held-out clips decide which weights are taken: with more steps as well
        changes["validate_every"] = max(1, min(training.validate_every, steps // 5))
    smaller = "" if accumulation == training.accumulation else f" of {training.batch * accumulation} clips"
    seconds = [max(0, steps * accumulation - made * training.accumulation) * one.passes for made in one.already]
    return Cut(_changed(one, changes), seconds, f"{steps} of {max(one.steps)} steps{smaller}")


def _fewer_epochs(one: Timing, training: TrainingConfig, share: float) -> Cut:
    """A training that counts its passes over the clips: each task gets the same part of its own steps."""
    assert training.epochs is not None
    part = (share / _pass_of(one) / training.accumulation + sum(one.already)) / sum(one.usual)
    epochs = math.floor(training.epochs * part * 100) / 100
    part = epochs / training.epochs
    changes: dict[str, Any] = {"epochs": epochs}
    if not training.holdout:
        changes["validate_every"] = max(1, min(training.validate_every, int(min(one.usual) * part / 5)))
    seconds = [max(0.0, usual * part - made) * one.step for usual, made in zip(one.usual, one.already, strict=True)]
    return Cut(_changed(one, changes), seconds, f"{epochs:g} of {training.epochs:g} epochs")


def _changed(one: Timing, changes: dict[str, Any]) -> System:
    training = _training(one).model_copy(update=changes)
    return replace(one.system, config=one.system.config.model_copy(update={"training": training}))
