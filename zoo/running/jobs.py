"""A task for a process of its own: what it is told, and what it tells.

tasks/ID.json        what is to be done, written by `train-all`
tasks/ID/state.json  how far it has come, written by `asdzoo task RUN ID`
tasks/ID/scores.csv  scores before calibration
tasks/ID/log.txt     what the process printed, where nobody else keeps it
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from zoo.data.clips import Clip
from zoo.errors import AsdzooError, typed
from zoo.files import fingerprint
from zoo.running.beside import beside
from zoo.running.folder import Run
from zoo.running.limits import Limit
from zoo.running.plan import Task, recording
from zoo.running.records import Record, Versions, read_record, versions_now
from zoo.running.task_folder import TaskFolder
from zoo.running.work import Outcome
from zoo.scores import ScoreTable
from zoo.systems import System, system_of


class Order(Record):
    """tasks/ID.json: all that a process needs to know of a task, beside the recordings themselves."""

    system: str
    config: dict[str, Any]
    group: str
    machines: tuple[str, ...]
    seed: int
    folder: str  # the task's name, below systems/SYSTEM
    data: str  # folder of the recordings
    also: tuple[str, ...] = ()  # folders of other years
    beside: tuple[tuple[str, str], ...] = ()  # year and machine of the clips of those that are learnt
    year: str
    store: str  # folder of the decoded recordings
    device: str
    recordings: str  # fingerprint of the clips to train on, embed and score
    versions: Versions
    limit: Limit = Limit()  # of the training; known when the process is started

    @property
    def code(self) -> str:
        """What tells whether a state belongs to this order."""
        return fingerprint(self.model_dump(mode="json", exclude={"limit"}))


class State(Record):
    """tasks/ID/state.json: how far a process has come."""

    code: str  # of the order that is followed
    stage: Literal["begun", "training", "embedding", "scoring", "done", "failed"] = "begun"
    host: str = ""
    process: int = 0
    before: str = ""  # why there was nothing to train
    step: int = 0
    steps: int = 0
    loss: float | None = None
    rate: float | None = None
    clips_per_second: float | None = None
    trained_steps: int | None = None  # when training has ended
    embedded: tuple[int, int] = (0, 0)  # machines done, machines to do
    notes: tuple[str, ...] = ()
    parts: tuple[tuple[str, str], ...] = ()  # what is known of a machine and section: (sentence, part)
    left_out: bool = False  # its time was over before its network was of any use
    message: str = ""  # why it failed
    hint: str = ""


def recordings_of(machines: Sequence[str], clips: Sequence[Clip]) -> str:
    """Fingerprint of the clips of these machines: their files, and what is known of them."""
    own = [clip for clip in clips if clip.machine in machines]
    return fingerprint([[*recording(clip), clip.domain, clip.label, clip.attributes, clip.below] for clip in own])


@dataclass(frozen=True)
class Job:
    """The files of one task's process."""

    run: Run
    name: str  # the ID

    @property
    def folder(self) -> Path:
        return self.run.folder / "tasks" / self.name

    @property
    def order_path(self) -> Path:
        return self.folder.with_name(f"{self.name}.json")

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"

    @property
    def scores_path(self) -> Path:
        return self.folder / "scores.csv"

    @property
    def _state_path(self) -> Path:
        return self.folder / "state.json"

    def order(self) -> Order:
        """Raises: AsdzooError when there is no such task, or its order is damaged."""
        cure = f"`asdzoo train-all --run {typed(self.run.folder)} --executor local` writes it"
        return read_record(self.order_path, Order, cure)

    def state(self) -> State | None:
        """How far it has come; None when nobody began, or what is written cannot be read."""
        try:
            return read_record(self._state_path, State, "")
        except AsdzooError:
            return None

    def write(self, state: State) -> None:
        state.write(self._state_path)

    def forget(self) -> None:
        """Remove the state of an earlier process."""
        self._state_path.unlink(missing_ok=True)

    @property
    def task_folder(self) -> TaskFolder:
        order = self.order()
        return TaskFolder(self.run.system_folder(order.system) / order.folder)

    def finished(self, code: str) -> bool:
        """Whether this very order was done as far as there was time, and all that came of it is there."""
        state, order = self.state(), self.order()
        if state is None or (state.code, state.stage) != (code, "done"):
            return False
        if state.left_out:
            return True
        made = [self.task_folder.embeddings(machine) for machine in order.machines]
        return self.task_folder.usable and all(path.exists() for path in (self.scores_path, *made))

    def outcome(self, task: Task) -> Outcome:
        """What came of a finished job. Raises: AsdzooError when it is damaged."""
        state = self.state()
        if state is not None and state.left_out:
            return Outcome(task, (), (), left_out=True)
        return Outcome(task, (ScoreTable.read(self.scores_path),), state.parts if state is not None else ())


def job_of(run: Run, task: Task) -> Job:
    return Job(run, f"{task.system.name}-{task.name}")


def order_of(task: Task, clips: Sequence[Clip], data: Path, store: Path, device: str, also: Sequence[Path] = ()) -> Order:
    """The order for a task; `clips` are those of the store, `data`, `store` and `also` are folders."""
    return Order(
        system=task.system.name,
        config=task.system.resolved(),
        group=task.group,
        machines=task.machines,
        seed=task.seed,
        folder=task.name,
        data=str(data.absolute()),
        also=tuple(str(folder.absolute()) for folder in also),
        beside=tuple(sorted({(clip.year, clip.machine) for clip in task.beside if clip.year != task.year})),
        year=task.year,
        store=str(store.absolute()),
        device=device,
        recordings=recordings_of(task.machines, clips),
        versions=versions_now(),
    )


def ordered_task(order: Order, clips: Sequence[Clip]) -> Task:
    """The task that an order is of, from the clips of the store.

    Raises: AsdzooError when the recordings are not those that were there when it was given.
    """
    system: System = system_of(order.system, order.config, order.system)
    of_year = [clip for clip in clips if clip.year == order.year]
    own = tuple(clip for clip in of_year if clip.split == "train" and clip.machine in order.machines)
    others = [clip for clip in clips if (clip.year, clip.machine) in order.beside]
    clean = beside(system, order.group, order.machines, of_year, (), {})
    task = Task(system, order.group, order.machines, order.seed, own, (*clean, *others))
    if task.name != order.folder or recordings_of(order.machines, clips) != order.recordings:
        raise AsdzooError(f"the recordings in {order.data} have changed since this was planned", "run `asdzoo train-all` again")
    return task
