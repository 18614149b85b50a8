"""The ensemble file: which systems, with which weights for which machines, and how those were found.

`configs/ensembles/` ships the four of the THUEE report; `asdzoo fuse` writes one more into the run folder. Applied to the score
tables that it names, a file gives the same fused table bit for bit.

Weights are looked up by the most particular name that the file has for a machine: the machine itself, then its group, then
`others`. A development machine has weights of its own under `development`, found without its labels, so that its fused scores
are as honest as those of an evaluation machine.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import Field, field_validator

from fusion.combine import CalibrateBy, Combiner
from zoo.config import Frozen, load_yaml, parse, shipped_configs
from zoo.data.groups import group_of, load_groups
from zoo.errors import AsdzooError, unknown_name
from zoo.files import write_text
from zoo.papers import Published
from zoo.scores import families_of, family_of

OTHERS = "others"
Weights = dict[str, float]  # by member


class Member(Frozen):
    """What a member's scores were when the ensemble was made."""

    scores: str  # fingerprint of its score table
    calibration: str = "train"  # the split that its z-scores come from


class Found(Frozen):
    """How the weights were found."""

    method: str  # averaged, grid, greedy, equal, normal-only
    sampler: str | None = None  # that proposed the candidates: qmc, tpe, cmaes
    trials: int | None = None  # candidates tried
    seed: int | None = None  # of the sampler
    left_out: str = "machine"  # what a development machine's weights have not seen: it alone, or its group
    labelled: list[str] = Field(default_factory=list)  # machines whose labels were used
    shrinkage: dict[str, float] = Field(default_factory=dict)  # what `fusion.search` chose; empty for equal weights
    cross_validated: float | None = None  # official score, each machine with weights found without it
    resubstitution: float | None = None  # the same with weights found on all machines, this one included
    equal: float | None = None  # the same with equal weights
    notes: list[str] = Field(default_factory=list)  # what was kept or dropped, and why


class Ensemble(Frozen):
    """One ensemble file. Weights of a group or machine are not negative and sum to 1."""

    description: str
    paper: str = ""
    published: list[Published] = Field(default_factory=list)  # what the paper reports of these members and weights
    combiner: Combiner = "weighted"
    calibrate_by: CalibrateBy = "machine"  # domain: members are calibrated anew, source and target each on its own
    groups: dict[str, str] = Field(default_factory=dict)  # machine -> group, beyond configs/groups.yaml
    weights: dict[str, Weights] = Field(min_length=1)  # by group or machine, and `others`
    development: dict[str, Weights] = Field(default_factory=dict)  # by machine: weights found without it
    members: dict[str, Member] = Field(default_factory=dict)
    found: Found | None = None

    @field_validator("weights", "development")
    @classmethod
    def _sum_to_one(cls, vectors: dict[str, Weights]) -> dict[str, Weights]:
        for name, weights in vectors.items():
            for member, weight in weights.items():
                if not (math.isfinite(weight) and weight >= 0):
                    raise ValueError(f"the weight of {member} for {name} is {weight}, it must be at least 0")
            total = sum(weights.values())
            if abs(total - 1) > 1e-6:
                raise ValueError(f"the weights for {name} sum to {total:g}, not 1")
        return vectors

    @field_validator("groups")
    @classmethod
    def _exist(cls, groups: dict[str, str]) -> dict[str, str]:
        for machine, group in groups.items():
            if group not in load_groups():
                raise ValueError(f"there is no group {group!r} to file {machine} in")
        return groups

    @property
    def systems(self) -> tuple[str, ...]:
        """Members that some machine gives a weight, in the order of the file."""
        vectors = [*self.weights.values(), *self.development.values()]
        names = dict.fromkeys([*self.members, *(name for weights in vectors for name in weights)])
        return tuple(name for name in names if any(weights.get(name, 0) > 0 for weights in vectors))

    def weights_of(self, machine: str) -> Weights:
        """Weights for the clips of a machine. Raises: AsdzooError when the file has none for it."""
        key = self.key_of(machine)
        return self.development[machine] if machine in self.development else self.weights[key]

    def key_of(self, machine: str) -> str:
        """The name under `weights` that holds for a machine: its own, its group's, or `others`."""
        for key in (machine, group_of(machine, self.groups), OTHERS):
            if key in self.weights:
                return key
        raise AsdzooError(f"the ensemble has no weights for {machine}", f"add `{OTHERS}:` to its weights")

    def of_trained(self, trained: Sequence[str], skip: bool) -> tuple[Self, list[str]]:
        """The ensemble with trained members only, the weights of the others shared out in proportion, and a sentence on that.

        A member that was trained with several seeds has its weight shared out among them.
        Raises: AsdzooError naming the members that have no scores, unless `skip`; and when a weight vector has no member left.
        """
        missing = [member for member in self.systems if member not in trained]
        if seeds := {name: own for name, own in families_of(trained).items() if name in missing}:
            found, notes = self._shared_by(seeds).of_trained(trained, skip)
            return found, [f"the seeds of {', '.join(seeds)} share its weight", *notes]
        if not missing:
            return self, []
        if not skip:
            raise AsdzooError(
                f"the member(s) {', '.join(missing)} have no scores in this run",
                f"`asdzoo train-all --systems {','.join(missing)}` trains them, --skip-missing goes on without",
            )

        def kept(key: str, weights: Weights) -> Weights:
            members = {member: weight for member, weight in weights.items() if member in trained}
            total = sum(members.values())
            if not total:
                raise AsdzooError(f"no trained member has a weight for {key}", f"train one of {', '.join(missing)}")
            return {member: weight / total for member, weight in members.items()}

        changed = {
            "weights": {key: kept(key, weights) for key, weights in self.weights.items()},
            "development": {key: kept(key, weights) for key, weights in self.development.items()},
            "members": {},
            "published": [],
        }
        return self.model_copy(update=changed), [f"without {', '.join(missing)}: the other members' weights are scaled up"]

    def of_families(self) -> Self:
        """The ensemble in which the weights of a system's seeds are one, the system's."""

        def summed(weights: Weights) -> Weights:
            found: Weights = {}
            for member, weight in weights.items():
                found[family_of(member)] = found.get(family_of(member), 0.0) + weight
            return found

        changed = {
            "weights": {key: summed(weights) for key, weights in self.weights.items()},
            "development": {key: summed(weights) for key, weights in self.development.items()},
            "members": {},
        }
        return self.model_copy(update=changed)

    def _shared_by(self, seeds: Mapping[str, Sequence[str]]) -> Self:
        """The ensemble in which each of these members stands for those that were trained with its seeds."""

        def shared(weights: Weights) -> Weights:
            found: Weights = {}
            for member, weight in weights.items():
                own = seeds.get(member, (member,))
                for one in own:
                    found[one] = found.get(one, 0.0) + weight / len(own)
            return found

        changed = {
            "weights": {key: shared(weights) for key, weights in self.weights.items()},
            "development": {key: shared(weights) for key, weights in self.development.items()},
            "members": {},
            "published": [],
        }
        return self.model_copy(update=changed)

    def check_keys(self, machines: Sequence[str]) -> None:
        """Raises: AsdzooError for a name under `weights` that is neither a group nor a machine: it would never be looked up."""
        groups = load_groups()
        known = [OTHERS, *groups, *machines, *(group_of(machine, self.groups) for machine in machines)]
        filed = {machine for members in groups.values() for machine in members}
        for key in self.weights:
            if key not in known and key not in filed:
                raise unknown_name("group or machine", key, list(dict.fromkeys(known)))


def read_ensemble(path: Path) -> Ensemble:
    """Read and check one file. Raises: AsdzooError with the file, the key, and the nearest known key."""
    return parse(Ensemble, load_yaml(path), str(path))


def shipped_ensembles() -> dict[str, Path]:
    """Name -> file of the ensembles in `configs/ensembles/`."""
    return {path.stem: path for path in sorted((shipped_configs() / "ensembles").glob("*.yaml"))}


def find_ensemble(name: str, *folders: Path) -> tuple[str, Ensemble]:
    """An ensemble by path, or by name in `folders` or among the shipped ones; with its name."""
    if name.endswith((".yaml", ".yml")) or "/" in name:
        return Path(name).stem, read_ensemble(Path(name))
    known = shipped_ensembles() | {path.stem: path for folder in folders for path in sorted(folder.glob("[!.]*.yaml"))}
    if name not in known:
        raise unknown_name("ensemble", name, sorted(known))
    return name, read_ensemble(known[name])


def ensemble_path(run: Path, name: str) -> Path:
    """Where a run keeps the ensemble of that name."""
    return run / "ensembles" / f"{name}.yaml"


def write_ensemble(ensemble: Ensemble, path: Path) -> None:
    """Write so that reading gives an equal ensemble, weights to the last bit."""
    write_text(path, yaml.safe_dump(_plain(ensemble), sort_keys=False, allow_unicode=True, width=120))


def _plain(ensemble: Ensemble) -> Mapping[str, Any]:
    return ensemble.model_dump(mode="json", exclude_defaults=True)
