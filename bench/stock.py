"""What is asked for: a database full of buyers, made by the database itself, and the requests that fit it.

Buyer number n has invoice n. The first ones have paid and hold their plan; the others may pay.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any

from sqlalchemy import Engine, Select, Table, cast, insert, literal, select, text
from sqlalchemy.sql.elements import ColumnElement

from adapters.catalog_file import read_catalog
from adapters.sql import schema
from adapters.sql.column_types import Whole
from adapters.sql.engine import open_engine
from adapters.sql.migrate import upgrade
from adapters.tokens import TokenMaker
from bench import load
from bench.machine import ROOT
from domain.catalog import Catalog
from domain.ids import BotName, InvoiceId, PlanCode, UserId
from domain.invoice import Terms
from domain.money import STARS, Money
from domain.payload import PayloadSigner

CATALOG = ROOT / "catalog.toml"
MAIN = BotName("main")
PLAN = PlanCode("gold_1m")
SECRET = "a-webhook-secret-for-measuring"
KEY = "a-key-that-is-long-enough-for-measuring-only"
WEBHOOK = "/api/v1/telegram/main/webhook"
_WIDE = 100_000_000_000
"""Numbers from here on are all of one width, as ids are."""


def settings(database_url: str, telegram: str) -> dict[str, str]:
    return {
        "DATABASE_URL": database_url,
        "CATALOG_PATH": str(CATALOG),
        "TELEGRAM_BOT_TOKEN": "1:" + "a" * 35,
        "TELEGRAM_WEBHOOK_SECRET": SECRET,
        "TELEGRAM_API_BASE": telegram,
        "AUTH_JWT_SECRET": KEY,
        "INVOICE_SIGNING_KEYS": KEY,
        "LOG_LEVEL": "INFO",
    }


_MIGRATING = Lock()
"""Alembic keeps what it is at in a global."""


@dataclass(slots=True)
class Stock:
    """One migrated database: `holders` have paid, the next `buyers` have not yet. Each buyer is sold to once."""

    url: str
    holders: int
    buyers: int
    issued_at: datetime
    sold: int = 0
    asked: int = 0

    @classmethod
    def filled(cls, url: str, *, holders: int, buyers: int) -> "Stock":
        with _MIGRATING:
            upgrade(url)
        now = datetime.now(UTC).replace(microsecond=0)
        engine = open_engine(url, patient=True)
        _fill(engine, read_catalog(CATALOG), holders, buyers, now)
        engine.dispose()
        return cls(url, holders, buyers, now)

    def checks(self, count: int) -> list[bytes]:
        """Spread over all who hold something."""
        maker = TokenMaker(KEY, "tollgram", None)
        token = maker.make(
            subject="bench", scopes=("entitlements:read",), now=datetime.now(UTC), good_for=timedelta(hours=2)
        )
        caller = f"Authorization: Bearer {token}"
        users = self._spread(count, self.holders)
        return [load.get(f"/internal/v1/users/{user}/features/signals", caller) for user in users]

    def pre_checkouts(self, count: int) -> list[bytes]:
        """Of buyers who have not been sold to yet, from the end."""
        queries = []
        for number in range(count):
            buyer = self.holders + self.buyers - (self.asked + number) % (self.buyers - self.sold)
            query = {
                "id": str(10**17 + self.asked + number),
                "from": {"id": buyer, "is_bot": False, "first_name": "Ada", "language_code": "en"},
                "currency": STARS,
                "total_amount": 1250,
                "invoice_payload": self.payload(buyer),
            }
            queries.append(update(buyer, {"pre_checkout_query": query}))
        self.asked += count
        return queries

    def payments(self, count: int) -> list[bytes]:
        """Each by the next buyer."""
        return [update(buyer, {"message": self._paid(buyer)}) for buyer in self.next_buyers(count)]

    def next_buyers(self, count: int) -> range:
        first = self.holders + self.sold + 1
        self.sold += count
        if self.sold > self.buyers:
            raise RuntimeError("all have bought already")
        return range(first, first + count)

    def payload(self, buyer: int) -> str:
        terms = Terms(
            invoice_id=invoice_id(buyer),
            plan_code=PLAN,
            issued_at=self.issued_at,
            payer=UserId(buyer),
            price=Money(amount=1250, currency=STARS),
        )
        return PayloadSigner([KEY.encode()]).sign(terms, MAIN)

    def _paid(self, buyer: int) -> Mapping[str, Any]:
        return {
            "message_id": buyer,
            "date": int(self.issued_at.timestamp()),
            "from": {"id": buyer, "is_bot": False, "first_name": "Ada", "language_code": "en"},
            "chat": {"id": buyer, "type": "private", "first_name": "Ada"},
            "successful_payment": {
                "currency": STARS,
                "total_amount": 1250,
                "invoice_payload": self.payload(buyer),
                "telegram_payment_charge_id": f"charge-{_WIDE + buyer}",
                "provider_payment_charge_id": "",
            },
        }

    def _spread(self, count: int, among: int) -> Iterator[int]:
        """Numbers 1 to `among`, in steps that come near none twice."""
        step = max(1, int(among * 0.618)) | 1
        return (1 + number * step % among for number in range(count))


def update(number: int, content: Mapping[str, Any]) -> bytes:
    body = json.dumps({"update_id": number, **content}).encode()
    return load.post(WEBHOOK, body, f"X-Telegram-Bot-Api-Secret-Token: {SECRET}")


def invoice_id(number: int) -> InvoiceId:
    return InvoiceId(f"inv_{'0' * 20}{_WIDE + number}")


def _fill(engine: Engine, catalog: Catalog, holders: int, buyers: int, now: datetime) -> None:
    plan = catalog.plans[PLAN]
    offer: dict[str, Any] = {
        "plan_code": PLAN,
        "features": list(plan.features),
        "limits": dict(plan.limits),
        "duration": str(plan.duration),
    }
    money: dict[str, Any] = {"bot": MAIN, "amount": 1250, "currency": STARS, "method": "stars"}
    before = now - timedelta(days=3)
    number = _numbers(1, holders + buyers)
    invoices = {
        **offer,
        **money,
        "id": _id("inv_", number),
        "user_id": number.selected_columns[0],
        "title": plan.title,
        "description": plan.description,
        "language": "en",
        "issued_at": now,
        "expires_at": now + timedelta(hours=2),
    }
    number_paid = _numbers(1, holders)
    payments = {
        **money,
        "id": _id("pay_", number_paid),
        "provider": "telegram",
        "charge_id": _id("old-", number_paid),
        "provider_charge_id": "",
        "user_id": number_paid.selected_columns[0],
        "payload": "as signed",
        "charged_at": before,
        "message": b"{}",
        "invoice_id": _id("inv_", number_paid),
        "plan_code": PLAN,
        "status": "granted",
        "received_at": before,
        "confirmed_at": before,
    }
    entitlements = {
        **offer,
        "id": _id("ent_", number_paid),
        "user_id": number_paid.selected_columns[0],
        "granted_at": before,
        "starts_at": before,
        "expires_at": before + timedelta(days=30),
        "payment_id": _id("pay_", number_paid),
    }
    with engine.begin() as connection:
        for table, row, numbers in (
            (schema.invoices, invoices, number),
            (schema.payments, payments, number_paid),
            (schema.entitlements, entitlements, number_paid),
        ):
            values = [_as_column(value, table, name) for name, value in row.items()]
            connection.execute(insert(table).from_select(list(row), numbers.with_only_columns(*values)))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))


def _numbers(first: int, last: int) -> Select[Any]:
    numbers = select(literal(first, Whole).label("number")).cte("numbers", recursive=True)
    numbers = numbers.union_all(select(numbers.c.number + 1).where(numbers.c.number < last))
    return select(numbers.c.number)


def _id(prefix: str, numbers: Select[Any]) -> ColumnElement[str]:
    number = numbers.selected_columns[0]
    return literal(prefix + "0" * 20).concat(cast(number + literal(_WIDE, Whole), schema.invoices.c.id.type))


def _as_column(value: Any, table: Table, name: str) -> ColumnElement[Any]:
    return value if isinstance(value, ColumnElement) else cast(literal(value, table.c[name].type), table.c[name].type)
