"""Checksums of checkpoints as they were first seen here: trust on first use.

The table knows no SHA-256 of some checkpoints, and of none what the small files beside it hold (config.json,
preprocessor_config.json), which decide how its encoder hears. What was fetched or used for the first time is kept in
`checkpoints/NAME.json` of asdzoo's cache, and every later file is held against it.
"""

from collections.abc import Mapping
from pathlib import Path

from zoo.config import Frozen
from zoo.errors import AsdzooError
from zoo.files import cache_folder, sha256, write_json


class Kept(Frozen):
    """What is kept of one checkpoint."""

    said_by: str  # the source that announced the sum of the checkpoint; of nobody's word: how it was first seen
    files: Mapping[str, str]  # name of the checkpoint as the table has it, names of what is beside -> SHA-256


def kept(name: str) -> Kept | None:
    """What is kept of a checkpoint; None: it was never seen here. Raises: AsdzooError when that is not readable."""
    path = _path(name)
    if not path.is_file():
        return None
    try:
        return Kept.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise AsdzooError(f"{path}, the checksums of {name}, is damaged", f"asdzoo weights fetch {name} --again") from problem


def keep(name: str, seen: Kept) -> None:
    """Keep it from now on. Raises: OSError when the cache cannot be written."""
    write_json(_path(name), seen.model_dump())


def forget(name: str) -> None:
    """Keep nothing of a checkpoint any more."""
    _path(name).unlink(missing_ok=True)


def sums(path: Path, file: str, beside: tuple[str, ...]) -> dict[str, str]:
    """SHA-256 of a checkpoint that lies at `path`, under the name `file`, and of what is beside it."""
    return {name: sha256(where) for name, where in places(path, file, beside).items() if where.is_file()}


def places(path: Path, file: str, beside: tuple[str, ...]) -> dict[str, Path]:
    """Where the files of a checkpoint lie."""
    return {file: path, **{name: path.parent / name for name in beside}}


def _path(name: str) -> Path:
    return cache_folder() / "checkpoints" / f"{name}.json"
