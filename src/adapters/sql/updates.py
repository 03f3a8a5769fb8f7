"""Telegram's updates: the numbers of those that were taken."""

from datetime import datetime

from sqlalchemy import Connection, bindparam, delete

from adapters.sql import schema
from adapters.sql.bulk import insert_telling
from application.ports.inbox import Updates
from domain.ids import BotName

_SEEN = schema.seen_updates
_FORGET = delete(_SEEN).where(_SEEN.c.seen_at < bindparam("before"))


class SqlUpdates(Updates):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def first_seen(self, bot: BotName, update_id: int, now: datetime) -> bool:
        row = {"bot": bot, "update_id": update_id, "seen_at": now}
        return bool(insert_telling(self._connection, _SEEN, [row], _SEEN.c.update_id))

    def forget(self, before: datetime) -> int:
        return self._connection.execute(_FORGET, {"before": before}).rowcount
