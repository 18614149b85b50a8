"""Where the files of one task stand.

systems/SYSTEM/GROUP-FINGERPRINT/
  task.json             what went in: config, machines, classes, seed; what it costs: parameters, multiplications
  checkpoint.pt         where training goes on: only while it is not done
  last_state.pt         where a training with more steps goes on: only where a budget took steps away
  training.csv          a row per validation
  pseudo_labels.csv     which clip got which, where the system makes some
  model.safetensors     the trained weights; written last, so that it stands for "trained" where there is something to train
  embeddings/MACHINE.safetensors
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import AsdzooError
from zoo.running.locks import held, remove_leftovers
from zoo.running.records import TaskInfo, read_record


@dataclass(frozen=True)
class TaskFolder:
    """Where the files of one task stand, and what `task.json` says of it."""

    path: Path

    @property
    def weights(self) -> Path:
        return self.path / "model.safetensors"

    @property
    def record(self) -> Path:
        return self.path / "task.json"

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint.pt"

    @property
    def last_state(self) -> Path:
        return self.path / "last_state.pt"

    @property
    def trained(self) -> bool:
        """Whether the network is as it is going to be, and not one that was stopped when its time was over."""
        return self.usable and not self.checkpoint.exists()

    @property
    def usable(self) -> bool:
        """Whether there is a network; one without training is there as soon as a whole `task.json` says so."""
        if self.weights.exists():
            return True
        try:
            return not self.info().trains
        except AsdzooError:  # missing, or damaged and written anew by `train`
            return False

    def info(self) -> TaskInfo:
        """Raises: AsdzooError when the task was never begun, or its `task.json` is damaged."""
        return read_record(self.record, TaskInfo, "run `asdzoo train-all` again, which writes it anew")

    def embeddings(self, machine: str) -> Path:
        return self.path / "embeddings" / f"{machine}.safetensors"

    @property
    def lock_path(self) -> Path:
        return self.path / ".lock"

    @contextmanager
    def lock(self, patience: float = 0.0) -> Iterator[None]:
        """Hold this task, waiting up to `patience` seconds. Raises: Busy when another process works on it longer."""
        busy = f"another asdzoo command works on {self.path}"
        with held(self.lock_path, busy, "wait for it to end, or name another folder with --run", patience):
            remove_leftovers(self.path)
            yield
