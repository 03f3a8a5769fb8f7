"""What somebody has set for a server, a database or a role changes nothing of what is promised."""

from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Engine

from adapters.sql.engine import open_engine
from adapters.sql.migrate import upgrade
from adapters.sql.work import SqlUnitOfWork
from tests.builders import ALICE
from tests.integration.test_sql_concurrency import at_once, issue, settling, sold
from tests.integration.transactions import all_held
from tests.memory import NOON
from tests.postgres import Postgres

ISOLATIONS = ["read uncommitted", "repeatable read", "serializable"]


@pytest.fixture
def opinionated(postgres: Postgres, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Over a database for which these settings were made."""
    name = postgres.create_database()
    upgrade(postgres.url(name))
    with psycopg.connect(postgres.url(name), autocommit=True) as connection:
        for setting, value in request.param.items():
            change = sql.SQL("ALTER DATABASE {} SET {} = {}")
            connection.execute(change.format(sql.Identifier(name), sql.Identifier(setting), sql.Literal(value)))
    engine = open_engine(postgres.url(name))
    yield engine
    engine.dispose()


@pytest.mark.parametrize(
    "opinionated", [{"default_transaction_isolation": level} for level in ISOLATIONS], ids=ISOLATIONS, indirect=True
)
def test_two_charges_at_once_follow_each_other_whatever_isolation_is_the_default(opinionated: Engine) -> None:
    work = SqlUnitOfWork(opinionated)
    pairs = [sold(number) for number in range(1, 9)]
    issue(work, *(issued for issued, _ in pairs))

    at_once(*(lambda paid=paid: settling(work)([paid]) for _, paid in pairs))

    held = all_held(work, ALICE)
    assert held[0].starts_at == NOON
    assert [later.starts_at for later in held[1:]] == [earlier.expires_at for earlier in held[:-1]]


@pytest.mark.parametrize(
    "opinionated",
    [
        {"datestyle": "German"},
        {"client_encoding": "SQL_ASCII"},
        {"client_encoding": "LATIN1"},
        {"timezone": "Asia/Tokyo"},
    ],
    ids=lambda settings: next(iter(settings.values())),
    indirect=True,
)
def test_what_was_written_is_read_again_however_others_want_it_shown(opinionated: Engine) -> None:
    work = SqlUnitOfWork(opinionated)
    issued, paid = sold(1)
    issue(work, replace(issued, offer=replace(issued.offer, title="Золото ⭐")))

    [kept] = settling(work)([paid]).values()

    with work.look() as tx:
        assert tx.payments.of([paid.key]) == {paid.key: kept}
        assert tx.invoices.of([issued.id])[issued.id].offer.title == "Золото ⭐"


@pytest.mark.parametrize(
    ("opinionated", "waits"),
    [
        pytest.param({"synchronous_commit": "off"}, "on", id="off"),
        pytest.param({"synchronous_commit": "remote_apply"}, "remote_apply", id="for a standby to show it"),
        pytest.param({"synchronous_commit": "local"}, "local", id="for our own disk alone"),
    ],
    indirect=["opinionated"],
)
def test_a_commit_waits_for_the_disk_whatever_is_the_default(opinionated: Engine, waits: str) -> None:
    with SqlUnitOfWork(opinionated).connect() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar_one() == waits
