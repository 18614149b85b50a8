"""Files are whole or absent."""

import errno
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from zoo.errors import AsdzooError
from zoo.files import require_plain_name, whole_file, whole_folder, write_json, write_text


def test_a_write_that_fails_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.txt"
    write_text(path, "old")

    def fail() -> None:
        with whole_file(path) as aside:
            aside.write_text("new")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        fail()
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_fails_leaves_the_old_folder_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    with whole_folder(path) as aside:
        (aside / "a").write_text("old")

    def interrupt() -> None:
        with whole_folder(path) as aside:
            (aside / "b").write_text("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert [entry.name for entry in path.iterdir()] == ["a"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    for name in ("a", "b"):
        with whole_folder(path) as aside:
            (aside / name).write_text(name)
    assert [entry.name for entry in path.iterdir()] == ["b"]


def test_written_files_are_readable_by_others(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "text")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644


def test_json_refuses_nan_and_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["fused", "NF+LoRA", "mine [2]", "a.b", "王", "x" * 100])
def test_a_plain_name(name: str) -> None:
    require_plain_name("an ensemble", name, "another one")


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "...",
        ".hidden",
        "a/b",
        "a\\b",
        "/",
        "-x",
        "=x",
        "@x",
        " x",
        "x ",
        "x.",
        "a,b",
        "a\nb",
        "\x1b[1m",
        "a\0",
        "\ud800",
        "x" * 101,
    ],
)
def test_a_name_that_would_write_an_odd_file(name: str) -> None:
    with pytest.raises(AsdzooError, match="is no name for an ensemble") as raised:
        require_plain_name("an ensemble", name, "another one")
    assert raised.value.message.isprintable()


@pytest.mark.parametrize("writing", [whole_file, whole_folder])
def test_a_disk_that_refuses_is_told_by_the_name_that_the_user_knows(
    writing: Callable[[Path], AbstractContextManager[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.csv"

    def refuse(*_: object, **named: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(tmp_path / ".partial-123"))

    with pytest.raises(OSError, match="No space left") as full, writing(path) as aside:
        raise OSError(errno.ENOSPC, "No space left on device", str(aside))
    assert full.value.filename == str(path)
    monkeypatch.setattr("tempfile.mkstemp", refuse)
    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    with pytest.raises(OSError, match="Read-only") as locked, writing(path):
        pass
    assert locked.value.filename == str(path)
    assert list(tmp_path.iterdir()) == []
