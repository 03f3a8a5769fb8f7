"""What the audit trail, the seen updates and the counted attempts must do, in memory as in a database."""

from datetime import timedelta

import pytest

from application.ports.inbox import FoundBy, Report, Source
from application.ports.trail import TrailEntry
from application.ports.work import UnitOfWork
from domain.ids import ChargeId, UserId
from domain.invoice import Objection
from tests.builders import ALICE, BOB, MAIN, SECOND_BOT, invoice_id
from tests.integration.transactions import undone
from tests.memory import NOON

pytest_plugins = ["tests.integration.databases"]

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


def attempt(work: UnitOfWork, at: timedelta = timedelta(0), user: UserId = ALICE, at_most: int = 5) -> timedelta | None:
    with work.begin() as tx:
        return tx.attempts.admit(user, NOON + at, at_most=at_most, within=MINUTE)


def test_an_update_is_seen_once_by_each_bot(work: UnitOfWork) -> None:
    with work.begin() as tx:
        assert tx.updates.first_seen(MAIN, 1, NOON)
        assert not tx.updates.first_seen(MAIN, 1, NOON)
        assert tx.updates.first_seen(SECOND_BOT, 1, NOON)
        assert tx.updates.first_seen(MAIN, 2, NOON)
    with work.begin() as tx:
        assert not tx.updates.first_seen(MAIN, 2, NOON + MINUTE)


def test_a_lower_number_than_ever_before_is_new(work: UnitOfWork) -> None:
    with work.begin() as tx:
        assert tx.updates.first_seen(MAIN, 2**53, NOON)
        assert tx.updates.first_seen(MAIN, 7, NOON)


def test_ids_are_forgotten_by_their_age_and_counted(work: UnitOfWork) -> None:
    with work.begin() as tx:
        for number in range(3):
            tx.updates.first_seen(MAIN, number, NOON + number * MINUTE)
    with work.begin() as tx:
        assert tx.updates.forget(NOON + MINUTE) == 1
        assert tx.updates.forget(NOON + MINUTE) == 0
        assert tx.updates.first_seen(MAIN, 0, NOON)
        assert not tx.updates.first_seen(MAIN, 1, NOON)


@pytest.mark.threat(16)
def test_an_update_that_nobody_can_read_is_kept_whatever_its_bytes(work: UnitOfWork) -> None:
    for _ in range(2):
        with work.begin() as tx:
            report = Report(source=Source.TELEGRAM_UPDATE, bot=MAIN, body=b"\0\xff{\\ud800")
            tx.inbox.keep([report], found_by=FoundBy.WEBHOOK, now=NOON, problem="not \0 UTF-8 \ud800")


def test_the_trail_takes_any_number_of_entries_of_one_charge_but_one_payment_and_one_refund(work: UnitOfWork) -> None:
    kinds = ["successful_payment", "refunded_payment", "charge_conflict", "pre_checkout"]
    entries = [
        TrailEntry(
            kind=kind,
            bot=MAIN,
            at=NOON,
            user_id=ALICE,
            invoice_id=invoice_id(),
            charge_id=ChargeId("c\0"),
            decision="quarantined",
            reason=Objection.WRONG_USER,
            message=b"\0\xff",
        )
        for kind in kinds
    ]
    with work.begin() as tx:
        tx.trail.add([*entries, *entries])
        tx.trail.add(entries)
        tx.trail.add([TrailEntry(kind="successful_payment", bot=MAIN, at=NOON)] * 2)
        tx.trail.add([])


@pytest.mark.criterion("1.7")
def test_five_attempts_are_admitted_in_a_minute_and_a_sixth_when_the_oldest_is_a_minute_old(work: UnitOfWork) -> None:
    assert [attempt(work, n * SECOND) for n in range(5)] == [None] * 5
    assert attempt(work, 5 * SECOND) == 55 * SECOND
    assert attempt(work, MINUTE - SECOND) == SECOND
    assert attempt(work, MINUTE) is None
    assert attempt(work, MINUTE) == SECOND
    assert attempt(work, MINUTE + SECOND) is None


def test_what_was_not_admitted_does_not_count(work: UnitOfWork) -> None:
    assert attempt(work, at_most=1) is None
    assert {attempt(work, n * SECOND, at_most=1) is None for n in range(60)} == {False}
    assert attempt(work, MINUTE, at_most=1) is None


def test_each_user_has_attempts_of_their_own(work: UnitOfWork) -> None:
    assert attempt(work, at_most=1) is None
    assert attempt(work, user=BOB, at_most=1) is None
    assert attempt(work, user=BOB, at_most=1) == MINUTE


def test_an_attempt_of_a_transaction_that_was_undone_does_not_count(work: UnitOfWork) -> None:
    with undone(work) as tx:
        tx.attempts.admit(ALICE, NOON, at_most=1, within=MINUTE)
    assert attempt(work, at_most=1) is None


def test_lowering_the_limit_holds_for_attempts_that_were_admitted_before(work: UnitOfWork) -> None:
    assert [attempt(work, n * SECOND) for n in range(5)] == [None] * 5
    assert attempt(work, 10 * SECOND, at_most=2) == 53 * SECOND


@pytest.mark.threat(30)
def test_a_clock_set_back_by_a_day_locks_nobody_out(work: UnitOfWork) -> None:
    assert [attempt(work, DAY) for _ in range(5)] == [None] * 5
    assert [attempt(work) for _ in range(5)] == [None] * 5
    assert attempt(work) == MINUTE


@pytest.mark.threat(30)
def test_a_clock_set_back_by_seconds_lets_nobody_in_too_often(work: UnitOfWork) -> None:
    assert [attempt(work, 10 * SECOND) for _ in range(5)] == [None] * 5
    assert attempt(work) == MINUTE + 10 * SECOND
