"""What is there twice is taken once and counted, in a line for each folder or pair of folders."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.zoo.trees import clip_name, write_tree, write_wav
from zoo.data.clips import Recordings, find_clips
from zoo.data.identity import block_hash, equal_files


def _only(clips: Recordings) -> str:
    (problem,) = clips.problems
    return str(problem)


COPIES = ["{} (1).wav", "{} - Copy.wav", "{} - Copy (2).wav", "{} copy.wav", "{} copy 2.wav", "Copy of {}.wav", "{} (copy).wav"]


@pytest.mark.parametrize("form", COPIES)
def test_copies_of_file_managers_never_become_classes(tmp_path: Path, form: str) -> None:
    data = write_tree(tmp_path, "2024", machines=["fan"])
    train = data / "dev_data" / "raw" / "fan" / "train"
    before = find_clips(data)
    original = sorted(train.iterdir())[0]
    shutil.copy(original, train / form.format(original.stem))
    after = find_clips(data)
    assert after == before
    assert "holds 1 file(s) whose names say that they are copies" in _only(after)


def test_a_copy_without_its_original_is_the_recording(tmp_path: Path) -> None:
    name = clip_name("00", 0, "source", "train", "normal", "n_A").removesuffix(".wav")
    write_wav(tmp_path / "2023" / "fan" / "train" / f"{name} (1).wav")
    (clip,) = find_clips(tmp_path)
    assert clip.attributes == "n_A"


def test_own_recordings_that_are_only_called_like_copies_are_kept(tmp_path: Path) -> None:
    for name in ("rec.wav", "rec (1).wav", "rec (2).wav"):
        write_wav(tmp_path / "MyPump" / "train" / name)
    shutil.copy(tmp_path / "MyPump" / "train" / "rec.wav", tmp_path / "MyPump" / "train" / "rec - Copy.wav")
    clips = find_clips(tmp_path)
    assert [clip.name for clip in clips] == ["rec (1).wav", "rec (2).wav", "rec.wav"]
    assert "holds 1 file(s)" in _only(clips)


def test_equal_bytes_are_taken_once(tmp_path: Path) -> None:
    folder = tmp_path / "MyPump"
    for number in range(3):
        write_wav(folder / "train" / f"{number}.wav", samples=np.full(800, number / 8))
        shutil.copy(folder / "train" / f"{number}.wav", folder / "train" / f"x{number}.wav")
    (folder / "test").mkdir()
    shutil.copy(folder / "train" / "0.wav", folder / "test" / "0.wav")
    clips = find_clips(tmp_path)
    assert [clip.name for clip in clips] == ["0.wav", "1.wav", "2.wav", "0.wav"]
    twice, leak = map(str, clips.problems)
    assert "holds 3 recording(s) byte for byte twice, left out once: x0.wav is 0.wav" in twice
    assert "is byte for byte the training clip" in leak


def test_test_clips_of_the_challenge_are_all_wanted(tmp_path: Path) -> None:
    for number in range(2):
        write_wav(tmp_path / "2024" / "Scanner" / "test" / f"section_00_000{number}.wav", samples=np.zeros(500))
    clips = find_clips(tmp_path)
    assert (len(clips), clips.problems) == (2, [])


def test_a_second_copy_of_a_tree_is_a_line(tmp_path: Path) -> None:
    data = write_tree(tmp_path / "a", "2024", machines=["fan"])
    before = find_clips(tmp_path)
    shutil.copytree(data, tmp_path / "b" / "dcase2024t2")
    after = find_clips(tmp_path)
    assert after == before
    assert f"repeats {len(before)} recording(s) of" in _only(after)


@pytest.mark.parametrize("same_names", [True, False])
def test_two_sources_of_one_own_machine(tmp_path: Path, same_names: bool) -> None:
    for number, site in enumerate(("a", "b")):
        for index in range(3):
            name = f"{index}.wav" if same_names else f"{site}{index}.wav"
            write_wav(tmp_path / site / "MyPump" / "train" / name, samples=np.full(900, 0.1 * index + 0.05 * number + 0.01))
    clips = find_clips(tmp_path)
    said = _only(clips)
    assert str(Path("b") / "MyPump") in said
    assert str(Path("a") / "MyPump") in said
    assert "mv " in said
    if same_names:
        assert {clip.path.parts[-4] for clip in clips} == {"a"}
        assert clips.problems[0].severity == "error"
        assert "3 are left out" in said
    else:
        assert len(clips) == 6
        assert "are taken together as one machine" in said


def test_two_years_that_cannot_be_told_apart_are_a_line(tmp_path: Path) -> None:
    for year, attributes in (("dev23", "m-n_W"), ("dev24", "n_A")):
        for index in range(4):
            write_wav(tmp_path / year / "fan" / "train" / clip_name("00", index, "source", "train", "normal", attributes))
    clips = find_clips(tmp_path, "2024")
    assert len(clips) == 4
    assert "both hold other recordings of fan: 4 are left out here" in _only(clips)
    assert "--data" in _only(clips)


def test_true_names_in_another_tree_replace_blind_ones(tmp_path: Path) -> None:
    write_wav(tmp_path / "eval" / "RoboticArm" / "test" / "section_00_0000.wav")
    write_wav(tmp_path / "truth" / "RoboticArm" / "test_rename" / "section_00_source_normal_0035_weight15_BckgF.wav")
    clips = find_clips(tmp_path)
    assert [clip.label for clip in clips] == ["normal"]
    assert "its 1 blind recordings are left out" in _only(clips)


def test_equal_files_and_block_hashes(tmp_path: Path) -> None:
    long = np.random.default_rng(0).integers(0, 256, 300_000, dtype=np.uint8)
    paths = []
    for number, position in enumerate((None, 0, 299_999, 1_000, None)):
        data = long.copy()
        if position is not None:
            data[position] ^= 1
        paths.append(tmp_path / str(number))
        paths[-1].write_bytes(data.tobytes())
    assert equal_files(paths) == {paths[4]: paths[0]}
    assert block_hash(paths[0]) == block_hash(paths[4]) != block_hash(paths[1])
    assert block_hash(paths[0]) != block_hash(paths[2])
    assert block_hash(tmp_path / "absent") == block_hash(tmp_path) == ""
    empty = [tmp_path / "e1", tmp_path / "e2"]
    for path in empty:
        path.write_bytes(b"")
    assert equal_files(empty) == {}


@pytest.mark.parametrize("machine", ["fan", "MyFan"])
def test_test_clips_that_are_training_clips_are_named(tmp_path: Path, machine: str) -> None:
    root = write_tree(tmp_path / "data", "2024" if machine == "fan" else "own", [machine], train=3, test=2)
    assert not [problem for problem in find_clips(root).problems if "byte for byte" in problem.sentence]
    train, test = (sorted(root.rglob(f"{machine}/{split}/*.wav")) for split in ("train", "test"))
    for source, target in zip(train[:2], test, strict=False):
        shutil.copy(source, target)
    found = find_clips(root)
    (problem,) = [problem for problem in found.problems if "byte for byte" in problem.sentence]
    assert (problem.severity, problem.path) == ("warning", test[0])
    assert f"the training clip {train[0]}, as are 2 test clip(s) of {machine} in all" in problem.sentence
    assert {*train, *test} <= {clip.path for clip in found}  # named, and still taken
