"""What operators read of events: the newest first, and what is on its way to an endpoint or was given up."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, bindparam, select

from adapters.sql import schema
from adapters.sql.engine import looking
from adapters.sql.feed import numbered
from application.ports.feed import NumberedNotice
from domain.ids import UserId

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
MOST_LOOKED_AT = 100_000
"""Events among which one user's are looked for: no index leads to them."""


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

    def of_user(
        self,
        user_id: UserId,
        *,
        after: int | None = None,
        before: int | None = None,
        at_most: int,
        among: int = MOST_LOOKED_AT,
    ) -> tuple[Sequence[NumberedNotice], int | None]:
        """Events of that user's with higher numbers than `after`, the lowest first; without it those with lower ones
        than `before`, the highest first. They are looked for `among` that many; the number of the last of these is told
        where there are others behind it."""
        if after is None:
            beyond, order = _EVENTS.c.sequence < (HIGHEST if before is None else before), _EVENTS.c.sequence.desc()
        else:
            beyond, order = _EVENTS.c.sequence > after, _EVENTS.c.sequence.asc()
        farthest = select(_EVENTS.c.sequence).where(beyond).order_by(order).offset(among - 1).limit(2)
        theirs = select(_EVENTS).where(beyond, _EVENTS.c.user_id == user_id).order_by(order).limit(at_most)
        with self._engine.connect() as connection:
            ends = connection.scalars(farthest).all()
            last = ends[0] if len(ends) > 1 else None
            if last is not None:
                theirs = theirs.where(_EVENTS.c.sequence >= last if after is None else _EVENTS.c.sequence <= last)
            return [numbered(row) for row in connection.execute(theirs)], last

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
