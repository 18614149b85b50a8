"""Tasks in processes of their own end in the same bytes as tasks done here, whatever happens to the processes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from submission.cli import main
from tests.zoo.trees import write_tree
from zoo.errors import AsdzooError
from zoo.running.executors.processes import MOST_DEATHS, Process
from zoo.running.folder import Run
from zoo.running.jobs import Job
from zoo.running.task_folder import TaskFolder
from zoo.running.worker import run_task

SYSTEMS = "nf_cdee_tiny,dual_branch_cnn_tiny"
SETTINGS = ["--set", "training.steps=6", "--set", "training.validate_every=2", "--set", "training.holdout=0.25"]


def arguments(data: Path, run: Path, *more: str, systems: str = SYSTEMS) -> list[str]:
    where = ["--data", str(data), "--run", str(run), "--year", "2024", "--device", "cpu"]
    return ["train-all", *where, "--systems", systems, *SETTINGS, *more]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tree(tmp_path_factory.mktemp("data"), "2024", machines=["fan", "gearbox"], train=8, test=2, seconds=1.0)


@pytest.fixture(scope="module")
def here(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run(tmp_path_factory.mktemp("runs") / "here")
    assert main(arguments(data, run.folder)) == 0
    return run


def tables(run: Run) -> dict[str, bytes]:
    return {name: run.score_path(name).read_bytes() for name in run.score_names()}


@dataclass
class Dead:
    job: Job
    alive: bool = False
    ended: str = "with exit code 9"

    @property
    def log(self) -> Path:
        return self.job.log


@dataclass
class Inline:
    """Does tasks while it starts them; the first `deaths` of each die before they begin."""

    most: int | None = 1
    deaths: int = 0
    started: list[str] = field(default_factory=list)

    def start(self, jobs: Sequence[Job]) -> Sequence[Process]:
        for job in jobs:
            self.started.append(job.name)
            if self.started.count(job.name) > self.deaths:
                try:
                    run_task(job.run, job.name)
                except AsdzooError:
                    continue
        return [Dead(job) for job in jobs]

    def find(self, job: Job) -> None:
        return None

    def stop(self, processes: Sequence[Process]) -> str:
        return ""


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> Inline:
    """The starter of `--executor local` in tests that need no process."""
    starter = Inline()
    monkeypatch.setattr("zoo.cli.train.starter_for", lambda *options: starter)
    return starter


@pytest.mark.slow
def test_two_local_processes_one_of_them_killed_end_in_the_same_bytes(data: Path, here: Run, tmp_path: Path) -> None:
    run = Run(tmp_path / "killed")
    command = [sys.executable, "-m", "zoo", *arguments(data, run.folder, "--executor", "local", "--jobs", "2")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as parent:
        assert parent.stdout is not None
        victim = _first_process(run)
        os.kill(victim, signal.SIGKILL)
        said = parent.stdout.read()
    assert parent.returncode == 0, said
    assert "its process died, killed by signal 9; it is started again and goes on where it was" in " ".join(said.split())
    assert tables(run) == tables(here)
    assert list(run.folder.rglob("checkpoint.pt")) == []


def _first_process(run: Run) -> int:
    """The number of the first process that says that it has begun."""
    for _ in range(600):
        for path in run.folder.glob("tasks/*/state.json"):
            state = json.loads(path.read_text())
            if state["stage"] in ("begun", "training") and not state.get("before"):
                return int(state["process"])
        time.sleep(0.05)
    raise AssertionError("no process began")


@pytest.mark.slow
def test_a_process_that_outlives_its_command_is_found_again(data: Path, here: Run, tmp_path: Path) -> None:
    run = Run(tmp_path / "orphans")
    more = ("--executor", "local", "--jobs", "1", "--set", "training.steps=60")
    command = [sys.executable, "-m", "zoo", *arguments(data, run.folder, *more, systems="dual_branch_cnn_tiny")]
    parent = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    worker = _first_process(run)
    parent.kill()
    parent.wait()
    os.kill(worker, signal.SIGSTOP)  # so that it is there for sure when the next command comes
    threading.Timer(4.0, os.kill, (worker, signal.SIGCONT)).start()
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "is being worked on already: it is waited for" in " ".join(done.stderr.split())
    (state,) = (json.loads(path.read_text()) for path in run.folder.glob("tasks/*/state.json"))
    assert (state["stage"], state["process"]) == ("done", worker)


def test_finished_tasks_are_not_started_again_and_changed_ones_are(
    data: Path, here: Run, tmp_path: Path, inline: Inline, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(tmp_path / "again")
    assert main(arguments(data, run.folder)) == 0
    assert tables(run) == tables(here)
    assert run.info().systems == here.info().systems
    assert len(inline.started) == 3
    capsys.readouterr()
    assert main(arguments(data, run.folder)) == 0
    assert len(inline.started) == 3
    assert capsys.readouterr().out.count("trained already") == 3
    assert main(arguments(data, run.folder, "--set", "detector={name: mahalanobis}", systems="dual_branch_cnn_tiny")) == 0
    assert len(inline.started) == 4
    assert tables(run)["dual_branch_cnn_tiny"] != tables(here)["dual_branch_cnn_tiny"]
    next(run.folder.rglob("systems/dual_branch_cnn_tiny/*/embeddings/fan.safetensors")).unlink()
    assert main(arguments(data, run.folder)) == 0
    assert len(inline.started) == 5
    assert tables(run) == tables(here)


def test_what_a_task_says_is_said_by_the_command(
    data: Path, tmp_path: Path, inline: Inline, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(data, tmp_path / "run", systems="log_mel_knn,nf_cdee_tiny")) == 0
    said = capsys.readouterr().out
    assert "log_mel_knn (all): nothing to train, training.steps=6 does not concern it" in said
    assert "nf_cdee_tiny (periodic): 6 steps on 8 clips" in said


def test_a_process_that_dies_is_started_again_but_not_for_ever(
    data: Path, here: Run, tmp_path: Path, inline: Inline, capsys: pytest.CaptureFixture[str]
) -> None:
    inline.deaths = MOST_DEATHS - 1
    run = Run(tmp_path / "dying")
    assert main(arguments(data, run.folder, systems="dual_branch_cnn_tiny")) == 0
    assert "its process died, with exit code 9; it is started again" in capsys.readouterr().err
    assert tables(run)["dual_branch_cnn_tiny"] == tables(here)["dual_branch_cnn_tiny"]
    inline.deaths, inline.started = MOST_DEATHS, []
    assert main(arguments(data, tmp_path / "dead", systems="dual_branch_cnn_tiny")) == 2
    shown = capsys.readouterr().err
    assert f"dual_branch_cnn_tiny (all): its process died {MOST_DEATHS} times, with exit code 9" in shown
    assert "hint: see " in shown


def test_a_task_that_fails_does_not_keep_others_from_finishing(
    data: Path, here: Run, tmp_path: Path, inline: Inline, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(tmp_path / "failing")
    assert main(arguments(data, run.folder, "--set", "training.learning_rate=1e30", systems="nf_cdee_tiny,log_mel_knn")) == 2
    shown = capsys.readouterr().err
    assert "nf_cdee_tiny (periodic): the loss is not finite" in shown
    assert "(and 1 more)" in shown
    assert run.score_names() == ["log_mel_knn"]


def test_recordings_that_change_after_planning_are_noticed(data: Path, tmp_path: Path, inline: Inline) -> None:
    own = tmp_path / "data"
    shutil.copytree(data, own, copy_function=shutil.copy2)
    run = Run(tmp_path / "runs" / "changed")
    assert main(arguments(own, run.folder, systems="log_mel_knn")) == 0
    changed = next(own.rglob("fan/test/*.wav"))
    changed.write_bytes(changed.read_bytes()[:-2] + b"\1\1")
    (name,) = (path.stem for path in run.folder.glob("tasks/*.json"))
    with pytest.raises(AsdzooError, match="have changed since this was planned"):
        run_task(run, name)
    state = Job(run, name).state()
    assert state is not None
    assert (state.stage, state.hint) == ("failed", "run `asdzoo train-all` again")
    assert main(arguments(own, run.folder, systems="log_mel_knn")) == 0  # which forgets that


def test_a_task_by_hand(data: Path, tmp_path: Path, inline: Inline, capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(tmp_path / "run")
    assert main(["task", str(run.folder), "x"]) == 2
    assert main(arguments(data, run.folder, systems="log_mel_knn")) == 0
    (name,) = (path.stem for path in run.folder.glob("tasks/*.json"))
    assert main(["task", str(run.folder), name]) == 0
    capsys.readouterr()
    assert main(["task", str(run.folder), "nothing"]) == 2
    assert "nothing.json is missing" in capsys.readouterr().err


def test_tasks_of_another_command_are_passed_over_and_waited_for(
    data: Path, here: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(tmp_path / "shared")
    (periodic, _) = here.info().systems["nf_cdee_tiny"].tasks
    folder = TaskFolder(run.system_folder("nf_cdee_tiny") / periodic)
    taken, free = threading.Event(), threading.Event()

    def other() -> None:
        with folder.lock():
            taken.set()
            free.wait(60)

    thread = threading.Thread(target=other)
    thread.start()
    taken.wait(60)
    threading.Timer(3.0, free.set).start()
    assert main(arguments(data, run.folder)) == 0
    thread.join()
    printed = capsys.readouterr()
    assert "another command works on nf_cdee_tiny (periodic): waiting for it" in printed.err
    assert printed.out.index("dual_branch_cnn_tiny (all)") < printed.out.index("nf_cdee_tiny (periodic)")
    assert tables(run) == tables(here)


def test_options_that_do_not_go_together(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(data, tmp_path / "run", "--jobs", "2")) == 2
    assert "--jobs is of --executor local, not here" in capsys.readouterr().err
    assert main(arguments(data, tmp_path / "run", "--executor", "locl")) == 2
    assert "unknown executor 'locl' (did you mean local?)" in capsys.readouterr().err
    assert main([*arguments(data, tmp_path / "run", "--executor", "local"), "--device", "cuda:1"]) == 2
    assert "--device cuda:1 names one card" in capsys.readouterr().err
