"""Entitlements: who may do what, and how long; rows are added and ended, never deleted."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Integer, bindparam, or_, select, update

from adapters.sql import schema
from adapters.sql.bulk import any_of, fill_rows, insert_rows
from application.ports.entitlements import Entitlements
from domain.duration import Duration
from domain.entitlement import Entitlement
from domain.ids import EntitlementId, PaymentId, UserId

_TABLE = schema.entitlements
_HELD = (
    select(_TABLE)
    .where(
        any_of(_TABLE.c.user_id, "users"),
        _TABLE.c.revoked_at.is_(None),
        or_(_TABLE.c.expires_at.is_(None), _TABLE.c.expires_at > bindparam("now")),
    )
    .order_by(_TABLE.c.starts_at, _TABLE.c.id)
)
_OF_USER = (
    select(_TABLE)
    .where(_TABLE.c.user_id == bindparam("user"))
    .order_by(_TABLE.c.starts_at.desc(), _TABLE.c.granted_at.desc(), _TABLE.c.id.desc())
)
_GET = select(_TABLE).where(_TABLE.c.id == bindparam("of"))
_OVER = (
    select(_TABLE)
    .where(schema.end_is_ahead, _TABLE.c.expires_at <= bindparam("now"))
    .order_by(_TABLE.c.expires_at, _TABLE.c.id)
    .limit(bindparam("at_most"))
)
_OVER_OF = _OVER.where(any_of(_TABLE.c.user_id, "users"))
_NOTE_OVER = (
    update(_TABLE)
    .where(any_of(_TABLE.c.id, "ids"), schema.end_is_ahead)
    .values(over_noted_at=bindparam("at"))
    .returning(_TABLE.c.id)
)
_REVOKED = (
    select(_TABLE.c.id)
    .where(_TABLE.c.revoked_at >= bindparam("since"))
    .order_by(_TABLE.c.revoked_at, _TABLE.c.id)
    .limit(bindparam("at_most", type_=Integer))
)
_LIVING = select(_TABLE).where(_TABLE.c.payment_id == bindparam("payment"), _TABLE.c.revoked_at.is_(None))

_OPENED = select(_TABLE).where(any_of(_TABLE.c.payment_id, "payments"), _TABLE.c.revoked_at.is_(None))


class SqlEntitlements(Entitlements):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def held_by(self, users: Sequence[UserId], now: datetime) -> Mapping[UserId, Sequence[Entitlement]]:
        if not users:
            return {}
        held: dict[UserId, list[Entitlement]] = {}
        for row in self._connection.execute(_HELD, {"users": users, "now": now}):
            held.setdefault(row.user_id, []).append(_entitlement(row))
        return held

    def of_user(self, user_id: UserId) -> Sequence[Entitlement]:
        return [_entitlement(row) for row in self._connection.execute(_OF_USER, {"user": user_id})]

    def living_of(self, payment_id: PaymentId) -> Entitlement | None:
        row = self._connection.execute(_LIVING, {"payment": payment_id}).one_or_none()
        return None if row is None else _entitlement(row)

    def opened_by(self, payments: Sequence[PaymentId]) -> Mapping[PaymentId, Entitlement]:
        if not payments:
            return {}
        return {row.payment_id: _entitlement(row) for row in self._connection.execute(_OPENED, {"payments": payments})}

    def get(self, id: EntitlementId) -> Entitlement | None:
        row = self._connection.execute(_GET, {"of": id}).one_or_none()
        return None if row is None else _entitlement(row)

    def add(self, entitlements: Sequence[Entitlement]) -> None:
        if entitlements:
            insert_rows(self._connection, _TABLE, [_row(entitlement) for entitlement in entitlements])

    def end(self, entitlements: Sequence[Entitlement]) -> None:
        if entitlements:
            rows = [{"id": entitlement.id, "revoked_at": entitlement.revoked_at} for entitlement in entitlements]
            fill_rows(self._connection, _TABLE, rows)

    def over(self, now: datetime, *, at_most: int, users: Sequence[UserId] | None = None) -> Sequence[Entitlement]:
        given = {"now": now, "at_most": at_most}
        rows = self._connection.execute(*((_OVER, given) if users is None else (_OVER_OF, {**given, "users": users})))
        return [_entitlement(row) for row in rows]

    def note_over(self, ids: Sequence[EntitlementId], at: datetime) -> set[EntitlementId]:
        return set(self._connection.scalars(_NOTE_OVER, {"ids": ids, "at": at}))

    def revoked_since(self, since: datetime, *, at_most: int) -> Sequence[EntitlementId]:
        return list(self._connection.scalars(_REVOKED, {"since": since, "at_most": at_most}))


def _row(entitlement: Entitlement) -> dict[str, Any]:
    return {
        "id": entitlement.id,
        "user_id": entitlement.user_id,
        "plan_code": entitlement.plan_code,
        "features": entitlement.features,
        "limits": entitlement.limits,
        "duration": str(entitlement.duration),
        "granted_at": entitlement.granted_at,
        "starts_at": entitlement.starts_at,
        "expires_at": entitlement.expires_at,
        "payment_id": entitlement.payment_id,
        "revoked_at": entitlement.revoked_at,
        "origin": entitlement.origin,
        "moved_at": entitlement.moved_at,
        "granted_by": entitlement.granted_by,
        "reason": entitlement.reason,
    }


def _entitlement(row: Any) -> Entitlement:
    return Entitlement(
        id=row.id,
        user_id=row.user_id,
        plan_code=row.plan_code,
        features=tuple(row.features),
        limits=row.limits,
        duration=Duration.read(row.duration),
        granted_at=row.granted_at,
        starts_at=row.starts_at,
        expires_at=row.expires_at,
        payment_id=row.payment_id,
        revoked_at=row.revoked_at,
        origin=row.origin,
        moved_at=row.moved_at,
        granted_by=row.granted_by,
        reason=row.reason,
    )
