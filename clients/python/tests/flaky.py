"""A real server that does what networks do on bad days, and hands the rest on to another."""

import json
import socket
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.integration.service import LOOPBACK

NOT_HANDED_ON = frozenset({"host", "connection", "transfer-encoding", "date", "server", "content-length"})


@dataclass(frozen=True, slots=True)
class Got:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)


def said(shape: object) -> Answer:
    return Answer(200, json.dumps(shape).encode())


def problem(status: int, code: str, **headers: str) -> Answer:
    told = {"type": "about:blank", "title": "", "status": status, "code": code, "detail": f"It is {code}."}
    return Answer(status, json.dumps(told).encode(), {"Content-Type": "application/problem+json", **headers})


@dataclass
class Flaky:
    """A context manager. Each request takes the next of `acts`; without one it is handed on to `target`, whose answer
    is returned as it came.
    """

    target: str = ""
    acts: deque["Act"] = field(default_factory=deque)
    got: list[Got] = field(default_factory=list)
    _server: ThreadingHTTPServer | None = None

    def __enter__(self) -> Self:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.serve()

            def do_POST(self) -> None:
                self.serve()

            def serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                got = Got(self.command, self.path, headers, body)
                outer.got.append(got)
                act = outer.acts.popleft() if outer.acts else handed_on
                answer = act(outer, got) if callable(act) else act
                if answer is None:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.send_response(answer.status)
                for name, value in {**answer.headers, "Content-Length": str(len(answer.body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, *_: Any) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_address[1]}"


Act = Answer | Callable[[Flaky, Got], Answer | None]


def handed_on(flaky: Flaky, got: Got) -> Answer:
    headers = {name: value for name, value in got.headers.items() if name not in NOT_HANDED_ON}
    answer = LOOPBACK.request(got.method, f"{flaky.target}{got.path}", headers=headers, content=got.body)
    kept = {name: value for name, value in answer.headers.items() if name not in NOT_HANDED_ON}
    return Answer(answer.status_code, answer.content, kept)


def dropped(_flaky: Flaky, _got: Got) -> None:
    """The connection ends without an answer, and nothing was done."""


def done_and_dropped(flaky: Flaky, got: Got) -> None:
    """It is done, and nobody learns of it."""
    assert handed_on(flaky, got).status < 300
