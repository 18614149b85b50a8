"""Known checkpoints come here: source after source, each file held against a SHA-256.

The sum is the table's; where the table has none, that of an earlier fetch; else the one that the first source to answer
announces, as Hugging Face does in the header of an answer for large files.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.checkpoints import known as checkpoints
from zoo.checkpoints.kept import Kept, forget, keep, kept, places, sums
from zoo.checkpoints.known import Known, Source
from zoo.errors import AsdzooError
from zoo.files import sha256

_SILENCE = "no connection"


@dataclass(frozen=True)
class Fetched:
    """A checkpoint that came."""

    path: Path
    checked: str  # against what, for people


class _NoFileError(Exception):
    """A source gives no file, or another one; the text says why."""


def fetch(
    name: str,
    say: Callable[[str], None] = lambda sentence: None,
    again: bool = False,
    silent: set[str] | None = None,
) -> Fetched:
    """Download a known checkpoint (going on where an earlier download stopped), verify it and say where it is.

    Its sources are tried in order; `say` is told of each that gives no file, or another file, before the next is tried.
    `again`: what an earlier fetch kept is forgotten, and the files are taken as they are now. `silent`: sites that could not be
    reached, which are not tried; those found out now are added.
    Raises: AsdzooError when the name is unknown, or no source gives the file that is meant.
    """
    entry = checkpoints.named(name)
    if again:
        forget(name)
    _take_away_what_changed(name)
    before = kept(name)
    meant = _Meant(entry, before)
    problems = dict[Source, str]()
    silent = set() if silent is None else silent
    for source in entry.sources:
        try:
            if source.site in silent:
                raise _NoFileError(_SILENCE)
            told = _announced(source, patient=checkpoints.cached(name) is not None)
            if meant.sum is None:
                meant.learn(source, told)
            path = _from(source, entry, meant, before)
        except _NoFileError as problem:
            problems[source] = str(problem)
            if str(problem).startswith(_SILENCE):
                silent.add(source.site)
            if len(problems) < len(entry.sources):
                say(f"{_failed(name, {source: str(problem)})}; trying {entry.sources[len(problems)].shown}")
            continue
        try:
            keep(name, Kept(said_by=meant.said_by or "nobody", files=sums(path, entry.file, entry.beside)))
        except OSError as problem:
            say(f"the checksums of {name} cannot be kept: {problem}")
        return Fetched(path, meant.sentence(entry.beside))
    raise AsdzooError(_failed(name, problems), _by_hand(entry, before))


class _Meant:
    """Which file is meant: its SHA-256, and who says so."""

    def __init__(self, entry: Known, before: Kept | None) -> None:
        self.sum, self.said_by, self.how = entry.sha256, "the table", "SHA-256 verified"
        if self.sum is None and before is not None:
            self.sum, self.said_by, self.how = before.files[entry.file], before.said_by, "SHA-256 as it was first fetched"
        if self.sum is None:
            self.said_by, self.how = (
                "",
                "nobody announces a SHA-256; that of this file is kept, for later ones (trust on first use)",
            )

    def learn(self, source: Source, told: str | None) -> None:
        """Take the word of a source, if it has one."""
        if told is not None:
            self.sum, self.said_by = told, source.shown
            self.how = f"SHA-256 as {source.shown} announces it, kept for later fetches (trust on first use)"

    def sentence(self, beside: tuple[str, ...]) -> str:
        return f"{self.how}; {' and '.join(beside)} likewise kept" if beside else self.how


def _announced(source: Source, patient: bool) -> str | None:
    """The SHA-256 that a source says its file has; None: it says none.

    Raises: _NoFileError when nobody answers there, unless `patient`: a download would ask again for half a minute.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError

    url = hf_hub_url(
        source.repository, source.file, repo_type=source.repository_type, revision=source.revision, endpoint=source.endpoint
    )
    try:
        told = get_hf_file_metadata(url, token=False if source.endpoint else None, endpoint=source.endpoint).etag
    except HfHubHTTPError:  # the download that follows says what is wrong
        return None
    except Exception as problem:  # of the HTTP library, which changes
        if patient or not _unreached(problem):
            return None
        raise _NoFileError(_silence()) from problem
    return told if told is not None and len(told) == 64 else None  # files that are not large have the 40 digits of git


def _unreached(problem: BaseException | None) -> bool:
    """Whether an error comes from the way to a site: a name without address, a refused or lost connection, silence."""
    while problem is not None and not isinstance(problem, OSError):
        problem = problem.__cause__ or problem.__context__
    return problem is not None


def _from(source: Source, entry: Known, meant: _Meant, before: Kept | None) -> Path:
    from huggingface_hub import hf_hub_download

    where: dict[str, Any] = {"revision": source.revision, "repo_type": source.repository_type}
    if source.endpoint:
        where |= {"endpoint": source.endpoint, "token": False}  # the user's token is for Hugging Face alone
    try:
        path, *_ = [Path(hf_hub_download(source.repository, file, **where)) for file in entry.files(source)]
    except Exception as problem:  # as above
        raise _NoFileError(_reason(problem)) from problem
    size = path.stat().st_size
    found = sums(path, entry.file, entry.beside)
    wanted = {**(before.files if before else {}), **({entry.file: meant.sum} if meant.sum else {})}
    for name, lies in places(path, entry.file, entry.beside).items():
        if name == entry.file and entry.size not in (None, size):
            _remove(lies)
            raise _NoFileError(f"its {name} has {size} bytes, it should have {entry.size}")
        if name in found and wanted.get(name, found[name]) != found[name]:
            _remove(lies)
            raise _NoFileError(f"its {name} has another SHA-256 than {_whose(name, entry, before)}")
    return path


def _whose(file: str, entry: Known, before: Kept | None) -> str:
    if file == entry.file and entry.sha256 is not None:
        return "the one meant"
    return "when it was first fetched" if before is not None and file in before.files else "is announced"


def _take_away_what_changed(name: str) -> None:
    """Remove files of the Hugging Face cache that are not as they should be: else a download would leave them as they are."""
    path, entry = checkpoints.cached(name), checkpoints.named(name)
    if path is not None:
        wanted = checkpoints.expected(name)
        for file, lies in places(path, entry.file, entry.beside).items():
            if file in wanted and sha256(lies) != wanted[file]:
                _remove(lies)


def _remove(path: Path) -> None:
    path.resolve().unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def _reason(problem: Exception) -> str:
    """Why a download failed, for people."""
    from huggingface_hub.errors import LocalEntryNotFoundError

    if isinstance(problem, LocalEntryNotFoundError):
        return _silence()
    return " ".join(str(problem).split())[:300] or type(problem).__name__


def _silence() -> str:
    from huggingface_hub import constants

    return f"{_SILENCE} (HF_HUB_OFFLINE is set)" if constants.HF_HUB_OFFLINE else _SILENCE


def _failed(name: str, problems: dict[Source, str]) -> str:
    """What went wrong, one clause for sources that failed alike."""
    sources = dict[str, list[str]]()
    for source, problem in problems.items():
        sources.setdefault(problem, []).append(source.shown)
    clauses = [f"from {' and '.join(shown)}: {problem}" for problem, shown in sources.items()]
    return f"cannot fetch {name} {'; '.join(clauses)}"


def _by_hand(entry: Known, before: Kept | None) -> str:
    source = entry.sources[0]
    together = "into one folder some other way and give the first " if entry.beside else "some other way and give its path "
    again = "; --again takes the files as they are now" if before is not None else ""
    return (
        f"get {' and '.join(entry.files(source))} of {source.url} {together}in model.weights; "
        f"`asdzoo weights check FILE` verifies it{again}"
    )
