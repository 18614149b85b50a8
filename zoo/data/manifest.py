"""What has been fetched into the folder of a data set: its manifest, and the lock that lets one process write there."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout
from pydantic import Field

from zoo.config import Frozen, parse
from zoo.data.datasets import Wanted
from zoo.errors import AsdzooError, typed
from zoo.files import write_json

ZipKind = Literal["passing", "kept", "own", "gone"]


class Entry(Frozen):
    """What the manifest says of one archive."""

    record: int
    licence: str | None
    md5: str
    table_md5: str | None  # what configs/datasets.yaml said then; another one than `md5` where the record knew better
    bytes: int
    # passing: ours until it is unpacked; kept: ours, by --keep-zips; own: was there before us; gone: there is no zip any more
    zip: ZipKind
    files: dict[str, int] = Field(default_factory=dict)  # path below the data set's folder -> bytes; empty until it is unpacked


class Manifest:
    """The manifest of one data set's folder."""

    def __init__(self, root: Path) -> None:
        self.path = root / "manifest.json"
        self.entries: dict[str, Entry] = {}
        if self.path.exists():
            self.entries = _read(self.path)

    def put(self, file: str, entry: Entry) -> None:
        self.entries[file] = entry
        write_json(self.path, {"archives": {name: one.model_dump() for name, one in self.entries.items()}})

    def owners(self, folder: str, asking: str) -> dict[str, str]:
        """Path below `folder` -> archive, of all files there that came from another archive than `asking`."""
        return {
            name.removeprefix(f"{folder}/"): file
            for file, entry in self.entries.items()
            for name in entry.files
            if file != asking and name.startswith(f"{folder}/")
        }

    def drop_zip(self, file: str) -> None:
        """Delete the zip of an unpacked archive, if it is asdzoo's and nobody wanted to keep it."""
        entry, path = self.entries[file], self.path.parent / "zips" / file
        if entry.zip == "passing":
            path.unlink(missing_ok=True)
            self.put(file, entry.model_copy(update={"zip": "gone"}))
            if path.parent.is_dir() and not any(path.parent.iterdir()):
                path.parent.rmdir()

    def is_whole(self, wanted: Wanted) -> bool:
        """Whether all files of an archive are there with their sizes, and it is the archive that the table means."""
        entry, root = self.entries.get(wanted.file), self.path.parent
        if entry is None or not entry.files or wanted.archive.md5 not in (None, entry.md5, entry.table_md5):
            return False
        return all(size_of(root / name) == size for name, size in entry.files.items())


@contextmanager
def one_at_a_time(root: Path) -> Iterator[None]:
    """Hold the folder of a data set. Raises: AsdzooError when another process fetches into it."""
    root.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(root / ".lock").acquire(timeout=0):
            for left in root.glob(".partial-*"):  # of a process that was killed while it wrote here
                shutil.rmtree(left) if left.is_dir() else left.unlink()
            yield
    except Timeout:
        raise AsdzooError(f"another `asdzoo data fetch` is at work in {root}", "wait for it, or stop it first") from None


def md5_of(path: Path) -> str:
    """The md5 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def size_of(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _read(path: Path) -> dict[str, Entry]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return {file: parse(Entry, value, file) for file, value in values["archives"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, AsdzooError) as problem:
        raise AsdzooError(
            f"{path} is no manifest of `asdzoo data fetch`: {problem}",
            f"move it away (mv {typed(path)} {typed(f'{path}.old')}): what is whole is found again",
        ) from None
