"""What spreadsheets and people do to labels.csv, and the labels are the same."""

import csv
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.zoo.trees import write_wav
from zoo.data.clips import find_clips
from zoo.data.labels import read_labels
from zoo.errors import AsdzooError

ROWS = "file_name,label,domain\n0001.wav,anomaly,target\ntest/0002.wav,normal,\n"
WANTED = {"0001.wav": ("anomaly", "target"), "0002.wav": ("normal", None), "0003.wav": (None, None)}


def _machine(tmp_path: Path) -> Path:
    for name in WANTED:
        write_wav(tmp_path / "MyPump" / "test" / name)
    return tmp_path / "MyPump"


def _said(root: Path) -> dict[str, tuple[str | None, str | None]]:
    return {clip.name: (clip.label, clip.domain) for clip in find_clips(root)}


@pytest.mark.parametrize(
    "content",
    [
        ROWS.encode(),
        ROWS.encode("utf-8-sig"),
        ROWS.encode("utf-16"),
        ROWS.encode("utf-16-le"),
        ROWS.replace(",", ";").encode(),
        ROWS.replace(",", "\t").encode("utf-16"),
        ("sep=;\r\n" + ROWS.replace(",", ";").replace("\n", "\r\n")).encode(),
        ROWS.replace("file_name,label,domain", "File Name,LABEL,Domain").encode(),
        ROWS.replace("file_name,label,domain", "Filename,Label,domain,,").encode(),
        ROWS.replace("anomaly", "NG").replace("normal", "OK").encode(),
        ROWS.replace("anomaly", "1").replace("normal", "0").encode(),
        ROWS.replace("anomaly", "Abnormal").replace("normal", "Normal").encode(),
        ROWS.replace("0001.wav", "1").replace("test/0002.wav", "2").encode(),
        ROWS.replace("0001.wav", "MyPump\\TEST\\0001.WAV").encode(),
        ROWS.replace("0001.wav", "C:\\data\\MyPump\\test\\0001").encode(),
        ("\n" + ROWS + "\n,,\n").encode(),
    ],
)
def test_every_form_says_the_same(tmp_path: Path, content: bytes) -> None:
    folder = _machine(tmp_path)
    (folder / "labels.csv").write_bytes(content)
    assert _said(tmp_path) == WANTED


def test_a_name_in_another_encoding(tmp_path: Path) -> None:
    write_wav(tmp_path / "MyPump" / "test" / "kühl.wav")
    (tmp_path / "MyPump" / "labels.csv").write_bytes("file_name;label\nkühl.wav;ng\n".encode("cp1252"))
    assert _said(tmp_path) == {"kühl.wav": ("anomaly", None)}


def test_rows_reach_below_the_split_folder(tmp_path: Path) -> None:
    for day in ("monday", "tuesday"):
        write_wav(tmp_path / "MyPump" / "test" / day / "0001.wav", seconds=0.05 if day == "monday" else 0.06)
    (tmp_path / "MyPump" / "labels.csv").write_text("file_name,label\ntest/monday/0001.wav,ng\ntuesday/0001,ok\n")
    assert _said(tmp_path) == {"monday/0001.wav": ("anomaly", None), "tuesday/0001.wav": ("normal", None)}


@pytest.mark.parametrize("row", ["0001.wav", "0001", "1", "MyPump/0001.wav", "test/0001.wav"])
def test_a_bare_name_means_the_test_recording_where_both_are_there(tmp_path: Path, row: str) -> None:
    folder = _machine(tmp_path)
    for name in ("0001.wav", "0009.wav"):
        write_wav(folder / "train" / name, seconds=0.07)
    (folder / "labels.csv").write_text(f"file_name,label,domain\n{row},ng,\n9,ok,source\n")
    clips = find_clips(tmp_path)
    said = {(clip.split, clip.name): (clip.label, clip.domain) for clip in clips}
    assert said["test", "0001.wav"] == ("anomaly", None)
    assert said["train", "0001.wav"][0] != "anomaly"
    assert said["train", "0009.wav"][1] == "source"  # there is only one of that name
    assert not [problem for problem in clips.problems if "labels" in str(problem)]


def test_the_training_recording_of_a_name_is_called_by_its_folder(tmp_path: Path) -> None:
    folder = _machine(tmp_path)
    write_wav(folder / "train" / "0001.wav", seconds=0.07)
    (folder / "labels.csv").write_text("file_name,label,domain\ntrain/0001.wav,ok,target\n0001.wav,ng,source\n")
    said = {(clip.split, clip.name): (clip.label, clip.domain) for clip in find_clips(tmp_path)}
    assert said["train", "0001.wav"] == ("normal", "target")
    assert said["test", "0001.wav"] == ("anomaly", "source")


def test_a_bare_row_beside_one_of_the_same_test_recording_is_said(tmp_path: Path) -> None:
    folder = _machine(tmp_path)
    write_wav(folder / "train" / "0001.wav", seconds=0.07)
    (folder / "labels.csv").write_text("file_name,label\ntest/0001.wav,ok\n0001.wav,ng\n")
    clips = find_clips(tmp_path)
    assert {clip.split: clip.label for clip in clips if clip.name == "0001.wav"} == {"train": None, "test": "normal"}
    (problem,) = clips.problems
    assert "labels 1 test recording(s) twice, and the row with the folder is believed: 0001" in str(problem)


def test_labels_and_sections_are_read_anew_each_time(tmp_path: Path) -> None:
    folder = _machine(tmp_path)
    assert _said(tmp_path)["0001.wav"] == (None, None)
    for label in ("anomaly", "normal"):
        (folder / "labels.csv").write_text(f"file_name,label,section\n1,{label},1\n")
        assert _said(tmp_path)["0001.wav"][0] == label
    assert {clip.section for clip in find_clips(tmp_path)} == {"00", "01"}


def test_all_faulty_rows_are_listed_at_once(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("file_name,label,domain\na.wav,wobbly,\nb.wav,ok,here\n,ok,\na,ng,\n")
    with pytest.raises(AsdzooError) as caught:
        read_labels(tmp_path)
    for fault in ("line 2: label is 'wobbly'", "line 3: domain is 'here'", "line 4: no file name", "line 5: a stands twice"):
        assert fault in caught.value.message


def test_rows_without_a_file_and_contradictions_are_said(tmp_path: Path) -> None:
    write_wav(tmp_path / "MyPump" / "test" / "ok" / "a.wav")
    (tmp_path / "MyPump" / "labels.csv").write_text("file_name,label\na.wav,ng\nb.wav,ok\nc.wav,ok\n")
    clips = find_clips(tmp_path)
    assert clips[0].label == "anomaly"
    said = [str(problem) for problem in clips.problems]
    assert "names 2 file(s) that are not there, first b" in said[0]
    assert "says otherwise than name or folder of 1 recording(s), and is believed: ok/a.wav" in said[1]


@pytest.mark.parametrize("place", ["labels.csv", "MyPump/test/labels.csv", "MyPump/test/Labels.CSV"])
def test_a_table_that_nobody_reads_is_named(tmp_path: Path, place: str) -> None:
    _machine(tmp_path)
    (tmp_path / place).write_text(ROWS)
    (problem,) = find_clips(tmp_path).problems
    assert "is not read there: a labels.csv stands in its machine's folder" in str(problem)


def test_a_table_beside_recordings_of_the_challenge_is_named(tmp_path: Path) -> None:
    write_wav(tmp_path / "2024" / "Scanner" / "test" / "section_00_0000.wav")
    (tmp_path / "2024" / "Scanner" / "labels.csv").write_text(ROWS)
    (problem,) = find_clips(tmp_path).problems
    assert "is not read: names tell the labels of 2024" in str(problem)


@settings(deadline=None, max_examples=200)
@given(
    st.binary(max_size=200) | st.text(max_size=200).map(lambda text: ("file_name,label\n" + text).encode("utf-8", "replace"))
)
def test_any_bytes_are_labels_or_a_sentence(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("labels")
    (folder / "labels.csv").write_bytes(content)
    hint, labels = "", {}
    try:
        labels = read_labels(folder)
    except AsdzooError as problem:
        hint = problem.hint
    assert hint or all(said.get("label") in (None, "normal", "anomaly") for said in labels.values())


@settings(deadline=None, max_examples=50)
@given(
    st.dictionaries(
        st.text("abc01_ -", min_size=1).map(str.strip).filter(bool), st.sampled_from(["normal", "anomaly"]), max_size=5
    )
)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, labels: dict[str, str]) -> None:
    folder = tmp_path_factory.mktemp("labels")
    with (folder / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file_name", "label"])
        table.writerows(labels.items())
    assert {name: said["label"] for name, said in read_labels(folder).items()} == labels
