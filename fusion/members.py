"""What stands behind an ensemble in a run: members that were trained, whose scores say something, and are still the same."""

from collections.abc import Mapping, Sequence

import numpy as np

from fusion.combine import Stack
from fusion.ensemble import OTHERS, Ensemble, Member
from zoo.data.groups import group_of, load_groups
from zoo.errors import AsdzooError, unknown_name
from zoo.files import fingerprint
from zoo.scores import ScoreTable


def check_members(ensemble: Ensemble, trained: Sequence[str], skip: bool) -> tuple[Ensemble, list[str]]:
    """The ensemble with trained members only, the weights of the others shared out in proportion, and a sentence on that.

    Raises: AsdzooError naming the members that have no scores, unless `skip`; and when a weight vector has no member left.
    """
    missing = [member for member in ensemble.systems if member not in trained]
    if not missing:
        return ensemble, []
    if not skip:
        raise AsdzooError(
            f"the member(s) {', '.join(missing)} have no scores in this run",
            f"`asdzoo train-all --systems {','.join(missing)}` trains them, --skip-missing goes on without",
        )

    def kept(key: str, weights: Mapping[str, float]) -> dict[str, float]:
        members = {member: weight for member, weight in weights.items() if member in trained}
        total = sum(members.values())
        if not total:
            raise AsdzooError(f"no trained member has a weight for {key}", f"train one of {', '.join(missing)}")
        return {member: weight / total for member, weight in members.items()}

    changed = {
        "weights": {key: kept(key, weights) for key, weights in ensemble.weights.items()},
        "development": {key: kept(key, weights) for key, weights in ensemble.development.items()},
        "members": {},
    }
    return ensemble.model_copy(update=changed), [f"without {', '.join(missing)}: the other members' weights are scaled up"]


def check_keys(ensemble: Ensemble, machines: Sequence[str]) -> None:
    """Raises: AsdzooError for a name under `weights` that is neither a group nor a machine, which would never be looked up."""
    groups = load_groups()
    known = [OTHERS, *groups, *machines, *(group_of(machine, ensemble.groups) for machine in machines)]
    listed = {machine for members in groups.values() for machine in members}
    for key in ensemble.weights:
        if key not in known and key not in listed:
            raise unknown_name("group or machine", key, list(dict.fromkeys(known)))


def usable(stacked: Stack) -> tuple[Stack, list[str]]:
    """Only the systems a search can weigh, with a sentence for each that is left out.

    A system without scores for some machine cannot be compared on it; one that gives every clip of a machine the same score,
    on all machines, says nothing.
    Raises: AsdzooError when no system is left.
    """
    notes, kept = [], []
    missing = stacked.missing()
    for system, scores in zip(stacked.systems, stacked.calibrated, strict=True):
        rows = stacked.clips.groupby(["machine", "section"]).indices.values()
        if system in missing:
            notes.append(f"{system} is left out: it has no scores for {', '.join(missing[system])}")
        elif all(np.ptp(scores[positions]) == 0 for positions in rows):
            notes.append(f"{system} is left out: it gives every clip of a machine the same score")
        else:
            kept.append(system)
    if not kept:
        raise AsdzooError(f"no system is left to fuse: {'; '.join(notes)}", "run `asdzoo train-all` again, or name systems")
    return stacked.of(kept), notes


def changed_members(ensemble: Ensemble, tables: Mapping[str, ScoreTable], name: str) -> list[str]:
    """A sentence when members' scores are no longer those that the ensemble was made with."""
    changed = [
        system
        for system, table in tables.items()
        if system in ensemble.members and ensemble.members[system].scores != scores_fingerprint(table)
    ]
    return [f"the scores of {', '.join(changed)} are not those that {name} was made with"] if changed else []


def with_members(ensemble: Ensemble, tables: Mapping[str, ScoreTable], calibration: str) -> Ensemble:
    """The ensemble with the fingerprint of each member's scores, and the split that their calibration is from."""
    members = {system: Member(scores=scores_fingerprint(table), calibration=calibration) for system, table in tables.items()}
    return ensemble.model_copy(update={"members": members})


def scores_fingerprint(table: ScoreTable) -> str:
    """Names the calibrated scores of a table, to the last bit."""
    clips = table.frame[["machine", "section", "split", "clip"]].to_numpy().tolist()
    return fingerprint([clips, table.frame["calibrated"].to_numpy().astype("<f8").tobytes().hex()])
