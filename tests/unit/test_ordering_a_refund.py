"""Money is given back by one way: ordered first, carried out once, and access ends when the provider has confirmed."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from application.messages import PaymentReturned, PaymentReturning, Price
from application.ports.outcomes import Rejected, TryLater
from application.ports.refunds import GivenBack, NotYet, ReturnOutcome
from application.refund_orders import LONGEST_PAUSE, TRIED_FOR, UNTIL_TOLD, pause
from domain.catalog import Method
from domain.errors import Conflict, NotFound
from domain.events import PaymentRefunded, RefundFailed, RefundOrdered
from domain.ids import ChargeId
from domain.invoice import Objection
from domain.payment import Payment, PaymentStatus
from domain.returning import can_be_given_back, returns_by_itself
from tests.builders import (
    ALICE,
    BOB,
    FOR_LIFE,
    HOUR,
    MALLORY,
    SECOND,
    Rigged,
    Service,
    charge,
    invoice,
    invoice_id,
    payment,
    pence,
    refund,
    stars,
)
from tests.memory import AUTOMATIC_REFUNDS, MemoryTransaction

MINUTE = timedelta(minutes=1)


def paid(service: Service) -> Payment:
    """Alice bought Gold by Stars."""
    service.keep(invoice())
    [granted] = service.settle(charge()).values()
    return granted


def by_provider_token(service: Service) -> Payment:
    bought = invoice(method=Method.TELEGRAM)
    service.keep(bought)
    [granted] = service.settle(charge(bought, method=Method.TELEGRAM)).values()
    return granted


def now(service: Service, of: Payment) -> Payment:
    return service.state.payments[of.charge.key]


def go_on(service: Service, rounds: int = 200) -> None:
    for _ in range(rounds):
        if not any(order.waits for order in service.state.refund_orders.values()):
            return
        if not service.carry_refunds():
            service.clock.pass_by(MINUTE)
    raise AssertionError("an order still waits")


def test_access_stays_until_the_provider_has_confirmed() -> None:
    service = Service()
    bought = paid(service)

    pending = service.order_refund(bought)

    assert pending.status is PaymentStatus.REFUND_PENDING
    assert service.check(ALICE, "signals").allowed
    assert service.journal.events[-1] == RefundOrdered(payment=pending, asked_by="olga", automatic=False)

    assert service.carry_refunds() == 1

    assert now(service, bought).status is PaymentStatus.REFUNDED
    assert not service.check(ALICE, "signals").allowed
    assert isinstance(service.state.messages[-1], PaymentReturned)
    assert service.carry_refunds() == 0


def test_who_decided_and_why_is_on_the_trail() -> None:
    service = Service()
    service.order_refund(paid(service))
    service.carry_refunds()

    ordered, given_back = service.state.trail[-2:]
    assert (ordered.kind, ordered.actor, ordered.note) == ("refund_ordered", "olga", "asked for it")
    assert (given_back.kind, given_back.actor, given_back.note) == ("refunded_payment", "olga", "asked for it")


@pytest.mark.threat(39)
def test_asked_twice_it_is_one_order() -> None:
    service = Service()
    bought = paid(service)

    assert service.order_refund(bought) == service.order_refund(bought)
    assert [event for event in service.journal.events if isinstance(event, RefundOrdered)] == [
        RefundOrdered(payment=now(service, bought), asked_by="olga", automatic=False)
    ]
    assert [entry.kind for entry in service.state.trail].count("refund_ordered") == 1
    go_on(service)

    assert service.refunder.returned == [bought.charge.key]


def test_what_was_given_back_can_not_be_given_back_again() -> None:
    service = Service()
    bought = paid(service)
    service.refund(refund(bought.charge))

    with pytest.raises(Conflict, match="already"):
        service.order_refund(bought)


def test_a_payment_that_nobody_knows_can_not_be_given_back() -> None:
    with pytest.raises(NotFound):
        Service().order_refund(payment())


@pytest.mark.threat(27)
@pytest.mark.parametrize("lost", range(5))
def test_an_answer_that_got_lost_is_asked_for_and_nothing_is_given_back_twice(lost: int) -> None:
    service = Service()
    bought = paid(service)
    service.refunder.loses_answers = lost
    service.order_refund(bought)

    go_on(service)

    assert service.refunder.returned == [bought.charge.key]
    assert now(service, bought).status is PaymentStatus.REFUNDED


@pytest.mark.threat(27)
def test_who_died_while_asking_is_followed_by_somebody_who_asks_first() -> None:
    service = Service()
    bought = paid(service)
    service.order_refund(bought)
    with service.work.begin() as tx:
        tx.refund_orders.claim(service.clock.now(), at_most=1, lease=MINUTE)
    service.refunder.returned.append(bought.charge.key)
    service.clock.pass_by(MINUTE)

    service.carry_refunds()

    assert service.refunder.asked == ["given back?"]
    assert now(service, bought).status is PaymentStatus.REFUNDED


def test_a_provider_that_can_not_be_asked_is_asked_later_and_not_told_to_pay() -> None:
    service = Service()
    bought = paid(service)
    service.refunder.outcomes.append(TryLater(problem="no answer in time"))
    service.order_refund(bought)
    service.carry_refunds()
    service.refunder.unavailable = True
    for _ in range(5):
        service.clock.pass_by(LONGEST_PAUSE)
        service.carry_refunds()
    assert service.refunder.asked == ["give back"] + ["given back?"] * 5

    service.refunder.unavailable = False
    go_on(service)
    assert service.refunder.returned == [bought.charge.key]


def test_a_provider_that_has_it_in_hand_is_asked_again_in_an_hour() -> None:
    service = Service()
    bought = paid(service)
    service.refunder.outcomes.append(NotYet())
    service.order_refund(bought)
    service.carry_refunds()
    assert service.check(ALICE, "signals").allowed

    service.clock.pass_by(UNTIL_TOLD - SECOND)
    assert service.carry_refunds() == 0
    service.refunder.returned.append(bought.charge.key)
    service.clock.pass_by(SECOND)
    assert service.carry_refunds() == 1

    assert now(service, bought).status is PaymentStatus.REFUNDED


@pytest.mark.parametrize(
    ("after", "wait"),
    [pytest.param(None, SECOND, id="a second"), pytest.param(10 * MINUTE, 10 * MINUTE, id="as long as it asked for")],
)
def test_a_provider_that_does_not_answer_is_asked_again_after(after: timedelta | None, wait: timedelta) -> None:
    service = Service()
    service.order_refund(paid(service))
    service.refunder.outcomes.append(TryLater(problem="no answer in time", after=after))
    service.carry_refunds()

    service.clock.pass_by(wait - timedelta(microseconds=1))
    assert service.carry_refunds() == 0
    service.clock.pass_by(timedelta(microseconds=1))
    assert service.carry_refunds() == 1


@pytest.mark.parametrize(
    "outcome",
    [
        pytest.param(GivenBack(), id="given back"),
        pytest.param(NotYet(), id="in hand"),
        pytest.param(TryLater(problem="no answer in time"), id="no answer"),
        pytest.param(Rejected(problem="CHARGE_NOT_FOUND"), id="refused"),
    ],
)
def test_what_a_provider_answered_is_noted_while_nobody_else_changes_the_payment(outcome: ReturnOutcome) -> None:
    service = Service()
    bought = paid(service)
    service.order_refund(bought)
    service.refunder.outcomes.append(outcome)
    begun: list[MemoryTransaction] = []
    service.work = Rigged(state=service.state, rig=begun.append)

    service.carry_refunds()

    assert begun[-1].locked[:1] == [bought.charge.key]


def test_what_is_ordered_is_ordered_while_nobody_else_changes_the_payment() -> None:
    service = Service()
    bought = paid(service)
    begun: list[MemoryTransaction] = []
    service.work = Rigged(state=service.state, rig=begun.append)

    service.order_refund(bought)

    assert [tx.locked for tx in begun] == [[bought.charge.key]]


def test_the_providers_own_word_ends_the_order() -> None:
    service = Service()
    bought = paid(service)
    service.order_refund(bought)

    service.refund(refund(bought.charge))

    assert now(service, bought).status is PaymentStatus.REFUNDED
    assert service.carry_refunds() == 0
    assert service.refunder.asked == []


@pytest.mark.parametrize("outcome", [NotYet(), TryLater(problem="no answer in time")], ids=["in hand", "no answer"])
def test_what_is_not_done_in_two_weeks_is_a_matter_for_a_person(outcome: NotYet | TryLater) -> None:
    service = Service()
    bought = paid(service)
    service.order_refund(bought)
    service.clock.pass_by(TRIED_FOR + SECOND)
    service.refunder.outcomes.append(outcome)

    service.carry_refunds()

    assert now(service, bought).status is PaymentStatus.GRANTED
    assert isinstance(service.journal.events[-1], RefundFailed)


@pytest.mark.parametrize("outcome", [NotYet(), TryLater(problem="no answer in time")], ids=["in hand", "no answer"])
def test_up_to_the_end_of_two_weeks_it_is_tried_on(outcome: NotYet | TryLater) -> None:
    service = Service()
    bought = paid(service)
    service.order_refund(bought)
    service.clock.pass_by(TRIED_FOR)
    service.refunder.outcomes.append(outcome)

    service.carry_refunds()

    assert now(service, bought).status is PaymentStatus.REFUND_PENDING


@pytest.mark.parametrize("quarantined", [False, True])
def test_what_a_provider_refuses_stands_where_it_stood_and_somebody_is_told(quarantined: bool) -> None:
    service = Service()
    service.keep(invoice())
    [bought] = service.settle(charge(payer=MALLORY) if quarantined else charge()).values()
    service.refunder.outcomes.append(Rejected(problem="CHARGE_NOT_FOUND"))
    service.order_refund(bought)

    service.carry_refunds()

    assert now(service, bought) == bought
    assert service.journal.events[-1] == RefundFailed(payment=bought, problem="CHARGE_NOT_FOUND")
    failed = service.state.trail[-1]
    assert (failed.kind, failed.actor, failed.note) == ("refund_failed", "olga", "CHARGE_NOT_FOUND")


def test_what_a_provider_has_refused_is_not_asked_for_any_more() -> None:
    service = Service()
    bought = paid(service)
    service.refunder.outcomes.append(Rejected(problem="CHARGE_NOT_FOUND"))
    service.order_refund(bought)
    service.carry_refunds()

    service.clock.pass_by(TRIED_FOR)

    assert service.carry_refunds() == 0
    assert service.refunder.asked == ["give back"]


def test_after_a_refusal_a_person_may_order_it_anew() -> None:
    service = Service()
    bought = paid(service)
    service.refunder.outcomes.append(Rejected(problem="CHARGE_NOT_FOUND"))
    service.order_refund(bought)
    service.carry_refunds()

    service.order_refund(bought)
    go_on(service)

    assert now(service, bought).status is PaymentStatus.REFUNDED


def test_a_refusal_that_comes_after_the_money_went_back_changes_nothing() -> None:
    service = Service()
    bought = paid(service)
    service.order_refund(bought)
    with service.work.begin() as tx:
        [order] = tx.refund_orders.claim(service.clock.now(), at_most=1, lease=MINUTE)
    service.state.payments[bought.charge.key] = bought.refunded(service.clock.now())
    service.refunder.outcomes.append(Rejected(problem="CHARGE_NOT_FOUND"))
    service.clock.pass_by(MINUTE)

    service.carry_refunds()

    assert order.attempts == 1
    assert now(service, bought).status is PaymentStatus.REFUNDED


def test_a_fault_of_ours_holds_up_no_other_order_and_is_tried_again() -> None:
    service = Service()
    bought = paid(service)
    service.order_refund(bought)
    service.refunder.fault = ZeroDivisionError()

    with pytest.raises(ZeroDivisionError):
        service.carry_refunds()
    assert now(service, bought).status is PaymentStatus.REFUND_PENDING

    service.refunder.fault = None
    go_on(service)
    assert now(service, bought).status is PaymentStatus.REFUNDED


@pytest.mark.parametrize(
    ("attempts", "waits"),
    [(1, SECOND), (2, 2 * SECOND), (3, 4 * SECOND), (10, 512 * SECOND), (11, LONGEST_PAUSE), (10_000, LONGEST_PAUSE)],
)
def test_after_so_many_tries_the_pause_is(attempts: int, waits: timedelta) -> None:
    service = Service()
    service.order_refund(paid(service))
    [waiting] = service.state.refund_orders.values()

    assert pause(replace(waiting.order, attempts=attempts), None) == waits


def test_pauses_are_what_was_asked_for_or_double() -> None:
    service = Service()
    service.order_refund(paid(service))
    with service.work.begin() as tx:
        [order] = tx.refund_orders.claim(service.clock.now(), at_most=1, lease=MINUTE)

    assert pause(order, None) == SECOND
    assert pause(order, HOUR) == HOUR
    assert pause(order, 24 * HOUR) == HOUR


def test_a_payment_providers_charge_is_given_back_there_and_recorded_here() -> None:
    service = Service()
    bought = by_provider_token(service)
    with pytest.raises(Conflict, match="at the provider"):
        service.order_refund(bought)
    assert now(service, bought) == bought

    given_back = service.order_refund(bought, outside=True)

    assert given_back == now(service, bought)
    assert given_back.status is PaymentStatus.REFUNDED
    assert not service.check(ALICE, "signals").allowed
    assert (service.state.trail[-1].actor, service.state.trail[-1].note) == ("olga", "asked for it")
    assert isinstance(service.journal.events[-2], PaymentRefunded)


def test_what_we_can_give_back_ourselves_is_not_recorded_as_done_elsewhere() -> None:
    service = Service()

    with pytest.raises(Conflict, match="by Tollgram itself"):
        service.order_refund(paid(service), outside=True)


@pytest.mark.parametrize("method", Method)
def test_only_a_payment_provider_gives_nothing_back_at_our_word(method: Method) -> None:
    assert can_be_given_back(method) is (method is not Method.TELEGRAM)


@pytest.mark.parametrize("reason", Objection)
def test_only_what_nobody_can_have_meant_to_pay_is_given_back_by_itself(reason: Objection) -> None:
    mistake = payment(status=PaymentStatus.QUARANTINED, quarantine_reason=reason)
    meant = {Objection.WRONG_USER, Objection.INVOICE_ALREADY_PAID, Objection.ALREADY_ENTITLED}
    assert returns_by_itself(mistake) is (reason in meant)
    assert not returns_by_itself(payment(status=PaymentStatus.GRANTED))


def test_money_of_somebody_else_goes_back_by_itself_and_they_are_told() -> None:
    service = Service(automatic_refunds_per_hour=20)
    service.keep(invoice())

    [pending] = service.settle(charge(payer=MALLORY)).values()

    assert (pending.status, pending.quarantine_reason) == (PaymentStatus.REFUND_PENDING, Objection.WRONG_USER)
    price = Price(amount=1250, currency="XTR")
    assert service.state.messages == [PaymentReturning(price=price, reason="wrong_user", plan="Gold, 1 month")]
    assert service.journal.events == [RefundOrdered(payment=pending, asked_by="tollgram", automatic=True)]
    [waiting] = service.state.refund_orders.values()
    assert (waiting.order.asked_by, waiting.order.reason) == ("tollgram", Objection.WRONG_USER)
    go_on(service)
    assert now(service, pending).status is PaymentStatus.REFUNDED


def test_a_second_lifetime_goes_back_by_itself() -> None:
    service = Service(automatic_refunds_per_hour=20)
    first, second = (invoice(FOR_LIFE, id=invoice_id(number)) for number in (1, 2))
    service.keep(first, second)
    service.settle(charge(first, charge_id=ChargeId("first")))

    [again] = service.settle(charge(second, charge_id=ChargeId("second"))).values()

    assert (again.status, again.quarantine_reason) == (PaymentStatus.REFUND_PENDING, Objection.ALREADY_ENTITLED)


def test_one_link_paid_by_many_goes_back_as_often_as_is_allowed_in_an_hour() -> None:
    service = Service(automatic_refunds_per_hour=3)
    service.keep(invoice())
    payers = [charge(payer=MALLORY, charge_id=ChargeId(f"charge-{number}")) for number in range(5)]

    settled = service.settle(*payers)
    service.clock.pass_by(HOUR)
    [after] = service.settle(charge(payer=BOB, charge_id=ChargeId("on the hour"))).values()
    service.clock.pass_by(SECOND)
    [later] = service.settle(charge(payer=BOB, charge_id=ChargeId("an hour later"))).values()

    assert [one.status for one in settled.values()] == [PaymentStatus.REFUND_PENDING] * 3 + [
        PaymentStatus.QUARANTINED
    ] * 2
    assert after.status is PaymentStatus.QUARANTINED
    assert later.status is PaymentStatus.REFUND_PENDING


def test_how_many_went_back_is_counted_while_nobody_else_orders_any() -> None:
    begun: list[MemoryTransaction] = []
    service = Service(automatic_refunds_per_hour=1, work=Rigged(rig=begun.append))
    service.keep(invoice())

    service.settle(charge(payer=MALLORY))

    [tx] = begun
    assert tx.locked == [charge().key, MALLORY, AUTOMATIC_REFUNDS]


@pytest.mark.parametrize(
    ("different", "because"),
    [
        pytest.param({"paid": stars(1)}, Objection.AMOUNT_MISMATCH, id="another amount"),
        pytest.param({"paid": pence(1250)}, Objection.CURRENCY_MISMATCH, id="another currency"),
        pytest.param({"method": Method.TELEGRAM, "payer": MALLORY}, Objection.WRONG_USER, id="by a payment provider"),
    ],
)
def test_all_else_waits_for_a_person(different: dict[str, Any], because: Objection) -> None:
    service = Service(automatic_refunds_per_hour=20)
    service.keep(invoice())

    [held] = service.settle(charge(**different)).values()

    assert (held.status, held.quarantine_reason) == (PaymentStatus.QUARANTINED, because)
    assert service.state.refund_orders == {}


def test_what_was_given_back_before_is_not_ordered_again() -> None:
    service = Service(automatic_refunds_per_hour=20)
    service.keep(invoice())
    mistaken = charge(payer=MALLORY)
    service.refund(refund(mistaken))

    [settled] = service.settle(mistaken).values()

    assert settled.status is PaymentStatus.REFUNDED
    assert service.state.refund_orders == {}
