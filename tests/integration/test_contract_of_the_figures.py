"""Figures of what happened: whatever was summed up already, they are the same, and they are those of the stories."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, event, func, select

from adapters.sql import schema
from adapters.sql.figures import SqlFigures
from adapters.sql.register import SqlRegister
from adapters.sql.work import SqlUnitOfWork
from application.books import Figure, Kind
from application.figures import Compared, ShowOverview, ShowPlans, Span, SumUpFigures, hour_of
from domain.ids import ChargeId, UserId
from domain.payment import Charge
from tests.builders import (
    ALICE,
    BOB,
    DAY,
    GOLD,
    HOUR,
    SILVER,
    Service,
    charge,
    invoice,
    invoice_id,
    payload,
    query,
    refund,
    stars,
)
from tests.memory import NOON, FixedClock

pytest_plugins = ["tests.integration.databases"]


@pytest.fixture
def shop(sql_work: SqlUnitOfWork) -> Service:
    """The whole core over the database, at noon."""
    return Service(work=sql_work)  # type: ignore[arg-type] # it is asked for nothing that only memory has


@pytest.fixture
def figures(sql_work: SqlUnitOfWork) -> SqlFigures:
    return SqlFigures(sql_work)


def sell(shop: Service, number: int, *, to: UserId = ALICE, paid: int = 1250) -> Charge:
    """An invoice is issued, asked about and paid, now; another sum than its price ends in quarantine."""
    issued = invoice(id=invoice_id(number), payer=to, issued_at=shop.clock.now())
    with shop.work.begin() as tx:
        tx.invoices.add([issued])
    shop.judge(query(issued))
    charged = charge(
        charge_id=ChargeId(f"charge-{number}"),
        payer=to,
        paid=stars(paid),
        payload=payload(issued),
        charged_at=shop.clock.now(),
    )
    shop.settle(charged)
    return charged


def told(found: Sequence[Figure]) -> dict[tuple[int, Kind], tuple[int, int]]:
    return {(f.bucket, f.kind): (f.number, f.amount) for f in found}


def test_what_happened_in_an_hour_is_counted_and_summed_also_where_it_was_summed_up_before(
    shop: Service, figures: SqlFigures
) -> None:
    first = sell(shop, 1)
    sell(shop, 2, to=BOB, paid=1)
    shop.clock.pass_by(2 * HOUR)
    shop.refund(refund(first, refunded_at=shop.clock.now()))
    noon = hour_of(NOON)
    whole = {
        (noon, Kind.APPROVED): (2, 0),
        (noon, Kind.PAYMENT): (2, 1251),
        (noon, Kind.GRANTED): (1, 1250),
        (noon, Kind.QUARANTINED): (1, 1),
        (noon + 2, Kind.REFUND): (1, 1250),
    }
    assert told(figures.between(noon - 5, noon + 5, each=1)) == whole

    for until, hours in ((noon, 0), (noon + 1, 1), (noon + 1, 0), (noon + 3, 1), (noon + 3, 0)):
        assert figures.sum_up(until) == hours
        assert told(figures.between(noon - 5, noon + 5, each=1)) == whole
    assert told(figures.between(noon + 1, noon + 5, each=1)) == {(noon + 2, Kind.REFUND): (1, 1250)}
    assert told(figures.between(noon - 5, noon + 1, each=1)).keys() == {k for k in whole if k[0] == noon}


def test_stretches_begin_at_multiples_of_their_length_and_plans_are_told_apart_only_when_asked_for(
    shop: Service, figures: SqlFigures
) -> None:
    sell(shop, 1)
    shop.clock.pass_by(DAY)
    sell(shop, 2, to=BOB)
    noon = hour_of(NOON)
    midnight = noon - noon % 24
    for until in (midnight, noon + 10, noon + 20, midnight + 40, midnight + 72):
        while figures.sum_up(until):
            pass
        days = told(figures.between(midnight, midnight + 72, each=24))
        assert days[midnight, Kind.PAYMENT] == days[midnight + 24, Kind.PAYMENT] == (1, 1250)
        assert len(days) == 6
        [plan] = {f.plan_code for f in figures.between(midnight, midnight + 72, each=24, by_plan=True)}
        assert plan == GOLD.code
        assert {f.plan_code for f in figures.between(midnight, midnight + 72, each=24)} == {""}
        assert told(figures.between(noon, noon + 1, each=24))[midnight, Kind.PAYMENT] == (1, 1250)
        assert told(figures.between(midnight + 24, midnight + 72, each=24)).keys() == {
            k for k in days if k[0] > midnight
        }


def test_a_long_silence_is_passed_over_at_once(shop: Service, figures: SqlFigures) -> None:
    sell(shop, 1)
    noon = hour_of(NOON)
    assert figures.sum_up(noon + 1) == 1
    shop.clock.pass_by(400 * DAY)
    sell(shop, 2)
    later = hour_of(shop.clock.now())
    assert figures.sum_up(later + 1) == 1
    assert figures.sum_up(later + 100) == 0
    assert told(figures.between(later, later + 1, each=1))[later, Kind.PAYMENT] == (1, 1250)


@pytest.mark.parametrize("late", ["", "before_cursor_execute", "after_cursor_execute"])
def test_a_line_that_is_committed_late_is_counted_in_its_hour(
    shop: Service, figures: SqlFigures, engine: Engine, late: str
) -> None:
    """Ids are given out while transactions are under way, and become visible in another order; or while it is summed
    up, right before or after the last line is looked for."""
    noon = hour_of(NOON)
    sell(shop, 1)
    numbers = [next_id(engine) + n for n in range(4)]
    if not late:
        note_issued(engine, numbers[2], NOON + HOUR)
        assert figures.sum_up(noon + 1) == 1
        note_issued(engine, numbers[1], NOON + HOUR)
    else:

        def commit_another(_c: object, _cursor: object, statement: str, *_: object) -> None:
            if "max(" in statement and not struck:
                struck.append(statement)
                note_issued(engine, numbers[1], NOON + HOUR)
                note_issued(engine, numbers[2], NOON + HOUR)

        struck: list[str] = []
        event.listen(Engine, late, commit_another)
        try:
            assert figures.sum_up(noon + 1) == 1
        finally:
            event.remove(Engine, late, commit_another)
        assert struck
    assert told(figures.between(noon + 1, noon + 2, each=1))[noon + 1, Kind.INVOICE] == (2, 0)
    assert figures.sum_up(noon + 2) == 1
    assert told(figures.between(noon + 1, noon + 2, each=1))[noon + 1, Kind.INVOICE] == (2, 0)


def next_id(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(select(func.max(schema.trail.c.id))).scalar_one()) + 1


def note_issued(engine: Engine, id: int, at: datetime) -> None:
    row = {"id": id, "kind": "invoice_issued", "bot": "main", "user_id": ALICE, "at": at}
    with engine.begin() as connection:
        connection.execute(schema.trail.insert(), row)


def test_two_who_sum_up_at_once_leave_what_one_would(
    shop: Service, figures: SqlFigures, sql_work: SqlUnitOfWork, other_engine: Engine
) -> None:
    sell(shop, 1)
    noon = hour_of(NOON)
    figures.sum_up(noon + 1)
    with sql_work.look() as tx:
        once = sorted(map(tuple, tx.connection.execute(select(schema.figures))))
    with sql_work.begin() as tx:  # as it looked to the other, who began before
        tx.connection.execute(schema.figures.delete().where(schema.figure_is_mark))
    SqlFigures(SqlUnitOfWork(other_engine)).sum_up(noon + 1)
    with sql_work.look() as tx:
        assert sorted(map(tuple, tx.connection.execute(select(schema.figures)))) == once


def test_a_refund_that_came_before_its_charge_is_counted_with_the_charge(shop: Service, figures: SqlFigures) -> None:
    paid = charge(invoice(id=invoice_id(7)))
    shop.refund(refund(paid))
    noon = hour_of(NOON)
    assert told(figures.between(noon, noon + 1, each=1)) == {}
    shop.settle(paid)
    assert told(figures.between(noon, noon + 1, each=1)) == {
        (noon, Kind.PAYMENT): (1, 1250),
        (noon, Kind.REFUND): (1, 1250),
    }


def test_an_overview_holds_the_span_against_the_one_before_it(
    shop: Service, figures: SqlFigures, engine: Engine, sql_work: SqlUnitOfWork
) -> None:
    sell(shop, 1)
    shop.clock.pass_by(DAY)
    back = sell(shop, 2, to=BOB)
    sell(shop, 3, to=UserId(77), paid=10)
    sell(shop, 4, to=UserId(78), paid=20)
    shop.refund(refund(back, refunded_at=shop.clock.now()))
    register = SqlRegister(sql_work, engine)
    show = ShowOverview(figures, register, shop.clock)
    seen = show(Span.DAY)
    assert seen.taken == {
        ("XTR", "stars"): Compared(number=3, amount=1280, number_before=1, amount_before=1250),
    }
    assert seen.given_back == {("XTR", "stars"): Compared(number=1, amount=1250)}
    assert seen.counts[Kind.QUARANTINED] == Compared(number=2, amount=30)
    assert seen.counts[Kind.APPROVED] == Compared(number=3, number_before=1)
    assert seen.counts[Kind.INVOICE] == Compared()
    assert seen.series.starts[-1] == NOON + DAY
    assert seen.series.taken == {"XTR": (*[0] * 23, 1280)}
    assert seen.series.numbers[Kind.PAYMENT][-1] == 3
    assert seen.standing.quarantined == {"amount_mismatch": 2}
    assert seen.standing.quarantined_since == NOON + DAY
    assert seen.standing.outbox_pending
    assert seen.standing.outbox_since == NOON
    assert (seen.standing.unconfirmed, seen.standing.refunds_pending, seen.standing.ledgers) == (1, 0, {})
    assert [len(show(span).series.starts) for span in Span] == [24, 168, 30, 90]
    assert show(Span.MONTH).taken["XTR", "stars"] == Compared(number=4, amount=2530)

    plans = ShowPlans(figures, register, shop.clock)(Span.WEEK)
    assert plans.keys() == {GOLD.code}
    assert plans[GOLD.code].holders == 1
    assert plans[GOLD.code].sold["XTR"] == Compared(number=2, amount=2500)
    assert plans[GOLD.code].given_back["XTR"] == Compared(number=1, amount=1250)


def test_holders_are_counted_once_each_and_only_while_they_hold(
    shop: Service, sql_work: SqlUnitOfWork, engine: Engine
) -> None:
    register = SqlRegister(sql_work, engine)
    shop.grant(GOLD)
    shop.grant(GOLD)
    shop.grant(GOLD, to=BOB)
    ended = shop.grant(SILVER, to=BOB)
    assert register.holders(NOON) == {GOLD.code: 2, SILVER.code: 1}
    shop.revoke(ended)
    assert register.holders(NOON) == {GOLD.code: 2}
    assert register.holders(NOON + timedelta(days=40)) == {GOLD.code: 1}


def test_only_hours_that_are_over_for_a_while_are_summed_up(shop: Service, figures: SqlFigures) -> None:
    sell(shop, 1)
    clock = FixedClock(NOON + timedelta(minutes=69))
    assert SumUpFigures(figures, clock)() == 0
    assert SumUpFigures(figures, replace(clock, time=NOON + timedelta(minutes=70)))() == 1
