"""Whoever reads on from the last number misses nothing, however transactions overlap: the small form of a drill."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from threading import Barrier

from sqlalchemy import Engine

from adapters.sql.engine import open_engine
from adapters.sql.work import SqlUnitOfWork
from application.feed import NoteEnds
from application.ports.feed import NumberedNotice
from application.ports.pushes import Endpoint, PushOutcome, Receiver, Taken
from application.pushing import PushEvents
from domain.ids import UserId
from domain.notices import Notice, NoticeType
from drills.event_feed import Reader, follow_while_written
from tests.builders import DAY, entitlement
from tests.memory import NOON, FixedClock, MemoryJournal

pytest_plugins = ["tests.integration.databases"]

SIZES = {"postgresql": 2000, "sqlite": 300}


def test_eight_write_and_nobody_who_reads_misses_an_event_or_has_a_user_s_out_of_order(
    engine: Engine, other_engine: Engine
) -> None:
    size = SIZES[engine.dialect.name]
    long_s = 0.5 if engine.dialect.name == "postgresql" else 0.0
    works = SqlUnitOfWork(engine), SqlUnitOfWork(other_engine)
    figures = follow_while_written(*works, size, lambda _: None, long_s=long_s)
    assert figures["events"] >= size
    assert figures["transactions undone"] > 0
    assert (figures["missing"], figures["out of order"]) == (0, 0)


def test_what_a_long_transaction_tells_of_gets_a_higher_number_than_what_was_read_before(
    postgres_database: str,
) -> None:
    """Its row has the lower id: who would read on from ids would never see it."""
    engine = open_engine(postgres_database)
    work = SqlUnitOfWork(engine)

    def notice(place: int) -> Notice:
        return Notice(type=NoticeType.PAYMENT_SETTLED, user_id=UserId(place), at=NOON, data={"place": place})

    def read(after: int) -> list[NumberedNotice]:
        with work.begin() as tx:
            tx.feed.number(NOON, at_most=10)
        with work.look() as tx:
            return list(tx.feed.after(after, limit=10))

    with work.begin() as long:
        long.feed.add([notice(1)])
        with work.begin() as quick:
            quick.feed.add([notice(2)])
        (second,) = read(0)
    (first,) = read(second.sequence)
    assert [second.notice, first.notice] == [notice(2), notice(1)]
    engine.dispose()


def test_the_judge_of_a_reader_sees_what_is_missing_doubled_or_out_of_order() -> None:
    def got(*places: int) -> list[str]:
        events = [
            NumberedNotice(
                sequence=number,
                notice=Notice(type=NoticeType.PAYMENT_SETTLED, user_id=UserId(1), at=NOON, data={"place": place}),
            )
            for number, place in enumerate(places, 1)
        ]
        return Reader(read=None, limit=1, got=events).problems(Counter({UserId(1): 3}))  # type: ignore[arg-type]

    assert got(1, 2, 3) == []
    for wrong in ((1, 2), (1, 3), (1, 2, 2, 3), (2, 1, 3), ()):
        assert got(*wrong)


def at_once(*acts: Callable[[], int]) -> None:
    """All begun at the same moment, and each again until it has nothing to do."""
    barrier = Barrier(len(acts))

    def work(act: Callable[[], int]) -> None:
        barrier.wait()
        while act():
            continue

    with ThreadPoolExecutor(len(acts)) as threads:
        for done in [threads.submit(work, act) for act in acts]:
            done.result()


@dataclass
class Careful(Receiver):
    """Takes everything, and sees what comes twice, or before what it follows."""

    got: list[NumberedNotice] = field(default_factory=list)

    def push(self, endpoint: Endpoint, event: NumberedNotice, now: datetime) -> PushOutcome:
        self.got.append(event)
        return Taken()


def test_several_processes_push_each_event_once_and_each_user_s_in_order(engine: Engine, other_engine: Engine) -> None:
    endpoint, receiver = Endpoint(id="ep_1", url="https://one.example", secrets=()), Careful()
    pushers = [
        PushEvents(SqlUnitOfWork(one), FixedClock(), receiver, MemoryJournal(), endpoint, lambda: 0.5)
        for one in (engine, engine, other_engine, other_engine)
    ]
    pushers[0]()
    with SqlUnitOfWork(engine).begin() as tx:
        tx.feed.add(
            [
                Notice(type=NoticeType.PAYMENT_SETTLED, user_id=UserId(1 + place % 5), at=NOON, data={"place": place})
                for place in range(60)
            ]
        )

    for _ in range(3):  # one who finds all users held by others has nothing to do, and comes back later
        at_once(*pushers)

    places = [int(str(event.notice.data["place"])) for event in receiver.got]
    assert sorted(places) == list(range(60))
    for user in range(5):
        mine = [place for place in places if place % 5 == user]
        assert mine == sorted(mine)


def test_several_processes_tell_of_each_end_once(engine: Engine, other_engine: Engine) -> None:
    works = SqlUnitOfWork(engine), SqlUnitOfWork(other_engine)
    spans = [entitlement(name=f"ent_{place}", payment_id=None, user_id=UserId(1 + place // 2)) for place in range(40)]
    with works[0].begin() as tx:
        tx.entitlements.add(spans)
    later = FixedClock(NOON + 400 * DAY)

    at_once(*(NoteEnds(work, later, MemoryJournal()) for work in (*works, *works)))

    with works[0].begin() as tx:
        tx.feed.number(NOON, at_most=1000)
    with works[0].look() as tx:
        told = [event.notice.data["entitlement_id"] for event in tx.feed.after(0, limit=1000)]
    assert sorted(map(str, told)) == sorted(span.id for span in spans)
