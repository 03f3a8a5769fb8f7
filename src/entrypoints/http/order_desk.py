"""Purchases begin on threads of their own: each waits for Telegram, and nothing else may wait for Telegram with it."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import TypeVar

from domain.errors import Unavailable

Answer = TypeVar("Answer")

AT_ONCE = 12
"""Fewer than the connections that a bot has, so that letters get through beside them."""
TURN_WITHIN_S = 15.0


@dataclass(frozen=True, slots=True)
class OrderDesk:
    """However slow Telegram is, whoever asks what a user may do is answered at once."""

    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(AT_ONCE, "orders"))

    async def serve(self, order: Callable[[], Answer]) -> Answer:
        """What `order` gives, or raises. Raises Unavailable, without calling it, where its turn does not come."""
        try:
            async with asyncio.timeout(TURN_WITHIN_S):
                await self.turns.acquire()
        except TimeoutError:
            raise Unavailable("Too many purchases are being begun. Nothing was done; try again.") from None
        try:
            context = copy_context()  # so that log lines written on the thread bear the request's id
            return await asyncio.get_running_loop().run_in_executor(self.threads, context.run, order)
        finally:
            self.turns.release()

    def close(self) -> None:
        """Let what was begun end."""
        self.threads.shutdown(wait=False, cancel_futures=True)
