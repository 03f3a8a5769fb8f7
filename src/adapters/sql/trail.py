"""The audit trail: `telegram_payment_events`, which triggers keep from ever being changed."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from adapters.sql import schema
from adapters.sql.bulk import insert_new
from adapters.sql.pages import read_cursor, write_cursor
from application.ports.pages import Page, PageOf
from application.ports.trail import KeptEntry, Trail, TrailEntry, TrailFilter
from domain.errors import InvalidRequest
from domain.invoice import Objection

_TABLE = schema.trail


class SqlTrail(Trail):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, entries: Sequence[TrailEntry]) -> None:
        if entries:
            insert_new(self._connection, _TABLE, [_row(entry) for entry in entries])

    def found(self, wanted: TrailFilter, page: Page) -> PageOf[KeptEntry]:
        statement = select(_TABLE).order_by(_TABLE.c.id.desc()).limit(page.limit + 1)
        for column, value in (
            (_TABLE.c.user_id, wanted.user_id),
            (_TABLE.c.invoice_id, wanted.invoice_id),
            (_TABLE.c.telegram_payment_charge_id, wanted.charge_id),
        ):
            if value is not None:
                statement = statement.where(column == value)
        if page.cursor is not None:
            statement = statement.where(_TABLE.c.id < _place(page.cursor))
        found = [entry_of(row) for row in self._connection.execute(statement)]
        shown = tuple(found[: page.limit])
        more = len(found) > page.limit
        return PageOf(items=shown, next_cursor=write_cursor(shown[-1].entry.at, str(shown[-1].id)) if more else None)


def _place(cursor: str) -> int:
    _, id = read_cursor(cursor)
    if not (id.isascii() and id.isdigit() and len(id) < 19):
        raise InvalidRequest("The cursor is none of ours.")
    return int(id)


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
        "actor": entry.actor,
        "note": entry.note,
        "entitlement_id": entry.entitlement_id,
    }


def entry_of(row: Any) -> KeptEntry:
    entry = TrailEntry(
        kind=row.kind,
        bot=row.bot,
        at=row.at,
        user_id=row.user_id,
        invoice_id=row.invoice_id,
        charge_id=row.telegram_payment_charge_id,
        decision=row.decision,
        reason=None if row.reason is None else Objection(row.reason),
        message=row.message,
        actor=row.actor,
        note=row.note,
        entitlement_id=row.entitlement_id,
    )
    return KeptEntry(id=row.id, entry=entry)
