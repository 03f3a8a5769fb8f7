"""Every answer bears an X-Request-Id, and every log line that was written for it bears the same."""

import re

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from adapters.ids import random_hex
from adapters.telemetry import bound

HEADER = b"x-request-id"
_GOOD = re.compile(rb"[A-Za-z0-9._-]{1,64}")


def new_request_id() -> bytes:
    return f"req_{random_hex(12)}".encode()


class RequestIds:
    """Wraps the whole application, so that also an answer to no known address bears one.

    A caller's own id is kept where it is 1-64 letters, digits and . _ -
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # type: ignore[comparison-overlap]
            await self.app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == HEADER), b"")
        request_id = given if _GOOD.fullmatch(given) else new_request_id()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (HEADER, request_id)]
            await send(message)

        # Each request is a task, and what is bound in it ends with it; one that was sent ahead of its turn begins in
        # the task of the one before.
        bound.begin(request_id=request_id.decode())
        await self.app(scope, receive, send_with_id)
