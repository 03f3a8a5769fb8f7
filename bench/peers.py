"""What our figures are held against: the same server and framework with nothing behind it, and the bare database."""

import sqlite3
import time
from pathlib import Path

import msgspec
from litestar import Litestar, get, post


class Query(msgspec.Struct):
    id: str
    total_amount: int


class Update(msgspec.Struct):
    update_id: int
    pre_checkout_query: Query


@get("/check", sync_to_thread=False)
def check() -> dict[str, bool]:
    return {"allowed": True}


@post("/pre-checkout", status_code=200, sync_to_thread=False)
def pre_checkout(data: Update) -> dict[str, object]:
    return {"method": "answerPreCheckoutQuery", "pre_checkout_query_id": data.pre_checkout_query.id, "ok": True}


def app() -> Litestar:
    """A typed route that reads and writes JSON, and does nothing else."""
    return Litestar([check, pre_checkout], openapi_config=None, logging_config=None)


def payments_with_the_standard_library(folder: Path, count: int) -> float:
    """Payments a second by hand-written SQL on SQLite, fully synced, one commit each."""
    database = sqlite3.connect(folder / "peer.db", isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = FULL"):
        database.execute(f"PRAGMA {pragma}")
    database.execute("CREATE TABLE payments (charge_id TEXT PRIMARY KEY, user_id INTEGER, amount INTEGER)")
    database.execute("CREATE TABLE invoices (id INTEGER PRIMARY KEY, settled_by TEXT)")
    database.execute(
        "CREATE TABLE entitlements (user_id INTEGER, plan TEXT, ends INTEGER, PRIMARY KEY (user_id, plan))"
    )
    database.execute("CREATE TABLE outbox (id INTEGER PRIMARY KEY, body TEXT)")
    database.executemany("INSERT INTO invoices VALUES (?, NULL)", [(number,) for number in range(count)])
    began = time.perf_counter()
    for number in range(count):
        database.execute("BEGIN IMMEDIATE")
        database.execute("INSERT INTO payments VALUES (?, ?, 100) ON CONFLICT DO NOTHING", (f"charge{number}", number))
        database.execute("UPDATE invoices SET settled_by = ? WHERE id = ?", (f"charge{number}", number))
        database.execute("INSERT INTO entitlements VALUES (?, 'gold', 1) ON CONFLICT DO NOTHING", (number,))
        database.execute("INSERT INTO outbox (body) VALUES ('{}')")
        database.execute("COMMIT")
    took = time.perf_counter() - began
    database.close()
    return count / took
