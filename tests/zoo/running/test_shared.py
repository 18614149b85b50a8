"""Systems that differ in what is done with embeddings train one network, and every file is as if each had trained its own."""

import shutil
from pathlib import Path

import pytest

from submission.cli import main
from tests.zoo.running.executors.test_processes import Inline
from tests.zoo.trees import write_tree
from zoo.data.clips import find_clips
from zoo.files import write_text
from zoo.running import stages
from zoo.running.budget import Fitted, with_followers
from zoo.running.executors.here import Here
from zoo.running.folder import Run
from zoo.running.limits import Allowance, Limit
from zoo.running.locks import Busy
from zoo.running.plan import Task, followers, make_plan, origins
from zoo.running.records import Share
from zoo.running.shared import has_network
from zoo.running.task_folder import TaskFolder
from zoo.running.watcher import Watcher
from zoo.running.work import Outcome, task_folder
from zoo.systems import load_system

BASE = "dual_branch_cnn_tiny"
SETTINGS = [part for one in ("training.steps=4", "training.validate_every=2") for part in ("--set", one)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tree(tmp_path_factory.mktemp("data"), "2024", machines=["fan", "gearbox"], train=8, test=2, seconds=1.0)


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Paths of two systems with one network: k-NN with one neighbour and with two."""
    folder = tmp_path_factory.mktemp("systems")
    for neighbours in (1, 2):
        text = f"base: {BASE}\ndescription: neighbours\ndetector: {{name: knn, k: {neighbours}}}\n"
        write_text(folder / f"knn_{neighbours}.yaml", text)
    return [str(folder / f"knn_{neighbours}.yaml") for neighbours in (1, 2)]


def train(data: Path, run: Path, systems: list[str], *more: str) -> int:
    where = ["--data", str(data), "--run", str(run), "--year", "2024", "--device", "cpu"]
    return main(["train-all", *where, "--systems", ",".join(systems), *SETTINGS, *more])


def files(run: Path, system: str) -> dict[str, bytes]:
    """Weights, embeddings and scores of a system; training.csv tells the time as well."""
    below = run / "systems" / system
    kept = {path.relative_to(below).as_posix(): path for path in below.rglob("*") if path.is_file()}
    named = {name: path.read_bytes() for name, path in kept.items() if name.endswith(".safetensors")}
    return {**named, "scores": (run / "scores" / f"{system}.csv").read_bytes()}


@pytest.fixture(scope="module")
def alone(data: Path, twins: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    """What each system makes in a run of its own."""
    folder, found = tmp_path_factory.mktemp("alone"), {}
    for path in twins:
        name = Path(path).stem
        assert train(data, folder / name, [path]) == 0
        found[name] = files(folder / name, name)
    return found


@pytest.mark.parametrize("executor", ["here", "local"])
def test_one_training_and_the_same_bytes(
    data: Path,
    twins: list[str],
    alone: dict[str, dict[str, bytes]],
    tmp_path: Path,
    executor: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if executor == "local":  # there is room for both from the start
        monkeypatch.setattr("zoo.cli.train.starter_for", lambda *options: Inline(most=2))
    run = tmp_path / "run"
    assert train(data, run, twins, "--executor", executor) == 0
    said = capsys.readouterr().out
    assert "knn_2 has the networks of knn_1, and differs in what is done with embeddings\n" in said
    assert said.count("4 steps on 16 clips") == 1
    assert "knn_2 (all): has the network of knn_1\n" in said
    for name, expected in alone.items():
        assert files(run, name) == expected
    assert files(run, "knn_1")["scores"] != files(run, "knn_2")["scores"]
    (own,), (taken,) = ([TaskFolder(path) for path in run.glob(f"systems/{name}/all-*")] for name in alone)
    assert taken.info() == own.info().model_copy(update={"system": "knn_2", "config": taken.info().config})
    assert taken.info().config["detector"]["k"] == 2
    assert taken.weights.samefile(own.weights)


def test_a_system_that_comes_later_takes_the_network_and_embeds_nothing(
    data: Path, twins: list[str], alone: dict[str, dict[str, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    assert train(data, run, twins[:1]) == 0
    monkeypatch.setattr(stages, "load_network", lambda *given: pytest.fail("a network was opened"))
    assert train(data, run, twins[1:]) == 0
    assert files(run, "knn_2") == alone["knn_2"]


def test_without_links_files_are_copied(
    data: Path, twins: list[str], alone: dict[str, dict[str, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(source: Path, target: Path) -> None:
        raise OSError("this disk has no links")

    monkeypatch.setattr("zoo.running.shared.os.link", refused)
    assert train(data, tmp_path / "run", twins) == 0
    assert files(tmp_path / "run", "knn_2") == alone["knn_2"]


def test_a_network_of_other_bytes_lends_no_embeddings(data: Path, twins: list[str], tmp_path: Path) -> None:
    """Two systems that were trained apart, by another version perhaps: rows of the one are not mixed into the other's."""
    run, other = tmp_path / "run", tmp_path / "other"
    assert train(data, run, twins[:1]) == 0
    assert train(data, other, twins[1:], "--set", "training.learning_rate=0.1") == 0
    (own,), (strange,) = run.glob("systems/knn_1/all-*"), other.glob("systems/knn_2/all-*")
    shutil.copytree(own, run / "systems" / "knn_2" / own.name)
    shutil.copyfile(strange / "model.safetensors", run / "systems" / "knn_2" / own.name / "model.safetensors")
    shutil.rmtree(run / "systems" / "knn_2" / own.name / "embeddings")
    assert train(data, run, twins[1:]) == 0
    name = "embeddings/fan.safetensors"
    assert files(run, "knn_2")[f"{own.name}/{name}"] == files(other, "knn_2")[f"{strange.name}/{name}"]


def test_a_damaged_network_is_not_taken(
    data: Path, twins: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert train(data, run, twins[:1]) == 0
    (weights,) = run.glob("systems/knn_1/all-*/model.safetensors")
    weights.write_bytes(weights.read_bytes()[:-8])
    capsys.readouterr()
    assert train(data, run, twins[1:]) == 0
    assert "knn_2 (all): 4 steps on 16 clips" in capsys.readouterr().out


def test_what_is_left_of_a_command_that_was_cut_off_goes(data: Path, twins: list[str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert train(data, run, twins) == 0
    (taken,) = run.glob("systems/knn_2/all-*")
    (taken / "model.safetensors").unlink()
    (taken / "checkpoint.pt").write_bytes((taken / "task.json").read_bytes())
    (taken / ".partial-weights.safetensors").write_bytes(b"half")
    before = files(run, "knn_1")
    assert train(data, run, twins) == 0
    assert not (taken / "checkpoint.pt").exists()
    assert not list(taken.glob(".partial-*"))
    assert (taken / "model.safetensors").read_bytes() == before[f"{taken.name}/model.safetensors"]


def test_embeddings_of_a_frozen_network_are_shared(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"first": "{}", "second": "{k: 2, banks: one}"}
    for name, keys in texts.items():
        write_text(tmp_path / f"{name}.yaml", f"base: log_mel_knn\ndescription: {name}\ndetector: {keys}\n")
    systems = [str(tmp_path / f"{name}.yaml") for name in texts]
    assert train(data, tmp_path / "apart", systems[1:]) == 0
    assert train(data, tmp_path / "run", systems[:1]) == 0
    monkeypatch.setattr(stages, "load_network", lambda *given: pytest.fail("a network was opened"))
    assert train(data, tmp_path / "run", systems[1:]) == 0
    assert files(tmp_path / "run", "second") == files(tmp_path / "apart", "second")


def test_recordings_that_come_later_are_embedded_once(
    data: Path, twins: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    assert train(data, run, twins) == 0
    for path in run.glob("systems/*/*/embeddings/fan.safetensors"):
        path.unlink()
    opened = []
    original = stages.load_network
    monkeypatch.setattr(stages, "load_network", lambda *given: opened.append(given[0].name) or original(*given))
    assert main(["score", "--data", str(data), "--run", str(run), "--device", "cpu", "--year", "2024"]) == 0
    assert opened == ["knn_1"]


def test_a_task_waits_for_the_one_that_trains_its_network(data: Path, twins: list[str], tmp_path: Path) -> None:
    systems = [load_system(path) for path in twins]
    plan = make_plan(systems, find_clips(data, "2024"), {}, 0)
    assert [origin and origin.system.name for origin in origins(plan)] == [None, "knn_1"]
    assert followers(plan) == {"knn_2": "knn_1"}
    run, done = Run(tmp_path / "run"), []

    class Shared(Here):
        """Somebody else trains the first task when this command begins."""

        def _do(self, task: Task, run: Run, watcher: Watcher, patience: float = 0.0) -> Outcome:
            if not patience and task is plan[0]:
                raise Busy("another command works on it", "wait")
            done.append((task.system.name, patience > 0))
            return Outcome(task, (), ())

    list(Shared(None, None).run(run, plan, Watcher()))  # type: ignore[arg-type]
    assert done == [("knn_1", True), ("knn_2", True)]
    assert not has_network(run, plan[0])
    assert task_folder(run, plan[0]).path.name == task_folder(run, plan[1]).path.name


def test_a_plan_says_it_and_counts_one_training(
    data: Path, twins: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(data, tmp_path / "run", twins, "--dry-run") == 0
    said = capsys.readouterr().out
    assert "knn_2 has the networks of knn_1, and differs in what is done with embeddings\n" in said
    rows = [line.split("│") for line in said.splitlines() if "knn_" in line and "│" in line]
    assert [row[5].strip() == row[7].strip() == "-" for row in rows] == [False, True]


def test_a_network_that_was_stopped_is_shared_and_taken_over_again_when_it_went_on(
    data: Path, twins: list[str], alone: dict[str, dict[str, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    with monkeypatch.context() as late:
        late.setattr(Allowance, "__call__", lambda self, task: Limit(seconds=0.0, least=1))
        assert train(data, run, twins, "--budget", "1h") == 0
        stopped = {Path(path).stem: files(run, Path(path).stem) for path in twins}
        one, other = ({name: value for name, value in kept.items() if name != "scores"} for kept in stopped.values())
        assert one == other
        budget = Run(run).info().budget
        assert budget is not None
        assert budget.stopped == dict.fromkeys(stopped, "stopped at step 1")
        assert train(data, run, twins, "--budget", "1h") == 0  # goes on by a step, and the other takes that over
        budget = Run(run).info().budget
        assert budget is not None
        assert budget.stopped == dict.fromkeys(stopped, "stopped at step 2")
    assert train(data, run, twins, "--budget", "1h") == 0
    for path in twins:
        assert files(run, Path(path).stem) == alone[Path(path).stem] != stopped[Path(path).stem]
    assert not list(run.rglob("*.pt"))


def test_a_budget_cuts_systems_with_one_network_alike(twins: list[str]) -> None:
    first, second = (load_system(path) for path in twins)
    short = load_system(twins[0], ["training.steps=2"])
    share = Share(training={"all": 9.0}, embedding={"all": 1.0}, least=2)
    cut = Fitted((short,), {"knn_1": share}, {"knn_1": "2 of 4 steps"}, {}, 1.0)
    fitted = with_followers(cut, [first, second], {"knn_2": "knn_1"})
    assert [system.name for system in fitted.systems] == ["knn_1", "knn_2"]
    assert fitted.systems[1].config.training == short.config.training
    assert fitted.systems[1].detector_config == second.detector_config
    assert fitted.cut == dict.fromkeys(("knn_1", "knn_2"), "2 of 4 steps")
    assert fitted.shares == {"knn_1": share, "knn_2": Share(training={}, embedding={"all": 1.0}, least=2)}
    none = with_followers(Fitted((), {}, {}, {"knn_1": "it is long"}, 1.0), [first, second], {"knn_2": "knn_1"})
    assert (none.systems, none.left_out["knn_2"]) == ((), "it has the networks of knn_1")
