"""An endpoint of somebody else's, that takes events or does not."""

import ssl
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Got:
    path: str
    headers: Mapping[str, str]
    body: bytes


Answer = tuple[int, Mapping[str, str]] | Callable[[BaseHTTPRequestHandler], None]


@dataclass
class EndpointServer:
    """A context manager: answers as scripted in `answers`, then 204. `got` is all that came, in order."""

    tls: ssl.SSLContext | None = None
    answers: deque[Answer] = field(default_factory=deque)
    got: list[Got] = field(default_factory=list)
    _server: ThreadingHTTPServer | None = None

    def __enter__(self) -> Self:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append(Got(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                answer = outer.answers.popleft() if outer.answers else (204, {})
                if callable(answer):
                    answer(self)
                    return
                status, headers = answer
                self.send_response(status)
                for name, value in {"Content-Length": "0", **headers}.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if self.tls:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks"


def example_of(function: str) -> Callable[..., Any]:
    """A function out of docs/events.md, as its readers copy it."""
    for block in (ROOT / "docs/events.md").read_text().split("```python\n")[1:]:
        source = block.partition("```")[0]
        if f"def {function}(" in source:
            names: dict[str, Any] = {}
            exec(compile(source, "docs/events.md", "exec"), names)
            found: Callable[..., Any] = names[function]
            return found
    raise AssertionError(f"docs/events.md has no {function}")
