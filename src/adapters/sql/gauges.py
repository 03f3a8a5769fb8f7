"""What operators watch: counts that are right after a restart, because they are read from the tables."""

from datetime import datetime, timedelta

from sqlalchemy import Engine, Text, bindparam, column, func, inspect, select, table

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
_OLDEST = select(schema.outbox.c.created_at).where(schema.letter_waits).order_by(schema.outbox.c.id).limit(1)
_REVISION = select(column("version_num", Text)).select_from(table("alembic_version"))


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

    def schema_revision(self) -> str | None:
        """The migration that the database is at; None where it was never migrated."""
        with self._engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            return connection.execute(_REVISION).scalar_one_or_none()

    def expected_revision(self) -> str:
        """The migration that this version of the service needs."""
        return newest_revision()
