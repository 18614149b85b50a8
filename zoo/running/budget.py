"""`train-all --budget`: which systems are trained, in which order, and for how many steps, so that all is done in a given time.

Members without training come first, then the quickest networks. Time is shared evenly: a system that needs less than its share
leaves the rest to the others. A system that is cut gets a schedule of its steps, and is left out where it could learn nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from zoo.running.durations import spoken
from zoo.running.timing import Timing
from zoo.systems import System

MARGIN = 0.9  # of the time is planned with: a few steps are no exact measure
PASSES = 5  # over its training clips, that a network must make to be of use
STEPS = 100  # optimizer steps, likewise
ENOUGH_STEPS = 1000  # with fewer, batches are not accumulated: more and smaller steps learn more


@dataclass(frozen=True)
class Fitted:
    """A plan that fits into a time."""

    systems: tuple[System, ...]  # in the order in which they are trained
    cut: dict[str, str]  # system -> what was cut: "400 of 10000 steps"
    left_out: dict[str, str]  # system -> why
    seconds: float  # that it will take


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
        useless = [one for one, share in zip(trained, shares, strict=True) if _steps(one, share) < _needed(one)]
        if not useless:
            break
        worst = max(useless, key=_seconds_needed)
        left_out[worst.system.name] = f"it is of no use before {spoken(_seconds_needed(worst))} of training"
        trained.remove(worst)
        kept.remove(worst)
        left += worst.embedding
    given = {one.system.name: share for one, share in zip(trained, shares, strict=True)}
    systems, cut, total = [], {}, 0.0
    for one in kept:
        share = given.get(one.system.name, 0.0)
        system, took = _fitted(one, share)
        if system is not one.system:
            cut[system.name] = _said(one, system)
        systems.append(system)
        total += took + one.embedding
    return Fitted(tuple(systems), cut, left_out, total / at_a_time)


def with_followers(fitted: Fitted, systems: Sequence[System], following: Mapping[str, str]) -> Fitted:
    """The plan with those of `systems` that have another's networks: each behind that one, and cut as that one is."""
    named = {system.name: system for system in systems}
    order, cut, left_out = list[System](), dict(fitted.cut), dict(fitted.left_out)
    for trainer in fitted.systems:
        order.append(trainer)
        for name in (name for name, other in following.items() if other == trainer.name):
            training = trainer.config.training
            order.append(replace(named[name], config=named[name].config.model_copy(update={"training": training})))
            if trainer.name in cut:
                cut[name] = cut[trainer.name]
    for name, trainer_name in following.items():
        if trainer_name in left_out:
            left_out[name] = f"it has the networks of {trainer_name}"
    return replace(fitted, systems=tuple(order), cut=cut, left_out=left_out)


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


def _accumulation(one: Timing, passes: float) -> int:
    """How many passes a step gets, where a task has time for so many passes."""
    training = one.system.config.training
    assert training is not None
    return max(1, min(training.accumulation, int(passes / ENOUGH_STEPS)))


def _steps(one: Timing, share: float) -> int:
    """Passes that each task of a system makes in its share."""
    return int(share * (1 + 1e-9) / _pass_of(one) / len(one.tasks))


def _needed(one: Timing) -> int:
    """Passes that each task must make for the system to be of use; at most those of the whole training."""
    training = one.system.config.training
    assert training is not None
    clips = max(len(task.learnt) for task in one.tasks)
    whole = min(one.steps) * training.accumulation
    return min(whole, max(STEPS, -(-PASSES * clips // training.batch)))


def _seconds_needed(one: Timing) -> float:
    return _needed(one) * _pass_of(one) * len(one.tasks)


def _fitted(one: Timing, share: float) -> tuple[System, float]:
    """The system with as many steps as fit into its share, and the seconds that they take."""
    training = one.system.config.training
    if training is None or share >= one.training * (1 - 1e-9):
        return one.system, one.training
    passes = _steps(one, share)
    accumulation = _accumulation(one, passes)
    steps = passes // accumulation
    if accumulation == training.accumulation and training.schedule == "cosine_restarts" and steps > training.warm_up:
        whole = (steps - training.warm_up) // training.cycle  # it ends where a cycle does
        steps = whole * training.cycle + training.warm_up if whole else steps
    changes = {
        "steps": steps,
        "epochs": None,
        "accumulation": accumulation,
        "warm_up": min(training.warm_up, steps // 10),
        "validate_every": max(1, min(training.validate_every, steps // 5)),
    }
    if training.schedule == "cosine_restarts":
        changes["cycle"] = min(training.cycle, steps - min(training.warm_up, steps // 10))
    config = one.system.config.model_copy(update={"training": training.model_copy(update=changes)})
    return replace(one.system, config=config), steps * accumulation * one.passes * len(one.tasks)


def _said(one: Timing, system: System) -> str:
    training, before = system.config.training, one.system.config.training
    assert training is not None
    assert before is not None
    smaller = "" if training.accumulation == before.accumulation else f" of {training.batch * training.accumulation} clips"
    return f"{training.steps} of {max(one.steps)} steps{smaller}"
