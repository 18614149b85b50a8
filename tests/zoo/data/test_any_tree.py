"""At the level of the command: any names, bytes and tables below --data end in exit 0, 1 or 2 and sentences, no traceback."""

import os
import shutil
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from submission.cli import main
from tests.zoo.trees import write_wav

_WORDS = ("train", "test", "Train", "normal", "ng", "source_test", "supplemental", "test_rename", "2024", "fan", "MyPump")
_LETTERS = st.characters(exclude_characters="/\0", exclude_categories=["Cs"])
_FOLDER = st.sampled_from((*_WORDS, ".git")) | st.text(_LETTERS, min_size=1, max_size=9)
_STEM = st.sampled_from(["section_00_source_train_normal_0000_n_A", "normal_id_01_00000000", "0001", "0001 (1)"]) | _FOLDER
_UP = {".", ".."}
_ENDING = st.sampled_from([".wav", ".WAV", ".flac", ".m4a", ".zip", ".csv", "", "~"])
_CONTENT = st.sampled_from(["sound", "empty", "junk", "folder"])
_TABLE = st.sampled_from(["labels.csv", "attributes_00.csv"])
_CELLS = ["file_name", "label", "0001.wav", "test/0001", "anomaly", "ok", "", "\x00", '"', "=1+1"]
_CELL = st.sampled_from(_CELLS) | st.text(max_size=6)
_TEXT = st.lists(st.lists(_CELL, max_size=4).map(",".join), max_size=5).map("\n".join)


@pytest.fixture(scope="module")
def wav(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_wav(tmp_path_factory.mktemp("sound") / "x.wav").read_bytes()


def _put(path: Path, content: str | bytes, wav: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if content == "folder":
            path.mkdir()
        elif not path.exists():
            path.write_bytes(content if isinstance(content, bytes) else {"sound": wav, "junk": b"RIFF junk"}.get(content, b""))
    except (OSError, ValueError):
        pass  # a name that this file system does not take


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.lists(st.tuples(st.lists(_FOLDER, max_size=4), _STEM, _ENDING, _CONTENT), max_size=8),
    tables=st.lists(st.tuples(st.lists(_FOLDER, max_size=2), _TABLE, _TEXT), max_size=2),
    year=st.sampled_from([None, "2024", "2020", "own"]),
)
def test_any_tree_is_scanned_or_a_sentence(
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
    wav: bytes,
    files: list[tuple[list[str], str, str, str]],
    tables: list[tuple[list[str], str, str]],
    year: str | None,
) -> None:
    root = tmp_path_factory.getbasetemp() / "any tree"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for folders, stem, ending, content in files:
        if not _UP & {*folders, stem + ending}:
            _put(root.joinpath(*folders, stem + ending), content, wav)
    for folders, name, text in tables:
        if not _UP & set(folders):
            _put(root.joinpath(*folders, name), text.encode("utf-8", "surrogateescape"), wav)
    tracemalloc.start()
    code = main(["scan", str(root), *(["--year", year] if year else [])])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    told = capsys.readouterr()
    assert code in (0, 2)
    assert "Traceback" not in told.err
    if code == 2:
        assert "error: " in told.err
        assert "hint: " in told.err
    assert peak < 100 << 20
    assert len(told.err.splitlines()) < 60


@pytest.mark.skipif(os.name == "nt", reason="no pipes in folders there")
def test_pipes_devices_and_links_to_nowhere_are_sentences(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "MyPump" / "train"
    write_wav(folder / "x.wav")
    os.mkfifo(folder / "pipe.wav")
    (folder / "device.wav").symlink_to("/dev/zero")
    (folder / "nowhere.wav").symlink_to(tmp_path / "absent.wav")
    (folder / "folder.wav").mkdir()
    assert main(["scan", str(tmp_path)]) == 0
    err = capsys.readouterr().err
    assert "pipe.wav: is no regular file" in err
    assert "device.wav: is no regular file" in err
    assert "nowhere.wav: cannot be read: No such file or directory" in err
    assert "folder.wav: is called like a recording and an empty folder" in err
