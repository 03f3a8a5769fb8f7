"""Purchases as tests make them again and again, and what is on record of them."""

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from domain.ids import BotName, InvoiceId, PlanCode, UserId
from domain.invoice import Terms
from domain.money import Money
from domain.payload import PayloadSigner
from tests.integration.sandbox_server import Json, PaymentOutcome, SandboxServer
from tests.integration.service import SIGNING_KEY, Service, eventually

MAIN = BotName("main")
SIGNER = PayloadSigner([SIGNING_KEY.encode()])
SEND_INVOICE = "/api/v1/telegram/payment/send-invoice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bought:
    """`update_id` is that of the payment's message."""

    invoice: Json
    charge_id: str
    update_id: int


def newcomer(telegram: SandboxServer, name: str = "Ada", **more: Any) -> int:
    """Somebody nobody has seen before, who has started the bot."""
    return int(telegram.create_user(name, started=True, **more)["id"])


def ask(service: Service, user_id: int, plan_code: str = "gold_1m", **more: Any) -> httpx.Response:
    with service.as_user(user_id) as client:
        return client.post(SEND_INVOICE, json={"plan_code": plan_code, **more})


def invoice_for(service: Service, user_id: int, plan_code: str = "gold_1m", **more: Any) -> Json:
    """The answer to send-invoice, which must be yes."""
    answer = ask(service, user_id, plan_code, **more)
    assert answer.status_code == 200, answer.text
    sent: Json = answer.json()
    return sent


def pay(telegram: SandboxServer, user_id: int, invoice: Json, **forged: Any) -> PaymentOutcome:
    """Press Pay on it, and wait until the service has been told of all that followed."""
    outcome = telegram.pay(user_id, invoice["telegram_message_id"], **forged)
    settled(telegram)
    return outcome


def settled(telegram: SandboxServer) -> None:
    """Until the service has been told of all that happened, be it quiet or not."""
    telegram.wait_idle(quiet_s=0.01)


def buy(service: Service, telegram: SandboxServer, user_id: int, plan_code: str = "gold_1m", **more: Any) -> Bought:
    invoice = invoice_for(service, user_id, plan_code, **more)
    outcome = pay(telegram, user_id, invoice)
    assert outcome.status == "paid", outcome
    assert outcome.charge_id is not None
    assert outcome.update_id is not None
    return Bought(invoice=invoice, charge_id=outcome.charge_id, update_id=outcome.update_id)


def told(telegram: SandboxServer, user_id: int, words: str, *, within_s: float = 40.0) -> str:
    """What the bot said with these words in it, as soon as it has."""

    def said() -> str | None:
        texts = [message.get("text", "") for message in telegram.bot_messages(user_id)]
        return next((text for text in reversed(texts) if words in text), None)

    return str(eventually(said, within_s=within_s))


def payments_of(service: Service, user_id: int) -> list[Json]:
    with service.as_user(user_id) as client:
        return list(client.get("/api/v1/me/payments").raise_for_status().json()["items"])


def entitlements_of(service: Service, user_id: int) -> list[Json]:
    with service.as_user(user_id) as client:
        return list(client.get("/api/v1/me/entitlements").raise_for_status().json()["entitlements"])


def trail_of(service: Service, user_id: int, kind: str) -> list[Json]:
    """The audit trail's rows of that kind, oldest first."""
    return rows(
        service, "SELECT * FROM telegram_payment_events WHERE user_id = ? AND kind = ? ORDER BY id", user_id, kind
    )


def rows(service: Service, statement: str, *values: Any) -> list[Json]:
    """What the service's SQLite holds."""
    with closing(sqlite3.connect(service.folder / "tollgram.db", timeout=5)) as database:
        database.row_factory = sqlite3.Row
        found = [dict(row) for row in database.execute(statement, values)]
        database.commit()
        return found


def make_older(service: Service, invoice_id: str, by: timedelta) -> None:
    """As if the invoice had been issued that much earlier."""
    (invoice,) = rows(service, "SELECT issued_at, expires_at FROM invoices WHERE id = ?", invoice_id)
    earlier = [
        (datetime.fromisoformat(invoice[name]) - by).isoformat(sep=" ", timespec="microseconds")
        for name in ("issued_at", "expires_at")
    ]
    rows(service, "UPDATE invoices SET issued_at = ?, expires_at = ? WHERE id = ?", *earlier, invoice_id)


def payload_for(
    user_id: int,
    *,
    plan_code: str = "gold_1m",
    amount: int = 1250,
    currency: str = "XTR",
    invoice_id: str | None = None,
    issued_at: datetime | None = None,
) -> str:
    """A payload signed as the service would, by whoever has its key: for what must be read out of one."""
    terms = Terms(
        invoice_id=InvoiceId(invoice_id or f"inv_{user_id:032x}"),
        plan_code=PlanCode(plan_code),
        issued_at=issued_at or datetime.now(UTC).replace(microsecond=0),
        payer=UserId(user_id),
        price=Money(amount=amount, currency=currency),
    )
    return SIGNER.sign(terms, MAIN)


def update_of(telegram: SandboxServer, update_id: int) -> Json:
    """An update as Telegram sent it."""
    return next(dict(sent["update"]) for sent in telegram.updates() if sent["update_id"] == update_id)


def purchase_lines(service: Service, **fields: Any) -> list[Json]:
    """The log's lines that bear all of these."""
    return [line for line in service.log_lines() if fields.items() <= line.items()]


def counted(service: Service, name: str, /, **labels: str) -> float:
    """One sample of `/metrics`; what was never counted is 0."""
    written = ",".join(f"{label}={json.dumps(value)}" for label, value in sorted(labels.items()))
    return service.metrics().get(f"{name}{{{written}}}" if labels else name, 0.0)
