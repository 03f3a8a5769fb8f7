"""Connections that can be torn: uvicorn's protocol, with a handle for the application to abort it."""

import asyncio
from collections.abc import MutableMapping
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

EXTENSION = "tollgram.sandbox.abort"


class TearableProtocol(HttpToolsProtocol):
    def on_message_begin(self) -> None:
        super().on_message_begin()
        scope = cast("MutableMapping[str, Any]", self.scope)
        scope["extensions"] = {EXTENSION: self.transport.abort}


async def reset(scope: Any) -> None:
    """Drops the connection without an answer. Under another server than ours nothing happens."""
    abort = (scope.get("extensions") or {}).get(EXTENSION)
    if abort is not None:
        abort()
        await asyncio.sleep(0)  # lets uvicorn notice, so that the answer that follows goes nowhere
        await asyncio.sleep(0)
