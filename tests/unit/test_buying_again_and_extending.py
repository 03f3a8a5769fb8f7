"""Who buys again gets the time behind what is held already: nothing overlaps, and nothing that was paid for is lost."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.messages import Confirmation
from domain.duration import END_OF_TIME, LIFETIME, Duration
from domain.entitlement import Entitlement, Holding, grant, holdings
from domain.ids import ChargeId, EntitlementId, PlanCode
from domain.invoice import Objection
from tests.builders import (
    ALICE,
    DAY,
    FOR_LIFE,
    GOLD,
    MONTH,
    SECOND,
    SILVER,
    Service,
    charge,
    entitlement,
    invoice,
    invoice_id,
    offer,
)
from tests.memory import NOON

WEEK = timedelta(days=7)


def bought(held: Holding | None, *, duration: Duration = MONTH, now: datetime = NOON) -> Entitlement:
    return grant(
        replace(offer(), duration=duration),
        id=EntitlementId("ent_2"),
        user_id=ALICE,
        payment_id=None,
        held=held,
        now=now,
    )


def test_what_is_not_held_begins_now() -> None:
    span = bought(None)

    assert (span.starts_at, span.expires_at) == (NOON, MONTH.after(NOON))


def test_what_is_held_is_extended_from_its_end() -> None:
    span = bought(Holding(expires_at=NOON + 2 * DAY))

    assert (span.granted_at, span.starts_at) == (NOON, NOON + 2 * DAY)
    assert span.expires_at == MONTH.after(NOON + 2 * DAY)


def test_what_is_over_is_not_extended_from_the_past() -> None:
    assert bought(Holding(expires_at=NOON - DAY)).starts_at == NOON


def test_a_lifetime_bought_while_months_are_left_begins_behind_them_and_never_ends() -> None:
    span = bought(Holding(expires_at=NOON + 2 * DAY), duration=LIFETIME)

    assert (span.starts_at, span.expires_at) == (NOON + 2 * DAY, None)


def test_nothing_follows_a_lifetime() -> None:
    with pytest.raises(ValueError, match="nothing extends a lifetime"):
        bought(Holding(expires_at=None))


@pytest.mark.threat(29)
def test_each_month_is_counted_by_the_calendar_from_where_the_one_before_it_ends() -> None:
    now = datetime(2027, 1, 31, 9, tzinfo=UTC)
    first = bought(None, now=now)
    second = bought(Holding(expires_at=first.expires_at), now=now)

    assert first.expires_at == datetime(2027, 2, 28, 9, tzinfo=UTC)
    assert second.expires_at == datetime(2027, 3, 28, 9, tzinfo=UTC)


@pytest.mark.threat(29)
def test_what_is_held_to_the_end_of_time_is_held_for_life() -> None:
    held = Holding(expires_at=END_OF_TIME)

    assert not held.renewable(Duration.parse("1000 years"), NOON)
    with pytest.raises(ValueError, match="nothing extends a lifetime"):
        bought(held)


@pytest.mark.threat(29)
def test_money_for_what_is_held_to_the_end_of_time_is_kept() -> None:
    service = Service()
    service.keep(invoice())
    service.give(entitlement(expires_at=END_OF_TIME))

    [kept] = service.settle(charge()).values()

    assert kept.quarantine_reason is Objection.ALREADY_ENTITLED


@pytest.mark.threat(29)
def test_time_that_would_go_on_beyond_the_end_of_time_ends_there() -> None:
    nearly = END_OF_TIME - DAY

    span = bought(Holding(expires_at=nearly))

    assert (span.starts_at, span.expires_at) == (nearly, END_OF_TIME)


@pytest.mark.parametrize(
    ("spans", "held"),
    [
        pytest.param([], {}, id="nothing"),
        pytest.param([entitlement()], {GOLD.code: Holding(expires_at=MONTH.after(NOON))}, id="one span"),
        pytest.param(
            [entitlement(expires_at=NOON + 9 * DAY), entitlement(expires_at=NOON + 2 * DAY)],
            {GOLD.code: Holding(expires_at=NOON + 9 * DAY)},
            id="the latest end of several",
        ),
        pytest.param(
            [entitlement(expires_at=None), entitlement()],
            {GOLD.code: Holding(expires_at=None)},
            id="a life and a month",
        ),
        pytest.param(
            [entitlement(), entitlement(expires_at=None)],
            {GOLD.code: Holding(expires_at=None)},
            id="a month and a life",
        ),
        pytest.param([entitlement(revoked_at=NOON - DAY)], {}, id="nothing of what was revoked"),
        pytest.param([entitlement(revoked_at=NOON + DAY)], {}, id="nothing of what was revoked by a clock ahead"),
        pytest.param([entitlement(expires_at=NOON)], {}, id="nothing of what ends now"),
        pytest.param(
            [entitlement(starts_at=NOON + DAY)],
            {GOLD.code: Holding(expires_at=MONTH.after(NOON + DAY))},
            id="what is still to come",
        ),
        pytest.param(
            [entitlement(), entitlement(FOR_LIFE)],
            {GOLD.code: Holding(expires_at=MONTH.after(NOON)), FOR_LIFE.code: Holding(expires_at=None)},
            id="each plan by itself",
        ),
    ],
)
def test_what_is_left_of(spans: list[Entitlement], held: dict[PlanCode, Holding]) -> None:
    assert holdings(spans, NOON) == held


@pytest.mark.criterion("1.5")
@pytest.mark.parametrize(
    ("expires_at", "may"),
    [
        pytest.param(NOON + 3 * DAY, True, id="within the window"),
        pytest.param(NOON + 3 * DAY + SECOND, False, id="one second before the window"),
        pytest.param(NOON - DAY, True, id="when it is over"),
        pytest.param(None, False, id="held for life"),
    ],
)
def test_a_plan_may_be_bought_again(expires_at: datetime | None, may: bool) -> None:
    assert Holding(expires_at=expires_at).renewable(GOLD.renew_window, NOON) is may


@pytest.mark.parametrize(
    ("expires_at", "may"),
    [
        pytest.param(NOON + 3000 * DAY, True, id="however long it lasts yet"),
        pytest.param(END_OF_TIME, False, id="but not where nothing can follow"),
        pytest.param(None, False, id="but not what is held for life"),
    ],
)
def test_a_plan_that_may_be_bought_again_at_any_time_may(expires_at: datetime | None, may: bool) -> None:
    assert Holding(expires_at=expires_at).renewable(LIFETIME, NOON) is may


@pytest.mark.criterion("5.5")
def test_a_second_payment_of_a_held_plan_extends_it_and_says_so() -> None:
    service = Service()
    service.keep(invoice(), invoice(id=invoice_id(2)))
    service.settle(charge())
    service.clock.pass_by(DAY)

    service.settle(charge(invoice(id=invoice_id(2)), charge_id=ChargeId("charge-2")))

    first, second = service.held(ALICE)
    assert second.starts_at == first.expires_at
    assert service.state.messages[-1] == Confirmation(
        plan=GOLD.title,
        price=service.state.messages[-1].price,  # type: ignore[union-attr]
        starts_at=second.starts_at,
        expires_at=second.expires_at,
        extends=True,
    )


def test_another_plan_s_time_runs_beside() -> None:
    service = Service()
    service.keep(invoice(), invoice(SILVER, id=invoice_id(2)))

    service.settle(charge(), charge(invoice(SILVER, id=invoice_id(2)), charge_id=ChargeId("charge-2")))

    assert [(e.plan_code, e.starts_at) for e in service.held(ALICE)] == [(GOLD.code, NOON), (SILVER.code, NOON)]


@pytest.mark.criterion("5.5")
@given(pauses=st.lists(st.timedeltas(timedelta(0), 3 * WEEK), min_size=1, max_size=10))
def test_weeks_that_were_bought_never_overlap_and_are_whole(pauses: list[timedelta]) -> None:
    service = Service()
    ends = NOON
    for number, pause in enumerate(pauses):
        named = invoice(SILVER, id=invoice_id(number))
        service.keep(named)
        service.clock.pass_by(pause)
        service.settle(charge(named, charge_id=ChargeId(f"charge-{number}")))
        ends = max(ends, service.clock.now()) + WEEK

    spans = service.held(ALICE)
    assert all(span.expires_at == span.starts_at + WEEK for span in spans)
    assert all(one.expires_at is not None and one.expires_at <= other.starts_at for one, other in pairwise(spans))
    assert spans[-1].expires_at == ends
