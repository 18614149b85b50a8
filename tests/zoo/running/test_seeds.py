"""A system with several seeds: members that are systems of their own, their mean, and no seed that counts twice."""

import multiprocessing
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import yaml

from fusion.ensemble import ensemble_path, read_ensemble
from fusion.evaluation import evaluate_run
from submission.checking.rules import rules_of
from submission.cli import main
from submission.writing.describe import describe
from submission.writing.team import Team
from tests.submission.conftest import TEAM
from tests.zoo.running.often import save_after_every_step
from tests.zoo.trees import write_tree
from zoo.data.clips import find_clips
from zoo.running import pipeline, stages
from zoo.running.folder import Run
from zoo.running.jobs import order_of, ordered_task
from zoo.running.plan import make_plan
from zoo.running.prospects import chosen_systems

SYSTEM = "dual_branch_cnn_tiny"
MEMBERS = [f"{SYSTEM}.s0", f"{SYSTEM}.s1", f"{SYSTEM}.s2"]


def train(data: Path, run: Path, *more: str, systems: str = SYSTEM, seeds: int = 3) -> int:
    settings = ["--set", "training.steps=6", *(["--set", f"seeds={seeds}"] if seeds > 1 else [])]
    where = ["--data", str(data), "--run", str(run), "--year", "2024"]
    return main(["train-all", *where, "--systems", systems, "--device", "cpu", *settings, *more])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tree(tmp_path_factory.mktemp("data"), "2024", machines=["fan", "gearbox"], train=8, test=2, seconds=1.0)


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "whole"
    assert train(data, folder, systems=f"{SYSTEM},log_mel_knn") == 0
    return folder


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Run:
    shutil.copytree(whole, tmp_path / "copy")
    return Run(tmp_path / "copy")


def scores(run: Run, name: str, column: str = "score") -> np.ndarray:
    return run.scores(name).frame.sort_values(["machine", "split", "clip"])[column].to_numpy()


def _calibrated_mean(run: Run) -> np.ndarray:
    of_seeds = np.mean([scores(run, member, "calibrated") for member in MEMBERS], axis=0)
    return np.asarray((of_seeds + scores(run, "log_mel_knn", "calibrated")) / 2)


def tables(run: Run) -> dict[str, bytes]:
    return {name: run.score_path(name).read_bytes() for name in run.score_names()}


def test_each_member_is_what_its_seed_alone_gives_and_the_system_is_their_mean(data: Path, run: Run, tmp_path: Path) -> None:
    assert run.score_names() == [SYSTEM, *MEMBERS, "log_mel_knn"]
    for seed, member in enumerate(MEMBERS[:2]):
        alone = Run(tmp_path / str(seed))
        assert train(data, alone.folder, "--seed", str(seed), seeds=1) == 0
        assert scores(alone, SYSTEM).tolist() == scores(run, member).tolist()
    assert len({tuple(scores(run, member)) for member in MEMBERS}) == 3
    calibrated = np.mean([scores(run, member, "calibrated") for member in MEMBERS], axis=0)
    np.testing.assert_allclose(scores(run, SYSTEM), calibrated, rtol=0, atol=1e-12)


def test_evaluate_shows_mean_and_spread_of_the_members_alone(run: Run) -> None:
    found = evaluate_run(run)
    official = {one.system: one.score for one in found.judged}
    own = np.array([official[member] for member in MEMBERS])
    (family,) = found.families
    assert (family.system, family.seeds) == (SYSTEM, 3)
    assert family.mean == pytest.approx(own.mean(), abs=1e-12)
    assert family.spread == pytest.approx(own.std(ddof=1), abs=1e-12)


def test_fuse_weighs_the_family_and_not_its_mean(run: Run) -> None:
    assert main(["fuse", "--run", str(run.folder), "--method", "equal", "--name", "both"]) == 0
    (weights,) = read_ensemble(ensemble_path(run.folder, "both")).weights.values()
    assert weights == pytest.approx({**dict.fromkeys(MEMBERS, 1 / 6), "log_mel_knn": 1 / 2})
    named = ["--method", "equal", "--name", "both", "--systems", f"log_mel_knn,{SYSTEM}"]
    assert main(["fuse", "--run", str(run.folder), *named]) == 0
    (weights,) = read_ensemble(ensemble_path(run.folder, "both")).weights.values()
    assert weights == pytest.approx({**dict.fromkeys(MEMBERS, 1 / 6), "log_mel_knn": 1 / 2})
    assert scores(run, "both") == pytest.approx(_calibrated_mean(run))


def test_given_weights_of_a_system_are_shared_by_its_seeds(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"fan": {SYSTEM: 0.6, "log_mel_knn": 0.4}, "others": {MEMBERS[0]: 0.4, SYSTEM: 0.6}}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"description": "by hand", "weights": given}))
    assert main(["fuse", "--run", str(run.folder), "--ensemble", str(path)]) == 0
    assert f"warning: the seeds of {SYSTEM} share its weight" in capsys.readouterr().err
    found = read_ensemble(ensemble_path(run.folder, "mine")).weights
    assert found["fan"] == pytest.approx({**dict.fromkeys(MEMBERS, 0.2), "log_mel_knn": 0.4})
    assert found["others"] == pytest.approx({MEMBERS[0]: 0.6, MEMBERS[1]: 0.2, MEMBERS[2]: 0.2})


def test_a_submission_counts_the_networks_of_all_members(run: Run) -> None:
    member = run.info().systems[MEMBERS[0]]
    team = Team.model_validate(yaml.safe_load(TEAM))
    text = describe(run, SYSTEM, "Jiang_THUEE_task2_1", team, rules_of("2024"), ["fan", "gearbox"], None, {})
    system = yaml.safe_load(text)["system"]
    assert member.macs is not None
    assert system["complexity"] == {"total_parameters": 3 * member.parameters.total, "MACS": 3 * member.macs}
    assert system["description"]["ensemble_method_subsystem_count"] == 3


def test_clips_are_scored_later_and_the_mean_is_brought_up_to_date(data: Path, run: Run, tmp_path: Path) -> None:
    later = shutil.copytree(data, tmp_path / "data")
    gone = sorted(later.rglob("gearbox/test/*.wav"))
    assert gone
    few, moved = Run(tmp_path / "few"), tmp_path / "moved"
    moved.mkdir()
    for path in gone:
        path.rename(moved / path.name)
    assert train(later, few.folder, systems=f"{SYSTEM},log_mel_knn") == 0
    for path in gone:
        (moved / path.name).rename(path)
    assert len(scores(few, SYSTEM)) < len(scores(run, SYSTEM))
    assert main(["score", "--data", str(later), "--run", str(few.folder), "--device", "cpu"]) == 0
    for name in (SYSTEM, *MEMBERS):
        np.testing.assert_allclose(scores(few, name), scores(run, name), rtol=1e-4, atol=1e-6)


def test_more_seeds_train_the_new_ones_only(data: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    before = tables(run)
    assert train(data, run.folder, seeds=4) == 0
    said = capsys.readouterr()
    assert [f"{member} (all): trained already" in said.out for member in [*MEMBERS, f"{SYSTEM}.s3"]] == [True] * 3 + [False]
    assert "seeds of one system are weighed as one" not in said.err
    after = tables(run)
    assert {name: after[name] for name in MEMBERS} == {name: before[name] for name in MEMBERS}
    assert read_ensemble(ensemble_path(run.folder, SYSTEM)).systems == (*MEMBERS, f"{SYSTEM}.s3")


def test_no_seed_comes_to_stand_beside_itself(data: Path, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = tables(run)
    hint = "hint: name another folder with --run, or give as many seeds as before"
    for seeds, others in ((2, MEMBERS[2]), (1, ", ".join(MEMBERS))):
        assert train(data, run.folder, seeds=seeds) == 2
        said = capsys.readouterr().err
        assert f"error: the run has {others}: beside {SYSTEM} with seeds={seeds}, a seed would count twice" in said
        assert hint in said
    assert tables(run) == before
    alone = Run(tmp_path / "alone")
    alone.folder.joinpath("scores").mkdir(parents=True)
    shutil.copy(run.score_path("log_mel_knn"), alone.score_path(SYSTEM))
    assert train(data, alone.folder, seeds=2) == 2  # it was put there by hand
    assert f"the run has {SYSTEM}: beside {SYSTEM} with seeds=2" in capsys.readouterr().err
    alone.score_path(SYSTEM).unlink()
    assert train(data, alone.folder, seeds=1) == 0
    assert train(data, alone.folder, seeds=2) == 2
    assert f"the run has {SYSTEM}: beside {SYSTEM} with seeds=2" in capsys.readouterr().err


def test_what_trains_nothing_has_no_seeds(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("base: log_mel_knn\nseeds: 2\n")
    assert train(data, tmp_path / "run", systems=str(path), seeds=1) == 2
    said = capsys.readouterr().err
    assert f"error: {path}: seeds is 2, and nothing is trained: all are the same" in said
    assert "hint: leave out `seeds:`" in said
    path.write_text(f"base: {SYSTEM}\nseeds: 0\n")
    assert train(data, tmp_path / "run", systems=str(path), seeds=1) == 2
    assert f"{path}: seeds: input should be greater than 0" in capsys.readouterr().err
    assert not Run(tmp_path / "run").exists
    assert train(data, tmp_path / "run", systems="log_mel_knn", seeds=2) == 0
    assert "nothing to train, training.steps=6 does not concern it, seeds=2 does not concern it" in capsys.readouterr().out


def test_members_are_tasks_like_any_other_in_processes_of_their_own(data: Path, tmp_path: Path) -> None:
    clips = find_clips(data, "2024")
    systems = chosen_systems([SYSTEM], ["seeds=2"], lambda note: None)
    plan = make_plan(systems, clips, {}, 7)
    assert [(task.system.name, task.seed) for task in plan] == [(MEMBERS[0], 7), (MEMBERS[1], 8)]
    (alone,) = make_plan(chosen_systems([SYSTEM], [], lambda note: None), clips, {}, 7)
    assert plan[0].name == alone.name != plan[1].name
    for task in plan:
        again = ordered_task(order_of(task, clips, data, tmp_path, "cpu"), clips)
        assert (again.system.name, again.seed, again.name) == (task.system.name, task.seed, task.name)


def _killed(data: Path, run: Path, where: str) -> None:
    """Train, and die in the second member's training, or before the members are joined."""
    save_after_every_step()
    saved, save = [0], stages.save_checkpoint

    def die(*given: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def saving(state: dict[str, object], path: Path) -> None:
        save(state, path)
        saved[0] += f"{SYSTEM}.s1" in str(path)
        if saved[0] == 3:
            die()

    if where == "training":
        stages.save_checkpoint = saving  # type: ignore[attr-defined]
    else:
        pipeline.join_members = die  # type: ignore[attr-defined, assignment]
    train(data, run, systems=f"{SYSTEM},log_mel_knn")


def test_killed_and_given_again_the_tables_are_those_of_an_undisturbed_run(data: Path, whole: Path, tmp_path: Path) -> None:
    context, killed = multiprocessing.get_context("forkserver"), Run(tmp_path / "killed")
    context.set_forkserver_preload(["tests.zoo.running.test_seeds", "zoo.models.dual_branch_cnn"])
    for where, left in (("training", MEMBERS[:1]), ("joining", [*MEMBERS, "log_mel_knn"])):
        process = context.Process(target=_killed, args=(data, killed.folder, where))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert killed.score_names() == left
    assert train(data, killed.folder, systems=f"{SYSTEM},log_mel_knn") == 0
    assert tables(killed) == tables(Run(whole))
