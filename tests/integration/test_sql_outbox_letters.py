"""Letters that this version can't read, and rows that are reached by an index."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from adapters.sql.schema import metadata
from adapters.sql.work import SqlUnitOfWork
from application.messages import Help, Letter
from application.ports.pages import Page
from application.ports.payments import PaymentFilter
from tests.builders import ALICE, BOB, MAIN, charge, entitlement, invoice, payment, refund
from tests.integration.transactions import keep_paid
from tests.memory import NOON

pytest_plugins = ["tests.integration.databases"]

LEASE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        pytest.param("FromTheFuture", "{}", id="of an unknown kind"),
        pytest.param("PaySupport", "{}", id="without what it needs"),
        pytest.param("PaySupport", '{"user_id": "x"}', id="of the wrong shape"),
        pytest.param("Help", "{", id="cut off"),
        pytest.param("PaySupport", '{"user_id": "\\ud800"}', id="with half a character"),
    ],
)
def test_a_letter_that_nobody_can_read_is_given_up_and_holds_up_no_chat(
    engine: Engine, sql_work: SqlUnitOfWork, kind: str, body: str
) -> None:
    with sql_work.begin() as tx:
        tx.outbox.add([Letter(bot=MAIN, chat_id=1, language="en", message=Help()) for _ in range(2)], NOON)
    with engine.begin() as connection:
        spoil = text("UPDATE outbox SET kind = :kind, body = :body WHERE id = (SELECT min(id) FROM outbox)")
        connection.execute(spoil, {"kind": kind, "body": body})
    with sql_work.begin() as tx:
        assert tx.outbox.claim(NOON, at_most=9, lease=LEASE) == []
    with sql_work.begin() as tx:
        assert [letter.message for letter in tx.outbox.claim(NOON, at_most=9, lease=LEASE)] == [Help()]
    with engine.connect() as connection:
        (problem,) = connection.execute(text("SELECT problem FROM outbox WHERE given_up_at IS NOT NULL")).one()
    assert problem


def test_no_statement_of_the_service_reads_a_whole_table(engine: Engine, sql_work: SqlUnitOfWork) -> None:
    said: dict[str, Any] = {}

    @event.listens_for(engine, "before_cursor_execute")
    def listen(connection: object, cursor: object, statement: str, parameters: Any, *_: object) -> None:
        said[statement] = parameters[0] if isinstance(parameters, list) else parameters

    keep_paid(sql_work, charge())
    with sql_work.begin() as tx:
        tx.lock(charges=[charge().key], users=[ALICE])
        tx.invoices.of([invoice().id])
        tx.invoices.approve([invoice().id], NOON)
        tx.invoices.settle({invoice().id: charge().charge_id})
        tx.invoices.cancel(invoice().id, NOON)
        tx.invoices.sent(invoice().id, 1)
        tx.payments.of([charge().key])
        tx.payments.update(payment())
        tx.payments.waiting_of(ALICE)
        page = tx.payments.found(PaymentFilter(user_id=ALICE), Page(limit=1))
        tx.payments.found(PaymentFilter(user_id=ALICE), Page(cursor=page.next_cursor))
        tx.refunds.add_new(refund())
        tx.refunds.of([charge().key])
        tx.entitlements.add([entitlement(payment_id=payment().id)])
        tx.entitlements.end([entitlement(revoked_at=NOON)])
        tx.entitlements.revoked_since(NOON, at_most=1)
        tx.entitlements.held_by([ALICE, BOB], NOON)
        tx.entitlements.of_user(ALICE)
        tx.entitlements.living_of(payment().id)
        tx.updates.first_seen(MAIN, 1, NOON)
        tx.updates.forget(NOON)
        tx.attempts.admit(ALICE, NOON, at_most=1, within=LEASE)
        tx.outbox.add([Letter(bot=MAIN, chat_id=1, language="en", message=Help())], NOON)
        tx.outbox.crowded(MAIN, ALICE, by=20)
        (letter,) = tx.outbox.claim(NOON, at_most=1, lease=LEASE)
        tx.outbox.retry(letter, NOON, "")
        tx.outbox.sent(letter, NOON)
    explain = "EXPLAIN QUERY PLAN " if engine.dialect.name == "sqlite" else "EXPLAIN "
    plans = {}
    with engine.connect() as connection:
        for statement, parameters in list(said.items()):
            if statement.startswith(("SELECT", "UPDATE", "DELETE")):
                rows = connection.exec_driver_sql(explain + statement, parameters)
                plans[statement] = "\n".join(str(row) for row in rows)
    assert len(plans) > 15
    for statement, plan in plans.items():
        for table in metadata.tables:
            assert f"'SCAN {table}'" not in plan, statement
            assert f"Seq Scan on {table}" not in plan, statement
