"""Which recordings are the same file: a hash of a few blocks tells most apart, what is left is compared byte by byte."""

import filecmp
import hashlib
import os
import stat
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

_BLOCK = 4096  # bytes
_BLOCKS = 8  # of a file, the first and the last among them


def block_hash(path: Path) -> str:
    """Sixteen hexadecimal digits of a file's size and of eight blocks of it, spread evenly; "" when it cannot be read."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return ""
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for somebody to write into it
        return ""
    return _block_hash(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@lru_cache(maxsize=1 << 17)  # a command asks when it looks for copies and again when it opens the store
def _block_hash(path: Path, size: int, mtime: int, ctime: int) -> str:
    starts = sorted({max(size - _BLOCK, 0) * number // (_BLOCKS - 1) for number in range(_BLOCKS)})
    digest = hashlib.sha256(str(size).encode())
    try:
        with path.open("rb", buffering=0) as file:
            for start in starts:
                file.seek(start, os.SEEK_SET)
                digest.update(file.read(_BLOCK))
    except OSError:
        return ""
    return digest.hexdigest()[:16]


def equal_files(paths: Iterable[Path]) -> dict[Path, Path]:
    """Path -> the first path whose bytes are the same, for each that is not the first of its kind.

    Empty files, and what cannot be read, equal nothing.
    """
    by_size: dict[int, list[Path]] = {}
    for path in paths:
        try:
            by_size.setdefault(path.stat().st_size, []).append(path)
        except (OSError, ValueError):
            continue
    equal: dict[Path, Path] = {}
    for size, same_size in by_size.items():
        first: dict[str, list[Path]] = {}
        for path in same_size if size and len(same_size) > 1 else ():
            if not (digest := block_hash(path)):
                continue
            original = next((other for other in first.get(digest, ()) if filecmp.cmp(path, other, shallow=False)), None)
            if original is None:
                first.setdefault(digest, []).append(path)
            else:
                equal[path] = original
    return equal
