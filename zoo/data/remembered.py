"""What is known of recordings that have not changed since: hashes, and what a scan found, in the user's cache.

A file counts as unchanged while its path, size, inode, and times of modification and of change are the same to the nanosecond.
One small JSON file for each folder of recordings; it may be deleted at any time, and nothing but time is lost. Folders of a few
recordings are not written down, nor is a file that was changed just now: it could change again within one tick of its clock.
"""

import json
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.files import cache_folder, fingerprint, write_text

_FORM = 1  # of a file of the cache, and of the sentences in it; another number means that it is not read
_FEW = 50  # recordings of a folder, below which it is not worth a file
_SETTLED = 2_000_000_000  # nanoseconds: the coarsest clock of a file system (FAT)
_MOST_FOLDERS = 2000  # in memory, and in the cache

Stamp = tuple[int, int, int, int]


@dataclass(slots=True)
class Remembered:
    """What is known of one file; what is not known is empty, and whoever finds it out says so by `learn`."""

    stamp: Stamp
    folder: str
    blocks: str = ""  # `zoo.data.identity.block_hash`
    content: str = ""  # `zoo.data.identity.content_hash`
    facts: list[Any] | None = None  # of `zoo.data.facts`

    @property
    def size(self) -> int:
        return self.stamp[0]

    def learn(self, blocks: str = "", content: str = "", facts: list[Any] | None = None) -> None:
        """Remember what is given."""
        self.blocks, self.content, self.facts = blocks or self.blocks, content or self.content, facts or self.facts
        _changed.add(self.folder)

    def written(self) -> list[Any]:
        return [list(self.stamp), self.blocks, self.content, self.facts]


_folders: dict[str, dict[str, Remembered]] = {}
_changed: set[str] = set()  # folders of which more is known than is written
_lock = threading.RLock()


def recall(path: Path, status: os.stat_result) -> Remembered:
    """What is known of a file whose status is `status`; what the caller adds to it is remembered."""
    stamp = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    above, name = os.path.split(path)
    if not path.is_absolute():
        above = os.path.realpath(above)
    folder = _folders.get(above)
    if folder is None:
        folder = _folder(above)
    found = folder.get(name)
    if found is not None and found.stamp == stamp:
        return found
    found = Remembered(stamp, above)
    if time.time_ns() - max(stamp[1], stamp[2]) > _SETTLED:
        folder[name] = found
    return found


def keep() -> None:
    """Write down what was found out. A cache that cannot be written is none: the next command takes longer, and is right."""
    with _lock:
        for above in sorted(_changed):
            folder = _folders.get(above, {})
            if len(folder) < _FEW:
                continue
            files = {name: known.written() for name, known in sorted(folder.items())}
            path = _path(above)
            try:
                write_text(path, json.dumps({"form": _FORM, "folder": above, "files": files}) + "\n")
                _prune(path.parent)
            except (OSError, RuntimeError, UnicodeError):  # RuntimeError: a user without a home
                break
        _changed.clear()


def forget() -> None:
    """Keep nothing in memory, as a new process."""
    with _lock:
        _folders.clear()
        _changed.clear()


def _path(above: str) -> Path:
    return cache_folder() / "recordings" / f"{fingerprint(above)}.json"


def _folder(above: str) -> dict[str, Remembered]:
    with _lock:
        if above not in _folders:
            if len(_folders) >= _MOST_FOLDERS:
                _folders.clear()
            _folders[above] = _read(above)
        return _folders[above]


def _read(above: str) -> dict[str, Remembered]:
    try:
        held = json.loads(_path(above).read_text(encoding="utf-8"))
        if held["form"] != _FORM or held["folder"] != above:
            return {}
        return {name: Remembered(tuple(row[0]), above, row[1], row[2], row[3]) for name, row in held["files"].items()}
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, IndexError, AttributeError):
        return {}


def _prune(cache: Path) -> None:
    """Folders that were looked at longest ago go first."""
    held = list(cache.glob("*.json"))
    if len(held) > _MOST_FOLDERS:
        for path in sorted(held, key=lambda path: path.stat().st_mtime)[: len(held) - _MOST_FOLDERS]:
            path.unlink(missing_ok=True)
