"""Recordings that lie anywhere: which are taken, whose they are, and when they were made."""

import os
from datetime import datetime
from pathlib import Path

import pytest

from tests.zoo.trees import write_wav
from zoo.data.loose import Loose, loose_files, whose
from zoo.data.recorded import recorded
from zoo.errors import AsdzooError

SECTIONS = {"Pump": ["00"], "Fan": ["00", "01"]}


def test_what_is_taken_and_what_is_said(tmp_path: Path) -> None:
    for name in ("Pump/test/b.wav", "Pump/test/a.flac.wav", "Pump/train/c.wav", ".hidden/d.wav", "e.WAV"):
        write_wav(tmp_path / name)
    for name in ("Pump/labels.csv", "notes.txt", ".x"):
        (tmp_path / name).write_text("")
    files, notes = loose_files([tmp_path])
    assert [below.as_posix() for _, below in files] == ["e.WAV", "Pump/test/a.flac.wav", "Pump/test/b.wav"]
    assert [note.partition(" in ")[0].partition(" is not")[0] for note in notes] == [
        "1 training recording(s)",
        str(tmp_path / "Pump" / "labels.csv"),
        "1 file(s)",
    ]
    assert loose_files([tmp_path / "e.WAV"]) == ([(tmp_path / "e.WAV", Path("e.WAV"))], [])
    assert len(loose_files([tmp_path / "Pump" / "train"])[0]) == 1
    with pytest.raises(AsdzooError, match="not there"):
        loose_files([tmp_path / "no"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(AsdzooError, match=r"holds no recordings$"):
        loose_files([tmp_path / "empty"])
    write_wav(tmp_path / "only" / "train" / "c.wav")
    with pytest.raises(AsdzooError, match="1 in train folders") as said:
        loose_files([tmp_path / "only"])
    assert str(tmp_path / "only" / "train") in said.value.hint


def test_a_name_that_a_spreadsheet_would_run_is_said(tmp_path: Path) -> None:
    write_wav(tmp_path / "=1+2.wav")
    write_wav(tmp_path / "x.wav")
    _, notes = loose_files([tmp_path])
    assert notes == ["'=1+2.wav' begins as a formula does: a spreadsheet that opens a table with such a name runs it"]


def test_whose_a_recording_is(tmp_path: Path) -> None:
    assert whose(tmp_path / "Pump" / "test" / "x.wav", SECTIONS) == ("Pump", "00")
    assert whose(tmp_path / "Pump" / "2024-01-02" / "x.wav", SECTIONS) == ("Pump", "00")
    assert whose(tmp_path / "Fan" / "test" / "section_01_0001.wav", SECTIONS) == ("Fan", "01")
    assert whose(tmp_path / "Fan" / "test" / "id_01" / "x.wav", SECTIONS) == ("Fan", "01")
    assert whose(tmp_path / "x.wav", {"Pump": ["00"]}) == ("Pump", "00")
    assert whose(tmp_path / "x.wav", SECTIONS, "Fan", "01") == ("Fan", "01")
    for arguments, message in (
        ((tmp_path / "x.wav", SECTIONS), "does not say its machine"),
        ((tmp_path / "Fan" / "x.wav", SECTIONS), "does not say its section of Fan"),
        ((tmp_path / "x.wav", SECTIONS, "Fn"), "unknown machine of this run"),
        ((tmp_path / "x.wav", SECTIONS, "Fan", "02"), "unknown section of Fan"),
        ((tmp_path / "Other" / "test" / "x.wav", {"Pump": ["00"]}), "machine Other, which this run does not know"),
    ):
        with pytest.raises(AsdzooError, match=message):
            whose(*arguments)


@pytest.mark.parametrize(
    ("name", "below"),
    [
        ("x.wav", ""),
        ("day/x.wav", "day"),
        ("Pump/test/day/x.wav", "day"),
        ("Pump/day/x.wav", "day"),
        ("test/x.wav", ""),
    ],
)
def test_what_a_kept_recording_is_called(name: str, below: str) -> None:
    assert Loose(Path(name), name, "Pump", "00").below == below


@pytest.mark.parametrize(
    ("name", "time"),
    [
        ("pump_20240102_030405.wav", (2024, 1, 2, 3, 4, 5)),
        ("2024-01-02T03-04-05Z.wav", (2024, 1, 2, 3, 4, 5)),
        ("2024-01-02 03.04.wav", (2024, 1, 2, 3, 4, 0)),
        ("20240102030405.wav", (2024, 1, 2, 3, 4, 5)),
        ("mic1-2024_01_02-03h04m05.wav", (2024, 1, 2, 3, 4, 5)),
        ("2024-01-02/03-04-05.wav", (2024, 1, 2, 3, 4, 5)),
        ("2024-01-02/cam_030405.wav", (2024, 1, 2, 3, 4, 5)),
    ],
)
def test_recorders_write_the_time_into_the_name(name: str, time: tuple[int, ...]) -> None:
    assert recorded(Path(name)) == (datetime(*time), "name")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["0001.wav", "20241302_030405.wav", "section_00_0001.wav", "123420240102030405.wav"])
def test_otherwise_it_is_that_of_the_file(name: str, tmp_path: Path) -> None:
    path = write_wav(tmp_path / name)
    os.utime(path, (1_700_000_000.7, 1_700_000_000.7))
    assert recorded(path) == (datetime.fromtimestamp(1_700_000_000), "file")
