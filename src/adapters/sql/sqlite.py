"""How SQLite is reached, and what it says, in our words."""

import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext

from adapters.sql.errors import OUT_OF_ORDER, violation
from adapters.sql.limits import LOCK_TIMEOUT_S, LOOKS, POOL_SIZE, POOL_TIMEOUT_S
from domain.errors import Unavailable

OLDEST_SQLITE: Final = (3, 37)
"""The first with strict tables."""
_UNIQUE: Final = "UNIQUE constraint failed: "


def open_sqlite(url: URL, *, patient: bool) -> Engine:
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
        if not connection.get_execution_options().get(LOOKS):
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine, "handle_error", _in_our_words, retval=True)
    return engine


def _in_our_words(context: ExceptionContext) -> Exception | None:
    original = context.original_exception
    if isinstance(original, sqlite3.IntegrityError):
        return violation(str(original).removeprefix(_UNIQUE), original)
    return Unavailable(OUT_OF_ORDER) if _is_out_of_order(original) else None


def _is_out_of_order(original: BaseException) -> bool:
    """Locked, full, gone, not ours, or read-only; but no mistake in a statement."""
    match original:
        case sqlite3.ProgrammingError() | sqlite3.DataError():
            return False
        case sqlite3.OperationalError() if original.sqlite_errorcode == sqlite3.SQLITE_ERROR:
            return str(original).startswith("no such ")
        case sqlite3.DatabaseError() | sqlite3.InterfaceError():
            return True
        case _:
            return False
