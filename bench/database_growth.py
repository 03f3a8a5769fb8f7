"""How much the database grows with each purchase: bytes by table, indexes included.

python -m bench.database_growth [--purchases 500] [--postgresql] [--by stars | stripe | nobody]

Real purchases of the sandbox's people, over HTTP, each by somebody new: asked for by send-invoice or checkout, paid,
granted, confirmed in the chat; by nobody, an invoice is asked for and left. As many before them are not counted, since
tables grow page by page.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, text

from adapters.sql.engine import open_engine
from adapters.sql.schema import metadata
from tests.integration.buying import invoice_for, newcomer
from tests.integration.conftest import set_webhooks
from tests.integration.sandbox_server import SandboxServer
from tests.integration.service import Service, eventually
from tests.integration.stripe_buying import buy_by_stripe, stripe_settings
from tests.postgres import running_postgres

PAUSE_S: Final = 0.08
"""Each purchase is two messages, and the sandbox takes no more than Telegram does."""
WITHIN_S: Final = 300.0
PAGES = "SELECT m.tbl_name, sum(s.pgsize) FROM dbstat s JOIN sqlite_master m ON m.name = s.name GROUP BY m.tbl_name"
ALL_DONE = (
    "SELECT (SELECT count(*) FROM payments WHERE status = 'granted'),"
    " (SELECT count(*) FROM outbox WHERE sent_at IS NULL), (SELECT count(*) FROM events WHERE sequence IS NULL)"
)


def main() -> int:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--purchases", type=int, default=500)
    arguments.add_argument("--postgresql", action="store_true", help="on a server that is made for it, else SQLite")
    arguments.add_argument("--by", choices=["stars", "stripe", "nobody"], default="stars")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder, _database(Path(folder), postgresql=chosen.postgresql) as url:
        show(*grown(Path(folder), url, chosen.purchases, by=chosen.by))
    return 0


def grown(folder: Path, url: str, purchases: int, *, by: str) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """Bytes and rows that a purchase adds, by table."""
    with SandboxServer() as telegram:
        settings = {"DATABASE_URL": url, "RECONCILE_EVERY_SECONDS": "0", **stripe_settings(telegram.stripe)}
        with Service(folder, telegram.url, settings, measured=False) as service:
            set_webhooks(telegram, service)
            engine = open_engine(url)
            sell(service, telegram, engine, purchases, by=by)
            bytes_before, rows_before = size(engine), rows(engine)
            sell(service, telegram, engine, purchases, by=by)
            bytes_after, rows_after = size(engine), rows(engine)
            engine.dispose()
    return (
        {table: (bytes_after[table] - bytes_before[table]) / purchases for table in metadata.tables},
        {table: (rows_after[table] - rows_before[table]) / purchases for table in metadata.tables},
    )


def sell(service: Service, telegram: SandboxServer, engine: Engine, purchases: int, *, by: str) -> None:
    """So many, until nothing of them is left to be done."""

    wanted = _done(engine)[0] + (0 if by == "nobody" else purchases)
    for _ in range(purchases):
        user = newcomer(telegram, "Ada Lovelace")
        if by == "stripe":
            buy_by_stripe(service, telegram, user)
            continue
        invoice = invoice_for(service, user)
        if by == "stars":
            telegram.pay(user, invoice["telegram_message_id"])
        time.sleep(PAUSE_S)
    with service.as_service("events:read") as reader:

        def done() -> bool:
            # Events are numbered for whoever asks.
            reader.get("/internal/v1/events").raise_for_status()
            return _done(engine) == (wanted, 0, 0)

        eventually(done, within_s=WITHIN_S)


def size(engine: Engine) -> Mapping[str, int]:
    """Bytes of each table with its indexes and whatever lies outside of it."""
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            found = {name: int(bytes_) for name, bytes_ in connection.execute(text(PAGES))}
        return {table: found[table] for table in metadata.tables}
    # What was updated left room behind, which is used again: as autovacuum would have told by then.
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
        measured = text("SELECT pg_total_relation_size(CAST(:of AS regclass))")
        return {table: connection.execute(measured, {"of": table}).scalar_one() for table in metadata.tables}


def rows(engine: Engine) -> Mapping[str, int]:
    with engine.connect() as connection:
        return {
            table: connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() for table in metadata.tables
        }


def show(bytes_: Mapping[str, float], rows_: Mapping[str, float]) -> None:
    table = Table("Table", "Rows", "Bytes", title="What a purchase adds")
    for name in sorted((name for name in bytes_ if rows_[name]), key=lambda name: -bytes_[name]):
        table.add_row(name, f"{rows_[name]:.2f}", f"{bytes_[name]:,.0f}")
    table.add_row("all", "", f"{sum(bytes_.values()):,.0f}")
    Console().print(table)


@contextmanager
def _database(folder: Path, *, postgresql: bool) -> Iterator[str]:
    if not postgresql:
        yield f"sqlite:///{folder / 'tollgram.db'}"
        return
    with running_postgres() as server, server.database() as url:
        yield url


def _done(engine: Engine) -> tuple[int, int, int]:
    with engine.connect() as connection:
        granted, unsent, unnumbered = connection.execute(text(ALL_DONE)).one()
    return granted, unsent, unnumbered


if __name__ == "__main__":
    raise SystemExit(main())
