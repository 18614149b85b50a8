"""From recordings to score tables: what is redone and what is not, and that kill -9 changes nothing."""

import json
import multiprocessing
import os
import random
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from submission.cli import main
from tests.zoo.running.often import save_after_every_step
from tests.zoo.trees import write_tree
from zoo.running.folder import Run
from zoo.running.records import versions_now

SETTINGS = ["training.steps=6", "training.validate_every=2", "training.holdout=0.25"]


def train(data: Path, run: Path, *more: str, systems: str = "nf_cdee_tiny,dual_branch_cnn_tiny") -> int:
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    where = ["--data", str(data), "--run", str(run), "--year", "2024"]  # a copy of a tree does not say its year
    return main(["train-all", *where, "--systems", systems, "--device", "cpu", *settings, *more])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tree(tmp_path_factory.mktemp("data"), "2024", machines=["fan", "gearbox"], train=8, test=2, seconds=1.0)


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs") / "whole"
    assert train(data, folder) == 0
    return Run(folder)


def tables(run: Run) -> dict[str, bytes]:
    return {name: run.score_path(name).read_bytes() for name in run.score_names()}


def test_every_clip_gets_a_calibrated_score(run: Run) -> None:
    assert run.score_names() == ["dual_branch_cnn_tiny", "nf_cdee_tiny"]
    for name in run.score_names():
        frame = run.scores(name).frame
        assert frame.groupby(["machine", "split"]).size().to_dict() == {
            ("fan", "test"): 8, ("fan", "train"): 8, ("gearbox", "test"): 8, ("gearbox", "train"): 8,
        }  # fmt: skip
        train_rows = frame[frame["split"] == "train"].groupby("machine")["calibrated"]
        np.testing.assert_allclose(train_rows.mean(), 0, atol=1e-9)
        np.testing.assert_allclose(train_rows.std(ddof=0), 1, atol=1e-9)


def test_the_run_says_what_went_in(run: Run) -> None:
    info = run.info()
    assert (info.year, info.seed, info.calibrate_on) == ("2024", 0, "train")
    flow = info.systems["nf_cdee_tiny"]
    assert [task.rsplit("-", 1)[0] for task in flow.tasks] == ["periodic", "stationary"]
    assert flow.config["training"]["steps"] == 6
    assert flow.parameters.total > flow.parameters.trainable // 2 > 0
    assert flow.macs
    assert flow.versions == info.versions == versions_now()
    assert run.marks() == []


def test_a_network_without_parameters_is_used_as_it_is(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(tmp_path / "plain")
    assert train(data, run.folder, systems="log_mel_knn") == 0
    assert "log_mel_knn (all): nothing to train, training.steps=6 does not concern it" in capsys.readouterr().out
    entry = run.info().systems["log_mel_knn"]
    assert (entry.parameters.total, entry.parameters.trainable) == (0, 0)
    (folder,) = (run.system_folder("log_mel_knn") / task for task in entry.tasks)
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "embeddings", "task.json"]
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert train(data, run.folder, systems="log_mel_knn") == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    (folder / "embeddings" / "fan.safetensors").unlink()
    assert main(["score", "--run", str(run.folder), "--device", "cpu"]) == 0  # its own recordings
    assert len(run.scores("log_mel_knn").frame) == 32


def test_embeddings_that_version_0_1_wrote_are_read_as_one_part(data: Path, run: Run, tmp_path: Path) -> None:
    copied = Run(tmp_path / "copied")
    shutil.copytree(run.folder, copied.folder)
    for path in copied.folder.rglob("embeddings/*.safetensors"):
        with safe_open(path, "numpy") as file:
            values, metadata = file.get_tensor("embeddings"), {"clips": file.metadata()["clips"]}
        assert values.shape[:2] == (16, 1)
        save_file({"embeddings": values[:, 0]}, path, metadata=metadata)
    times = {path: path.stat().st_mtime_ns for path in copied.folder.rglob("embeddings/*.safetensors")}
    assert train(data, copied.folder) == 0
    assert tables(copied) == tables(run)
    assert {path: path.stat().st_mtime_ns for path in times} == times


def test_scoring_with_a_network_whose_weights_are_gone(
    data: Path, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copied = Run(tmp_path / "copied")
    shutil.copytree(run.folder, copied.folder)
    for path in copied.folder.rglob("model.safetensors"):
        path.unlink()
    assert main(["score", "--data", str(data), "--run", str(copied.folder), "--device", "cpu"]) == 2
    assert "nf_cdee_tiny is not trained: there is no" in " ".join(capsys.readouterr().err.split())


def test_a_second_run_redoes_nothing_and_changes_nothing(data: Path, run: Run) -> None:
    before, files = tables(run), {path: path.stat().st_mtime_ns for path in run.folder.rglob("*.safetensors")}
    assert train(data, run.folder) == 0
    assert tables(run) == before
    assert {path: path.stat().st_mtime_ns for path in run.folder.rglob("*.safetensors")} == files


def test_recordings_that_were_touched_or_copied_are_the_same_recordings(data: Path, run: Run, tmp_path: Path) -> None:
    copied = Run(tmp_path / "copied")
    shutil.copytree(run.folder, copied.folder)
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(data, elsewhere)
    for number, path in enumerate(sorted(elsewhere.rglob("*.wav"))):
        os.utime(path, (1e9 + number, 1e9 + number))
    trained = {path: path.stat().st_mtime_ns for path in copied.folder.rglob("model.safetensors")}
    values = {path: load_file(path)["embeddings"].tobytes() for path in copied.folder.rglob("embeddings/*.safetensors")}
    assert train(elsewhere, copied.folder) == 0
    assert {path: path.stat().st_mtime_ns for path in copied.folder.rglob("model.safetensors")} == trained
    assert len(trained) == 3
    assert {path: load_file(path)["embeddings"].tobytes() for path in values} == values
    assert tables(copied) == tables(run)


def test_the_same_seed_gives_the_same_scores_elsewhere_and_another_seed_others(data: Path, run: Run, tmp_path: Path) -> None:
    assert train(data, tmp_path / "again", systems="dual_branch_cnn_tiny") == 0
    assert train(data, tmp_path / "other", "--seed", "1", systems="dual_branch_cnn_tiny") == 0
    again, other = (Run(tmp_path / name).score_path("dual_branch_cnn_tiny").read_bytes() for name in ("again", "other"))
    assert again == tables(run)["dual_branch_cnn_tiny"] != other


def _train_quietly(data: Path, run: Path) -> None:
    save_after_every_step()
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    raise SystemExit(train(data, run))


@pytest.fixture(scope="module")
def processes() -> multiprocessing.context.ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["tests.zoo.running.test_pipeline", "zoo.running.pipeline", "zoo.models.nf_cdee", "zoo.models.dual_branch_cnn"]
    )
    return context


def test_killed_at_ten_random_moments_the_scores_equal_an_undisturbed_run(
    data: Path, run: Run, tmp_path: Path, processes: multiprocessing.context.ForkServerContext
) -> None:
    killed, moments = Run(tmp_path / "killed"), random.Random(5)
    whole = None
    for _ in range(10):
        process = processes.Process(target=_train_quietly, args=(data, killed.folder))
        begun = time.monotonic()
        process.start()
        process.join(0.2 + moments.random() * (whole or 2.0))
        if process.exitcode is None:
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            assert process.exitcode in (-signal.SIGKILL, 0)  # 0: it came through between the look and the blow
        else:
            assert process.exitcode == 0
            whole = (time.monotonic() - begun) / 2
            shutil.rmtree(killed.folder)  # it came through: begin again, and kill earlier
    assert train(data, killed.folder) == 0
    assert tables(killed) == tables(run)
    assert list(killed.folder.rglob("checkpoint.pt")) == []


def test_clips_that_come_later_are_scored_as_if_they_had_been_there(data: Path, run: Run, tmp_path: Path) -> None:
    early = tmp_path / "2024" / "early"
    shutil.copytree(data, early, copy_function=shutil.copy2)
    later = sorted(early.rglob("gearbox/test/*.wav"))
    for path in later:
        path.unlink()
    late = Run(tmp_path / "runs" / "late")
    assert train(early, late.folder) == 0
    assert len(late.scores("nf_cdee_tiny").frame) == 24
    only_test = tmp_path / "2024" / "only_test"
    for path in sorted(data.rglob("gearbox/test/*.wav")):
        target = only_test / path.relative_to(data)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    assert main(["score", "--data", str(only_test), "--run", str(late.folder), "--device", "cpu"]) == 0
    for name in run.score_names():
        got, wanted = late.scores(name).frame, run.scores(name).frame
        assert got.drop(columns=["score", "calibrated"]).equals(wanted.drop(columns=["score", "calibrated"]))
        np.testing.assert_allclose(got["score"], wanted["score"], rtol=1e-4, atol=1e-4)


def test_a_changed_recording_is_embedded_anew_and_the_others_are_not(data: Path, tmp_path: Path) -> None:
    mine = tmp_path / "2024"
    shutil.copytree(data, mine, copy_function=shutil.copy2)
    run = Run(tmp_path / "runs" / "changed")
    assert train(mine, run.folder, systems="dual_branch_cnn_tiny") == 0
    before = run.scores("dual_branch_cnn_tiny").frame
    first, second = sorted(mine.rglob("fan/test/*.wav"))[:2]
    shutil.copyfile(second, first)
    assert train(mine, run.folder, systems="dual_branch_cnn_tiny") == 0
    after = run.scores("dual_branch_cnn_tiny").frame
    changed = after["clip"][after["score"] != before["score"]]
    assert list(changed) == [first.name]


def test_scores_do_not_depend_on_labels(data: Path, run: Run, tmp_path: Path) -> None:
    blind = tmp_path / "2024"
    shutil.copytree(data, blind, copy_function=shutil.copy2)
    for path in blind.rglob("test/*.wav"):
        swapped = {"_normal_": "_anomaly_", "_anomaly_": "_normal_"}[
            next(k for k in ("_normal_", "_anomaly_") if k in path.name)
        ]
        old = "_normal_" if swapped == "_anomaly_" else "_anomaly_"
        path.rename(path.with_name(path.name.replace(old, swapped) + ".moved"))
    for path in blind.rglob("*.moved"):
        path.rename(path.with_suffix(""))
    other = Run(tmp_path / "runs" / "blind")
    assert train(blind, other.folder, systems="dual_branch_cnn_tiny") == 0
    for clips in (run, other):
        clips.scores("dual_branch_cnn_tiny")
    assert sorted(other.scores("dual_branch_cnn_tiny").frame["score"]) == sorted(
        run.scores("dual_branch_cnn_tiny").frame["score"]
    )


def test_calibration_on_test_clips_warns_and_marks_the_run(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(tmp_path / "marked")
    assert train(data, run.folder, "--calibrate-on", "test", systems="dual_branch_cnn_tiny") == 0
    assert run.marks() == ["test-calibrated"]
    assert "against the challenge's rules since 2025" in capsys.readouterr().err
    test = run.scores("dual_branch_cnn_tiny").frame.query("split == 'test'").groupby("machine")["calibrated"]
    np.testing.assert_allclose(test.mean(), 0, atol=1e-9)


def test_detectors_run_again_without_the_network(data: Path, run: Run, tmp_path: Path) -> None:
    copied = Run(tmp_path / "copied")
    shutil.copytree(run.folder, copied.folder)
    weights = {path: path.stat().st_mtime_ns for path in copied.folder.rglob("*.safetensors")}
    assert train(data, copied.folder, "--set", "detector={name: mahalanobis}", systems="dual_branch_cnn_tiny") == 0
    assert {path: path.stat().st_mtime_ns for path in copied.folder.rglob("*.safetensors")} == weights
    assert tables(copied)["dual_branch_cnn_tiny"] != tables(run)["dual_branch_cnn_tiny"]


def test_two_commands_on_one_run(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(tmp_path / "busy")
    with run.lock():
        assert train(data, run.folder) == 2
    assert "error: another asdzoo command is writing to" in capsys.readouterr().err


def test_half_written_files_of_a_killed_command_are_nothing_and_the_next_one_removes_them(
    data: Path, run: Run, tmp_path: Path
) -> None:
    copied = Run(tmp_path / "copied")
    shutil.copytree(run.folder, copied.folder)
    embeddings = next(copied.folder.rglob("embeddings/*.safetensors"))
    leftovers = [copied.folder / "scores" / ".partial-a.csv", embeddings.with_name(".partial-b.safetensors")]
    for path in leftovers:
        path.write_bytes(b"half")
    assert copied.score_names() == run.score_names()
    assert main(["report", "--run", str(copied.folder)]) == 0
    assert all(path.exists() for path in leftovers)
    assert train(data, copied.folder) == 0
    assert list(copied.folder.rglob(".partial-*")) == []
    assert tables(copied) == tables(run)


def test_a_run_of_another_year_is_refused(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(write_tree(tmp_path, "2023", machines=["fan"], seconds=0.2), run.folder, "--year", "2023") == 2
    assert "is a run on 2024, these recordings are of 2023" in capsys.readouterr().err


def test_scoring_machines_that_nobody_trained_on(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    strange = write_tree(tmp_path, "2024", machines=["valve"], seconds=0.2)
    assert main(["score", "--data", str(strange), "--run", str(run.folder), "--year", "2024", "--device", "cpu"]) == 2
    assert "knows none of these machines (valve)" in capsys.readouterr().err


def test_damaged_files_of_a_run_are_named(data: Path, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copied = Run(tmp_path / "damaged")
    shutil.copytree(run.folder, copied.folder)
    embeddings = next(copied.folder.rglob("embeddings/*.safetensors"))
    whole = embeddings.read_bytes()
    embeddings.write_bytes(whole[:100])
    assert main(["score", "--data", str(data), "--run", str(copied.folder), "--device", "cpu"]) == 2
    assert f"{embeddings} is damaged" in capsys.readouterr().err
    embeddings.write_bytes(whole)
    task = next(copied.folder.rglob("task.json"))
    written = task.read_text()
    task.write_text(written[:50])
    assert main(["score", "--data", str(data), "--run", str(copied.folder), "--device", "cpu"]) == 2
    shown = capsys.readouterr().err
    assert f"{task} is damaged" in shown
    assert "hint: run `asdzoo train-all` again, which writes it anew" in shown
    assert train(data, copied.folder) == 0
    assert f"{task} is damaged: EOF while parsing" in (shown := capsys.readouterr().err)
    assert "it is written anew" in shown
    assert {**json.loads(written), "versions": {}} == {**json.loads(task.read_text()), "versions": {}}
    assert tables(copied) == tables(run)
    (copied.folder / "run.json").write_text("{")
    assert train(data, copied.folder) == 2
    shown = capsys.readouterr().err
    assert "run.json is damaged" in shown
    assert "hint: delete " in shown


def test_why_something_is_trained_anew_is_said(
    data: Path, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copied = Run(tmp_path / "copied")
    shutil.copytree(run.folder, copied.folder)
    said = "nf_cdee_tiny was trained in this run before and is trained anew: "
    assert train(data, copied.folder, "--set", "training.batch=8", "--set", "model.mels=16", systems="nf_cdee_tiny") == 0
    assert f"{said}settings changed: model.mels, training.batch" in capsys.readouterr().err
    assert train(data, copied.folder, "--set", "training.batch=8", "--set", "model.mels=16", systems="nf_cdee_tiny") == 0
    assert said not in capsys.readouterr().err
    assert train(data, copied.folder, systems="nf_cdee_tiny") == 0
    assert said not in capsys.readouterr().err  # the earlier training is there still
    assert train(data, copied.folder, "--seed", "3", systems="nf_cdee_tiny") == 0
    assert f"{said}another seed" in capsys.readouterr().err


def test_versions_are_those_that_trained_and_a_later_one_says_so(
    data: Path, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = Run(tmp_path / "copied")
    shutil.copytree(run.folder, copied.folder)
    capsys.readouterr()
    assert train(data, copied.folder, systems="nf_cdee_tiny") == 0
    assert "other versions" not in capsys.readouterr().err
    later = {**versions_now(), "asdzoo": "9.0.0"}
    for module in ("pipeline", "stages"):
        monkeypatch.setattr(f"zoo.running.{module}.versions_now", lambda: later)
    assert train(data, copied.folder) == 0
    assert main(["score", "--data", str(data), "--run", str(copied.folder), "--device", "cpu"]) == 0
    said = f"was trained by other versions, scores that are made now may differ: asdzoo {versions_now()['asdzoo']} (now 9.0.0)"
    assert capsys.readouterr().err.count(said) == 2
    assert copied.info().versions == run.info().versions
    assert copied.info().systems == run.info().systems
    assert train(data, copied.folder, "--seed", "1", systems="nf_cdee_tiny") == 0
    assert "other versions" not in capsys.readouterr().err  # it was trained anew
    assert copied.info().versions_of("nf_cdee_tiny") == later
    assert copied.info().versions_of("dual_branch_cnn_tiny") == run.info().versions


def test_everything_on_disk_is_whole(run: Run) -> None:
    assert [path for path in run.folder.rglob("*") if path.name.startswith(".partial-")] == []
    for path in run.folder.rglob("*.json"):
        json.loads(path.read_text())
