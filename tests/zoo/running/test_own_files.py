"""Damaged files of a run: what can be made again is made again, in one line; what cannot is a sentence. Never a traceback."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from submission.cli import main
from tests.zoo.trees import write_tree
from zoo.errors import AsdzooError
from zoo.running.embeddings import Embeddings
from zoo.running.folder import Run
from zoo.running.own_files import load_weights, read_checkpoint, save_checkpoint
from zoo.running.tensors import require_sound, write_tensors

SYSTEM = "dual_branch_cnn_tiny"
STEPS = ["--set", "training.steps=4", "--set", "training.validate_every=2"]


def train(data: Path, run: Path, *more: str) -> int:
    where = ["--data", str(data), "--run", str(run), "--year", "2024", "--systems", SYSTEM, "--device", "cpu"]
    return main(["train-all", *where, *STEPS, *more])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tree(tmp_path_factory.mktemp("data"), "2024", machines=["fan"], train=8, test=1, seconds=0.5)


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs") / "whole"
    assert train(data, folder) == 0
    return Run(folder)


@pytest.fixture
def run(whole: Run, tmp_path: Path) -> Run:
    shutil.copytree(whole.folder, tmp_path / "run")
    return Run(tmp_path / "run")


def task_of(run: Run) -> Path:
    (task,) = run.info().systems[SYSTEM].tasks
    return run.system_folder(SYSTEM) / task


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


@pytest.mark.parametrize("name", ["model.safetensors", "embeddings/fan.safetensors"])
@pytest.mark.parametrize("kind", ["empty", "cut", "flipped", "junk"])
def test_damaged_tensors_are_made_again(
    data: Path, whole: Run, run: Run, name: str, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = task_of(run) / name
    content = path.read_bytes()
    path.write_bytes(
        {"empty": b"", "cut": content[: len(content) // 2], "flipped": flipped(content, len(content) - 100), "junk": b"x" * 99}[
            kind
        ]
    )
    assert train(data, run.folder) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if f"{path} is damaged: " in line]
    assert len(said) == 1
    assert "it is trained again" in said[0] or "embedded again" in said[0]
    assert run.score_path(SYSTEM).read_bytes() == whole.score_path(SYSTEM).read_bytes()


@pytest.mark.parametrize("kind", ["empty", "cut", "flipped", "junk", "foreign", "other keys", "no mapping"])
def test_a_checkpoint_that_is_none_is_said_and_training_begins_again(
    data: Path, whole: Run, run: Run, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    task = task_of(run)
    (task / "model.safetensors").unlink()
    path = task / "checkpoint.pt"
    save_checkpoint({"step": 1, "network": {"x": torch.zeros(1000)}}, path)
    content = path.read_bytes()
    if kind in ("foreign", "other keys", "no mapping"):
        value = {"foreign": {"step": 1, "task": "all-000000000000"}, "other keys": {"steps": 2}, "no mapping": [1, 2]}[kind]
        torch.save(value, path)
    else:
        wrong = {"empty": b"", "cut": content[:-400], "flipped": flipped(content, 1500), "junk": b"x" * 99}
        path.write_bytes(wrong[kind])
    assert train(data, run.folder) == 0
    shown = capsys.readouterr().err
    assert len([line for line in shown.splitlines() if str(path) in line]) == 1
    assert "begins again" in shown
    assert not path.exists()
    assert run.score_path(SYSTEM).read_bytes() == whole.score_path(SYSTEM).read_bytes()


def test_weights_of_another_network_are_named(data: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    path = task_of(run) / "model.safetensors"
    save_file({"x": torch.zeros(3)}, path)
    (task_of(run) / "embeddings" / "fan.safetensors").unlink()
    assert train(data, run.folder) == 2
    shown = capsys.readouterr().err
    assert f"error: {path} holds the weights of another network" in shown
    assert "hint: delete it, and run `asdzoo train-all` again" in shown


@pytest.mark.parametrize("content", ["", "[]", "null", '{"systems": 3}', '{"system', "\x00" * 30])
def test_damaged_records(data: Path, run: Run, content: str, capsys: pytest.CaptureFixture[str]) -> None:
    record, info = task_of(run) / "task.json", run.folder / "run.json"
    before = record.read_text()
    record.write_text(content)
    assert train(data, run.folder) == 0
    assert f"{record} is damaged" in capsys.readouterr().err
    assert json.loads(record.read_text()).keys() == json.loads(before).keys()
    info.write_text(content)
    for command in ("evaluate", "report", "fuse"):
        assert main([command, "--run", str(run.folder)]) == 2
        shown = capsys.readouterr().err
        assert "run.json is damaged" in shown
        assert f"hint: delete {info}" in shown


def test_old_files_have_no_checksum(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(3)}, tmp_path / "old.safetensors")
    require_sound(tmp_path / "old.safetensors")


@pytest.fixture(scope="module")
def tensors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tensors") / "some.safetensors"
    values = np.random.default_rng(0).normal(size=(3, 2, 4)).astype(np.float32)
    write_tensors(path, {"embeddings": values}, {"clips": "[]"})
    return path


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0), bit=st.integers(0, 7), cut=st.integers(0) | st.none())
def test_every_flipped_bit_and_every_cut_is_found(tensors: Path, tmp_path: Path, at: int, bit: int, cut: int | None) -> None:
    require_sound(tensors)
    content = bytearray(tensors.read_bytes())
    content[at % len(content)] ^= 1 << bit
    if cut is not None:
        content = content[: cut % len(content)]
    path = tmp_path / "flipped.safetensors"
    path.write_bytes(content)
    with pytest.raises(AsdzooError, match="is damaged"):
        Embeddings.read(path)
    with pytest.raises(AsdzooError, match="is damaged"):
        load_weights(torch.nn.Linear(1, 1), path)  # type: ignore[arg-type]  # the file is refused first


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300), at=st.integers(0), end=st.integers(0))
def test_whatever_stands_in_a_checkpoint_is_a_sentence(tmp_path: Path, content: bytes, at: int, end: int) -> None:
    path = tmp_path / "all-123" / "checkpoint.pt"
    path.parent.mkdir(exist_ok=True)
    save_checkpoint({"step": 3, "network": {"a": torch.arange(50)}}, path)
    good = path.read_bytes()
    assert (read_checkpoint(path) or {})["step"] == 3
    for wrong in (content, good[: at % len(good)], good[: at % len(good)] + content + good[end % len(good) :]):
        path.write_bytes(wrong)
        try:
            state = read_checkpoint(path)
        except AsdzooError:
            continue
        assert state is not None
        assert torch.equal(state["network"]["a"], torch.arange(50))  # what is changed lies where zip files do not look


SMALL_FILES = """
import resource, sys
from submission.cli import main
import zoo.running.pipeline, zoo.running.executors.here
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))  # does what a full disk does, in any folder
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("name", ["model.safetensors", "checkpoint.pt"])
def test_a_disk_that_is_full_while_weights_are_written(data: Path, whole: Run, name: str) -> None:
    run = Run(whole.folder.parent / name)  # where the store of the recordings is
    shutil.copytree(whole.folder, run.folder)
    weights = task_of(run) / "model.safetensors"
    weights.unlink()
    where = ["--data", str(data), "--run", str(run.folder), "--year", "2024", "--systems", SYSTEM, "--device", "cpu"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    often = "from tests.zoo.running.often import save_after_every_step as often; often()\n" if name == "checkpoint.pt" else ""
    command = [sys.executable, "-c", often + SMALL_FILES, "train-all", *where, *STEPS]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 2
    assert f"error: File too large: {weights.parent / name}\n" in done.stderr
    assert "hint: this disk takes no file of that size" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path for path in run.folder.rglob(".partial-*") if path.is_file()] == []
    assert not weights.exists()
    assert train(data, run.folder) == 0
    assert run.score_path(SYSTEM).read_bytes() == whole.score_path(SYSTEM).read_bytes()
