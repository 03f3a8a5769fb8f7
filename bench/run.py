"""Prints each figure as a ratio to its peer in the same run: medians and spread of several rounds.

python -m bench.run [--rounds 5] [--quick]
"""

import argparse
import itertools
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.progress import track
from rich.table import Table

from adapters.clock import SystemClock
from adapters.sql.migrate import upgrade
from adapters.telemetry.logs import configure_logs
from adapters.tokens import TokenMaker
from bench import load, peers
from domain.catalog import Method
from domain.ids import BotName, ChargeId, UserId
from domain.invoice import Invoice
from domain.money import Money
from domain.payment import Charge, Provider
from entrypoints.container import Container
from entrypoints.settings import Settings

ROOT = Path(__file__).parents[1]
MAIN = BotName("main")
SECRET = "a-webhook-secret-for-measuring"
KEY = "a-key-that-is-long-enough-for-measuring-only"
BATCHES = (1, 8, 32)
Ratios = dict[str, float]
_users = itertools.count(1)


def settings(folder: Path) -> dict[str, str]:
    return {
        "DATABASE_URL": f"sqlite:///{folder}/bench.db",
        "CATALOG_PATH": str(ROOT / "catalog.toml"),
        "TELEGRAM_BOT_TOKEN": "1:" + "a" * 35,
        "TELEGRAM_WEBHOOK_SECRET": SECRET,
        "TELEGRAM_API_BASE": "http://127.0.0.1:9",
        "AUTH_JWT_SECRET": KEY,
        "INVOICE_SIGNING_KEYS": KEY,
        "LOG_LEVEL": "ERROR",
    }


def settling(folder: Path, count: int) -> Ratios:
    """Payments settled on SQLite in batches, against one commit a payment by the standard library."""
    container = _container(folder)
    settle = container.settle_charges()
    bare = peers.payments_with_the_standard_library(folder, count)
    ratios = {}
    for batch in BATCHES:
        charges = [_charge(container, invoice) for invoice in _invoices(container, count)]
        began = time.perf_counter()
        for start in range(0, count, batch):
            settle(charges[start : start + batch])
        took = time.perf_counter() - began
        ratios[f"payment, {batch} at once / one commit each with sqlite3"] = count / took / bare
    container.engine().dispose()
    return ratios


def answering(folder: Path, count: int) -> Ratios:
    """Pre-checkouts and checks over HTTP, against a route of the same framework that does nothing."""
    container = _container(folder)
    invoices = _invoices(container, min(count, 500))
    first = invoices[0].payer
    container.settle_charges()([_charge(container, invoice) for invoice in invoices[:100]])
    queries = [_pre_checkout(container, number, invoice) for number, invoice in enumerate(invoices[100:])]
    container.engine().dispose()
    maker = TokenMaker(KEY, "tollgram", None)
    token = maker.make(
        subject="bench", scopes=("entitlements:read",), now=SystemClock().now(), good_for=timedelta(hours=1)
    )
    with (
        _server("bench.peers:app", {}, "/check") as bare,
        _server("entrypoints.http.server:app", settings(folder), "/health/ready") as ours,
    ):
        secret = f"X-Telegram-Bot-Api-Secret-Token: {SECRET}\r\n"
        caller = f"Authorization: Bearer {token}\r\n"
        bare_get = load.measure(bare, lambda _: load.get("/check"), count=count)
        bare_post = load.measure(bare, lambda n: load.post("/pre-checkout", queries[n % len(queries)]), count=count)
        check = load.measure(
            ours, lambda n: load.get(f"/internal/v1/users/{first + n % 100}/features/signals", caller), count=count
        )
        judged = load.measure(
            ours,
            lambda n: load.post("/api/v1/telegram/main/webhook", queries[n % len(queries)], secret),
            count=count // 2,
        )
    return {
        "entitlement check / bare GET": check.per_second / bare_get.per_second,
        "pre-checkout in the webhook's body / bare POST": judged.per_second / bare_post.per_second,
    }


def starting() -> Ratios:
    """`tollgram --help` against a Python that does nothing."""
    times = {}
    for name, command in {"python": "pass", "help": "from entrypoints.cli import main; main(['--help'])"}.items():
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", command], check=True, capture_output=True)
        times[name] = time.perf_counter() - began
    return {"time of tollgram --help / bare Python": times["help"] / times["python"]}


def _container(folder: Path) -> Container:
    values = settings(folder)
    upgrade(values["DATABASE_URL"])
    return Container(settings=Settings.read(values, serving=True))


def _invoices(container: Container, count: int) -> list[Invoice]:
    shop, work, now = container.shop(), container.work(), container.clock().now()
    with work.begin() as tx:
        return [
            shop.issue(
                tx, user_id=UserId(user), bot=MAIN, plan_code="gold_1m", method=Method.STARS, language="en", now=now
            )
            for user in itertools.islice(_users, count)
        ]


def _charge(container: Container, invoice: Invoice) -> Charge:
    return Charge(
        provider=Provider.TELEGRAM,
        charge_id=ChargeId(f"charge-{invoice.id}"),
        provider_charge_id="",
        bot=MAIN,
        payer=invoice.payer,
        paid=Money(amount=1250, currency="XTR"),
        method=Method.STARS,
        payload=container.shop().signer.sign(invoice.terms, MAIN),
        charged_at=invoice.issued_at,
        message=b"{}",
    )


def _pre_checkout(container: Container, number: int, invoice: Invoice) -> bytes:
    update: dict[str, Any] = {
        "update_id": number + 1,
        "pre_checkout_query": {
            "id": str(10**17 + number),
            "from": {"id": invoice.payer, "is_bot": False, "first_name": "Ada", "language_code": "en"},
            "currency": "XTR",
            "total_amount": 1250,
            "invoice_payload": container.shop().signer.sign(invoice.terms, MAIN),
        },
    }
    return json.dumps(update).encode()


@contextmanager
def _server(app: str, values: dict[str, str], ready: str) -> Iterator[int]:
    """One server process on a free port, the same server for every peer."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", app, "--factory", "--port", str(port), "--log-level", "warning"]
    process = subprocess.Popen([*command, "--no-access-log"], cwd=ROOT, env={**os.environ, **values})
    try:
        for _ in range(200):
            try:
                if httpx.get(f"http://127.0.0.1:{port}{ready}", trust_env=False).is_success:
                    break
            except httpx.TransportError:
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    reads = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reads.add_argument("--rounds", type=int, default=5)
    reads.add_argument("--quick", action="store_true", help="fewer requests: to see that it runs")
    given = reads.parse_args()
    configure_logs(level="ERROR", form="json", secrets=())
    count = 400 if given.quick else 4000
    parts: list[Callable[[Path], Ratios]] = [
        lambda folder: settling(folder, count // 2),
        lambda folder: answering(folder, count),
        lambda _: starting(),
    ]
    found: dict[str, list[float]] = {}
    for _ in track(range(given.rounds), "Measuring", console=Console(stderr=True)):
        for part in parts:
            with tempfile.TemporaryDirectory() as folder:
                for name, ratio in part(Path(folder)).items():
                    found.setdefault(name, []).append(ratio)
    table = Table("ratio", "median", "least", "most", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for name, ratios in found.items():
        table.add_row(name, *(f"{value:.2f}" for value in (statistics.median(ratios), min(ratios), max(ratios))))
    Console().print(table)


if __name__ == "__main__":
    main()
