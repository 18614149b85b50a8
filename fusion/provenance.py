"""Which scores an ensemble was made with, and whether a run still holds them."""

from collections.abc import Mapping

from fusion.ensemble import Ensemble, Member
from zoo.files import fingerprint
from zoo.scores import ScoreTable


def scores_fingerprint(table: ScoreTable) -> str:
    """Names the calibrated scores of a table, to the last bit."""
    clips = table.frame[["machine", "section", "split", "clip"]].to_numpy().tolist()
    return fingerprint([clips, table.frame["calibrated"].to_numpy().astype("<f8").tobytes().hex()])


def with_members(ensemble: Ensemble, tables: Mapping[str, ScoreTable], calibration: str) -> Ensemble:
    """The ensemble with the fingerprint of each member's scores, and the split that their calibration is from."""
    members = {system: Member(scores=scores_fingerprint(table), calibration=calibration) for system, table in tables.items()}
    return ensemble.model_copy(update={"members": members})


def changed_members(ensemble: Ensemble, tables: Mapping[str, ScoreTable], name: str) -> list[str]:
    """A sentence when members' scores are no longer those that the ensemble was made with."""
    changed = [
        system
        for system, table in tables.items()
        if system in ensemble.members and ensemble.members[system].scores != scores_fingerprint(table)
    ]
    return [f"the scores of {', '.join(changed)} are not those that {name} was made with"] if changed else []
