"""How PostgreSQL is reached, and what it says, in our words. Loaded where a database's address asks for it."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import psycopg
from psycopg.abc import RV, PQGen
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext

from adapters.sql.address import Address
from adapters.sql.errors import OUT_OF_ORDER, violation
from adapters.sql.limits import LOCK_TIMEOUT_S, POOL_SIZE, POOL_TIMEOUT_S
from domain.errors import Unavailable

RECYCLE_AFTER_S: Final = 1800
CONNECT_TIMEOUT_S: Final = 3
STATEMENT_TIMEOUT_S: Final = 4.0
ANSWER_TIMEOUT_S: Final = 5.0
"""Of the server, whatever it is doing: later than its own time-outs, which keep the connection alive."""
_WAIT_FOR_THE_DISK: Final = (
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
)
# No such table, no such column, no right to it: another database than ours, or one that was not migrated.
_WRONG_DATABASE: Final = frozenset({"42P01", "42703", "42501", "3F000"})


def open_postgresql(address: Address, *, patient: bool) -> Engine:
    url = address.url
    settings = {
        # Whoever waited for a lock reads what the one before has written; in any other level than this, what was there
        # before it began to wait, so that two spans of one user would begin at the same moment.
        "default_transaction_isolation": r"read\ committed",
        # Times come back in the session's zone, and year 9999 does not fit every zone.
        "timezone": "UTC",
        # The driver reads times and texts written so, and no others.
        "datestyle": "ISO",
        "client_encoding": "UTF8",
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

    @event.listens_for(engine, "connect")
    def wait_for_the_disk(connection: psycopg.Connection[Any], record: object) -> None:
        # Whatever somebody has set for the sake of speed: what is answered with a 2xx must not be lost with the power.
        connection.execute(_WAIT_FOR_THE_DISK)
        connection.commit()

    event.listen(engine, "handle_error", _in_our_words, retval=True)
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


def _in_our_words(context: ExceptionContext) -> Exception | None:
    original = context.original_exception
    if isinstance(original, psycopg.errors.UniqueViolation):
        return violation(original.diag.constraint_name or "", original)
    return Unavailable(OUT_OF_ORDER) if _is_out_of_order(original) else None


def _is_out_of_order(original: BaseException) -> bool:
    """Full, hung, gone, not ours, read-only, deadlocked or not serializable; but no mistake in a statement."""
    match original:
        case psycopg.errors.ProgrammingError():
            return original.sqlstate in _WRONG_DATABASE
        case psycopg.OperationalError() | psycopg.InterfaceError() | psycopg.InternalError():
            return True
        case _:
            return False
