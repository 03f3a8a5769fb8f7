"""Group commit: what arrives while one batch is being written joins the next, so that many share one commit."""

import asyncio
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context
from dataclasses import dataclass
from typing import Generic, TypeVar

from adapters.telemetry.tracing import Tracing

Item = TypeVar("Item")
Key = TypeVar("Key", bound=Hashable)
Answer = TypeVar("Answer")

MOST_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[Item, Answer]):
    item: Item
    cause: str
    answer: asyncio.Future[Answer]


class Lane(Generic[Item, Key, Answer]):
    """One writer for one kind of work. An item by itself is written at once; nothing waits to fill a batch.

    `work` takes several items and gives each one's answer by its key, all of them or an exception. Items of a batch
    that failed are tried again one by one, so that a bad one fails alone. `named` is what a key of theirs is called.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Sequence[Item]], Mapping[Key, Answer]],
        key: Callable[[Item], Key],
        named: str,
        tracing: Tracing,
    ) -> None:
        self._name = name
        self._named = named
        self._tracing = tracing
        self._work = work
        self._key = key
        self._thread = ThreadPoolExecutor(1, name)
        self._queue: list[_Waiting[Item, Answer]] = []
        self._writer: asyncio.Task[None] | None = None

    async def submit(self, item: Item) -> Answer:
        """The item's answer, once it is committed. Raises what `work` raises for it.

        Who gives up waiting is left out where its item is not being written yet.
        """
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(item, self._tracing.cause(), answer))
        if self._writer is None or self._writer.done():
            # In a context of its own: it outlives the request that happens to start it.
            self._writer = asyncio.get_running_loop().create_task(self._write(), context=Context())
        return await answer

    def close(self) -> None:
        """Let what is being written end, and write nothing more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _write(self) -> None:
        while self._queue:
            batch = [waiting for waiting in self._queue[:MOST_AT_ONCE] if not waiting.answer.done()]
            del self._queue[:MOST_AT_ONCE]
            if batch and not await self._try(batch, alone=len(batch) == 1):
                for waiting in batch:
                    await self._try([waiting], alone=True)

    async def _try(self, batch: Sequence[_Waiting[Item, Answer]], *, alone: bool) -> bool:
        """Whether it was done with, one way or the other."""
        loop = asyncio.get_running_loop()
        try:
            answers = await loop.run_in_executor(self._thread, copy_context().run, self._work_on, batch)
        except Exception as error:
            if not alone:
                return False
            if not batch[0].answer.done():
                batch[0].answer.set_exception(error)
        else:
            for waiting in batch:
                if not waiting.answer.done():
                    waiting.answer.set_result(answers[self._key(waiting.item)])
        return True

    def _work_on(self, batch: Sequence[_Waiting[Item, Answer]]) -> Mapping[Key, Answer]:
        causes: dict[Hashable, str] = {self._key(waiting.item): waiting.cause for waiting in batch}
        with self._tracing.batch(causes, self._name, self._named):
            return self._work([waiting.item for waiting in batch])
