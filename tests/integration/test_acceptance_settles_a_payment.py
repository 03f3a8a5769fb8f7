"""Criteria 3: money that moved is recorded once, opens what was paid for, and the payer is told."""

import json
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from application.outbox import LEASE
from tests.integration.buying import (
    buy,
    counted,
    entitlements_of,
    invoice_for,
    newcomer,
    pay,
    payments_of,
    purchase_lines,
    rows,
    settled,
    told,
    trail_of,
    update_of,
)
from tests.integration.sandbox_server import SandboxServer
from tests.integration.service import Service, eventually, only

NEXT_MONTH_AT_THE_EARLIEST, AT_THE_LATEST = timedelta(days=28), timedelta(days=31)


@pytest.mark.criterion("3.1", "3.2")
@pytest.mark.parametrize("method", ["stars", "telegram"])
def test_a_payment_is_received_and_stands_on_the_trail_as_an_event(
    service: Service, telegram: SandboxServer, method: str
) -> None:
    ada = newcomer(telegram)
    bought = buy(service, telegram, ada, method=method)

    payment = only(payments_of(service, ada))
    assert (payment["invoice_id"], payment["status"]) == (bought.invoice["invoice_id"], "granted")
    assert (payment["method"], payment["amount"]) == (method, bought.invoice["amount"])
    event = only(trail_of(service, ada, "successful_payment"))
    assert event["telegram_payment_charge_id"] == bought.charge_id
    assert (event["invoice_id"], event["decision"]) == (bought.invoice["invoice_id"], "granted")


@pytest.mark.criterion("3.2")
@pytest.mark.parametrize(
    "change", ["UPDATE telegram_payment_events SET user_id = 1", "DELETE FROM telegram_payment_events"]
)
def test_nobody_changes_the_trail_not_even_in_the_database(
    service: Service, telegram: SandboxServer, change: str
) -> None:
    ada = newcomer(telegram)
    buy(service, telegram, ada)

    with pytest.raises(sqlite3.IntegrityError):
        rows(service, f"{change} WHERE user_id = ?", ada)


@pytest.mark.criterion("3.3")
@pytest.mark.parametrize(
    ("plan_code", "features"),
    [
        ("gold_1m", {"signals", "copy_trading"}),
        ("day_pass", {"signals"}),
        ("founder", {"signals", "copy_trading", "founders_room"}),
    ],
)
def test_the_plan_that_was_paid_for_opens_its_features_and_no_others(
    service: Service, telegram: SandboxServer, plan_code: str, features: set[str]
) -> None:
    ada = newcomer(telegram)
    buy(service, telegram, ada, plan_code)

    assert [entitlement["plan_code"] for entitlement in entitlements_of(service, ada)] == [plan_code]
    open_now = {f for f in ("signals", "copy_trading", "founders_room", "letters") if service.allowed(ada, f)}
    assert open_now == features


@pytest.mark.criterion("3.4", "3.5")
def test_ten_deliveries_at_once_have_one_effect(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    sent = invoice_for(service, ada)
    paid = counted(service, "telegram_payments_total", result="success", plan_code="gold_1m")
    telegram.faults(deliver_concurrently=10)
    try:
        pay(telegram, ada, sent)
    finally:
        telegram.faults()

    assert len(payments_of(service, ada)) == len(entitlements_of(service, ada)) == 1
    assert len(trail_of(service, ada, "successful_payment")) == 1
    assert counted(service, "telegram_payments_total", result="success", plan_code="gold_1m") == paid + 1
    told(telegram, ada, "paid. Thank you.")
    letters = rows(service, "SELECT kind FROM outbox WHERE chat_id = ?", ada)
    assert [letter["kind"] for letter in letters] == ["Confirmation"]


@pytest.mark.criterion("3.5")
def test_a_payment_that_is_delivered_again_changes_nothing(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    bought = buy(service, telegram, ada)
    told(telegram, ada, "paid. Thank you.")
    before = (payments_of(service, ada), entitlements_of(service, ada), len(telegram.bot_messages(ada)))
    deliveries = telegram.redeliver(bought.update_id, times=3)

    assert [delivery.status for delivery in deliveries] == [200, 200, 200]
    line = purchase_lines(service, event="payment.repeated", user_id=ada)
    assert len(line) == 3
    assert (payments_of(service, ada), entitlements_of(service, ada), len(telegram.bot_messages(ada))) == before


@pytest.mark.criterion("3.5")
def test_what_was_settled_before_a_crash_is_not_settled_again_after_it(
    service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    bought = buy(service, telegram, ada)
    before = (payments_of(service, ada), entitlements_of(service, ada))
    service.kill()
    service.start()
    telegram.redeliver(bought.update_id, times=2, concurrent=True)

    assert (payments_of(service, ada), entitlements_of(service, ada)) == before
    # Whoever was killed may have had the letter in hand.
    told(telegram, ada, "paid. Thank you.", within_s=LEASE.total_seconds() + 30)


@pytest.mark.criterion("3.1", "3.5")
def test_while_the_database_fails_a_payment_is_not_lost_but_sent_again(
    service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    sent = invoice_for(service, ada)
    rows(service, "ALTER TABLE payments RENAME TO hidden")
    try:
        outcome = telegram.pay(ada, sent["telegram_message_id"])
        eventually(lambda: 503 in _attempts(telegram, outcome.update_id))
    finally:
        rows(service, "ALTER TABLE hidden RENAME TO payments")
    settled(telegram)

    assert _attempts(telegram, outcome.update_id)[-1] == 200
    assert only(payments_of(service, ada))["status"] == "granted"


@pytest.mark.criterion("3.6")
def test_telegrams_message_is_kept_to_the_last_letter(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram, "Zoë \N{FACE WITH TEARS OF JOY}", last_name='O\'Brien \\ "x"', username="zoe_ob")
    bought = buy(service, telegram, ada)

    kept = only(rows(service, "SELECT message FROM payments WHERE charge_id = ?", bought.charge_id))
    assert json.loads(kept["message"]) == update_of(telegram, bought.update_id)
    assert only(trail_of(service, ada, "successful_payment"))["message"] == kept["message"]


@pytest.mark.criterion("3.6")
def test_fields_that_we_have_never_heard_of_are_kept_too(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    sent = invoice_for(service, ada)
    payment = {
        "currency": "XTR",
        "total_amount": 1250,
        "invoice_payload": telegram.invoice_payload(ada, sent["telegram_message_id"]),
        "telegram_payment_charge_id": f"charge-of-{ada}",
        "provider_payment_charge_id": "",
        "is_recurring": True,
        "something_new": {"deep": [1, 2.5, None, "\N{SNOWMAN}"]},
    }
    message = {
        "message_id": 900,
        "from": {"id": ada, "is_bot": False, "first_name": "Ada"},
        "chat": {"id": ada, "type": "private"},
        "date": int(datetime.now(UTC).timestamp()),
        "successful_payment": payment,
    }
    body = json.dumps({"update_id": 2**40 + ada, "message": message}, indent=3).encode()

    assert service.deliver(body).status_code == 200
    kept = only(rows(service, "SELECT message FROM payments WHERE charge_id = ?", f"charge-of-{ada}"))
    assert kept["message"] == body


@pytest.mark.criterion("3.7")
def test_the_entitlement_tells_when_it_was_activated_and_until_when_it_lasts(
    service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    before = datetime.now(UTC)
    buy(service, telegram, ada)
    after = datetime.now(UTC)

    entitlement = only(entitlements_of(service, ada))
    granted_at = datetime.fromisoformat(entitlement["granted_at"])
    assert before <= granted_at <= after
    assert entitlement["starts_at"] == entitlement["granted_at"]
    lasts = datetime.fromisoformat(entitlement["expires_at"]) - granted_at
    assert NEXT_MONTH_AT_THE_EARLIEST <= lasts <= AT_THE_LATEST
    assert entitlement["revoked_at"] is None


@pytest.mark.criterion("3.8")
def test_the_payer_is_told_what_was_paid_what_for_and_until_when(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    buy(service, telegram, ada)

    text = told(telegram, ada, "paid. Thank you.")
    ends = datetime.fromisoformat(only(entitlements_of(service, ada))["expires_at"])
    assert "1,250" in text
    assert "Gold, 1 month" in text
    assert f"until {ends.day} {ends:%B} {ends.year:04d}, {ends:%H:%M} UTC" in text


@pytest.mark.criterion("3.8")
def test_the_confirmation_comes_though_telegram_fails_at_first(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    sent = invoice_for(service, ada)
    telegram.faults(api_5xx=1, api_methods=["sendMessage"])
    try:
        pay(telegram, ada, sent)
        assert only(payments_of(service, ada))["status"] == "granted"
        told(telegram, ada, "paid. Thank you.")
    finally:
        telegram.faults()
    tried = [call for call in telegram.calls("sendMessage") if call["arguments"]["chat_id"] == ada]
    assert [call["status"] for call in tried] == [502, 200]


@pytest.mark.criterion("3.9")
def test_the_log_tells_who_paid_how_much_for_which_plan(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    bought = buy(service, telegram, ada)

    line = only(purchase_lines(service, event="payment.settled", user_id=ada))
    assert (line["plan_code"], line["amount"], line["currency"]) == ("gold_1m", 1250, "XTR")
    assert (line["charge_id"], line["invoice_id"]) == (bought.charge_id, bought.invoice["invoice_id"])
    assert line["decision"] == "granted"


@pytest.mark.criterion("3.10")
def test_the_payment_and_its_value_are_counted(service: Service, telegram: SandboxServer) -> None:
    def counts() -> tuple[float, float]:
        return (
            counted(service, "telegram_payments_total", result="success", plan_code="founder"),
            counted(service, "telegram_payment_value_total", plan_code="founder", currency="GBP"),
        )

    payments, value = counts()
    buy(service, telegram, newcomer(telegram), "founder", method="telegram")

    assert counts() == (payments + 1, value + 49900)


@pytest.mark.criterion("3.1", "3.3", "3.4", "3.8")
def test_it_is_the_same_on_postgresql(postgres_service: Service, telegram: SandboxServer) -> None:
    service, ada = postgres_service, newcomer(telegram)
    sent = invoice_for(service, ada)
    telegram.faults(deliver_concurrently=8)
    try:
        assert pay(telegram, ada, sent).status == "paid"
    finally:
        telegram.faults()

    assert only(payments_of(service, ada))["status"] == "granted"
    assert only(entitlements_of(service, ada))["active"] is True
    assert service.allowed(ada, "copy_trading")
    assert "Gold, 1 month" in told(telegram, ada, "paid. Thank you.")


def _attempts(telegram: SandboxServer, update_id: int | None) -> list[int | None]:
    sent = next(sent for sent in telegram.updates() if sent["update_id"] == update_id)
    return [attempt["status"] for attempt in sent["attempts"]]
