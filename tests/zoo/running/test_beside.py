"""What is learnt beside the clips of the run: other years, whose test clips nobody opens, and supplemental clips."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import zoo.data.stored
from submission.cli import main
from tests.zoo.trees import write_tree, write_wav
from zoo.data.clips import find_clips
from zoo.data.decoding import Decoding
from zoo.data.synth import write_challenge
from zoo.errors import AsdzooError
from zoo.running.beside import with_other_years
from zoo.running.embeddings import Embeddings
from zoo.running.folder import Run
from zoo.running.jobs import order_of, ordered_task
from zoo.running.plan import make_plan
from zoo.running.task_folder import TaskFolder
from zoo.systems import load_system

SYSTEM = "dual_branch_cnn_tiny"


@pytest.fixture(scope="module")
def years(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tree of 2024 with fan and gearbox, and one of 2023 with fan and bearing of which no test clip can be read."""
    folder = tmp_path_factory.mktemp("years")
    now = write_tree(folder / "now", "2024", machines=["fan", "gearbox"], train=8, test=2, seconds=1.0)
    then = write_tree(folder / "then", "2023", machines=["fan", "bearing"], train=6, test=2, seconds=1.0)
    for path in then.rglob("test/*.wav"):
        path.write_bytes(b"never read")
    return {"2024": now, "2023": then}


def train(data: Path, run: Path, *more: str, systems: str = SYSTEM) -> int:
    where = ["--data", str(data), "--run", str(run), "--year", "2024", "--systems", systems, "--device", "cpu"]
    return main(["train-all", *where, "--set", "training.steps=3", *more])


def the_task(run: Run, system: str = SYSTEM) -> TaskFolder:
    (name,) = run.info().systems[system].tasks
    return TaskFolder(run.system_folder(system) / name)


def test_other_years_are_learnt_and_nothing_else_is_done_with_them(
    years: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[Path] = []

    def spy(path: Path) -> Decoding:
        opened.append(path)
        return Decoding(path)

    monkeypatch.setattr(zoo.data.stored, "Decoding", spy)
    plain, both = Run(tmp_path / "a" / "plain"), Run(tmp_path / "b" / "both")
    assert train(years["2024"], plain.folder) == 0
    opened.clear()
    assert train(years["2024"], both.folder, "--also", str(years["2023"])) == 0
    printed = capsys.readouterr()
    assert "never read" not in printed.err
    assert "damaged" not in printed.err
    assert "3 steps on 28 clips" in printed.out
    assert sum("2023" in str(path) or years["2023"] in path.parents for path in opened) == 12
    assert all(path.parent.name == "train" for path in opened if years["2023"] in path.parents)
    record = the_task(both).info()
    assert record.clips == 28
    assert record.machines == ("fan", "gearbox")
    assert {"2023/fan/00", "2024/fan/00", "2023/bearing/00"} <= {name.rpartition("/")[0] for name in record.classes}
    assert both.info().also == (str(years["2023"]),)
    scores, alone = both.scores(SYSTEM).frame, plain.scores(SYSTEM).frame
    keys = ["year", "machine", "section", "split", "clip"]
    assert scores[keys].equals(alone[keys])
    assert not np.array_equal(scores["score"], alone["score"])
    for machine in ("fan", "gearbox"):
        embedded = Embeddings.read(the_task(both).embeddings(machine))
        assert {clip.year for clip in embedded.clips} == {"2024"}
    assert not the_task(both).embeddings("bearing").exists()


def test_another_process_is_told_what_is_learnt_beside(years: dict[str, Path], tmp_path: Path) -> None:
    clips = with_other_years(find_clips(years["2024"]), [years["2023"]])
    tasks = make_plan([load_system("nf_cdee_tiny")], clips, {"bearing": "periodic"}, 0)
    assert [len(task.beside) for task in tasks] == [6, 6]
    for task in tasks:
        order = order_of(task, clips, years["2024"], tmp_path, "cpu", [years["2023"]])
        again = ordered_task(order, clips)
        assert (again.name, again.clips, again.beside) == (task.name, task.clips, task.beside)
        assert order.also == (str(years["2023"]),)
        with pytest.raises(AsdzooError, match="have changed since"):
            ordered_task(order, find_clips(years["2024"]))


def test_what_shares_no_network_with_a_machine_of_the_run_is_said(
    years: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--also", str(years["2023"]), "--set", "train_on=machine"]
    assert train(years["2024"], tmp_path / "run", *arguments, systems=f"{SYSTEM},log_mel_knn") == 0
    said = " ".join(capsys.readouterr().err.split())
    assert f"{SYSTEM} does not learn bearing of 2023: no machine of the run shares a network with them" in said
    assert "log_mel_knn trains nothing, so that clips of other years do not concern it" in said
    fans = [task for task in Run(tmp_path / "run").info().systems[SYSTEM].tasks if task.startswith("fan-")]
    classes = TaskFolder(Run(tmp_path / "run").system_folder(SYSTEM) / fans[0]).info().classes
    assert {name.split("/")[0] for name in classes} == {"2023", "2024"}


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("2024", "is of 2024 itself, the year of the run"),
        ("missing", "there is no folder"),
        ("tests only", "no training clips"),
    ],
)
def test_a_folder_that_is_none_of_another_year_is_an_error(
    years: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], folder: str, message: str
) -> None:
    also = years.get(folder, tmp_path / f"{folder} 2023")
    if folder == "tests only":
        shutil.copytree(years["2023"], also, ignore=lambda _, names: [name for name in names if name == "train"])
    assert train(years["2024"], tmp_path / "run", "--also", str(also)) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "run").exists()


def test_a_folder_named_twice_is_an_error(years: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for other in (years["2023"], next(years["2023"].iterdir())):
        assert train(years["2024"], tmp_path / "run", "--also", f"{years['2023']},{other}") == 2
        assert f"--also names {other} twice" in capsys.readouterr().err.replace("\n", "")
    assert not (tmp_path / "run").exists()


def test_a_view_of_two_microphones_says_which_year_has_one(
    years: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_challenge(tmp_path / "now", "tiny", channels=2)
    where = ["--data", str(tmp_path / "now"), "--run", str(tmp_path / "run"), "--device", "cpu"]
    more = ["--also", str(years["2023"]), "--set", "training.steps=2", "--set", "input.view=subtracted"]
    assert main(["train-all", *where, "--systems", SYSTEM, *more]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "of 2023, bearing has 1 channel" in said
    assert "hint: leave out --also, or take a system that hears near" in said


def _with_supplemental(folder: Path, names: Sequence[str]) -> Path:
    data = write_tree(folder, "2025", machines=["AutoTrash"], train=4, test=1, seconds=0.5)
    machine = next(path.parent for path in data.rglob("train"))
    for name in names:
        write_wav(machine / "supplemental" / name, seconds=0.5)
    return data


def test_supplemental_clips_of_the_machine_alone_are_a_class_when_asked(tmp_path: Path) -> None:
    names = ["section_00_machine_0001_.wav", "section_00_machine_0002_.wav", "section_00_noise_supplemental_normal_0000.wav"]
    clips = find_clips(_with_supplemental(tmp_path, names), "2025")
    (task,) = make_plan([load_system(SYSTEM, ["supplemental=true"])], clips, {}, 0)
    assert [clip.name for clip in task.beside] == names[:2]
    assert [task.class_of(clip) for clip in task.beside] == ["2025/AutoTrash/00/clean"] * 2
    assert [clip.split for clip in task.clips] == ["train"] * 4
    (without,) = make_plan([load_system(SYSTEM)], clips, {}, 0)
    assert without.beside == ()
    (machine,) = make_plan([load_system(SYSTEM, ["supplemental=true", "classes=machine"])], clips, {}, 0)
    assert machine.classes == ["2025/AutoTrash/00"]
