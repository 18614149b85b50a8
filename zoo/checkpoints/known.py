"""Known checkpoints of pretrained encoders: where they are, how they come here, and whether a file is the one that was meant.

The table is `configs/checkpoints.yaml`; what a file holds is read by `zoo/checkpoints/reading.py`.
"""

import hashlib
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import PositiveInt

from zoo.config import Frozen, load_yaml, parse, shipped_configs
from zoo.errors import AsdzooError, unknown_name


class Known(Frozen):
    """A checkpoint that `asdzoo weights fetch` knows; the table is `configs/checkpoints.yaml`."""

    encoder: str  # that it fills, a name of zoo/encoders/
    file: str
    beside: tuple[str, ...] = ()  # other files of the repository that its encoder reads: config.json, say
    repository: str  # on Hugging Face
    repository_type: Literal["model", "dataset"] = "model"
    revision: str = "main"
    size: PositiveInt | None = None  # bytes; None: not known here
    sha256: str | None = None
    licence: str
    note: str = ""
    external: dict[str, str] | None = None  # data sets that it saw, and their addresses; None: those its encoder names

    @property
    def shown_size(self) -> str:
        """Size for people."""
        return f"{self.size / 1e6:.0f} MB" if self.size else "size unknown"


class _Table(Frozen):
    checkpoints: dict[str, Known]


@cache
def known() -> dict[str, Known]:
    """All known checkpoints by name."""
    path = shipped_configs() / "checkpoints.yaml"
    return parse(_Table, load_yaml(path), str(path)).checkpoints


def cached(name: str) -> Path | None:
    """Where a known checkpoint lies, with all that belongs beside it, in the user's Hugging Face cache; None: it does not.

    Raises: AsdzooError for an unknown name.
    """
    from huggingface_hub import try_to_load_from_cache

    entry = _known(name)
    found = [
        try_to_load_from_cache(entry.repository, file, revision=entry.revision, repo_type=entry.repository_type)
        for file in (entry.file, *entry.beside)
    ]
    return Path(str(found[0])) if all(isinstance(path, str) for path in found) else None


def fetch(name: str) -> Path:
    """Download a known checkpoint (going on where an earlier download stopped), verify it and give its path.

    Raises: AsdzooError when the name is unknown, the download fails, or size or SHA-256 are not the known ones.
    """
    from huggingface_hub import hf_hub_download

    entry = _known(name)
    try:
        path, *_ = [
            Path(hf_hub_download(entry.repository, file, revision=entry.revision, repo_type=entry.repository_type))
            for file in (entry.file, *entry.beside)
        ]
    except Exception as problem:  # huggingface_hub's errors have no common base, and its HTTP library changes
        reason = " ".join(str(problem).split())[:300] or type(problem).__name__
        raise AsdzooError(
            f"cannot fetch {name} from {entry.repository}: {reason}",
            f"get {entry.file} some other way and give its path in model.weights; `asdzoo weights check FILE` verifies it",
        ) from problem
    try:
        verify(name, path)
    except AsdzooError:
        path.resolve().unlink()
        path.unlink(missing_ok=True)
        raise
    return path


def verify(name: str, path: Path) -> None:
    """Raises: AsdzooError when size or SHA-256 of a file are not those of the known checkpoint."""
    entry = _known(name)
    if entry.size is not None and path.stat().st_size != entry.size:
        raise AsdzooError(f"{path} has {path.stat().st_size} bytes, {name} has {entry.size}", f"asdzoo weights fetch {name}")
    if entry.sha256 is not None and sha256(path) != entry.sha256:
        raise AsdzooError(f"{path} has another SHA-256 than {name}", f"asdzoo weights fetch {name}")


def sha256(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def locate(source: str | None) -> Path:
    """The file that `model.weights` means: a known name or a path. Raises: AsdzooError that says how to get it."""
    if source is None:
        raise AsdzooError("the system needs pretrained weights, and model.weights names none", "asdzoo weights list")
    if source in known():
        entry = known()[source]
        path = cached(source)
        if path is None:
            raise AsdzooError(
                f"the pretrained weights {source} are not here ({entry.shown_size}, licence {entry.licence})",
                f"asdzoo weights fetch {source}; or --set model.weights=FILE; or, for a dry run, --set model.init=random",
            )
        verify(source, path)
        return path
    path = Path(source).expanduser()
    if not path.is_file():
        if path.suffix or len(path.parts) > 1:
            raise AsdzooError(f"no file {path}", "asdzoo weights list")
        raise unknown_name("checkpoint", source, known(), "asdzoo weights list shows them; or give the path of a file")
    return path


def _known(name: str) -> Known:
    if name not in known():
        raise unknown_name("checkpoint", name, known())
    return known()[name]
