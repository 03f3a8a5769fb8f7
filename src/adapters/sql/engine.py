"""How the database is reached: connections that wait for nothing without an end."""

from typing import Any

from sqlalchemy import Connection, Engine, event

from adapters.sql.address import Address
from adapters.sql.column_types import POSTGRESQL
from adapters.sql.limits import LOOKS


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
            from adapters.sql.sqlite import open_sqlite  # noqa: PLC0415 only one of them is needed

            return open_sqlite(address.url, patient=patient)
        case "postgresql" | "postgres":
            from adapters.sql.postgresql import open_postgresql  # noqa: PLC0415 psycopg is large

            return open_postgresql(address, patient=patient)
        case other:
            raise ValueError(f"a database's address begins with sqlite:/// or postgresql://, not with {other}:")


def looking(engine: Engine) -> Engine:
    """The same connections, for statements that only read.

    Each is for itself: it sees what it would see inside a READ COMMITTED transaction, and spares the ways there and
    back for BEGIN and for the end.
    """
    options: dict[str, Any] = {LOOKS: True}
    if engine.dialect.name == POSTGRESQL:
        options["isolation_level"] = "AUTOCOMMIT"
    reading = engine.execution_options(**options)
    event.listen(reading, "before_cursor_execute", _only_read)
    return reading


def _only_read(connection: Connection, cursor: object, statement: str, *_: object) -> None:
    if not statement.startswith(("SELECT", "PRAGMA")):
        raise AssertionError(f"a transaction that only reads was asked to {statement.split(maxsplit=1)[0]}")
