"""What every place that keeps Stripe's pages, customers and events must do, in memory as in a database."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from application.checkout import CheckoutDesk, OpenCheckout
from application.invoicing import Order
from application.ports.checkout import KeptCheckout, StripeEvent
from application.ports.work import UnitOfWork
from domain.catalog import Method
from domain.errors import Unavailable
from domain.ids import InvoiceId, UserId
from domain.payment import DisputeState
from tests.builders import (
    ALICE,
    ALL_TILLS,
    BOB,
    GOLD,
    MAIN,
    SILVER,
    Service,
    charge,
    invoice,
    invoice_id,
    refund,
    shop,
    standing,
    stripe_charge,
    stripe_invoice,
)
from tests.integration.transactions import undone
from tests.memory import NOON, FixedClock, MemoryCheckout, MemoryJournal

pytest_plugins = ["tests.integration.databases"]

SECOND = timedelta(seconds=1)
SILVER_IN_POUNDS = replace(SILVER, prices={"GBP": 300})
AWKWARD = "a\0b\ud800c\\u0000 é 🥇 '; DROP TABLE checkouts; --"
EVENT = StripeEvent(
    id="evt_1", type="checkout.session.completed", live=True, object_id="cs_1", body=b'{"id":"evt_1"}\0\xff'
)


def begin(
    work: UnitOfWork, number: int = 1, *, user: UserId = ALICE, key: str | None = None, fingerprint: str = "gold"
) -> InvoiceId:
    with work.begin() as tx:
        tx.invoices.add([invoice(id=invoice_id(number))])
        begun = KeptCheckout(invoice_id=invoice_id(number))
        tx.checkouts.add(begun, user_id=user, key=key, fingerprint=fingerprint, now=NOON)
    return begun.invoice_id


@pytest.mark.parametrize("key", ["6d5b-4a", AWKWARD, "k" * 255], ids=["short", "awkward", "long"])
def test_what_was_begun_under_a_key_is_found_by_it_with_its_fingerprint(work: UnitOfWork, key: str) -> None:
    begun = KeptCheckout(invoice_id=begin(work, key=key))
    with work.look() as tx:
        assert tx.checkouts.by_key(ALICE, key) == ("gold", begun)
        assert tx.checkouts.by_key(ALICE, key + "!") is None
        assert tx.checkouts.of(begun.invoice_id) == begun


def test_a_key_is_its_user_s_own(work: UnitOfWork) -> None:
    begin(work, 1, key="k", fingerprint="gold")
    begin(work, 2, key="k", fingerprint="silver", user=BOB)
    with work.look() as tx:
        assert tx.checkouts.by_key(ALICE, "k") == ("gold", KeptCheckout(invoice_id=invoice_id(1)))
        assert tx.checkouts.by_key(BOB, "k") == ("silver", KeptCheckout(invoice_id=invoice_id(2)))


def test_a_key_stands_for_one_purchase(work: UnitOfWork) -> None:
    begin(work, 1, key="k")
    with pytest.raises(Unavailable):
        begin(work, 2, key="k")
    with work.look() as tx:
        assert tx.invoices.of([invoice_id(2)]) == {}


def test_an_invoice_is_begun_once(work: UnitOfWork) -> None:
    begin(work, 1)
    with pytest.raises(Unavailable):
        begin(work, 1, key="k")


def test_many_purchases_need_no_key(work: UnitOfWork) -> None:
    for number in range(3):
        begin(work, number)
    with work.look() as tx:
        assert [tx.checkouts.of(invoice_id(n)) for n in range(4)] == [
            *(KeptCheckout(invoice_id=invoice_id(n)) for n in range(3)),
            None,
        ]


def test_the_page_is_kept_once_stripe_has_made_it(work: UnitOfWork) -> None:
    page = KeptCheckout(invoice_id=begin(work, key="k"), session_id="cs_1", url="https://checkout.stripe.com/c/1#é")
    begin(work, 2)
    with work.begin() as tx:
        tx.checkouts.opened(page)
        tx.checkouts.opened(replace(page, invoice_id=invoice_id(9)))
    with work.look() as tx:
        assert tx.checkouts.by_key(ALICE, "k") == ("gold", page)
        assert tx.checkouts.of(page.invoice_id) == page
        assert tx.checkouts.of(invoice_id(2)) == KeptCheckout(invoice_id=invoice_id(2))
        assert tx.checkouts.of(invoice_id(9)) is None


def test_a_key_that_was_let_go_of_can_begin_anew(work: UnitOfWork) -> None:
    begin(work, 1, key="k")
    with work.begin() as tx:
        tx.checkouts.release(invoice_id(1))
        tx.checkouts.release(invoice_id(9))
        assert tx.checkouts.by_key(ALICE, "k") is None
    begin(work, 2, key="k")
    with work.look() as tx:
        assert tx.checkouts.of(invoice_id(1)) == KeptCheckout(invoice_id=invoice_id(1))
        assert tx.checkouts.by_key(ALICE, "k") == ("gold", KeptCheckout(invoice_id=invoice_id(2)))


def test_a_user_has_one_customer_and_the_first_stays(work: UnitOfWork) -> None:
    with work.begin() as tx:
        assert tx.customers.of(ALICE) is None
        assert tx.customers.add(ALICE, "cus_1") == "cus_1"
        assert tx.customers.add(ALICE, "cus_2") == "cus_1"
        assert tx.customers.add(BOB, "cus_3") == "cus_3"
    with work.look() as tx:
        assert (tx.customers.of(ALICE), tx.customers.of(BOB)) == ("cus_1", "cus_3")


def test_a_customer_is_one_user(work: UnitOfWork) -> None:
    with work.begin() as tx:
        tx.customers.add(ALICE, "cus_1")
    with pytest.raises(Unavailable), work.begin() as tx:
        tx.customers.add(BOB, "cus_1")
    with work.look() as tx:
        assert tx.customers.of(BOB) is None


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(EVENT, id="live"),
        pytest.param(replace(EVENT, live=False), id="of a test"),
        pytest.param(replace(EVENT, type=AWKWARD, object_id="", body=b""), id="odd"),
    ],
)
def test_an_event_is_kept_once(work: UnitOfWork, event: StripeEvent) -> None:
    for later in range(2):
        with work.begin() as tx:
            assert tx.stripe_events.known(event.id) is (later > 0)
            tx.stripe_events.add(event, "settled", NOON + later * SECOND)
            tx.stripe_events.add(replace(event, type="other"), "foreign", NOON)
    with work.look() as tx:
        assert tx.stripe_events.known(event.id)
        assert not tx.stripe_events.known("evt_none")


def test_what_was_undone_was_never_begun(work: UnitOfWork) -> None:
    with undone(work) as tx:
        tx.invoices.add([invoice()])
        tx.checkouts.add(KeptCheckout(invoice_id=invoice_id()), user_id=ALICE, key="k", fingerprint="gold", now=NOON)
        tx.customers.add(ALICE, "cus_1")
        tx.stripe_events.add(EVENT, "settled", NOON)
    with work.look() as tx:
        assert tx.checkouts.by_key(ALICE, "k") is None
        assert tx.customers.of(ALICE) is None
        assert not tx.stripe_events.known(EVENT.id)


# Whole stories over it ------------------------------------------------------------------------------------------------


def test_one_key_used_many_times_at_once_is_one_purchase(work: UnitOfWork) -> None:
    stripe = MemoryCheckout()
    desk = CheckoutDesk(
        work=work, clock=FixedClock(), shop=shop(tills=ALL_TILLS), checkout=stripe, journal=MemoryJournal()
    )
    order = Order(user_id=ALICE, plan_code=GOLD.code, method=Method.STRIPE, bot=MAIN)

    with ThreadPoolExecutor(8) as threads:
        opened = [threads.submit(OpenCheckout(desk=desk), order, "key") for _ in range(8)]
        answers = [one.result() for one in opened]

    assert len({invoice.id for invoice, _ in answers}) == 1
    assert len({page.url for _, page in answers}) == 1
    with work.look() as tx:
        assert tx.customers.of(ALICE) == "cus_1"


@pytest.mark.parametrize("end", ["won", "lost"])
def test_what_a_dispute_interrupts_goes_on_or_ends_as_it_does_in_memory(work: UnitOfWork, end: str) -> None:
    told = [dispute_story(Service(), end), dispute_story(Service(work=work), end)]  # type: ignore[arg-type]

    assert told[0] == told[1]


def dispute_story(service: Service, end: str) -> list[tuple[object, ...]]:
    """Alice pays by Stripe, then in Telegram; a part goes back, and her bank takes the rest for a while."""
    by_stripe = stripe_charge(stripe_invoice(SILVER_IN_POUNDS))
    with service.work.begin() as tx:
        tx.invoices.add([stripe_invoice(SILVER_IN_POUNDS), invoice(SILVER, id=invoice_id(2))])
    service.settle(by_stripe)
    service.settle(charge(invoice(SILVER, id=invoice_id(2))))
    service.clock.pass_by(timedelta(days=1, microseconds=1))
    for standing_now in (
        standing(by_stripe, amount_refunded=100),
        standing(by_stripe, amount_refunded=100, disputes={"dp": DisputeState.WITHDRAWN}),
    ):
        service.follow(standing_now, standing_now)
    service.clock.pass_by(timedelta(days=1))
    if end == "won":
        service.follow(standing(by_stripe, amount_refunded=100, disputes={"dp": DisputeState.WON}))
    else:
        service.refund(refund(by_stripe))
    with service.work.look() as tx:
        spans = tx.entitlements.of_user(ALICE)
        payment = tx.payments.of([by_stripe.key])[by_stripe.key]
    assert payment.suspended is None
    return [
        (payment.status, payment.amount_refunded, payment.disputes),
        *((e.id, e.starts_at, e.expires_at, e.revoked_at, str(e.duration)) for e in spans),
    ]
