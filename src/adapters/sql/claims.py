"""Work that waits in a table and is taken up by one process at a time.

A claim is a lease. Who takes work up counts the attempt first, so that what kills its process is not tried for ever.
Times that lie too far ahead were noted by a clock that was wrong, and hold nothing up.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, bindparam, or_, select, update

from adapters.sql.column_types import UtcTime
from adapters.sql.locks import hold
from application.ports.outcomes import LONGEST_PUT_OFF

_NOW = bindparam("now", type_=UtcTime())
_TOO_FAR = bindparam("too_far", type_=UtcTime())
_LEASE_TOO_FAR = bindparam("lease_too_far", type_=UtcTime())


class Claims:
    """Over a table with `due_at`, `attempts`, `claimed_until`; `waits` tells which rows are to be done yet, `oldest`
    by which columns one of them comes first."""

    def __init__(self, table: Table, *, waits: ColumnElement[bool], oldest: Sequence[Any]) -> None:
        due_at, claimed_until = table.c.due_at, table.c.claimed_until
        self._name = table.name
        self._due = (
            select(table)
            .where(
                waits,
                or_(due_at <= _NOW, due_at > _TOO_FAR),
                or_(claimed_until.is_(None), claimed_until <= _NOW, claimed_until > _LEASE_TOO_FAR),
            )
            .order_by(*oldest)
            .limit(bindparam("at_most"))
        )
        keys = table.primary_key.columns
        self._keys = tuple(key.name for key in keys)
        self._claim = (
            update(table)
            .where(and_(*(key == bindparam(f"of_{key.name}") for key in keys)))
            .values(attempts=table.c.attempts + 1, claimed_until=bindparam("claim_runs_out"))
        )

    def take(self, connection: Connection, now: datetime, at_most: int, lease: timedelta) -> Sequence[Any]:
        """Rows as they were before this attempt."""
        hold(connection, [self._name])
        times = {"now": now, "too_far": now + LONGEST_PUT_OFF, "lease_too_far": now + 2 * lease}
        rows = connection.execute(self._due, {"at_most": at_most, **times}).all()
        for row in rows:
            of = {f"of_{name}": getattr(row, name) for name in self._keys}
            connection.execute(self._claim, {"claim_runs_out": now + lease, **of})
        return rows
