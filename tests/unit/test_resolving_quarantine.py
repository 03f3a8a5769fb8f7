"""A person decides about what waits in quarantine, once and with a reason: the door opens, or the money goes back."""

from dataclasses import replace
from typing import Any

import pytest

from application.holding import hold_back
from application.messages import Confirmation, Price
from application.ports.trail import TrailEntry
from application.quarantine import RefundQuarantined
from domain.catalog import Method
from domain.errors import Conflict, InvalidRequest, NotFound, UnknownPlan
from domain.events import PaymentResolved, RefundOrdered
from domain.ids import ChargeId, PlanCode, UserId
from domain.invoice import Objection
from domain.payment import DisputeState, Payment, PaymentStatus
from tests.builders import (
    ALICE,
    BOB,
    DAY,
    FOR_LIFE,
    GOLD,
    MAIN,
    MALLORY,
    SILVER,
    Rigged,
    Service,
    catalog,
    charge,
    invoice,
    invoice_id,
    payment,
    refund,
    shop,
    standing,
    stars,
    stripe_charge,
    stripe_invoice,
)
from tests.memory import NOON, MemoryTransaction


def held(service: Service, **different: Any) -> Payment:
    """Alice paid one star too little for Gold, unless told otherwise."""
    service.keep(invoice())
    [quarantined] = service.settle(charge(**{"paid": stars(1249), **different})).values()
    assert quarantined.status is PaymentStatus.QUARANTINED
    return quarantined


def refund_it(service: Service, quarantined: Payment) -> Payment:
    give_back = RefundQuarantined(work=service.work, clock=service.clock, journal=service.journal)
    return give_back(quarantined.id, reason="a mistake", actor="olga")


def test_granted_it_opens_what_the_invoice_offered_to_who_paid() -> None:
    service = Service()
    quarantined = held(service)

    granted = service.resolve(quarantined)

    assert (granted.status, granted.quarantine_reason) == (PaymentStatus.GRANTED, None)
    assert service.state.payments == {quarantined.charge.key: granted}
    [opened] = service.held(ALICE)
    assert (opened.plan_code, opened.payment_id) == ("gold_1m", granted.id)
    assert service.journal.events[-1] == PaymentResolved(payment=granted, entitlement=opened, actor="olga")
    assert service.state.messages[-1] == Confirmation(
        plan="Gold, 1 month",
        price=Price(amount=1249, currency="XTR"),
        starts_at=opened.starts_at,
        expires_at=opened.expires_at,
        extends=False,
    )


def test_who_decided_and_why_is_on_the_trail() -> None:
    service = Service()
    service.resolve(held(service))

    assert service.state.trail[-1] == TrailEntry(
        kind="payment_resolved",
        bot=MAIN,
        at=NOON,
        user_id=ALICE,
        invoice_id=invoice().id,
        charge_id=charge().charge_id,
        decision="granted",
        actor="olga",
        note="a good customer",
    )


@pytest.mark.parametrize("named", [None, GOLD.code], ids=["without a word", "named"])
def test_the_plan_of_the_invoice_opens_what_was_offered_whatever_it_opens_now(named: PlanCode | None) -> None:
    service = Service(shop=shop(catalog=catalog(replace(GOLD, features=("signals",)))))

    service.resolve(held(service), plan_code=named)

    assert service.check(ALICE, "copy_trading").allowed


@pytest.mark.parametrize("known", [True, False], ids=["of the invoice", "English, where that is lost"])
def test_the_user_is_told_in_the_language(known: bool) -> None:
    service = Service()
    if known:
        service.keep(invoice(language="de"))
    [quarantined] = service.settle(charge(paid=stars(1249)) if known else charge(payload="nonsense")).values()

    service.resolve(quarantined, plan_code=GOLD.code)

    assert service.state.outbox[-1].letter.language == ("de" if known else "en")


@pytest.mark.threat(39)
def test_a_double_click_grants_once() -> None:
    service = Service()
    quarantined = held(service)
    service.resolve(quarantined)

    with pytest.raises(Conflict, match="it is granted"):
        service.resolve(quarantined)
    assert len(service.held(ALICE)) == 1


def test_an_invoice_that_nobody_paid_is_paid_by_it_and_by_no_other() -> None:
    service = Service()
    granted = service.resolve(held(service))

    assert service.state.invoices[invoice().id].settled_by == granted.charge.charge_id
    [other] = service.settle(charge(charge_id=ChargeId("another"))).values()
    assert other.quarantine_reason is Objection.INVOICE_ALREADY_PAID


def test_an_invoice_that_somebody_paid_stays_paid_by_them() -> None:
    service = Service()
    service.keep(invoice())
    service.settle(charge())
    [again] = service.settle(charge(charge_id=ChargeId("again"))).values()

    service.resolve(again)

    assert service.state.invoices[invoice().id].settled_by == charge().charge_id
    first, second = service.held(ALICE)
    assert second.starts_at == first.expires_at


def test_it_can_open_another_plan_for_somebody_else() -> None:
    service = Service()
    quarantined = held(service)

    granted = service.resolve(quarantined, plan_code=SILVER.code, user_id=BOB)

    assert [opened.plan_code for opened in service.held(BOB)] == [SILVER.code]
    assert service.held(ALICE) == []
    assert (granted.charge.payer, granted.plan_code) == (ALICE, SILVER.code)
    assert service.state.invoices[invoice().id].settled_by is None
    assert service.state.outbox[-1].letter.chat_id == BOB


def test_given_back_later_it_ends_for_whom_it_was_opened() -> None:
    service = Service()
    granted = service.resolve(held(service), user_id=BOB)

    service.refund(refund(granted.charge))

    assert service.held(BOB) == []


def test_without_an_invoice_the_plan_must_be_named() -> None:
    service = Service()
    quarantined = held(service, payload="nothing of ours")
    with pytest.raises(InvalidRequest, match="plan_code"):
        service.resolve(quarantined)

    assert service.resolve(quarantined, plan_code=SILVER.code).status is PaymentStatus.GRANTED


def test_a_plan_that_is_not_sold_can_not_be_opened() -> None:
    service = Service()
    with pytest.raises(UnknownPlan):
        service.resolve(held(service), plan_code="platinum")


def test_nothing_follows_a_plan_that_is_held_for_life() -> None:
    service = Service()
    first, second = (invoice(FOR_LIFE, id=invoice_id(number)) for number in (1, 2))
    service.keep(first, second)
    service.settle(charge(first, charge_id=ChargeId("first")))
    [again] = service.settle(charge(second, charge_id=ChargeId("second"))).values()

    with pytest.raises(Conflict, match="for life"):
        service.resolve(again)


def test_disputed_money_opens_nothing() -> None:
    service = Service()
    service.keep(stripe_invoice())
    [quarantined] = service.settle(stripe_charge(payer=MALLORY)).values()
    service.follow(standing(quarantined.charge, disputes={"dp_1": DisputeState.WITHDRAWN}))

    with pytest.raises(Conflict, match="disputed"):
        service.resolve(quarantined)


def test_a_payment_that_nobody_knows_can_not_be_resolved() -> None:
    service = Service()
    with pytest.raises(NotFound):
        service.resolve(payment())
    with pytest.raises(NotFound):
        refund_it(service, payment())


@pytest.mark.threat(39)
def test_given_back_it_is_ordered_once() -> None:
    service = Service()
    quarantined = held(service)

    pending = refund_it(service, quarantined)
    with pytest.raises(Conflict, match="it is refund pending"):
        refund_it(service, quarantined)
    service.carry_refunds()

    assert service.journal.events[1] == RefundOrdered(payment=pending, asked_by="olga", automatic=False)
    assert service.refunder.returned == [quarantined.charge.key]
    assert service.state.payments[quarantined.charge.key].status is PaymentStatus.REFUNDED


def test_what_is_granted_is_no_matter_of_quarantine() -> None:
    service = Service()
    service.keep(invoice())
    [granted] = service.settle(charge()).values()

    with pytest.raises(Conflict, match="not in quarantine"):
        refund_it(service, granted)


def test_a_payment_providers_charge_must_be_given_back_there() -> None:
    service = Service()
    quarantined = held(service, method=Method.TELEGRAM)

    with pytest.raises(Conflict, match="at the provider"):
        refund_it(service, quarantined)


def held_back(service: Service, days: int = 10, **chosen: Any) -> Payment:
    """Alice's Gold was open for ten days, then Telegram's ledger did not have her payment. `chosen`: Olga had granted
    it so."""
    service.keep(invoice())
    [bought] = service.settle(charge(paid=stars(1249)) if chosen else charge()).values()
    if chosen:
        bought = service.resolve(bought, **chosen)
    service.clock.pass_by(days * DAY)
    with service.work.begin() as tx:
        hold_back(tx, bought.charge.key, service.ids, service.clock.now())
    service.clock.pass_by(DAY)
    return service.state.payments[bought.charge.key]


def test_what_had_opened_the_door_before_opens_it_for_the_time_that_was_left() -> None:
    service = Service()

    service.resolve(held_back(service))

    [opened] = service.held(ALICE)
    whole = GOLD.duration.after(NOON)
    assert whole is not None
    assert opened.expires_at == whole + DAY
    assert service.state.messages[-1] == Confirmation(
        plan="Gold, 1 month",
        price=Price(amount=1250, currency="XTR"),
        starts_at=opened.starts_at,
        expires_at=opened.expires_at,
        extends=False,
    )


def test_what_was_over_before_it_was_held_back_is_not_given_a_second_time() -> None:
    service = Service()
    quarantined = held_back(service, days=40)
    told = len(service.state.messages)

    granted = service.resolve(quarantined)

    assert granted.status is PaymentStatus.GRANTED
    [over] = service.held(ALICE)
    assert (over.starts_at, over.expires_at) == (NOON, GOLD.duration.after(NOON))
    assert not service.check(ALICE, "signals").allowed
    assert len(service.state.messages) == told


def test_it_opens_it_for_whom_it_had_opened_it_and_nothing_waits_to_go_on_any_more() -> None:
    service = Service()

    granted = service.resolve(held_back(service, user_id=BOB))

    assert granted.suspended is None
    assert len(service.held(BOB)) == 1
    assert service.held(ALICE) == []


@pytest.mark.parametrize(
    ("chosen", "users"),
    [pytest.param({}, {ALICE}, id="the payer"), pytest.param({"user_id": BOB}, {ALICE, BOB}, id="somebody else too")],
)
def test_the_charge_and_then_whoever_is_concerned_is_locked_before_the_door_opens(
    chosen: dict[str, Any], users: set[UserId]
) -> None:
    service = Service()
    quarantined = held(service)
    begun: list[MemoryTransaction] = []
    service.work = Rigged(state=service.state, rig=begun.append)

    service.resolve(quarantined, **chosen)

    [tx] = begun
    first, *then = tx.locked
    assert first == quarantined.charge.key
    assert set(then) == users


@pytest.mark.parametrize("chosen", [{"plan_code": SILVER.code}, {"user_id": BOB}], ids=["another plan", "another user"])
def test_for_another_plan_or_user_it_opens_the_door_anew(chosen: dict[str, Any]) -> None:
    service = Service()

    service.resolve(held_back(service), **chosen)

    [opened] = service.held(chosen.get("user_id", ALICE))
    assert opened.starts_at == service.clock.now()
    assert opened.expires_at == opened.duration.after(opened.starts_at)
