"""Reading a package that someone else made, a zip or a folder, without trusting it.

Nothing is ever unpacked to disk and no name inside is ever used as a path. A zip's directory is measured before it is parsed,
so that a million entries cost nothing; contents are read one at a time and only up to a limit; what points outside (`..`,
absolute paths, links) is reported and never opened.
"""

import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from submission.checking.faults import Fault, error, warning
from zoo.errors import AsdzooError

MOST_ENTRIES = 10_000  # four systems of all machines of 2021 have 340 files
MOST_DIRECTORY = 4 * 2**20  # bytes of a zip's central directory
MOST_TOTAL = 2**30  # bytes, unpacked
MOST_RATIO = 1000  # unpacked to packed size; score files reach about 5, one constant score 100
_JUNK = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini", ".git", "__pycache__", ".ipynb_checkpoints")


@dataclass(frozen=True)
class Package:
    """The files of a package, but for links, junk and what was refused."""

    path: Path
    sizes: dict[str, int]  # path inside the package (posix, relative) -> bytes
    faults: tuple[Fault, ...]
    _open: Callable[[str], IO[bytes]]

    def read(self, name: str, limit: int) -> bytes:
        """At most `limit` bytes of a file. Raises: OSError when it is damaged or cannot be read."""
        try:
            with self._open(name) as stream:
                return stream.read(limit)
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, struct.error) as problem:
            raise OSError(f"{problem}") from problem


@contextmanager
def open_package(path: Path) -> Iterator[Package]:
    """The package at `path`. Raises: AsdzooError when there is none, or it is neither a zip nor a folder."""
    if path.is_dir():
        yield _folder(path)
        return
    if not path.exists():
        raise AsdzooError(f"no package at {path}", "name a zip or a folder; `asdzoo submit` writes one")
    if not path.is_file():
        raise AsdzooError(f"{path} is neither a zip nor a folder", "name a zip or a folder")
    refused = _refused(path)
    if refused:
        yield Package(path, {}, (refused,), _nothing)
        return
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, ValueError, struct.error) as problem:
        raise AsdzooError(f"{path} is no readable zip: {problem}", "zip it again, or name the folder") from problem
    with archive:
        yield _zip(path, archive)


def _nothing(name: str) -> IO[bytes]:
    raise OSError(f"{name} is not read")


def _refused(path: Path) -> Fault | None:
    """Why a zip's directory is not even parsed, from the record at its end (the one that `zipfile` will use)."""
    with path.open("rb") as stream:
        stream.seek(0, os.SEEK_END)
        length = stream.tell()
        stream.seek(max(0, length - 22 - 2**16))
        tail = stream.read()
    at = len(tail) - 22 if tail[-22:-18] == b"PK\5\6" and tail.endswith(b"\0\0") else tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) < at + 22:
        raise AsdzooError(f"{path} is not a zip", "name a zip or a folder; `asdzoo submit` writes one")
    entries, size = struct.unpack("<HL", tail[at + 10 : at + 16])
    if tail[max(at - 20, 0) :][:4] == b"PK\6\7" or entries > MOST_ENTRIES or size > MOST_DIRECTORY:
        return error(
            "zip-entries",
            f"the zip's directory is far larger than a package's (over {MOST_ENTRIES} files or zip64); it was not read",
            f"zip only the folder task2/; a full package has a few hundred files in {MOST_TOTAL >> 20} MiB at most",
        )
    return None


def _zip(path: Path, archive: zipfile.ZipFile) -> Package:
    sizes: dict[str, int] = {}
    faults: list[Fault] = []
    total = 0
    for entry in archive.infolist():
        name = entry.filename
        problem = _unsafe_name(name, entry.orig_filename)
        mode = entry.external_attr >> 16
        if problem:
            faults.append(error("unsafe-path", problem, "zip the folder task2/ with relative names", name))
        elif stat.S_ISLNK(mode):
            faults.append(error("link", "a symbolic link, its target is not in the zip", "zip the file itself", name))
        elif entry.flag_bits & 0x1:
            faults.append(error("encrypted", "encrypted", "zip without a password", name))
        elif entry.is_dir():
            continue
        elif entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            faults.append(
                error("compression", "compressed in a way not every tool reads", "zip with deflate, the default", name)
            )
        elif name in sizes:
            faults.append(error("duplicate-entry", "stands in the zip twice", "keep one of them", name))
        elif entry.file_size > MOST_RATIO * max(entry.compress_size, 1024):
            faults.append(
                error(
                    "bomb",
                    f"unpacks to {entry.file_size:,} bytes from {entry.compress_size:,}; it was not read",
                    "leave it out",
                    name,
                )
            )
        else:
            total += entry.file_size
            sizes[name] = entry.file_size
    if total > MOST_TOTAL:
        faults.append(error("too-large", f"unpacks to {total:,} bytes; nothing was read", "zip only the folder task2/"))
        sizes = {}
    return _package(path, sizes, faults, archive.open)


def _folder(path: Path) -> Package:
    sizes: dict[str, int] = {}
    faults: list[Fault] = []
    folders = [path]
    seen = 0
    while folders:
        with os.scandir(folders.pop()) as found:
            for item in found:
                name = Path(item.path).relative_to(path).as_posix()
                seen += 1
                if seen > MOST_ENTRIES:
                    folders.clear()
                    message = f"more than {MOST_ENTRIES} files; the rest was not read"
                    faults.append(error("too-many-files", message, "check the package's own folder"))
                    break
                if item.is_symlink():
                    faults.append(error("link", "a symbolic link, which a zip may not carry along", "copy the file here", name))
                elif item.is_dir():
                    if item.name in _JUNK:
                        faults.append(_junk(name))
                    else:
                        folders.append(Path(item.path))
                elif not item.is_file():
                    faults.append(error("not-a-file", "neither a file nor a folder", "delete it", name))
                else:
                    sizes[name] = item.stat().st_size
    return _package(path, sizes, faults, lambda inner: (path / inner).open("rb"))


def _package(path: Path, sizes: dict[str, int], faults: list[Fault], opener: Callable[[str], IO[bytes]]) -> Package:
    junk = [name for name in sizes if not set(_JUNK).isdisjoint(name.split("/")) or name.split("/")[-1].startswith("._")]
    folded: dict[str, str] = {}
    for name in sorted(sizes):
        other = folded.setdefault(name.lower(), name)
        if other != name:
            faults.append(
                error(
                    "case-clash", f"differs from {other} only in case: one of them is lost on many machines", "rename one", name
                )
            )
    kept = {name: sizes[name] for name in sorted(sizes) if name not in junk}
    return Package(path, kept, (*faults, *map(_junk, junk)), opener)


def _junk(name: str) -> Fault:
    return warning("junk", "left by the operating system or a tool", "leave it out of the zip", name)


def _unsafe_name(name: str, original: str) -> str:
    """Why a name inside a zip may not be trusted; "" when it may."""
    if not original.isprintable():
        return "a control character in the name"
    if "\\" in original:
        return "a backslash in the name"
    if name.startswith("/") or (len(name) > 1 and name[1] == ":"):
        return "an absolute path"
    if ".." in PurePosixPath(name).parts:
        return "a path that leads outside"
    if "//" in name or name.startswith("./"):
        return "a path that is not in its plain form"
    return ""
