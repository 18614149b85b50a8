"""Tasks as jobs of a Slurm cluster, one array a command, through submitit.

A job that runs out of time, or has to make way for another, is queued again and goes on from its checkpoint. Jobs outlive the
command: their numbers stand in tasks/ID/job.json, by which the next one finds them.
"""

from __future__ import annotations

import math
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from getpass import getuser
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from typing import Any

from pydantic import NonNegativeInt, PositiveInt

from zoo.config import Frozen, load_yaml, parse, shipped_configs
from zoo.errors import AsdzooError
from zoo.files import write_json
from zoo.running.durations import parse_duration
from zoo.running.folder import Run
from zoo.running.jobs import Job
from zoo.running.records import Record, read_record

BETWEEN_LOOKS = 15.0  # seconds between two questions to the scheduler


class ClusterConfig(Frozen):
    """What is asked of the scheduler for each task; the defaults stand in configs/cluster.yaml."""

    partition: str | None
    account: str | None
    time: str
    memory: str
    gpus: NonNegativeInt
    cpus: PositiveInt
    array_parallelism: PositiveInt
    requeues: NonNegativeInt
    notice: PositiveInt
    setup: tuple[str, ...]

    @classmethod
    def read(cls, own: Path | None, options: Mapping[str, Any]) -> ClusterConfig:
        """The shipped values, those of a file of one's own, and options of the command that were given (are not None).

        Raises: AsdzooError for an unknown key or a wrong value.
        """
        values = load_yaml(shipped_configs() / "cluster.yaml")
        origin = str(own) if own is not None else "configs/cluster.yaml"
        values |= load_yaml(own) if own is not None else {}
        config = parse(cls, {**values, **{key: value for key, value in options.items() if value is not None}}, origin)
        parse_duration(config.time, "--time")
        return config

    def parameters(self) -> dict[str, Any]:
        """What submitit makes `#SBATCH` lines of."""
        return {
            "job_name": "asdzoo",
            "partition": self.partition,
            "account": self.account,
            "time": math.ceil(parse_duration(self.time, "--time") / 60),
            "mem": self.memory,
            "gpus_per_node": self.gpus or None,
            "cpus_per_task": self.cpus,
            "array_parallelism": self.array_parallelism,
            "signal_delay_s": self.notice,
            "setup": list(self.setup) or None,
        }


class JobNumber(Record):
    """tasks/ID/job.json: under which number a task was handed to the scheduler."""

    id: str


@dataclass
class Call:
    """What a node is handed: pickled by submitit, called there, and again when the job was queued again."""

    run: str
    name: str

    def __call__(self) -> None:
        from zoo.running.worker import run_task

        run_task(Run(Path(self.run)), self.name)

    def checkpoint(self) -> Any:
        """What is queued again: the same, since the task knows where it was."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


@dataclass
class SlurmProcess:
    """A job of the cluster."""

    queue: Queue
    submitted: Any  # submitit's job

    @property
    def alive(self) -> bool:
        return self.queue.holds(str(self.submitted.job_id))

    @property
    def ended(self) -> str:
        return f"job {self.submitted.job_id} ended as {self.submitted.watcher.get_state(self.submitted.job_id, mode='force')}"

    @property
    def log(self) -> Path:
        return Path(self.submitted.paths.stderr)


class Queue:
    """The numbers of the user's jobs that wait or run, asked for now and then."""

    def __init__(self) -> None:
        self._asked = -math.inf
        self._known: set[str] = set()

    def holds(self, number: str) -> bool:
        """Whether a job waits or runs; True while the scheduler does not answer."""
        if monotonic() - self._asked >= BETWEEN_LOOKS:
            self._asked = monotonic()
            command = ["squeue", "-u", getuser(), "-r", "-h", "-o", "%i"]  # one number a line, arrays taken apart
            answer = subprocess.run(command, capture_output=True, text=True, check=False)
            if answer.returncode == 0:
                self._known = set(answer.stdout.split())
            else:
                self._known.add(number)
        return number in self._known

    def add(self, numbers: Sequence[str]) -> None:
        """Jobs that were submitted just now."""
        self._known.update(numbers)
        self._asked = monotonic()


@dataclass
class Slurm:
    """Hands tasks to the scheduler, all at once."""

    config: ClusterConfig
    queue: Queue = field(default_factory=Queue)
    most: None = None

    def __post_init__(self) -> None:
        if find_spec("submitit") is None:
            raise AsdzooError("--executor slurm needs the package submitit", "pip install 'asdzoo[cluster]'")

    def start(self, jobs: Sequence[Job]) -> Sequence[SlurmProcess]:
        """One array of jobs. Raises: AsdzooError when this is no machine of a cluster, or the scheduler refuses."""
        executor = self.executor(jobs[0].run)
        calls = [Call(str(job.run.folder.absolute()), job.name) for job in jobs]
        try:
            with executor.batch():
                submitted = [executor.submit(call) for call in calls]
        except (subprocess.CalledProcessError, OSError, RuntimeError) as problem:
            said = str(problem).strip().splitlines()
            reason = said[-1] if said else "it says nothing"
            raise AsdzooError(
                f"sbatch refused the jobs: {reason}", "see --partition, --account, --time and --memory"
            ) from problem
        for job, one in zip(jobs, submitted, strict=True):
            write_json(job.folder / "job.json", {"id": str(one.job_id)})
        self.queue.add([str(one.job_id) for one in submitted])
        return [SlurmProcess(self.queue, one) for one in submitted]

    def executor(self, run: Run) -> Any:
        """submitit's executor with the parameters put in."""
        import submitit

        try:
            executor = submitit.SlurmExecutor(_papers(run), max_num_timeout=self.config.requeues)
        except RuntimeError as problem:
            raise AsdzooError(
                "this is no machine of a Slurm cluster: there is no srun", "log in to one, or use --executor local"
            ) from problem
        executor.update_parameters(**{key: value for key, value in self.config.parameters().items() if value is not None})
        return executor

    def find(self, job: Job) -> SlurmProcess | None:
        path = job.folder / "job.json"
        if not path.exists():
            return None
        try:
            number = read_record(path, JobNumber, "").id
        except AsdzooError:
            return None
        if not self.queue.holds(number):
            return None
        import submitit

        return SlurmProcess(self.queue, submitit.SlurmJob(_papers(job.run), number))

    def stop(self, processes: Sequence[object]) -> str:
        """Nothing is stopped: the jobs go on, and are found again."""
        numbers = [str(one.submitted.job_id) for one in processes if isinstance(one, SlurmProcess)]
        if not numbers:
            return ""
        ending = f"`scancel {' '.join(numbers)}` ends them"
        return f"{len(numbers)} job(s) of the cluster go on: the same command finds them again, {ending}"


def _papers(run: Run) -> Path:
    """Where submitit keeps what it hands in, and what jobs print."""
    return run.folder.absolute() / "tasks" / "slurm"
