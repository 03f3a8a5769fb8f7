"""Purchases begun, counted exactly over all processes."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, insert, select

from adapters.sql import schema
from adapters.sql.locks import hold
from application.ports.invoices import Attempts
from domain.ids import UserId

_TABLE = schema.purchase_attempts
# What lies further in the future than the window is long was noted by a clock that was set back since.
_WITHIN = (
    select(_TABLE.c.at)
    .where(_TABLE.c.user_id == bindparam("user"), _TABLE.c.at > bindparam("since"), _TABLE.c.at <= bindparam("until"))
    .order_by(_TABLE.c.at)
)
_ADMIT = insert(_TABLE).values(user_id=bindparam("user"), at=bindparam("now"))
_FORGET = delete(_TABLE).where(_TABLE.c.user_id == bindparam("user"), _TABLE.c.at <= bindparam("since"))


class SqlAttempts(Attempts):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def admit(self, user_id: UserId, now: datetime, *, at_most: int, within: timedelta) -> timedelta | None:
        hold(self._connection, [f"attempts:{user_id}"])
        window = {"user": user_id, "since": now - within, "until": now + within}
        times: Sequence[datetime] = self._connection.scalars(_WITHIN, window).all()
        if len(times) >= at_most:
            return times[-at_most] + within - now
        # Not what has only just left the window: to whoever read the clock before us and waited, it is in it still.
        self._connection.execute(_FORGET, {"user": user_id, "since": now - 2 * within})
        self._connection.execute(_ADMIT, {"user": user_id, "now": now})
        return None
