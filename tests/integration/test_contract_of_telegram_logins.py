"""What is kept of bots that speak Telegram's own protocol: leases, logins, places, peers. On both databases."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from adapters.sql.engine import open_engine
from adapters.sql.telegram_logins import SqlTelegramLogins
from adapters.sql.work import SqlUnitOfWork
from application.ports.telegram_logins import TelegramLogin, TelegramLogins, TelegramPeer, UpdatesPosition
from tests.memory import NOON

pytest_plugins = ["tests.integration.databases"]

BOT, OTHER_BOT = 7_000_001, 2**40
LEASE = timedelta(seconds=5)
SECOND = timedelta(seconds=1)


@pytest.fixture
def logins(database: str) -> Iterator[TelegramLogins]:
    engine = open_engine(database)
    yield SqlTelegramLogins(SqlUnitOfWork(engine))
    engine.dispose()


def hold(
    logins: TelegramLogins, holder: str, *places: int, at: timedelta = timedelta(0), bot: int = BOT
) -> TelegramLogin | None:
    return logins.hold(bot, holder, NOON + at, places=places or (0,), lease=LEASE)


def test_a_place_is_held_by_one_at_a_time_and_each_bot_has_its_own(logins: TelegramLogins) -> None:
    assert hold(logins, "one") == TelegramLogin(bot_id=BOT, place=0)
    assert hold(logins, "another") is None
    assert hold(logins, "another", bot=OTHER_BOT) == TelegramLogin(bot_id=OTHER_BOT, place=0)
    assert logins.holder(BOT, NOON) == "one"


def test_who_finds_the_first_place_taken_gets_the_next(logins: TelegramLogins) -> None:
    assert [hold(logins, who, 0, 1, 2) for who in ("one", "another")] == [
        TelegramLogin(bot_id=BOT, place=0),
        TelegramLogin(bot_id=BOT, place=1),
    ]


def test_a_lease_runs_out_unless_it_is_renewed(logins: TelegramLogins) -> None:
    hold(logins, "one")
    assert hold(logins, "one", at=4 * SECOND)
    assert hold(logins, "another", at=8 * SECOND) is None
    assert logins.holder(BOT, NOON + 10 * SECOND) is None
    assert hold(logins, "another", at=9 * SECOND)
    assert hold(logins, "one", at=9 * SECOND) is None


def test_who_leaves_makes_room_at_once_and_only_their_own(logins: TelegramLogins) -> None:
    login = hold(logins, "one")
    assert login is not None
    logins.release(login, "another")
    assert hold(logins, "another") is None
    logins.release(login, "one")
    assert hold(logins, "another")


def test_a_lease_that_a_clock_far_ahead_has_noted_holds_nobody_up(logins: TelegramLogins) -> None:
    hold(logins, "one", at=timedelta(days=1))
    assert hold(logins, "another")


def test_a_login_stays_with_its_place(logins: TelegramLogins) -> None:
    hold(logins, "one")
    made = TelegramLogin(bot_id=BOT, place=0, dc_id=2, server="127.0.0.1:443", key=b"\0\xff" * 128)
    logins.keep(made)
    assert hold(logins, "another", at=LEASE) == made
    assert "ff" not in repr(made)


def test_how_far_a_bot_has_come_is_what_was_said_last(logins: TelegramLogins) -> None:
    assert logins.position(BOT) is None
    for pts in (5, 2**31 - 1):
        logins.move(BOT, UpdatesPosition(pts=pts, qts=1, at=NOON))
    assert logins.position(BOT) == UpdatesPosition(pts=2**31 - 1, qts=1, at=NOON)
    assert logins.position(OTHER_BOT) is None


def test_who_was_met_is_known_as_they_were_seen_last(logins: TelegramLogins) -> None:
    group = TelegramPeer(id=-1_001_000_000_001, access_hash=2**63 - 1)
    logins.meet(BOT, [TelegramPeer(id=1, access_hash=1, language="en"), group])
    logins.meet(BOT, [TelegramPeer(id=1, access_hash=-(2**63), language="pt-br")])
    assert logins.peer(BOT, 1) == TelegramPeer(id=1, access_hash=-(2**63), language="pt-br")
    assert logins.peer(BOT, group.id) == group
    assert logins.peer(OTHER_BOT, 1) is None
