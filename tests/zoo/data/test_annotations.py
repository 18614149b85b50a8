"""Attribute tables in their three forms, and one's own labels."""

from pathlib import Path

import pytest

from tests.zoo.trees import write_tree
from zoo.data.annotations import attribute_tables, read_attribute_table
from zoo.data.clips import find_clips
from zoo.data.labels import read_labels
from zoo.data.names import bare_name
from zoo.errors import AsdzooError

SHARED = Path(__file__).parents[3] / ".." / "shared" / "data"


def read_first(folder: Path) -> dict[str, dict[str, str]]:
    return read_attribute_table(folder / "attributes_00.csv")


def test_path_and_suffix(tmp_path: Path) -> None:
    (tmp_path / "attributes_00.csv").write_text(
        "file_name,d1p,d1v,d2p,d2v\nbearing/test/section_00_source_test_anomaly_001.wav,vel,6,loc,A\n"
    )
    assert read_first(tmp_path) == {"section_00_source_test_anomaly_001": {"vel": "6", "loc": "A"}}


def test_bare_stem_with_a_dot(tmp_path: Path) -> None:
    (tmp_path / "attributes_00.csv").write_text("file_name,d1p,d1v\nsection_00_source_train_normal_0000_volt_1.5,volt,1.5\n")
    assert read_first(tmp_path) == {"section_00_source_train_normal_0000_volt_1.5": {"volt": "1.5"}}


@pytest.mark.parametrize("row", ["x.wav", "x.wav,,", "x.wav,,,,"])
def test_hidden_attributes(tmp_path: Path, row: str) -> None:
    (tmp_path / "attributes_00.csv").write_text(f"file_name\n{row}\n\n")
    assert read_first(tmp_path) == {"x": {}}


def test_no_table(tmp_path: Path) -> None:
    assert attribute_tables(tmp_path) == []


def test_each_section_has_a_table_and_repeated_parameters_kept(tmp_path: Path) -> None:
    (tmp_path / "attributes_00.csv").write_text("\ufefffile_name,d1p,d1v\r\na.wav,mic,2,mic,1,mic,7\r\n", encoding="utf-8")
    (tmp_path / "attributes_01.csv").write_text("file_name,d1p,d1v\nb.wav,mic,2\n")
    first, second = attribute_tables(tmp_path)
    assert read_attribute_table(first) == {"a": {"mic": "2", "mic_2": "1", "mic_3": "7"}}
    assert read_attribute_table(second) == {"b": {"mic": "2"}}


def test_a_table_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "attributes_00.csv").write_bytes(b"\x00\x01\x02\x03\x00\x00")
    with pytest.raises(AsdzooError, match=r"cannot read .*attributes_00\.csv"):
        read_first(tmp_path)


def test_every_clip_of_a_tree_is_in_its_table(tmp_path: Path) -> None:
    data = write_tree(tmp_path, "2022", machines=["bearing"])
    tables = attribute_tables(data / "dev_data" / "raw" / "bearing")
    assert len(tables) == 2
    attributes = {name: row for table in tables for name, row in read_attribute_table(table).items()}
    clips = find_clips(data)
    assert set(attributes) == {bare_name(clip.name) for clip in clips}
    for clip in clips:
        assert clip.attributes == "_".join(f"{name}_{value}" for name, value in attributes[bare_name(clip.name)].items())


def test_realbench_tables() -> None:
    folder = SHARED / "realbench" / "propeller"
    if not folder.is_dir():
        pytest.skip("the recordings of ../shared/data/realbench are not here")
    listed = {name for table in attribute_tables(folder) for name in read_attribute_table(table)}
    assert listed >= {bare_name(clip.name) for clip in find_clips(folder) if clip.split == "train"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file_name\nx.wav\n", "lacks the column"),
        ("", "lacks the column"),
        ("file_name,label,speed\nx.wav,normal,5\n", "unknown column 'speed'"),
        ("file_name,label\nx.wav,normal\ny.wav,wobbly\n", "line 3: label is 'wobbly'"),
        ("file_name,label,domain\nx.wav,normal,here\n", "line 2: domain is 'here'"),
        ("file_name,label\nx.wav,normal\nx,anomaly\n", "line 3: x stands twice"),
        ("file_name,label\n,normal\n", "line 2: no file name"),
    ],
)
def test_faulty_labels(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(AsdzooError, match=message) as caught:
        read_labels(tmp_path)
    assert caught.value.hint


def test_labels(tmp_path: Path) -> None:
    assert read_labels(tmp_path) == {}
    (tmp_path / "labels.csv").write_text("file_name,label,section\nMyPump/test/a.wav,anomaly,\n\nb,,02\n")
    assert read_labels(tmp_path) == {"test/a": {"label": "anomaly"}, "b": {"section": "02"}}
