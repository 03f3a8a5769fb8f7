"""What operators watch is read from the tables, and so is right after a restart."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from adapters.sql.gauges import SqlGauges
from adapters.sql.queues import SqlQueues
from adapters.sql.work import SqlUnitOfWork
from application.messages import Help, Letter
from application.ports.inbox import FoundBy, Report, Source
from domain.catalog import Method
from domain.ids import ChargeId
from tests.builders import HOUR, MAIN, SECOND, invoice, invoice_id
from tests.memory import NOON

pytest_plugins = ["tests.integration.databases"]


@pytest.fixture
def gauges(engine: Engine) -> SqlGauges:
    return SqlGauges(engine)


@pytest.mark.criterion("6.4")
def test_pending_are_telegrams_open_invoices_within_their_time(sql_work: SqlUnitOfWork, gauges: SqlGauges) -> None:
    with sql_work.begin() as tx:
        tx.invoices.add(
            [
                invoice(),
                invoice(id=invoice_id(2), method=Method.TELEGRAM),
                invoice(id=invoice_id(3), method=Method.STRIPE),
                invoice(id=invoice_id(4), settled_by=ChargeId("c")),
                invoice(id=invoice_id(5), cancelled_at=NOON),
                invoice(id=invoice_id(6), issued_at=NOON - HOUR),
                invoice(id=invoice_id(7), issued_at=NOON - HOUR - SECOND),
            ]
        )
    assert gauges.pending_invoices(NOON) == 3
    assert gauges.pending_invoices(NOON + HOUR + SECOND) == 0


def test_the_outbox_tells_how_many_wait_and_how_long_the_oldest(sql_work: SqlUnitOfWork, gauges: SqlGauges) -> None:
    assert gauges.outbox_pending() == 0
    assert gauges.outbox_oldest(NOON) is None
    for minutes in range(3):
        with sql_work.begin() as tx:
            letter = Letter(bot=MAIN, chat_id=minutes, language="en", message=Help())
            tx.outbox.add([letter], NOON + timedelta(minutes=minutes))
    assert gauges.outbox_pending() == 3
    assert gauges.outbox_oldest(NOON + timedelta(minutes=5)) == timedelta(minutes=5)
    assert gauges.outbox_oldest(NOON - timedelta(days=1)) == timedelta(0)
    with sql_work.begin() as tx:
        sent, given_up, _ = tx.outbox.claim(NOON, at_most=3, lease=timedelta(minutes=1))
        tx.outbox.sent(sent, NOON)
        tx.outbox.give_up(given_up, NOON, "blocked")
    assert gauges.outbox_pending() == 1
    assert gauges.outbox_oldest(NOON + timedelta(minutes=5)) == timedelta(minutes=3)


def test_letters_that_were_given_up_lately_are_counted_the_newest_first(
    sql_work: SqlUnitOfWork, engine: Engine
) -> None:
    queues = SqlQueues(engine)
    assert queues.letters_given_up(NOON - HOUR) == 0
    with sql_work.begin() as tx:
        tx.outbox.add([Letter(bot=MAIN, chat_id=n, language="en", message=Help()) for n in range(1, 5)], NOON - HOUR)
        sent, *given_up, _ = tx.outbox.claim(NOON, at_most=4, lease=HOUR)
        tx.outbox.sent(sent, NOON)
        for hours, letter in enumerate(given_up):
            tx.outbox.give_up(letter, NOON + hours * HOUR, "403 Forbidden: bot was blocked by the user")

    assert [queues.letters_given_up(NOON + hours * HOUR) for hours in (-1, 0, 1)] == [2, 1, 0]
    last, first = queues.last_letters_given_up(NOON - HOUR, at_most=9)
    assert (last.about, first.about) == ("3", "2")
    assert (last.what, last.since, last.attempts) == ("Help", NOON + HOUR, 1)
    assert last.problem == "403 Forbidden: bot was blocked by the user"
    assert queues.last_letters_given_up(NOON - HOUR, at_most=1) == [last]


def test_the_inbox_tells_how_many_wait_how_long_the_oldest_and_how_many_nobody_takes_up(
    sql_work: SqlUnitOfWork, gauges: SqlGauges
) -> None:
    assert (gauges.inbox_pending(), gauges.inbox_given_up(), gauges.inbox_oldest(NOON)) == (0, 0, None)
    for minutes in range(3):
        with sql_work.begin() as tx:
            report = Report(source=Source.TELEGRAM_UPDATE, bot=MAIN, body=b"%d" % minutes)
            tx.inbox.keep([report], found_by=FoundBy.WEBHOOK, now=NOON + timedelta(minutes=minutes))
    assert (gauges.inbox_pending(), gauges.inbox_given_up()) == (3, 0)
    assert gauges.inbox_oldest(NOON + timedelta(minutes=5)) == timedelta(minutes=5)
    assert gauges.inbox_oldest(NOON - timedelta(days=1)) == timedelta(0)
    with sql_work.begin() as tx:
        given_up, done, _ = tx.inbox.claim(NOON + HOUR, at_most=3, lease=timedelta(minutes=1))
        tx.inbox.done(done, "granted", NOON)
        tx.inbox.give_up(given_up, NOON, "nobody knows")
    assert (gauges.inbox_pending(), gauges.inbox_given_up()) == (1, 1)
    with sql_work.begin() as tx:
        tx.inbox.reopen(NOON + HOUR)
    assert (gauges.inbox_pending(), gauges.inbox_given_up()) == (2, 0)
    # One that is opened again is new, though it stands first in the table.
    assert gauges.inbox_oldest(NOON + HOUR) == timedelta(minutes=58)


def test_a_migrated_database_is_at_the_revision_that_the_code_needs(gauges: SqlGauges) -> None:
    gauges.ping()
    assert gauges.schema_revision() == gauges.expected_revision()
