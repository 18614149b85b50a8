"""Tasks as jobs of a cluster: what sbatch is handed, and that jobs that are queued again, die or are left alone do no harm."""

import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from submission.cli import main
from tests.zoo.trees import write_tree
from zoo.errors import AsdzooError
from zoo.running.executors.slurm import Call, ClusterConfig
from zoo.running.folder import Run
from zoo.running.jobs import Job

submitit = pytest.importorskip("submitit", reason="submitit is not installed: pip install -e '.[dev]'")

SBATCH = """#!/bin/bash

# Parameters
#SBATCH --account=physics
#SBATCH --array=0-2%2
#SBATCH --cpus-per-task=8
#SBATCH --error=RUN/tasks/slurm/%A_%a_0_log.err
#SBATCH --gpus-per-node=1
#SBATCH --job-name=asdzoo
#SBATCH --mem=64G
#SBATCH --nodes=1
#SBATCH --open-mode=append
#SBATCH --output=RUN/tasks/slurm/%A_%a_0_log.out
#SBATCH --partition=a100
#SBATCH --signal=USR2@60
#SBATCH --time=90
#SBATCH --wckey=submitit

# setup
module load cuda

# command
export SUBMITIT_EXECUTOR=slurm
srun --unbuffered --output RUN/tasks/slurm/%A_%a_%t_log.out --error RUN/tasks/slurm/%A_%a_%t_log.err PYTHON -u -m \
submitit.core._submit RUN/tasks/slurm
"""


def arguments(data: Path, run: Path, *more: str, systems: str = "nf_cdee_tiny,dual_branch_cnn_tiny") -> list[str]:
    settings = ["--set", "training.steps=40", "--set", "training.validate_every=20"]
    where = ["--data", str(data), "--run", str(run), "--year", "2024", "--device", "cpu"]
    return ["train-all", *where, "--systems", systems, *settings, *more]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tree(tmp_path_factory.mktemp("data"), "2024", machines=["fan", "gearbox"], train=8, test=2, seconds=1.0)


@pytest.fixture(scope="module")
def here(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run(tmp_path_factory.mktemp("runs") / "here")
    assert main(arguments(data, run.folder)) == 0
    return run


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cluster of this machine: the folder of `fake_slurm`."""
    home, programs = tmp_path / "slurm", tmp_path / "bin"
    home.mkdir()
    programs.mkdir()
    for name in ("sbatch", "srun", "squeue", "sacct", "scontrol"):
        shutil.copy(Path(__file__).with_name("fake_slurm.py"), programs / f"{name}.py")
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" "{programs / name}.py" "$@"\n')
        (programs / name).chmod(0o755)
    shutil.copy(Path(__file__).with_name("fake_slurm.py"), programs / "fake_slurm.py")
    monkeypatch.setenv("FAKE_SLURM", str(home))
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setattr("zoo.running.executors.slurm.BETWEEN_LOOKS", 0.5)
    yield home
    until = time.monotonic() + 60
    while list(home.glob("*.running")) and time.monotonic() < until:
        time.sleep(0.2)


def process_of(run: Run, system: str, *stages: str) -> int:
    """The process that works on a task of a system, as soon as it is in one of these stages."""
    for _ in range(1200):
        for path in run.folder.glob(f"tasks/{system}-*/state.json"):
            state = json.loads(path.read_text())
            if state["stage"] in stages:
                return int(state["process"])
        time.sleep(0.05)
    raise AssertionError(f"{system} did not come to {stages}")


def tables(run: Run) -> dict[str, bytes]:
    return {name: run.score_path(name).read_bytes() for name in run.score_names()}


@pytest.mark.slow
def test_jobs_run_make_way_and_fail_and_end_in_the_same_bytes(
    data: Path, here: Run, tmp_path: Path, slurm: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(tmp_path / "runs" / "cluster")
    own = tmp_path / "mine.yaml"
    own.write_text("notice: 60\narray_parallelism: 2\nsetup: [module load cuda]\n")
    (tmp_path / "bin" / "module").write_text("#!/bin/sh\n")
    (tmp_path / "bin" / "module").chmod(0o755)

    def disturb() -> None:
        os.kill(process_of(run, "dual_branch_cnn_tiny", "training"), signal.SIGUSR2)  # Slurm's notice
        os.kill(process_of(run, "nf_cdee_tiny", "begun", "training"), signal.SIGKILL)

    thread = threading.Thread(target=disturb)
    thread.start()
    options = ["--partition", "a100", "--account", "physics", "--time", "90m", "--memory", "64G"]
    assert main(arguments(data, run.folder, "--executor", "slurm", "--cluster", str(own), *options)) == 0
    thread.join()
    handed_in = (slurm / "100.sh").read_text()
    assert handed_in == SBATCH.replace("RUN", str(run.folder)).replace("PYTHON", sys.executable)
    assert tables(run) == tables(here)
    said = " ".join(capsys.readouterr().err.split())
    assert said.count("its process died") == 1
    assert "ended as FAILED; it is started again and goes on where it was" in said
    logs = "".join(path.read_text() for path in run.folder.glob("tasks/slurm/*_log.*"))
    assert "Requeued job" in logs


@pytest.mark.slow
def test_jobs_outlive_the_command_and_are_found_again(
    data: Path, here: Run, tmp_path: Path, slurm: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(tmp_path / "runs" / "left")
    command = arguments(data, run.folder, "--executor", "slurm", systems="dual_branch_cnn_tiny")
    with monkeypatch.context() as patch:
        patch.setattr("zoo.running.executors.processes.time.sleep", _interrupt)
        assert main(command) == 130
    assert "1 job(s) of the cluster go on: the same command finds them again, `scancel 100` ends them" in " ".join(
        capsys.readouterr().err.split()
    )
    assert main(command) == 0
    assert "dual_branch_cnn_tiny (all) is being worked on already" in capsys.readouterr().err
    assert [path.name for path in slurm.glob("*.sh")] == ["100.sh"]
    assert tables(run)["dual_branch_cnn_tiny"] == tables(here)["dual_branch_cnn_tiny"]


def _interrupt(seconds: float) -> None:
    raise KeyboardInterrupt


def test_a_scheduler_that_refuses(data: Path, tmp_path: Path, slurm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (slurm / "refuses").touch()
    assert main(arguments(data, tmp_path / "run", "--executor", "slurm", systems="log_mel_knn")) == 2
    shown = capsys.readouterr().err
    assert "error: sbatch refused the jobs: sbatch: error: invalid partition specified: nowhere" in shown
    assert "hint: see --partition" in shown


def test_no_cluster_no_submitit_and_wrong_options(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(arguments(data, tmp_path / "run", "--partition", "a100", "--time", "1h")) == 2
    assert "--partition, --time is for a cluster" in capsys.readouterr().err
    assert main(arguments(data, tmp_path / "run", "--executor", "slurm", "--time", "soon")) == 2
    assert "--time soon is no length of time" in capsys.readouterr().err
    own = tmp_path / "mine.yaml"
    own.write_text("partiton: a100\n")
    assert main(arguments(data, tmp_path / "run", "--executor", "slurm", "--cluster", str(own))) == 2
    assert "unknown key partiton" in capsys.readouterr().err
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(arguments(data, tmp_path / "run", "--executor", "slurm", systems="log_mel_knn")) == 2
    assert "this is no machine of a Slurm cluster: there is no srun" in capsys.readouterr().err
    monkeypatch.setattr("zoo.running.executors.slurm.find_spec", lambda name: None)
    assert main(arguments(data, tmp_path / "run", "--executor", "slurm")) == 2
    shown = capsys.readouterr().err
    assert "--executor slurm needs the package submitit" in shown
    assert "hint: pip install 'asdzoo[cluster]'" in shown


def test_the_shipped_values_are_a_whole_config() -> None:
    config = ClusterConfig.read(None, {"partition": None, "memory": "64G"})
    assert (config.memory, config.time, config.parameters()["time"]) == ("64G", "8h", 480)
    with pytest.raises(AsdzooError, match="cpus"):
        ClusterConfig.read(None, {"cpus": 0})


@dataclass
class LocalJob:
    """A job of submitit's local executor."""

    submitted: Any

    @property
    def alive(self) -> bool:
        return not self.submitted.done()

    @property
    def ended(self) -> str:
        return f"as {self.submitted.state}"

    @property
    def log(self) -> Path:
        return Path(self.submitted.paths.stderr)


class SubmititLocal:
    """Two workers of submitit's local executor."""

    most = 2

    def __init__(self) -> None:
        self.started: list[LocalJob] = []

    def start(self, jobs: Sequence[Job]) -> list[LocalJob]:
        folder = jobs[0].run.folder / "tasks" / "submitit"
        executor = submitit.LocalExecutor(folder)
        executor.update_parameters(timeout_min=10)
        fresh = [LocalJob(executor.submit(Call(str(job.run.folder), job.name))) for job in jobs]
        self.started += fresh
        return fresh

    def find(self, job: Job) -> None:
        return None

    def stop(self, processes: Sequence[object]) -> str:
        return ""


@pytest.mark.slow
def test_two_workers_of_submitit_one_of_them_killed_end_in_the_same_bytes(
    data: Path, here: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(tmp_path / "run")
    starter = SubmititLocal()
    monkeypatch.setattr("zoo.cli.train.starter_for", lambda *options: starter)

    def kill() -> None:
        os.kill(process_of(run, "nf_cdee_tiny", "begun", "training"), signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    assert main(arguments(data, run.folder)) == 0
    thread.join()
    for job in starter.started:
        job.submitted._process.wait()
    assert "its process died" in capsys.readouterr().err
    assert tables(run) == tables(here)
