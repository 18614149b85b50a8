"""The freeze record: what was decided before the evaluation scores were looked at, and what changed afterwards.

`RUN/freeze.json` names configs, seeds, ensembles, trained weights, training scores, recordings and code by checksums. It says
nothing of test scores. `asdzoo submit` puts it into the package and compares: whoever reads the package can see that the system
was the same before anybody could know how it does, or what was changed since.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field

import fusion
import submission
import zoo
from fusion.ensemble import ensemble_path, read_ensemble
from fusion.run_scores import scored_names, trained_systems
from zoo.errors import AsdzooError, listed, typed
from zoo.files import fingerprint
from zoo.running.folder import Run
from zoo.running.records import Record, Versions, read_record, versions_now
from zoo.scores import ScoreTable

Checksums = dict[str, str]
_SAID = {  # field -> what a change of it is called
    "configs": "the config of",
    "weights": "the trained weights of",
    "training_scores": "the training scores of",
    "ensembles": "the ensemble",
    "recordings": "the recordings of",
    "code": "the code of",
}


class Freeze(Record):
    """freeze.json."""

    when: str  # UTC
    seed: int | None = None
    marks: tuple[str, ...] = ()
    versions: Versions = Field(default_factory=dict)
    configs: Checksums = Field(default_factory=dict)  # by system
    weights: Checksums = Field(default_factory=dict)  # by system/task/file
    training_scores: Checksums = Field(default_factory=dict)  # by system
    ensembles: Checksums = Field(default_factory=dict)  # by name: members, weights and combiner
    recordings: Checksums = Field(default_factory=dict)  # by machine: names, sizes of its training files
    code: Checksums = Field(default_factory=dict)  # by room
    scored_blind: int = 0  # test clips without a label that had scores already
    earlier: tuple[str, ...] = ()  # when the run was frozen before


def freeze(run: Run, again: bool = False) -> Freeze:
    """Write the run's freeze.json; the caller holds the run's lock.

    Raises: AsdzooError when the run is frozen already, unless `again`, which keeps the times of the earlier records.
    """
    before = read_freeze(run)
    if before is not None and not again:
        raise AsdzooError(f"{run.folder} was frozen at {before.when}", "`asdzoo freeze --again` takes what is there now")
    earlier = (*before.earlier, before.when) if before is not None else ()
    now = datetime.now(UTC).isoformat(timespec="seconds")
    record = current(run).model_copy(update={"when": now, "earlier": earlier})
    Freeze.model_validate(record.model_dump()).write(freeze_path(run))
    return record


def freeze_path(run: Run) -> Path:
    return run.folder / "freeze.json"


def read_freeze(run: Run) -> Freeze | None:
    """The record of a run; None when it was never frozen. Raises: AsdzooError when the file is damaged."""
    path = freeze_path(run)
    cure = f"delete {path}, and `asdzoo freeze --run {typed(run.folder)}` again"
    return read_record(path, Freeze, cure) if path.exists() else None


def current(run: Run) -> Freeze:
    """What a freeze would record now."""
    info, systems = run.info(), trained_systems(run)
    tables = {system: run.scores(system) for system in systems}
    ensembles = [name for name in scored_names(run) if name not in systems]
    blind = [int(((table.frame["split"] == "test") & (table.frame["label"] == "")).sum()) for table in tables.values()]
    return Freeze(
        when="",
        seed=info.seed,
        marks=info.marks,
        versions=versions_now(),
        configs={name: _config(entry.config) for name, entry in info.systems.items()},
        weights={
            path.relative_to(run.folder / "systems").as_posix(): _digest([path.read_bytes()])
            for system in systems
            for path in sorted(run.system_folder(system).glob("*/*.safetensors"))  # not the embeddings in folders below
        },
        training_scores={system: _training_scores(table) for system, table in tables.items()},
        ensembles={name: _ensemble(run, name) for name in ensembles},
        recordings=_recordings(Path(info.data) if info.data else None, tables.values()),
        code={room.__name__: _code(Path(str(room.__file__)).parent) for room in (zoo, fusion, submission)},
        scored_blind=max(blind, default=0),
    )


def changes(before: Freeze, now: Freeze) -> list[str]:
    """A sentence for each kind of thing that is not as it was; what is only gone, as a data folder can be, is not one."""
    said = []
    for field, words in _SAID.items():
        old: Mapping[str, str] = getattr(before, field)
        new: Mapping[str, str] = getattr(now, field)
        changed = [name for name in new if name in old and new[name] != old[name]]
        added = [name for name in new if name not in old] if old or field != "recordings" else []
        if changed:
            said.append(f"{words} {listed(changed)} changed since the freeze of {before.when}")
        if added:
            said.append(f"{words} {listed(added)} came after the freeze of {before.when}")
    if before.scored_blind:
        said.append(f"when the run was frozen, {before.scored_blind} test clips without labels had scores already")
    return said


def _digest(parts: Iterable[bytes]) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(part)
    return whole.hexdigest()


def _training_scores(table: ScoreTable) -> str:
    rows = table.frame[table.frame["split"] == "train"]
    clips = rows[["machine", "section", "clip"]].to_numpy().tolist()
    return fingerprint([clips, rows[["score", "calibrated"]].to_numpy().astype("<f8").tobytes().hex()])


def _config(config: Mapping[str, object]) -> str:
    """What decides a system; what papers report of it does not."""
    return fingerprint({key: value for key, value in config.items() if key != "published"})


def _ensemble(run: Run, name: str) -> str:
    """What decides the fused scores. The members' fingerprints are left out: new test clips change them."""
    content = read_ensemble(ensemble_path(run.folder, name)).model_dump(mode="json")
    return fingerprint({key: content[key] for key in ("combiner", "calibrate_by", "groups", "weights", "development")})


def _recordings(data: Path | None, tables: Iterable[ScoreTable]) -> Checksums:
    """Names and sizes of the files in the training folders of each machine."""
    if data is None or not data.is_dir():
        return {}
    machines = {str(machine) for table in tables for machine in table.frame["machine"].unique()}
    found: dict[str, list[str]] = {}
    for path in sorted(data.rglob("*")):
        parts = path.relative_to(data).parts
        if path.is_file() and (own := machines & set(parts)) and any(part.lower() == "train" for part in parts):
            found.setdefault(own.pop(), []).append(f"{'/'.join(parts)} {path.stat().st_size}")
    return {machine: fingerprint(files) for machine, files in sorted(found.items())}


def _code(room: Path) -> str:
    files = sorted(room.rglob("*.py"))
    return _digest(part for path in files for part in (path.relative_to(room).as_posix().encode(), path.read_bytes()))
