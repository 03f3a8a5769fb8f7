"""How the database is reached: connections that wait for nothing without an end."""

import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec
import psycopg
from psycopg.abc import RV, PQGen
from sqlalchemy import URL, Connection, Engine, create_engine, event

from adapters.sql.address import Address
from adapters.sql.column_types import POSTGRESQL
from adapters.sql.errors import in_our_words

POOL_SIZE: Final = 12
POOL_TIMEOUT_S: Final = 3.0
RECYCLE_AFTER_S: Final = 1800
CONNECT_TIMEOUT_S: Final = 3
LOCK_TIMEOUT_S: Final = 3.0
STATEMENT_TIMEOUT_S: Final = 4.0
ANSWER_TIMEOUT_S: Final = 5.0
"""Of the server, whatever it is doing: later than its own time-outs, which keep the connection alive."""
OLDEST_SQLITE: Final = (3, 37)
"""The first with strict tables."""

LOOKS: Final = "tollgram_looks"
"""The execution option of connections that only read."""


def open_engine(database_url: str, *, patient: bool = False) -> Engine:
    """A pool of connections to `sqlite:///path` or `postgresql://…`; none is opened yet.

    Several PostgreSQL servers, `postgresql://user@one:5432,two:5432/name`, are tried in turn, and the one that can be
    written is taken: so the service follows where a standby is promoted.
    `patient` is for migrations, which may take their time. Raises ValueError for any other address; no message bears
    the address, which may hold a password.
    """
    address = Address.read(database_url)
    match address.url.get_backend_name():
        case "sqlite":
            engine = _sqlite(address.url, patient=patient)
        case "postgresql" | "postgres":
            engine = _postgresql(address, patient=patient)
        case other:
            raise ValueError(f"a database's address begins with sqlite:/// or postgresql://, not with {other}:")
    event.listen(engine, "handle_error", in_our_words, retval=True)
    return engine


def looking(engine: Engine) -> Engine:
    """The same connections, for statements that only read.

    On PostgreSQL each statement is for itself: it sees what it would see inside a READ COMMITTED transaction, and
    spares the way there and back for BEGIN and for the end.
    """
    options: dict[str, Any] = {LOOKS: True}
    if engine.dialect.name == POSTGRESQL:
        options["isolation_level"] = "AUTOCOMMIT"
    reading = engine.execution_options(**options)
    event.listen(reading, "before_cursor_execute", _only_read)
    return reading


def _only_read(connection: Connection, cursor: object, statement: str, *_: object) -> None:
    if not statement.startswith(("SELECT", "BEGIN", "PRAGMA")):
        raise AssertionError(f"a transaction that only reads was asked to {statement.split(maxsplit=1)[0]}")


def _sqlite(url: URL, *, patient: bool) -> Engine:
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise ValueError(f"SQLite here is {sqlite3.sqlite_version}; it must be 3.37 or newer")
    if url.database in {None, "", ":memory:"}:
        raise ValueError("a SQLite database must be a file: sqlite:///path")
    # Where this fails, so will the first connection, and that is told apart.
    with suppress(OSError):
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url.set(drivername="sqlite+pysqlite"),
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT_S,
        pool_use_lifo=True,
        connect_args={"timeout": LOCK_TIMEOUT_S, "check_same_thread": False, "cached_statements": 256},
    )

    @event.listens_for(engine, "do_connect")
    def open_file(
        dialect: object, record: object, arguments: tuple[Any, ...], settings: Mapping[str, Any]
    ) -> sqlite3.Connection:
        # Only a migration makes a database. While its disk is not mounted, a new one in its place would be empty, and
        # whoever had opened that would keep to it also when the disk is back.
        mode = "rwc" if patient else "rw"
        opened: sqlite3.Connection = sqlite3.connect(
            f"{Path(arguments[0]).absolute().as_uri()}?mode={mode}", uri=True, **settings
        )
        return opened

    @event.listens_for(engine, "connect")
    def set_up(connection: sqlite3.Connection, record: object) -> None:
        # We begin transactions ourselves: the module would begin them at the first write, too late for a lock.
        connection.isolation_level = None
        for pragma in ("foreign_keys = ON", "journal_mode = WAL", "synchronous = FULL", "trusted_schema = OFF"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # Whoever will write takes the only write lock at once. Taken later, it could find that what was read has
        # changed since, and no waiting would help.
        looks = connection.get_execution_options().get(LOOKS)
        connection.exec_driver_sql("BEGIN" if looks else "BEGIN IMMEDIATE")

    return engine


def _postgresql(address: Address, *, patient: bool) -> Engine:
    url = address.url
    settings = {
        # Times come back in the session's zone, and year 9999 does not fit every zone.
        "timezone": "UTC",
        # Every statement reaches its rows by an index. Before a table is first analyzed the planner thinks otherwise,
        # and reads all of it; compiling a statement takes longer than any of ours runs.
        "enable_seqscan": "off",
        "jit": "off",
        "lock_timeout": f"{0 if patient else LOCK_TIMEOUT_S:g}s",
        "statement_timeout": f"{0 if patient else STATEMENT_TIMEOUT_S:g}s",
        "idle_in_transaction_session_timeout": f"{0 if patient else 10 * STATEMENT_TIMEOUT_S:g}s",
    }
    given = url.query.get("options", "")
    options = [f"-c {name}={value}" for name, value in settings.items()]
    options += [given] if isinstance(given, str) else given
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT_S,
        pool_use_lifo=True,
        pool_recycle=RECYCLE_AFTER_S,
        json_serializer=lambda value: msgspec.json.encode(value).decode(),
        json_deserializer=msgspec.json.decode,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_S,
            "application_name": "tollgram",
            "options": " ".join(options).strip(),
            **address.several,
        },
    )
    connect = psycopg.Connection.connect if patient else ImpatientConnection.connect

    @event.listens_for(engine, "do_connect")
    def open_connection(
        dialect: object, record: object, arguments: tuple[Any, ...], settings: Mapping[str, Any]
    ) -> psycopg.Connection[Any]:
        return connect(*arguments, **settings)

    return engine


class ImpatientConnection(psycopg.Connection[Any]):
    """Gives up on a server that does not answer, where its own time-outs are of no use: stopped, hung, or cut off."""

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        try:
            return super().wait(gen, interval, ANSWER_TIMEOUT_S if timeout is None else timeout)
        except psycopg.errors._WaitTimeout as problem:
            # Nobody knows what the server still does with it: this connection is never used again.
            self.pgconn.finish()
            raise psycopg.OperationalError(f"no answer from the server in {ANSWER_TIMEOUT_S:g} s") from problem
