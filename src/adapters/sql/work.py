"""Transactions over SQL: one connection each, all of it or nothing."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

from sqlalchemy import Connection, Engine, exc

from adapters.sql.attempts import SqlAttempts
from adapters.sql.causes import Cause, no_cause
from adapters.sql.checkouts import SqlCheckouts
from adapters.sql.column_types import POSTGRESQL
from adapters.sql.customers import SqlCustomers
from adapters.sql.engine import looking
from adapters.sql.entitlements import SqlEntitlements
from adapters.sql.errors import BUSY
from adapters.sql.feed import SqlFeed
from adapters.sql.grant_keys import SqlGrantKeys
from adapters.sql.inbox import SqlInbox
from adapters.sql.invoices import SqlInvoices
from adapters.sql.ledger_marks import SqlLedgerMarks
from adapters.sql.limits import LOCK_TIMEOUT_S
from adapters.sql.locks import hold
from adapters.sql.outbox import SqlOutbox
from adapters.sql.payments import SqlPayments
from adapters.sql.pushes import SqlPushes
from adapters.sql.refund_orders import SqlRefundOrders
from adapters.sql.refunds import SqlRefunds
from adapters.sql.stripe_events import SqlStripeEvents
from adapters.sql.trail import SqlTrail
from adapters.sql.updates import SqlUpdates
from application.ports.payments import ChargeKey
from application.ports.work import Transaction, UnitOfWork
from domain.errors import Unavailable
from domain.ids import UserId


class SqlTransaction(Transaction):
    def __init__(self, connection: Connection, cause: Cause = no_cause) -> None:
        self.connection = connection
        self.invoices = SqlInvoices(connection)
        self.payments = SqlPayments(connection)
        self.refunds = SqlRefunds(connection)
        self.refund_orders = SqlRefundOrders(connection)
        self.inbox = SqlInbox(connection, cause)
        self.ledger_marks = SqlLedgerMarks(connection)
        self.entitlements = SqlEntitlements(connection)
        self.grant_keys = SqlGrantKeys(connection)
        self.trail = SqlTrail(connection)
        self.updates = SqlUpdates(connection)
        self.attempts = SqlAttempts(connection)
        self.checkouts = SqlCheckouts(connection)
        self.customers = SqlCustomers(connection)
        self.stripe_events = SqlStripeEvents(connection)
        self.outbox = SqlOutbox(connection, cause)
        self.feed = SqlFeed(connection)
        self.pushes = SqlPushes(connection)

    def lock(
        self, *, charges: Sequence[ChargeKey] = (), users: Sequence[UserId] = (), automatic_refunds: bool = False
    ) -> None:
        hold(
            self.connection,
            (f"charge:{provider}:{charge_id}" for provider, charge_id in charges),
            (f"user:{user_id}" for user_id in users),
            ["automatic refunds"] if automatic_refunds else (),
        )


class SqlUnitOfWork(UnitOfWork):
    """Over an engine of `open_engine`; one for each process is enough. `cause` is kept with what waits for later."""

    def __init__(self, engine: Engine, cause: Cause = no_cause) -> None:
        self._engine = engine
        self._cause = cause
        # SQLite lets those who wait for its lock sleep longer and longer. Within one process they can stand in line.
        self._line = nullcontext() if engine.dialect.name == POSTGRESQL else _Line()
        self._looking = looking(engine)

    @contextmanager
    def begin(self) -> Iterator[SqlTransaction]:
        with self.connect() as connection:
            yield SqlTransaction(connection, self._cause)

    @contextmanager
    def look(self) -> Iterator[SqlTransaction]:
        with self.connect(reading=True) as connection:
            yield SqlTransaction(connection)

    @contextmanager
    def connect(self, *, reading: bool = False) -> Iterator[Connection]:
        """A transaction for those of this package that keep what no story needs."""
        if reading:
            with _busy_is_unavailable(), self._looking.connect() as connection:
                yield connection
        else:
            with self._line, _busy_is_unavailable(), self._engine.begin() as connection:
                yield connection


class _Line:
    """One at a time, as long as a lock may be waited for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        if not self._lock.acquire(timeout=LOCK_TIMEOUT_S):
            raise Unavailable(BUSY)

    def __exit__(self, *_: object) -> None:
        self._lock.release()


@contextmanager
def _busy_is_unavailable() -> Iterator[None]:
    """Where all connections are taken, and none comes free in time."""
    try:
        yield
    except exc.TimeoutError as problem:
        raise Unavailable(BUSY) from problem
