"""The two addresses that are called most, led past the framework to the functions that answer them.

Its routing, parameters and response cost more than such an answer itself. What is not exactly as expected, another
method or an odd path or host, goes the framework's way, whose routes for these addresses call the same functions.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from litestar.types import ASGIApp, Receive, Scope, Send

from entrypoints.http.headers import BareRequest
from entrypoints.http.problems import Told

_PLAIN_HOST = re.compile(rb"[0-9A-Za-z.\-]+(:[0-9]{1,5})?")
_JSON = (b"content-type", b"application/json")


@dataclass(frozen=True, slots=True)
class Shortcut:
    """`answer` gets the request and the groups of `path`, and gives the JSON body of a 200, or raises. `route` is what
    such paths are counted and traced by."""

    method: str
    path: re.Pattern[str]
    route: str
    answer: Callable[..., Awaitable[bytes]]


class Shortcuts:
    """Wraps the framework's application."""

    def __init__(self, app: ASGIApp, shortcuts: Sequence[Shortcut]) -> None:
        self.app = app
        self._shortcuts = shortcuts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        for shortcut in self._shortcuts:
            if scope.get("method") == shortcut.method and (found := shortcut.path.fullmatch(scope["path"])):
                if _is_plain(scope):
                    scope["path_template"] = shortcut.route
                    await _answer(shortcut, found.groups(), BareRequest(scope, receive), send)
                    return
                break
        await self.app(scope, receive, send)


async def _answer(shortcut: Shortcut, given: Sequence[str], request: BareRequest, send: Send) -> None:
    try:
        body = await shortcut.answer(request, *given)
    except Exception as error:
        told = Told.of(error)
        status, headers, body = told.status, told.raw_headers(), told.body
    else:
        status, headers = 200, [_JSON, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _is_plain(scope: Scope) -> bool:
    return all(_PLAIN_HOST.fullmatch(value) for name, value in scope["headers"] if name == b"host")
