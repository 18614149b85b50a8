"""Files that are whole or absent: everything asdzoo writes is written aside and renamed into place.

A reader, or the next run after a crash, never meets half a file. Names that start with `.partial-` are leftovers of a killed
process and may be deleted at any time.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zoo.errors import AsdzooError
from zoo.formulas import is_formula

_NOT_IN_NAMES = set('/\\<>:"|?*,')  # separators, what some file systems refuse, and the comma of lists like `--systems a,b`
_LONGEST_NAME = 100  # characters; `.partial-`, a suffix and UTF-8 still fit the 255 bytes of a file system


def require_plain_name(kind: str, name: str, hint: str) -> None:
    """Refuse a name that would write a hidden file or one in another folder, is hard to type, or that a spreadsheet would run.

    Raises: AsdzooError with `hint`.
    """
    reason = ""
    if not name.strip("."):
        reason = "it is empty" if not name else "it is a folder's"
    elif name != name.strip() or name.endswith("."):
        reason = "it begins or ends with a space or a dot"
    elif name.startswith(".") or is_formula(name):
        reason = f"it begins with {name[0]}"
    elif odd := [letter for letter in name if letter in _NOT_IN_NAMES or not letter.isprintable()]:
        reason = f"{odd[0]!a} is in it"
    elif len(name) > _LONGEST_NAME:
        reason = f"it has {len(name)} characters, at most {_LONGEST_NAME} are possible"
    if reason:
        raise AsdzooError(f"{name[:_LONGEST_NAME]!r} is no name for {kind}: {reason}", hint)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; when the block ends well it becomes `path`, otherwise it vanishes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle, name = tempfile.mkstemp(prefix=".partial-", suffix=path.suffix, dir=path.parent)
    except OSError as problem:
        problem.filename = str(path)
        raise
    os.close(handle)
    aside = Path(name)
    try:
        yield aside
        aside.chmod(0o644)
        _flush(aside)
        aside.replace(path)
    except OSError as problem:
        if problem.filename in (None, name):  # a full disk is told by the name that the user knows
            problem.filename = str(path)
        raise
    finally:
        aside.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Have the disk hold a file's content before its name says that it is there: else a power cut leaves it empty."""
    handle = os.open(path, os.O_RDWR)  # Windows flushes only what may be written
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path`; when the block ends well it replaces `path`, otherwise it vanishes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        aside = Path(tempfile.mkdtemp(prefix=".partial-", dir=path.parent))
    except OSError as problem:
        problem.filename = str(path)
        raise
    try:
        yield aside
        aside.chmod(0o755)
        for file in aside.rglob("*"):
            if file.is_file():
                _flush(file)
        if path.exists():
            shutil.rmtree(path)
        aside.replace(path)
    except OSError as problem:
        if str(problem.filename or "").startswith(str(aside)):  # a full disk is told by the name that the user knows
            problem.filename = str(path)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 with LF line ends, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, data: bytes | memoryview) -> None:
    """Write `data`, whole or not at all."""
    with whole_file(path) as aside:
        aside.write_bytes(data)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON with sorted keys, refusing NaN and infinity (`ValueError`)."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def fingerprint(value: Any) -> str:
    """Twelve hexadecimal digits that name a JSON-serialisable value, whatever the order of its keys.

    >>> fingerprint({"a": 1, "b": [2, 3]}) == fingerprint({"b": [2, 3], "a": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def cache_folder() -> Path:
    """Where asdzoo keeps what it found out: ASDZOO_CACHE, or `asdzoo` in the system's folder for such things."""
    if named := os.environ.get("ASDZOO_CACHE"):
        return Path(named)
    above = os.environ.get("LOCALAPPDATA") if os.name == "nt" else os.environ.get("XDG_CACHE_HOME")
    return Path(above or Path.home() / ".cache") / "asdzoo"


def sha256(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
