"""What a search maximises: the official score of weight vectors on the labelled machines.

The official score is a (harmonic) mean over machines, so each machine's part is worked out once per candidate. Scores on any
subset of machines, as leave-one-machine-out asks for by the hundred, are then sums over a small table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from fusion.combine import Combiner, Stack, basis
from fusion.metrics import Floats, lifted
from fusion.official import Section, find_sections, mean_of, section_values
from zoo.errors import AsdzooError

_CHUNK = 2**21  # fused scores held at a time, 16 MB


@dataclass(frozen=True)
class Parts:
    """What each machine adds to the official score of each weight vector.

    By the harmonic rules a machine adds its numbers' reciprocals, by the arithmetic rule of 2020 its mean.
    """

    machines: tuple[str, ...]
    weights: Floats  # (candidates, systems)
    sums: Floats  # (candidates, machines)
    counts: Floats  # (machines,): how many numbers each sum is over
    harmonic: bool

    def score(self, importance: Floats | None = None) -> Floats:
        """Official score of each candidate, (candidates,), with machines counted by `importance` (machines,), 1 by default."""
        importance = np.ones(len(self.machines)) if importance is None else importance
        total, count = self.sums @ importance, float(self.counts @ importance)
        return np.asarray(count / total if self.harmonic else total / count)

    def on(self, machines: Sequence[str]) -> Self:
        """The same candidates on some of the machines."""
        kept = [self.machines.index(machine) for machine in machines]
        return replace(self, machines=tuple(machines), sums=self.sums[:, kept], counts=self.counts[kept])


@dataclass(frozen=True)
class Objective:
    """The official score as a function of weights, on the machines of a stack that have the labels for it."""

    systems: tuple[str, ...]
    year: str
    sections: tuple[Section, ...]
    scores: tuple[Floats, ...]  # of each section: (systems, clips)
    notes: tuple[str, ...] = ()  # a sentence for each section that has labels, but not enough
    families: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # system -> its seeds, where they are weighed as one

    @classmethod
    def of(
        cls, stacked: Stack, combiner: Combiner = "weighted", families: Mapping[str, tuple[str, ...]] | None = None
    ) -> "Objective":
        """The objective of a stack; members of a family take part as one system, with the mean of their scores.

        Raises: AsdzooError when a system lacks scores for a labelled machine, or the combiner takes no weights."""
        if combiner in ("min", "max"):
            raise AsdzooError(f"the combiner {combiner} takes no weights, so there are none to find", "--method equal")
        labelled = set(stacked.clips["machine"][stacked.clips["label"].ne("") & stacked.clips["split"].eq("test")])
        sections, notes = find_sections(stacked.clips, stacked.year)
        notes = [note for note in notes if note.partition(" section ")[0] in labelled]
        values = basis(stacked, combiner)
        families = families or {system: (system,) for system in stacked.systems}
        of_family = np.stack(
            [[(system in members) / len(members) for system in stacked.systems] for members in families.values()]
        )
        scores = tuple(np.ascontiguousarray(values[:, section.rows]) for section in sections)
        for section, part in zip(sections, scores, strict=True):
            if np.isnan(part).any():
                system = stacked.systems[int(np.argmax(np.isnan(part).any(axis=1)))]
                raise AsdzooError(
                    f"{system} has no scores for {section.machine}, so its weight cannot be searched",
                    "leave it out with --systems",
                )
        if len(families) < len(stacked.systems):
            scores = tuple(of_family @ part for part in scores)
        return cls(tuple(families), stacked.year, tuple(sections), scores, tuple(notes), families)

    @property
    def machines(self) -> tuple[str, ...]:
        """Labelled machines, in the order of the sections."""
        return tuple(dict.fromkeys(section.machine for section in self.sections))

    def judge(self, weights: Floats, machines: Sequence[str] | None = None) -> Parts:
        """Each candidate's part of the official score on each machine; weights (candidates, systems)."""
        machines = self.machines if machines is None else tuple(machines)
        columns = [self._machine(weights, machine) for machine in machines]
        counts = np.array([count for _, count in columns], dtype=np.float64)
        return Parts(tuple(machines), weights, np.stack([column for column, _ in columns], axis=1), counts, self.year != "2020")

    def _machine(self, weights: Floats, machine: str) -> tuple[Floats, int]:
        values = [
            self._section(weights, section, scores)
            for section, scores in zip(self.sections, self.scores, strict=True)
            if section.machine == machine
        ]
        if self.year == "2020":
            return np.asarray(np.mean([mean_of(value, self.year) for value in values], axis=0)), 1
        joined = np.concatenate(values, axis=1)
        return np.asarray((1 / lifted(joined)).sum(axis=1)), joined.shape[1]

    def _section(self, weights: Floats, section: Section, scores: Floats) -> Floats:
        step = max(1, _CHUNK // scores.shape[1])
        parts: list[NDArray[np.float64]] = [
            section_values(weights[start : start + step] @ scores, section, self.year) for start in range(0, len(weights), step)
        ]
        return np.concatenate(parts)
