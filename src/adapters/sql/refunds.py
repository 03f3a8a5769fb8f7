"""Refunds: what providers gave back, also of charges that nobody has told us of yet."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from adapters.sql import schema
from adapters.sql.bulk import any_of, insert_telling
from application.ports.payments import ChargeKey
from application.ports.refunds import Refunds
from domain.money import Money
from domain.payment import Provider, Refund

_TABLE = schema.refunds
_OF = select(_TABLE).where(any_of(_TABLE.c.charge_id, "charge_ids"))


class SqlRefunds(Refunds):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add_new(self, refund: Refund) -> bool:
        return bool(insert_telling(self._connection, _TABLE, [_row(refund)], _TABLE.c.charge_id))

    def of(self, charges: Sequence[ChargeKey]) -> Mapping[ChargeKey, Refund]:
        if not charges:
            return {}
        wanted = set(charges)
        found = map(_refund, self._connection.execute(_OF, {"charge_ids": [charge_id for _, charge_id in charges]}))
        return {refund.key: refund for refund in found if refund.key in wanted}


def _row(refund: Refund) -> dict[str, Any]:
    return {
        "provider": refund.provider,
        "charge_id": refund.charge_id,
        "bot": refund.bot,
        "amount": refund.refunded.amount,
        "currency": refund.refunded.currency,
        "payload": refund.payload,
        "refunded_at": refund.refunded_at,
        "message": refund.message,
    }


def _refund(row: Any) -> Refund:
    return Refund(
        provider=Provider(row.provider),
        charge_id=row.charge_id,
        bot=row.bot,
        refunded=Money(amount=row.amount, currency=row.currency),
        payload=row.payload,
        refunded_at=row.refunded_at,
        message=row.message,
    )
