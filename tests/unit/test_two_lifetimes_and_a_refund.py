"""Of two lifetimes the second is a mistake, wherever the refund of one of them stands in the news."""

from dataclasses import replace
from datetime import timedelta

import pytest

from domain.duration import Duration
from domain.ids import ChargeId, PlanCode
from domain.invoice import Invoice, Objection
from domain.payment import Charge, PaymentStatus, Refund
from tests.builders import (
    ALICE,
    BOB,
    FOR_LIFE,
    SECOND,
    Service,
    catalog,
    charge,
    invoice,
    invoice_id,
    refund,
    shop,
    stars,
)

FIRST_INVOICE, SECOND_INVOICE = (invoice(FOR_LIFE, id=invoice_id(number)) for number in (1, 2))
FIRST = charge(FIRST_INVOICE, charge_id=ChargeId("first"))
AGAIN = charge(SECOND_INVOICE, charge_id=ChargeId("again"))
SOON_BACK = refund(FIRST, refunded_at=FIRST.charged_at + timedelta(minutes=5))
Ends = dict[ChargeId, tuple[PaymentStatus, Objection | None]]


def told(*news: Charge | Refund, at_once: bool = False, automatic: int = 0) -> Service:
    service = Service(automatic_refunds_per_hour=automatic)
    service.keep(FIRST_INVOICE, SECOND_INVOICE)
    if at_once:
        service.refund(*(fact for fact in news if isinstance(fact, Refund)))
        service.settle(*(fact for fact in news if isinstance(fact, Charge)))
        return service
    for fact in news:
        if isinstance(fact, Refund):
            service.refund(fact)
        else:
            service.settle(fact)
    return service


def ends(service: Service) -> Ends:
    return {p.charge.charge_id: (p.status, p.quarantine_reason) for p in service.state.payments.values()}


@pytest.mark.threat(26)
@pytest.mark.parametrize("gone", [FIRST, AGAIN], ids=["the first goes back", "the second goes back"])
@pytest.mark.parametrize("charges", [(FIRST, AGAIN), (AGAIN, FIRST)], ids=["in order", "in the other order"])
@pytest.mark.parametrize("automatic", [0, 20])
def test_where_the_refund_stands_changes_nothing(gone: Charge, charges: tuple[Charge, Charge], automatic: int) -> None:
    orderly = ends(told(*charges, refund(gone), automatic=automatic))
    waits = PaymentStatus.REFUND_PENDING if automatic else PaymentStatus.QUARANTINED
    other = AGAIN if gone is FIRST else FIRST

    assert orderly[gone.charge_id][0] is PaymentStatus.REFUNDED
    if charges[0] is gone:
        assert orderly[other.charge_id] == (waits, Objection.ALREADY_ENTITLED)
    else:
        assert orderly[other.charge_id] == (PaymentStatus.GRANTED, None)
    for place in range(3):
        news: list[Charge | Refund] = list(charges)
        news.insert(place, refund(gone))
        assert ends(told(*news, *news, automatic=automatic)) == orderly
    assert ends(told(*charges, refund(gone), at_once=True, automatic=automatic)) == orderly


def test_who_buys_again_after_the_money_went_back_is_granted() -> None:
    later = replace(AGAIN, charged_at=SOON_BACK.refunded_at)

    for news in ((FIRST, SOON_BACK, later), (SOON_BACK, FIRST, later)):
        assert ends(told(*news))[later.charge_id] == (PaymentStatus.GRANTED, None)


def test_what_was_no_lifetime_then_stands_in_no_ones_way() -> None:
    for_a_month = replace(FOR_LIFE, duration=Duration.parse("1 month"))
    monthly = invoice(for_a_month, id=invoice_id(1))
    service = Service()
    service.keep(monthly, SECOND_INVOICE)
    paid = charge(monthly, charge_id=FIRST.charge_id)
    service.settle(paid)
    service.refund(refund(paid))

    [bought] = service.settle(AGAIN).values()

    assert bought.status is PaymentStatus.GRANTED


def test_what_granted_nothing_then_stands_in_no_ones_way() -> None:
    """Somebody else's money, or money whose invoice nobody knows."""
    service = Service(shop=shop(catalog=catalog()))
    service.keep(SECOND_INVOICE)
    lost = charge(FIRST_INVOICE, charge_id=ChargeId("lost"))
    service.settle(lost)
    wrong = charge(SECOND_INVOICE, charge_id=ChargeId("wrong"), payer=BOB)
    service.settle(wrong)
    service.refund(refund(lost), refund(wrong))

    [bought] = service.settle(AGAIN).values()

    assert bought.status is PaymentStatus.GRANTED
    assert service.held(ALICE)


def test_another_sum_for_a_lifetime_that_went_back_stands_in_no_lifetime_s_way() -> None:
    """It never opened anything, so nothing was held for life when the right price was paid."""
    too_little = replace(FIRST, paid=stars(FIRST.paid.amount - 1))

    for news in ((too_little, refund(too_little), AGAIN), (refund(too_little), too_little, AGAIN)):
        assert ends(told(*news))[AGAIN.charge_id] == (PaymentStatus.GRANTED, None)


@pytest.mark.parametrize("at_once", [False, True], ids=["one by one", "at once"])
@pytest.mark.parametrize(
    "bought",
    [
        pytest.param(invoice(FOR_LIFE, payer=BOB), id="by somebody else"),
        pytest.param(invoice(replace(FOR_LIFE, code=PlanCode("silver_forever"))), id="of another plan"),
    ],
)
def test_another_lifetime_that_went_back_stands_in_no_one_s_way(bought: Invoice, at_once: bool) -> None:
    service = Service()
    service.keep(bought, SECOND_INVOICE)
    paid = charge(bought, charge_id=FIRST.charge_id)
    service.refund(refund(paid))
    for together in [(paid, AGAIN)] if at_once else [(paid,), (AGAIN,)]:
        service.settle(*together)

    assert ends(service)[AGAIN.charge_id] == (PaymentStatus.GRANTED, None)


def test_a_lifetime_that_was_granted_by_hand_without_an_invoice_and_went_back_stands_in_no_ones_way() -> None:
    service = Service()
    service.keep(SECOND_INVOICE)
    lost = replace(FIRST, payload="nothing of ours")
    [kept] = service.settle(lost).values()
    service.resolve(kept, plan_code=FOR_LIFE.code)
    service.refund(refund(lost))

    service.settle(AGAIN)

    assert ends(service)[AGAIN.charge_id] == (PaymentStatus.GRANTED, None)


def test_it_stands_in_the_way_also_where_both_invoices_were_lost_and_both_charges_come_at_once() -> None:
    service = Service()
    service.refund(refund(FIRST))

    service.settle(FIRST, AGAIN)

    assert ends(service)[AGAIN.charge_id] == (PaymentStatus.QUARANTINED, Objection.ALREADY_ENTITLED)


def test_the_moment_it_went_back_decides() -> None:
    for early, reason in ((SECOND, Objection.ALREADY_ENTITLED), (timedelta(0), None)):
        other = replace(AGAIN, charged_at=SOON_BACK.refunded_at - early)
        assert ends(told(FIRST, SOON_BACK, other))[other.charge_id][1] is reason
