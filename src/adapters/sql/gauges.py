"""What operators watch: counts that are right after a restart, because they are read from the tables."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, Select, Text, bindparam, column, func, inspect, select, table, text

from adapters.sql import schema
from adapters.sql.engine import looking
from adapters.sql.migrate import newest_revision
from domain.catalog import Method

_OPEN_INVOICES = (
    select(func.count())
    .select_from(schema.invoices)
    .where(
        schema.invoice_is_open,
        schema.invoices.c.expires_at >= bindparam("now"),
        schema.invoices.c.method != Method.STRIPE.value,
    )
)
_WAITING = select(func.count()).select_from(schema.outbox).where(schema.letter_waits)
# Not the first by its number: for that, SQLite would walk along all that were ever sent.
_OLDEST = select(func.min(schema.outbox.c.created_at)).where(schema.letter_waits)
_REPORTS = select(func.count()).select_from(schema.inbox).where(schema.report_waits)
_GIVEN_UP = select(func.count()).select_from(schema.inbox).where(schema.inbox.c.given_up_at.is_not(None))
_OLDEST_REPORT = select(func.min(schema.inbox.c.received_at)).where(schema.report_waits)
_ORDERS = select(func.count()).select_from(schema.refund_orders).where(schema.order_waits)
_IN_QUARANTINE = schema.payments.c.status == text("'quarantined'")
_QUARANTINED = (
    select(schema.payments.c.quarantine_reason, func.count())
    .where(_IN_QUARANTINE)
    .group_by(schema.payments.c.quarantine_reason)
)
_OLDEST_QUARANTINED = (
    select(schema.payments.c.received_at).where(_IN_QUARANTINE).order_by(schema.payments.c.received_at).limit(1)
)
_LEDGERS = select(schema.ledger_marks.c.ledger, schema.ledger_marks.c.tail_read_at)
_MARKS = schema.ledger_marks
_UNREAD_SINCE = select(_MARKS.c.ledger, func.coalesce(_MARKS.c.tail_read_at, _MARKS.c.first_started_at).label("since"))
_EVENTS, _PUSHES, _ENDPOINTS = schema.events, schema.event_pushes, schema.event_endpoints
_OF_ENDPOINT = _PUSHES.c.endpoint == bindparam("endpoint")
_PUSHES_WAITING = select(func.count()).select_from(_PUSHES).where(_OF_ENDPOINT, schema.push_waits)
_PUSHES_GIVEN_UP = select(func.count()).select_from(_PUSHES).where(_OF_ENDPOINT, _PUSHES.c.given_up_at.is_not(None))
_OLDEST_PUSH = (
    select(_EVENTS.c.at)
    .join(_PUSHES, _PUSHES.c.sequence == _EVENTS.c.sequence)
    .where(_OF_ENDPOINT, schema.push_waits)
    .order_by(_PUSHES.c.sequence)
    .limit(1)
)
_DISABLED = select(_ENDPOINTS.c.disabled_at).where(_ENDPOINTS.c.id == bindparam("endpoint"))
_HEARD = select(func.max(schema.seen_updates.c.seen_at))
_REVISION = select(column("version_num", Text)).select_from(table("alembic_version"))


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointGauges:
    """`oldest` is how long ago the oldest event happened that waits for the endpoint."""

    waiting: int
    oldest: timedelta
    given_up: int
    disabled: bool


class SqlGauges:
    """Every question raises Unavailable where the database does not do its part."""

    def __init__(self, engine: Engine) -> None:
        self._engine = looking(engine)

    def ping(self) -> None:
        """Does the database answer?"""
        with self._engine.connect() as connection:
            connection.execute(select(1))

    def pending_invoices(self, now: datetime) -> int:
        """Telegram invoices that are open and within their time to live."""
        with self._engine.connect() as connection:
            return connection.execute(_OPEN_INVOICES, {"now": now}).scalar_one()

    def outbox_pending(self) -> int:
        """Letters that wait to be sent."""
        with self._engine.connect() as connection:
            return connection.execute(_WAITING).scalar_one()

    def outbox_oldest(self, now: datetime) -> timedelta | None:
        """How long the oldest of them has waited."""
        with self._engine.connect() as connection:
            written = connection.execute(_OLDEST).scalar_one_or_none()
        return None if written is None else max(now - written, timedelta(0))

    def inbox_pending(self) -> int:
        """Reports that wait to be dealt with."""
        return self._count(_REPORTS)

    def inbox_given_up(self) -> int:
        """Reports that nobody takes up again by itself."""
        return self._count(_GIVEN_UP)

    def inbox_oldest(self, now: datetime) -> timedelta | None:
        """How long the oldest report that waits has waited."""
        with self._engine.connect() as connection:
            received = connection.execute(_OLDEST_REPORT).scalar_one_or_none()
        return None if received is None else max(now - received, timedelta(0))

    def refunds_pending(self) -> int:
        """Refunds that were ordered and that no provider has confirmed or refused."""
        return self._count(_ORDERS)

    def quarantined(self) -> Mapping[str, int]:
        """Payments in quarantine, by reason."""
        with self._engine.connect() as connection:
            return {reason or "": number for reason, number in connection.execute(_QUARANTINED)}

    def quarantine_oldest(self, now: datetime) -> timedelta | None:
        """How long the oldest payment in quarantine has waited."""
        with self._engine.connect() as connection:
            received = connection.execute(_OLDEST_QUARANTINED).scalar_one_or_none()
        return None if received is None else max(now - received, timedelta(0))

    def ledgers_read(self) -> Mapping[str, datetime]:
        """When the end of each ledger was read last."""
        with self._engine.connect() as connection:
            return {ledger: at for ledger, at in connection.execute(_LEDGERS) if at is not None}

    def ledgers_unread_since(self) -> Mapping[str, datetime]:
        """The same, and of one whose end was never read: when that was tried first."""
        with self._engine.connect() as connection:
            return {row.ledger: row.since for row in connection.execute(_UNREAD_SINCE)}

    def heard_at(self) -> datetime | None:
        """When Telegram last told us of a message or a pressed button; within the days for which that is kept."""
        with self._engine.connect() as connection:
            at: datetime | None = connection.execute(_HEARD).scalar_one()
        return at

    def database_version(self) -> str:
        """The database's own name and version."""
        sqlite = self._engine.dialect.name == "sqlite"
        version = func.sqlite_version() if sqlite else func.current_setting("server_version")
        with self._engine.connect() as connection:
            return f"{'SQLite' if sqlite else 'PostgreSQL'} {connection.execute(select(version)).scalar_one()}"

    def endpoint(self, id: str, now: datetime) -> EndpointGauges:
        """How pushing to that endpoint goes."""
        of = {"endpoint": id}
        with self._engine.connect() as connection:
            oldest = connection.execute(_OLDEST_PUSH, of).scalar_one_or_none()
            return EndpointGauges(
                waiting=connection.execute(_PUSHES_WAITING, of).scalar_one(),
                oldest=timedelta(0) if oldest is None else max(now - oldest, timedelta(0)),
                given_up=connection.execute(_PUSHES_GIVEN_UP, of).scalar_one(),
                disabled=connection.execute(_DISABLED, of).scalar_one_or_none() is not None,
            )

    def disk(self) -> tuple[int, int] | None:
        """Bytes left on the disk that holds the database, and its size; None where a server holds it."""
        if self._engine.dialect.name != "sqlite":
            return None
        try:
            usage = shutil.disk_usage(Path(str(self._engine.url.database)).absolute().parent)
        except OSError:
            return None
        return usage.free, usage.total

    def _count(self, statement: Select[int]) -> int:
        with self._engine.connect() as connection:
            return connection.execute(statement).scalar_one()

    def schema_revision(self) -> str | None:
        """The migration that the database is at; None where it was never migrated."""
        if self._engine.dialect.name == "sqlite" and not Path(str(self._engine.url.database)).is_file():
            return None
        with self._engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            return connection.execute(_REVISION).scalar_one_or_none()

    def expected_revision(self) -> str:
        """The migration that this version of the service needs."""
        return newest_revision()
