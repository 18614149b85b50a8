"""A site on this machine that serves files as Hugging Face does: the SHA-256 of large ones in the header of an answer.

with Hub() as hub:
    hub.put("someone/beats", "beats.pt", b"...")            # large: its SHA-256 is announced
    hub.put("someone/beats", "config.json", b"...", large=False)
"""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

COMMIT = "1" * 40


class Hub:
    """The server. `files` may be changed while it runs; `asked` is what came; `away` answers 503 to everything."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[bytes, bool]] = {}
        self.announced: dict[str, str] = {}  # path -> what it says instead of the true sum
        self.asked: list[tuple[str, str]] = []
        self.tokens: list[str | None] = []
        self.away = False
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments: object) -> None:
                pass

            def do_HEAD(self) -> None:
                self._answer(body=False)

            def do_GET(self) -> None:
                self._answer(body=True)

            def _answer(self, body: bool) -> None:
                repository, _, rest = self.path.lstrip("/").partition("/resolve/")
                path = f"{repository}/{rest.partition('/')[2]}"
                hub.asked.append((self.command, path))
                hub.tokens.append(self.headers.get("Authorization"))
                found = None if hub.away else hub.files.get(path)
                content = b"" if found is None else found[0]
                self.send_response(503 if hub.away else 404 if found is None else 200)
                if found is not None:
                    digest = hashlib.sha256(content).hexdigest() if found[1] else hashlib.sha1(content).hexdigest()
                    self.send_header("X-Repo-Commit", COMMIT)
                    self.send_header("X-Linked-Size", str(len(content)))
                    self.send_header("X-Linked-Etag", f'"{hub.announced.get(path, digest)}"')
                else:
                    self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if body:
                    self.wfile.write(content)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def put(self, repository: str, file: str, content: bytes, large: bool = True) -> None:
        self.files[f"{repository}/{file}"] = (content, large)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
