"""A refund that tells of other money than its charge is kept as a conflict, and not believed."""

from itertools import permutations
from typing import Any

import pytest

from domain.events import PaymentGranted, RefundCameFirst, RefundConflicted
from domain.payment import Charge, PaymentStatus, Refund
from tests.builders import ALICE, HOUR, SECOND_BOT, Service, charge, invoice, pence, refund, stars, stripe_charge

OTHER_MONEY = [
    pytest.param({"bot": SECOND_BOT}, id="of another bot"),
    pytest.param({"refunded": pence(1250)}, id="of another currency"),
    pytest.param({"refunded": stars(1249)}, id="one star short"),
]


def kinds(service: Service) -> list[str]:
    return [entry.kind for entry in service.state.trail]


@pytest.mark.threat(7)
@pytest.mark.parametrize("different", OTHER_MONEY)
def test_it_takes_no_access_away_and_somebody_is_told(different: dict[str, Any]) -> None:
    service = Service()
    service.keep(invoice())
    [bought] = service.settle(charge()).values()
    false = refund(**different)

    service.refund(false)

    assert service.state.payments[bought.charge.key] == bought
    assert service.check(ALICE, "signals").allowed
    assert service.journal.events[-1] == RefundConflicted(refund=false, payment=bought)
    assert kinds(service) == ["successful_payment", "refund_conflict"]
    assert (service.state.trail[-1].message, service.state.trail[-1].decision) == (false.message, bought.status)


@pytest.mark.parametrize("different", OTHER_MONEY)
def test_told_before_its_charge_it_takes_nothing_away_either(different: dict[str, Any]) -> None:
    service = Service()
    service.keep(invoice())
    false = refund(**different)
    service.refund(false)

    [bought] = service.settle(charge()).values()

    assert bought.status is PaymentStatus.GRANTED
    assert [type(event) for event in service.journal.events] == [RefundCameFirst, PaymentGranted, RefundConflicted]
    assert kinds(service) == ["refunded_payment", "successful_payment", "refund_conflict"]


def test_told_again_it_is_told_to_nobody() -> None:
    service = Service()
    service.keep(invoice())
    service.settle(charge())
    for _ in range(3):
        service.refund(refund(refunded=stars(1)))

    assert kinds(service).count("refund_conflict") == 1


def test_the_true_one_is_on_the_trail_once_also_where_the_false_one_was_there_first() -> None:
    service = Service()
    service.keep(invoice())
    service.settle(charge())
    false, true = refund(refunded=stars(1)), refund()

    service.refund(false, true, true)

    assert kinds(service) == ["successful_payment", "refund_conflict", "refunded_payment"]
    assert service.state.trail[-1].message == true.message


def test_it_leaves_an_order_open_that_is_still_to_be_carried_out() -> None:
    service = Service()
    service.keep(invoice())
    [bought] = service.settle(charge()).values()
    service.order_refund(bought)

    service.refund(refund(refunded=stars(1)))

    assert service.carry_refunds() == 1
    assert service.state.payments[bought.charge.key].status is PaymentStatus.REFUNDED


def test_two_refunds_that_contradict_each_other_are_both_kept_before_their_charge_is_known() -> None:
    service = Service()
    false = refund(refunded=stars(1))
    service.refund(refund(), false, refund())

    assert service.journal.events[-1] == RefundConflicted(refund=false, payment=None)
    assert kinds(service) == ["refunded_payment", "refund_conflict"]
    assert service.state.trail[-1].decision is None


@pytest.mark.threat(26)
@pytest.mark.parametrize("different", OTHER_MONEY)
def test_the_true_one_counts_wherever_the_false_one_stands(different: dict[str, Any]) -> None:
    true, false = refund(), refund(**different)
    facts: list[Charge | Refund] = [charge(), true, false, false]
    for news in permutations(facts):
        service = Service()
        service.keep(invoice())
        for fact in news:
            if isinstance(fact, Refund):
                service.refund(fact)
            else:
                service.settle(fact)
        # What came second before its charge is on the trail; the provider's ledger tells of it again.
        service.refund(true)

        [payment] = service.state.payments.values()
        assert (payment.status, payment.refunded_at) == (PaymentStatus.REFUNDED, true.refunded_at)
        assert not service.check(ALICE, "signals").allowed


def test_a_refund_gives_back_the_charge_of_the_same_id_at_the_same_provider() -> None:
    assert refund().gives_back(charge())
    assert refund(refunded_at=charge().charged_at + HOUR, payload="").gives_back(charge())
    assert not refund().gives_back(stripe_charge())
