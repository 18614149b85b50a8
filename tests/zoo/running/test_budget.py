"""A plan that is fitted into a time: shares, schedules of the steps, who is left out; and what a command says of it."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from submission.cli import main
from tests.zoo.trees import write_tree
from zoo.cli import budgeting
from zoo.errors import AsdzooError
from zoo.running.budget import MARGIN, PASSES, STEPS, _shared, fit
from zoo.running.durations import parse_duration, spoken
from zoo.running.executors.processes import Process
from zoo.running.folder import Run
from zoo.running.jobs import Job
from zoo.running.limits import Allowance, Limit, Planned
from zoo.running.plan import Task
from zoo.running.timing import EARLY, Timing
from zoo.running.worker import run_task
from zoo.systems import System, load_system


def timing(name: str, passes: float, embedding: float, clips: int = 100, tasks: int = 1, **training: Any) -> Timing:
    """A system of this name with tasks of `clips` training clips each, timed by hand; it does not stop early."""
    system = load_system("dual_branch_cnn_tiny" if passes else "log_mel_knn")
    if passes:
        config = system.config.training
        assert config is not None
        config = config.model_copy(update={"epochs": None, "patience": None, **training})
        system = replace(system, config=system.config.model_copy(update={"training": config}))
        steps = training["steps"]
    else:
        steps = 0
    system = replace(system, name=name)
    of = tuple(
        cast(Task, SimpleNamespace(system=system, learnt=range(clips), group=f"g{number}", machines=("fan",)))
        for number in range(tasks)
    )
    return Timing(system, of, passes, embedding, (steps,) * tasks)


def training_of(system: System) -> Any:
    return system.config.training


def test_what_fits_is_left_as_it_is_and_the_quickest_come_first() -> None:
    slow = timing("slow", 1.0, 5.0, steps=100, batch=64, accumulation=1)
    quick = timing("quick", 0.01, 5.0, steps=100, batch=64, accumulation=1)
    bare = timing("bare", 0.0, 50.0)
    fitted = fit([slow, quick, bare], 1000.0)
    assert [system.name for system in fitted.systems] == ["bare", "quick", "slow"]
    assert fitted.systems == (bare.system, quick.system, slow.system)
    assert (fitted.cut, fitted.left_out) == ({}, {})
    assert fitted.seconds == pytest.approx(50 + 5 + 1 + 5 + 100)


def test_a_cut_system_gets_a_schedule_of_its_steps() -> None:
    whole = {"batch": 64, "accumulation": 8, "steps": 10_000, "cycle": 1000, "warm_up": 100, "validate_every": 500}
    one = timing("cnn", 0.1, 10.0, schedule="cosine_restarts", **whole)
    (system,) = fit([one], (60 + 10) / MARGIN).systems  # 600 passes of 0.1 s
    it = training_of(system)
    assert (it.steps, it.accumulation) == (600, 1)
    assert (it.warm_up, it.cycle, it.validate_every) == (60, 540, 120)  # one cycle, to its end
    assert fit([one], (60 + 10) / MARGIN).cut == {"cnn": "600 of 10000 steps of 64 clips"}


def test_with_time_for_it_training_ends_where_a_cycle_does() -> None:
    whole = {"batch": 64, "accumulation": 8, "steps": 10_000, "cycle": 1000, "warm_up": 10, "validate_every": 500}
    one = timing("cnn", 0.1, 0.0, schedule="cosine_restarts", **whole)
    (system,) = fit([one], 0.1 * 8 * 9_500 / MARGIN).systems
    assert (training_of(system).steps, training_of(system).cycle, training_of(system).accumulation) == (9_010, 1000, 8)


def test_what_can_learn_nothing_in_its_share_is_left_out_and_gives_it_to_the_others() -> None:
    small = timing("small", 0.1, 0.0, steps=5000, batch=64, accumulation=1, schedule="constant")
    large = timing("large", 5.0, 20.0, steps=5000, batch=64, accumulation=1)
    fitted = fit([small, large], 300 / MARGIN)
    assert list(fitted.left_out) == ["large"]
    assert fitted.left_out["large"] == f"it is of no use before {spoken(STEPS * 5.0)} of training"
    assert training_of(fitted.systems[0]).steps == 3000
    many = timing("many", 0.1, 0.0, clips=100_000, steps=50_000, batch=64, accumulation=1)
    assert list(fit([many], 0.1 * 100_000 / 64 * (PASSES - 1)).left_out) == ["many"]


def test_side_by_side_one_task_still_takes_no_longer_than_all() -> None:
    one = timing("one", 0.1, 0.0, steps=5000, batch=64, accumulation=1, schedule="constant")
    fitted = fit([one], 300 / MARGIN, at_a_time=2)
    assert training_of(fitted.systems[0]).steps == 3000
    both = replace(one, tasks=one.tasks * 2, steps=one.steps * 2)
    assert training_of(fit([both], 300 / MARGIN, at_a_time=2).systems[0]).steps == 3000
    assert fit([both], 300 / MARGIN, at_a_time=2).seconds == pytest.approx(300)


CONSTANT = {"batch": 64, "accumulation": 1, "schedule": "constant", "warm_up": 100, "validate_every": 500}


def test_a_constant_schedule_keeps_all_but_its_steps_and_goes_on_from_those_it_has_made() -> None:
    one = timing("one", 0.1, 0.0, steps=10_000, holdout=0.1, **CONSTANT)
    before = training_of(fit([one], 100 / MARGIN).systems[0])
    assert before.model_dump() == {**training_of(one.system).model_dump(), "steps": 1000}
    fitted = fit([replace(one, made=(1000,))], 100 / MARGIN)
    assert training_of(fitted.systems[0]).model_dump() == {**before.model_dump(), "steps": 2000}
    assert fitted.shares["one"].training == {"g0": pytest.approx(100)}
    assert fit([replace(one, made=(9_500,))], 100 / MARGIN).cut == {}  # the rest of it fits


def test_epochs_are_cut_as_epochs_so_that_each_task_gets_its_part() -> None:
    one = timing("one", 0.1, 0.0, tasks=2, steps=10_000, epochs=100, holdout=0.0, **CONSTANT)
    one = replace(one, steps=(1000, 3000))
    fitted = fit([one], 100 / MARGIN)  # of 400 s
    assert fitted.cut == {"one": "25 of 100 epochs"}
    assert training_of(fitted.systems[0]).epochs == 25
    assert fitted.shares["one"].training == {"g0": pytest.approx(25), "g1": pytest.approx(75)}


def test_a_training_that_stops_early_is_planned_with_the_steps_that_it_usually_takes() -> None:
    one = timing("one", 0.1, 0.0, steps=20_000, patience=50, holdout=0.1, **{**CONSTANT, "validate_every": 20})
    assert (one.usual, one.training) == ([round(1000 * EARLY)], pytest.approx(100 * EARLY))
    assert fit([one], 200.0).cut == {}
    assert replace(one, made=(5000,)).usual == [6000]
    assert replace(one, made=(19_500,)).usual == [20_000]
    assert timing("one", 0.1, 0.0, steps=20_000, patience=50, holdout=0.0, **CONSTANT).usual == [20_000]  # it cannot stop


def test_a_system_of_which_some_networks_are_done_keeps_its_steps() -> None:
    one = replace(timing("one", 0.1, 0.0, tasks=2, steps=10_000, **CONSTANT), partly=True)
    fitted = fit([one], 100 / MARGIN)
    assert fitted.systems == (one.system,)
    assert fitted.cut == {"one": "as far as it comes"}
    assert sum(fitted.shares["one"].training.values()) == pytest.approx(100)


def test_each_training_gets_its_share_of_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("zoo.running.limits.time", SimpleNamespace(monotonic=lambda: now[0]))
    first, second, third = (timing(name, 1.0, 0.0, steps=1, batch=1, accumulation=1).tasks[0] for name in "abc")
    planned = {
        ("a", "g0"): Planned(training=30, embedding=0, least=7, cut=True),
        ("b", "g0"): Planned(training=50, embedding=10),
    }
    limits = Allowance(planned, end=100.0)
    given = limits(first)
    assert (given.seconds, given.least, given.cut) == (pytest.approx(100 * 30 / 90), 7, True)
    now[0] = 70.0  # it took longer all the same
    assert limits(second).seconds == pytest.approx(30 * 50 / 60)
    now[0] = 200.0
    assert limits(second).seconds == 0.0
    slow = Allowance(
        {("a", "g0"): Planned(training=0, embedding=5), ("b", "g0"): Planned(training=50, embedding=10)}, end=300.0
    )
    slow(first)
    now[0] = 215.0  # three times the seconds that were planned for the embeddings of the first
    assert slow(second).seconds == pytest.approx(85 * 50 / (50 + 30))
    assert limits(third) == Limit()  # nothing was planned
    assert Limit().longest == float("inf")


def test_embeddings_that_take_too_long_are_said() -> None:
    fitted = fit([timing("bare", 0.0, 500.0)], 100.0)
    assert (fitted.systems, fitted.left_out) == ((), {"bare": "its embeddings alone take 8 min"})


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 5), st.floats(0, 60), st.integers(1, 3), st.integers(1, 20_000), st.integers(1, 8)), max_size=6
    ),
    st.floats(1, 100_000),
)
def test_a_plan_keeps_its_time_and_loses_no_system(rows: list[tuple[float, float, int, int, int]], budget: float) -> None:
    timings = [
        timing(f"s{index}", passes, embedding, tasks=tasks, steps=steps, batch=64, accumulation=accumulation)
        for index, (passes, embedding, tasks, steps, accumulation) in enumerate(rows)
    ]
    fitted = fit(timings, budget)
    assert fitted.seconds <= budget * MARGIN * (1 + 1e-6) + 1e-6
    names = [system.name for system in fitted.systems]
    assert sorted([*names, *fitted.left_out]) == sorted(one.system.name for one in timings)
    for one in timings:
        for system in fitted.systems:
            if system.name == one.system.name and training_of(system) is not None:
                assert training_of(system).steps >= 1
                assert (
                    training_of(system).steps * training_of(system).accumulation
                    <= max(one.steps) * training_of(one.system).accumulation
                )


@given(st.lists(st.floats(0, 100), min_size=1, max_size=8), st.floats(0, 300))
def test_shares_are_even_and_spend_all_that_is_needed(needs: list[float], time: float) -> None:
    shares = _shared(needs, time)
    assert all(share <= need + 1e-9 for share, need in zip(shares, needs, strict=True))
    assert sum(shares) == pytest.approx(min(time, sum(needs)))
    short = [share for share, need in zip(shares, needs, strict=True) if share < need - 1e-9]
    assert all(share >= max(shares) - 1e-9 for share in short)


@pytest.mark.parametrize(("text", "seconds"), [("30m", 1800), ("8h", 28800), ("1h30m", 5400), ("1.5 h", 5400), ("2d", 172800)])
def test_lengths_of_time(text: str, seconds: float) -> None:
    assert parse_duration(text, "--budget") == seconds


@pytest.mark.parametrize("text", ["", "soon", "30", "-3h", "0m", "h", "3x", "1h and"])
def test_no_lengths_of_time(text: str) -> None:
    with pytest.raises(AsdzooError, match="is no length of time"):
        parse_duration(text, "--budget")


def arguments(data: Path, run: Path, *more: str, systems: str = "nf_cdee_tiny,log_mel_knn,dual_branch_cnn_tiny") -> list[str]:
    where = ["--data", str(data), "--run", str(run), "--year", "2024", "--device", "cpu"]
    return ["train-all", *where, "--systems", systems, *more]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tree(tmp_path_factory.mktemp("data"), "2024", machines=["fan", "gearbox"], train=8, test=2, seconds=1.0)


class InOrder:
    """Does tasks of `--executor local` while it starts them."""

    most = 1

    def start(self, jobs: Sequence[Job]) -> Sequence[Process]:
        for job in jobs:
            run_task(job.run, job.name)
        return [SimpleNamespace(alive=False, ended="", log=job.log) for job in jobs]

    def find(self, job: Job) -> None:
        return None

    def stop(self, processes: Sequence[Process]) -> str:
        return ""


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Every pass of a network takes 25 seconds, every embedding of a system one; the list grows with each measurement.

    From the second measurement on a pass takes no time. A command makes one plan.
    """
    measured: list[int] = []

    def timings(plan: list[Task], **others: object) -> list[Timing]:
        measured.append(len(plan))
        passes = 25.0 if len(measured) == 1 or one_plan() else 1e-3
        found = []
        for system in {task.system.name: task.system for task in plan}.values():
            own = tuple(task for task in plan if task.system is system)
            training = system.config.training
            steps = tuple(0 if training is None else training.steps for _ in own)
            found.append(Timing(system, own, passes if training else 0.0, 1.0, steps))
        return found

    monkeypatch.setattr("zoo.running.timing.timings", timings)

    def one_plan() -> bool:
        return budgeting.WORTH > 1

    monkeypatch.setattr(budgeting, "WORTH", 2.0)
    monkeypatch.setattr("zoo.cli.planning.NEVER_LONG", 0.0)
    return measured


def test_a_budget_from_end_to_end(data: Path, tmp_path: Path, slow: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(tmp_path / "run")
    more = ["--set", "training.steps=1000", "--set", "training.batch=4"]
    command = arguments(data, run.folder, *more, "--budget", "1h")
    assert main(command) == 0
    printed = capsys.readouterr()
    assert printed.out.index("log_mel_knn (all)") < printed.out.index("dual_branch_cnn_tiny (all): ")
    assert "the plan in 60 min, in this order" in printed.out
    assert "equal: the ensemble of 2 systems is up to date" in printed.out
    info = run.info()
    assert run.marks() == ["cut"]
    assert info.budget is not None
    assert info.budget.order == ("log_mel_knn", "dual_branch_cnn_tiny")
    assert list(info.budget.left_out) == ["nf_cdee_tiny"]
    assert "warning: nf_cdee_tiny is left out: it is of no use before" in printed.err
    assert STEPS <= info.systems["dual_branch_cnn_tiny"].config["training"]["steps"] < 3600 / 25
    assert run.score_names() == ["dual_branch_cnn_tiny", "equal", "log_mel_knn"]
    assert slow == [4]
    assert main(command) == 0  # as after an interruption
    printed = capsys.readouterr()
    assert "going on with the plan that was made for 60 min in this run" in printed.out
    assert "dual_branch_cnn_tiny (all): trained already" in printed.out
    assert slow == [4]
    assert json.loads((run.folder / "run.json").read_text())["budget"]["seconds"] == 3600


CONSTANT_TINY = "nf_cdee_tiny,log_mel_knn"
NO_EARLY_END = ["--set", "training.patience=null", "--set", "training.holdout=0.25", "--set", "training.batch=4"]


def weights(run: Run, system: str) -> dict[str, bytes]:
    """Of the networks that the run's tables come from, by the name of their folder."""
    folder = run.system_folder(system)
    return {task: (folder / task / "model.safetensors").read_bytes() for task in run.info().systems[system].tasks}


def test_with_more_time_a_training_goes_on_and_ends_as_if_it_had_never_stopped(
    data: Path, tmp_path: Path, slow: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    run, more = Run(tmp_path / "run"), ["--set", "training.steps=1000", *NO_EARLY_END]
    for budget, folders in (("3h", 2), ("4h", 4)):
        assert main(arguments(data, run.folder, *more, "--budget", budget, systems=CONSTANT_TINY)) == 0
        assert len(list(run.folder.glob("systems/nf_cdee_tiny/*-*"))) == folders
        printed = capsys.readouterr()
        assert "nf_cdee_tiny will go on from the last step" in " ".join(printed.out.split())
    said = " ".join(printed.err.split())
    assert said.count("goes on from step") == 2
    assert "trained anew" not in said
    steps = run.info().systems["nf_cdee_tiny"].config["training"]["steps"]
    assert run.info().budget is not None
    assert run.info().budget.cut == {"nf_cdee_tiny": f"{steps} of 1000 steps"}  # type: ignore[union-attr]
    at_once = Run(tmp_path / "at once")
    assert main(arguments(data, at_once.folder, *NO_EARLY_END, "--set", f"training.steps={steps}", systems=CONSTANT_TINY)) == 0
    assert weights(run, "nf_cdee_tiny") == weights(at_once, "nf_cdee_tiny")
    assert run.score_path("nf_cdee_tiny").read_bytes() == at_once.score_path("nf_cdee_tiny").read_bytes()


def test_time_that_is_left_is_used_for_what_was_cut(
    data: Path, tmp_path: Path, slow: list[int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budgeting, "WORTH", 0.15)
    run, more = Run(tmp_path / "run"), ["--set", "training.steps=300", *NO_EARLY_END]
    command = arguments(data, run.folder, *more, "--budget", "2h", systems="nf_cdee_tiny,log_mel_knn,dual_branch_cnn_tiny")
    assert main(command) == 0
    printed = capsys.readouterr()
    assert " of 2 h are left, so this is added" in printed.out
    assert "warning: nf_cdee_tiny is left out: " in printed.err
    assert "nf_cdee_tiny (stationary): 300 steps" in printed.out
    assert printed.out.count("dual_branch_cnn_tiny (all): ") == 1  # with more steps it would begin anew
    assert "the ensemble of 3 systems is up to date" in printed.out
    assert "nf_cdee_tiny.csv" in printed.out
    info = run.info()
    assert info.budget is not None
    assert list(info.budget.cut) == ["dual_branch_cnn_tiny"]
    assert (info.budget.left_out, info.budget.order[-1]) == ({}, "nf_cdee_tiny")
    assert main(command) == 0
    assert "going on with the plan that was made for 2 h in this run" in capsys.readouterr().out


@pytest.mark.parametrize("executor", ["here", "local"])
def test_a_training_that_takes_longer_than_planned_is_stopped_at_its_share_and_goes_on_with_the_next_command(
    data: Path,
    tmp_path: Path,
    slow: list[int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    executor: str,
) -> None:
    run, more = Run(tmp_path / "run"), ["--set", "training.steps=6", *NO_EARLY_END, "--executor", executor, "--budget", "9h"]
    command = arguments(data, run.folder, *more, systems=CONSTANT_TINY)
    monkeypatch.setattr("zoo.cli.train.starter_for", lambda kind, *options: InOrder() if kind == "local" else None)
    with monkeypatch.context() as late:
        late.setattr(Allowance, "__call__", lambda self, task: Limit(seconds=0.0, least=1))
        assert main(command) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "nf_cdee_tiny (stationary) is stopped at step 1 of 6, its share of the time is over: it is used as it is" in said
    assert "marked cut: " in said
    assert "(nf_cdee_tiny stopped at step 1)" in said
    assert main(["evaluate", "--run", str(run.folder)]) == 0
    assert "(nf_cdee_tiny stopped at step 1)" in " ".join(capsys.readouterr().err.split())
    early = run.score_path("nf_cdee_tiny").read_bytes()
    assert main(command) == 0
    assert run.info().budget is not None
    assert run.info().budget.said == []  # type: ignore[union-attr]
    assert not list(run.folder.rglob("*.pt"))
    at_once = Run(tmp_path / "at once")
    assert main(arguments(data, at_once.folder, "--set", "training.steps=6", *NO_EARLY_END, systems=CONSTANT_TINY)) == 0
    assert run.score_path("nf_cdee_tiny").read_bytes() == at_once.score_path("nf_cdee_tiny").read_bytes() != early


@pytest.mark.parametrize("executor", ["here", "local"])
def test_a_network_that_had_too_little_time_to_be_of_use_is_left_out(
    data: Path,
    tmp_path: Path,
    slow: list[int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    executor: str,
) -> None:
    run, more = Run(tmp_path / "run"), ["--set", "training.steps=6", *NO_EARLY_END, "--executor", executor, "--budget", "9h"]
    command = arguments(data, run.folder, *more, systems=CONSTANT_TINY)
    monkeypatch.setattr("zoo.cli.train.starter_for", lambda kind, *options: InOrder() if kind == "local" else None)
    with monkeypatch.context() as late:
        late.setattr(Allowance, "__call__", lambda self, task: Limit(seconds=0.0, least=5))
        assert main(command) == 0
        said = " ".join(capsys.readouterr().err.split())
        assert "nf_cdee_tiny (stationary) had time for 1 of 6 steps and is of no use before 5: it is left out" in said
        assert run.score_names() == ["log_mel_knn"]
        assert run.marks() == ["cut"]
        assert main(arguments(data, tmp_path / "nothing", *more, systems="nf_cdee_tiny")) == 2
        assert "no system had time enough to be of any use" in capsys.readouterr().err
    assert main(command) == 0
    assert run.score_names() == ["equal", "log_mel_knn", "nf_cdee_tiny"]


def test_a_budget_for_nothing(data: Path, tmp_path: Path, slow: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(tmp_path / "run")
    assert main(arguments(data, run.folder, "--budget", "30s", systems="dual_branch_cnn_tiny")) == 2
    shown = capsys.readouterr().err
    assert "error: 30 s is too short for any of these systems" in shown
    assert "hint: --budget " in shown
    assert not run.exists
    assert main(arguments(data, run.folder, "--budget", "soon")) == 2
    assert "--budget soon is no length of time" in capsys.readouterr().err
    assert main(arguments(data, run.folder, "--budget", "1h", "--executor", "slurm")) == 2
    assert "--budget is measured on this machine" in capsys.readouterr().err


def test_how_long_it_takes_is_said_before_it_begins(
    data: Path, tmp_path: Path, slow: list[int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.cli.planning.BUDGET_FROM", 100.0)
    assert main(arguments(data, tmp_path / "run", "--set", "training.steps=6", systems="dual_branch_cnn_tiny")) == 0
    said = capsys.readouterr().out
    assert "the time that each task takes on this device, measured" in said
    assert "in all: done " in said
    assert "--budget 8h fits the plan into 8 hours" in said


def test_without_checkpoints_the_systems_that_need_one_are_named_first_and_last(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("zoo.checkpoints.known.cached", lambda name: None)
    monkeypatch.setattr("zoo.cli.train.BUDGET_SYSTEMS", ("log_mel_knn", "beats_frozen", "eat_lora"))
    run = tmp_path / "run"
    command = ["train-all", "--data", str(data), "--run", str(run), "--year", "2024", "--device", "cpu", "--budget", "5m"]
    assert main(command) == 0
    shown = " ".join(capsys.readouterr().err.split())
    said = "beats_frozen, eat_lora are left out, for want of checkpoints: beats_iter3 ("
    assert shown.count(said) == 2
    assert "`asdzoo weights fetch --all` fetches them" in shown
    monkeypatch.setattr("zoo.cli.train.BUDGET_SYSTEMS", ("beats_frozen",))
    assert main(command) == 2
    assert "no system has its checkpoint here" in capsys.readouterr().err
