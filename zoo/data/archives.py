"""Unpacking a zip that may not be trusted, so that every file is whole or absent and a second time repairs the first.

All members are looked at before one is written: for a path that leaves the folder, a link, a device or an encrypted member the
whole archive is refused. What macOS leaves in archives (`__MACOSX/`, `.DS_Store`, `._x`) is left out.
"""

import errno
import lzma
import os
import re
import shutil
import stat
import struct
import time
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from zoo.errors import AsdzooError
from zoo.files import whole_file
from zoo.progress import Progress, unseen

_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, RuntimeError, ValueError)
_CHUNK = 1 << 20
_LEFT_OUT = re.compile(r"(^|/)(__MACOSX/|\._|\.DS_Store$|Thumbs\.db$)")
_ROOTED = re.compile(r"^(/|[A-Za-z]:)")


class ArchiveError(AsdzooError):
    """The archive is damaged, or is made so that it must not be unpacked."""


@dataclass
class Unpacked:
    """What became of the members; paths are relative to the folder."""

    files: dict[str, int] = field(default_factory=dict)  # path -> bytes, of everything that is now there
    written: int = 0  # files that were not there, or were not as in the archive
    replaced: int = 0  # of those, the ones that were there with other contents
    left_out: list[str] = field(default_factory=list)  # members that lie outside the machine's folder
    renamed: dict[str, str] = field(default_factory=dict)  # member -> path, where another archive has that path


def check_zip(path: Path, progress: Progress = unseen) -> None:
    """Read all of it and hold every member against its CRC-32. Raises: ArchiveError."""
    with _opened(path) as archive:
        members = archive.infolist()
        total, done = sum(member.file_size for member in members), 0
        for member in members:
            with _member(path, archive, member) as stream:
                while block := stream.read(_CHUNK):
                    done += len(block)
            progress(done, total)


def unpacked_bytes(path: Path, folder: Path) -> int:
    """Bytes that unpacking into `folder` would still write, by the sizes of what is there. Raises: ArchiveError."""
    with _opened(path) as archive:
        todo = 0
        for member, target in _targets(path, archive, folder.name).items():
            there = folder / target
            if not (there.is_file() and there.stat().st_size == member.file_size):
                todo += member.file_size
    return todo


def unpack(
    path: Path,
    folder: Path,
    owned: dict[str, str] | None = None,
    progress: Progress = unseen,
) -> Unpacked:
    """Unpack what belongs to the machine `folder.name` into `folder`; what is there with the same contents stays.

    A folder of the machine's name is looked for at any depth and left out of the paths; without one, `train/` or `test/` at
    the top will do. `owned` says which paths other archives have put there (path -> archive): a table of the same name is
    written beside theirs, a recording with other contents is refused. Time stamps come from the archive, so that a
    repaired tree is the same tree.

    Raises: ArchiveError before anything is written, or when a member is damaged; OSError when the disk is full.
    """
    owned = owned or {}
    done = Unpacked()
    with _opened(path) as archive:
        targets = _targets(path, archive, folder.name)
        _refuse_case_trouble(path, list(targets.values()), folder)
        for left in folder.rglob(".partial-*") if folder.is_dir() else ():
            left.unlink()
        done.left_out = [name for member, name in _sound_members(path, archive) if member not in targets]
        total, came = sum(member.file_size for member in targets), 0
        for member, target in targets.items():
            same = _same(folder / target, member)
            if not same and target in owned and (folder / target).exists():
                beside = _beside(path, target, owned[target])
                done.renamed[target] = target = beside
                same = _same(folder / target, member)
            if not same:
                done.written += 1
                done.replaced += (folder / target).exists()
                _write(path, archive, member, folder / target)
            done.files[target] = member.file_size
            came += member.file_size
            progress(came, total)
    return done


def unpack_top(path: Path, folder: Path) -> int:
    """Unpack an archive with one folder at its top into `folder` (empty), without that one; returns the number of files."""
    with _opened(path) as archive:
        members = _sound_members(path, archive)
        tops = {PurePosixPath(name).parts[0] for _, name in members}
        if len(tops) != 1:
            raise ArchiveError(
                f"{path.name} has {len(tops)} folders at its top, where one was expected", "look into it by hand"
            )
        for member, name in members:
            _write(path, archive, member, folder.joinpath(*PurePosixPath(name).parts[1:]))
    return len(members)


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    with _damage_said(f"{path} is no zip, or a damaged one"):
        archive = zipfile.ZipFile(path)
    with archive:
        yield archive


@contextmanager
def _member(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[zipfile.ZipExtFile]:
    with _damage_said(f"{path.name} is damaged at {member.filename}"), archive.open(member) as stream:
        yield stream  # type: ignore[misc]


@contextmanager
def _damage_said(where: str) -> Iterator[None]:
    """What the decoders raise for bytes that make no sense, as one error; trouble with the disk goes through."""
    try:
        yield
    except (OSError, *_DAMAGE) as problem:
        if isinstance(problem, OSError) and problem.errno not in (None, errno.EINVAL):  # a seek to nowhere, a bzip2 stream
            raise
        raise ArchiveError(f"{where}: {problem}", "delete it and run the same command again") from None


def _sound_members(path: Path, archive: zipfile.ZipFile) -> list[tuple[zipfile.ZipInfo, str]]:
    """The files among the members under clean names. Raises: ArchiveError for the first that must not be unpacked."""
    found = []
    for member in archive.infolist():
        name = member.filename
        reason = _reason_against(member)
        if reason:
            hint = "do not unpack it by hand either; fetch it from the record, and tell its owners if it comes from there"
            raise ArchiveError(f"{path.name} must not be unpacked: its member {name!r} {reason}", hint)
        if not (member.is_dir() or _kind(member) == stat.S_IFDIR or _LEFT_OUT.search(name)):
            found.append((member, name))
    return found


def _reason_against(member: zipfile.ZipInfo) -> str:
    """Why a member must not be unpacked; "" when it may."""
    parts = member.filename.rstrip("/").split("/")
    if _ROOTED.match(member.filename) or ".." in parts:
        return "leaves the folder"
    if "\\" in member.orig_filename or "\0" in member.orig_filename or "" in parts or "." in parts:
        return "is no plain path"
    if _kind(member) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device"
    return "is encrypted" if member.flag_bits & 1 else ""


def _kind(member: zipfile.ZipInfo) -> int:
    return stat.S_IFMT(member.external_attr >> 16)


def _targets(path: Path, archive: zipfile.ZipFile, machine: str) -> dict[zipfile.ZipInfo, str]:
    """Member -> path below the folder of the machine."""
    members = _sound_members(path, archive)
    bare = bool({"train", "test"} & {PurePosixPath(name).parts[0] for _, name in members})
    targets = {}
    for member, name in members:
        parts = PurePosixPath(name).parts
        at = [index for index, part in enumerate(parts[:-1]) if part.lower() == machine.lower()]
        if at:
            targets[member] = "/".join(parts[at[0] + 1 :])
        elif bare:
            targets[member] = name
    if not targets:
        tops = sorted({PurePosixPath(name).parts[0] for _, name in members})
        raise ArchiveError(
            f"{path.name} holds nothing of {machine}: at its top are {', '.join(tops[:5]) or 'no files'}",
            "is it the right file?",
        )
    if twice := [target for target, count in Counter(targets.values()).items() if count > 1]:
        raise ArchiveError(f"{path.name} must not be unpacked: it holds {twice[0]} twice", "fetch it from the record")
    return targets


def _refuse_case_trouble(path: Path, targets: list[str], folder: Path) -> None:
    """Names that differ in case alone would overwrite each other on the disks of Macs and Windows."""
    first: dict[str, str] = {}
    for target in targets:
        other = first.setdefault(target.lower(), target)
        if other != target and not _tells_case(folder):
            raise ArchiveError(
                f"{path.name}: {other} and {target} are one name on this disk",
                "name a folder on a disk that tells case, by --to",
            )


def _tells_case(folder: Path) -> bool:
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / ".Partial-Case"
    probe.touch()
    try:
        return not (folder / ".partial-case").exists()
    finally:
        probe.unlink()


def _same(there: Path, member: zipfile.ZipInfo) -> bool:
    """Whether a file has the length and the CRC-32 of a member."""
    if not there.is_file() or there.stat().st_size != member.file_size:
        return False
    crc = 0
    with there.open("rb") as file:
        while block := file.read(_CHUNK):
            crc = zlib.crc32(block, crc)
    return crc == member.CRC


def _beside(path: Path, target: str, owner: str) -> str:
    """Another name for a table that two archives bring with different contents."""
    stem, dot, suffix = target.rpartition(".")
    if suffix.lower() == "wav":
        raise ArchiveError(
            f"{path.name} and {owner} both bring {target}, and they differ",
            "one of them is of another release: move its files away",
        )
    return f"{stem or suffix}_{path.stem}{dot if stem else ''}{suffix if stem else ''}"


def _write(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    with whole_file(target) as aside, _member(path, archive, member) as stream, aside.open("wb") as file:
        shutil.copyfileobj(stream, file, _CHUNK)
    try:
        stamp = time.mktime((*member.date_time, 0, 0, -1))
    except (ValueError, OverflowError):
        return  # a date that is none says nothing
    os.utime(target, (stamp, stamp))
