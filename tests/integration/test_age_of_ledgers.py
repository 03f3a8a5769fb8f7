"""How old our knowledge of a ledger is shows also where it was never read, so that somebody is woken."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from adapters.sql.gauges import SqlGauges
from adapters.sql.work import SqlUnitOfWork
from entrypoints.readings import Readings
from entrypoints.settings import Settings
from tests.builders import DAY, HOUR
from tests.memory import NOON, FixedClock

pytest_plugins = ["tests.integration.databases"]

TOKENS = {"main": f"123456:{'A' * 35}", "other": f"654321:{'B' * 35}"}
BOTS = {"TELEGRAM_BOT_TOKENS_JSON": json.dumps(TOKENS)}
STRIPE = {"STRIPE_SECRET_KEY": "sk_test_abcdefgh"}


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOON)


def ages(engine: Engine, clock: FixedClock, settings: Mapping[str, str]) -> object:
    """Of a process that started at noon."""
    read = Readings(SqlGauges(engine), clock, Settings.read(settings), {}, started_at=NOON)
    return read()["reconcile_age_seconds"]


def test_a_ledger_that_nobody_tried_to_read_is_as_old_as_the_process(engine: Engine, clock: FixedClock) -> None:
    clock.pass_by(HOUR)

    assert ages(engine, clock, BOTS) == {"stars:main": 3600, "stars:other": 3600}
    assert ages(engine, clock, BOTS | STRIPE) == {"stars:main": 3600, "stars:other": 3600, "stripe": 3600}


def test_one_that_nobody_could_read_is_as_old_as_the_first_attempt(
    engine: Engine, sql_work: SqlUnitOfWork, clock: FixedClock
) -> None:
    with sql_work.begin() as tx:
        tx.ledger_marks.take("stars:main", NOON - DAY)

    assert ages(engine, clock, BOTS) == {"stars:main": 86_400, "stars:other": 0}


def test_one_that_was_read_is_as_old_as_that(engine: Engine, sql_work: SqlUnitOfWork, clock: FixedClock) -> None:
    with sql_work.begin() as tx:
        mark = tx.ledger_marks.take("stars:main", NOON - DAY)
        tx.ledger_marks.move(replace(mark, tail_read_at=NOON - timedelta(seconds=45)))

    assert ages(engine, clock, BOTS) == {"stars:main": 45, "stars:other": 0}


def test_where_ledgers_are_read_by_hand_alone_only_those_that_were_begun_have_an_age(
    engine: Engine, sql_work: SqlUnitOfWork, clock: FixedClock
) -> None:
    by_hand = BOTS | {"RECONCILE_EVERY_SECONDS": "0"}
    assert ages(engine, clock, by_hand) == {}
    with sql_work.begin() as tx:
        tx.ledger_marks.take("stars:main", NOON - HOUR)

    assert ages(engine, clock, by_hand) == {"stars:main": 3600}
