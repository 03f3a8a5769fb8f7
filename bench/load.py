"""Load over HTTP/1.1: so many connections, each asking again as soon as it was answered.

One thread over epoll, without parsing more than it must: a client that is slower than the server would measure itself.
"""

import select
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass

CONNECTIONS = 32
SILENT_AFTER_S = 30.0
_OK = b"HTTP/1.1 200"


@dataclass(frozen=True, slots=True)
class Measured:
    """So many answers in so many seconds, and how long each took where that is known, shortest first."""

    answers: int
    took_s: float
    durations_s: Sequence[float] = ()

    @classmethod
    def together(cls, parts: Sequence["Measured"]) -> "Measured":
        durations = sorted(duration for part in parts for duration in part.durations_s)
        return cls(sum(part.answers for part in parts), sum(part.took_s for part in parts), durations)

    @property
    def per_second(self) -> float:
        return self.answers / self.took_s

    @property
    def p99_ms(self) -> float:
        """How long the slowest of a hundred took; 0 where that is not known."""
        return self.durations_s[int(len(self.durations_s) * 0.99)] * 1000 if self.durations_s else 0.0


def measure(port: int, requests: Sequence[bytes], *, connections: int = CONNECTIONS) -> Measured:
    """Send each request once; every answer must be a 200. Raises RuntimeError otherwise."""
    waiting = iter(requests)
    poll = select.epoll()
    open_now: dict[int, socket.socket] = {}
    began: dict[int, float] = {}
    durations: list[float] = []
    for _ in range(min(connections, len(requests))):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        poll.register(connection.fileno(), select.EPOLLIN)
        open_now[connection.fileno()] = connection
    try:
        start = time.perf_counter()
        for number, connection in open_now.items():
            began[number] = time.perf_counter()
            connection.sendall(next(waiting))
        while len(durations) < len(requests):
            ready = poll.poll(SILENT_AFTER_S)
            if not ready:
                raise RuntimeError(f"no answer in {SILENT_AFTER_S:.0f} s")
            for number, _ in ready:
                connection = open_now[number]
                _receive(connection)
                now = time.perf_counter()
                durations.append(now - began[number])
                if (request := next(waiting, None)) is not None:
                    began[number] = now
                    connection.sendall(request)
        took = time.perf_counter() - start
    finally:
        for connection in open_now.values():
            connection.close()
        poll.close()
    return Measured(len(requests), took, sorted(durations))


def _receive(connection: socket.socket) -> None:
    """One whole answer, which must be a 200."""
    answer = connection.recv(65536)
    while (end := answer.find(b"\r\n\r\n")) < 0:
        answer += _more(connection)
    if not answer.startswith(_OK):
        raise RuntimeError(answer.decode(errors="replace"))
    head = answer[:end].lower()
    length = int(head[head.index(b"content-length:") + 15 :].split(b"\r\n", 1)[0])
    while len(answer) < end + 4 + length:
        answer += _more(connection)


def _more(connection: socket.socket) -> bytes:
    if chunk := connection.recv(65536):
        return chunk
    raise RuntimeError("the connection was closed in the middle of an answer")


def get(path: str, *headers: str) -> bytes:
    return _request("GET", path, headers)


def post(path: str, body: bytes, *headers: str) -> bytes:
    return _request("POST", path, ("Content-Type: application/json", f"Content-Length: {len(body)}", *headers)) + body


def _request(method: str, path: str, headers: Sequence[str]) -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *headers, "", "")).encode()
