"""Tells open pages what happens, as server-sent events."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import msgspec

LONGEST_BACKLOG = 1000
KEEP_ALIVE_S = 15.0


class Stream:
    """A reader that falls too far behind is told to start over, and loses its place."""

    def __init__(self) -> None:
        self._readers: set[asyncio.Queue[bytes | None]] = set()

    def tell(self, kind: str, data: "Any | Callable[[], Any]") -> None:
        """`data` may be a function, which is only called where somebody listens."""
        if not self._readers:
            return
        content = data() if callable(data) else data
        line = b"event: " + kind.encode() + b"\ndata: " + msgspec.json.encode(content) + b"\n\n"
        for reader in tuple(self._readers):
            try:
                reader.put_nowait(line)
            except asyncio.QueueFull:
                self._readers.discard(reader)
                reader.get_nowait()
                reader.put_nowait(None)

    async def read(self) -> AsyncGenerator[bytes, None]:
        reader: asyncio.Queue[bytes | None] = asyncio.Queue(LONGEST_BACKLOG)
        self._readers.add(reader)
        try:
            yield b"event: hello\ndata: {}\n\n"
            while True:
                try:
                    line = await asyncio.wait_for(reader.get(), KEEP_ALIVE_S)
                except TimeoutError:
                    line = b": still here\n\n"
                if line is None:
                    return
                yield line
        finally:
            self._readers.discard(reader)

    def close(self) -> None:
        for reader in tuple(self._readers):
            if reader.full():
                reader.get_nowait()
            reader.put_nowait(None)
