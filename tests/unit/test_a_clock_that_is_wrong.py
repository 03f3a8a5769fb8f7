"""A clock that goes a day ahead or back costs nobody time that was paid for, and opens nothing that was ended."""

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ids import ChargeId
from domain.invoice import Objection
from tests.builders import (
    ALICE,
    DAY,
    HOUR,
    SILVER,
    Service,
    charge,
    entitlement,
    invoice,
    invoice_id,
    query,
    refund,
)
from tests.memory import NOON

pytestmark = pytest.mark.threat(30)

WEEK = timedelta(days=7)


def test_what_was_ended_stays_ended_when_the_clock_is_set_back() -> None:
    service = Service()
    service.keep(invoice())
    service.settle(charge())
    service.clock.pass_by(DAY)
    service.refund(refund())

    service.clock.pass_by(-DAY)

    assert not service.check(ALICE, "signals").allowed
    assert not any(span.open(service.clock.now()) for span in service.state.entitlements.values())


def test_what_was_ended_before_it_began_stays_closed_at_every_moment() -> None:
    span = entitlement(starts_at=NOON + DAY, revoked_at=NOON)

    assert not any(span.active(NOON + hours * HOUR) for hours in range(-48, 24 * 60))


def test_a_purchase_by_a_clock_ahead_is_whole_once_the_clock_is_right() -> None:
    service = Service()
    service.keep(invoice(SILVER), invoice(SILVER, id=invoice_id(2)))
    service.clock.pass_by(DAY)
    service.settle(charge(invoice(SILVER)))
    service.clock.pass_by(-DAY)
    service.settle(charge(invoice(SILVER, id=invoice_id(2)), charge_id=ChargeId("charge-2")))

    first, second = service.held(ALICE)
    assert (first.starts_at, first.expires_at) == (NOON + DAY, NOON + DAY + WEEK)
    assert (second.starts_at, second.expires_at) == (first.expires_at, NOON + DAY + 2 * WEEK)


def test_a_clock_ahead_makes_an_invoice_look_old_and_costs_the_buyer_only_another_try() -> None:
    service = Service()
    service.keep(invoice())

    service.clock.pass_by(DAY)
    assert service.judge(query()) == {query().query_id: Objection.STALE_INVOICE}
    service.clock.pass_by(-DAY)
    assert service.judge(query()) == {query().query_id: None}


def test_whether_a_charge_came_in_time_is_told_by_the_provider_s_clock_and_not_by_ours() -> None:
    service = Service()
    service.keep(invoice())
    service.clock.pass_by(DAY)

    [settled] = service.settle(charge()).values()

    assert settled.status == "granted"


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["buy", "refund"]), st.integers(0, 9), st.timedeltas(-DAY, WEEK)), max_size=16
    )
)
def test_however_the_clock_jumps_each_purchase_is_whole_and_none_overlaps(
    steps: list[tuple[str, int, timedelta]],
) -> None:
    service = Service()
    bought: list[int] = []
    refunded: set[int] = set()
    for what, which, jump in steps:
        service.clock.pass_by(jump)
        if what == "buy":
            named = invoice(SILVER, id=invoice_id(len(bought)))
            service.keep(named)
            service.settle(charge(named, charge_id=ChargeId(f"charge-{len(bought)}")))
            bought.append(len(bought))
        elif which < len(bought):
            service.refund(refund(charge(invoice(SILVER, id=invoice_id(which)), charge_id=ChargeId(f"charge-{which}"))))
            refunded.add(which)
        spans = service.held(ALICE)
        assert len(spans) == len(bought) - len(refunded)
        assert all(span.expires_at == span.starts_at + WEEK for span in spans)
        assert all(one.expires_at is not None and one.expires_at <= other.starts_at for one, other in pairwise(spans))
