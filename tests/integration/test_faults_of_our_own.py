"""A fault of our own costs nobody anything: what it struck is on disk before Telegram is told that we have it, is tried
again until it ends, and holds up nothing else. The fault is a real one, in the database; nothing is mocked."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.integration.buying import invoice_for, pay, payments_of, settled, told
from tests.integration.conftest import set_webhook, set_webhooks
from tests.integration.sandbox_server import Json, SandboxServer
from tests.integration.service import Service, eventually, only, update_id
from tests.integration.stripe_buying import page_for, stripe_settings
from tests.integration.test_threat_forged_updates import rows
from tests.postgres import Postgres

CALM = {"RECONCILE_EVERY_SECONDS": "0"}
"""No ledger shall tell us what the inbox is there to remember."""
LONG_S = 120.0


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, telegram: SandboxServer, tmp_path: Path) -> Iterator[Service]:
    """The service on a database of its own, with both ways to be paid."""
    telegram.reset()
    with on(request.param, request, telegram, tmp_path) as running:
        set_webhooks(telegram, running)
        yield running


@contextmanager
def on(database: str, request: pytest.FixtureRequest, telegram: SandboxServer, folder: Path) -> Iterator[Service]:
    settings = stripe_settings(telegram.stripe, **CALM)
    if database == "sqlite":
        with Service(folder, telegram.url, settings) as running:
            yield running
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    with postgres.database() as url, Service(folder, telegram.url, {**settings, "DATABASE_URL": url}) as running:
        yield running


def change(service: Service, *statements: str) -> None:
    """What an operator might do to the database, or a bug."""
    address = service.environment["DATABASE_URL"]
    if address.startswith("sqlite"):
        with closing(sqlite3.connect(address.removeprefix("sqlite:///"), timeout=20)) as database:
            for statement in statements:
                database.execute(statement)
            database.commit()
        return
    with psycopg.connect(address) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@contextmanager
def fault(service: Service, act: str, table: str, when: str) -> Iterator[None]:
    """Whoever does this to the table, where that holds of the NEW row, fails as by a broken rule of ours."""
    change(service, *_planted(service, act, table, when))
    try:
        yield
    finally:
        mend(service, table)


def _planted(service: Service, act: str, table: str, when: str) -> tuple[str, ...]:
    if service.environment["DATABASE_URL"].startswith("sqlite"):
        fails = f"CREATE TRIGGER planted BEFORE {act} ON {table} WHEN {when} BEGIN SELECT RAISE(ABORT, 'planted'); END"
        return (fails,)
    function = (
        "CREATE OR REPLACE FUNCTION planted() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'planted' USING ERRCODE = 'check_violation'; END $$"
    )
    trigger = f"CREATE TRIGGER planted BEFORE {act} ON {table} FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION planted()"
    return function, trigger


def mend(service: Service, table: str) -> None:
    on_table = "" if service.environment["DATABASE_URL"].startswith("sqlite") else f" ON {table}"
    change(service, f"DROP TRIGGER IF EXISTS planted{on_table}")


def hurry(service: Service) -> None:
    """As if the pauses were over."""
    change(service, "UPDATE inbox SET due_at = received_at WHERE done_at IS NULL AND given_up_at IS NULL")


def waiting(service: Service) -> int:
    return int(rows(service, "SELECT count(*) FROM inbox WHERE done_at IS NULL AND given_up_at IS NULL")[0][0])


def ended(service: Service) -> list[tuple[Any, ...]]:
    """How the reports ended, by now."""

    def all_ended() -> bool:
        hurry(service)
        return not waiting(service)

    eventually(all_ended, within_s=LONG_S)
    return rows(service, "SELECT source, outcome, attempts FROM inbox ORDER BY id")


def status_of(service: Service, user: int) -> list[tuple[Any, ...]]:
    return rows(service, "SELECT status, quarantine_reason FROM payments WHERE user_id = ?", user)


def news_of_payment(telegram: SandboxServer) -> Json:
    """The one update that tells of money."""
    sent = [one for one in telegram.updates() if "successful_payment" in one["update"].get("message", {})]
    return dict(only(sent))


def command(user: int, text: str) -> Json:
    person = {"id": user, "is_bot": False, "first_name": "Ada"}
    said = {"message_id": 9, "date": 1795867260, "from": person, "chat": {"id": user, "type": "private"}, "text": text}
    return {"update_id": update_id(), "message": said}


# Payments ------------------------------------------------------------------------------------------------------------


def test_a_charge_that_our_code_fails_on_is_kept_tried_again_and_granted_once_it_is_mended(
    shop: Service, telegram: SandboxServer, people: list[int]
) -> None:
    ada, *others = people
    with fault(shop, "INSERT", "payments", f"NEW.user_id = {ada}"):
        paid = pay(telegram, ada, invoice_for(shop, ada))
        for other in others:
            pay(telegram, other, invoice_for(shop, other))
        # Telegram has been told that we have it: it holds nothing back, and the others are served.
        assert paid.update_id is not None
        assert waiting(shop) == 1
        assert status_of(shop, ada) == []
        assert [status_of(shop, other) for other in others] == [[("granted", None)]] * len(others)
        line = only(shop.log_lines("inbox.kept"))
        assert (line["level"], line["source"], line["problem"]) == ("error", "telegram_update", "IntegrityError")
        assert "Traceback" in line["exception"]
        assert shop.metrics()['telegram_errors_total{bot_name="main"}'] >= 1
        assert shop.metrics()["inbox_pending"] == 1
        eventually(lambda: shop.log_lines("inbox.retried"))
    hurry(shop)

    eventually(lambda: status_of(shop, ada) == [("granted", None)], within_s=LONG_S)

    told(telegram, ada, "paid. Thank you.")
    assert shop.allowed(ada, "signals")
    eventually(lambda: shop.metrics()["inbox_pending"] == 0)
    assert shop.metrics()["inbox_given_up"] == 0
    assert sum(sent["state"] == "delivered" for sent in telegram.updates()) == len(telegram.updates())
    assert {tuple(answer["status"] for answer in sent["attempts"]) for sent in telegram.updates()} == {(200,)}


def test_a_charge_that_can_be_kept_but_never_settled_waits_for_a_person_and_its_payer_is_told(
    shop: Service, telegram: SandboxServer
) -> None:
    ada = people_of(telegram, 1)[0]
    with fault(shop, "UPDATE", "invoices", f"NEW.settled_by IS NOT NULL AND NEW.user_id = {ada}"):
        pay(telegram, ada, invoice_for(shop, ada))
        assert ended(shop) == [("telegram_update", "quarantined", 8)]
    assert status_of(shop, ada) == [("quarantined", "unprocessable")]
    told(telegram, ada, "it could not be processed")
    assert not shop.allowed(ada, "signals")
    assert rows(shop, "SELECT decision, reason FROM telegram_payment_events WHERE kind = 'successful_payment'") == [
        ("quarantined", "unprocessable")
    ]
    assert only(shop.log_lines("payment.quarantined"))["reason"] == "unprocessable"
    # The message comes again, much later: what is on record stays.
    telegram.redeliver(news_of_payment(telegram)["update_id"])
    assert status_of(shop, ada) == [("quarantined", "unprocessable")]


def test_a_payer_who_can_not_be_told_is_no_reason_to_lose_the_charge(shop: Service, telegram: SandboxServer) -> None:
    ada = people_of(telegram, 1)[0]
    invoice = invoice_for(shop, ada)
    with fault(shop, "INSERT", "outbox", f"NEW.chat_id = {ada}"):
        pay(telegram, ada, invoice)
        assert ended(shop) == [("telegram_update", "quarantined", 8)]
    assert status_of(shop, ada) == [("quarantined", "unprocessable")]


def test_a_refund_that_can_not_be_recorded_is_given_up_in_sight_and_recorded_once_somebody_asks(
    shop: Service, telegram: SandboxServer
) -> None:
    ada = people_of(telegram, 1)[0]
    paid = pay(telegram, ada, invoice_for(shop, ada))
    assert paid.charge_id is not None
    with fault(shop, "INSERT", "refunds", f"NEW.charge_id = '{paid.charge_id}'"):
        telegram.refund(paid.charge_id)
        settled(telegram)
        assert ended(shop) == [("telegram_update", None, 8)]
        assert shop.metrics()["inbox_given_up"] == 1
        assert only(shop.log_lines("inbox.given_up"))["level"] == "error"
        assert status_of(shop, ada) == [("granted", None)]

    shop.run("reconcile", check=False)

    eventually(lambda: status_of(shop, ada) == [("refunded", None)])
    assert not shop.allowed(ada, "signals")
    assert shop.metrics()["inbox_given_up"] == 0


def test_where_not_even_the_inbox_can_be_written_it_shall_come_again(shop: Service, telegram: SandboxServer) -> None:
    ada = people_of(telegram, 1)[0]
    invoice = invoice_for(shop, ada)
    telegram.faults(hold_deliveries=True)
    telegram.pay(ada, invoice["telegram_message_id"], skip_pre_checkout=True)
    update = news_of_payment(telegram)["update"]
    with fault(shop, "INSERT", "payments", f"NEW.user_id = {ada}"):
        change(shop, "ALTER TABLE inbox RENAME TO inbox_away")
        answer = shop.deliver(update)
        change(shop, "ALTER TABLE inbox_away RENAME TO inbox")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    telegram.faults()
    settled(telegram)
    assert status_of(shop, ada) == [("granted", None)]


# What is said ---------------------------------------------------------------------------------------------------------


def test_a_message_that_our_code_fails_on_holds_up_nothing_in_its_chat_and_is_answered_later(
    shop: Service, telegram: SandboxServer
) -> None:
    ada = people_of(telegram, 1)[0]
    poison, next_one = command(ada, "/terms"), command(ada, "/help")
    with fault(shop, "INSERT", "seen_updates", f"NEW.update_id = {poison['update_id']}"):
        assert shop.deliver(poison).status_code == 200
        assert shop.deliver(next_one).status_code == 200
        answered = "SELECT count(*) FROM seen_updates WHERE update_id = ?"
        assert rows(shop, answered, next_one["update_id"]) == [(1,)]
        assert rows(shop, answered, poison["update_id"]) == [(0,)]
    assert ended(shop)[0][:2] == ("telegram_update", "answered")
    assert rows(shop, answered, poison["update_id"]) == [(1,)]


# Stripe ---------------------------------------------------------------------------------------------------------------


def test_an_event_of_stripe_s_that_our_code_fails_on_is_kept_and_its_charge_granted_once_it_is_mended(
    shop: Service, telegram: SandboxServer
) -> None:
    ada = people_of(telegram, 1)[0]
    page = page_for(shop, ada)
    with fault(shop, "INSERT", "payments", f"NEW.user_id = {ada}"):
        telegram.stripe.pay(page["session_id"])
        settled(telegram)
        assert waiting(shop) >= 1
        assert {answer["status"] for answer in answers_to_stripe(telegram)} == {200}
    hurry(shop)
    eventually(lambda: status_of(shop, ada) == [("granted", None)], within_s=LONG_S)
    assert {outcome for _, outcome, _ in ended(shop)} <= {"settled", "nothing"}
    assert len(payments_of(shop, ada)) == 1


# Several, and their deaths --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_two_processes_share_one_inbox_and_settle_each_charge_once_though_one_is_killed(
    request: pytest.FixtureRequest, telegram: SandboxServer, tmp_path: Path, database: str
) -> None:
    telegram.reset()
    (tmp_path / "two").mkdir()
    with on(database, request, telegram, tmp_path) as one:
        settings = {**one.settings, "DATABASE_URL": one.environment["DATABASE_URL"]}
        with Service(tmp_path / "two", telegram.url, settings) as two:
            set_webhook(telegram, one)
            buyers = people_of(telegram, 12)
            with fault(one, "INSERT", "payments", "NEW.user_id > 0"):
                for user in buyers:
                    telegram.pay(user, invoice_for(one, user)["telegram_message_id"])
                settled(telegram)
                assert waiting(one) == len(buyers)
                one.kill()
                hurry(two)
            hurry(two)
            one.start()
            ended(two)
            found = rows(
                two,
                "SELECT p.user_id, p.status, count(e.id) FROM payments p "
                "LEFT JOIN entitlements e ON e.payment_id = p.id GROUP BY p.user_id, p.status",
            )
            assert sorted(found) == sorted((user, "granted", 1) for user in buyers)
            assert sum(len(service.log_lines("inbox.done")) for service in (one, two)) == len(buyers)


@pytest.fixture
def people(telegram: SandboxServer, shop: Service) -> list[int]:
    assert shop.process is not None
    return people_of(telegram, 4)


def people_of(telegram: SandboxServer, number: int) -> list[int]:
    return [int(telegram.create_user(f"Buyer {n}", started=True)["id"]) for n in range(number)]


def answers_to_stripe(telegram: SandboxServer) -> list[Json]:
    deliveries = [delivery for event in telegram.stripe.events() for delivery in event["deliveries"]]
    return [attempt for delivery in deliveries for attempt in delivery["attempts"]]
