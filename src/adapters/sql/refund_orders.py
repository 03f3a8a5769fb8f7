"""What we ask providers to give back: one order a charge."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, func, select, update

from adapters.sql import schema
from adapters.sql.bulk import insert_telling
from adapters.sql.claims import Claims
from application.ports.payments import ChargeKey
from application.ports.refunds import RefundOrder, RefundOrders
from domain.payment import Provider

_TABLE = schema.refund_orders
_CLAIMS = Claims(_TABLE, waits=schema.order_waits, oldest=[_TABLE.c.due_at, _TABLE.c.asked_at])
_CHARGE = and_(_TABLE.c.charge_id == bindparam("charge"), _TABLE.c.provider == bindparam("by"))
_OPEN = select(_TABLE).where(_CHARGE, schema.order_waits)
_FAILED_BEFORE = delete(_TABLE).where(_CHARGE, _TABLE.c.failed_at.is_not(None))
_AUTOMATIC = select(func.count()).where(_TABLE.c.automatic == 1, _TABLE.c.asked_at >= bindparam("since"))
_ONE = (_CHARGE, schema.order_waits)
_RETRY = update(_TABLE).where(*_ONE).values(due_at=bindparam("due"), claimed_until=None, problem=bindparam("why"))
_DONE = update(_TABLE).where(*_ONE).values(done_at=bindparam("now"), claimed_until=None)
_FAILED = update(_TABLE).where(*_ONE).values(failed_at=bindparam("now"), claimed_until=None, problem=bindparam("why"))


class SqlRefundOrders(RefundOrders):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, orders: Sequence[RefundOrder]) -> set[ChargeKey]:
        if not orders:
            return set()
        for order in orders:
            self._connection.execute(_FAILED_BEFORE, _named(order.key))
        rows = [_row(order) for order in orders]
        new = insert_telling(self._connection, _TABLE, rows, _TABLE.c.provider, _TABLE.c.charge_id)
        return {(Provider(provider), charge_id) for provider, charge_id in new}

    def open_of(self, charge: ChargeKey) -> RefundOrder | None:
        row = self._connection.execute(_OPEN, _named(charge)).one_or_none()
        return None if row is None else _order(row, row.attempts)

    def automatic_since(self, since: datetime) -> int:
        return self._connection.execute(_AUTOMATIC, {"since": since}).scalar_one()

    def claim(self, now: datetime, *, at_most: int, lease: timedelta) -> Sequence[RefundOrder]:
        return [_order(row, row.attempts + 1) for row in _CLAIMS.take(self._connection, now, at_most, lease)]

    def retry(self, order: RefundOrder, due_at: datetime, problem: str) -> None:
        self._connection.execute(_RETRY, {"due": due_at, "why": problem, **_named(order.key)})

    def done(self, charge: ChargeKey, now: datetime) -> None:
        self._connection.execute(_DONE, {"now": now, **_named(charge)})

    def failed(self, order: RefundOrder, now: datetime, problem: str) -> None:
        self._connection.execute(_FAILED, {"now": now, "why": problem, **_named(order.key)})


def _named(charge: ChargeKey) -> dict[str, str]:
    provider, charge_id = charge
    return {"by": provider, "charge": charge_id}


def _row(order: RefundOrder) -> dict[str, Any]:
    return {
        "provider": order.provider,
        "charge_id": order.charge_id,
        "payment_id": order.payment_id,
        "asked_at": order.asked_at,
        "asked_by": order.asked_by,
        "reason": order.reason,
        "automatic": int(order.automatic),
        "attempts": order.attempts,
        "due_at": order.asked_at,
    }


def _order(row: Any, attempts: int) -> RefundOrder:
    return RefundOrder(
        provider=Provider(row.provider),
        charge_id=row.charge_id,
        payment_id=row.payment_id,
        asked_at=row.asked_at,
        asked_by=row.asked_by,
        reason=row.reason,
        automatic=bool(row.automatic),
        attempts=attempts,
    )
