"""What is on its way to endpoints: in order per user, taken up by one process at a time."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, case, delete, func, or_, select, update

from adapters.sql import schema
from adapters.sql.bulk import insert_new, insert_rows
from adapters.sql.column_types import UtcTime
from adapters.sql.feed import numbered
from adapters.sql.locks import hold
from application.ports.feed import NumberedNotice
from application.ports.outcomes import LONGEST_PUT_OFF
from application.ports.pushes import EndpointState, Push, Pushes

_ENDPOINTS = schema.event_endpoints
_TABLE = schema.event_pushes
_STATE = select(_ENDPOINTS).where(_ENDPOINTS.c.id == bindparam("endpoint"))
_COLUMNS = [column.name for column in _ENDPOINTS.columns if not column.primary_key]
_MOVE = (
    update(_ENDPOINTS)
    .where(_ENDPOINTS.c.id == bindparam("endpoint"))
    .values({name: bindparam(f"new_{name}") for name in _COLUMNS})
)
_HERE = _TABLE.c.endpoint == bindparam("at_endpoint")
_COUNT = select(func.count()).select_from(_TABLE)
_WAITING = _COUNT.where(_HERE, schema.push_waits)
_GIVEN_UP = _COUNT.where(_HERE, _TABLE.c.given_up_at.is_not(None))
_NOW = bindparam("now", type_=UtcTime())
_HELD: ColumnElement[bool] = and_(
    _TABLE.c.claimed_until > _NOW, _TABLE.c.claimed_until <= bindparam("lease_too_far", type_=UtcTime())
)
_FREE = or_(
    _TABLE.c.claimed_until.is_(None),
    _TABLE.c.claimed_until <= _NOW,
    _TABLE.c.claimed_until > bindparam("lease_too_far", type_=UtcTime()),
)
# Times that lie too far ahead were noted by a clock that was set back since.
_DUE = or_(_TABLE.c.due_at <= _NOW, _TABLE.c.due_at > bindparam("too_far", type_=UtcTime()))
_BUSY = _COUNT.where(_HERE, schema.push_waits, _HELD)
# By groups, which the index alone answers: thousands may wait behind one.
_USERS = (
    select(func.min(_TABLE.c.sequence).label("oldest"), func.count().label("waiting"))
    .where(_HERE, schema.push_waits)
    .group_by(_TABLE.c.user_id)
    .subquery("of_users")
)
_OLDEST = and_(_HERE, schema.push_waits, _TABLE.c.sequence == _USERS.c.oldest)
_NOT_HELD_UP = (
    select(func.coalesce(func.sum(case((_TABLE.c.failing_since.is_(None), _USERS.c.waiting), else_=1)), 0))
    .select_from(_USERS)
    .join(_TABLE, _OLDEST)
)
_HEAD = (
    select(_TABLE.c.attempts, _TABLE.c.failing_since, schema.events)
    .select_from(_USERS)
    .join(_TABLE, _OLDEST)
    .join(schema.events, schema.events.c.sequence == _TABLE.c.sequence)
    .where(_FREE, _DUE)
    .order_by(_TABLE.c.due_at, _TABLE.c.sequence)
    .limit(1)
)
_ANY_DUE = select(_TABLE.c.sequence).select_from(_USERS).join(_TABLE, _OLDEST).where(_FREE, _DUE).limit(1)
_ONE = and_(_HERE, _TABLE.c.sequence == bindparam("of"), schema.push_waits)
_CLAIM = update(_TABLE).where(_ONE).values(claimed_until=bindparam("until"), attempts=_TABLE.c.attempts + 1)
# Another may have taken it up since, where a process was stalled past its lease.
_OWN = and_(_ONE, _TABLE.c.claimed_until == bindparam("held_until", type_=UtcTime()))
_DONE = delete(_TABLE).where(_OWN)
# It counts none where all were woken while it was held.
_UNCOUNTED = case((_TABLE.c.attempts > 0, _TABLE.c.attempts - 1), else_=0)
_RELEASE = update(_TABLE).where(_OWN).values(claimed_until=None, due_at=_NOW, attempts=_UNCOUNTED)
_RETRY = (
    update(_TABLE)
    .where(_OWN)
    .values(claimed_until=None, due_at=bindparam("due"), failing_since=bindparam("since"), problem=bindparam("why"))
)
_GIVE_UP = update(_TABLE).where(_OWN).values(claimed_until=None, given_up_at=_NOW, problem=bindparam("why"))
_GIVEN_UP_BEFORE = delete(_TABLE).where(_HERE, _TABLE.c.sequence == bindparam("of"), _TABLE.c.given_up_at.is_not(None))
_WAKE = update(_TABLE).where(_HERE, schema.push_waits).values(due_at=_NOW, attempts=0, failing_since=None, problem=None)
_FORGET = delete(_TABLE).where(_HERE, schema.push_waits)


class SqlPushes(Pushes):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def take(self, endpoint: str, now: datetime, *, position: int) -> EndpointState:
        hold(self._connection, [f"{_ENDPOINTS.name}:{endpoint}"])
        if known := self.of(endpoint):
            return known
        new = EndpointState(id=endpoint, position=position, due_at=now)
        insert_rows(self._connection, _ENDPOINTS, [_row(new)])
        return new

    def move(self, state: EndpointState) -> None:
        new = {f"new_{name}": value for name, value in _row(state).items() if name != "id"}
        self._connection.execute(_MOVE, {"endpoint": state.id, **new})

    def of(self, endpoint: str) -> EndpointState | None:
        row = self._connection.execute(_STATE, {"endpoint": endpoint}).one_or_none()
        return None if row is None else _state(row)

    def add(self, endpoint: str, events: Sequence[NumberedNotice], now: datetime) -> None:
        if not events:
            return
        for event in events:
            self._connection.execute(_GIVEN_UP_BEFORE, {"at_endpoint": endpoint, "of": event.sequence})
        rows = [
            {
                "endpoint": endpoint,
                "sequence": event.sequence,
                "user_id": event.notice.user_id,
                "attempts": 0,
                "due_at": now,
            }
            for event in events
        ]
        insert_new(self._connection, _TABLE, rows)

    def waiting(self, endpoint: str) -> int:
        return self._connection.execute(_WAITING, {"at_endpoint": endpoint}).scalar_one()

    def not_held_up(self, endpoint: str) -> int:
        return int(self._connection.execute(_NOT_HELD_UP, {"at_endpoint": endpoint}).scalar_one())

    def given_up(self, endpoint: str) -> int:
        return self._connection.execute(_GIVEN_UP, {"at_endpoint": endpoint}).scalar_one()

    def due(self, endpoint: str, now: datetime) -> bool:
        times = _times(now, LONGEST_PUT_OFF)
        return self._connection.execute(_ANY_DUE, {"at_endpoint": endpoint, **times}).first() is not None

    def claim(self, endpoint: str, now: datetime, *, at_once: int, lease: timedelta) -> Push | None:
        times = _times(now, lease)
        held = {name: times[name] for name in ("now", "lease_too_far")}
        if self._connection.execute(_BUSY, {"at_endpoint": endpoint, **held}).scalar_one() >= at_once:
            return None
        row = self._connection.execute(_HEAD, {"at_endpoint": endpoint, **times}).one_or_none()
        if row is None:
            return None
        until = now + lease
        self._connection.execute(_CLAIM, {"at_endpoint": endpoint, "of": row.sequence, "until": until})
        return Push(
            endpoint=endpoint,
            event=numbered(row),
            attempts=row.attempts + 1,
            failing_since=row.failing_since,
            claimed_until=until,
        )

    def done(self, push: Push) -> None:
        self._connection.execute(_DONE, _named(push))

    def release(self, push: Push, now: datetime) -> None:
        self._connection.execute(_RELEASE, {"now": now, **_named(push)})

    def retry(self, push: Push, due_at: datetime, *, failing_since: datetime, problem: str) -> None:
        self._connection.execute(_RETRY, {"due": due_at, "since": failing_since, "why": problem, **_named(push)})

    def give_up(self, push: Push, now: datetime, problem: str) -> None:
        self._connection.execute(_GIVE_UP, {"now": now, "why": problem, **_named(push)})

    def wake(self, endpoint: str, now: datetime) -> None:
        self._connection.execute(_WAKE, {"at_endpoint": endpoint, "now": now})

    def forget(self, endpoint: str) -> int:
        return self._connection.execute(_FORGET, {"at_endpoint": endpoint}).rowcount


def _times(now: datetime, lease: timedelta) -> dict[str, datetime]:
    return {"now": now, "too_far": now + LONGEST_PUT_OFF, "lease_too_far": now + 2 * lease}


def _named(push: Push) -> dict[str, Any]:
    return {"at_endpoint": push.endpoint, "of": push.event.sequence, "held_until": push.claimed_until}


def _row(state: EndpointState) -> dict[str, Any]:
    return {
        "id": state.id,
        "position": state.position,
        "due_at": state.due_at,
        "failures": state.failures,
        "failing_since": state.failing_since,
        "pushed_at": state.pushed_at,
        "disabled_at": state.disabled_at,
        "problem": state.problem,
    }


def _state(row: Any) -> EndpointState:
    return EndpointState(
        id=row.id,
        position=row.position,
        due_at=row.due_at,
        failures=row.failures,
        failing_since=row.failing_since,
        pushed_at=row.pushed_at,
        disabled_at=row.disabled_at,
        problem=row.problem,
    )
