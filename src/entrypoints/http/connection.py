"""A caller's connection, as uvicorn serves it. What is no HTTP is refused as every other bad request is, and so is a
head without end, which uvicorn would collect for as long as it comes, before a body or behind it."""

from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from domain.errors import InvalidRequest, Refusal, TooLarge
from entrypoints.http.problems import Told
from entrypoints.http.request_ids import HEADER, new_request_id

LONGEST_HEAD: Final = 64 * 1024
"""Bytes of method, address and headers. Proxies take less: nginx 32 KiB of headers, unless told otherwise."""
NO_HTTP: Final = InvalidRequest("This is no HTTP that can be read.")
TOO_LONG: Final = TooLarge(f"The head of this request is longer than {LONGEST_HEAD} bytes.")


class Connection(HttpToolsProtocol):
    """uvicorn itself would answer in plain text, by an answer that bears no id."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._collected = 0
        """Bytes of a head that has not ended, or of the headers that may follow a body in pieces."""
        self._of_this_piece = 0
        self._refusal: Refusal = NO_HTTP

    def data_received(self, data: bytes) -> None:
        self._of_this_piece = len(data)
        super().data_received(data)
        self._collected += self._of_this_piece
        if self._collected > LONGEST_HEAD and not self.transport.is_closing():
            self._refuse(TOO_LONG)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._collected = 0

    def on_headers_complete(self) -> None:
        self._count_from_here()
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > LONGEST_HEAD:
            self._refusal = TOO_LONG
            raise ValueError(TOO_LONG)  # so that nothing more of it is read
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._count_from_here()
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._count_from_here()
        super().on_message_complete()

    def _count_from_here(self) -> None:
        """How much of this piece comes before is not told: of what begins later in it, the next pieces are counted, so
        that no requests that come many at once are taken for one long head."""
        self._collected = self._of_this_piece = 0

    def send_400_response(self, msg: str) -> None:
        """`msg` is for the log, where it stands already."""
        self._refuse(self._refusal)

    def _refuse(self, refusal: Refusal) -> None:
        told = Told.of(refusal)
        headers = [
            *self.server_state.default_headers,
            *told.raw_headers(),
            (HEADER, new_request_id()),
            (b"connection", b"close"),
        ]
        lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        self.transport.write(b"%b%b\r\n%b" % (STATUS_LINE[told.status], lines, told.body))
        self.transport.close()
