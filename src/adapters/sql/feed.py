"""The feed: what other services are told of, numbered once it is committed.

Ids are given out while transactions are under way, and become visible in another order; nobody may read on from one.
They do tell in which order things depend on each other: what was written after something else was committed has the
higher id. So numbers are given in the order of ids, to whatever is committed, by one at a time, who has committed them
before the next one looks.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, bindparam, func, select, update

from adapters.sql import schema
from adapters.sql.bulk import insert_rows
from adapters.sql.column_types import Whole
from adapters.sql.locks import hold
from application.ports.feed import Feed, NumberedNotice
from domain.ids import UserId
from domain.notices import Notice, NoticeType, Plain

_COMPACT: Final = json.JSONEncoder(separators=(",", ":"))
_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_TABLE = schema.events
_UNNUMBERED = select(_TABLE.c.id).where(schema.event_is_unnumbered).limit(1)
_NEWEST = select(func.max(_TABLE.c.sequence))
_OLDEST_FIRST = (
    select(_TABLE.c.id, func.row_number().over(order_by=_TABLE.c.id).label("place"))
    .where(schema.event_is_unnumbered)
    .order_by(_TABLE.c.id)
    .limit(bindparam("at_most"))
    .subquery("oldest_first")
)
_NUMBER = (
    update(_TABLE)
    .where(_TABLE.c.id == _OLDEST_FIRST.c.id)
    .values(sequence=bindparam("last", type_=Whole) + _OLDEST_FIRST.c.place)
)
_AFTER = (
    select(_TABLE)
    .where(_TABLE.c.sequence > bindparam("number"))
    .order_by(_TABLE.c.sequence)
    .limit(bindparam("at_most"))
)


class SqlFeed(Feed):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, notices: Sequence[Notice]) -> None:
        if notices:
            insert_rows(self._connection, _TABLE, [_row(notice) for notice in notices])

    def unnumbered(self) -> bool:
        return self._connection.execute(_UNNUMBERED).first() is not None

    def number(self, now: datetime, *, at_most: int) -> int:
        hold(self._connection, [_TABLE.name])
        # Looked up after the lock is held: whoever had it before has committed.
        last = max(self.newest(), (now - _BEGINNING) // _MICROSECOND)
        return self._connection.execute(_NUMBER, {"last": last, "at_most": at_most}).rowcount

    def after(self, sequence: int, *, limit: int) -> Sequence[NumberedNotice]:
        return [numbered(row) for row in self._connection.execute(_AFTER, {"number": sequence, "at_most": limit})]

    def newest(self) -> int:
        return self._connection.execute(_NEWEST).scalar_one() or 0


def numbered(row: Any) -> NumberedNotice:
    """An event by its row, which has a number."""
    data: Mapping[str, Plain] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(row.data).items()
    }
    notice = Notice(type=NoticeType(row.type), user_id=UserId(row.user_id), at=row.at, data=data)
    return NumberedNotice(sequence=row.sequence, notice=notice)


def _row(notice: Notice) -> dict[str, Any]:
    return {
        "type": notice.type.value,
        "user_id": notice.user_id,
        "at": notice.at,
        "data": _json(notice.data),
    }


def _json(data: Mapping[str, Plain]) -> str:
    """Ids of providers are kept whatever is in them: what is no ASCII is escaped, which msgspec does not."""
    try:
        text = msgspec.json.encode(data).decode()
    except UnicodeEncodeError:  # half a surrogate pair
        return _COMPACT.encode(data)
    return text if text.isascii() else _COMPACT.encode(data)
