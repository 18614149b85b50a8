"""A scan says what is there, and every fault at once."""

from pathlib import Path

import numpy as np
import pytest

from tests.zoo.trees import clip_name, write_tree, write_wav
from zoo.data.clips import find_clips
from zoo.data.problems import Problem
from zoo.data.scan import Scan, scan
from zoo.data.wavs import read_wav

SHARED = Path(__file__).parents[3] / ".." / "shared" / "data"
TRAIN = clip_name("00", 0, "source", "train", "normal", "n_A")


def _scan(root: Path, year: str | None = None) -> Scan:
    return scan(find_clips(root, year), workers=2)


def _of(problems: list[Problem], *words: str) -> Problem:
    (found,) = [problem for problem in problems if all(word in str(problem) for word in words)]
    return found


def test_rows_of_a_good_tree(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    clips = find_clips(write_tree(tmp_path, "2025"))
    found = scan(clips, progress=lambda done, total: seen.append((done, total)))
    assert found.problems == []
    assert found.errors == []
    row, other = found.rows
    assert (row.year, row.machine, row.section) == ("2025", "AutoTrash", "00")
    assert (row.train, row.train_source, row.train_target, row.test, row.supplemental) == (4, 3, 1, 8, 2)
    assert (row.seconds, row.rates, row.channels, row.attributes) == ((0.05, 0.05), (16000,), (1,), 0)
    assert (other.machine, other.attributes) == ("bearing", 0)
    assert seen == [(done, len(clips)) for done in range(1, len(clips) + 1)]


def test_sections_have_rows_and_attributes_are_counted(tmp_path: Path) -> None:
    found = _scan(write_tree(tmp_path, "2022", machines=["bearing"]))
    assert [(row.section, row.train, row.attributes) for row in found.rows] == [("00", 4, 2), ("01", 4, 2)]


def test_two_channels(tmp_path: Path) -> None:
    found = _scan(write_tree(tmp_path, "2026", machines=["Sander"]))
    assert found.problems == []
    assert found.rows[0].channels == (2,)


def test_every_fault_at_once(tmp_path: Path) -> None:
    machine = write_tree(tmp_path, "2024", machines=["fan"], train=8, seconds=0.02) / "dev_data" / "raw" / "fan"
    train = sorted((machine / "train").iterdir())
    train[0].write_bytes(b"")
    train[1].write_bytes(b"RIFF this is no wav at all, but it begins like one")
    train[2].write_bytes(train[2].read_bytes()[:-100])
    write_wav(train[3], samples=np.zeros((0, 1)))
    write_wav(train[4], samples=np.array([0.1, np.nan, 0.2]), subtype="FLOAT")
    write_wav(train[5], samples=np.zeros(320))
    write_wav(train[6], rate=44100)
    write_wav(train[7], channels=2)
    write_wav(machine / "train" / "stray.wav")
    write_wav(machine / "train" / clip_name("00", 99, "source", "train", "anomaly", "n_A"))
    with (machine / "attributes_00.csv").open("a") as table:
        table.write("fan/train/section_00_source_train_normal_0777_n_A.wav,n,A\n")
    found = _scan(tmp_path)
    for index, sentence in [
        (0, "is empty (0 bytes)"),
        (1, "cannot be read"),
        (2, "is truncated: 540 of 640 bytes are there"),
        (3, "holds no samples"),
        (4, "holds NaN or infinite samples"),
    ]:
        assert _of(found.problems, train[index].name, sentence).severity == "error"
    assert len(found.errors) == 6
    assert _of(found.errors, train[5].name, "is silent or constant, and is left out of training")
    assert _of(found.problems, "1 recording(s) have 44100 Hz and are resampled to 16000 Hz").severity == "warning"
    assert _of(found.problems, "differ in their number of channels: 10 with 1, 1 with 2")
    assert _of(found.problems, "1 file(s) without a challenge name are left out", "stray.wav")
    assert _of(found.problems, "is an anomaly among the training recordings")
    assert _of(found.problems, "attributes_00.csv", "names 1 file(s) that are not there", "_0777_")
    assert len(found.problems) == 11
    (row,) = found.rows
    assert (row.train, row.test, row.rates, row.channels) == (3, 8, (16000, 44100), (1, 2))


def test_test_folder_without_train_folder(tmp_path: Path) -> None:
    write_wav(tmp_path / "Scanner" / "test" / "section_00_0001.wav")
    found = _scan(tmp_path)
    assert found.errors == []
    assert _of(found.problems, "section 00 of Scanner has test recordings but none to train on")


def test_train_and_test_folders_of_one_machine_may_lie_apart(tmp_path: Path) -> None:
    write_wav(tmp_path / "train_set" / "Scanner" / "train" / TRAIN)
    write_wav(tmp_path / "test_set" / "Scanner" / "test" / "section_00_0001.wav")
    assert _scan(tmp_path).problems == []


def test_true_names_are_said_to_be_used(tmp_path: Path) -> None:
    folder = tmp_path / "Scanner"
    for name in (f"train/{TRAIN}", "test/section_00_0001.wav", "test_rename/section_00_source_normal_0001_res_2.wav"):
        write_wav(folder / name)
    found = _scan(tmp_path)
    assert [problem.severity for problem in found.problems] == ["warning"]
    assert _of(found.problems, "its 1 blind recordings are left out, because there are some under true names")


def test_second_copy_of_a_machine(tmp_path: Path) -> None:
    for copy in ("a", "b"):
        write_wav(tmp_path / copy / "bandsaw" / "train" / TRAIN)
    found = _scan(tmp_path)
    assert _of(found.problems, str(Path("b") / "bandsaw"), "repeats 1 recording(s) of").severity == "warning"
    assert found.rows[0].train == 1


def test_mono_recordings_of_2026(tmp_path: Path) -> None:
    write_wav(tmp_path / "Sander" / "train" / TRAIN)
    assert _of(_scan(tmp_path).problems, "1 channel(s), where 2026 has 2")


def test_own_labels_that_name_no_file_and_a_broken_table(tmp_path: Path) -> None:
    data = write_tree(tmp_path, "own", domains=False)
    (data / "MyPump" / "labels.csv").write_text("file_name,label\ntest/000.wav,anomaly\ntest/777.wav,normal\n")
    (data / "MyPump" / "attributes_00.csv").write_bytes(b"\xff\xfe\x81")
    found = _scan(data)
    assert _of(found.problems, "labels.csv", "names 1 file(s) that are not there, first test/777")
    assert _of(found.problems, "attributes_00.csv", "cannot read")
    assert len(found.problems) == 2


def test_a_machine_of_which_nothing_can_be_read(tmp_path: Path) -> None:
    data = write_tree(tmp_path, "own", train=1, test=0, domains=False)
    next((data / "MyPump" / "train").iterdir()).write_bytes(b"")
    (row,) = _scan(data).rows
    assert (row.train, row.seconds, row.rates, row.channels) == (0, (0.0, 0.0), (), ())


def test_nothing_is_written_into_the_data_folder(tmp_path: Path) -> None:
    data = write_tree(tmp_path, "2024")
    before = {path: path.stat().st_mtime_ns for path in data.rglob("*")}
    _scan(data)
    assert {path: path.stat().st_mtime_ns for path in data.rglob("*")} == before


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_widths_decode_to_the_same_int16(tmp_path: Path, subtype: str) -> None:
    wanted = np.random.default_rng(0).integers(-32768, 32768, (500, 2), dtype=np.int16)
    recording = read_wav(write_wav(tmp_path / "x.wav", samples=wanted / 32768, subtype=subtype))
    assert recording.usable
    np.testing.assert_array_equal(recording.samples, wanted)


def test_a_float_recording_beyond_full_scale_is_clipped_with_a_warning(tmp_path: Path) -> None:
    recording = read_wav(write_wav(tmp_path / "x.wav", samples=np.array([0.5, -2.0, 1.5]), subtype="FLOAT"))
    assert recording.samples[:, 0].tolist() == [16384, -32768, 32767]
    assert "peaks at 2 times full scale" in str(recording.problems[0])
    assert recording.usable


def test_a_length_that_was_not_known_when_it_was_written_is_no_fault(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "x.wav", seconds=0.01)
    content = path.read_bytes()
    position = content.index(b"data") + 4
    path.write_bytes(content[:position] + b"\xff\xff\xff\xff" + content[position + 4 :])
    recording = read_wav(path)
    assert recording.usable
    assert len(recording.samples) == 160


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    (problem,) = read_wav(tmp_path / "absent.wav").problems
    assert problem.sentence == "cannot be read: No such file or directory"


def test_original_clips() -> None:
    if not (SHARED / "dcase2023_real").is_dir():
        pytest.skip("the original clips of ../shared/data/dcase2023_real are not here")
    found = _scan(SHARED / "dcase2023_real")
    assert found.problems == []
    seconds = {row.machine: row.seconds for row in found.rows}
    assert seconds == {
        machine: (12.0, 12.0) if machine.startswith("Toy") else (10.0, 10.0)
        for machine in ("ToyCar", "ToyTrain", "bearing", "fan", "gearbox", "slider", "valve")
    }
    assert {(row.rates, row.channels, row.train, row.test) for row in found.rows} == {((16000,), (1,), 2, 2)}
