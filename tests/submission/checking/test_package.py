"""Zips and folders from people who wish us ill: nothing outside is touched, nothing is unpacked without end."""

import os
import stat
import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from submission.checking.check import check
from submission.checking.package import MOST_ENTRIES, open_package
from zoo.errors import AsdzooError

SCORES = "task2/A_B_task2_1/anomaly_score_Scanner_section_00_test.csv"
META = "task2/A_B_task2_1/A_B_task2_1.meta.yaml"


def codes(path: Path) -> set[str]:
    return {fault.code for fault in check(path).errors}


def zipped(path: Path, *entries: tuple[zipfile.ZipInfo | str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return path


def patched(path: Path, change: Callable[[bytearray, int], None]) -> Path:
    """Change the bytes of a zip, given where its central directory starts."""
    data = bytearray(path.read_bytes())
    change(data, data.rfind(b"PK\1\2"))
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "name",
    [
        "../outside.csv",
        "task2/../../outside.csv",
        "/etc/outside.csv",
        "C:/outside.csv",
        "task2//a.csv",
        "./task2/a.csv",
        "a\x1b[31m.csv",
    ],
)
def test_names_that_lead_astray(name: str, tmp_path: Path) -> None:
    path = zipped(tmp_path / "p.zip", (name, b"x"), (META, b"submission:\n"))
    with open_package(path) as package:
        assert list(package.sizes) == [META]
        (fault,) = package.faults
    assert fault.code == "unsafe-path"
    assert fault.file.isprintable()
    assert "unsafe-path" in codes(path)


def test_a_backslash_and_a_nul_are_no_names(tmp_path: Path) -> None:
    for number, (good, bad) in enumerate(((b"a/b.csv", b"a\\b.csv"), (b"ab.csv", b"a\0.csv"))):
        path = zipped(tmp_path / f"{number}.zip", (good.decode(), b"x"))
        path.write_bytes(path.read_bytes().replace(good, bad))
        assert "unsafe-path" in codes(path)


def test_links_are_not_followed(tmp_path: Path) -> None:
    link = zipfile.ZipInfo(META)
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    assert "link" in codes(zipped(tmp_path / "p.zip", (link, b"/etc/passwd")))
    folder = tmp_path / "package" / "task2" / "A_B_task2_1"
    folder.mkdir(parents=True)
    secret = tmp_path / "secret.csv"
    secret.write_text("section_00_0000.wav,1\n")
    (folder / "anomaly_score_Scanner_section_00_test.csv").symlink_to(secret)
    (tmp_path / "package" / "loop").symlink_to(tmp_path / "package")
    with open_package(tmp_path / "package") as package:
        assert package.sizes == {}
        assert [fault.code for fault in package.faults] == ["link", "link"]


def test_a_pipe_in_a_folder_does_not_hang(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    os.mkfifo(tmp_path / "package" / "a.csv")
    assert "not-a-file" in codes(tmp_path / "package")


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = zipped(tmp_path / "p.zip", (META, bytes(50_000_000)))
    assert path.stat().st_size < 100_000
    assert "bomb" in codes(path)


def test_a_flat_bomb_of_overlapping_entries_is_not_unpacked(tmp_path: Path) -> None:
    """Many directory entries for one and the same compressed data."""
    one = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = one.compress(os.urandom(1000) * 900) + one.flush()
    names = [b"task2/%04d.pdf" % number for number in range(2000)]
    size, crc = 900_000, 0
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 8, 0, 33, crc, len(packed), size, len(names[0]), 0) + names[0] + packed
    directory = b"".join(
        struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 8, 0, 33, crc, len(packed), size, len(name), 0, 0, 0, 0, 0, 0) + name
        for name in names
    )
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, len(names), len(names), len(directory), len(local), 0)
    path = tmp_path / "p.zip"
    path.write_bytes(local + directory + end)
    with open_package(path) as package:
        assert package.sizes == {}
        assert {fault.code for fault in package.faults} == {"too-large"}


def test_a_million_entries_are_not_even_listed(tmp_path: Path) -> None:
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    directory = entry * 10**6
    count = 10**6
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(directory), 0)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(directory), 1)
    for number, (records, told) in enumerate(
        ((end64 + locator, 0xFFFF), (end64 + locator, 5), (b"", 5), (b"", MOST_ENTRIES + 1))
    ):
        end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, told, told, len(directory), 0, 0)
        path = tmp_path / f"{number}.zip"
        path.write_bytes(directory + records + end)
        with open_package(path) as package:
            assert package.sizes == {}
            assert [fault.code for fault in package.faults] == ["zip-entries"]


def test_too_many_files_in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("submission.checking.package.MOST_ENTRIES", 20)
    for number in range(30):
        (tmp_path / f"{number}.txt").write_text("x")
    with open_package(tmp_path) as package:
        assert len(package.sizes) == 20
        assert [fault.code for fault in package.faults] == ["too-many-files"]


def test_too_many_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("submission.checking.package.MOST_ENTRIES", 20)
    for number in range(30):
        (tmp_path / str(number)).mkdir()
    with open_package(tmp_path) as package:
        assert [fault.code for fault in package.faults] == ["too-many-files"]


def test_what_strangers_wrote_does_not_reach_the_terminal_raw(tmp_path: Path) -> None:
    row = f"\x1b]0;gotcha\x07\x9b2J{'x' * 5000}.wav,high\n"
    findings = check(zipped(tmp_path / "p.zip", (META, b"\x1b: [\n"), (SCORES, row.encode())))
    assert "score-number" in {fault.code for fault in findings.faults}
    for fault in findings.faults:
        assert (fault.message + fault.hint + fault.file).isprintable()
        assert len(fault.message) < 400


def test_what_no_tool_of_the_organisers_could_read(tmp_path: Path) -> None:
    assert "compression" in codes(zipped(tmp_path / "a.zip", (META, b"x"), method=zipfile.ZIP_LZMA))
    locked = zipped(tmp_path / "b.zip", (META, b"x"))
    assert "encrypted" in codes(patched(locked, lambda data, at: data.__setitem__(at + 8, 1)))
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = zipped(tmp_path / "c.zip", (META, b"x"), (META, b"y"))
    assert "duplicate-entry" in codes(twice)


def test_damaged_contents(tmp_path: Path) -> None:
    path = zipped(tmp_path / "p.zip", (META, b"submission: 1\n"), (SCORES, b"a.wav,1\n"), method=zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"submission: 1", b"submission: 2").replace(b"a.wav,1", b"a.wav,2"))
    assert {fault.file for fault in check(path).errors if fault.code == "damaged"} == {META, SCORES}


def test_a_truncated_zip(tmp_path: Path) -> None:
    path = zipped(tmp_path / "p.zip", (META, b"x" * 1000))
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(AsdzooError, match="is not a zip"), open_package(path):
        pass
    patched(zipped(path, (META, b"x")), lambda data, at: data.__setitem__(at, 0))
    with pytest.raises(AsdzooError, match="no readable zip"), open_package(path):
        pass


@given(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8), st.sampled_from([0, 0, 5]))
@example([(0.375, 128), (0.263671875, 8)], 0)  # a name that is no UTF-8, seen only when the file is opened
@settings(deadline=None, max_examples=150)
def test_no_damage_escapes_as_a_traceback(damage: list[tuple[float, int]], lost: int) -> None:
    with TemporaryDirectory() as folder:
        path = zipped(
            Path(folder) / "p.zip", (META, b"submission:\n  label: A_B_task2_1\n" * 3), (SCORES, b"section_00_0000.wav,1\n" * 9)
        )
        data = bytearray(path.read_bytes())
        for where, value in damage:
            data[int(where * len(data))] = value
        path.write_bytes(data[: len(data) - lost])
        with suppress(AsdzooError):
            assert check(path).faults


HOSTILE: dict[str, Callable[[], Iterator[tuple[str, bytes]]]] = {
    "200 large metadata files": lambda: (
        (f"task2/A_B{n}_task2_1/A_B{n}_task2_1.meta.yaml", b"".join(b"key%d: [a, b]\n" % k for k in range(8000)))
        for n in range(200)
    ),
    "9,000 systems": lambda: ((f"task2/A_B{n}_task2_1/A_B{n}_task2_1.meta.yaml", b"submission:\n") for n in range(9000)),
    "9,000 score files of a system": lambda: (
        (f"task2/A_B_task2_1/anomaly_score_M{n}_section_00_test.csv", b"x.wav,1\n" * 200) for n in range(9000)
    ),
    "score files of 200,000 rows": lambda: (
        (f"task2/A_B_task2_1/anomaly_score_M{n}_section_00_test.csv", b"".join(b"%d,1\n" % k for k in range(200_000)))
        for n in range(20)
    ),
    "score files of long rows": lambda: (
        (f"task2/A_B_task2_1/anomaly_score_M{n}_section_00_test.csv", (b"x" * 100_000 + b"%d,1\n" % n) * 15) for n in range(200)
    ),
    "one metadata file of nothing but unknown keys": lambda: iter(
        [(META, b"submission:\n" + b"".join(b"  lable%d: 1\n" % k for k in range(2400)))]
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_package_costs_little(kind: str, tmp_path: Path) -> None:
    """About a second, where reading everything takes minutes; the limit leaves room for a busy machine."""
    with zipfile.ZipFile(tmp_path / "p.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, data in HOSTILE[kind]():
            archive.writestr(name, data)
    begun = time.process_time()
    assert check(tmp_path / "p.zip").errors
    assert time.process_time() - begun < 10


def test_neither_zip_nor_folder(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(AsdzooError, match="neither a zip nor a folder"), open_package(tmp_path / "pipe"):
        pass
