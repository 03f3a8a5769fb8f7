"""What the inbox, ordered refunds and ledger marks must do, in memory as in a database."""

from dataclasses import replace
from datetime import timedelta

import pytest

from application.ports.inbox import FoundBy, KeptReport, Report, Source
from application.ports.ledgers import LedgerMark
from application.ports.pages import Page
from application.ports.payments import ChargeKey, PaymentFilter
from application.ports.refunds import RefundOrder
from application.ports.trail import TrailEntry, TrailFilter
from application.ports.work import UnitOfWork
from domain.catalog import Method
from domain.errors import InvalidRequest
from domain.ids import BotName, ChargeId, PlanCode
from domain.invoice import Objection
from domain.payment import Payment, PaymentStatus
from tests.builders import ALICE, BOB, MAIN, charge, invoice, invoice_id
from tests.integration.transactions import keep_paid
from tests.memory import NOON

pytest_plugins = ["tests.integration.databases"]

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
ODD = b"\0\xff{\\ud800"


def report(number: int = 1, source: Source = Source.TELEGRAM_UPDATE) -> Report:
    return Report(source=source, bot=MAIN, body=ODD + str(number).encode())


def keep(work: UnitOfWork, *reports: Report, found_by: FoundBy = FoundBy.WEBHOOK) -> int:
    with work.begin() as tx:
        return tx.inbox.keep(reports, found_by=found_by, now=NOON, problem="odd \0 \ud800")


def claim(work: UnitOfWork, at: timedelta = timedelta(0), at_most: int = 10) -> list[KeptReport]:
    with work.begin() as tx:
        return list(tx.inbox.claim(NOON + at, at_most=at_most, lease=MINUTE))


def test_a_report_is_kept_once_byte_by_byte(work: UnitOfWork) -> None:
    assert keep(work, report(1), report(2)) == 2
    assert keep(work, report(2), report(3)) == 1
    assert keep(work) == 0

    assert [kept.report for kept in claim(work)] == [report(1), report(2), report(3)]


def test_the_same_bytes_of_another_bot_or_from_elsewhere_are_another_report(work: UnitOfWork) -> None:
    other_bot = replace(report(), bot=BotName("second"))
    assert keep(work, report(), other_bot, report(source=Source.STAR_TRANSACTION)) == 3


def test_what_is_claimed_is_nobody_elses_until_the_lease_runs_out(work: UnitOfWork) -> None:
    keep(work, report())

    assert [kept.attempts for kept in claim(work)] == [1]
    assert claim(work, MINUTE - SECOND) == []
    assert [kept.attempts for kept in claim(work, MINUTE)] == [2]


def test_the_oldest_is_claimed_first_and_no_more_than_asked_for(work: UnitOfWork) -> None:
    keep(work, *(report(number) for number in range(5)))

    assert [kept.report for kept in claim(work, at_most=2)] == [report(0), report(1)]
    assert [kept.report for kept in claim(work, at_most=2)] == [report(2), report(3)]


def test_what_is_put_off_is_due_then_and_not_before(work: UnitOfWork) -> None:
    keep(work, report())
    [kept] = claim(work)
    with work.begin() as tx:
        tx.inbox.retry(kept, NOON + 10 * SECOND, "later \0")

    assert claim(work, 9 * SECOND) == []
    assert len(claim(work, 10 * SECOND)) == 1


@pytest.mark.threat(30)
def test_a_clock_that_was_set_back_holds_nothing_up(work: UnitOfWork) -> None:
    keep(work, report(1), report(2))
    first, _ = claim(work, DAY)
    with work.begin() as tx:
        tx.inbox.retry(first, NOON + DAY + MINUTE, "later")

    assert len(claim(work)) == 2


def test_what_was_done_with_is_not_claimed_again(work: UnitOfWork) -> None:
    keep(work, report())
    [kept] = claim(work)
    with work.begin() as tx:
        tx.inbox.done(kept, "granted", NOON)
        tx.inbox.retry(kept, NOON, "too late")
        tx.inbox.give_up(kept, NOON, "too late")

    assert claim(work, DAY) == []
    assert keep(work, report()) == 0


def test_what_was_done_with_and_is_found_missing_again_is_due_again(work: UnitOfWork) -> None:
    keep(work, report())
    [kept] = claim(work)
    with work.begin() as tx:
        tx.inbox.done(kept, "foreign", NOON)

    assert keep(work, report(), report(2), found_by=FoundBy.RECONCILIATION) == 2
    assert [kept.attempts for kept in claim(work)] == [1, 1]


def test_what_was_given_up_waits_until_somebody_asks(work: UnitOfWork) -> None:
    keep(work, report())
    [kept] = claim(work)
    with work.begin() as tx:
        tx.inbox.give_up(kept, NOON, "nobody knows \ud800")
    assert claim(work, DAY) == []
    assert keep(work, report(), found_by=FoundBy.RECONCILIATION) == 0

    with work.begin() as tx:
        assert tx.inbox.reopen(NOON) == 1
        assert tx.inbox.reopen(NOON) == 0

    assert [kept.attempts for kept in claim(work)] == [1]


# Refunds that we order ------------------------------------------------------------------------------------------------


def order(paid: Payment, number: int = 0, *, automatic: bool = False) -> RefundOrder:
    return RefundOrder(
        provider=paid.charge.provider,
        charge_id=paid.charge.charge_id,
        payment_id=paid.id,
        asked_at=NOON + number * SECOND,
        asked_by="olga \0",
        reason="why \ud800",
        automatic=automatic,
    )


def payments(work: UnitOfWork, number: int = 1) -> list[Payment]:
    return keep_paid(work, *(charge(charge_id=ChargeId(f"charge-{n}")) for n in range(number)))


def take_up(work: UnitOfWork, at: timedelta = timedelta(0), at_most: int = 10) -> list[RefundOrder]:
    with work.begin() as tx:
        return list(tx.refund_orders.claim(NOON + at, at_most=at_most, lease=MINUTE))


def test_a_charge_has_one_order(work: UnitOfWork) -> None:
    [paid] = payments(work)
    with work.begin() as tx:
        assert tx.refund_orders.add([order(paid)]) == {paid.charge.key}
        assert tx.refund_orders.add([order(paid, 1)]) == set()
        assert tx.refund_orders.add([]) == set()
        assert tx.refund_orders.open_of(paid.charge.key) == order(paid)


def test_an_order_counts_who_takes_it_up(work: UnitOfWork) -> None:
    first, second = payments(work, 2)
    with work.begin() as tx:
        tx.refund_orders.add([order(second, 1), order(first)])

    assert take_up(work, MINUTE, at_most=1) == [replace(order(first), attempts=1)]
    assert take_up(work, MINUTE) == [replace(order(second, 1), attempts=1)]
    assert take_up(work, MINUTE) == []
    assert [one.attempts for one in take_up(work, 2 * MINUTE)] == [2, 2]


def test_an_order_that_fails_again_and_again_stands_behind_one_that_nobody_has_tried(work: UnitOfWork) -> None:
    failing, new = payments(work, 2)
    with work.begin() as tx:
        tx.refund_orders.add([order(failing), order(new, 30)])
    for pause in range(1, 60):
        [taken] = take_up(work, pause * SECOND, at_most=1)
        if taken.key == new.charge.key:
            break
        with work.begin() as tx:
            tx.refund_orders.retry(taken, NOON + pause * SECOND, "it does not answer")
    assert pause <= 32, "as soon as it was due itself"


def test_an_order_is_put_off_carried_out_or_refused(work: UnitOfWork) -> None:
    later, done, failed = payments(work, 3)
    with work.begin() as tx:
        tx.refund_orders.add([order(later), order(done), order(failed)])
    take_up(work)
    with work.begin() as tx:
        tx.refund_orders.retry(order(later), NOON + HOUR, "busy \0")
        tx.refund_orders.done(done.charge.key, NOON)
        tx.refund_orders.failed(order(failed), NOON, "no \ud800")

    assert take_up(work, HOUR - SECOND) == []
    assert [one.key for one in take_up(work, HOUR)] == [later.charge.key]
    with work.look() as tx:
        assert tx.refund_orders.open_of(done.charge.key) is None
        assert tx.refund_orders.open_of(failed.charge.key) is None


def test_after_a_refusal_there_may_be_another_order_after_a_refund_never(work: UnitOfWork) -> None:
    done, failed = payments(work, 2)
    with work.begin() as tx:
        tx.refund_orders.add([order(done), order(failed)])
        tx.refund_orders.done(done.charge.key, NOON)
        tx.refund_orders.failed(order(failed), NOON, "no")
        keys: set[ChargeKey] = tx.refund_orders.add([order(done, 5), order(failed, 5)])
        assert keys == {failed.charge.key}
        assert tx.refund_orders.open_of(failed.charge.key) == order(failed, 5)


def test_orders_that_nobody_gave_are_counted_by_their_time(work: UnitOfWork) -> None:
    paid = payments(work, 3)
    with work.begin() as tx:
        orders = [order(one, number, automatic=number < 2) for number, one in enumerate(paid)]
        tx.refund_orders.add(orders)
        assert [tx.refund_orders.automatic_since(NOON + n * SECOND) for n in (0, 1, 2)] == [2, 1, 0]


# How far ledgers were read --------------------------------------------------------------------------------------------


def test_a_mark_begins_where_it_is_first_taken_and_moves(work: UnitOfWork) -> None:
    with work.begin() as tx:
        mark = tx.ledger_marks.take("stars:main", NOON)
    assert mark == LedgerMark(ledger="stars:main", first_started_at=NOON)

    moved = replace(mark, read_to=70, tail_read_at=NOON, whole_begun_at=NOON, whole_read_at=NOON + SECOND)
    moved = replace(moved, drift=250, other_facts=2, unknown_to_provider=0)
    with work.begin() as tx:
        tx.ledger_marks.move(replace(moved, first_started_at=NOON + DAY))
        assert tx.ledger_marks.take("stars:main", NOON + DAY) == moved
        tx.ledger_marks.take("stripe", NOON)
    with work.look() as tx:
        assert [one.ledger for one in tx.ledger_marks.all()] == ["stars:main", "stripe"]


# Payments and the trail, looked for -----------------------------------------------------------------------------------


def test_payments_are_found_by_whatever_is_known_of_them(work: UnitOfWork) -> None:
    with work.begin() as tx:
        tx.invoices.add([invoice()])
    first, second, third = keep_paid(
        work,
        charge(charge_id=ChargeId("a\\")),
        charge(charge_id=ChargeId("b"), payer=BOB),
        charge(charge_id=ChargeId("c"), method=Method.TELEGRAM),
    )
    with work.begin() as tx:
        held = replace(second, status=PaymentStatus.QUARANTINED, quarantine_reason=Objection.WRONG_USER)
        tx.payments.update(replace(held, plan_code=PlanCode("silver")))
        tx.payments.confirm([first.charge.key], NOON)

    def found(**wanted: object) -> set[str]:
        with work.look() as tx:
            page = tx.payments.found(PaymentFilter(**wanted), Page())  # type: ignore[arg-type]
            return {payment.charge.charge_id for payment in page.items}

    assert found() == {"a\\", "b", "c"}
    assert found(user_id=BOB) == {"b"}
    assert found(status=PaymentStatus.QUARANTINED) == {"b"}
    assert found(method=Method.TELEGRAM) == {"c"}
    assert found(plan_code="silver") == {"b"}
    assert found(charge_id="a\\") == {"a\\"}
    assert found(quarantine_reason=Objection.WRONG_USER) == {"b"}
    assert found(quarantine_reason=Objection.BAD_PAYLOAD) == set()
    assert found(unconfirmed=True) == {"b"}
    assert found(user_id=ALICE, method=Method.STARS) == {"a\\"}
    assert found(since=first.received_at) == {"a\\", "b", "c"}
    assert found(until=first.received_at) == set()
    with work.look() as tx:
        assert tx.payments.get(third.id) == third
        assert tx.payments.get(type(third.id)("pay_none")) is None


def test_what_a_ledger_has_is_confirmed_once(work: UnitOfWork) -> None:
    first, second = payments(work, 2)
    with work.begin() as tx:
        tx.payments.confirm([first.charge.key], NOON)
        tx.payments.confirm([first.charge.key, (first.charge.provider, ChargeId("nobody's"))], NOON + DAY)
        tx.payments.confirm([], NOON)

    def unconfirmed(before: timedelta, *methods: Method) -> list[str]:
        with work.look() as tx:
            rows = tx.payments.unconfirmed(methods, NOON + before, at_most=10)
            return [payment.charge.charge_id for payment in rows]

    assert unconfirmed(DAY, Method.STARS) == [second.charge.charge_id]
    assert unconfirmed(DAY, Method.STRIPE) == []
    assert unconfirmed(-DAY, Method.STARS) == []


def test_the_trail_is_found_newest_first_page_by_page(work: UnitOfWork) -> None:
    def entry(number: int) -> TrailEntry:
        return TrailEntry(
            kind="payment_resolved",
            bot=MAIN,
            at=NOON + number * SECOND,
            user_id=ALICE if number % 2 else BOB,
            invoice_id=invoice_id(number % 3 + 1),
            charge_id=ChargeId(f"c\0{number}"),
            actor="olga \0",
            note="why \ud800",
        )

    entries = [entry(number) for number in range(7)]
    with work.begin() as tx:
        tx.trail.add(entries)
    seen: list[TrailEntry] = []
    cursor = None
    for number in range(4):
        with work.look() as tx:
            page = tx.trail.found(TrailFilter(), Page(limit=2, cursor=cursor))
        seen += [kept.entry for kept in page.items]
        cursor = page.next_cursor
        # What comes meanwhile is newer than all that is read: it shifts nothing from one page to the next.
        with work.begin() as tx:
            tx.trail.add([replace(entry(7 + number), user_id=BOB, invoice_id=None)])
    assert cursor is None
    assert seen == entries[::-1]
    with work.look() as tx:
        assert [kept.entry.at for kept in tx.trail.found(TrailFilter(), Page(limit=4)).items] == [
            NOON + number * SECOND for number in (10, 9, 8, 7)
        ]
        assert len(tx.trail.found(TrailFilter(user_id=ALICE), Page()).items) == 3
        assert len(tx.trail.found(TrailFilter(invoice_id=invoice_id(1)), Page()).items) == 3
        assert [kept.entry for kept in tx.trail.found(TrailFilter(charge_id=ChargeId("c\0" + "4")), Page()).items] == [
            entries[4]
        ]


@pytest.mark.parametrize("cursor", ["", "nonsense", "MSAtNQ", "\ud800"])
def test_a_cursor_that_we_never_gave_finds_nothing_of_the_trail(work: UnitOfWork, cursor: str) -> None:
    with work.look() as tx, pytest.raises(InvalidRequest):
        tx.trail.found(TrailFilter(), Page(cursor=cursor))
