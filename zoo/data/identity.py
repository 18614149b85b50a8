"""Which recordings are the same file: a hash of three blocks tells most apart, a hash of all bytes the others.

Both are remembered as long as a file stays what it was (`zoo.data.remembered`), so that they are computed once.
"""

import hashlib
import stat
from collections.abc import Iterable
from pathlib import Path

from zoo.data.headers import BLOCK, facts_of_header
from zoo.data.remembered import Remembered, recall


def block_hash(path: Path) -> str:
    """Sixteen hexadecimal digits of a file's size and of its first, middle and last block; "" when it cannot be read."""
    found = glance(path)
    return found.blocks if found else ""


def content_hash(path: Path) -> str:
    """Thirty-two hexadecimal digits of all bytes of a file; "" when it cannot be read."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for somebody to write into it
            return ""
        known = recall(path, status)
        if not known.content:
            with path.open("rb", buffering=0) as file:
                known.learn(content=hashlib.file_digest(file, "sha256").hexdigest()[:32])
        return known.content
    except (OSError, ValueError):
        return ""


def learn_content(path: Path, content: str) -> None:
    """Take over the hash of a file's bytes from whoever noted it of this very file."""
    try:
        known = recall(path, path.stat())
    except (OSError, ValueError):
        return
    if not known.content:
        known.learn(content=content)


def glance(path: Path) -> Remembered | None:
    """What three blocks of a file tell: their hash, and where a wav's header suffices, its facts; None: it cannot be read."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return None
        known = recall(path, status)
        if known.blocks:
            return known
        size = status.st_size
        digest = hashlib.sha256(str(size).encode())
        middle = max(size - BLOCK, 0) // 2
        with path.open("rb", buffering=0) as file:
            blocks = [file.read(BLOCK)]
            for start in (middle, max(size - BLOCK, 0)):
                file.seek(start)
                blocks.append(file.read(BLOCK))
            digest.update(b"".join(blocks))
            facts = known.facts or facts_of_header(file, size, blocks[0], middle, blocks[1])
            known.learn(blocks=digest.hexdigest()[:16], facts=facts)
        return known
    except (OSError, ValueError):
        return None


def equal_files(paths: Iterable[Path]) -> dict[Path, Path]:
    """Path -> the first path whose bytes are the same, for each that is not the first of its kind.

    Empty files, and what cannot be read, equal nothing.
    """
    alike: dict[str, list[Path]] = {}
    for path in paths:
        if (found := glance(path)) and found.size:
            alike.setdefault(found.blocks, []).append(path)
    equal: dict[Path, Path] = {}
    for candidates in alike.values():
        first: dict[str, Path] = {}
        for path in candidates if len(candidates) > 1 else ():
            if not (digest := content_hash(path)):
                continue
            if digest in first:
                equal[path] = first[digest]
            else:
                first[digest] = path
    return equal
