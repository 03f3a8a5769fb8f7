"""A charge that was given back opens no door; whatever else was paid for is neither lost nor delayed by that."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.messages import PaymentReturned, Price
from application.ports.trail import TrailEntry
from domain.duration import LIFETIME
from domain.entitlement import Entitlement, Revocation, revoke
from domain.errors import Unavailable
from domain.events import EntitlementRevoked, PaymentQuarantined, PaymentRefunded, RefundCameFirst
from domain.ids import ChargeId, EntitlementId, PaymentId
from domain.payment import Charge, DisputeState, PaymentStatus
from tests.builders import (
    ALICE,
    BOB,
    DAY,
    GOLD,
    HOUR,
    MAIN,
    MALLORY,
    MONTH,
    SILVER,
    Rigged,
    Service,
    charge,
    entitlement,
    invoice,
    invoice_id,
    payment,
    refund,
    standing,
    stars,
)
from tests.memory import NOON, MemoryTransaction

WEEK = timedelta(days=7)


def week(name: str, starts_at: datetime) -> Entitlement:
    return entitlement(SILVER, name=name, starts_at=starts_at)


def ids() -> Iterator[EntitlementId]:
    return (EntitlementId(f"new_{number}") for number in range(1, 100))


def ended(span: Entitlement, *others: Entitlement, now: datetime = NOON) -> Revocation:
    return revoke(span, among=[span, *others], new_ids=ids(), now=now)


def test_the_span_that_was_paid_for_ends_at_once() -> None:
    span = entitlement()

    revocation = ended(span, now=NOON + DAY)

    assert revocation == Revocation(ended=(replace(span, revoked_at=NOON + DAY),), moved=(), lost=True)
    assert span.open(NOON + DAY)
    assert not revocation.ended[0].open(NOON + DAY)


def test_later_spans_of_the_plan_move_up_whole_as_new_rows() -> None:
    first, second, third = week("a", NOON), week("b", NOON + WEEK), week("c", NOON + 2 * WEEK)
    now = NOON + DAY

    def moved_from(span: Entitlement) -> dict[str, Any]:
        return {"origin": span.id, "moved_at": now}

    revocation = ended(first, third, second, now=now)

    assert revocation.ended == tuple(replace(span, revoked_at=now) for span in (first, second, third))
    assert revocation.moved == (
        replace(second, id=EntitlementId("new_1"), starts_at=now, expires_at=now + WEEK, **moved_from(second)),
        replace(third, id=EntitlementId("new_2"), starts_at=now + WEEK, expires_at=now + 2 * WEEK, **moved_from(third)),
    )
    assert not revocation.lost


def test_earlier_spans_stay_as_they_are() -> None:
    first, second, third = week("a", NOON), week("b", NOON + WEEK), week("c", NOON + 2 * WEEK)

    revocation = ended(second, first, third, now=NOON + DAY)

    assert [span.id for span in revocation.ended] == [second.id, third.id]
    assert [(span.starts_at, span.expires_at) for span in revocation.moved] == [(NOON + WEEK, NOON + 2 * WEEK)]


def test_the_last_span_ends_alone() -> None:
    first, second = week("a", NOON), week("b", NOON + WEEK)

    assert ended(second, first).ended == (replace(second, revoked_at=NOON),)
    assert ended(second, first).moved == ()


def test_a_span_that_is_long_over_takes_nothing_with_it() -> None:
    over, running, to_come = week("a", NOON - 2 * WEEK), week("b", NOON - DAY), week("c", NOON + 6 * DAY)

    revocation = ended(over, running, to_come)

    assert revocation == Revocation(ended=(replace(over, revoked_at=NOON),), moved=(), lost=False)


def test_nothing_is_lost_by_the_end_of_what_was_over_already() -> None:
    assert not ended(week("a", NOON - 2 * WEEK)).lost


def test_what_is_over_does_not_make_good_for_what_ends() -> None:
    over, running = week("a", NOON - WEEK), week("b", NOON)

    assert ended(running, over).lost


def test_the_order_is_that_of_time_and_not_that_of_ids() -> None:
    first, second, third = week("z", NOON), week("y", NOON + WEEK), week("x", NOON + 2 * WEEK)

    assert [span.payment_id for span in ended(first, third, second).moved] == [second.payment_id, third.payment_id]


def test_behind_a_lifetime_nothing_has_to_move() -> None:
    month, life = entitlement(name="a"), entitlement(name="b", starts_at=NOON + 30 * DAY, duration=LIFETIME)
    behind = entitlement(name="c", starts_at=NOON + 60 * DAY)

    assert [span.payment_id for span in ended(month, life, behind).moved] == [life.payment_id]


def test_other_plans_are_not_touched() -> None:
    revocation = ended(week("a", NOON), entitlement(name="gold", starts_at=NOON + WEEK))

    assert (len(revocation.ended), revocation.moved, revocation.lost) == (1, (), True)


def test_a_span_that_lies_within_another_lets_none_begin_before_the_end_of_that() -> None:
    running, month = week("a", NOON), entitlement(SILVER, name="b", starts_at=NOON + WEEK, duration=MONTH)
    within, last = week("c", NOON + 2 * WEEK), week("d", NOON + 7 * WEEK)

    moved = ended(running, month, within, last).moved

    assert [(span.origin, span.starts_at) for span in moved] == [
        (month.id, NOON),
        (last.id, MONTH.after(NOON)),
    ]


def test_of_two_that_begin_at_once_the_one_that_was_granted_first_moves_up() -> None:
    running = week("a", NOON)
    late, early = (
        entitlement(SILVER, name=name, starts_at=NOON + WEEK, granted_at=NOON - ago)
        for name, ago in (("b", HOUR), ("c", DAY))
    )

    assert [span.origin for span in ended(running, late, early).moved] == [early.id]


def test_a_month_that_moves_up_is_counted_by_the_calendar_anew() -> None:
    running, later = (
        entitlement(name="a", starts_at=datetime(2027, 1, 30, tzinfo=UTC)),
        entitlement(name="b", starts_at=datetime(2027, 2, 28, tzinfo=UTC)),
    )

    [moved] = ended(running, later, now=datetime(2027, 1, 31, tzinfo=UTC)).moved

    assert later.expires_at == datetime(2027, 3, 28, tzinfo=UTC)
    assert moved.expires_at == datetime(2027, 2, 28, tzinfo=UTC)


def test_a_lifetime_moves_up_too() -> None:
    month, life = entitlement(name="a"), entitlement(name="b", starts_at=NOON + 30 * DAY, duration=LIFETIME)

    [moved] = ended(month, life, now=NOON + DAY).moved

    assert (moved.starts_at, moved.expires_at) == (NOON + DAY, None)


def test_beside_a_running_lifetime_nothing_has_to_move() -> None:
    month, life = entitlement(name="a"), entitlement(name="b", expires_at=None)
    later = entitlement(name="c", starts_at=NOON + 30 * DAY)

    assert ended(month, life, later).moved == ()


def test_spans_that_were_ended_before_do_not_come_back() -> None:
    first, gone = week("a", NOON), replace(week("b", NOON + WEEK), revoked_at=NOON)

    assert ended(first, gone, now=NOON + DAY).moved == ()


def buy(service: Service, number: int) -> Charge:
    named = invoice(SILVER, id=invoice_id(number), issued_at=service.clock.now().replace(microsecond=0))
    service.keep(named)
    paid = charge(named, charge_id=ChargeId(f"charge-{number}"))
    service.settle(paid)
    return paid


@pytest.mark.threat(26)
def test_a_refund_ends_the_access_that_the_charge_had_opened() -> None:
    service = Service()
    paid = buy(service, 1)
    assert service.check(ALICE, "signals").allowed

    service.refund(refund(paid))

    assert not service.check(ALICE, "signals").allowed
    [kept] = service.state.payments.values()
    assert (kept.status, kept.refunded_at) == (PaymentStatus.REFUNDED, refund(paid).refunded_at)


@pytest.mark.threat(27)
@pytest.mark.parametrize("times", [1, 2, 20])
def test_a_refund_that_is_reported_again_changes_nothing(times: int) -> None:
    service = Service()
    paid = buy(service, 1)
    buy(service, 2)
    service.refund(refund(paid))
    before, told = service.state.copy(), list(service.journal.events)

    service.clock.pass_by(DAY)
    service.refund(*[refund(paid, refunded_at=NOON + DAY)] * times)

    assert service.state == before
    assert service.journal.events == told


def test_a_refund_ends_the_access_of_its_own_charge_and_of_no_other() -> None:
    service = Service()
    first = buy(service, 1)
    buy(service, 2)

    service.refund(refund(first))

    [kept] = service.held(ALICE)
    assert kept.payment_id == service.state.payments[(first.provider, ChargeId("charge-2"))].id
    assert (kept.starts_at, kept.expires_at) == (NOON, NOON + WEEK)


def test_who_is_concerned_is_known_from_the_charge_and_not_from_the_refund() -> None:
    service = Service()
    paid = buy(service, 1)
    service.give(entitlement(SILVER, name="mallorys", user_id=MALLORY))

    service.refund(refund(paid, payload="nonsense"))

    assert service.held(ALICE) == []
    assert len(service.held(MALLORY)) == 1
    assert service.state.trail[-1] == TrailEntry(
        kind="refunded_payment",
        bot=MAIN,
        at=NOON,
        user_id=ALICE,
        invoice_id=invoice_id(1),
        charge_id=paid.charge_id,
        decision="refunded",
        message=b'{"message_id":2}',
    )


def test_a_refund_of_money_in_quarantine_ends_nothing_but_the_waiting() -> None:
    service = Service()
    buy(service, 1)
    held = charge(charge_id=ChargeId("held"), paid=stars(1), payload="nonsense")
    [settled] = service.settle(held).values()

    service.refund(refund(held))

    kept = service.state.payments[held.key]
    assert (kept.status, kept.quarantine_reason) == (PaymentStatus.REFUNDED, "bad_payload")
    assert service.journal.events[-2:] == [PaymentQuarantined(payment=settled), PaymentRefunded(payment=kept)]
    assert len(service.held(ALICE)) == 1
    assert service.state.messages[-1] == PaymentReturned(price=Price(amount=1, currency="XTR"), plan=None, ended=False)


def test_a_charge_that_is_refunded_already_is_only_put_on_the_trail() -> None:
    service = Service()
    known = payment().refunded(NOON - DAY)
    service.state.payments[known.charge.key] = known

    service.refund(refund())

    assert service.state.payments == {known.charge.key: known}
    assert (service.state.outbox, service.journal.events) == ([], [])
    assert [entry.kind for entry in service.state.trail] == ["refunded_payment"]


def paid_once(service: Service) -> Charge:
    return buy(service, 1)


def paid_twice(service: Service) -> Charge:
    paid = buy(service, 1)
    buy(service, 2)
    return paid


def paid_long_ago(service: Service) -> Charge:
    paid = buy(service, 1)
    service.clock.pass_by(2 * WEEK)
    return paid


@pytest.mark.parametrize(
    ("purchase", "lost"),
    [
        pytest.param(paid_once, True, id="all that was held"),
        pytest.param(paid_twice, False, id="a part of what is held"),
        pytest.param(paid_long_ago, False, id="what was over already"),
    ],
)
def test_the_payer_is_told_of_the_refund_and_whether_access_ended_with_it_when_it_paid_for(
    purchase: Callable[[Service], Charge], lost: bool
) -> None:
    service = Service()
    paid = purchase(service)

    service.refund(refund(paid))

    letter = service.state.outbox[-1].letter
    assert (letter.bot, letter.chat_id, letter.language) == (MAIN, ALICE, "en")
    assert letter.message == PaymentReturned(price=Price(amount=300, currency="XTR"), plan=SILVER.title, ended=lost)


@pytest.mark.parametrize("known", [True, False], ids=["of the invoice", "English, where that is lost"])
def test_the_payer_is_told_in_the_language(known: bool) -> None:
    service = Service()
    if known:
        service.keep(invoice(language="de"))
    paid = charge() if known else charge(payload="nonsense")
    service.settle(paid)

    service.refund(refund(paid))

    letter = service.state.outbox[-1].letter
    assert (letter.chat_id, letter.language) == (ALICE, "de" if known else "en")


def test_what_was_refunded_and_ended_is_told_to_the_journal() -> None:
    service = Service()
    paid = buy(service, 1)
    [span] = service.held(ALICE)
    service.journal.events.clear()

    service.refund(refund(paid))

    assert service.journal.events == [
        PaymentRefunded(payment=service.state.payments[paid.key]),
        EntitlementRevoked(entitlement=replace(span, revoked_at=NOON)),
    ]


@pytest.mark.threat(26)
def test_a_refund_that_comes_before_its_charge_is_kept_and_the_charge_never_grants() -> None:
    service = Service()
    service.keep(invoice())

    service.refund(refund())
    assert service.journal.events == [RefundCameFirst(refund=refund())]
    assert [(e.kind, e.user_id, e.charge_id) for e in service.state.trail] == [
        ("refunded_payment", None, charge().charge_id)
    ]
    service.settle(charge())

    [kept] = service.state.payments.values()
    assert (kept.status, kept.refunded_at) == (PaymentStatus.REFUNDED, refund().refunded_at)
    assert service.state.entitlements == {}
    assert service.journal.events[1:] == [PaymentRefunded(payment=kept)]
    assert service.state.messages == [
        PaymentReturned(price=Price(amount=1250, currency="XTR"), plan=GOLD.title, ended=False)
    ]


def test_the_charge_and_then_its_payer_is_locked_before_access_ends() -> None:
    service = Service()
    service.keep(invoice())
    service.settle(charge())
    begun: list[MemoryTransaction] = []
    service.work = Rigged(state=service.state, rig=begun.append)

    service.refund(refund())

    assert [tx.locked for tx in begun] == [[charge().key, ALICE]]


@pytest.mark.parametrize("disputed", [False, True], ids=["open", "interrupted by a dispute"])
def test_so_is_somebody_else_for_whom_it_had_opened_the_door(disputed: bool) -> None:
    service = Service()
    service.keep(invoice())
    [held] = service.settle(charge(paid=stars(1))).values()
    service.resolve(held, user_id=BOB)
    if disputed:
        service.follow(standing(held.charge, disputes={"dp_1": DisputeState.WITHDRAWN}))
    begun: list[MemoryTransaction] = []
    service.work = Rigged(state=service.state, rig=begun.append)

    service.refund(refund(held.charge))

    assert [tx.locked for tx in begun] == [[charge().key, ALICE, BOB]]


def test_a_refund_that_could_not_be_kept_is_tried_again_whole() -> None:
    service = Service()
    paid = buy(service, 1)
    service.work.broken = True
    with pytest.raises(Unavailable):
        service.refund(refund(paid))
    assert len(service.journal.events) == 1

    service.work.broken = False
    service.refund(refund(paid))

    assert service.held(ALICE) == []


def test_what_was_paid_for_is_not_sold_again_on_the_same_invoice_after_its_refund() -> None:
    service = Service()
    service.keep(invoice())
    service.settle(charge())
    service.refund(refund())

    service.settle(charge(charge_id=ChargeId("charge-2")))

    assert isinstance(service.journal.events[-1], PaymentQuarantined)
    assert service.held(ALICE) == []


def test_after_a_refund_the_plan_can_be_bought_anew_from_now() -> None:
    service = Service()
    service.refund(refund(buy(service, 1)))
    service.clock.pass_by(DAY)

    buy(service, 2)

    assert [span.starts_at for span in service.held(ALICE)] == [NOON + DAY]


@pytest.mark.threat(27)
@given(
    weeks=st.integers(1, 8),
    steps=st.lists(st.tuples(st.integers(0, 7), st.timedeltas(timedelta(0), WEEK)), max_size=12),
)
def test_refunds_in_any_order_and_at_any_time_cost_nobody_other_time(
    weeks: int, steps: list[tuple[int, timedelta]]
) -> None:
    service = Service()
    paid = [buy(service, number) for number in range(weeks)]

    for number, pause in steps:
        service.clock.pass_by(pause)
        before = {span.payment_id: span for span in service.held(ALICE)}
        service.refund(refund(paid[number % weeks]))
        spans = service.held(ALICE)
        # Each is whole, none has been put off, none overlaps, and nothing lies between now and what is to come.
        assert all(span.expires_at == span.starts_at + WEEK for span in spans)
        assert all(span.starts_at <= before[span.payment_id].starts_at for span in spans)
        assert all(one.expires_at is not None and one.expires_at <= other.starts_at for one, other in pairwise(spans))
        now = service.clock.now()
        left = [span for span in spans if span.held(now)]
        assert all(one.expires_at == other.starts_at for one, other in pairwise(left))
        assert all(span.starts_at <= now for span in left[:1])

    refunded = {p.id for p in service.state.payments.values() if p.status is PaymentStatus.REFUNDED}
    assert {span.payment_id for span in service.held(ALICE)} == set(_payments(service)) - refunded


def _payments(service: Service) -> list[PaymentId]:
    return [payment.id for payment in service.state.payments.values()]


def test_what_moved_up_can_be_refunded_as_well() -> None:
    service = Service()
    paid = [buy(service, number) for number in range(3)]
    service.clock.pass_by(HOUR)

    service.refund(refund(paid[0]), refund(paid[1]))

    [left] = service.held(ALICE)
    assert (left.starts_at, left.expires_at) == (NOON + HOUR, NOON + HOUR + WEEK)
    assert len(service.state.entitlements) == 6  # three bought; two moved, one of them twice
