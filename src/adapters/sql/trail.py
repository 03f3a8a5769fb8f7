"""The audit trail: `telegram_payment_events`, which triggers keep from ever being changed."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from adapters.sql import schema
from adapters.sql.bulk import insert_new
from application.ports import Trail, TrailEntry


class SqlTrail(Trail):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, entries: Sequence[TrailEntry]) -> None:
        if entries:
            insert_new(self._connection, schema.trail, [_row(entry) for entry in entries])


def _row(entry: TrailEntry) -> dict[str, Any]:
    return {
        "kind": entry.kind,
        "bot": entry.bot,
        "at": entry.at,
        "user_id": entry.user_id,
        "invoice_id": entry.invoice_id,
        "telegram_payment_charge_id": entry.charge_id,
        "decision": entry.decision,
        "reason": entry.reason,
        "message": entry.message,
    }
