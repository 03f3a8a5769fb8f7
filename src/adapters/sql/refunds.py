"""Refunds: what providers gave back, also of charges that nobody has told us of yet."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from adapters.sql import schema
from adapters.sql.bulk import any_of, insert_telling
from application.ports import ChargeKey, Refunds
from domain.payment import Provider, Refund

_TABLE = schema.refunds
_OF = select(_TABLE.c.provider, _TABLE.c.charge_id, _TABLE.c.refunded_at).where(
    any_of(_TABLE.c.charge_id, "charge_ids")
)


class SqlRefunds(Refunds):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add_new(self, refund: Refund) -> bool:
        return bool(insert_telling(self._connection, _TABLE, [_row(refund)], _TABLE.c.charge_id))

    def of(self, charges: Sequence[ChargeKey]) -> Mapping[ChargeKey, datetime]:
        if not charges:
            return {}
        wanted = set(charges)
        rows = self._connection.execute(_OF, {"charge_ids": [charge_id for _, charge_id in charges]})
        found = {(Provider(row.provider), row.charge_id): row.refunded_at for row in rows}
        return {key: at for key, at in found.items() if key in wanted}


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
