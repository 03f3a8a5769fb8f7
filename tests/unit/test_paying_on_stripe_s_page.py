"""Stripe's page asks for exactly the invoice's price, is made once, and leads nowhere when Stripe is away."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from application.checkout import OpenPortal
from application.invoicing import Order
from application.ports.checkout import CheckoutSession, KeptCheckout
from application.ports.trail import TrailEntry
from application.shop import ATTEMPTS_WITHIN
from domain.catalog import Method
from domain.errors import (
    AlreadyEntitled,
    IdempotencyMismatch,
    MethodUnavailable,
    NotFound,
    ProviderUnavailable,
    RateLimited,
    Refusal,
    Unavailable,
    UnknownPlan,
)
from domain.events import CheckoutMismatched, InvoiceIssued, InvoiceNotSent, InvoiceSent, PurchaseRefused
from domain.ids import ChargeId, InvoiceId, PlanCode, UserId
from domain.invoice import Invoice
from domain.money import Money
from domain.payment import PaymentStatus
from tests.builders import (
    ALICE,
    ALL_TILLS,
    BOB,
    DAY,
    FOR_LIFE,
    GOLD,
    HOUR,
    MAIN,
    RETURN_URL,
    SECOND,
    SECOND_BOT,
    SILVER,
    Rigged,
    Service,
    charge,
    entitlement,
    invoice_id,
    payload,
    payment,
    pence,
    shop,
    stars,
    stripe_charge,
    stripe_invoice,
)
from tests.memory import NOON, MemoryCheckout, MemoryTransaction, MemoryUnitOfWork

MINUTE = timedelta(minutes=1)


def order(**different: Any) -> Order:
    """Alice wants gold, by Stripe."""
    return Order(**{"user_id": ALICE, "plan_code": GOLD.code, "method": Method.STRIPE, "bot": MAIN, **different})


def service(**different: Any) -> Service:
    """With Stripe set up."""
    return Service(shop=shop(tills=ALL_TILLS, **different))


def page(number: int = 1, of: InvoiceId | None = None) -> KeptCheckout:
    return KeptCheckout(
        invoice_id=of or invoice_id(number),
        session_id=f"cs_{number}",
        url=f"https://checkout.stripe.com/c/{number}",
    )


def settled(asked: Service) -> None:
    """Alice has paid by Stripe once."""
    asked.keep(stripe_invoice(id=invoice_id(99)))
    asked.settle(stripe_charge(stripe_invoice(id=invoice_id(99))))


def test_the_page_is_made_for_the_invoice_and_carries_what_we_signed() -> None:
    asked = service()

    issued, opened = asked.open(order())

    assert issued == stripe_invoice()
    assert opened == page()
    assert asked.checkout.opened == [(issued, payload(issued), "cus_1")]
    assert asked.state.checkouts[issued.id].checkout == opened
    assert asked.state.trail == [
        TrailEntry(kind="invoice_issued", bot=MAIN, at=NOON, user_id=ALICE, invoice_id=issued.id)
    ]
    assert asked.journal.events == [
        InvoiceIssued(invoice=issued),
        InvoiceSent(invoice=issued, telegram_message_id=None),
    ]


def test_the_page_alone_opens_nothing() -> None:
    asked = service()

    asked.open(order())

    assert asked.state.entitlements == {}
    assert not asked.check(ALICE, "signals").allowed


def test_what_is_paid_there_is_granted() -> None:
    asked = service()
    issued, _ = asked.open(order())

    [paid] = asked.settle(stripe_charge(issued)).values()

    assert paid.status is PaymentStatus.GRANTED
    assert asked.check(ALICE, "signals").allowed


@pytest.mark.parametrize("late", [HOUR + SECOND, 23 * HOUR, 9 * DAY], ids=["an hour", "a day", "days"])
def test_what_is_paid_there_is_granted_however_late_it_is_heard_of(late: timedelta) -> None:
    asked = service()
    issued, _ = asked.open(order())
    asked.clock.pass_by(late)

    [paid] = asked.settle(stripe_charge(issued, charged_at=NOON + late)).values()

    assert paid.status is PaymentStatus.GRANTED


@pytest.mark.parametrize(
    ("time_to_live", "lives"),
    [
        pytest.param(MINUTE, 31 * MINUTE, id="no less than Stripe allows, and a minute for the way there"),
        pytest.param(31 * MINUTE, 31 * MINUTE, id="as long as Stripe allows"),
        pytest.param(HOUR, HOUR, id="as long as any invoice"),
    ],
)
def test_an_invoice_for_stripe_lives(time_to_live: timedelta, lives: timedelta) -> None:
    asked = service(time_to_live=time_to_live)

    issued, _ = asked.open(order())

    assert issued.expires_at == NOON + lives


@pytest.mark.parametrize(
    ("different", "refusal"),
    [
        pytest.param({"plan_code": "platinum"}, UnknownPlan, id="no plan"),
        pytest.param({"plan_code": SILVER.code}, MethodUnavailable, id="a plan without a price in Stripe's currency"),
        pytest.param({"plan_code": FOR_LIFE.code}, AlreadyEntitled, id="a plan that is held for life"),
    ],
)
def test_no_page_is_made_for(different: Mapping[str, Any], refusal: type[Refusal]) -> None:
    asked = service()
    asked.give(entitlement(FOR_LIFE))

    with pytest.raises(refusal):
        asked.open(order(**different))

    assert (asked.checkout.opened, asked.checkout.customers) == ([], {})
    assert (asked.state.invoices, asked.state.checkouts, asked.state.attempts) == ({}, {}, {})
    assert asked.journal.events == [PurchaseRefused(user_id=ALICE, plan_code=different["plan_code"], code=refusal.code)]


def test_who_has_not_set_up_stripe_sells_nothing_by_it() -> None:
    with pytest.raises(MethodUnavailable):
        Service().open(order())


def test_pages_count_as_attempts_together_with_all_other_ways() -> None:
    asked = service(attempts_per_minute=2)
    asked.open(order())
    asked.open(order(), "key")

    with pytest.raises(RateLimited):
        asked.open(order())
    assert len(asked.checkout.opened) == 2


# The price ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "price",
    [
        pytest.param(pence(2499), id="a penny less"),
        pytest.param(pence(2501), id="a penny more"),
        pytest.param(Money(amount=2500, currency="USD"), id="as much of another currency"),
        pytest.param(stars(2500), id="Stars"),
    ],
)
def test_a_page_that_asks_for_another_price_is_closed_at_once_and_the_operator_is_told(price: Money) -> None:
    asked = service()
    asked.checkout.price = price

    with pytest.raises(ProviderUnavailable, match="another price"):
        asked.open(order(), "key")

    assert asked.checkout.expired == ["cs_1"]
    [issued] = asked.state.invoices.values()
    assert asked.state.checkouts[issued.id].checkout == KeptCheckout(invoice_id=issued.id)
    assert asked.journal.events == [
        InvoiceIssued(invoice=issued),
        CheckoutMismatched(invoice=issued, asked_for=price),
        InvoiceNotSent(invoice=issued, problem="Stripe asks for another price than ours. Nothing was charged."),
    ]


def test_once_the_price_is_put_right_the_same_request_works() -> None:
    asked = service()
    asked.checkout.price = pence(9999)
    with pytest.raises(ProviderUnavailable):
        asked.open(order(), "key")

    asked.checkout.price = None
    issued, opened = asked.open(order(), "key")

    assert (issued.id, opened) == (invoice_id(2), page(2))
    assert asked.open(order(), "key") == (issued, opened)


class Stubborn(MemoryCheckout):
    """Makes pages, and closes none."""

    def expire(self, session_id: str) -> None:
        raise ProviderUnavailable("Stripe does not answer.")


def test_a_page_at_a_wrong_price_that_can_not_be_closed_is_told_to_nobody_all_the_same() -> None:
    asked = service()
    asked.checkout = Stubborn(price=pence(1))

    with pytest.raises(ProviderUnavailable):
        asked.open(order(), "key")

    [issued] = asked.state.invoices.values()
    assert [type(event) for event in asked.journal.events] == [InvoiceIssued, CheckoutMismatched, InvoiceNotSent]
    assert asked.state.checkouts[issued.id].checkout.url == ""
    assert asked.state.checkouts[issued.id].key is None


def test_what_somebody_pays_at_a_wrong_price_is_kept_and_opens_nothing() -> None:
    asked = service()
    asked.checkout.price = pence(1)
    with pytest.raises(ProviderUnavailable):
        asked.open(order())
    [issued] = asked.state.invoices.values()

    [paid] = asked.settle(stripe_charge(issued, paid=pence(1))).values()

    assert (paid.status, paid.quarantine_reason) == (PaymentStatus.QUARANTINED, "amount_mismatch")


# The caller's key -----------------------------------------------------------------------------------------------------


def test_the_same_key_gives_the_same_page_and_is_no_new_attempt() -> None:
    asked = service(attempts_per_minute=1)
    first = asked.open(order(), "key")
    told = len(asked.journal.events)
    asked.clock.pass_by(DAY)

    assert [asked.open(order(), "key") for _ in range(3)] == [first] * 3
    assert len(asked.checkout.opened) == 1
    assert len(asked.state.invoices) == 1
    assert len(asked.journal.events) == told


def test_the_same_key_gives_the_same_page_also_once_it_was_paid() -> None:
    asked = service()
    issued, opened = asked.open(order(), "key")
    asked.settle(stripe_charge(issued))

    again, reopened = asked.open(order(), "key")

    assert (again.id, reopened) == (issued.id, opened)


@pytest.mark.parametrize("key", [None, ""], ids=["no key", "an empty one"])
def test_without_a_key_every_request_is_a_purchase_of_its_own(key: str | None) -> None:
    asked = service()

    assert [asked.open(order(), key)[1] for _ in range(2)] == [page(1), page(2)]


def test_another_key_is_another_purchase() -> None:
    asked = service()

    assert [asked.open(order(), key)[1] for key in ("a", "b", "a")] == [page(1), page(2), page(1)]


def test_a_key_is_its_user_s_own() -> None:
    asked = service()

    assert asked.open(order(), "key")[1] == page(1)
    assert asked.open(order(user_id=BOB), "key")[1] == page(2)


@pytest.mark.parametrize(
    "different",
    [
        pytest.param({"plan_code": FOR_LIFE.code}, id="another plan"),
        pytest.param({"plan_code": "platinum"}, id="a plan that is not there"),
        pytest.param({"bot": SECOND_BOT}, id="another bot"),
    ],
)
def test_a_key_that_came_before_is_refused_with(different: Mapping[str, Any]) -> None:
    asked = service()
    asked.open(order(), "key")
    before = asked.state.copy()

    with pytest.raises(IdempotencyMismatch):
        asked.open(order(**different), "key")

    assert asked.state == before
    assert asked.journal.events[-1] == PurchaseRefused(
        user_id=ALICE, plan_code=PlanCode(order(**different).plan_code), code="idempotency_mismatch"
    )


def test_requests_of_one_user_stand_in_line_so_that_a_key_is_looked_for_and_kept_at_once() -> None:
    begun: list[MemoryTransaction] = []
    asked = Service(shop=shop(tills=ALL_TILLS), work=Rigged(rig=begun.append))

    asked.open(order(), "key")

    assert begun[0].locked == [ALICE]


# Stripe away ----------------------------------------------------------------------------------------------------------


def test_while_stripe_is_away_no_page_is_promised_and_the_operator_is_told() -> None:
    asked = service()
    asked.checkout.unavailable = True

    with pytest.raises(ProviderUnavailable):
        asked.open(order())

    [issued] = asked.state.invoices.values()
    assert asked.journal.events == [
        InvoiceIssued(invoice=issued),
        InvoiceNotSent(invoice=issued, problem="Stripe does not answer."),
    ]
    assert asked.state.checkouts[issued.id].checkout == KeptCheckout(invoice_id=issued.id)
    assert asked.state.customers == {}


def test_when_stripe_is_back_the_same_request_is_carried_out_for_the_same_invoice() -> None:
    asked = service(attempts_per_minute=1)
    asked.checkout.unavailable = True
    with pytest.raises(ProviderUnavailable):
        asked.open(order(), "key")
    asked.clock.pass_by(30 * MINUTE)

    asked.checkout.unavailable = False
    issued, opened = asked.open(order(), "key")

    assert (issued.id, opened) == (invoice_id(1), page(1))
    assert len(asked.state.invoices) == 1


def test_when_stripe_is_back_too_late_for_that_invoice_the_same_request_gets_a_new_one() -> None:
    asked = service()
    asked.checkout.unavailable = True
    with pytest.raises(ProviderUnavailable):
        asked.open(order(), "key")
    asked.clock.pass_by(30 * MINUTE + SECOND)  # a page lives for half an hour at least, and the invoice no longer does

    asked.checkout.unavailable = False
    issued, opened = asked.open(order(), "key")

    assert (issued.id, opened.invoice_id) == (invoice_id(2), invoice_id(2))
    assert asked.checkout.opened == [(issued, payload(issued), "cus_1")]
    assert asked.open(order(), "key") == (issued, opened)


def test_a_request_that_begins_anew_is_an_attempt_like_any_other() -> None:
    asked = service(attempts_per_minute=1)
    asked.checkout.unavailable = True
    with pytest.raises(ProviderUnavailable):
        asked.open(order(), "key")
    asked.clock.pass_by(31 * MINUTE)
    with pytest.raises(ProviderUnavailable):
        asked.open(order(), "another")

    with pytest.raises(RateLimited):
        asked.open(order(), "key")
    asked.clock.pass_by(ATTEMPTS_WITHIN)
    with pytest.raises(ProviderUnavailable):
        asked.open(order(), "key")


def test_a_page_that_the_database_failed_to_keep_is_given_again_by_the_same_key() -> None:
    asked = service()
    kept: list[MemoryTransaction] = []

    def failing(tx: MemoryTransaction) -> None:
        kept.append(tx)
        if len(kept) == 3:  # the invoice, the customer, the page
            raise Unavailable("The database does not answer.")

    asked.work = Rigged(rig=failing)
    with pytest.raises(Unavailable):
        asked.open(order(), "key")

    asked.work = MemoryUnitOfWork(state=asked.state)
    issued, opened = asked.open(order(), "key")

    assert opened == page(1)
    assert [invoice.id for invoice, _, _ in asked.checkout.opened] == [issued.id, issued.id]


@dataclass(slots=True, kw_only=True)
class Crowded(MemoryCheckout):
    """Lets in one of two who ask for the same page at the same moment: the other one, who has kept it already."""

    work: MemoryUnitOfWork

    def open(self, invoice: Invoice, payload: str, customer_id: str) -> CheckoutSession:
        made = MemoryCheckout.open(self, invoice, payload, customer_id)
        with self.work.begin() as tx:
            tx.checkouts.opened(KeptCheckout(invoice_id=invoice.id, session_id=made.id, url=made.url))
        raise ProviderUnavailable("Stripe is still busy with what we asked for before.")


def test_of_two_who_ask_for_the_same_page_at_once_both_get_it() -> None:
    asked = service()
    asked.checkout = Crowded(work=asked.work)

    issued, opened = asked.open(order(), "key")

    assert opened == page()
    assert asked.journal.events == [InvoiceIssued(invoice=issued)], "that it is there is told by the other one"


# Stripe's customer ----------------------------------------------------------------------------------------------------


def test_a_customer_is_made_once_for_each_user() -> None:
    asked = service()

    for who in (ALICE, BOB, ALICE):
        asked.open(order(user_id=who))

    assert asked.state.customers == {ALICE: "cus_1", BOB: "cus_2"}
    assert [customer for _, _, customer in asked.checkout.opened] == ["cus_1", "cus_2", "cus_1"]


def test_stripe_is_not_asked_for_a_customer_that_is_known() -> None:
    asked = service()
    asked.open(order())
    asked.checkout.customers.clear()

    asked.open(order())

    assert asked.checkout.customers == {}


class Slow(MemoryCheckout):
    """While it makes a customer, another process has made and kept one."""

    work: MemoryUnitOfWork

    def create_customer(self, user_id: UserId) -> str:
        with self.work.begin() as tx:
            tx.customers.add(user_id, "cus_first")
        return MemoryCheckout.create_customer(self, user_id)


def test_of_two_customers_made_at_once_the_first_is_everybody_s() -> None:
    asked = service()
    slow = Slow()
    slow.work = asked.work
    asked.checkout = slow

    asked.open(order())
    asked.open(order())

    assert [customer for _, _, customer in asked.checkout.opened] == ["cus_first", "cus_first"]


# The customer's own page ----------------------------------------------------------------------------------------------


def test_who_paid_by_stripe_gets_the_way_to_their_own_page() -> None:
    asked = service()
    asked.open(order())
    settled(asked)

    assert OpenPortal(desk=asked.desk)(ALICE, RETURN_URL) == "https://billing.stripe.com/p/1"
    assert asked.checkout.portals == [("cus_1", RETURN_URL)]


def test_who_paid_before_a_backup_was_restored_gets_there_too() -> None:
    asked = service()
    settled(asked)

    OpenPortal(desk=asked.desk)(ALICE, RETURN_URL)

    assert asked.state.customers == {ALICE: "cus_1"}


@pytest.mark.parametrize("paid_in_telegram", [True, False])
def test_who_only_began_to_pay_by_stripe_has_no_such_page(paid_in_telegram: bool) -> None:
    asked = service()
    asked.open(order())
    if paid_in_telegram:
        asked.state.payments[charge().key] = payment()
    asked.state.payments[stripe_charge().key] = payment(stripe_charge(payer=BOB))

    with pytest.raises(NotFound):
        OpenPortal(desk=asked.desk)(ALICE, RETURN_URL)
    assert asked.checkout.portals == []


def test_while_stripe_is_away_there_is_no_such_page() -> None:
    asked = service()
    settled(asked)
    asked.checkout.unavailable = True

    with pytest.raises(ProviderUnavailable):
        OpenPortal(desk=asked.desk)(ALICE, RETURN_URL)


# Both ways to pay at once ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stripe_first", [True, False], ids=["Stripe first", "Telegram first"])
@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "one by one"])
def test_the_same_plan_paid_by_stripe_and_in_telegram_is_held_twice_as_long(stripe_first: bool, at_once: bool) -> None:
    asked = service()
    by_stripe, _ = asked.open(order())
    by_stars = replace(
        stripe_invoice(id=invoice_id(7)), method=Method.STARS, offer=GOLD.offer("XTR") or by_stripe.offer
    )
    asked.keep(by_stars)
    charges = [stripe_charge(by_stripe), charge(by_stars)]
    charges = charges if stripe_first else charges[::-1]

    if at_once:
        asked.settle(*charges)
    else:
        for one in charges:
            asked.settle(one)

    assert {p.status for p in asked.state.payments.values()} == {PaymentStatus.GRANTED}
    first, second = asked.held(ALICE)
    assert (first.starts_at, second.starts_at) == (NOON, first.expires_at)
    assert {first.payment_id, second.payment_id} == {p.id for p in asked.state.payments.values()}


def test_a_page_that_was_paid_twice_keeps_both_charges_and_grants_one() -> None:
    asked = service()
    issued, _ = asked.open(order())

    asked.settle(stripe_charge(issued))
    asked.settle(stripe_charge(issued, charge_id=ChargeId("pi_2")))

    reasons = {p.charge.charge_id: p.quarantine_reason for p in asked.state.payments.values()}
    assert reasons == {"pi_1": None, "pi_2": "invoice_already_paid"}
    assert len(asked.held(ALICE)) == 1
