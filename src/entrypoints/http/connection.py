"""A caller's connection, as uvicorn serves it. What is no HTTP is refused as every other bad request is."""

from http import HTTPStatus
from typing import Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from domain.errors import InvalidRequest
from entrypoints.http.problems import Told
from entrypoints.http.request_ids import HEADER, new_request_id

NO_HTTP: Final = "This is no HTTP that can be read."


class Connection(HttpToolsProtocol):
    """uvicorn itself would answer in plain text, by an answer that bears no id."""

    def send_400_response(self, msg: str) -> None:
        """`msg` is for the log, where it stands already."""
        told = Told.of(InvalidRequest(NO_HTTP))
        headers = [
            *self.server_state.default_headers,
            *told.raw_headers(),
            (HEADER, new_request_id()),
            (b"connection", b"close"),
        ]
        lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        self.transport.write(b"%b%b\r\n%b" % (STATUS_LINE[HTTPStatus.BAD_REQUEST], lines, told.body))
        self.transport.close()
