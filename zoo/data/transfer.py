"""Fetching files from one patient connection: resume, back-off, and a limit to both.

Zenodo answers 403 ("unusual traffic") to requests side by side, so one is made after the other, under asdzoo's own User-Agent.
A download grows in a `.part` file; a cut, a stall or a kill loses nothing, since the next request asks for the rest by `Range`.

It is written on `urllib` of the standard library: `requests` is no dependency, httpx comes along with huggingface_hub today and
may go with it tomorrow, and what is needed of either is one request with three headers. Proxies of the environment are used.
"""

import http.client
import json
import re
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from zoo.errors import AsdzooError

_CHUNK = 1 << 18  # bytes between two looks at the progress
_Result = TypeVar("_Result")
_PASSING = {403, 408, 425, 429, 500, 502, 503, 504}  # what a server says that will have us again later


@dataclass(frozen=True)
class Patience:
    """How long to hold on."""

    timeout: float = 60.0  # seconds without a byte until the connection is given up
    tries: int = 6  # in a row that bring no new byte
    first_wait: float = 5.0  # seconds after the first of them; doubles with each
    longest_wait: float = 300.0  # seconds; a server that asks for more is not waited for

    def wait_after(self, failures: int) -> float:
        return float(min(self.first_wait * 2 ** (failures - 1), self.longest_wait))


class TransferError(AsdzooError):
    """The other side, or the way to it, would not do; the same command goes on later."""


class NotThereError(TransferError):
    """The server does not have it (404, 410)."""


class _PassingError(Exception):
    """A failure that may pass; `wait` is what the server asked for (seconds)."""

    def __init__(self, sentence: str, wait: float | None = None) -> None:
        super().__init__(sentence)
        self.wait = wait


class _NothingLeftError(Exception):
    """The server has nothing after what was asked for (416); `total` is the length of the file, if it said so."""

    def __init__(self, total: int | None) -> None:
        super().__init__()
        self.total = total


Received = Callable[[int, int | None], None]  # (bytes here, bytes in all or None)


class Client:
    """One connection at a time, with patience.

    `again` is the command that goes on after an error; `say` hears of every wait.
    """

    def __init__(
        self, again: str, say: Callable[[str], None] = lambda sentence: None, patience: Patience | None = None
    ) -> None:
        self.again = again
        self.say = say
        self.patience = patience or PATIENCE
        self._answered = False  # a host that never answered is not waited for

    def get_json(self, url: str) -> Any:
        """The JSON value at `url`. Raises: NotThereError, TransferError."""

        def read() -> bytes:
            with self._open(url, {}) as response:
                return self._read(response, -1)

        body = self._patiently(url, read, lambda: 0)
        try:
            return json.loads(body)
        except ValueError as problem:
            raise TransferError(
                f"{_host(url)} sent no JSON from {url}", f"look at it in a browser, then {self.again}"
            ) from problem

    def download(self, url: str, part: Path, size: int | None, received: Received = lambda done, total: None) -> None:
        """Bring `part` to the whole of `url`, going on from what it holds; `size` (bytes) is held against what the server says.

        Raises: NotThereError, TransferError; what has come so far stays in `part`.
        """
        part.parent.mkdir(parents=True, exist_ok=True)
        if size is not None and part.exists() and _length(part) > size:
            self.say(f"{part.name} is longer than the file: it is fetched from the beginning")
            part.unlink()
        if size is None or _length(part) != size:
            self._patiently(url, lambda: self._append(url, part, size, received), lambda: _length(part))

    def _append(self, url: str, part: Path, size: int | None, received: Received) -> None:
        have = _length(part)
        try:
            response = self._open(url, {"Range": f"bytes={have}-"} if have else {})
        except _NothingLeftError as said:
            if said.total == have and size is None:
                return  # it was whole already
            part.unlink()
            raise _PassingError(f"{part.name} is longer than the file: from the beginning") from None
        with response:
            start, total = self._extent(url, response, have, size, part)
            with part.open("ab" if start else "wb") as file:
                received(start, total)
                while block := self._read(response, _CHUNK):
                    file.write(block)
                    received(file.tell(), total)
        if total is not None and (came := _length(part)) < total:
            raise _PassingError(f"the connection was cut at {came:,} of {total:,} bytes")
        if total is not None and came > total:
            part.unlink()
            raise _PassingError(f"{came:,} bytes came, where {total:,} were announced")

    def _extent(
        self, url: str, response: http.client.HTTPResponse, have: int, size: int | None, part: Path
    ) -> tuple[int, int | None]:
        """Where the body starts in the file, and how long the whole file is (bytes)."""
        length = response.headers.get("Content-Length", "")
        start, total = 0, int(length) if length.isdecimal() else None
        if response.status == 206:
            stated = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
            if stated is None or int(stated[1]) != have:
                part.unlink(missing_ok=True)  # what would come is not the rest
                raise _PassingError("the server sent another piece than the one asked for: from the beginning")
            start, total = have, None if stated[2] == "*" else int(stated[2])
        elif have:
            self.say(f"{_host(url)} cannot go on within a file: {_file(url)} comes from the beginning")
        if size is not None and total is not None and total != size:
            raise TransferError(
                f"{_host(url)} serves {_file(url)} with {total:,} bytes, where its record says {size:,}",
                f"the file is being replaced, or this is no true copy; later: {self.again}",
            )
        return start, size if total is None else total

    def _patiently(self, url: str, act: Callable[[], _Result], done: Callable[[], int]) -> _Result:
        """Act until it succeeds; the limit counts tries in a row that brought nothing new."""
        failures, furthest, begun = 0, done(), time.monotonic()
        while True:
            try:
                return act()
            except _PassingError as problem:
                reached = done()
                failures = 1 if reached > furthest else failures + 1
                furthest = max(furthest, reached)
                wait = self.patience.wait_after(failures) if problem.wait is None else problem.wait
                spent = f"{failures} tries in {time.monotonic() - begun:.0f} s"
                kept = "what has come is kept" if furthest else "nothing is lost"
                if failures >= self.patience.tries:
                    raise TransferError(
                        f"{_file(url)}: {problem} ({spent})", f"wait some minutes, then: {self.again} ({kept})"
                    ) from None
                if wait > self.patience.longest_wait:
                    raise TransferError(
                        f"{_file(url)}: {problem}, and asks to come back in {wait:.0f} s", f"then: {self.again} ({kept})"
                    ) from None
                self.say(f"{_file(url)}: {problem}; again in {wait:g} s (try {failures + 1} of {self.patience.tries})")
                time.sleep(wait)

    def _open(self, url: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        if urlsplit(url).scheme not in ("http", "https"):
            raise TransferError(f"{url} is no web address", "--base-url begins with https:// or http://")
        own = {"User-Agent": f"asdzoo/{version('asdzoo')}", "Accept-Encoding": "identity"}
        try:
            response = urllib.request.urlopen(urllib.request.Request(url, headers=own | headers), timeout=self.patience.timeout)
        except urllib.error.HTTPError as problem:
            self._answered = True
            problem.close()
            raise self._status(url, problem, headers) from None
        except urllib.error.URLError as problem:
            raise self._unreached(url, problem.reason) from None
        except (OSError, http.client.HTTPException) as problem:
            raise self._unreached(url, problem) from None
        self._answered = True
        assert isinstance(response, http.client.HTTPResponse)
        return response

    def _status(self, url: str, problem: urllib.error.HTTPError, headers: dict[str, str]) -> Exception:
        said = f"{_host(url)} answered {problem.code} {problem.reason}"
        if problem.code in _PASSING:
            return _PassingError(said, _asked_wait(problem.headers.get("Retry-After", "")))
        if problem.code in (404, 410):
            return NotThereError(f"{said} to {url}", "look whether the address still exists; --base-url names a mirror")
        if problem.code == 416 and "Range" in headers:
            total = problem.headers.get("Content-Range", "").rpartition("/")[2]
            return _NothingLeftError(int(total) if total.isdecimal() else None)
        return TransferError(f"{said} to {url}", f"look at it in a browser, then {self.again}")

    def _unreached(self, url: str, reason: object) -> Exception:
        if isinstance(reason, ssl.SSLCertVerificationError):
            return TransferError(
                f"{_host(url)} does not prove who it is: {reason.verify_message}", "look at clock, proxy and certificates"
            )
        if isinstance(reason, TimeoutError):
            return _PassingError(f"{_host(url)} said nothing for {self.patience.timeout:g} s")
        if not self._answered and isinstance(reason, socket.gaierror | ConnectionRefusedError):
            return TransferError(
                f"{_host(url)} cannot be reached: {_reason(reason)}", f"look at the network, then: {self.again}"
            )
        return _PassingError(f"{_host(url)} cannot be reached: {_reason(reason)}")

    def _read(self, response: http.client.HTTPResponse, amount: int) -> bytes:
        """A block of the body; only trouble with the network passes, never trouble with the disk."""
        try:
            return response.read1(amount) if amount >= 0 else response.read()
        except TimeoutError:
            raise _PassingError(f"nothing came for {self.patience.timeout:g} s") from None
        except (OSError, http.client.HTTPException) as problem:
            raise _PassingError(f"the connection broke: {_reason(problem)}") from None


PATIENCE = Patience()


def _asked_wait(header: str) -> float | None:
    """Seconds of a Retry-After, which is a number or a date."""
    if header.isdecimal():
        return float(header)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except ValueError:
        return None


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _reason(problem: object) -> str:
    return str(getattr(problem, "strerror", None) or problem or type(problem).__name__)


def _host(url: str) -> str:
    return urlsplit(url).netloc


def _file(url: str) -> str:
    return urlsplit(url).path.removesuffix("/content").rpartition("/")[2]
