"""Many at once: what arrives while one batch is under way joins the next, so that many share one commit or one read."""

import asyncio
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context
from dataclasses import dataclass
from typing import Generic, TypeVar

from adapters.telemetry.tracing import Tracing
from domain.errors import Unavailable

Item = TypeVar("Item")
Key = TypeVar("Key", bound=Hashable)
Answer = TypeVar("Answer")

MOST_AT_ONCE = 64
MOST_WAITING = 2048
"""Whoever comes after so many is told at once that it can't be done now: they would wait too long to be of use."""


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[Item, Answer]):
    item: Item
    cause: str
    answer: asyncio.Future[Answer]


class Lane(Generic[Item, Key, Answer]):
    """A thread, or a few, for one kind of work. An item by itself is worked on at once; nothing waits to fill a batch.

    `work` takes several items and gives each one's answer by its key, all of them or an exception. Items of a batch
    that failed are tried again one by one, so that a bad one fails alone. Of a lane that only reads none is, where the
    database is away: it would be for each of them. `named` is what a key of theirs is called.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Sequence[Item]], Mapping[Key, Answer]],
        key: Callable[[Item], Key],
        named: str,
        tracing: Tracing,
        *,
        only_reads: bool = False,
        batches_at_once: int = 1,
    ) -> None:
        self._name = name
        self._named = named
        self._tracing = tracing
        self._work = work
        self._key = key
        self._only_reads = only_reads
        self._batches_at_once = batches_at_once
        self._threads = ThreadPoolExecutor(batches_at_once, name)
        self._queue: list[_Waiting[Item, Answer]] = []
        self._workers: set[asyncio.Task[None]] = set()
        self._working = 0

    async def submit(self, item: Item) -> Answer:
        """The item's answer, once it is committed. Raises what `work` raises for it, and Unavailable where too many
        wait already.

        Who gives up waiting is left out where its item is not being worked on yet.
        """
        if len(self._queue) >= MOST_WAITING:
            raise Unavailable("Too much is asked at once. Nothing was changed; try again.")
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(item, self._tracing.cause(), answer))
        if self._working < self._batches_at_once:
            self._working += 1
            # In a context of its own: it outlives the request that happens to start it.
            worker = asyncio.get_running_loop().create_task(self._work_off(), context=Context())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        return await answer

    def close(self) -> None:
        """Let what is under way end, and begin nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _work_off(self) -> None:
        try:
            while self._queue:
                await asyncio.sleep(0)  # whoever has arrived meanwhile comes along
                batch = [waiting for waiting in self._queue[:MOST_AT_ONCE] if not waiting.answer.done()]
                del self._queue[:MOST_AT_ONCE]
                if batch and not await self._try(batch, alone=len(batch) == 1):
                    for waiting in batch:
                        await self._try([waiting], alone=True)
        finally:
            self._working -= 1  # at once, so that whoever comes next finds somebody at work or begins

    async def _try(self, batch: Sequence[_Waiting[Item, Answer]], *, alone: bool) -> bool:
        """Whether it was done with, one way or the other."""
        loop = asyncio.get_running_loop()
        try:
            answers = await loop.run_in_executor(self._threads, copy_context().run, self._work_on, batch)
        except Exception as error:
            if not alone and not (self._only_reads and isinstance(error, Unavailable)):
                return False
            for waiting in batch:
                if not waiting.answer.done():
                    waiting.answer.set_exception(error)
        else:
            for waiting in batch:
                if not waiting.answer.done():
                    waiting.answer.set_result(answers[self._key(waiting.item)])
        return True

    def _work_on(self, batch: Sequence[_Waiting[Item, Answer]]) -> Mapping[Key, Answer]:
        causes: dict[Hashable, str] = {self._key(waiting.item): waiting.cause for waiting in batch}
        with self._tracing.batch(causes, self._name, self._named):
            return self._work([waiting.item for waiting in batch])
