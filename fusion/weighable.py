"""Which members a search can weigh, and which of them a person should look at before trusting the ensemble."""

from collections.abc import Sequence

import numpy as np

from fusion.combine import Combiner, Stack
from fusion.evaluation import below_chance
from fusion.metrics import Floats
from fusion.objective import Objective
from zoo.errors import AsdzooError, listed
from zoo.running.folder import Run

FAR_OUT = 8.0  # standard deviations of the other training scores


def weighable(stacked: Stack) -> tuple[Stack, list[str]]:
    """Only the systems a search can weigh, with a sentence for each that is left out.

    A system without scores for some machine cannot be compared on it; one that gives every clip of a machine the same score,
    on all machines, says nothing.
    Raises: AsdzooError when no system is left.
    """
    notes, kept = [], []
    missing, constant = stacked.missing(), constant_on(stacked)
    for system in stacked.systems:
        if system in missing:
            notes.append(f"{system} is left out: it has no scores for {', '.join(missing[system])}")
        elif constant.get(system) == stacked.machines:
            notes.append(f"{system} is left out: it gives every clip of a machine the same score")
        else:
            kept.append(system)
    if not kept:
        raise AsdzooError(f"no system is left to fuse: {'; '.join(notes)}", "run `asdzoo train-all` again, or name systems")
    return stacked.of(kept), notes


def without_untrained(run: Run, systems: Sequence[str]) -> tuple[list[str], list[str]]:
    """The systems that were trained, and a sentence on the others; all of them where none was."""
    untrained = set(run.untrained()) & set(systems)
    kept = [system for system in systems if system not in untrained]
    if not untrained or not kept:
        return list(systems), []
    names = [system for system in systems if system in untrained]
    return kept, [f"{', '.join(names)} left out, never trained (--systems takes them in)"]


def constant_on(stacked: Stack) -> dict[str, list[str]]:
    """System -> machines on which it gives every clip the same score; only the systems that do."""
    found: dict[str, list[str]] = {}
    for system, scores in zip(stacked.systems, stacked.calibrated, strict=True):
        varied = {machine for machine, _, rows in stacked.sections if np.ptp(scores[rows]) != 0}
        machines = [machine for machine in stacked.machines if machine not in varied]
        if machines:
            found[system] = machines
    return found


def suspicions(stacked: Stack, objective: Objective | None, combiner: Combiner) -> list[str]:
    """A sentence for each kind of trouble that some members show: constant, heavy-tailed, below chance."""
    notes = [
        f"{system} gives every clip of {listed(machines)} the same score" for system, machines in constant_on(stacked).items()
    ]
    if combiner not in ("rank", "train-rank"):
        outliers = [f"{system} on {machine} ({far:.0f})" for system, (machine, far) in heavy_tailed(stacked).items()]
        if outliers:
            notes.append(
                f"far from a member's other training scores (in standard deviations): {listed(outliers, 8)}; one such score "
                "outweighs all other members (`asdzoo fuse --combiner train-rank` takes ranks instead)"
            )
    if objective is not None and objective.machines:
        singles = objective.judge(np.eye(len(objective.systems))).score()
        notes += below_chance(dict(zip(objective.systems, map(float, singles), strict=True)))
    return notes


def heavy_tailed(stacked: Stack) -> dict[str, tuple[str, float]]:
    """System -> the machine with its farthest training score, and how far out that is; only the heavy-tailed ones."""
    found: dict[str, tuple[str, float]] = {}
    training = stacked.clips["split"].eq("train").to_numpy()
    for machine, _, rows in stacked.sections:
        own = rows[training[rows]]
        for system, scores in zip(stacked.systems, stacked.calibrated[:, own], strict=True):
            far = _farthest(scores)
            if far > max(FAR_OUT, found.get(system, ("", 0.0))[1]):
                found[system] = (machine, far)
    return found


def _farthest(scores: Floats) -> float:
    """How many standard deviations of the others the farthest score lies from their mean."""
    if len(scores) < 10 or np.isnan(scores).any():
        return 0.0
    at = int(np.argmax(np.abs(scores - np.median(scores))))
    others = np.delete(scores, at)
    spread = float(others.std())
    return abs(float(scores[at] - others.mean())) / spread if spread > 0 else 0.0
