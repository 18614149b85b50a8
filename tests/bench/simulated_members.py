"""Calibrated scores of many systems on the machines of a challenge, simulated, so that weights can be tried on machines that
nobody has seen.

Seven development and nine evaluation machines in the groups of DCASE 2024, with 200 test clips each and 200 normal training
clips, 190 of them of the source domain. The scenarios are truths that a team cannot know beforehand:

report        systems about as good as in Table 1 of the report; the first is good on periodic machines only
alike         all equally good
one bad       one of them knows nothing
one good      one is much better than the others
two harmful   two are below chance
heavy-tailed  a fifth of them, two at least, have outliers (Student's t with two degrees of freedom)
seeds         three systems, the first with most of the seeds; here the search knows nothing of families
families      the same, the seeds of a system weighed as one

With more than five members they come in the five kinds of the report, and the noise of two of a kind correlates by 0.75.
Skill varies by machine for all systems together (standard deviation 0.25 of the distance between normal and anomalous clips, in
standard deviations of the normal ones) and for each one alone (0.22), so that single systems score 0.50 to 0.75 by machine,
as in Table 1. The noise of the three transformers correlates by 0.55 to 0.7, of the others by 0.2 to 0.4. Target clips are
shifted by about 0.3.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from fusion.combine import Stack, rank_among
from fusion.metrics import Floats
from fusion.objective import Objective
from fusion.official import Section
from zoo.scores import families_of

DEVELOPMENT = ("stationary",) * 3 + ("non-stationary",) + ("periodic",) * 2 + ("impulsive",)
EVALUATION = ("stationary",) * 5 + ("non-stationary",) * 2 + ("periodic", "impulsive")
KINDS = (0.15, 0.45, 0.55, 0.58, 0.60)  # skill of the systems of the report
SCENARIOS = ("report", "alike", "one bad", "one good", "two harmful", "heavy-tailed", "seeds", "families")
NOISE = np.array(
    [
        [1.00, 0.25, 0.20, 0.20, 0.20],
        [0.25, 1.00, 0.35, 0.35, 0.40],
        [0.20, 0.35, 1.00, 0.55, 0.70],
        [0.20, 0.35, 0.55, 1.00, 0.70],
        [0.20, 0.40, 0.70, 0.70, 1.00],
    ]
)
CLIPS = 200  # of a machine, in the test and in the training
ANOMALOUS = np.tile([False, False, True, True], CLIPS // 4)
TARGET = np.tile([False, True, False, True], CLIPS // 4)
TRAINING_TARGET = np.arange(CLIPS) >= CLIPS - 10


@dataclass(frozen=True)
class Machine:
    """Scores of all members on one machine, (members, clips)."""

    group: str
    test: Floats
    training: Floats  # normal clips only

    @cached_property
    def ranks(self) -> Floats:
        """Test scores as the combiner train-rank takes them."""
        return np.stack([rank_among(*scores) for scores in zip(self.training, self.test, strict=True)])


@dataclass(frozen=True)
class Truth:
    """What one repetition of a scenario holds."""

    names: tuple[str, ...]  # of the members
    development: tuple[Machine, ...]  # those that are labelled
    evaluation: tuple[Machine, ...]

    def objective(self, machines: Sequence[Machine], ranks: bool) -> Objective:
        """The official score on these machines; the seeds of a family are one system."""
        families = families_of(self.names)
        scores = [machine.ranks if ranks else machine.test for machine in machines]
        if len(families) < len(self.names):
            of = np.array([[(name in own) / len(own) for name in self.names] for own in families.values()])
            scores = [of @ one for one in scores]
        rows = np.arange(CLIPS)
        sections = tuple(Section(f"m{index}", "00", rows, ANOMALOUS, TARGET) for index in range(len(machines)))
        return Objective(tuple(families), "2024", sections, tuple(scores))

    def training(self) -> Stack:
        """Training scores of all machines, which need no label."""
        machines = (*self.development, *self.evaluation)
        clips = pd.DataFrame(
            {
                "year": "2024",
                "machine": np.repeat([f"m{index:02}" for index in range(len(machines))], CLIPS),
                "section": "00",
                "split": "train",
                "domain": np.tile(np.where(TRAINING_TARGET, "target", "source"), len(machines)),
            }
        )
        return Stack(self.names, clips, np.concatenate([machine.training for machine in machines], axis=1))


def simulated(scenario: str, members: int, seed: int, labelled: int = len(DEVELOPMENT)) -> Truth:
    """One repetition; with fewer labelled machines they are some of the same."""
    random = np.random.default_rng([seed, 3, members, *map(ord, scenario.replace("families", "seeds"))])
    order = random.permutation(len(DEVELOPMENT))[:labelled]
    development = [_machine(random, scenario, group, members) for group in DEVELOPMENT]
    evaluation = [_machine(random, scenario, group, members) for group in EVALUATION]
    names = [f"system{index}" for index in range(members)]
    if scenario == "families":
        names = [f"system{system}.s{seed}" for seed, system in enumerate(_systems(members))]
    return Truth(tuple(names), tuple(development[index] for index in sorted(order)), tuple(evaluation))


def _systems(members: int) -> np.ndarray:
    """Which of three systems each member is a seed of: most of them of the first."""
    sizes = [members - 2 * (members // 5), members // 5, members // 5]
    return np.repeat(np.arange(3), sizes)


def _machine(random: np.random.Generator, scenario: str, group: str, members: int) -> Machine:
    seeds = scenario in ("seeds", "families")
    kind = _systems(members) + 1 if seeds else np.arange(members) % 5
    alone = _systems(members) if seeds else np.arange(members)
    skill = np.full(members, 0.5)
    if scenario == "report":
        skill = np.array(KINDS)[kind] + np.where(kind == 0, group == "periodic", 0.3 * (kind == 1) * (group == "impulsive"))
    elif scenario == "one bad":
        skill[0] = 0.0
    elif scenario == "one good":
        skill[:], skill[3] = 0.3, 0.8
    elif scenario == "two harmful":
        skill[:2] = -0.35
    elif seeds:
        skill = np.array([0.5, 0.4, 0.6])[alone] + random.normal(0, 0.05, members)
    skill = skill + random.normal(0, 0.25) + random.normal(0, 0.22, alone.max() + 1)[alone]
    shared = 0.9 if seeds else 1.0 if members == 5 else 0.75

    def noise(random: np.random.Generator) -> Floats:
        of_kind = random.normal(size=(CLIPS, 5)) @ np.linalg.cholesky(NOISE).T
        drawn = of_kind[:, kind] * shared**0.5 + random.normal(size=(CLIPS, members)) * (1 - shared) ** 0.5
        if scenario == "heavy-tailed":
            heavy = max(2, members // 5)
            drawn[:, :heavy] /= 2 * np.sqrt(random.chisquare(2, (CLIPS, heavy)) / 2)
        return np.asarray(drawn)

    of_test = noise(random)
    shift = random.normal(0.3, 0.2) + random.normal(0, 0.2, alone.max() + 1)[alone]
    loss = random.normal(0.1, 0.1, members)
    distance = np.maximum(skill, -0.6 if scenario == "two harmful" else -0.2)
    test = of_test + TARGET[:, None] * shift + ANOMALOUS[:, None] * (distance - TARGET[:, None] * loss)
    training = noise(random.spawn(1)[0]) + TRAINING_TARGET[:, None] * shift
    return Machine(group, np.ascontiguousarray(test.T), np.ascontiguousarray(training.T))


def keys(machines: Sequence[Machine], named: set[str], others: str) -> Mapping[str, str]:
    """Which weight vector each machine of an objective takes."""
    return {f"m{index}": machine.group if machine.group in named else others for index, machine in enumerate(machines)}
