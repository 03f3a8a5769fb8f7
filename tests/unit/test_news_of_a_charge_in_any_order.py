"""Wherever a charge stands in the end, that decides: not the order of the news, how often it came, or how late."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import islice, pairwise, permutations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from application.messages import AccessRestored, AccessSuspended, PartReturned, PaymentReturned
from application.ports.checkout import StripeSnapshot
from domain.catalog import Plan
from domain.duration import Duration
from domain.entitlement import Entitlement
from domain.ids import ChargeId, PaymentId
from domain.payment import DisputeState, PaymentStatus
from tests.builders import (
    ALICE,
    DAY,
    FOR_LIFE,
    GOLD,
    SECOND,
    Service,
    charge,
    invoice,
    invoice_id,
    refund,
    standing,
    stripe_charge,
    stripe_invoice,
)

PLAN = replace(GOLD, duration=Duration.parse("2 weeks"))
LONG = 14 * DAY
PRICE = 2500
OPENED, WITHDRAWN, WON, LOST = DisputeState


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What Stripe says of the charge at one moment: the total that went back, and its disputes."""

    returned: int = 0
    disputes: Mapping[str, DisputeState] = field(default_factory=dict)


def after(*steps: int | tuple[str, DisputeState]) -> tuple[Standing, ...]:
    """What Stripe says after each step of a charge's life, beginning with its settlement: totals and disputes."""
    told = [Standing()]
    for step in steps:
        last = told[-1]
        if isinstance(step, int):
            told.append(replace(last, returned=step))
        else:
            told.append(replace(last, disputes={**last.disputes, step[0]: step[1]}))
    return tuple(told)


MANY = 4
LIVES = {
    "nothing happens": after(),
    "parts": after(500, 1200, 2499),
    "parts, then the whole": after(500, 1200, PRICE),
    "the whole": after(PRICE),
    "an inquiry": after(("dp_1", OPENED), ("dp_1", WON)),
    "a dispute that is not decided": after(("dp_1", OPENED), ("dp_1", WITHDRAWN)),
    "a dispute that is won": after(("dp_1", OPENED), ("dp_1", WITHDRAWN), ("dp_1", WON)),
    "a dispute that is lost": after(("dp_1", OPENED), ("dp_1", WITHDRAWN), ("dp_1", LOST)),
    "a part and a dispute that is won": after(500, ("dp_1", WITHDRAWN), ("dp_1", WON), 1200),
    "a part and a dispute that is lost": after(500, ("dp_1", OPENED), ("dp_1", WITHDRAWN), ("dp_1", LOST)),
    "a dispute that is won, then the whole": after(("dp_1", WITHDRAWN), ("dp_1", WON), PRICE),
    "two disputes, the second lost": after(("dp_1", WITHDRAWN), ("dp_1", WON), ("dp_2", WITHDRAWN), ("dp_2", LOST)),
    "two disputes that are won": after(("dp_1", WITHDRAWN), ("dp_1", WON), ("dp_2", WITHDRAWN), ("dp_2", WON)),
    "two disputes at once": after(("dp_1", WITHDRAWN), ("dp_2", WITHDRAWN), ("dp_1", WON)),
    "a dispute over what went back already": after(PRICE, ("dp_1", OPENED), ("dp_1", WON)),
}


@st.composite
def lives(draw: st.DrawFn) -> tuple[Standing, ...]:
    """Any life of a charge: parts and disputes in any mixture, and perhaps an end."""
    steps: list[int | tuple[str, DisputeState]] = []
    total, dispute = 0, 0
    for _ in range(draw(st.integers(0, 3))):
        if draw(st.booleans()) and total < PRICE - 1:
            total = draw(st.integers(total + 1, PRICE - 1))
            steps.append(total)
        else:
            dispute += 1
            states = draw(st.sampled_from([[OPENED], [OPENED, WON], [WITHDRAWN, WON], [OPENED, WITHDRAWN, WON]]))
            steps += [(f"dp_{dispute}", state) for state in states]
    end = draw(st.sampled_from(["none", "whole", "lost", "in dispute"]))
    if end == "whole":
        steps.append(PRICE)
    elif end != "none":
        steps += [("dp_end", WITHDRAWN), *([("dp_end", LOST)] if end == "lost" else [])]
    return after(*steps)


# What is done with the news -------------------------------------------------------------------------------------------


BY_STRIPE = stripe_charge(stripe_invoice(PLAN))
IN_TELEGRAM = charge(invoice(PLAN, id=invoice_id(2)), charge_id=ChargeId("charge-2"))
Told = Standing | None
"""News of the charge by Stripe; None is news of the other one, in Telegram."""


def world(plan: Plan = PLAN) -> Service:
    service = Service()
    service.keep(stripe_invoice(plan), invoice(plan, id=invoice_id(2)))
    return service


def snapshot(told: Standing) -> StripeSnapshot:
    return StripeSnapshot(
        charge=BY_STRIPE, standing=standing(BY_STRIPE, amount_refunded=told.returned, disputes=told.disputes)
    )


def tell(service: Service, told: Told, *, refund_first: bool = True) -> None:
    """As the webhook does with an event, once it has asked Stripe what that is about; or in any other order."""
    if told is None:
        service.settle(IN_TELEGRAM)
        return
    asked = snapshot(told)
    assert asked.charge is not None
    assert asked.standing is not None
    whole = asked.standing.given_back
    if whole and refund_first:
        service.refund(refund(asked.charge))
    service.settle(asked.charge)
    if not whole or not refund_first:
        service.follow(asked.standing)
    if whole and not refund_first:
        service.refund(refund(asked.charge))


def ending(news: Sequence[Told], *, pauses: Sequence[timedelta] = (), refund_first: bool = True) -> Service:
    service = world()
    for told, pause in zip(news, [*pauses, *[timedelta(0)] * len(news)], strict=False):
        tell(service, told, refund_first=refund_first)
        check_the_moment(service)
        service.clock.pass_by(pause)
    return service


def check_the_moment(service: Service) -> None:
    """At every moment: no right without money, no time lost or put off, nothing opened twice."""
    now = service.clock.now()
    held = [span for span in service.held(ALICE) if span.lasts(now)]
    living = [span.payment_id for span in service.state.entitlements.values() if span.revoked_at is None]
    assert len(living) == len(set(living))
    by_id = {payment.id: payment for payment in service.state.payments.values()}
    for payment_id in living:
        assert payment_id is not None
        assert by_id[payment_id].status is PaymentStatus.GRANTED
        assert by_id[payment_id].suspended is None
    # What is held begins now and goes on without a gap.
    assert not held or held[0].starts_at <= now
    assert all(one.expires_at == next_one.starts_at for one, next_one in pairwise(held))
    assert service.check(ALICE, "signals").allowed is bool(held)


def state(service: Service) -> dict[ChargeId, tuple[object, ...]]:
    return {
        payment.charge.charge_id: (
            payment.status,
            payment.quarantine_reason,
            payment.amount_refunded,
            payment.disputes,
            payment.suspended is not None,
        )
        for payment in service.state.payments.values()
    }


def times(service: Service) -> dict[ChargeId, timedelta]:
    """How long each payment opens the door altogether: what it did until now, will yet, or would if it were resumed."""
    total = {payment.charge.charge_id: timedelta(0) for payment in service.state.payments.values()}
    for payment in service.state.payments.values():
        for span in spans_of(service, payment.id):
            total[payment.charge.charge_id] += length(span, whole=span.id == payment.suspended)
    return total


def spans_of(service: Service, payment_id: PaymentId) -> Iterator[Entitlement]:
    return (span for span in service.state.entitlements.values() if span.payment_id == payment_id)


def length(span: Entitlement, *, whole: bool) -> timedelta:
    end = span.expires_at if whole else span.ends_at
    assert end is not None
    return max(end - span.starts_at, timedelta(0))


def expected(life: Sequence[Standing]) -> PaymentStatus:
    last = life[-1]
    given_back = last.returned == PRICE or LOST in last.disputes.values()
    return PaymentStatus.REFUNDED if given_back else PaymentStatus.GRANTED


def same_times(one: Mapping[ChargeId, timedelta], other: Mapping[ChargeId, timedelta], within: timedelta) -> bool:
    return one.keys() == other.keys() and all(abs(one[charge_id] - other[charge_id]) <= within for charge_id in one)


# The rules ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("life", LIVES.values(), ids=LIVES.keys())
@pytest.mark.parametrize("refund_first", [True, False], ids=["refund first", "charge first"])
def test_every_order_of_news_each_told_twice_ends_the_same(life: tuple[Standing, ...], refund_first: bool) -> None:
    orderly = ending([None, *life], refund_first=refund_first)
    assert state(orderly)[BY_STRIPE.charge_id][0] is expected(life)

    # Of long lives every fifth order; the others come up by chance, below.
    for order in islice(permutations(life), 0, None, 5 if len(life) > MANY else 1):
        for news in ([None, *order, *reversed(order)], [*order, None, *order]):
            shuffled = ending(news, refund_first=refund_first)
            assert state(shuffled) == state(orderly)
            assert same_times(times(shuffled), times(orderly), timedelta(0))


@given(
    data=st.data(),
    life=lives() | st.sampled_from(list(LIVES.values())),
    pauses=st.lists(st.timedeltas(timedelta(0), 3 * DAY), max_size=24),
    refund_first=st.booleans(),
)
def test_any_life_told_in_any_order_over_any_time_ends_in_the_same_state_and_opens_the_door_as_long(
    data: st.DataObject, life: tuple[Standing, ...], pauses: list[timedelta], refund_first: bool
) -> None:
    late = data.draw(st.lists(st.sampled_from([None, *life]), max_size=4))
    news: list[Told] = data.draw(st.permutations([None, *life, None, *life, *late]))

    orderly = ending([None, *life], refund_first=refund_first)
    shuffled = ending(news, pauses=pauses, refund_first=refund_first)

    assert state(shuffled).keys() == state(orderly).keys()
    for charge_id, (status, reason, amount, disputes, suspended) in state(orderly).items():
        told = state(shuffled)[charge_id]
        assert told[:4] == (status, reason, amount, disputes)
        # A span that ran out before its dispute came could not be interrupted any more.
        assert told[4] == suspended or not suspended or over(shuffled, charge_id)
    given_back = expected(life) is PaymentStatus.REFUNDED
    assert times(shuffled)[IN_TELEGRAM.charge_id] == LONG
    if not given_back:
        disputes_told = len(life[-1].disputes)
        assert abs(times(shuffled)[BY_STRIPE.charge_id] - LONG) <= disputes_told * SECOND


def over(service: Service, charge_id: ChargeId) -> bool:
    [payment] = [p for p in service.state.payments.values() if p.charge.charge_id == charge_id]
    return all(not span.lasts(service.clock.now()) for span in spans_of(service, payment.id))


@given(data=st.data(), life=lives())
@example(data=None, life=LIVES["a dispute that is won"])
def test_each_turn_is_told_to_the_user_once_however_often_it_comes(
    data: st.DataObject | None, life: tuple[Standing, ...]
) -> None:
    news = [told for told in life for _ in range(data.draw(st.integers(1, 3)) if data else 2)]

    service = ending(news)

    messages = service.state.messages
    suspended = [said for said in messages if isinstance(said, AccessSuspended)]
    restored = [said for said in messages if isinstance(said, AccessRestored)]
    parts = [said.price.amount for said in messages if isinstance(said, PartReturned)]
    wholes = [said.price.amount for said in messages if isinstance(said, PaymentReturned)]
    withdrawn = {name for told in life for name, state in told.disputes.items() if state is WITHDRAWN}
    won_back = [name for name in withdrawn if life[-1].disputes[name] is WON]
    totals = [told.returned for told in life if told.returned < PRICE]
    assert len(suspended) == len(withdrawn)
    assert len(restored) == len(won_back)
    assert sum(parts) == max(totals)
    assert len(wholes) == (expected(life) is PaymentStatus.REFUNDED)
    assert sum(wholes) in (0, PRICE - sum(parts))


@pytest.mark.parametrize("life", LIVES.values(), ids=LIVES.keys())
def test_a_life_that_was_bought_is_open_again_or_ended_in_every_order(life: tuple[Standing, ...]) -> None:
    for order in permutations(life):
        service = world(FOR_LIFE)
        for told in (*order, *order):
            lived = replace(BY_STRIPE, payload=stripe_charge(stripe_invoice(FOR_LIFE)).payload)
            service.refund(*([refund(lived)] if given_back(told) else []))
            service.settle(lived)
            service.follow(standing(lived, amount_refunded=told.returned, disputes=told.disputes))

        open_for_life = [span for span in service.held(ALICE) if span.expires_at is None]
        disputed = WITHDRAWN in life[-1].disputes.values()
        assert len(open_for_life) == (expected(life) is PaymentStatus.GRANTED and not disputed)


def given_back(told: Standing) -> bool:
    return told.returned == PRICE or LOST in told.disputes.values()
