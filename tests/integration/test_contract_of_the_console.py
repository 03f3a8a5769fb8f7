"""What the console keeps for itself: sessions, tries to sign in, and which form was carried out; on both databases."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from adapters.sql.console import KEPT_FOR, KeptAct, KeptSession, SqlConsole
from adapters.sql.event_book import SqlEventBook
from adapters.sql.gauges import SqlGauges
from adapters.sql.work import SqlUnitOfWork
from application.feed import number
from domain.ids import BotName, UserId
from domain.notices import Notice, NoticeType
from tests.memory import FixedClock

pytest_plugins = ["tests.integration.databases"]

NOW = datetime(2026, 11, 28, 12, 0, 0, 5, tzinfo=UTC)
WITHIN = timedelta(minutes=15)


def session(id: str = "s1", at: datetime = NOW) -> KeptSession:
    return KeptSession(id=id, operator="ada", credential="of her password", created_at=at, seen_at=at)


@pytest.fixture
def kept(engine: Engine) -> SqlConsole:
    return SqlConsole(engine)


def test_a_session_is_found_by_its_id_until_long_after_it_ended(kept: SqlConsole) -> None:
    kept.open_session(session())
    kept.seen("s1", NOW + WITHIN)
    kept.end_session("s1", NOW + 2 * WITHIN)

    found = kept.session("s1")
    assert found is not None
    assert (found.operator, found.created_at, found.seen_at, found.ended_at) == (
        "ada",
        NOW,
        NOW + WITHIN,
        NOW + 2 * WITHIN,
    )
    assert kept.session("s2") is None

    kept.open_session(session("s3", NOW + KEPT_FOR + WITHIN))
    assert kept.session("s1") is None, "what nobody needs any more goes"


def test_tries_are_counted_for_each_and_only_lately_and_are_forgiven(kept: SqlConsole) -> None:
    assert list(kept.tried(["ada", "here"], NOW, within=WITHIN)) == [1, 1]
    assert list(kept.tried(["bo", "here"], NOW + timedelta(minutes=1), within=WITHIN)) == [1, 2]
    assert list(kept.tried(["ada", "here"], NOW + WITHIN, within=WITHIN)) == [1, 2]
    kept.forgive(["ada"])
    assert list(kept.tried(["ada", "here"], NOW + WITHIN, within=WITHIN)) == [1, 3]


def test_of_those_who_try_at_once_none_is_overlooked_by_all_others(kept: SqlConsole) -> None:
    with ThreadPoolExecutor(4) as threads:
        counts = list(threads.map(lambda _: kept.tried(["ada"], NOW, within=WITHIN)[0], range(12)))
    assert max(counts) == 12
    assert sum(count <= 5 for count in counts) <= 5


def test_of_those_who_send_a_form_at_once_one_carries_it_out(kept: SqlConsole) -> None:
    def begin(_: int) -> bool:
        return kept.begin_act("f1", operator="ada", path="/console/x", now=NOW)

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(begin, range(8))) == 1
    assert kept.act("f1", operator="ada") == KeptAct(outcome=None, leads_to="", said="")
    done = KeptAct(outcome="done", leads_to="/console/y?a=1", said="1,250 ⭐ went back to \ud83d \0 \u202e.")
    kept.end_act("f1", done)
    assert kept.act("f1", operator="ada") == done
    assert kept.act("f1", operator="bo") is None, "what somebody else did is not told"
    assert kept.act("f2", operator="ada") is None


def test_the_newest_events_come_first_and_go_on_below_a_number(engine: Engine) -> None:
    work, book, clock = SqlUnitOfWork(engine), SqlEventBook(engine), FixedClock()
    told = [
        Notice(type=NoticeType.PAYMENT_SETTLED, user_id=UserId(user), at=NOW, data={"payment_id": f"pay_{user}"})
        for user in range(1, 4)
    ]
    with work.begin() as tx:
        tx.feed.add(told)
    number(work, clock)

    first = book.newest(before=None, at_most=2)
    assert [event.notice.user_id for event in first] == [3, 2]
    assert [event.notice.user_id for event in book.newest(before=first[-1].sequence, at_most=2)] == [1]

    with work.begin() as tx:
        tx.pushes.take("ep", NOW, position=0)
        tx.pushes.add("ep", first, NOW)
        push = tx.pushes.claim("ep", NOW, at_once=1, lease=WITHIN)
        assert push is not None
        tx.pushes.give_up(push, NOW, "answered 500")
    deliveries = book.deliveries("ep", at_most=9)
    assert [(one.event.notice.user_id, one.attempts, one.problem) for one in deliveries] == [
        (2, 1, "answered 500"),
        (3, 0, None),
    ]
    assert [one.given_up_at for one in deliveries] == [NOW, None]
    assert book.deliveries("other", at_most=9) == []


def test_one_user_s_events_are_looked_for_among_so_many_and_where_that_ended_is_told(engine: Engine) -> None:
    work, book, clock = SqlUnitOfWork(engine), SqlEventBook(engine), FixedClock()
    with work.begin() as tx:
        for user in (1, 2, 1, 2, 2):
            tx.feed.add([Notice(type=NoticeType.PAYMENT_SETTLED, user_id=UserId(user), at=NOW, data={})])
    number(work, clock)
    numbers = [event.sequence for event in reversed(book.newest(before=None, at_most=9))]

    def found(**asked: Any) -> tuple[list[int], int | None]:
        events, looked_to = book.of_user(UserId(1), **{"at_most": 9, **asked})
        return [numbers.index(event.sequence) for event in events], looked_to

    assert found() == ([2, 0], None)
    assert found(after=0) == ([0, 2], None)
    assert found(at_most=1) == ([2], None)
    assert found(among=2) == ([], numbers[3])
    assert found(among=2, before=numbers[3]) == ([2], numbers[1])
    assert found(among=2, before=numbers[1]) == ([0], None)
    assert found(among=2, after=0) == ([0], numbers[1])
    assert found(among=5) == ([2, 0], None)


def test_the_database_tells_its_version_and_when_telegram_was_last_heard(engine: Engine) -> None:
    gauges, work = SqlGauges(engine), SqlUnitOfWork(engine)
    assert gauges.database_version().split(" ")[0] in ("SQLite", "PostgreSQL")
    assert gauges.heard_at() is None
    with work.begin() as tx:
        tx.updates.first_seen(BotName("main"), 7, NOW)
    assert gauges.heard_at() == NOW
