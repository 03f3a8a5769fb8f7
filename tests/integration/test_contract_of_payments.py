"""What every place that keeps payments and refunds must do, in memory as in a database."""

from base64 import urlsafe_b64encode
from dataclasses import replace
from datetime import timedelta

import pytest

from application.ports.pages import Page
from application.ports.payments import PaymentFilter
from application.ports.work import UnitOfWork
from domain.catalog import Method
from domain.errors import InvalidRequest
from domain.ids import ChargeId, EntitlementId, PaymentId
from domain.invoice import Objection
from domain.money import MAX_AMOUNT, Money
from domain.payment import DisputeState, Payment, PaymentStatus, Provider
from tests.builders import ALICE, BOB, charge, invoice, payment, pence, refund
from tests.integration.transactions import keep_paid
from tests.memory import NOON

pytest_plugins = ["tests.integration.databases"]

UNKNOWN = (Provider.TELEGRAM, ChargeId("never heard of"))
AWKWARD = "a\0b\ud800c\\u0000\\d\udfff é 🥇 '; DROP TABLE payments; --"


def numbered(number: int, **different: object) -> Payment:
    paid = charge(charge_id=ChargeId(f"charge-{number}"))
    return payment(paid, received_at=NOON + timedelta(seconds=number // 2), **different)


@pytest.mark.threat(16, 31)
@pytest.mark.criterion("3.6")
@pytest.mark.parametrize(
    "received",
    [
        pytest.param(payment(), id="granted"),
        pytest.param(
            payment(
                charge(charge_id=ChargeId(AWKWARD), provider_charge_id=AWKWARD, payload=AWKWARD),
                id=PaymentId("pay_1"),
                invoice_id=None,
                plan_code=None,
                status=PaymentStatus.QUARANTINED,
                quarantine_reason=Objection.BAD_PAYLOAD,
            ),
            id="with texts that no database likes",
        ),
        pytest.param(payment(charge(message=bytes(range(256)) + b"\\u0000\\ud800")), id="with any bytes"),
        pytest.param(payment(charge(message=b"")), id="without a message"),
        pytest.param(payment(status=PaymentStatus.REFUNDED, refunded_at=NOON), id="refunded"),
        pytest.param(payment(charge(provider=Provider.STRIPE, method=Method.STRIPE, paid=pence(1))), id="by Stripe"),
        pytest.param(
            payment(
                charge(paid=pence(2500)),
                amount_refunded=2499,
                disputes={f"dp_{state}": state for state in DisputeState} | {"dp_\\u0000é": DisputeState.WON},
                suspended=EntitlementId("ent_1"),
            ),
            id="in part given back, and in dispute",
        ),
        pytest.param(payment(charge(paid=Money(amount=MAX_AMOUNT, currency="KWD"))), id="of the highest sum"),
        pytest.param(payment(received_at=NOON + timedelta(microseconds=999_999)), id="to the microsecond"),
    ],
)
def test_a_payment_comes_back_as_it_was_kept(work: UnitOfWork, received: Payment) -> None:
    with work.begin() as tx:
        tx.invoices.add([invoice()])
        assert tx.payments.add_new([received]) == {received.charge.key}
    with work.look() as tx:
        assert tx.payments.of([received.charge.key, UNKNOWN]) == {received.charge.key: received}


def test_a_charge_is_kept_once_and_whoever_kept_it_is_told(work: UnitOfWork) -> None:
    keep_paid(work, charge())
    again = payment(charge(payer=BOB), id=PaymentId("pay_again"))
    new = numbered(7)
    with work.begin() as tx:
        assert tx.payments.add_new([again, new]) == {new.charge.key}
        assert tx.payments.add_new([again, new]) == set()
    with work.look() as tx:
        assert tx.payments.of([charge().key])[charge().key].charge.payer == ALICE


def test_two_reports_of_one_charge_in_one_batch_are_one_payment(work: UnitOfWork) -> None:
    with work.begin() as tx:
        tx.invoices.add([invoice()])
        assert tx.payments.add_new([payment(), payment(id=PaymentId("pay_twin"))]) == {charge().key}
        assert tx.payments.of([charge().key]) == {charge().key: payment()}


def test_a_charge_id_is_unique_within_its_provider_only(work: UnitOfWork) -> None:
    by_stripe = payment(charge(provider=Provider.STRIPE), id=PaymentId("pay_stripe"))
    keep_paid(work, charge())
    with work.begin() as tx:
        assert tx.payments.of([by_stripe.charge.key]) == {}
        assert tx.payments.add_new([by_stripe]) == {by_stripe.charge.key}
        assert tx.payments.of([charge().key]) == {charge().key: payment()}


def test_what_became_of_a_payment_changes_and_what_its_charge_says_never(work: UnitOfWork) -> None:
    keep_paid(work)
    ended = replace(payment().refunded(NOON), disputes={"dp_1": DisputeState.LOST}, suspended=EntitlementId("ent_1"))
    with work.begin() as tx:
        tx.payments.update(replace(ended, charge=charge(payer=BOB), received_at=NOON - timedelta(days=1)))
    with work.look() as tx:
        assert tx.payments.of([charge().key])[charge().key] == ended


def test_what_is_no_more_suspended_is_forgotten(work: UnitOfWork) -> None:
    [kept] = keep_paid(work)
    for suspended in (EntitlementId("ent_1"), None):
        with work.begin() as tx:
            tx.payments.update(replace(kept, suspended=suspended))
        with work.look() as tx:
            assert tx.payments.of([kept.charge.key])[kept.charge.key].suspended == suspended


def test_it_is_known_who_ever_paid_by_stripe(work: UnitOfWork) -> None:
    by_bob = charge(provider=Provider.STRIPE, method=Method.STRIPE, payer=BOB, charge_id=ChargeId("pi_1"))
    keep_paid(work, charge(), by_bob)
    with work.look() as tx:
        assert {user: tx.payments.any_by_stripe(user) for user in (ALICE, BOB)} == {ALICE: False, BOB: True}


def test_payments_are_shown_newest_first_page_by_page(work: UnitOfWork) -> None:
    with work.begin() as tx:
        tx.invoices.add([invoice()])
        tx.payments.add_new([numbered(n) for n in range(7)])
        tx.payments.add_new([payment(charge(payer=BOB, charge_id=ChargeId("of bob")))])
    shown: list[Payment] = []
    cursor, pages = None, 0
    while pages == 0 or cursor:
        with work.look() as tx:
            page = tx.payments.found(PaymentFilter(user_id=ALICE), Page(limit=3, cursor=cursor))
        shown += page.items
        cursor, pages = page.next_cursor, pages + 1
    assert shown == [numbered(n) for n in reversed(range(7))]
    assert pages == 3


def test_a_payment_that_comes_while_somebody_turns_pages_shifts_none(work: UnitOfWork) -> None:
    with work.begin() as tx:
        tx.invoices.add([invoice()])
        tx.payments.add_new([numbered(n) for n in range(4)])
    with work.look() as tx:
        first = tx.payments.found(PaymentFilter(user_id=ALICE), Page(limit=2))
    with work.begin() as tx:
        tx.payments.add_new([numbered(9)])
    with work.look() as tx:
        second = tx.payments.found(PaymentFilter(user_id=ALICE), Page(limit=2, cursor=first.next_cursor))
    assert [*first.items, *second.items] == [numbered(n) for n in (3, 2, 1, 0)]
    assert second.next_cursor is None


def test_a_user_without_payments_has_an_empty_page(work: UnitOfWork) -> None:
    with work.look() as tx:
        assert tx.payments.found(PaymentFilter(user_id=BOB), Page()).items == ()


@pytest.mark.threat(16, 31)
def test_ids_that_would_mean_something_in_a_list_are_each_looked_up_as_they_are(work: UnitOfWork) -> None:
    odd = ["NULL", "", "{}", "a,b", '"', '\\"', "\\", "a\\,b", " a ", "[1]", '"a","b"', "{a", "é,\n", "\0,\ud800"]
    kept = [payment(charge(charge_id=ChargeId(text)), id=PaymentId(f"pay_{n}")) for n, text in enumerate(odd)]
    keep_paid(work)
    with work.begin() as tx:
        tx.payments.add_new([replace(one, invoice_id=None) for one in kept])
    with work.look() as tx:
        for one in kept:
            assert [found.id for found in tx.payments.of([one.charge.key]).values()] == [one.id]
        together = tx.payments.of([one.charge.key for one in kept])
        assert {found.id for found in together.values()} == {one.id for one in kept}
        assert not tx.payments.of([(Provider.TELEGRAM, ChargeId(text)) for text in ("a", "b", "null", '""', "a,b,")])


@pytest.mark.threat(31)
@pytest.mark.parametrize(
    "cursor",
    [
        pytest.param("", id="empty"),
        pytest.param("nonsense", id="nonsense"),
        pytest.param("%%%", id="not base64"),
        pytest.param("é\0\ud800", id="not ascii"),
        pytest.param(urlsafe_b64encode(b"1 x' OR 1=1 --").decode(), id="SQL"),
        pytest.param(urlsafe_b64encode(b"99999999999999999999999 pay_1").decode(), id="beyond any number"),
        pytest.param(urlsafe_b64encode(b"999999999999999999 pay_1").decode(), id="beyond year 9999"),
        pytest.param(urlsafe_b64encode(b"\xff\xfe 1").decode(), id="no text"),
        pytest.param("A" * 100_000, id="very long"),
    ],
)
def test_a_cursor_that_we_never_gave_is_refused(work: UnitOfWork, cursor: str) -> None:
    keep_paid(work)
    with work.look() as tx, pytest.raises(InvalidRequest):
        tx.payments.found(PaymentFilter(user_id=ALICE), Page(cursor=cursor))


def test_payments_in_quarantine_are_told_oldest_first_and_no_more_than_twenty(work: UnitOfWork) -> None:
    held = [numbered(n, status=PaymentStatus.QUARANTINED, quarantine_reason=Objection.WRONG_USER) for n in range(25)]
    with work.begin() as tx:
        tx.invoices.add([invoice()])
        tx.payments.add_new([*reversed(held), numbered(99)])
        tx.payments.add_new([payment(charge(payer=BOB, charge_id=ChargeId("bob's")), status=PaymentStatus.QUARANTINED)])
    with work.look() as tx:
        assert list(tx.payments.waiting_of(ALICE)) == sorted(held, key=lambda p: (p.received_at, p.id))[:20]


@pytest.mark.threat(16)
def test_a_refund_is_kept_once_also_of_a_charge_that_nobody_told_of(work: UnitOfWork) -> None:
    first = refund(charge(charge_id=ChargeId(AWKWARD), payload=AWKWARD), message=b"\0\xff")
    with work.begin() as tx:
        assert tx.refunds.add_new(first)
        assert not tx.refunds.add_new(replace(first, refunded_at=NOON + timedelta(days=9)))
        assert tx.refunds.add_new(replace(first, provider=Provider.STRIPE))
    with work.look() as tx:
        assert tx.refunds.of([first.key, UNKNOWN]) == {first.key: first}
        assert tx.refunds.of([]) == {}


def test_nothing_is_asked_of_the_database_for_no_payments(work: UnitOfWork) -> None:
    with work.begin() as tx:
        assert tx.payments.of([]) == {}
        assert tx.payments.add_new([]) == set()
