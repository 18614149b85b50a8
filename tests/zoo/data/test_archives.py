"""Zips that mean harm, zips that are damaged, and unpacking that was stopped half way."""

import io
import os
import time
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.zoo.data.mirror import zipped
from zoo.data import archives
from zoo.data.archives import ArchiveError, check_zip, unpack, unpack_top, unpacked_bytes

GOOD = {
    "fan/train/section_00_source_train_normal_0001.wav": b"one" * 50,
    "fan/test/section_00_source_test_normal_0001.wav": b"two" * 70,
    "fan/attributes_00.csv": b"file_name\n",
}


def written(tmp_path: Path, contents: bytes, name: str = "dev_fan.zip") -> Path:
    path = tmp_path / name
    path.write_bytes(contents)
    return path


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_folder_of_the_machine_is_where_its_files_go(tmp_path: Path) -> None:
    path, folder = written(tmp_path, zipped(GOOD)), tmp_path / "raw" / "fan"
    assert unpacked_bytes(path, folder) == sum(map(len, GOOD.values()))
    done = unpack(path, folder)
    assert tree(folder) == {name.removeprefix("fan/"): contents for name, contents in GOOD.items()}
    assert done.files == {name.removeprefix("fan/"): len(contents) for name, contents in GOOD.items()}
    assert (done.written, done.replaced, unpacked_bytes(path, folder)) == (3, 0, 0)
    assert time.localtime((folder / "attributes_00.csv").stat().st_mtime)[:5] == (2025, 4, 1, 12, 0)


@pytest.mark.parametrize("prefix", ["", "fan/", "Fan/", "dev_data/raw/fan/"])
def test_any_depth_of_folders_will_do(tmp_path: Path, prefix: str) -> None:
    members = {prefix + name.removeprefix("fan/"): contents for name, contents in GOOD.items()}
    unpack(written(tmp_path, zipped(members)), tmp_path / "raw" / "fan")
    assert tree(tmp_path / "raw" / "fan") == {name.removeprefix("fan/"): contents for name, contents in GOOD.items()}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../evil.wav", "leaves the folder"),
        ("fan/../../evil.wav", "leaves the folder"),
        ("/etc/evil", "leaves the folder"),
        ("C:/evil.wav", "leaves the folder"),
        ("fan\\..\\evil.wav", "is no plain path"),
        ("fan//evil.wav", "is no plain path"),
        ("./fan/evil.wav", "is no plain path"),
    ],
)
def test_one_evil_member_refuses_the_whole_archive(tmp_path: Path, name: str, reason: str) -> None:
    path = written(tmp_path, zipped(GOOD | {name: b"evil"}))
    before = tree(tmp_path)
    for act in (lambda: unpack(path, tmp_path / "raw" / "fan"), lambda: unpack_top(path, tmp_path / "truth")):
        with pytest.raises(ArchiveError, match=f"must not be unpacked: its member .* {reason}"):
            act()
    assert tree(tmp_path) == before
    assert not (tmp_path / "raw").exists()


def test_links_and_encrypted_members_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, zipped(GOOD | {"fan/train/link.wav": b"/etc/passwd"}, links=["fan/train/link.wav"]))
    with pytest.raises(ArchiveError, match=r"link.wav' is a link or a device"):
        unpack(path, tmp_path / "raw" / "fan")
    contents = bytearray(zipped({"fan/train/a.wav": b"a"}))
    at = contents.index(b"PK\x01\x02") + 8
    contents[at] |= 1  # the directory says: encrypted
    with pytest.raises(ArchiveError, match="is encrypted"):
        unpack(written(tmp_path, bytes(contents)), tmp_path / "raw" / "fan")


def test_one_name_twice_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, zipped({"fan/train/a.wav": b"a", "x/fan/train/a.wav": b"b"}))
    with pytest.raises(ArchiveError, match=r"holds train/a.wav twice"):
        unpack(path, tmp_path / "raw" / "fan")


def test_names_that_differ_in_case_alone_need_a_disk_that_tells_them_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, zipped({"fan/train/a_y.wav": b"1", "fan/train/a_Y.wav": b"2"}))
    with monkeypatch.context() as patch:
        patch.setattr(archives, "_tells_case", lambda folder: False)
        with pytest.raises(ArchiveError, match=r"train/a_y.wav and train/a_Y.wav are one name on this disk"):
            unpack(path, tmp_path / "mac" / "fan")
    assert not list((tmp_path / "mac").rglob("*.wav"))
    if archives._tells_case(tmp_path):
        assert len(unpack(path, tmp_path / "raw" / "fan").files) == 2


def test_what_macs_add_is_left_out_and_what_lies_outside_is_named(tmp_path: Path) -> None:
    extra = {"__MACOSX/fan/._x.wav": b"", "fan/.DS_Store": b"", "fan/train/._a.wav": b"", "README.txt": b"hello"}
    done = unpack(written(tmp_path, zipped(GOOD | extra)), tmp_path / "raw" / "fan")
    assert len(done.files) == len(GOOD)
    assert done.left_out == ["README.txt"]


def test_an_archive_of_another_machine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"dev_fan.zip holds nothing of fan: at its top are pump"):
        unpack(written(tmp_path, zipped({"pump/train/a.wav": b"a"})), tmp_path / "raw" / "fan")


def test_half_an_unpacking_is_made_whole(tmp_path: Path) -> None:
    path, folder = written(tmp_path, zipped(GOOD)), tmp_path / "raw" / "fan"
    unpack(path, folder)
    whole = tree(folder)
    untouched = folder / "test" / "section_00_source_test_normal_0001.wav"
    os.utime(untouched, (1, 1))
    (folder / "attributes_00.csv").unlink()
    train = folder / "train" / "section_00_source_train_normal_0001.wav"
    train.write_bytes(b"x" * train.stat().st_size)  # right length, wrong contents
    (folder / "train" / ".partial-abc.wav").write_bytes(b"of a killed process")
    done = unpack(path, folder)
    assert tree(folder) == whole
    assert (done.written, done.replaced) == (2, 1)
    assert untouched.stat().st_mtime == 1


def test_two_archives_over_each_other(tmp_path: Path) -> None:
    folder = tmp_path / "raw" / "fan"
    train = written(tmp_path, zipped({"fan/train/a.wav": b"a", "fan/attributes_00.csv": b"train\n"}), "x_train.zip")
    test = written(tmp_path, zipped({"fan/test/b.wav": b"b", "fan/attributes_00.csv": b"test\n"}), "x_test.zip")
    first = unpack(train, folder)
    owned = dict.fromkeys(first.files, "x_train.zip")
    for _ in range(2):  # the second time there is nothing to do
        second = unpack(test, folder, owned)
        assert second.renamed == {"attributes_00.csv": "attributes_00_x_test.csv"}
        assert tree(folder) == {
            "attributes_00.csv": b"train\n",
            "attributes_00_x_test.csv": b"test\n",
            "test/b.wav": b"b",
            "train/a.wav": b"a",
        }
    assert second.written == 0
    other = written(tmp_path, zipped({"fan/train/a.wav": b"not a"}), "old.zip")
    with pytest.raises(ArchiveError, match=r"old.zip and x_train.zip both bring train/a.wav, and they differ"):
        unpack(other, folder, owned)


@pytest.mark.parametrize("damage", ["no zip", "cut", "bytes"])
def test_a_damaged_zip_is_found(tmp_path: Path, damage: str) -> None:
    contents = bytearray(zipped({"fan/train/a.wav": os.urandom(5000)}))
    if damage == "no zip":
        contents = bytearray(b"<html>503</html>")
    elif damage == "cut":
        del contents[3000:]
    else:
        contents[1000:1010] = b"0123456789"
    path = written(tmp_path, bytes(contents))
    with pytest.raises(ArchiveError, match="damaged"):
        check_zip(path)
    with pytest.raises(ArchiveError, match="damaged"):
        unpack(path, tmp_path / "raw" / "fan")
    assert not list(tmp_path.rglob("*.wav"))


def test_the_top_folder_of_a_repository_is_left_out(tmp_path: Path) -> None:
    path = written(tmp_path, zipped({"evaluator-abc/ground_truth_data/a.csv": b"1", "evaluator-abc/LICENSE": b"2"}))
    assert unpack_top(path, tmp_path / "out") == 2
    assert tree(tmp_path / "out") == {"LICENSE": b"2", "ground_truth_data/a.csv": b"1"}
    with pytest.raises(ArchiveError, match="has 2 folders at its top"):
        unpack_top(written(tmp_path, zipped({"a/x": b"1", "b/y": b"2"})), tmp_path / "other")


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 3000))
def test_no_bytes_are_unpacked_outside_or_raise_anything_else(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, at: int
) -> None:
    """Noise within a zip: either it is unpacked, or it is refused as an archive, and nothing lands beside the folder."""
    folder = tmp_path_factory.mktemp("noise")
    contents = bytearray(zipped(GOOD))
    at %= len(contents)
    contents[at : at + len(noise)] = noise
    path = written(folder, bytes(contents))
    with suppress(ArchiveError):
        unpack(path, folder / "raw" / "fan")
    assert {one.name for one in folder.iterdir()} <= {"dev_fan.zip", "raw"}
    assert all(name.startswith("fan/") for name in (tree(folder / "raw") if (folder / "raw").exists() else {}))


def test_zips_of_the_standard_library_are_understood(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.mkdir("fan")
        archive.mkdir("fan/train")
        archive.writestr("fan/train/a.wav", b"a")
    assert unpack(written(tmp_path, buffer.getvalue()), tmp_path / "raw" / "fan").files == {"train/a.wav": 1}
