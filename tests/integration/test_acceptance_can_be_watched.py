"""Criteria 6: whoever runs the service sees by figures and lines what it does, and never a secret."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import jwt
import psycopg
import pytest
from psycopg import sql

from tests.integration.buying import (
    buy,
    counted,
    invoice_for,
    make_older,
    newcomer,
    pay,
    payload_for,
    payments_of,
    purchase_lines,
    rows,
    settled,
    told,
)
from tests.integration.sandbox_server import Json, SandboxServer
from tests.integration.service import LOOPBACK, Service, eventually, only
from tests.postgres import Postgres

OF_A_PURCHASE = ("invoice.", "pre_checkout.", "payment.")
RESULTS = ("sent", "success", "failed", "cancelled", "quarantined", "refunded")


def results(service: Service, plan_code: str) -> dict[str, float]:
    return {
        result: counted(service, "telegram_payments_total", result=result, plan_code=plan_code) for result in RESULTS
    }


@contextmanager
def without_its_payments(service: Service) -> Iterator[None]:
    """The database fails at once, as after a migration that went wrong."""
    with closing(sqlite3.connect(service.folder / "tollgram.db", isolation_level=None)) as database:
        database.execute("ALTER TABLE payments RENAME TO hidden")
        try:
            yield
        finally:
            database.execute("ALTER TABLE hidden RENAME TO payments")


@pytest.mark.criterion("6.1")
def test_payments_are_counted_by_what_became_of_them(service: Service, telegram: SandboxServer) -> None:
    before = results(service, "gold_1m")
    ada, bob, eve = (newcomer(telegram, name) for name in ("Ada", "Bob", "Eve"))
    bought = buy(service, telegram, ada)
    telegram.refund(bought.charge_id)
    pay(telegram, bob, invoice_for(service, bob), amount=1, forge_at="payment")
    invoice_for(service, eve)
    telegram.press_button(eve, "Cancel")
    telegram.faults(api_5xx=-1)
    try:
        with service.as_user(eve) as client:
            client.post("/api/v1/telegram/payment/send-invoice", json={"plan_code": "gold_1m"})
    finally:
        telegram.faults()
    settled(telegram)

    grown = {result: now - before[result] for result, now in results(service, "gold_1m").items()}
    assert grown == {"sent": 3, "success": 1, "failed": 1, "cancelled": 1, "quarantined": 1, "refunded": 1}


@pytest.mark.criterion("6.1")
def test_money_for_no_plan_of_ours_is_counted_too(service: Service, telegram: SandboxServer) -> None:
    before = counted(service, "telegram_payments_total", result="quarantined", plan_code="unknown")
    telegram.forge_payment(newcomer(telegram), amount=5, payload="not ours")

    assert counted(service, "telegram_payments_total", result="quarantined", plan_code="unknown") == before + 1


@pytest.mark.criterion("6.2")
def test_the_value_is_summed_by_plan_and_currency_and_only_of_what_was_granted(
    service: Service, telegram: SandboxServer
) -> None:
    def value(currency: str) -> float:
        return counted(service, "telegram_payment_value_total", plan_code="gold_1m", currency=currency)

    stars, pounds = value("XTR"), value("GBP")
    for method in ("stars", "stars", "telegram"):
        buy(service, telegram, newcomer(telegram), method=method)
    bob = newcomer(telegram, "Bob")
    pay(telegram, bob, invoice_for(service, bob), amount=999, forge_at="payment")

    assert (value("XTR") - stars, value("GBP") - pounds) == (2 * 1250, 2500)


@pytest.mark.criterion("6.3")
def test_the_processing_time_is_a_histogram(service: Service, telegram: SandboxServer) -> None:
    name = "telegram_payment_processing_seconds"
    before = counted(service, f"{name}_count")
    buy(service, telegram, newcomer(telegram))
    samples = service.metrics()

    assert samples[f"{name}_count"] == before + 1
    assert 0 < samples[f"{name}_sum"] < samples[f"{name}_count"] * 5
    buckets = [count for sample, count in samples.items() if sample.startswith(f"{name}_bucket")]
    assert buckets == sorted(buckets)
    assert buckets[-1] == samples[f"{name}_count"]


@pytest.mark.criterion("6.4")
def test_pending_payments_are_right_after_a_restart_and_with_every_end_of_an_invoice(
    service: Service, telegram: SandboxServer
) -> None:
    def pending() -> float:
        return service.metrics()["telegram_payments_pending"]

    ada, bob, eve = (newcomer(telegram, name) for name in ("Ada", "Bob", "Eve"))
    before = pending()
    paid, expiring, _ = [invoice_for(service, user) for user in (ada, bob, eve)]
    assert pending() == before + 3
    service.kill()
    service.start()
    assert pending() == before + 3

    pay(telegram, ada, paid)
    assert pending() == before + 2
    make_older(service, expiring["invoice_id"], timedelta(hours=1, seconds=1))
    assert pending() == before + 1
    telegram.press_button(eve, "Cancel")
    settled(telegram)
    assert pending() == before


@pytest.mark.criterion("6.5")
def test_pre_checkouts_are_counted_by_result_and_refusals_by_reason(service: Service, telegram: SandboxServer) -> None:
    def counts() -> dict[str, float]:
        found = {result: counted(service, "telegram_precheck_total", result=result) for result in ("ok", "rejected")}
        for reason in ("amount_mismatch", "wrong_user", "bad_payload"):
            found[reason] = counted(service, "telegram_precheck_rejected_total", reason=reason)
        return found

    ada, mallory = newcomer(telegram), newcomer(telegram, "Mallory")
    sent, before = invoice_for(service, ada), counts()
    pay(telegram, ada, sent, amount=1)
    pay(telegram, ada, sent, as_user=mallory)
    pay(telegram, ada, sent, payload="nonsense")
    pay(telegram, ada, sent)

    grown = {name: now - before[name] for name, now in counts().items()}
    assert grown == {"ok": 1, "rejected": 3, "amount_mismatch": 1, "wrong_user": 1, "bad_payload": 1}


@pytest.mark.criterion("6.1", "6.5")
def test_updates_errors_and_commands_are_counted_and_no_user_is_ever_a_label(
    service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    messages = counted(service, "telegram_updates_total", bot_name="main", type="message")
    helped = counted(service, "telegram_command_total", name="help")
    errors = counted(service, "telegram_errors_total", bot_name="main")
    telegram.say(ada, "/help")
    telegram.say(ada, "/nonsense_that_is_no_label")
    telegram.inject({"message": "nonsense"})
    settled(telegram)

    assert counted(service, "telegram_updates_total", bot_name="main", type="message") == messages + 3
    assert counted(service, "telegram_command_total", name="help") == helped + 1
    assert counted(service, "telegram_errors_total", bot_name="main") == errors + 1
    text = LOOPBACK.get(f"{service.url}/metrics").text
    assert "nonsense" not in text
    assert not any(f'"{user["id"]}"' in text for user in telegram.users())


@pytest.mark.criterion("6.1")
def test_what_waits_to_be_said_is_a_gauge(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    eventually(lambda: service.metrics()["outbox_pending"] == 0)
    telegram.faults(api_5xx=1, api_methods=["sendMessage"])
    try:
        telegram.say(ada, "/help")
        eventually(lambda: service.metrics()["outbox_pending"] == 1)
        eventually(lambda: service.metrics()["outbox_oldest_seconds"] > 0)
    finally:
        telegram.faults()
    eventually(lambda: service.metrics()["outbox_pending"] == 0)
    assert service.metrics()["outbox_oldest_seconds"] == 0


@pytest.mark.criterion("6.1")
def test_the_counts_are_told_also_while_the_database_fails(service: Service) -> None:
    rows(service, "ALTER TABLE outbox RENAME TO hidden")
    try:
        samples = service.metrics()
    finally:
        rows(service, "ALTER TABLE hidden RENAME TO outbox")

    assert samples['telegram_updates_total{bot_name="main",type="message"}'] > 0
    assert "outbox_pending" not in samples


@pytest.mark.criterion("6.6")
def test_every_line_of_a_purchase_bears_user_plan_and_amount(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    sent = invoice_for(service, ada)
    pay(telegram, ada, sent, amount=1)
    pay(telegram, ada, sent, payload=payload_for(ada, invoice_id="inv_" + "9" * 32))
    outcome = pay(telegram, ada, sent)
    assert outcome.update_id is not None
    assert outcome.charge_id is not None
    telegram.redeliver(outcome.update_id)
    telegram.refund(outcome.charge_id)
    settled(telegram)
    second = invoice_for(service, ada)
    pay(telegram, ada, second, amount=1, forge_at="payment")
    invoice_for(service, ada)
    telegram.press_button(ada, "Cancel")
    settled(telegram)

    lines = [line for line in purchase_lines(service, user_id=ada) if line["event"].startswith(OF_A_PURCHASE)]
    assert {line["event"] for line in lines} == {
        "invoice.issued",
        "invoice.sent",
        "invoice.cancelled",
        "pre_checkout.judged",
        "payment.settled",
        "payment.repeated",
        "payment.refunded",
        "payment.quarantined",
    }
    for line in lines:
        assert line["plan_code"] == "gold_1m", line
        assert isinstance(line["amount"], int), line
        assert line["currency"] == "XTR", line
        assert line["request_id"], line


@pytest.mark.criterion("6.6", "6.8")
def test_where_a_purchase_fails_the_line_that_says_so_bears_user_plan_and_amount_and_the_whole_trace(
    service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    sent = invoice_for(service, ada)
    errors = counted(service, "telegram_errors_total", bot_name="main")
    with without_its_payments(service):
        outcome = telegram.pay(ada, sent["telegram_message_id"])
        eventually(lambda: purchase_lines(service, event="request.failed", user_id=ada))
    settled(telegram)

    assert outcome.status == "paid"
    line = purchase_lines(service, event="request.failed", user_id=ada)[0]
    assert (line["level"], line["plan_code"], line["amount"], line["currency"]) == ("error", "gold_1m", 1250, "XTR")
    assert line["exception"].startswith("Traceback (most recent call last)")
    assert "no such table" in line["exception"]
    assert "SettleCharges" in line["exception"] or "settlement.py" in line["exception"]
    assert counted(service, "telegram_errors_total", bot_name="main") > errors
    assert only(payments_of(service, ada))["status"] == "granted"


@pytest.mark.criterion("6.8")
def test_an_error_of_an_api_call_is_logged_whole_under_the_request_that_met_it(
    service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    with without_its_payments(service), service.as_user(ada) as client:
        answer = client.get("/api/v1/me/payments", headers={"X-Request-Id": f"of-{ada}"})

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert "hidden" not in answer.text
    assert "Traceback" not in answer.text
    line = only(purchase_lines(service, event="request.failed", request_id=f"of-{ada}"))
    assert "Traceback (most recent call last)" in line["exception"]
    assert "access.py" in line["exception"]


@pytest.mark.criterion("6.8")
def test_an_error_behind_the_scenes_is_logged_with_its_trace_and_the_work_goes_on(
    service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    rows(service, "ALTER TABLE outbox RENAME TO hidden")
    try:
        line = eventually(lambda: purchase_lines(service, event="outbox.failed"))[0]
    finally:
        rows(service, "ALTER TABLE hidden RENAME TO outbox")

    assert "Traceback (most recent call last)" in line["exception"]
    telegram.say(ada, "/help")
    told(telegram, ada, "What you can send")


@pytest.mark.criterion("6.6")
def test_every_line_is_one_json_object_with_its_time_level_and_event(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram, 'Eve\n{"level": "forged"}\r\n', username="eve")
    buy(service, telegram, ada)
    with service.as_user(ada) as client:
        client.get("/api/v1/catalog", headers={"X-Request-Id": 'a"b{}'})

    for text in service.log_text().splitlines():
        line = json.loads(text)
        assert list(line)[:3] == ["timestamp", "level", "event"]
        assert datetime.fromisoformat(line["timestamp"]).tzinfo == UTC
        assert line["level"] in {"debug", "info", "warning", "error", "critical"}


CANARY_BOT = "7100001:CANARY-of-the-first-bot-0123456789ab"
CANARY_SECOND_BOT = "7100002:CANARY-of-the-second-bot-0123456789"
CANARIES = {
    "TELEGRAM_BOT_TOKEN": CANARY_BOT,
    "TELEGRAM_WEBHOOK_SECRET": "canary-webhook-new,canary-webhook-old",
    "TELEGRAM_PAYMENT_PROVIDER_TOKEN": "canary:provider:TEST",
    "AUTH_JWT_SECRET": "canary-jwt-secret-that-is-long-enough-01",
    "INVOICE_SIGNING_KEYS": "canary-signing-key-new-0123456789-abcdef,canary-signing-key-old-0123456789-abcdef",
    "STRIPE_SECRET_KEY": "sk_test_canary0123456789canary",
    "STRIPE_WEBHOOK_SECRET": "whsec_canary0123456789canary",
    "TELEGRAM_API_HASH": "ca9a2c0ffeeca9a2c0ffeeca9a2c0ffe",
}


@pytest.fixture
def watched(postgres: Postgres, postgres_url: str, tmp_path: Path) -> Iterator[tuple[Service, SandboxServer]]:
    """A service in which every secret is one that can be found again, and which tells all it can."""
    settings = CANARIES | {
        "TELEGRAM_BOT_TOKENS_JSON": json.dumps({"second": CANARY_SECOND_BOT}),
        "DATABASE_URL": postgres_url.replace("tollgram@", "tollgram:canary-database-password@"),
        "LOG_LEVEL": "DEBUG",
    }
    with (
        SandboxServer(time_scale=0.05, messages_per_second=1000) as telegram,
        Service(tmp_path, telegram.url, settings) as service,
    ):
        telegram.set_webhook(service.webhook, secret="canary-webhook-old", token=CANARY_BOT)
        yield service, telegram


@pytest.mark.criterion("6.7")
def test_no_secret_is_in_any_log_metric_or_answer_also_when_everything_fails(
    watched: tuple[Service, SandboxServer], postgres: Postgres, postgres_url: str
) -> None:
    service, telegram = watched
    answers: list[httpx.Response] = []
    ada = newcomer(telegram)
    key, now = CANARIES["AUTH_JWT_SECRET"], datetime.now(UTC)
    claims: Json = {"sub": str(ada), "aud": "tollgram", "exp": now + timedelta(hours=1), "scope": "entitlements:read"}
    good, expired = jwt.encode(claims, key), jwt.encode(claims | {"exp": now - timedelta(hours=1)}, key)
    init_data, wrong_secret = telegram.init_data(ada), "presented-but-wrong-secret"

    def call(method: str, path: str, credentials: str, body: Json | None = None) -> httpx.Response:
        headers = {"Authorization": credentials, "X-Telegram-Bot-Api-Secret-Token": wrong_secret}
        answers.append(LOOPBACK.request(method, service.url + path, headers=headers, json=body, timeout=20))
        return answers[-1]

    send, mine = "/api/v1/telegram/payment/send-invoice", "/api/v1/me/entitlements"
    sent = call("POST", send, f"Bearer {good}", {"plan_code": "gold_1m"})
    assert sent.status_code == 200, sent.text
    assert pay(telegram, ada, sent.json()).status == "paid"
    call("GET", mine, f"tma {init_data}")
    call("GET", mine, f"Bearer {expired}")
    call("GET", mine, f"Bearer {good}x")
    call("GET", mine, f"tma {init_data}0")
    call("POST", "/api/v1/telegram/main/webhook", f"Bearer {good}", {"update_id": 1})
    call("POST", send, f"Bearer {good}", {"plan_code": CANARY_BOT})
    call("GET", f"/api/v1/telegram/bot{CANARY_BOT}", f"Bearer {good}")
    for fault in ({"down": True}, {"api_5xx": -1}, {"api_429": -1}, {"api_lose_replies": -1}):
        telegram.faults(**fault)
        other = jwt.encode(claims | {"sub": str(newcomer(telegram))}, key)
        assert call("POST", send, f"Bearer {other}", {"plan_code": "gold_1m"}).status_code == 502
    telegram.faults()
    examined = service.run("doctor", check=False)
    with psycopg.connect(postgres.url(), autocommit=True) as admin:
        name = postgres_url.rpartition("/")[2]
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
    for path in (mine, "/health/ready"):
        assert call("GET", path, f"Bearer {good}").status_code == 503
    call("GET", "/metrics", f"Bearer {good}")
    eventually(lambda: purchase_lines(service, event="outbox.failed"))
    examined_again = service.run("doctor", check=False)

    said = [answer.text + str(answer.headers) for answer in answers]
    said += [service.log_text(), examined.stdout, examined.stderr, examined_again.stdout, examined_again.stderr]
    payload = next(call["arguments"]["payload"] for call in telegram.calls("sendInvoice"))
    secrets = {
        *(secret for value in CANARIES.values() for secret in value.split(",")),
        CANARY_SECOND_BOT,
        "canary-database-password",
        payload.rpartition(".")[2],
        init_data.rpartition("hash=")[2],
        good.rpartition(".")[2],
        expired.rpartition(".")[2],
        wrong_secret,
    }
    asked = {answer.request.url.path for answer in answers}
    assert any(CANARY_BOT in path for path in asked), "nobody put a secret where it might be echoed"
    assert "Traceback" in service.log_text()
    assert {secret for secret in secrets for text in said if secret in text} == set()
