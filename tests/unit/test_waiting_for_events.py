"""Who waits for events costs no thread, is woken at once or told in time, and holds up no stop."""

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from application.feed import ReadFeed
from domain.errors import RateLimited, Unavailable
from domain.events import CommandAnswered, InvoiceIssued, RefundOrdered
from domain.notices import Notice, NoticeType
from entrypoints.http import feed_desk, stopping
from entrypoints.http.feed_desk import MOST_WAITING, FeedDesk
from entrypoints.ringing import Bell, RingingJournal
from tests.builders import ALICE, invoice, payment
from tests.memory import NOON, FixedClock, MemoryJournal, MemoryUnitOfWork

LONG_S = 20.0


@contextmanager
def opened() -> Iterator[tuple[FeedDesk, MemoryUnitOfWork, Bell]]:
    work, bell = MemoryUnitOfWork(), Bell()
    desk = FeedDesk(ReadFeed(work, FixedClock()), bell)
    yield desk, work, bell
    desk.threads.shutdown()


def happen(work: MemoryUnitOfWork) -> None:
    with work.begin() as tx:
        tx.feed.add([Notice(type=NoticeType.INVOICE_ISSUED, user_id=ALICE, at=NOON, data={})])


def test_what_is_there_already_is_not_waited_for() -> None:
    async def story(desk: FeedDesk) -> int:
        return len(await desk.events(0, 10, LONG_S))

    with opened() as (desk, work, _):
        happen(work)
        assert asyncio.run(story(desk)) == 1


@pytest.mark.parametrize("rung", [True, False], ids=["in this process", "in another"])
def test_who_waits_is_woken_by_the_bell_or_by_a_look_now_and_then(rung: bool) -> None:
    async def story(desk: FeedDesk, work: MemoryUnitOfWork, bell: Bell) -> int:
        waiting = [asyncio.create_task(desk.events(0, 10, LONG_S)) for _ in range(3)]
        await asyncio.sleep(0.2)
        assert not any(task.done() for task in waiting)
        happen(work)
        if rung:
            await asyncio.to_thread(bell.ring)
        return sum(len(found) for found in await asyncio.gather(*waiting))

    with opened() as (desk, work, bell):
        assert asyncio.run(story(desk, work, bell)) == 3
        bell.ring()  # nobody waits, and the loop is gone


def test_who_waits_in_vain_is_told_so_also_while_the_database_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_desk, "LOOK_EVERY_S", 0.01)

    async def story(desk: FeedDesk, work: MemoryUnitOfWork) -> None:
        waiting = asyncio.create_task(desk.events(0, 10, 0.5))
        await asyncio.sleep(0.1)
        work.broken = True
        await asyncio.sleep(0.1)
        work.broken = False
        assert await waiting == []
        work.broken = True
        with pytest.raises(Unavailable):
            await desk.events(0, 10, 0.5)

    with opened() as (desk, work, _):
        asyncio.run(story(desk, work))


def test_no_more_than_so_many_wait_at_once() -> None:
    async def story(desk: FeedDesk) -> None:
        waiting = [asyncio.create_task(desk.events(0, 10, LONG_S)) for _ in range(MOST_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(RateLimited):
            await desk.events(0, 10, LONG_S)
        assert await desk.events(0, 10, 0) == []
        desk.end()
        assert await asyncio.gather(*waiting, return_exceptions=True)

    with opened() as (desk, _, _):
        asyncio.run(story(desk))


def test_once_it_closes_nobody_waits() -> None:
    async def story(desk: FeedDesk) -> None:
        waiting = asyncio.create_task(desk.events(0, 10, LONG_S))
        await asyncio.sleep(0.2)
        await asyncio.to_thread(desk.close_from_any_thread)
        assert await waiting == []
        assert await desk.events(0, 10, LONG_S) == []
        desk.end()

    with opened() as (desk, _, _):
        asyncio.run(story(desk))


def test_a_signal_to_stop_is_told_first_and_then_does_what_it_did() -> None:
    told: list[str] = []
    before = signal.signal(signal.SIGTERM, lambda *_: told.append("as before"))
    try:
        with stopping.tells(lambda: told.append("first")):
            os.kill(os.getpid(), signal.SIGTERM)
        assert told == ["first", "as before"]
        os.kill(os.getpid(), signal.SIGTERM)
        assert told == ["first", "as before", "as before"]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_outside_the_main_thread_nobody_is_told_of_signals() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen: list[object] = []

    def elsewhere() -> None:
        with stopping.tells(lambda: None):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [before]


def test_only_what_others_are_told_rings_for_them() -> None:
    rung: list[int] = []
    bell = Bell()
    journal = RingingJournal(MemoryJournal(), threading.Event(), bell)
    bell.listen(lambda: rung.append(1))
    journal.record(CommandAnswered(name="help", user_id=ALICE))
    journal.record(RefundOrdered(payment=payment(), asked_by="olga", automatic=False))
    assert (rung, journal.bell.is_set()) == ([], True)
    journal.record(CommandAnswered(name="buy", user_id=ALICE), InvoiceIssued(invoice=invoice()))
    assert rung == [1]
