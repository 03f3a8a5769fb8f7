"""What no program can write into the tables, not even one that goes past ours."""

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from adapters.sql.work import SqlUnitOfWork
from application.ports.entitlements import DoubleGrant
from application.ports.trail import TrailEntry
from domain.errors import Unavailable
from domain.payment import PaymentStatus
from tests.builders import ALICE, MAIN, entitlement, payment
from tests.integration.transactions import keep_paid
from tests.memory import NOON

pytest_plugins = ["tests.integration.databases"]


def write(engine: Engine, statement: str) -> int:
    with engine.begin() as connection:
        return connection.execute(text(statement)).rowcount


@pytest.fixture(autouse=True)
def one_of_each(sql_work: SqlUnitOfWork) -> None:
    keep_paid(sql_work)
    with sql_work.begin() as tx:
        tx.entitlements.add([entitlement(payment_id=payment().id)])
        tx.trail.add([TrailEntry(kind="successful_payment", bot=MAIN, at=NOON, charge_id=payment().charge.charge_id)])


@pytest.mark.threat(13)
@pytest.mark.parametrize("amount", ["0", "-1", "'much'", "9223372036854775808", "NULL"])
@pytest.mark.parametrize("table", ["invoices", "payments"])
def test_money_is_a_positive_whole_number(engine: Engine, table: str, amount: str) -> None:
    with pytest.raises((DBAPIError, Unavailable)):
        write(engine, f"UPDATE {table} SET amount = {amount}")


def test_a_charge_is_one_payment(engine: Engine) -> None:
    columns = (
        "provider, charge_id, provider_charge_id, bot, user_id, amount, currency, method, payload, charged_at, message,"
        " invoice_id, plan_code, status, quarantine_reason, received_at, refunded_at"
    )
    with pytest.raises(DBAPIError, match=r"(?i)unique"):
        write(engine, f"INSERT INTO payments (id, {columns}) SELECT 'pay_2', {columns} FROM payments")


def test_a_payment_ends_in_one_of_four_ways(engine: Engine) -> None:
    for status in PaymentStatus:
        assert write(engine, f"UPDATE payments SET status = '{status}'") == 1
    with pytest.raises(DBAPIError, match="status_is_known"):
        write(engine, "UPDATE payments SET status = 'lost'")


@pytest.mark.parametrize("amount", ["-1", "1251", "NULL", "'some'"])
def test_no_more_went_back_than_came(engine: Engine, amount: str) -> None:
    assert write(engine, "UPDATE payments SET amount_refunded = amount") == 1
    with pytest.raises(DBAPIError):
        write(engine, f"UPDATE payments SET amount_refunded = {amount}")


def test_a_payment_names_an_invoice_that_exists_and_an_entitlement_a_payment(engine: Engine) -> None:
    with pytest.raises(DBAPIError, match=r"(?i)foreign key"):
        write(engine, "UPDATE payments SET invoice_id = 'inv_none'")
    with pytest.raises(DBAPIError, match=r"(?i)foreign key"):
        write(engine, "UPDATE entitlements SET payment_id = 'pay_none'")
    with pytest.raises(DBAPIError, match=r"(?i)foreign key"):
        write(engine, "DELETE FROM payments")


@pytest.mark.threat(50)
@pytest.mark.criterion("5.5")
def test_a_payment_opens_the_door_once(engine: Engine) -> None:
    columns = "user_id, plan_code, features, limits, duration, granted_at, starts_at, expires_at, payment_id"
    copy = f"INSERT INTO entitlements (id, {columns}) SELECT 'ent_2', {columns} FROM entitlements"
    with pytest.raises(DoubleGrant):
        write(engine, copy)
    write(engine, "UPDATE entitlements SET revoked_at = granted_at")
    assert write(engine, copy) == 1


def test_an_entitlement_ends_after_its_start(engine: Engine) -> None:
    with pytest.raises(DBAPIError, match="ends_after_its_start"):
        write(engine, "UPDATE entitlements SET expires_at = starts_at")


@pytest.mark.parametrize(
    "act", ["UPDATE telegram_payment_events SET decision = 'ok'", "DELETE FROM telegram_payment_events"]
)
def test_the_trail_is_only_ever_added_to(engine: Engine, act: str) -> None:
    with pytest.raises(DBAPIError, match="only ever added to"):
        write(engine, act)


def test_the_trail_can_not_be_emptied_at_one_stroke(postgres_database: str, engine: Engine) -> None:
    del postgres_database
    if engine.dialect.name == "sqlite":
        return  # SQLite knows no TRUNCATE.
    with pytest.raises(DBAPIError, match="only ever added to"):
        write(engine, "TRUNCATE telegram_payment_events")


@pytest.mark.criterion("3.2")
@pytest.mark.parametrize("kind", ["successful_payment", "refunded_payment"])
def test_the_trail_has_one_payment_and_one_refund_of_a_charge(engine: Engine, kind: str) -> None:
    add = f"""
        INSERT INTO telegram_payment_events (kind, bot, at, telegram_payment_charge_id)
        SELECT '{kind}', bot, at, telegram_payment_charge_id FROM telegram_payment_events LIMIT 1
    """
    if kind == "refunded_payment":
        assert write(engine, add) == 1
    with pytest.raises(DBAPIError, match=r"(?i)unique"):
        write(engine, add)


def test_a_mistake_of_ours_is_not_taken_for_a_database_out_of_order(sql_work: SqlUnitOfWork) -> None:
    with pytest.raises(DBAPIError, match=r"(?i)unique"), sql_work.begin() as tx:
        tx.entitlements.add([entitlement(payment_id=None)])
    with sql_work.look() as tx:
        assert len(tx.entitlements.of_user(ALICE)) == 1
