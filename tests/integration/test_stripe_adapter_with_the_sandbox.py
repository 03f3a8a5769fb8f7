"""Stripe's own library against the sandbox's Stripe: pages are made once, and what an event is about is asked anew."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe

from adapters.stripe.account import MappedPrice, StripeAccount
from adapters.stripe.checkout import StripeCheckout
from adapters.stripe.events import EVENT_TYPES
from application.ports.checkout import CheckoutSession, StripeEvent, StripeSnapshot
from domain.catalog import Method, Offer
from domain.errors import ProviderUnavailable
from domain.ids import UserId
from domain.invoice import Invoice
from domain.money import Money
from domain.payment import DisputeState, Provider
from tests.builders import ALICE, BOB, GOLD, HOUR, SIGNER, invoice, invoice_id, payload, pence
from tests.integration.sandbox_server import CardOutcome, SandboxServer, SandboxStripe

DONE = "https://shop.example/done"
CANCELLED = "https://shop.example/cancelled"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(time_scale=0.01) as sandbox:
        yield sandbox


@pytest.fixture
def theirs(sandbox: SandboxServer) -> Iterator[SandboxStripe]:
    sandbox.stripe.reset()
    yield sandbox.stripe
    sandbox.stripe.faults()


@pytest.fixture
def checkout(theirs: SandboxStripe) -> Iterator[StripeCheckout]:
    checkout = checkout_of(theirs)
    yield checkout
    checkout.close()


def checkout_of(theirs: SandboxStripe, *, key: str = "", **different: Any) -> StripeCheckout:
    described = {"price_map": {}, "success_url": DONE, "cancel_url": CANCELLED}
    return StripeCheckout(key or theirs.secret_key, theirs.api_base, **described | different)


def offered(number: int = 1, price: Money | None = None, **different: Any) -> Invoice:
    """Gold for £25.00, offered to Alice just now, good for an hour."""
    paid = price or pence(2500)
    now = datetime.now(UTC).replace(microsecond=0)
    offer = Offer(
        plan_code=GOLD.code,
        title=GOLD.title,
        description=GOLD.description,
        price=paid,
        duration=GOLD.duration,
        features=GOLD.features,
        limits=GOLD.limits,
    )
    of = invoice(id=invoice_id(number), issued_at=now, method=Method.STRIPE, offer=offer)
    return replace(of, **different)


def opened(checkout: StripeCheckout, of: Invoice | None = None, user: UserId = ALICE) -> CheckoutSession:
    what = of or offered()
    return checkout.open(what, payload(what), checkout.create_customer(user))


def bell(type_: str, object_id: str, *, live: bool = False) -> StripeEvent:
    return StripeEvent(id="evt_1", type=type_, live=live, object_id=object_id, body=b"")


def rung(theirs: SandboxStripe, event_type: str = "") -> list[StripeEvent]:
    """Every event that Stripe has made, as our webhook would read it."""
    return [
        StripeEvent(
            id=event["id"],
            type=event["type"],
            live=event["livemode"],
            object_id=event["data"]["object"].get("id", ""),
            body=b"",
        )
        for event in (one["event"] for one in theirs.events(event_type))
    ]


def now_of(checkout: StripeCheckout, paid: CardOutcome) -> StripeSnapshot:
    snapshot = checkout.snapshot(bell("payment_intent.succeeded", paid.payment_intent))
    assert snapshot is not None
    return snapshot


def asked(theirs: SandboxStripe, method: str) -> list[dict[str, Any]]:
    return [call["arguments"] for call in theirs.calls(method)]


# Customers and pages


def test_a_user_is_one_customer_however_often_asked(checkout: StripeCheckout, theirs: SandboxStripe) -> None:
    assert checkout.create_customer(ALICE) == checkout.create_customer(ALICE)
    assert checkout.create_customer(BOB) != checkout.create_customer(ALICE)
    assert asked(theirs, "customers.create")[0]["metadata"] == {"tollgram": "1", "user_id": str(ALICE)}


def test_a_page_asks_the_invoice_s_price_for_its_plan(checkout: StripeCheckout, theirs: SandboxStripe) -> None:
    of = offered()
    page = opened(checkout, of)
    (sent,) = asked(theirs, "checkout.sessions.create")
    assert page.price == pence(2500)
    assert page.url.startswith("http")
    assert sent["line_items"]["0"]["price_data"] == {
        "currency": "gbp",
        "unit_amount": "2500",
        "product_data": {"name": "Gold, 1 month", "description": "Signals and copy trading"},
    }
    assert (sent["mode"], sent["client_reference_id"]) == ("payment", str(ALICE))
    assert (sent["success_url"], sent["cancel_url"]) == (DONE, CANCELLED)
    assert sent["adaptive_pricing"] == {"enabled": "false"}
    assert int(sent["expires_at"]) == of.expires_at.timestamp()


def test_a_page_and_its_payment_say_whose_they_are(checkout: StripeCheckout, theirs: SandboxStripe) -> None:
    of = offered()
    opened(checkout, of)
    (sent,) = asked(theirs, "checkout.sessions.create")
    assert sent["metadata"] == sent["payment_intent_data"]["metadata"]
    assert sent["metadata"] == {
        "tollgram": "1",
        "invoice_id": of.id,
        "user_id": str(ALICE),
        "plan_code": "gold_1m",
        "bot": "main",
        "payload": SIGNER.sign(of.terms, of.bot),
    }


def test_the_same_invoice_has_one_page_and_another_its_own(checkout: StripeCheckout) -> None:
    of = offered()
    assert opened(checkout, of) == opened(checkout, of)
    assert opened(checkout, offered(2)).id != opened(checkout, of).id


def test_a_page_whose_answer_was_lost_is_the_same_when_asked_again(
    checkout: StripeCheckout, theirs: SandboxStripe
) -> None:
    theirs.faults(api_lose_replies=1, api_methods=["checkout.sessions.create"])
    page = opened(checkout)
    first, again = theirs.calls("checkout.sessions.create")
    assert first["fault"] == "reply lost"
    assert first["answer"]["id"] == again["answer"]["id"] == page.id


def test_a_page_never_outlives_the_day_that_stripe_allows(checkout: StripeCheckout) -> None:
    of = offered()
    assert opened(checkout, replace(of, expires_at=of.issued_at + timedelta(days=3))).price == pence(2500)


@pytest.mark.parametrize(
    ("price", "at_stripe"),
    [
        (Money(amount=1200, currency="JPY"), {"currency": "jpy", "unit_amount": "1200"}),
        (Money(amount=5, currency="ISK"), {"currency": "isk", "unit_amount": "500"}),
        (Money(amount=5120, currency="KWD"), {"currency": "kwd", "unit_amount": "5120"}),
    ],
    ids=["yen", "krona", "dinar"],
)
def test_a_price_without_or_with_three_decimals_is_the_same_money_there_and_back(
    checkout: StripeCheckout, theirs: SandboxStripe, price: Money, at_stripe: dict[str, str]
) -> None:
    page = opened(checkout, offered(price=price))
    sent = asked(theirs, "checkout.sessions.create")[0]["line_items"]["0"]["price_data"]
    assert page.price == price
    assert {name: sent[name] for name in at_stripe} == at_stripe
    charge = now_of(checkout, theirs.pay(page.id)).charge
    assert charge is not None
    assert charge.paid == price


def test_a_price_that_stripe_can_not_charge_is_not_asked_for(checkout: StripeCheckout, theirs: SandboxStripe) -> None:
    with pytest.raises(ProviderUnavailable, match="steps of 10"):
        opened(checkout, offered(price=Money(amount=5124, currency="KWD")))
    assert asked(theirs, "checkout.sessions.create") == []


def test_a_mapped_price_is_stripe_s_and_told_as_stripe_says_it(theirs: SandboxStripe) -> None:
    theirs.set_price("price_gold", 2400, "gbp")
    mapped = checkout_of(theirs, price_map={GOLD.code: "price_gold"})
    assert opened(mapped).price == pence(2400)
    (sent,) = asked(theirs, "checkout.sessions.create")
    assert sent["line_items"]["0"] == {"price": "price_gold", "quantity": "1"}
    assert sent["currency"] == "gbp"


def test_a_mapped_price_in_a_currency_that_we_can_not_count_closes_its_page(theirs: SandboxStripe) -> None:
    theirs.set_price("price_gold", 2500, "xaf")
    with pytest.raises(ProviderUnavailable, match="can't count"):
        opened(checkout_of(theirs, price_map={GOLD.code: "price_gold"}))
    (made,) = theirs.calls("checkout.sessions.create")
    assert theirs.session(made["answer"]["id"])["status"] == "expired"


def test_a_mapped_price_that_is_not_there_is_named(theirs: SandboxStripe) -> None:
    with pytest.raises(ProviderUnavailable, match="price"):
        opened(checkout_of(theirs, price_map={GOLD.code: "price_nowhere"}))


def test_who_was_a_customer_of_test_mode_or_was_deleted_can_buy_all_the_same(
    checkout: StripeCheckout, theirs: SandboxStripe
) -> None:
    of = offered()
    page = checkout.open(of, payload(of), "cus_nobody")
    assert page.price == pence(2500)
    assert checkout.open(of, payload(of), "cus_nobody") == page
    assert now_of(checkout, theirs.pay(page.id)).charge is not None


# Closing a page, and the portal


def test_a_closed_page_can_not_be_paid(checkout: StripeCheckout, theirs: SandboxStripe) -> None:
    page = opened(checkout)
    checkout.expire(page.id)
    assert theirs.session(page.id)["status"] == "expired"


def test_closing_again_what_is_closed_paid_or_unknown_does_nothing(
    checkout: StripeCheckout, theirs: SandboxStripe
) -> None:
    paid, closed = opened(checkout), opened(checkout, offered(2))
    theirs.pay(paid.id)
    for session_id in (paid.id, closed.id, closed.id, "cs_test_nowhere"):
        checkout.expire(session_id)
    assert theirs.session(paid.id)["status"] == "complete"


def test_the_portal_is_the_customer_s_own_and_leads_back(checkout: StripeCheckout, theirs: SandboxStripe) -> None:
    customer = checkout.create_customer(ALICE)
    assert checkout.portal(customer, DONE).startswith("http")
    assert asked(theirs, "billing_portal.sessions.create") == [{"customer": customer, "return_url": DONE}]


def test_a_portal_of_nobody_is_none(checkout: StripeCheckout) -> None:
    with pytest.raises(ProviderUnavailable, match="does not know the customer"):
        checkout.portal("cus_nobody", DONE)


# What an event is about


def test_every_event_of_one_payment_leads_to_the_same_charge(checkout: StripeCheckout, theirs: SandboxStripe) -> None:
    of = offered()
    paid = theirs.pay(opened(checkout, of).id)
    theirs.refund(paid.charge, amount=500)
    theirs.dispute(opened_and_paid(checkout, theirs, 2).charge)
    bells = [bell for bell in rung(theirs) if bell.type != "customer.created"]
    seen = {
        snapshot.charge.charge_id: snapshot
        for snapshot in (checkout.snapshot(bell) for bell in bells)
        if snapshot and snapshot.charge
    }
    assert {bell.type for bell in bells} >= {"checkout.session.completed", "charge.refunded", "charge.dispute.created"}
    assert set(seen) == {one["payment_intent"] for one in theirs.ledger()}
    charge = seen[now_of(checkout, paid).charge.charge_id].charge  # type: ignore[union-attr]
    assert charge is not None
    assert (charge.provider, charge.charge_id) == (Provider.STRIPE, paid.payment_intent)
    assert (charge.provider_charge_id, charge.payer, charge.bot) == (paid.charge, ALICE, of.bot)
    assert (charge.paid, charge.payload, charge.method) == (pence(2500), payload(of), Method.STRIPE)
    assert abs(charge.charged_at - datetime.now(UTC)) < HOUR


def opened_and_paid(checkout: StripeCheckout, theirs: SandboxStripe, number: int = 1) -> CardOutcome:
    return theirs.pay(opened(checkout, offered(number)).id)


def test_what_is_kept_is_the_whole_payment_without_its_secret(checkout: StripeCheckout, theirs: SandboxStripe) -> None:
    charge = now_of(checkout, opened_and_paid(checkout, theirs)).charge
    assert charge is not None
    kept = json.loads(charge.message)
    assert (kept["object"], kept["id"], kept["latest_charge"]["object"]) == (
        "payment_intent",
        charge.charge_id,
        "charge",
    )
    assert b"secret" not in charge.message


def test_an_abandoned_declined_expired_or_unpaid_page_has_moved_nothing(
    checkout: StripeCheckout, theirs: SandboxStripe
) -> None:
    pages = [opened(checkout, offered(number)) for number in range(1, 6)]
    theirs.abandon(pages[0].id)
    theirs.decline(pages[1].id)
    theirs.expire(pages[2].id)
    theirs.pay_late(pages[3].id)
    theirs.pay_late(pages[4].id)
    theirs.settle_late(pages[4].id, "failed")
    snapshots = [checkout.snapshot(bell("checkout.session.completed", page.id)) for page in pages]
    snapshots += [checkout.snapshot(event) for event in rung(theirs) if event.type != "customer.created"]
    assert set(snapshots) == {StripeSnapshot(charge=None, standing=None)}


def test_money_that_comes_late_is_seen_once_it_is_there(checkout: StripeCheckout, theirs: SandboxStripe) -> None:
    page = opened(checkout)
    theirs.pay_late(page.id)
    completed = bell("checkout.session.completed", page.id)
    assert checkout.snapshot(completed) == StripeSnapshot(charge=None, standing=None)
    theirs.settle_late(page.id)
    late = checkout.snapshot(completed)
    assert late is not None
    assert late.charge is not None
    assert late.charge.paid == pence(2500)


def test_what_was_paid_is_what_stripe_received(checkout: StripeCheckout, theirs: SandboxStripe) -> None:
    less = theirs.pay(opened(checkout).id, amount=100)
    other = theirs.pay(opened(checkout, offered(2)).id, currency="eur")
    for paid, received in ((less, pence(100)), (other, Money(amount=2500, currency="EUR"))):
        charge = now_of(checkout, paid).charge
        assert charge is not None
        assert charge.paid == received


def test_money_in_a_currency_that_we_can_not_count_waits_at_stripe(
    checkout: StripeCheckout, theirs: SandboxStripe
) -> None:
    paid = theirs.pay(opened(checkout).id, currency="xaf")
    with pytest.raises(ProviderUnavailable, match="can't count"):
        now_of(checkout, paid)


@pytest.mark.parametrize(
    ("parts", "pending", "given_back"),
    [
        ([500], False, 500),
        ([500, 700], False, 1200),
        ([2500], False, 2500),
        ([500, 2000], False, 2500),
        ([2500], True, 0),
    ],
    ids=["a part", "two parts", "all", "all in parts", "all, on its way"],
)
def test_what_went_back_is_a_total(
    checkout: StripeCheckout, theirs: SandboxStripe, parts: list[int], pending: bool, given_back: int
) -> None:
    paid = opened_and_paid(checkout, theirs)
    for part in parts:
        theirs.refund(paid.charge, amount=part, pending=pending)
    standing = now_of(checkout, paid).standing
    assert standing is not None
    assert (standing.amount, standing.amount_refunded) == (2500, given_back)
    assert standing.given_back == (given_back == 2500)


@pytest.mark.parametrize(("outcome", "given_back"), [("succeeded", 2500), ("failed", 0)])
def test_a_refund_counts_once_it_is_done(
    checkout: StripeCheckout, theirs: SandboxStripe, outcome: Any, given_back: int
) -> None:
    paid = opened_and_paid(checkout, theirs)
    refund = theirs.refund(paid.charge, pending=True)
    theirs.settle_refund(refund["id"], outcome)
    for event in rung(theirs):
        if "refund" in event.type:
            snapshot = checkout.snapshot(event)
            assert snapshot is not None
            assert snapshot.standing is not None
            assert snapshot.standing.amount_refunded == given_back


def test_a_refund_that_fails_after_it_was_done_is_known_to_have_failed(
    checkout: StripeCheckout, theirs: SandboxStripe
) -> None:
    paid = opened_and_paid(checkout, theirs)
    refund = theirs.refund(paid.charge)
    theirs.settle_refund(refund["id"], "failed")
    told = {event.type: checkout.snapshot(event) for event in rung(theirs) if event.object_id == refund["id"]}
    assert {"refund.failed", "refund.updated", "charge.refund.updated"} <= told.keys()
    for snapshot in told.values():
        assert snapshot is not None
        assert snapshot.standing is not None
        assert (snapshot.standing.amount_refunded, snapshot.standing.refunds_failed) == (0, 1)


@pytest.mark.parametrize(
    ("steps", "state"),
    [
        (["open"], DisputeState.OPENED),
        (["open", "withdraw"], DisputeState.WITHDRAWN),
        (["open", "withdraw", "answer"], DisputeState.WITHDRAWN),
        (["open", "withdraw", "win"], DisputeState.WON),
        (["open", "win"], DisputeState.WON),
        (["open", "withdraw", "lose"], DisputeState.LOST),
        (["inquiry"], DisputeState.OPENED),
        (["inquiry", "answer"], DisputeState.OPENED),
        (["inquiry", "close"], DisputeState.OPENED),
        (["inquiry", "escalate"], DisputeState.WITHDRAWN),
        (["inquiry", "escalate", "lose"], DisputeState.LOST),
    ],
    ids=" ".join,
)
def test_a_dispute_is_where_stripe_says_it_is(
    checkout: StripeCheckout, theirs: SandboxStripe, steps: list[Any], state: DisputeState
) -> None:
    paid = opened_and_paid(checkout, theirs)
    disputes = [theirs.dispute(paid.charge, step) for step in steps]
    for event in rung(theirs):
        if "dispute" in event.type:
            snapshot = checkout.snapshot(event)
            assert snapshot is not None
            assert snapshot.standing is not None
            assert snapshot.standing.disputes == {disputes[0]["id"]: state}


# What is none of ours


def library(theirs: SandboxStripe) -> Any:
    client: Any = stripe.StripeClient(theirs.secret_key, base_addresses={"api": theirs.api_base})
    return client.v1


def somebody_else_s(theirs: SandboxStripe, **more: Any) -> CardOutcome:
    """Sold by another program in the same account."""
    price = {"currency": "gbp", "unit_amount": 900, "product_data": {"name": "A mug"}}
    line = {"price_data": price, "quantity": 1}
    sold = library(theirs).checkout.sessions.create(
        {"mode": "payment", "line_items": [line], "success_url": DONE, **more}
    )
    return theirs.pay(sold.id)


def test_what_somebody_else_sold_in_the_same_account_is_none_of_ours(
    checkout: StripeCheckout, theirs: SandboxStripe
) -> None:
    theirs.refund(somebody_else_s(theirs).charge, amount=100)
    theirs.dispute(somebody_else_s(theirs).charge)
    assert {checkout.snapshot(event) for event in rung(theirs)} == {None}


def test_metadata_on_the_session_alone_is_enough(checkout: StripeCheckout, theirs: SandboxStripe) -> None:
    of = offered()
    opened(checkout, of)
    metadata = asked(theirs, "checkout.sessions.create")[0]["metadata"]
    paid = somebody_else_s(theirs, metadata=metadata)
    for event in (bell("charge.refunded", paid.charge), bell("checkout.session.completed", paid.session_id)):
        snapshot = checkout.snapshot(event)
        assert snapshot is not None
        assert snapshot.charge is not None
        assert (snapshot.charge.payer, snapshot.charge.paid) == (ALICE, pence(900))


@pytest.mark.parametrize(
    "changed",
    [{"user_id": "alice"}, {"bot": "Not A Bot"}, {"payload": ""}, {"tollgram": "0"}],
    ids=["its user", "its bot", "its payload", "its mark"],
)
def test_metadata_changed_by_hand_is_nobody_s(
    checkout: StripeCheckout, theirs: SandboxStripe, changed: dict[str, str]
) -> None:
    opened(checkout)
    metadata = asked(theirs, "checkout.sessions.create")[0]["metadata"] | changed
    paid = somebody_else_s(theirs, metadata=metadata, payment_intent_data={"metadata": metadata})
    assert checkout.snapshot(bell("charge.refunded", paid.charge)) is None
    assert checkout.snapshot(bell("checkout.session.completed", paid.session_id)) is None


@pytest.mark.threat(44)
def test_the_other_mode_s_objects_are_not_found_and_its_events_open_nothing(theirs: SandboxStripe) -> None:
    test, live = checkout_of(theirs), checkout_of(theirs, key=theirs.live_key)
    paid = opened_and_paid(test, theirs)
    assert live.snapshot(bell("payment_intent.succeeded", paid.payment_intent, live=True)) is None
    assert test.snapshot(bell("payment_intent.succeeded", paid.payment_intent, live=True)) is None
    assert test.snapshot(bell("checkout.session.completed", paid.session_id, live=True)) is None
    unpaid = opened(test, offered(2))
    assert test.snapshot(bell("checkout.session.expired", unpaid.id, live=True)) is None


@pytest.mark.parametrize("type_", [*EVENT_TYPES, "payment_intent.succeeded"])
def test_an_object_that_is_not_there_is_none_of_ours(checkout: StripeCheckout, type_: str) -> None:
    assert checkout.snapshot(bell(type_, "x_nowhere")) is None


@pytest.mark.parametrize("type_", ["customer.created", "invoice.paid", "balance.available", "checkout.sessions"])
def test_what_is_no_payment_is_not_even_asked_for(checkout: StripeCheckout, theirs: SandboxStripe, type_: str) -> None:
    assert checkout.snapshot(bell(type_, "cs_1")) is None
    assert checkout.snapshot(bell("charge.refunded", "")) is None
    assert theirs.calls() == []


# Stripe in trouble


def test_stripe_down_is_told_at_once_and_the_purchase_can_be_tried_again(
    checkout: StripeCheckout, theirs: SandboxStripe
) -> None:
    of = offered()
    theirs.faults(down=True)
    for call in (
        lambda: checkout.create_customer(ALICE),
        lambda: checkout.open(of, payload(of), "cus_1"),
        lambda: checkout.expire("cs_1"),
        lambda: checkout.portal("cus_1", DONE),
        lambda: checkout.snapshot(bell("charge.refunded", "ch_1")),
    ):
        with pytest.raises(ProviderUnavailable, match="did not answer"):
            call()
    theirs.faults()
    assert opened(checkout, of).price == pence(2500)


def test_a_hiccup_is_not_even_noticed(checkout: StripeCheckout, theirs: SandboxStripe) -> None:
    for number, fault in enumerate(("api_resets", "api_5xx", "api_lose_replies"), start=1):
        theirs.faults(**{fault: 1})
        assert opened(checkout, offered(number)).price == pence(2500)


def test_asked_to_slow_down_we_do(checkout: StripeCheckout, theirs: SandboxStripe) -> None:
    theirs.faults(api_429=1)
    with pytest.raises(ProviderUnavailable, match="slow down"):
        checkout.create_customer(ALICE)
    assert len(theirs.calls("customers.create")) == 1


# For doctor


def test_the_account_tells_its_mode_its_endpoints_and_its_prices(theirs: SandboxStripe) -> None:
    theirs.set_webhook("https://shop.example/hook", enabled_events=["checkout.session.completed"], livemode=False)
    theirs.set_price("price_gold", 2500, "gbp")
    theirs.set_price("price_odd", 2500, "xaf")
    account, live = (StripeAccount(key, theirs.api_base) for key in (theirs.secret_key, theirs.live_key))
    (endpoint,) = [one for one in account.webhook_endpoints() if one.url == "https://shop.example/hook"]
    assert (account.live, live.live) == (False, True)
    assert endpoint.enabled
    assert "charge.refunded" in endpoint.misses(EVENT_TYPES)
    assert endpoint.misses(["checkout.session.completed"]) == ()
    assert replace(endpoint, event_types=("*",)).misses(EVENT_TYPES) == ()
    assert account.price("price_gold") == MappedPrice(id="price_gold", sold=True, once=True, price=pence(2500))
    assert account.price("price_odd") == MappedPrice(id="price_odd", sold=True, once=True, price=None)
    assert account.price("price_nowhere") is None
    assert live.price("price_gold") is None
    assert theirs.secret_key not in repr(account)
    theirs.set_webhook("")
    account.close()
    live.close()


def test_an_account_whose_key_is_refused_is_told_without_the_key(theirs: SandboxStripe) -> None:
    with pytest.raises(ProviderUnavailable, match="401") as refused:
        StripeAccount("sk_tost_canary_canary_canary", theirs.api_base).webhook_endpoints()
    assert "canary" not in str(refused.value)
