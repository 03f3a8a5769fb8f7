"""May this user do this now? Of several rights the one that ends last answers; what is no right is a plain no."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.access import ListEntitlements, ListPayments
from application.ports.pages import Page, PageOf
from application.ports.work import Transaction
from domain.access import Access, check
from domain.entitlement import Entitlement
from domain.errors import InvalidRequest
from domain.ids import ChargeId, PaymentId, UserId
from tests.builders import (
    ALICE,
    BOB,
    DAY,
    FOR_LIFE,
    GOLD,
    HOUR,
    MONTH,
    SECOND,
    SILVER,
    Service,
    charge,
    entitlement,
    invoice,
    payment,
    refund,
)
from tests.memory import NOON, MemoryEntitlements, MemoryUnitOfWork

NO = Access(allowed=False)
WEEK = timedelta(days=7)


def days(start: int, end: int | None, *, name: str = "ent_1", **different: Any) -> Entitlement:
    """Gold from one day to another, counted from noon today."""
    return entitlement(
        name=name, starts_at=NOON + start * DAY, expires_at=None if end is None else NOON + end * DAY, **different
    )


@pytest.mark.criterion("5.4")
@pytest.mark.parametrize(
    ("moment", "allowed"),
    [
        pytest.param(NOON - SECOND, False, id="a second before it begins"),
        pytest.param(NOON, True, id="at its very beginning"),
        pytest.param(NOON + DAY - SECOND, True, id="a second before it ends"),
        pytest.param(NOON + DAY, False, id="at its very end"),
        pytest.param(NOON + 9 * DAY, False, id="long after it"),
    ],
)
def test_a_right_of_a_day_allows(moment: datetime, allowed: bool) -> None:
    assert check([days(0, 1)], "signals", moment).allowed is allowed


@pytest.mark.parametrize(
    ("feature", "allowed"),
    [
        pytest.param("signals", True, id="what the plan opens"),
        pytest.param("copy_trading", True, id="the other thing that it opens"),
        pytest.param("withdrawals", False, id="what it does not open"),
        pytest.param("signal", False, id="a part of a name"),
        pytest.param("", False, id="nothing"),
    ],
)
def test_a_right_is_a_right_to_the_plan_s_features_only(feature: str, allowed: bool) -> None:
    assert check([entitlement()], feature, NOON).allowed is allowed


def test_who_holds_nothing_is_told_a_plain_no() -> None:
    assert check([], "signals", NOON) == NO


def test_a_yes_names_the_plan_its_end_and_its_limits() -> None:
    assert check([entitlement()], "signals", NOON) == Access(
        allowed=True,
        plan_code=GOLD.code,
        expires_at=MONTH.after(NOON),
        limits={"max_devices": 3},
        because=(entitlement(),),
    )


def test_a_right_for_life_has_no_end() -> None:
    answer = check([entitlement(FOR_LIFE), entitlement()], "signals", NOON)

    assert (answer.allowed, answer.plan_code, answer.expires_at) == (True, FOR_LIFE.code, None)


@pytest.mark.parametrize("turned", [False, True], ids=["longest first", "longest last"])
def test_of_several_rights_the_one_that_ends_last_decides(turned: bool) -> None:
    gold, silver = entitlement(), entitlement(SILVER, name="silver")
    held = [silver, gold] if turned else [gold, silver]

    answer = check(held, "signals", NOON)

    assert (answer.plan_code, answer.expires_at) == (GOLD.code, gold.expires_at)
    assert answer.because == (gold, silver)


def test_limits_are_the_highest_of_each() -> None:
    one = entitlement(limits={"max_devices": 3, "max_bots": 1})
    other = entitlement(SILVER, name="other", limits={"max_devices": 1, "max_bots": 7, "max_alerts": -1})

    assert check([one, other], "signals", NOON).limits == {"max_devices": 3, "max_bots": 7, "max_alerts": -1}


def test_limits_of_what_is_over_or_still_to_come_do_not_count() -> None:
    held = [days(0, 1), days(1, 2, limits={"max_devices": 99}), days(-2, -1, limits={"max_devices": 99})]

    assert check(held, "signals", NOON).limits == {"max_devices": 3}


@pytest.mark.parametrize(
    ("others", "end"),
    [
        pytest.param([days(1, 2)], NOON + 2 * DAY, id="goes on where the next begins"),
        pytest.param([days(2, 3), days(1, 2)], NOON + 3 * DAY, id="goes on through several"),
        pytest.param([days(1, None)], None, id="goes on for life"),
        pytest.param([replace(days(1, 2), plan_code=SILVER.code)], NOON + 2 * DAY, id="goes on by another plan"),
        pytest.param([days(2, 3)], NOON + DAY, id="ends where a gap begins"),
        pytest.param([days(1, 2, features=("other",))], NOON + DAY, id="ends where the next opens something else"),
        pytest.param([days(1, 2, revoked_at=NOON)], NOON + DAY, id="does not go on by what was revoked"),
        pytest.param([days(1, None, revoked_at=NOON)], NOON + DAY, id="does not go on by a life that was revoked"),
    ],
)
def test_the_end_of_unbroken_time(others: Sequence[Entitlement], end: datetime | None) -> None:
    assert check([days(0, 1), *others], "signals", NOON).expires_at == end


@given(
    spans=st.lists(
        st.tuples(st.integers(-5, 20), st.integers(1, 10), st.booleans()).map(
            lambda drawn: days(
                drawn[0], drawn[0] + drawn[1], revoked_at=NOON + (drawn[0] + drawn[1] / 2) * DAY if drawn[2] else None
            )
        ),
        max_size=8,
    )
)
def test_an_answer_holds_for_every_moment_up_to_its_end_and_not_beyond(spans: list[Entitlement]) -> None:
    answer = check(spans, "signals", NOON)

    if not answer.allowed:
        assert not any(span.active(NOON) for span in spans)
        return
    assert answer.expires_at is not None
    moment = NOON
    while moment < answer.expires_at:
        assert check(spans, "signals", moment).allowed
        moment += HOUR * 12
    assert not check(spans, "signals", answer.expires_at).allowed


@pytest.mark.criterion("5.4")
def test_a_service_that_asks_is_told_yes_at_once_after_the_payment_and_no_at_once_after_the_refund() -> None:
    service = Service()
    service.keep(invoice())

    assert service.check(ALICE, "signals") == NO
    service.settle(charge())
    assert service.check(ALICE, "signals").expires_at == MONTH.after(NOON)
    service.refund(refund())
    assert service.check(ALICE, "signals") == NO


@dataclass(frozen=True, slots=True)
class CountedEntitlements(MemoryEntitlements):
    """`asked` is of whom it was asked what they hold, once for each question."""

    asked: list[list[UserId]] = field(default_factory=list)

    def held_by(self, users: Sequence[UserId], now: datetime) -> Mapping[UserId, Sequence[Entitlement]]:
        self.asked.append(list(users))
        return MemoryEntitlements.held_by(self, users, now)


@dataclass(slots=True)
class CountedWork(MemoryUnitOfWork):
    asked: list[list[UserId]] = field(default_factory=list)

    @contextmanager
    def look(self) -> Iterator[Transaction]:
        with MemoryUnitOfWork.look(self) as tx:
            tx.entitlements = CountedEntitlements(self.state, self.asked)
            yield tx


def test_many_questions_are_answered_in_their_order_by_one_read() -> None:
    work = CountedWork()
    service = Service(work=work)
    service.give(entitlement(), entitlement(SILVER, name="bobs", user_id=BOB))
    asked = [(BOB, "signals"), (ALICE, "copy_trading"), (UserId(1), "signals"), (BOB, "copy_trading"), (BOB, "signals")]

    answers = service.check_all(*asked)

    assert work.asked == [[BOB, ALICE, UserId(1)]]
    assert answers == [service.check(*one) for one in asked]
    assert [answer.allowed for answer in answers] == [True, True, False, False, True]
    assert service.check_all() == []


def test_one_user_s_rights_are_not_another_s() -> None:
    service = Service()
    service.give(entitlement())

    assert service.check(ALICE, "signals").allowed
    assert service.check(BOB, "signals") == NO
    assert service.check(UserId(1), "signals") == NO


@pytest.mark.criterion("5.2", "5.6")
def test_all_that_a_user_ever_held_is_listed_with_the_time_of_the_look() -> None:
    service = Service()
    over, running = days(-9, -1, name="over"), days(0, 30, name="running")
    revoked = days(3, 4, name="revoked", revoked_at=NOON)
    service.give(over, running, revoked, entitlement(name="bobs", user_id=BOB))

    listed, looked_at = ListEntitlements(work=service.work, clock=service.clock)(ALICE)

    assert [*listed] == [revoked, running, over]
    assert looked_at == NOON
    assert [span.open(looked_at) for span in listed] == [False, True, False]


@pytest.mark.parametrize(
    ("payment_id", "source"),
    [pytest.param(PaymentId("pay_1"), "payment", id="a payment"), pytest.param(None, "operator", id="an operator")],
)
def test_a_right_tells_where_it_came_from(payment_id: PaymentId | None, source: str) -> None:
    assert entitlement(payment_id=payment_id).source == source


def test_a_user_s_payments_are_listed_page_by_page_the_newest_first() -> None:
    service = Service()
    made = [
        payment(charge(charge_id=ChargeId(f"charge-{number}")), received_at=NOON + number * HOUR) for number in range(3)
    ]
    theirs = payment(charge(charge_id=ChargeId("bobs"), payer=BOB))
    service.state.payments.update({one.charge.key: one for one in [*made, theirs]})
    pages = ListPayments(work=service.work)

    first = pages(ALICE, Page(limit=2))
    second = pages(ALICE, Page(limit=2, cursor=first.next_cursor))

    assert first.items == (made[2], made[1])
    assert second == PageOf(items=(made[0],), next_cursor=None)
    with pytest.raises(InvalidRequest):
        pages(ALICE, Page(cursor=theirs.id))
