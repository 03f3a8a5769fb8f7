"""All that a run needs, once: databases that are filled, and one server process for each of us and of our peers."""

import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bench.machine import INSTALLED, Server, cores, program, served, stay_on
from bench.stock import Stock, settings
from tests.postgres import free_port, running_postgres

OURS = "entrypoints.http.server:app"
SMALL = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """The service over one database."""

    stock: Stock
    server: Server


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    server_core: int
    bare: Server
    on_postgres: Ours
    on_sqlite: Ours
    """These two are only asked: they have no letters to carry."""
    selling_on_postgres: Ours
    selling_on_sqlite: Ours
    """With thousands of letters, which go on being carried whatever is measured."""
    grown_postgres: Ours
    grown_sqlite: Ours
    aiogram_orm: Server
    aiogram_asyncpg: Server
    fastapi: Server
    peers: Stock
    """The database of those three."""
    pgbench: Stock
    sqlite_alone: Stock
    sqlite_path: Path
    idle_worker_mb: float


@contextmanager
def prepared(*, buyers: int, grown: int) -> Iterator[Stage]:
    """`grown` is how many have paid already in the large databases, 10,000 in all others."""
    server_core, other_core = cores()
    stay_on(other_core)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tollgram-bench-")))
        postgres = stack.enter_context(running_postgres(durable=True))
        telegram = stack.enter_context(served("bench.peers.telegram:app", {}, other_core, "/", rests=False))

        # The large ones take minutes: beside each other, and by databases that need no Python meanwhile.
        filling = stack.enter_context(ThreadPoolExecutor(2))
        grown_postgres, grown_sqlite = (
            filling.submit(Stock.filled, url, holders=grown, buyers=buyers)
            for url in (stack.enter_context(postgres.database()), f"sqlite:///{folder}/grown.db")
        )
        small = Stock.filled(postgres.url(postgres.create_database()), holders=SMALL, buyers=buyers)
        small_file = Stock.filled(f"sqlite:///{folder}/small.db", holders=SMALL, buyers=buyers)

        def in_postgres() -> Stock:
            template = small.url.rpartition("/")[2]
            return replace(small, url=stack.enter_context(postgres.database(template=template)))

        def in_sqlite(name: str) -> Stock:
            shutil.copy(folder / "small.db", folder / f"{name}.db")
            return replace(small_file, url=f"sqlite:///{folder}/{name}.db")

        def ours(stock: Stock) -> Ours:
            given = settings(stock.url, telegram.url)
            return Ours(
                stock=stock,
                server=stack.enter_context(served(OURS, given, server_core, "/health/ready", where=INSTALLED)),
            )

        def bot(name: str, stock: Stock) -> Server:
            port = free_port()
            command = ["-m", f"bench.peers.{name}", str(port)]
            return stack.enter_context(program(command, {"DATABASE_URL": stock.url}, server_core, port, "/"))

        peers = in_postgres()
        on_postgres = ours(in_postgres())
        yield Stage(
            server_core=server_core,
            bare=stack.enter_context(served("bench.peers.bare:app", {}, server_core, "/check")),
            on_postgres=on_postgres,
            on_sqlite=ours(in_sqlite("ours")),
            selling_on_postgres=ours(in_postgres()),
            selling_on_sqlite=ours(in_sqlite("selling")),
            grown_postgres=ours(grown_postgres.result()),
            grown_sqlite=ours(grown_sqlite.result()),
            aiogram_orm=bot("aiogram_orm", peers),
            aiogram_asyncpg=bot("aiogram_asyncpg", peers),
            fastapi=stack.enter_context(
                served(
                    "bench.peers.fastapi_orm:app", {"DATABASE_URL": peers.url}, server_core, "/users/1/features/signals"
                )
            ),
            peers=peers,
            pgbench=in_postgres(),
            sqlite_alone=in_sqlite("alone"),
            sqlite_path=folder / "alone.db",
            idle_worker_mb=on_postgres.server.memory_mb(),
        )
