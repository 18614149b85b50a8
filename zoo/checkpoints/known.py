"""Known checkpoints of pretrained encoders: where they are, and whether a file is the one that was meant.

The table is `configs/checkpoints.yaml`. `zoo/checkpoints/fetching.py` brings what it lists, `zoo/checkpoints/reading.py` reads
what came.
"""

from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import PositiveInt, model_validator

from zoo.checkpoints.kept import Kept, keep, kept, places, sums
from zoo.config import Frozen, load_yaml, parse, shipped_configs
from zoo.errors import AsdzooError, listed, unknown_name


class Source(Frozen):
    """A repository on Hugging Face that has a checkpoint."""

    repository: str
    repository_type: Literal["model", "dataset", "space"] = "model"
    revision: str = "main"
    file: str
    endpoint: str | None = None  # a site that serves the same repositories; None: Hugging Face itself

    @property
    def site(self) -> str:
        """The name of the site, where it is another than Hugging Face; else empty."""
        return "" if self.endpoint is None else self.endpoint.partition("://")[2]

    @property
    def shown(self) -> str:
        """Its name for people."""
        return f"{self.repository} at {self.site}" if self.site else self.repository

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
        if self.sha256 is None and any(mirror.repository for mirror in self.mirrors):
            raise ValueError("a copy in another repository without a sha256: nothing tells whether it is one")
        return self

    @property
    def shown_size(self) -> str:
        """Size for people."""
        megabytes = self.megabytes if self.size is None else round(self.size / 1e6)
        return "unknown size" if megabytes is None else f"{megabytes} MB"

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

    entry = named(name)
    for source in entry.sources:
        found = [
            try_to_load_from_cache(source.repository, file, revision=source.revision, repo_type=source.repository_type)
            for file in entry.files(source)
        ]
        if all(isinstance(path, str) for path in found):
            return Path(str(found[0]))
    return None


def total_megabytes(names: Iterable[str]) -> float:
    """Size of these checkpoints together, as far as it is known."""
    entries = [named(name) for name in names]
    return sum(entry.size / 1e6 if entry.size else entry.megabytes or 0 for entry in entries)


def expected(name: str) -> dict[str, str]:
    """File of a known checkpoint -> SHA-256 that it should have, as far as the table or an earlier fetch or use knows."""
    entry, before = named(name), kept(name)
    return {**(before.files if before else {}), **({entry.file: entry.sha256} if entry.sha256 else {})}


def verify(name: str, path: Path) -> None:
    """Hold the files of a known checkpoint against what is known of them; what is seen for the first time is kept.

    Raises: AsdzooError when one is another file than the one meant, or than it was.
    """
    entry = named(name)
    cure = f"asdzoo weights fetch {name}"
    if entry.size is not None and path.stat().st_size != entry.size:
        raise AsdzooError(f"{path} has {path.stat().st_size} bytes, {name} has {entry.size}", cure)
    wanted, found = expected(name), sums(path, entry.file, entry.beside)
    for file, lies in places(path, entry.file, entry.beside).items():
        if file in found and wanted.get(file, found[file]) != found[file]:
            if file == entry.file and entry.sha256 is not None:
                raise AsdzooError(f"{path} has another SHA-256 than {name}", cure)
            raise AsdzooError(
                f"{lies} has changed since it was first fetched or used: its SHA-256 is another",
                f"{cure} brings back what it was, with --again what its source has now",
            )
    if kept(name) is None:
        with suppress(OSError):  # a cache that cannot be written: nothing is held against it next time either
            keep(name, Kept(said_by="first use", files=found))


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
        if same := [name for name, entry in known().items() if entry.repository == source]:
            raise AsdzooError(
                f"no file {path}; the repository of that name has {listed(same)}, which is how it is called here",
                f"asdzoo weights fetch {same[0]}, and --set model.weights={same[0]}",
            )
        if path.suffix or len(path.parts) > 1:
            raise AsdzooError(f"no file {path}", "asdzoo weights list; or give the path of a file")
        raise unknown_name("checkpoint", source, known(), "asdzoo weights list shows them; or give the path of a file")
    return path


def named(name: str) -> Known:
    """A known checkpoint. Raises: AsdzooError for an unknown name."""
    if name not in known():
        raise unknown_name("checkpoint", name, known())
    return known()[name]
