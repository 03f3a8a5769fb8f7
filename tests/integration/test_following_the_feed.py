"""Whoever reads on from the last number misses nothing, however transactions overlap: the small form of a drill."""

from collections import Counter

from sqlalchemy import Engine

from adapters.sql.engine import open_engine
from adapters.sql.work import SqlUnitOfWork
from application.ports import NumberedNotice
from domain.ids import UserId
from domain.notices import Notice, NoticeType
from drills.event_feed import Reader, follow_while_written
from tests.memory import NOON

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
