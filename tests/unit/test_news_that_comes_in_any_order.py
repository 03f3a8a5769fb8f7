"""What becomes of money does not hang on which news comes first, how often, or together with what."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ids import ChargeId, InvoiceId, UserId
from domain.invoice import Invoice
from domain.money import Money
from domain.payment import Charge, PaymentStatus, Refund
from tests.builders import (
    ALICE,
    BOB,
    GOLD,
    MALLORY,
    SILVER,
    Service,
    charge,
    invoice,
    invoice_id,
    payload,
    refund,
    stars,
)

Fact = Charge | Refund


def a_purchase(number: int, *, payer: UserId = ALICE, paid: Money | None = None, text: str = "") -> Charge:
    named = named_by(number)
    return charge(
        named,
        charge_id=ChargeId(f"charge-{number}"),
        payer=payer,
        paid=paid or named.offer.price,
        payload=text or payload(named),
    )


def named_by(number: int) -> Invoice:
    return invoice(
        [SILVER, SILVER, GOLD][number % 3], id=invoice_id(number), payer=[ALICE, ALICE, ALICE, BOB][number % 4]
    )


PURCHASES = [
    *(a_purchase(number) for number in range(6) if number % 4 != 3),
    a_purchase(7, payer=BOB),
    a_purchase(8, payer=MALLORY),
    a_purchase(9, paid=stars(1)),
    a_purchase(10, text="nonsense"),
]
REFUNDS = [refund(one) for one in PURCHASES]


def after(news: Sequence[Fact], *, at_once: int = 1) -> Service:
    """All of it told one by one, or where charges follow each other, several at once."""
    service = Service()
    service.keep(*(named_by(number) for number in range(12)))
    waiting: list[Charge] = []
    for fact in news:
        if isinstance(fact, Charge):
            waiting.append(fact)
        if waiting and (isinstance(fact, Refund) or len(waiting) == at_once):
            service.settle(*waiting)
            waiting.clear()
        if isinstance(fact, Refund):
            service.refund(fact)
    service.settle(*waiting)
    return service


def states(service: Service) -> dict[ChargeId, tuple[object, ...]]:
    return {
        p.charge.charge_id: (p.status, p.quarantine_reason, p.refunded_at, p.invoice_id, p.plan_code)
        for p in service.state.payments.values()
    }


def paid_invoices(service: Service) -> dict[InvoiceId, ChargeId]:
    return {kept.id: kept.settled_by for kept in service.state.invoices.values() if kept.settled_by}


def times(service: Service, user: UserId) -> Counter[tuple[str, timedelta]]:
    """How long the user holds which plan, by each payment."""
    by_id = {p.id: p.charge.charge_id for p in service.state.payments.values()}
    return Counter(
        (by_id[span.payment_id], span.expires_at - span.starts_at)
        for span in service.held(user)
        if span.payment_id and span.expires_at and span.plan_code == SILVER.code
    )


def ends(service: Service, user: UserId) -> dict[str, object]:
    return {
        plan: max(e.expires_at for e in service.held(user) if e.plan_code == plan and e.expires_at)
        for plan in {e.plan_code for e in service.held(user)}
    }


@pytest.mark.criterion("3.4", "3.5")
@pytest.mark.threat(3, 26)
@given(data=st.data(), refunded=st.sets(st.sampled_from(range(len(REFUNDS)))), at_once=st.integers(1, 5))
def test_the_same_news_in_any_order_and_number_ends_the_same(
    data: st.DataObject, refunded: set[int], at_once: int
) -> None:
    facts: list[Fact] = [*PURCHASES, *(REFUNDS[number] for number in sorted(refunded))]
    repeated = data.draw(st.lists(st.sampled_from(facts), max_size=8))
    news = data.draw(st.permutations([*facts, *repeated]))

    orderly, shuffled = after(facts), after(news, at_once=at_once)

    assert states(shuffled) == states(orderly)
    assert paid_invoices(shuffled) == paid_invoices(orderly)
    for user in (ALICE, BOB, MALLORY):
        assert times(shuffled, user) == times(orderly, user)
        assert ends(shuffled, user) == ends(orderly, user)


@pytest.mark.threat(26)
@given(data=st.data(), refunded=st.sets(st.integers(0, 3)))
def test_where_a_refund_stands_in_the_news_changes_nothing_for_other_charges_of_the_same_invoice(
    data: st.DataObject, refunded: set[int]
) -> None:
    rivals = [charge(named_by(1), charge_id=ChargeId(f"rival-{number}")) for number in range(4)]
    news: list[Fact] = list(rivals)
    for number in sorted(refunded):
        news.insert(data.draw(st.integers(0, len(news))), refund(rivals[number]))

    orderly, shuffled = after([*rivals, *(refund(rivals[n]) for n in sorted(refunded))]), after(news)

    assert states(shuffled) == states(orderly)
    assert paid_invoices(shuffled) == paid_invoices(orderly) == {invoice_id(1): ChargeId("rival-0")}
    assert times(shuffled, ALICE) == times(orderly, ALICE)


@pytest.mark.criterion("5.5")
@given(news=st.lists(st.sampled_from([*PURCHASES, *REFUNDS]), max_size=30))
def test_at_every_moment_each_payment_has_at_most_one_living_right_and_a_refunded_one_has_none(
    news: list[Fact],
) -> None:
    service = after(news)

    living = Counter(e.payment_id for e in service.state.entitlements.values() if e.revoked_at is None)
    granted = {p.id for p in service.state.payments.values() if p.status is PaymentStatus.GRANTED}
    assert living == Counter(granted)
