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

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zoo.errors import AsdzooError
from zoo.running.locks import held, remove_leftovers
from zoo.running.records import RunInfo, TaskInfo, read_record
from zoo.scores import ScoreTable


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
            raise AsdzooError(f"{self.folder} is not a run", f"run `asdzoo train-all --run {self.folder}` first")
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
        cure = f"delete {self._info_path} and run `asdzoo train-all --run {self.folder}` again; work done is kept"
        return read_record(self._info_path, RunInfo, cure)

    def update_info(self, **changes: Any) -> None:
        """Set top-level keys of `run.json`, fields of `RunInfo`."""
        RunInfo.model_validate({**self.info().model_dump(exclude_unset=True), **changes}).write(self._info_path)

    def marks(self) -> list[str]:
        """What a reader of this run's numbers must know: "untrained", "test-calibrated", "resubstitution", ..."""
        return list(self.info().marks)

    def mark(self, *marks: str) -> None:
        """Add marks; a mark is never taken away."""
        self.update_info(marks=sorted({*self.marks(), *marks}))

    def untrained(self) -> list[str]:
        """Systems with a pretrained encoder that got random weights instead: their scores say nothing about the method."""
        found = []
        for system, info in self.info().systems.items():
            records = [self.system_folder(system) / task / "task.json" for task in info.tasks]
            cure = f"run `asdzoo train-all --run {self.folder}` again, which writes it anew"
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
        """The score table of one system or ensemble."""
        return ScoreTable.read(self.score_path(name))

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
