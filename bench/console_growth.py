"""How long the console's pages take once there is very much: seconds of real HTTP, against the 300 ms that they have.

python -m bench.console_growth [--payments 1000000] [--database-url sqlite:///… or postgresql://…] [--rounds 5]

Fills an empty database with made-up sales of half a year, starts the service on it, waits until it has summed up the
hours, and asks for every page.
"""

import argparse
import json
import os
import re
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, Engine, text

from adapters.passwords import PasswordHash
from adapters.sql.engine import open_engine
from adapters.sql.migrate import upgrade
from adapters.sql.schema import metadata
from bench.stock import settings

AT_MOST_MS = 300
DAYS = 180
USERS = 300_000
MANY = 777
"""A user with hundreds of payments."""
PASSWORD = "a password for measuring"
Pages = dict[str, str]


def fill(engine: Engine, payments: int) -> None:
    """Sales that are spread evenly over the last days; two of a hundred were refunded, some are in quarantine."""
    sqlite = engine.dialect.name == "sqlite"
    begin, step = int(time.time()) - DAYS * 86400, DAYS * 86400 / payments
    numbers = (
        "(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < :payments) SELECT n FROM s) s"
        if sqlite
        else "generate_series(CAST(1 AS BIGINT), CAST(:payments AS BIGINT)) AS s(n)"
    )

    def at(shift: float = 0) -> str:
        seconds = f"({begin} + n * {step:.6f} + {shift})"
        written = f"strftime('%Y-%m-%d %H:%M:%S', CAST({seconds} AS INTEGER), 'unixepoch') || '.000000+00:00'"
        return written if sqlite else f"to_timestamp({seconds})"

    month, now = 30 * 86400, f"({begin} + {DAYS * 86400})"
    mark = "((n * 2654435761) % 4294967296)"
    user = f"(CASE WHEN n % 5000 = 0 THEN {MANY} ELSE 1000 + (n * 48271) % {USERS} END)"
    method = "(CASE WHEN n % 100 = 1 THEN 'telegram' WHEN n % 11 = 0 THEN 'stripe' ELSE 'stars' END)"
    currency = "(CASE WHEN n % 100 = 1 OR n % 11 = 0 THEN 'GBP' ELSE 'XTR' END)"
    provider = "(CASE WHEN n % 100 <> 1 AND n % 11 = 0 THEN 'stripe' ELSE 'telegram' END)"
    plan = "(CASE WHEN n % 3 = 0 THEN 'day_pass' WHEN n % 9999 = 1 THEN 'rare' ELSE 'gold_1m' END)"
    status = "(CASE WHEN n % 2000 = 3 THEN 'quarantined' WHEN n % 50 = 7 THEN 'refunded' ELSE 'granted' END)"
    empty_list, empty_map = ("'[]'", "'{}'") if sqlite else ("'[]'::jsonb", "'{}'::jsonb")
    no_bytes = "x''" if sqlite else "''::bytea"
    reason = "(CASE WHEN n % 2000 = 3 THEN 'amount_mismatch' END)"
    charge = f"'c' || {mark} || '_' || n"
    statements = [
        (
            "INSERT INTO invoices (id, bot, user_id, method, plan_code, title, description, amount, currency, duration,"
            " features, limits, language, issued_at, expires_at, settled_by)"
            f" SELECT 'inv_' || {mark} || '_' || n, 'main', {user}, {method}, {plan}, 'Gold', 'Gold', 1250, {currency},"
            f" '1 month', {empty_list}, {empty_map}, 'en', {at(-60)}, {at(3540)}, {charge} FROM {numbers}"
        ),
        (
            "INSERT INTO payments (id, provider, charge_id, provider_charge_id, bot, user_id, amount, currency, method,"
            " payload, charged_at, message, invoice_id, plan_code, status, quarantine_reason, received_at, refunded_at,"
            " amount_refunded, confirmed_at)"
            f" SELECT 'pay_' || {mark} || '_' || n, {provider}, {charge}, 'p' || {mark} || '_' || n, 'main', {user},"
            f" 1250, {currency}, {method}, 'payload', {at()}, {no_bytes}, 'inv_' || {mark} || '_' || n, {plan},"
            f" {status}, {reason}, {at()}, CASE WHEN {status} = 'refunded' THEN {at(60)} END,"
            f" CASE WHEN {status} = 'refunded' THEN 1250 ELSE 0 END, {at(60)} FROM {numbers}"
        ),
        (
            "INSERT INTO entitlements (id, user_id, plan_code, features, limits, duration, granted_at, starts_at,"
            " expires_at, payment_id, revoked_at, over_noted_at)"
            f" SELECT 'ent_' || {mark} || '_' || n, {user}, {plan}, {empty_list}, {empty_map}, '1 month', {at()},"
            f" {at()}, {at(month)}, 'pay_' || {mark} || '_' || n, CASE WHEN {status} = 'refunded' THEN {at(60)} END,"
            f" CASE WHEN {begin} + n * {step:.6f} + {month} < {now} THEN {at(month)} END"
            f" FROM {numbers} WHERE {status} <> 'quarantined'"
        ),
        (
            "INSERT INTO telegram_payment_events (kind, bot, at, user_id, invoice_id, telegram_payment_charge_id,"
            " decision, reason)"
            f" SELECT k, 'main', CASE k WHEN 'refunded_payment' THEN {at(60)} ELSE {at()} END, {user},"
            f" 'inv_' || {mark} || '_' || n, CASE WHEN k LIKE '%_payment' THEN {charge} END,"
            f" CASE k WHEN 'pre_checkout' THEN 'ok' WHEN 'successful_payment' THEN"
            f" CASE WHEN {status} = 'refunded' THEN 'granted' ELSE {status} END END,"
            f" CASE k WHEN 'successful_payment' THEN {reason} END FROM {numbers},"
            " (SELECT 'invoice_issued' AS k UNION ALL SELECT 'pre_checkout' UNION ALL SELECT 'successful_payment'"
            f" UNION ALL SELECT 'refunded_payment') kinds WHERE k <> 'refunded_payment' OR {status} = 'refunded'"
            " ORDER BY n"
        ),
        (
            "INSERT INTO outbox (bot, chat_id, language, kind, body, created_at, due_at, attempts, sent_at)"
            f" SELECT 'main', {user}, 'en', 'Confirmation', '{{}}', {at()}, {at()}, 1, {at(1)} FROM {numbers}"
        ),
        (
            "INSERT INTO people (user_id, name, username, seen_at)"
            f" SELECT 1000 + n, 'Ada Number' || n, 'ada' || n, {at()} FROM {numbers} WHERE n < {USERS}"
        ),
        (
            "INSERT INTO people_words (word, user_id)"
            f" SELECT w || CASE w WHEN 'ada' THEN '' ELSE CAST(n AS TEXT) END, 1000 + n FROM {numbers},"
            f" (SELECT 'ada' AS w UNION ALL SELECT 'number' UNION ALL SELECT 'ada0') words WHERE n < {USERS}"
        ),
    ]
    indexes = [index for table in metadata.tables.values() for index in table.indexes if not index.unique]
    with engine.begin() as connection:
        for index in indexes:
            index.drop(connection)
    for statement in statements:
        with engine.connect() as connection:
            if sqlite:
                connection.exec_driver_sql("PRAGMA cache_size = -2000000")
                connection.rollback()
            connection.execute(text(statement), {"payments": payments})
            connection.commit()
    with engine.begin() as connection:
        for index in indexes:
            index.create(connection)
    if not sqlite:
        # As autovacuum would have by then.
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))


def summed_up(engine: Engine, until: int) -> None:
    """Wait until the service has kept the sums of the hours before that one."""
    while True:
        with engine.connect() as connection:
            if _summed(connection) >= until:
                return
        time.sleep(0.5)


def _summed(connection: Connection) -> int:
    hour: int = connection.execute(text("SELECT coalesce(max(hour), 0) FROM figures WHERE kind = 'mark'")).scalar_one()
    return hour


@contextmanager
def serving(folder: Path, database_url: str) -> Iterator[str]:
    """The service on that database; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    kept = str(PasswordHash.of(PASSWORD, secrets.token_bytes(16)))
    environment = {
        **os.environ,
        **settings(database_url, "http://127.0.0.1:9"),
        "PUBLIC_URL": url,
        "LOG_LEVEL": "ERROR",
        "CONSOLE_USERS_JSON": json.dumps({"ada": kept}),
        "RECONCILE_EVERY_SECONDS": "0",
    }
    serve = [sys.executable, "-c", "from entrypoints.cli import main; main()", "serve", "--port", str(port)]
    process = subprocess.Popen(serve, env=environment, cwd=folder)
    try:
        yield url
    finally:
        process.terminate()
        process.wait()


def signed_in(url: str) -> httpx.Client:
    client = httpx.Client(base_url=url, headers={"Origin": url}, timeout=60, verify=False)
    until, login = time.monotonic() + 60, ""
    while not login:
        try:
            login = client.get("/console/login").text
        except httpx.TransportError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
    token = re.search(r'name="token" value="([^"]*)"', login)
    assert token
    fields = {"token": token[1], "name": "ada", "password": PASSWORD, "next": "/console"}
    assert client.post("/console/login", data=fields).status_code == 303
    return client


def pages(engine: Engine) -> Pages:
    with engine.connect() as connection:
        row = connection.execute(
            text("SELECT id, charge_id, provider_charge_id, invoice_id FROM payments WHERE user_id = 777 LIMIT 1")
        ).one()
    lists, day = "/console/payments", f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"
    return {
        **{f"today, {span}": f"/console?span={span}" for span in ("24h", "7d", "30d", "90d")},
        "plans, 90d": "/console/plans?span=90d",
        "payments": lists,
        "payments, oldest first": f"{lists}?sort=oldest",
        "payments, granted": f"{lists}?status=granted",
        "payments, refunded": f"{lists}?status=refunded",
        "payments, refund under way (none)": f"{lists}?status=refund_pending",
        "payments, by card (1 %)": f"{lists}?method=telegram",
        "payments, of a rare plan": f"{lists}?plan_code=rare",
        "payments, of no plan": f"{lists}?plan_code=never_sold",
        "payments, a rare plan by Stripe": f"{lists}?plan_code=rare&method=stripe",
        "payments, refunded by card": f"{lists}?status=refunded&method=telegram",
        "payments, of a user": f"{lists}?user_id={MANY}",
        "payments, the largest of too many": f"{lists}?sort=largest&currency=XTR",
        "payments, the largest of 1 %": f"{lists}?sort=largest&currency=GBP&method=telegram",
        "payments, the largest of a day": f"{lists}?sort=largest&currency=XTR&since={day}&until={day}",
        "payments, the largest of a rare plan by Stripe": f"{lists}?sort=largest&currency=GBP&plan_code=rare"
        "&method=stripe",
        "quarantine, the largest": "/console/quarantine?sort=largest&currency=XTR",
        "payments, in no ledger": "/console/payments?unconfirmed=yes",
        "payments, of a charge": f"{lists}?charge_id={row.charge_id}",
        "quarantine": "/console/quarantine",
        "a user with hundreds": f"/console/users/{MANY}",
        "a payment": f"/console/payments/{row.id}",
        "search, a charge": f"/console/search?q={row.charge_id}",
        "search, the provider's charge": f"/console/search?q={row.provider_charge_id}",
        "search, an invoice": f"/console/search?q={row.invoice_id}",
        "search, a user": f"/console/search?q={MANY}",
        "search, a common name": "/console/search?q=ada",
        "search, a rare name": "/console/search?q=number4242",
        "search, nothing": "/console/search?q=nobody",
        "events": "/console/events",
        "system": "/console/system",
    }


def measured(client: httpx.Client, wanted: Pages, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each page, of each round."""
    took: dict[str, list[float]] = {name: [] for name in wanted}
    for _ in range(rounds):
        for name, path in wanted.items():
            began = time.perf_counter()
            answer = client.get(path, follow_redirects=not path.startswith("/console/search"))
            took[name].append((time.perf_counter() - began) * 1000)
            assert answer.status_code in (200, 303), f"{name}: {answer.status_code}"
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--payments", type=int, default=1_000_000)
    parser.add_argument("--database-url")
    parser.add_argument("--filled", action="store_true", help="the database was filled before")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database_url = given.database_url or f"sqlite:///{folder}/growth.db"
        engine = open_engine(database_url, patient=True)
        if not given.filled:
            upgrade(database_url)
            began = time.monotonic()
            fill(engine, given.payments)
            console.print(f"{given.payments:,} payments written in {time.monotonic() - began:.0f} s")
        with serving(folder, database_url) as url, closing(signed_in(url)) as client:
            began = time.monotonic()
            summed_up(engine, int(time.time()) // 3600 - 2)
            console.print(f"{DAYS} days summed up in {time.monotonic() - began:.0f} s")
            took = measured(client, pages(engine), given.rounds)
        table = Table("page", "fastest ms", "median ms", "slowest ms", f"within {AT_MOST_MS} ms")
        for page, times in took.items():
            median = statistics.median(times)
            told = [f"{value:.0f}" for value in (min(times), median, max(times))]
            table.add_row(page, *told, "yes" if median <= AT_MOST_MS else "no")
        console.print(table)
        engine.dispose()


if __name__ == "__main__":
    main()
