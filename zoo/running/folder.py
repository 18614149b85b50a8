"""Where a run lives, and what stands in it.

The names in a run folder are an interface that people open with pandas and spreadsheets:

    run.json                what went in: year, data, seed, systems (config, parameters), versions, marks
    systems/SYSTEM/...      checkpoints, embeddings, training metrics of each task
    tasks/                  what is to be done for each task, and how far it has come, where processes of their own do it
    scores/NAME.csv         one `ScoreTable` per system and per ensemble
    evaluation.csv          the official metric by system, machine and section
    ensembles/NAME.yaml     members, weights by group, how they were found
    submission/             packages
    report.html
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zoo.errors import AsdzooError, typed
from zoo.files import write_bytes
from zoo.running.locks import held, remove_leftovers
from zoo.running.records import RunInfo, TableInfo, TaskInfo, read_record
from zoo.scores import ScoreTable


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


class Run:
    """One run folder; creating the object touches nothing on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def exists(self) -> bool:
        return self._info_path.exists()

    def require(self) -> "Run":
        """This run, or AsdzooError when nothing was ever trained into the folder."""
        if not self.exists:
            raise AsdzooError(f"{self.folder} is not a run", f"run `asdzoo train-all --run {typed(self.folder)}` first")
        return self

    @property
    def _info_path(self) -> Path:
        return self.folder / "run.json"

    def info(self) -> RunInfo:
        """What went in, as `run.json` says it; all defaults for a run that does not exist yet.

        Raises: AsdzooError when the file is damaged.
        """
        if not self.exists:
            return RunInfo()
        cure = f"delete {self._info_path} and run `asdzoo train-all --run {typed(self.folder)}` again; work done is kept"
        return read_record(self._info_path, RunInfo, cure)

    def update_info(self, **changes: Any) -> None:
        """Set top-level keys of `run.json`, fields of `RunInfo`."""
        RunInfo.model_validate({**self.info().model_dump(exclude_unset=True), **changes}).write(self._info_path)

    def marks(self) -> list[str]:
        """What a reader of this run's numbers must know: "untrained", "test-calibrated", "resubstitution", ..."""
        return list(self.info().marks)

    def cut(self) -> list[str]:
        """What a budget cut, in a few words for each system."""
        budget = self.info().budget
        return budget.said if budget is not None else []

    def mark(self, *marks: str) -> None:
        """Add marks; a mark is never taken away."""
        self.update_info(marks=sorted({*self.marks(), *marks}))

    def untrained(self) -> list[str]:
        """Systems with a pretrained encoder that got random weights instead: their scores say nothing about the method."""
        found = []
        for system, info in self.info().systems.items():
            records = [self.system_folder(system) / task / "task.json" for task in info.tasks]
            cure = f"run `asdzoo train-all --run {typed(self.folder)}` again, which writes it anew"
            if any(read_record(path, TaskInfo, cure).untrained for path in records if path.exists()):
                found.append(system)
        return found

    def system_folder(self, system: str) -> Path:
        return self.folder / "systems" / system

    def score_path(self, name: str) -> Path:
        return self.folder / "scores" / f"{name}.csv"

    def score_names(self) -> list[str]:
        """Names of all score tables, systems and ensembles alike, sorted."""
        return sorted(path.stem for path in (self.folder / "scores").glob("[!.]*.csv"))

    def scores(self, name: str) -> ScoreTable:
        """The score table of one system or ensemble.

        Raises: AsdzooError when there is none, or it is not what was written: cut off, or changed.
        """
        path, told = self.score_path(name), self.info().tables.get(name)
        table = ScoreTable.read(path)
        if told is not None and self._digest(name) not in (told.digest, told.before):
            rows = f"{len(table.frame)} of {told.rows} rows" if len(table.frame) != told.rows else "cells of it differ"
            raise AsdzooError(
                f"{path} is not what asdzoo wrote: {rows}",
                "run `asdzoo train-all` or `asdzoo fuse` again, which writes it anew; a table of yours needs a name of its own",
            )
        return table

    def cut_off(self) -> list[str]:
        """Names of the score tables that a command was to write anew when it was cut off."""
        known = {name: told for name, told in self.info().tables.items() if self.score_path(name).exists()}
        return [name for name, told in known.items() if told.before and self._digest(name) == told.before != told.digest]

    @contextmanager
    def writing(self, name: str, table: ScoreTable, **changes: Any) -> Iterator[None]:
        """Write a score table when the block ends, which writes what belongs to it; the caller holds the lock.

        run.json says first what the table is going to be, together with `changes`: if the command is killed on the way, the
        table that lies there is known to be older.
        """
        content = table.as_csv()
        before = self._digest(name) if self.score_path(name).exists() else ""
        told = TableInfo(rows=len(table.frame), digest=_digest(content), before=before)
        self.update_info(tables={**self.info().tables, name: told}, **changes)
        yield
        write_bytes(self.score_path(name), content)

    def _digest(self, name: str) -> str:
        return _digest(self.score_path(name).read_bytes())

    @contextmanager
    def lock(self, patience: float = 0.0) -> Iterator[None]:
        """Hold what the tasks of the run share for one writing command, waiting up to `patience` seconds for another one.

        Raises: Busy, an AsdzooError, when another command holds it longer. The lock dies with its process.
        """
        busy = f"another asdzoo command is writing to {self.folder}"
        with held(self.folder / ".lock", busy, "wait for it to end, or name another folder with --run", patience):
            of_tasks = (*self.folder.glob("systems/*/*"), *self.folder.glob("tasks/*"))  # each with a lock of its own
            remove_leftovers(self.folder, [folder for folder in of_tasks if folder.is_dir()])
            yield
