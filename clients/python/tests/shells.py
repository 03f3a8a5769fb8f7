"""Both shells of the client behind one face, so that each rule is shown of both."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, cast

from tollgram_client import AsyncTollgram, Patience, Tollgram

QUICK = Patience(attempts=3, first_pause_s=0.01)
UNREAD_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Nothing here is asked over TLS, and to read them takes time."""
Opened = Callable[..., Tollgram]


class Awaited:
    """An AsyncTollgram that is called as a Tollgram is."""

    def __init__(self, client: AsyncTollgram, runner: asyncio.Runner) -> None:
        self._client = client
        self._runner = runner

    def __repr__(self) -> str:
        return repr(self._client)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)

        def call(*arguments: Any, **named: Any) -> Any:
            given = method(*arguments, **named)
            return self._iterated(given) if isinstance(given, AsyncIterator) else self._run(given)

        return call

    def _iterated(self, given: AsyncIterator[Any]) -> Iterator[Any]:
        try:
            while True:
                try:
                    one = self._run(anext(given))
                except StopAsyncIteration:
                    return
                yield one
        finally:
            self._run(cast("Any", given).aclose())

    def _run(self, awaited: Awaitable[Any]) -> Any:
        async def run() -> Any:
            return await awaited

        return self._runner.run(run())
