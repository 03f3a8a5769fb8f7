"""What operators read of events: the newest first, and what is on its way to an endpoint or was given up."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, bindparam, select

from adapters.sql import schema
from adapters.sql.engine import looking
from adapters.sql.feed import numbered
from application.ports.feed import NumberedNotice

_EVENTS, _PUSHES = schema.events, schema.event_pushes
_NEWEST = (
    select(_EVENTS)
    .where(_EVENTS.c.sequence < bindparam("before"))
    .order_by(_EVENTS.c.sequence.desc())
    .limit(bindparam("at_most"))
)
_DELIVERIES = (
    select(
        _PUSHES.c.attempts,
        _PUSHES.c.due_at,
        _PUSHES.c.failing_since,
        _PUSHES.c.given_up_at,
        _PUSHES.c.problem,
        _EVENTS,
    )
    .join(_EVENTS, _EVENTS.c.sequence == _PUSHES.c.sequence)
    .where(_PUSHES.c.endpoint == bindparam("endpoint"))
    .order_by(_PUSHES.c.sequence)
    .limit(bindparam("at_most"))
)
HIGHEST = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """An event that an endpoint does not have. `given_up_at` is None while it is still tried."""

    event: NumberedNotice
    attempts: int
    due_at: datetime
    failing_since: datetime | None
    given_up_at: datetime | None
    problem: str | None


class SqlEventBook:
    """Every question raises Unavailable where the database does not do its part."""

    def __init__(self, engine: Engine) -> None:
        self._engine = looking(engine)

    def newest(self, *, before: int | None, at_most: int) -> Sequence[NumberedNotice]:
        """Events with lower numbers than `before`, the highest first."""
        asked = {"before": HIGHEST if before is None else before, "at_most": at_most}
        with self._engine.connect() as connection:
            return [numbered(row) for row in connection.execute(_NEWEST, asked)]

    def deliveries(self, endpoint: str, *, at_most: int) -> Sequence[Delivery]:
        """What waits for that endpoint and what was given up, the oldest first; what it has taken is not among them."""
        with self._engine.connect() as connection:
            return [
                Delivery(
                    event=numbered(row),
                    attempts=row.attempts,
                    due_at=row.due_at,
                    failing_since=row.failing_since,
                    given_up_at=row.given_up_at,
                    problem=row.problem,
                )
                for row in connection.execute(_DELIVERIES, {"endpoint": endpoint, "at_most": at_most})
            ]
