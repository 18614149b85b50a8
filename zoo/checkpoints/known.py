"""Known checkpoints of pretrained encoders: where they are, how they come here, and whether a file is the one that was meant.

The table is `configs/checkpoints.yaml`; what a file holds is read by `zoo/checkpoints/reading.py`.
"""

import hashlib
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import PositiveInt, model_validator

from zoo.config import Frozen, load_yaml, parse, shipped_configs
from zoo.errors import AsdzooError, unknown_name


class Source(Frozen):
    """A repository on Hugging Face that has a checkpoint."""

    repository: str
    repository_type: Literal["model", "dataset", "space"] = "model"
    revision: str = "main"
    file: str
    endpoint: str | None = None  # a site that serves the same repositories; None: Hugging Face itself

    @property
    def shown(self) -> str:
        """Its name for people."""
        return self.repository if self.endpoint is None else f"{self.repository} at {self.endpoint.removeprefix('https://')}"

    @property
    def url(self) -> str:
        """Its page."""
        room = "" if self.repository_type == "model" else f"{self.repository_type}s/"
        return f"{self.endpoint or 'https://huggingface.co'}/{room}{self.repository}"


class Mirror(Frozen):
    """Another repository with the same file, or another site with the same repository."""

    repository: str | None = None  # None: the first one, and so its type and revision
    repository_type: Literal["model", "dataset", "space"] = "model"
    revision: str = "main"
    file: str | None = None  # None: called as in the first one
    endpoint: str | None = None


class Known(Frozen):
    """A checkpoint that `asdzoo weights fetch` knows; the table is `configs/checkpoints.yaml`."""

    encoder: str  # that it fills, a name of zoo/encoders/
    file: str
    beside: tuple[str, ...] = ()  # other files of its folder that its encoder reads: config.json, say
    repository: str  # on Hugging Face
    repository_type: Literal["model", "dataset", "space"] = "model"
    revision: str = "main"
    mirrors: tuple[Mirror, ...] = ()  # tried in this order where the first one fails
    size: PositiveInt | None = None  # bytes; None: not known here
    megabytes: PositiveInt | None = None  # as the repository's page rounds it, where the bytes are not known; not checked
    sha256: str | None = None
    licence: str
    note: str = ""
    external: dict[str, str] | None = None  # data sets that it saw, and their addresses; None: those its encoder names

    @model_validator(mode="after")
    def _a_sum_decides(self) -> "Known":
        if self.mirrors and self.sha256 is None:
            raise ValueError("mirrors without a sha256: nothing tells whether a copy is one")
        return self

    @property
    def shown_size(self) -> str:
        """Size for people."""
        megabytes = self.megabytes if self.size is None else round(self.size / 1e6)
        return "size unknown" if megabytes is None else f"{megabytes} MB"

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where it is, the first choice first."""
        first: dict[str, Any] = self.model_dump(include=set(Source.model_fields))
        others = [
            {**first, **mirror.model_dump(exclude_none=True, exclude_unset=mirror.repository is None)}
            for mirror in self.mirrors
        ]
        return tuple(Source.model_validate(values) for values in (first, *others))

    def files(self, source: Source) -> list[str]:
        """The checkpoint's name in a repository, and the names of what belongs beside it."""
        folder = PurePosixPath(source.file).parent
        return [source.file, *(str(folder / name) for name in self.beside)]


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
    for source in entry.sources:
        found = [
            try_to_load_from_cache(source.repository, file, revision=source.revision, repo_type=source.repository_type)
            for file in entry.files(source)
        ]
        if all(isinstance(path, str) for path in found):
            return Path(str(found[0]))
    return None


def fetch(name: str, failed: Callable[[str], None] = lambda sentence: None) -> Path:
    """Download a known checkpoint (going on where an earlier download stopped), verify it and give its path.

    Its sources are tried in order; `failed` is told of each that gives no file, or another file, before the next is tried.
    Raises: AsdzooError when the name is unknown, or no source gives a file of the known size and SHA-256.
    """
    entry, problems = _known(name), list[AsdzooError]()
    for source in entry.sources:
        try:
            return _fetched(name, entry, source)
        except AsdzooError as problem:
            problems.append(problem)
            if len(problems) < len(entry.sources):
                failed(f"{problem.message}; trying {entry.sources[len(problems)].shown}")
    if len(problems) == 1:
        raise problems[0]
    raise AsdzooError("; ".join(problem.message for problem in problems), problems[0].hint)


def _fetched(name: str, entry: Known, source: Source) -> Path:
    from huggingface_hub import hf_hub_download

    where: dict[str, Any] = {"revision": source.revision, "repo_type": source.repository_type}
    if source.endpoint:
        where |= {"endpoint": source.endpoint, "token": False}  # the user's token is for Hugging Face alone
    files = entry.files(source)
    try:
        path, *_ = [Path(hf_hub_download(source.repository, file, **where)) for file in files]
    except Exception as problem:  # huggingface_hub's errors have no common base, and its HTTP library changes
        together = "into one folder some other way and give the first " if entry.beside else "some other way and give its path "
        reason = " ".join(str(problem).split())[:300] or type(problem).__name__
        raise AsdzooError(
            f"cannot fetch {name} from {source.shown}: {reason}",
            f"get {' and '.join(files)} of {source.url} {together}in model.weights; `asdzoo weights check FILE` verifies it",
        ) from problem
    try:
        verify(name, path)
    except AsdzooError:
        path.resolve().unlink()
        path.unlink(missing_ok=True)
        raise
    return path


def total_megabytes(names: Iterable[str]) -> float:
    """Size of these checkpoints together, as far as it is known."""
    entries = [_known(name) for name in names]
    return sum(entry.size / 1e6 if entry.size else entry.megabytes or 0 for entry in entries)


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
