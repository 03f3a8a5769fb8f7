"""Where other services wait for events: no thread waits with them, and one look each half second serves them all."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Final, TypeVar

import structlog

from application.feed import ReadFeed
from application.ports.feed import NumberedNotice
from domain.errors import RateLimited
from entrypoints.ringing import Bell

Answer = TypeVar("Answer")

AT_ONCE: Final = 4
MOST_WAITING: Final = 200
LOOK_EVERY_S: Final = 0.5
"""How late at most one learns what another process has committed."""
TRY_AGAIN_S: Final = 5
log = structlog.get_logger("tollgram")


@dataclass
class FeedDesk:
    """What is committed in this process rings the `bell`, and wakes whoever waits here."""

    read: ReadFeed
    bell: Bell
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(AT_ONCE, "feed"))
    _waiting: set[asyncio.Event] = field(default_factory=set)
    _loop: asyncio.AbstractEventLoop | None = None
    _lookout: asyncio.Task[None] | None = None
    _closed: bool = False

    def __post_init__(self) -> None:
        self.bell.listen(self._stir_from_any_thread)

    async def events(self, after: int, limit: int, wait_s: float) -> Sequence[NumberedNotice]:
        """Events with numbers above `after`; where there are none, the first that come within that time.

        Raises RateLimited where too many wait already.
        """
        if not wait_s or self._closed:
            return await self.serve(lambda: self.read(after, limit))
        if len(self._waiting) >= MOST_WAITING:
            raise RateLimited(f"{MOST_WAITING} others wait here already.", retry_after_s=TRY_AGAIN_S)
        self._loop = asyncio.get_running_loop()
        stirred = asyncio.Event()
        self._waiting.add(stirred)
        self._look_out()
        until = self._loop.time() + wait_s
        try:
            while True:
                stirred.clear()  # before reading, so that what is committed from here on wakes us again
                found = await self.serve(lambda: self.read(after, limit))
                left = until - self._loop.time()
                if found or left <= 0 or self._closed:
                    return found
                with suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        await stirred.wait()
        finally:
            self._waiting.discard(stirred)

    def close(self) -> None:
        """Whoever waits is answered now, and nobody waits any more. To be called in the event loop's thread."""
        self._closed = True
        self._stir()

    def end(self) -> None:
        """Let go of the threads."""
        self.close()
        if self._lookout is not None:
            self._lookout.cancel()
        self.threads.shutdown(wait=False, cancel_futures=True)

    def close_from_any_thread(self) -> None:
        self._closed = True
        self._stir_from_any_thread()

    def _look_out(self) -> None:
        if self._lookout is None or self._lookout.done():
            self._lookout = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        """As long as anybody waits, see whether another process has committed something."""
        known: int | None = None
        while self._waiting and not self._closed:
            try:
                newest = await self.serve(self.read.newest)
            except Exception as problem:  # whoever waits goes on waiting, and is told when they read
                log.warning("feed.not_looked_at", problem=type(problem).__name__)
            else:
                if newest != known:
                    known = newest
                    self._stir()
            await asyncio.sleep(LOOK_EVERY_S)

    def _stir(self) -> None:
        for stirred in self._waiting:
            stirred.set()

    def _stir_from_any_thread(self) -> None:
        if self._loop is not None and self._waiting:
            with suppress(RuntimeError):  # a loop that is closed has nobody who waits
                self._loop.call_soon_threadsafe(self._stir)

    async def serve(self, ask: Callable[[], Answer]) -> Answer:
        """What `ask` gives, or raises, on a thread of this desk."""
        context = copy_context()  # so that log lines written on the thread bear the request's id
        return await asyncio.get_running_loop().run_in_executor(self.threads, context.run, ask)
