"""Tasks in processes of this machine: one for each GPU, or as many as asked for, which share its cores."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from zoo.errors import AsdzooError
from zoo.running.jobs import Job

CORES_OF_A_JOB = 4  # on a machine without a GPU, where --jobs says nothing
SECONDS_TO_END = 30.0  # between asking a process to end and ending it


@dataclass
class LocalProcess:
    """A process that was started here."""

    job: Job
    process: subprocess.Popen[bytes]
    slot: int

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    @property
    def ended(self) -> str:
        code = self.process.returncode
        return f"killed by signal {-code}" if code is not None and code < 0 else f"with exit code {code}"

    @property
    def log(self) -> Path:
        return self.job.log


@dataclass
class Local:
    """Starts `most` processes at a time; each sees one of `gpus` and its share of the cores."""

    most: int
    gpus: tuple[str, ...] = ()  # as CUDA_VISIBLE_DEVICES names them
    _started: list[LocalProcess] = field(default_factory=list)

    @classmethod
    def for_machine(cls, jobs: int | None, device: str) -> "Local":
        """`jobs` processes, or as many as there are GPUs, or one for every few cores.

        Raises: AsdzooError when `device` is one card of several.
        """
        if ":" in device:
            raise AsdzooError(
                f"--device {device} names one card, and --executor local gives one to each process",
                "leave out --device, and name the cards in the environment variable CUDA_VISIBLE_DEVICES",
            )
        gpus = _gpus() if device in ("auto", "cuda") else ()
        return cls(jobs or len(gpus) or max(1, (os.cpu_count() or 1) // CORES_OF_A_JOB), gpus)

    def start(self, jobs: Sequence[Job]) -> list[LocalProcess]:
        return [self._start(job) for job in jobs]

    def _start(self, job: Job) -> LocalProcess:
        taken = {one.slot for one in self._started if one.alive}
        slot = min(set(range(len(taken) + 1)) - taken)
        command = [sys.executable, "-m", "zoo", "task", str(job.run.folder.absolute()), job.name]
        job.folder.mkdir(parents=True, exist_ok=True)
        with job.log.open("ab") as log:
            # a session of its own: a signal to the command is not one to its processes, and they outlive it when it is killed
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=self._environment(slot)
            )
        self._started.append(LocalProcess(job, process, slot))
        return self._started[-1]

    def _environment(self, slot: int) -> dict[str, str]:
        environment = dict(os.environ)
        if self.gpus:
            environment["CUDA_VISIBLE_DEVICES"] = self.gpus[slot % len(self.gpus)]
        environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // self.most)))
        return environment

    def find(self, job: Job) -> None:
        """None: a process that outlived its command holds the lock of its task, and is found by that."""

    def stop(self, processes: Sequence[object]) -> str:
        """End the processes that were started here."""
        own = [one for one in processes if isinstance(one, LocalProcess) and one.alive]
        for one in own:
            one.process.send_signal(signal.SIGTERM)
        until = time.monotonic() + SECONDS_TO_END
        for one in own:
            try:
                one.process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                one.process.kill()
                one.process.wait()
        return ""


def _gpus() -> tuple[str, ...]:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return tuple(part.strip() for part in visible.split(",") if part.strip())
    import torch  # here, so that a command line is read without it

    return tuple(str(number) for number in range(torch.cuda.device_count()))
