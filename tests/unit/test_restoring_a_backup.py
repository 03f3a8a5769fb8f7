"""A backup that was restored knows less than the world: signed payloads fill the gap, and nothing is granted twice."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from domain.catalog import Method
from domain.duration import Duration
from domain.ids import ChargeId
from domain.invoice import Objection, rebuild
from domain.payment import PaymentStatus
from tests.builders import (
    ALICE,
    CATALOG,
    GOLD,
    HOUR,
    MAIN,
    MALLORY,
    SECOND,
    Service,
    catalog,
    charge,
    invoice,
    invoice_id,
    offer,
    payload,
    query,
    refund,
    shop,
    stars,
    terms,
)
from tests.memory import NOON

pytestmark = pytest.mark.threat(50)


def test_an_invoice_that_is_lost_is_rebuilt_as_it_was_signed() -> None:
    rebuilt = rebuild(terms(), bot=MAIN, method=Method.STARS, catalog=CATALOG, time_to_live=HOUR)

    assert rebuilt == invoice()


def test_what_the_payload_does_not_say_is_taken_from_today_s_catalog() -> None:
    today = catalog(replace(GOLD, prices={"XTR": 9999}, duration=Duration.parse("2 months"), features=("more",)))

    rebuilt = rebuild(terms(), bot=MAIN, method=Method.STARS, catalog=today, time_to_live=HOUR)

    assert rebuilt is not None
    assert rebuilt.offer == replace(offer(), duration=Duration.parse("2 months"), features=("more",))


def test_an_invoice_of_a_plan_that_is_not_known_now_can_t_be_rebuilt() -> None:
    assert rebuild(terms(), bot=MAIN, method=Method.STARS, catalog=catalog(), time_to_live=HOUR) is None


def test_money_for_an_invoice_that_is_lost_is_granted() -> None:
    service = Service()

    [kept] = service.settle(charge()).values()

    assert kept.status is PaymentStatus.GRANTED
    assert service.state.invoices == {invoice_id(): invoice(settled_by=charge().charge_id)}
    assert len(service.held(ALICE)) == 1


def test_money_for_an_invoice_that_can_t_be_rebuilt_is_kept() -> None:
    service = Service(shop=shop(catalog=catalog()))

    [kept] = service.settle(charge()).values()

    assert kept.quarantine_reason is Objection.UNKNOWN_INVOICE
    assert (kept.invoice_id, kept.plan_code) == (None, None)
    assert service.state.invoices == {}


@pytest.mark.parametrize(
    ("different", "because"),
    [
        pytest.param({"payer": MALLORY}, Objection.WRONG_USER, id="somebody else"),
        pytest.param({"paid": stars(1249)}, Objection.AMOUNT_MISMATCH, id="too little"),
        pytest.param({"charged_at": NOON + HOUR + SECOND}, Objection.STALE_INVOICE, id="too late"),
    ],
)
def test_a_rebuilt_invoice_is_paid_by_nobody_and_nothing_else(different: dict[str, Any], because: Objection) -> None:
    service = Service()

    [kept] = service.settle(charge(**different)).values()

    assert kept.quarantine_reason is because
    assert service.state.invoices == {invoice_id(): invoice()}
    assert service.held(ALICE) == []


def test_after_a_stranger_paid_it_a_rebuilt_invoice_still_is_its_payer_s() -> None:
    service = Service()
    service.settle(charge(charge_id=ChargeId("hers"), payer=MALLORY))

    [kept] = service.settle(charge()).values()

    assert kept.status is PaymentStatus.GRANTED


@pytest.mark.parametrize("together", [True, False], ids=["at once", "one by one"])
def test_a_rebuilt_invoice_is_paid_once(together: bool) -> None:
    service = Service()
    charges = [charge(charge_id=ChargeId(f"charge-{number}")) for number in range(3)]

    for batch in [charges] if together else [[one] for one in charges]:
        service.settle(*batch)

    assert [p.status for p in service.state.payments.values()] == ["granted", "quarantined", "quarantined"]
    assert len(service.held(ALICE)) == 1


def test_before_the_money_moves_an_invoice_that_is_lost_is_refused_so_that_a_new_one_is_asked_for() -> None:
    assert Service().judge(query()) == {query().query_id: Objection.UNKNOWN_INVOICE}


def nothing_yet(service: Service) -> None:
    """The backup was made before anything of this was known."""


def the_invoice(service: Service) -> None:
    service.keep(invoice())


def the_approval(service: Service) -> None:
    service.keep(invoice())
    service.judge(query())


def the_payment(service: Service) -> None:
    the_approval(service)
    service.settle(charge())


def the_refund(service: Service) -> None:
    the_payment(service)
    service.refund(refund())


@pytest.mark.parametrize(
    "known", [nothing_yet, the_invoice, the_approval, the_payment], ids=lambda made: made.__name__.replace("_", " ")
)
def test_a_day_that_is_told_again_after_a_restore_grants_once_from_whatever_was_known(
    known: Callable[[Service], None],
) -> None:
    service = Service()
    known(service)

    for _ in range(2):
        service.settle(charge())

    assert [p.status for p in service.state.payments.values()] == ["granted"]
    assert len(service.held(ALICE)) == 1


@pytest.mark.parametrize(
    "known",
    [nothing_yet, the_invoice, the_approval, the_payment, the_refund],
    ids=lambda made: made.__name__.replace("_", " "),
)
@pytest.mark.parametrize("refund_first", [True, False], ids=["its refund first", "in order"])
def test_what_was_given_back_is_not_granted_by_a_restore(known: Callable[[Service], None], refund_first: bool) -> None:
    service = Service()
    known(service)

    if refund_first:
        service.refund(refund())
    service.settle(charge())
    service.refund(refund())

    assert [p.status for p in service.state.payments.values()] == ["refunded"]
    assert service.held(ALICE) == []


def test_a_payload_names_the_invoice_that_it_was_signed_for() -> None:
    service = Service()
    mine, other = invoice(), invoice(id=invoice_id(2), issued_at=NOON - timedelta(minutes=10))
    service.keep(mine, other)

    service.settle(charge(payload=payload(other)))

    assert service.state.invoices[mine.id].settled_by is None
    assert service.state.invoices[other.id].settled_by == charge().charge_id
