"""How far each provider's ledger was read."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from adapters.sql import schema
from adapters.sql.bulk import insert_new
from adapters.sql.locks import hold
from application.ports.ledgers import LedgerMark, LedgerMarks

_TABLE = schema.ledger_marks
_OF = select(_TABLE).where(_TABLE.c.ledger == bindparam("of"))
_ALL = select(_TABLE).order_by(_TABLE.c.ledger)
_MOVED = (
    "read_to",
    "tail_read_at",
    "whole_read_to",
    "whole_begun_at",
    "whole_read_at",
    "drift",
    "other_facts",
    "unknown_to_provider",
)
_MOVE = update(_TABLE).where(_TABLE.c.ledger == bindparam("of")).values({name: bindparam(name) for name in _MOVED})


class SqlLedgerMarks(LedgerMarks):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def take(self, ledger: str, now: datetime) -> LedgerMark:
        hold(self._connection, [f"ledger:{ledger}"])
        insert_new(self._connection, _TABLE, [{"ledger": ledger, "first_started_at": now, "read_to": 0}])
        return _mark(self._connection.execute(_OF, {"of": ledger}).one())

    def all(self) -> Sequence[LedgerMark]:
        return [_mark(row) for row in self._connection.execute(_ALL)]

    def move(self, mark: LedgerMark) -> None:
        self._connection.execute(_MOVE, {"of": mark.ledger, **{name: getattr(mark, name) for name in _MOVED}})


def _mark(row: Any) -> LedgerMark:
    return LedgerMark(
        ledger=row.ledger, first_started_at=row.first_started_at, **{name: getattr(row, name) for name in _MOVED}
    )
