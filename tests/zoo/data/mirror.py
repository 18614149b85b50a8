"""A record server on this machine that misbehaves on request: it cuts, stalls, refuses, lies, and forgets about `Range`.

with Mirror(tmp_path) as mirror:
    mirror.put(15097779, "dev_fan.zip", zipped({"fan/train/section_00_source_train_normal_0001.wav": b"..."}))
    mirror.faults["dev_fan.zip"] = [Fault("cut", 100), Fault("status", 403)]     # one for each request, then all is well
"""

import hashlib
import io
import json
import re
import stat
import threading
import time
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import NamedTuple, Self


class Fault(NamedTuple):
    """What a request comes to: "cut" and "stall" after `value` bytes, "status" of that number, "whole" (200 to a Range;
    cut after `value` bytes where that is not 0)."""

    kind: str
    value: int = 0
    headers: tuple[tuple[str, str], ...] = ()


WELL = Fault("none")


class Asked(NamedTuple):
    """One request."""

    file: str
    range: str
    agent: str


class Mirror:
    """The server. `files`, `records` and `faults` may be changed while it runs; `asked` is what came."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}  # path -> contents
        self.records: dict[int, dict[str, dict[str, object]]] = defaultdict(dict)  # record -> file -> what the API says
        self.faults: dict[str, list[Fault]] = defaultdict(list)  # file -> one fault for each request
        self.asked: list[Asked] = []
        self.busy = False  # in the middle of a slow file
        self.interleaved = 0  # requests that came meanwhile
        self.released = threading.Event()
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments: object) -> None:
                pass

            def do_GET(self) -> None:
                self.close_connection = True
                mirror.interleaved += mirror.busy
                with suppress(OSError):  # the other side has gone
                    mirror.answer(self)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    def put(self, record: int, file: str, contents: bytes, md5: str | None = None, size: int | None = None) -> None:
        """Publish a file; `md5` and `size` are what the record says where that is not the truth."""
        self.files[f"/records/{record}/files/{file}"] = contents
        checksum = f"md5:{md5 or hashlib.md5(contents).hexdigest()}"
        self.records[record][file] = {"key": file, "size": len(contents) if size is None else size, "checksum": checksum}

    def downloads(self) -> list[Asked]:
        """The requests for files, not for records."""
        return [one for one in self.asked if not one.file.isdecimal()]

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        file = request.path.rpartition("/")[2]
        asked_range = request.headers.get("Range", "")
        self.asked.append(Asked(file, asked_range, request.headers.get("User-Agent", "")))
        fault = self.faults[file].pop(0) if self.faults[file] else Fault("none")
        if fault.kind == "status":
            self._send(request, fault.value, b"no", dict(fault.headers))
            return
        if (match := re.fullmatch(r"/api/records/(\d+)", request.path)) and request.path not in self.files:
            if int(match[1]) not in self.records:
                self._send(request, 404, b"")
                return
            said = {"files": list(self.records[int(match[1])].values()), "metadata": {"license": {"id": "cc-by-4.0"}}}
            self._send(request, 200, json.dumps(said).encode())
            return
        if request.path not in self.files:
            self._send(request, 404, b"")
            return
        body = self.files[request.path]
        start = int(match[1]) if (match := re.fullmatch(r"bytes=(\d+)-", asked_range)) and fault.kind != "whole" else None
        headers = dict(fault.headers)
        if start is not None and start >= len(body):
            self._send(request, 416, b"", {"Content-Range": f"bytes */{len(body)}"})
            return
        if start is not None:
            headers = {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"} | headers
        self._send(request, 200 if start is None else 206, body[start or 0 :], headers, fault)

    def _send(
        self,
        request: BaseHTTPRequestHandler,
        status: int,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        fault: Fault = WELL,
    ) -> None:
        request.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | dict(headers or {})).items():
            request.send_header(name, value)
        request.end_headers()
        partly = fault.kind in ("cut", "stall", "slow") or (fault.kind == "whole" and fault.value)
        limit = fault.value if partly else len(body)
        request.wfile.write(body[:limit])
        request.wfile.flush()
        if fault.kind == "stall":
            self.released.wait(10)
        if fault.kind == "slow":  # the rest in drops
            for at in range(limit, len(body), 1000):
                self.busy = at + 1000 < len(body)
                request.wfile.write(body[at : at + 1000])
                request.wfile.flush()
                time.sleep(0.02)


def zipped(members: Mapping[str, bytes], links: Iterable[str] = (), date: tuple[int, ...] = (2025, 4, 1, 12, 0, 0)) -> bytes:
    """A zip of these members; those in `links` are symbolic links to their contents."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, contents in members.items():
            info = zipfile.ZipInfo(name, date)  # type: ignore[arg-type]
            kind = stat.S_IFLNK if name in links else stat.S_IFREG
            info.external_attr = (kind | 0o644) << 16
            archive.writestr(info, contents, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
