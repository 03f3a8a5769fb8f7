"""Stripe's events, each kept once, as it came and with what became of it."""

from datetime import datetime

from sqlalchemy import Connection, bindparam, exists, select

from adapters.sql import schema
from adapters.sql.bulk import insert_new
from application.ports.checkout import StripeEvent, StripeEvents

_TABLE = schema.stripe_events
_KNOWN = select(exists().where(_TABLE.c.id == bindparam("of")))


class SqlStripeEvents(StripeEvents):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def known(self, event_id: str) -> bool:
        return bool(self._connection.execute(_KNOWN, {"of": event_id}).scalar_one())

    def add(self, event: StripeEvent, outcome: str, now: datetime) -> None:
        row = {
            "id": event.id,
            "type": event.type,
            "live": event.live,
            "object_id": event.object_id,
            "body": event.body,
            "outcome": outcome,
            "received_at": now,
        }
        insert_new(self._connection, _TABLE, [row])
