"""An invoice is issued for what the catalog says, to who may buy it, and not more often than is good."""

from collections import deque
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.invoicing import LinkInvoice, Order, SendInvoice
from application.messages import InvoiceMessage, Letter, PlanChoice, Price
from application.ports.outbox import Blocked, Delivery
from application.ports.outcomes import Rejected, TryLater
from application.ports.trail import TrailEntry
from domain.catalog import Method, Tills
from domain.errors import (
    AlreadyEntitled,
    Conflict,
    MethodUnavailable,
    ProviderUnavailable,
    RateLimited,
    Refusal,
    Unavailable,
    UnknownPlan,
)
from domain.events import InvoiceIssued, InvoiceNotSent, InvoiceSent, PurchaseRefused
from domain.ids import ChargeId, UserId
from domain.invoice import Invoice, InvoiceState
from domain.money import Money
from tests.builders import (
    ALICE,
    BOB,
    DAY,
    FOR_LIFE,
    GOLD,
    HOUR,
    MAIN,
    SECOND,
    SECOND_BOT,
    SIGNER,
    SILVER,
    TILLS,
    Rigged,
    Service,
    catalog,
    entitlement,
    invoice,
    invoice_id,
    payload,
    pence,
    shop,
    stars,
)
from tests.memory import NOON, MemoryAttempts, MemoryTransaction


def order(**different: Any) -> Order:
    """Alice wants gold, however it is paid."""
    return Order(**{"user_id": ALICE, "plan_code": GOLD.code, "method": None, "bot": MAIN, **different})


def send(service: Service, wanted: Order | None = None) -> tuple[Invoice, int]:
    return SendInvoice(
        work=service.work,
        clock=service.clock,
        shop=service.shop,
        messenger=service.messenger,
        journal=service.journal,
    )(wanted or order())


def link(service: Service, wanted: Order | None = None) -> tuple[Invoice, str]:
    return LinkInvoice(
        work=service.work,
        clock=service.clock,
        shop=service.shop,
        messenger=service.messenger,
        journal=service.journal,
    )(wanted or order())


@pytest.mark.criterion("1.1", "1.2", "1.3")
def test_an_invoice_is_kept_sent_and_returned_with_telegram_s_message_id() -> None:
    service = Service()

    issued, message_id = send(service)

    assert issued == invoice()
    assert service.state.invoices == {issued.id: issued}
    assert service.state.telegram_message_ids == {issued.id: message_id}


@pytest.mark.criterion("1.3")
def test_the_letter_bears_the_catalog_s_price_and_the_signed_payload() -> None:
    service = Service()

    send(service, order(language="pt-br"))

    assert service.messenger.sent == [
        Letter(
            bot=MAIN,
            chat_id=ALICE,
            language="pt-br",
            message=InvoiceMessage(
                invoice_id=invoice_id(),
                user_id=ALICE,
                title="Gold, 1 month",
                description="Signals and copy trading",
                payload=payload(),
                price=Price(amount=1250, currency="XTR"),
                method=Method.STARS,
            ),
        )
    ]


def test_an_invoice_link_is_given_for_the_same_letter() -> None:
    service = Service()

    issued, url = link(service)

    assert issued == invoice()
    assert url.startswith("https://t.me/")
    assert service.messenger.linked == [service.shop.letter(issued)]
    assert service.messenger.sent == []


@pytest.mark.criterion("1.3")
@pytest.mark.parametrize(
    ("method", "tills", "chosen", "price"),
    [
        pytest.param(None, TILLS, Method.STARS, stars(1250), id="Stars where nothing is asked for"),
        pytest.param(Method.STARS, TILLS, Method.STARS, stars(1250), id="Stars where they are"),
        pytest.param(Method.TELEGRAM, TILLS, Method.TELEGRAM, pence(2500), id="money where that is"),
        pytest.param(
            None,
            Tills(currencies={Method.TELEGRAM: "GBP"}),
            Method.TELEGRAM,
            pence(2500),
            id="money where no Stars are taken",
        ),
    ],
)
def test_the_price_is_in(method: Method | None, tills: Tills, chosen: Method, price: Money) -> None:
    issued, _ = send(Service(shop=shop(tills=tills)), order(method=method))

    assert (issued.method, issued.offer.price) == (chosen, price)


def test_a_plan_that_is_not_priced_in_stars_is_offered_for_money_where_nothing_is_asked_for() -> None:
    only_pounds = replace(GOLD, prices={"GBP": 2500})

    issued, _ = send(Service(shop=shop(catalog=catalog(only_pounds))))

    assert issued.method is Method.TELEGRAM


@pytest.mark.parametrize(
    ("method", "tills"),
    [
        pytest.param(Method.TELEGRAM, Tills(currencies={Method.STARS: "XTR"}), id="a method that is not set up"),
        pytest.param(Method.STRIPE, TILLS, id="Stripe without a key"),
        pytest.param(Method.TELEGRAM, Tills(currencies={Method.TELEGRAM: "EUR"}), id="a currency without a price"),
        pytest.param(None, Tills(currencies={}), id="any where none is set up"),
        pytest.param(None, Tills(currencies={Method.STRIPE: "GBP"}), id="any where only Stripe is set up"),
    ],
)
def test_a_plan_is_not_sold_by(method: Method | None, tills: Tills) -> None:
    service = Service(shop=shop(tills=tills))

    with pytest.raises(MethodUnavailable):
        send(service, order(method=method))
    assert service.state == Service().state


@pytest.mark.criterion("1.4")
@pytest.mark.threat(31)
@pytest.mark.parametrize(
    "code",
    [
        pytest.param("platinum", id="a plan that is not there"),
        pytest.param("", id="no plan"),
        pytest.param("GOLD_1M", id="a code in capitals"),
        pytest.param("gold_1m ", id="a space behind"),
        pytest.param("' OR 1=1 --", id="a piece of SQL"),
        pytest.param("\x00", id="a zero"),
        pytest.param("g" * 100_000, id="a very long code"),
    ],
)
def test_an_unknown_plan_is_refused(code: str) -> None:
    service = Service()

    with pytest.raises(UnknownPlan):
        send(service, order(plan_code=code))
    assert service.state == Service().state
    assert service.messenger.sent == []


@pytest.mark.criterion("1.5")
@pytest.mark.parametrize(
    ("held", "message"),
    [
        pytest.param(
            entitlement(expires_at=NOON + 3 * DAY + SECOND), "until 2026-11-25T12:00:01Z", id="longer than the window"
        ),
        pytest.param(entitlement(expires_at=None), "for life", id="for life"),
    ],
)
def test_who_holds_the_plan_is_refused(held: Any, message: str) -> None:
    service = Service()
    service.give(held)

    with pytest.raises(AlreadyEntitled, match=message):
        send(service)
    assert service.state.invoices == {}


@pytest.mark.parametrize(
    "held",
    [
        pytest.param(entitlement(expires_at=NOON + 3 * DAY), id="holds it no longer than the window"),
        pytest.param(entitlement(FOR_LIFE), id="holds another plan for life"),
        pytest.param(entitlement(user_id=BOB), id="knows somebody who holds it"),
        pytest.param(entitlement(revoked_at=NOON), id="held it until it was revoked"),
    ],
)
def test_a_plan_is_sold_to_who(held: Any) -> None:
    service = Service()
    service.give(held)

    assert send(service)[0].payer == ALICE


@pytest.mark.criterion("1.7")
@pytest.mark.threat(24)
def test_five_purchases_a_minute_may_be_begun_and_the_sixth_is_told_how_long_to_wait() -> None:
    service = Service()
    for _ in range(5):
        service.clock.pass_by(10 * SECOND)
        send(service)

    service.clock.pass_by(timedelta(milliseconds=500))
    with pytest.raises(RateLimited) as refused:
        send(service)

    assert refused.value.retry_after_s == 20
    assert len(service.state.invoices) == 5

    service.clock.pass_by(20 * SECOND)
    assert send(service)
    with pytest.raises(RateLimited):
        send(service)


@pytest.mark.criterion("1.7")
def test_each_user_is_counted_alone() -> None:
    service = Service(shop=shop(attempts_per_minute=1))
    send(service)

    assert send(service, order(user_id=BOB))
    with pytest.raises(RateLimited):
        send(service)


@pytest.mark.criterion("1.7")
def test_who_has_to_wait_waits_a_second_at_least() -> None:
    service = Service(shop=shop(attempts_per_minute=1))
    send(service)
    service.clock.pass_by(timedelta(seconds=59, milliseconds=999))

    with pytest.raises(RateLimited) as refused:
        send(service)
    assert refused.value.retry_after_s == 1


class NoTimeAtAll(MemoryAttempts):
    """As many as are admitted were begun, and the next may be begun this very moment."""

    def admit(self, user_id: UserId, now: datetime, *, at_most: int, within: timedelta) -> timedelta:
        return timedelta(0)


@pytest.mark.criterion("1.7")
def test_who_would_have_to_wait_for_no_time_at_all_is_not_admitted_either() -> None:
    def full(tx: MemoryTransaction) -> None:
        tx.attempts = NoTimeAtAll(tx.attempts.state)

    with pytest.raises(RateLimited) as refused:
        send(Service(work=Rigged(rig=full)))
    assert refused.value.retry_after_s == 1


@pytest.mark.criterion("1.7")
@pytest.mark.parametrize(
    ("different", "because"),
    [
        pytest.param({"plan_code": "platinum"}, UnknownPlan, id="an unknown plan"),
        pytest.param({"method": Method.STRIPE}, MethodUnavailable, id="a method that is not set up"),
        pytest.param({"plan_code": SILVER.code}, AlreadyEntitled, id="a plan that is held"),
    ],
)
def test_what_is_refused_does_not_count_as_an_attempt_of(different: dict[str, Any], because: type[Refusal]) -> None:
    service = Service(shop=shop(attempts_per_minute=1))
    service.give(entitlement(SILVER))

    for _ in range(3):
        with pytest.raises(because):
            send(service, order(**different))

    assert send(service)


@pytest.mark.criterion("1.7")
def test_an_attempt_that_fails_at_telegram_counts() -> None:
    service = Service(shop=shop(attempts_per_minute=1))
    service.messenger.deliveries = deque([TryLater(problem="gone")])

    with pytest.raises(ProviderUnavailable):
        send(service)
    with pytest.raises(RateLimited):
        send(service)


@pytest.mark.criterion("1.7")
@pytest.mark.threat(24)
@given(pauses=st.lists(st.timedeltas(timedelta(0), timedelta(seconds=40)), max_size=25), at_most=st.integers(1, 5))
def test_no_minute_ever_sees_more_than_was_admitted(pauses: list[timedelta], at_most: int) -> None:
    service = Service(shop=shop(attempts_per_minute=at_most))
    admitted = []
    for pause in pauses:
        service.clock.pass_by(pause)
        try:
            link(service)
        except RateLimited:
            continue
        admitted.append(service.clock.now())

    assert all(
        later - earlier >= timedelta(seconds=60) for earlier, later in zip(admitted, admitted[at_most:], strict=False)
    )


@pytest.mark.parametrize(
    ("delivery", "because"),
    [
        pytest.param(Blocked(problem="bot was blocked by the user"), Conflict, id="the user has blocked the bot"),
        pytest.param(Rejected(problem="CURRENCY_TOTAL_AMOUNT_INVALID"), ProviderUnavailable, id="Telegram rejects it"),
        pytest.param(TryLater(problem="timed out"), ProviderUnavailable, id="Telegram does not answer"),
    ],
)
def test_who_asks_is_told_that_no_invoice_was_sent_where(delivery: Delivery, because: type[Refusal]) -> None:
    service = Service()
    service.messenger.deliveries = deque([delivery])

    with pytest.raises(because):
        send(service)

    assert service.state.invoices == {invoice_id(): invoice()}  # it may have arrived after all, and be paid
    assert service.state.telegram_message_ids == {}
    assert service.journal.events == [
        InvoiceIssued(invoice=invoice()),
        InvoiceNotSent(invoice=invoice(), problem=delivery.problem),  # type: ignore[union-attr]
    ]


def test_who_asks_for_a_link_is_told_that_there_is_none_where_telegram_gives_none() -> None:
    service = Service()
    service.messenger.unavailable = True

    with pytest.raises(ProviderUnavailable, match="Nothing was charged; try again") as told:
        link(service)

    assert "timed out" not in str(told.value), "that is for the operator"

    assert service.journal.events == [
        InvoiceIssued(invoice=invoice()),
        InvoiceNotSent(invoice=invoice(), problem="Telegram gave no link (timed out)."),
    ]


@pytest.mark.criterion("1.8", "1.9")
def test_an_invoice_that_was_sent_is_told_to_the_journal() -> None:
    service = Service()

    issued, message_id = send(service)

    assert service.journal.events == [
        InvoiceIssued(invoice=issued),
        InvoiceSent(invoice=issued, telegram_message_id=message_id),
    ]


def test_a_link_is_told_to_the_journal_without_a_message_id() -> None:
    service = Service()

    issued, _ = link(service)

    assert service.journal.events[-1] == InvoiceSent(invoice=issued, telegram_message_id=None)


@pytest.mark.criterion("1.8")
def test_a_refusal_is_told_to_the_journal() -> None:
    service = Service()

    with pytest.raises(UnknownPlan):
        send(service, order(plan_code="platinum"))

    assert service.journal.events == [PurchaseRefused(user_id=ALICE, plan_code="platinum", code="unknown_plan")]  # type: ignore[arg-type]


def test_nothing_is_sent_that_could_not_be_put_on_record() -> None:
    service = Service()
    service.work.broken = True

    with pytest.raises(Unavailable):
        send(service)
    assert service.messenger.sent == []


def test_an_invoice_is_on_the_trail() -> None:
    service = Service()

    link(service, order(bot=SECOND_BOT))

    assert service.state.trail == [
        TrailEntry(kind="invoice_issued", bot=SECOND_BOT, at=NOON, user_id=ALICE, invoice_id=invoice_id())
    ]


@pytest.mark.criterion("2.2")
def test_the_time_of_issue_is_the_same_in_the_payload_and_on_record() -> None:
    service = Service()
    service.clock.pass_by(timedelta(milliseconds=999))

    issued, _ = send(service)

    assert SIGNER.verify(service.shop.letter(issued).message.payload, MAIN) == issued.terms  # type: ignore[union-attr]
    assert (issued.issued_at, issued.expires_at) == (NOON, NOON + HOUR)


def test_a_newer_invoice_cancels_none() -> None:
    service = Service()

    first, second = send(service)[0], send(service)[0]

    assert {kept.state(NOON) for kept in service.state.invoices.values()} == {InvoiceState.OPEN}
    assert first.id != second.id


def test_an_offer_is_shown_with_the_prices_that_can_be_paid_here() -> None:
    gold = PlanChoice(
        plan_code=GOLD.code,
        title=GOLD.title,
        description=GOLD.description,
        prices=(Price(amount=1250, currency="XTR"), Price(amount=2500, currency="GBP")),
    )

    assert shop().choice(GOLD) == gold
    assert shop(tills=Tills(currencies={Method.STARS: "XTR"})).choice(GOLD).prices == gold.prices[:1]


def test_a_price_that_two_methods_take_is_shown_once() -> None:
    both = Tills(currencies={Method.TELEGRAM: "GBP", Method.STRIPE: "GBP"})

    assert shop(tills=both).choice(GOLD).prices == (Price(amount=2500, currency="GBP"),)


def test_plans_are_shown_in_the_catalog_s_order_and_only_those_that_can_be_paid() -> None:
    only_pounds = shop(tills=Tills(currencies={Method.TELEGRAM: "GBP"}))

    assert [choice.plan_code for choice in shop().choices()] == [GOLD.code, SILVER.code, FOR_LIFE.code]
    assert [choice.plan_code for choice in only_pounds.choices()] == [GOLD.code, FOR_LIFE.code]


@pytest.mark.parametrize(
    ("made", "state"),
    [
        pytest.param(invoice(), InvoiceState.OPEN, id="open"),
        pytest.param(invoice(expires_at=NOON), InvoiceState.OPEN, id="open in its last moment"),
        pytest.param(invoice(expires_at=NOON - SECOND), InvoiceState.EXPIRED, id="expired"),
        pytest.param(invoice(cancelled_at=NOON, expires_at=NOON - SECOND), InvoiceState.CANCELLED, id="cancelled"),
        pytest.param(
            invoice(settled_by=ChargeId("charge-1"), cancelled_at=NOON, expires_at=NOON - SECOND),
            InvoiceState.PAID,
            id="paid, whatever else",
        ),
    ],
)
def test_an_invoice_is(made: Invoice, state: InvoiceState) -> None:
    assert made.state(NOON) is state
