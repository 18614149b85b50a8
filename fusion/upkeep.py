"""Score tables that are older than what they were made from: said by whoever reads them; `fusion.renewal` mends it."""

from collections.abc import Iterable

from fusion.ensemble import ensemble_path, read_ensemble
from fusion.provenance import scores_fingerprint
from zoo.errors import listed, typed
from zoo.running.folder import Run
from zoo.scores import KEYS, ScoreTable

_SAID = [*KEYS[1:], "domain", "label"]


def older_tables(run: Run, names: Iterable[str] | None = None) -> list[str]:
    """A sentence for each score table of a run that is older than what it was made from; `names` are those to look at."""
    wanted = run.score_names() if names is None else list(names)
    cut = [name for name in run.cut_off() if name in wanted]
    notes = [f"the scores of {listed(cut)} are older than the run: a command was cut off, give it again"] if cut else []
    for name in wanted:
        if name not in cut and (changed := outdated_members(run, name)):
            notes.append(
                f"the scores of {name} are older than those of {listed(changed)}: "
                f"`asdzoo fuse --run {typed(run.folder)} --ensemble {typed(name)}` brings them up to date"
            )
    return notes


def outdated_members(run: Run, name: str) -> list[str]:
    """Members of an ensemble whose scores, or what their tables say of the clips, came after its own; none for a system."""
    path = ensemble_path(run.folder, name)
    if not path.exists():
        return []
    ensemble, known = read_ensemble(path), set(run.score_names())
    fused, found = _said(run.scores(name)), []
    for member, made_with in ensemble.members.items():
        if member in known:
            table = run.scores(member)
            if scores_fingerprint(table) != made_with.scores or not _said(table) <= fused:
                found.append(member)
    return found


def _said(table: ScoreTable) -> set[tuple[str, ...]]:
    """Rows of a table without its scores."""
    return set(table.frame[_SAID].itertuples(index=False, name=None))
