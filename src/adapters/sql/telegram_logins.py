"""Logins of bots over Telegram's own protocol, their leases, how far each bot has come, and whom it has met."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, select, update

from adapters.sql import schema
from adapters.sql.bulk import any_of, insert_new, insert_rows
from adapters.sql.locks import hold
from adapters.sql.work import SqlUnitOfWork
from application.ports.telegram_logins import TelegramLogin, TelegramLogins, TelegramPeer, UpdatesPosition

_LOGINS, _POSITIONS, _PEERS = schema.telegram_logins, schema.telegram_positions, schema.telegram_peers
_OF_BOT = select(_LOGINS).where(_LOGINS.c.bot_id == bindparam("bot"))
_THERE = (_LOGINS.c.bot_id == bindparam("bot"), _LOGINS.c.place == bindparam("at"))
_HOLD = update(_LOGINS).where(*_THERE).values(held_by=bindparam("who"), held_until=bindparam("until"))
_RELEASE = update(_LOGINS).where(*_THERE, _LOGINS.c.held_by == bindparam("who")).values(held_by=None, held_until=None)
_KEEP = (
    update(_LOGINS).where(*_THERE).values(dc_id=bindparam("dc"), server=bindparam("address"), key=bindparam("secret"))
)
_POSITION = select(_POSITIONS).where(_POSITIONS.c.bot_id == bindparam("bot"))
_FORGET_POSITION = delete(_POSITIONS).where(_POSITIONS.c.bot_id == bindparam("bot"))
_PEER = select(_PEERS).where(_PEERS.c.bot_id == bindparam("bot"), _PEERS.c.peer_id == bindparam("peer"))
_FORGET_PEERS = delete(_PEERS).where(_PEERS.c.bot_id == bindparam("bot"), any_of(_PEERS.c.peer_id, "peers"))


class SqlTelegramLogins(TelegramLogins):
    def __init__(self, work: SqlUnitOfWork) -> None:
        self._work = work

    def hold(
        self, bot_id: int, holder: str, now: datetime, *, places: Sequence[int], lease: timedelta
    ) -> TelegramLogin | None:
        with self._work.connect() as connection:
            hold(connection, [f"telegram logins:{bot_id}"])
            rows = {row.place: row for row in connection.execute(_OF_BOT, {"bot": bot_id})}
            for place in places:
                row = rows.get(place)
                # A lease that ends too late was noted by a clock that was set back since, and holds nobody up.
                theirs = row is not None and row.held_by not in (None, holder)
                if theirs and row is not None and now < row.held_until <= now + 2 * lease:
                    continue
                if row is None:
                    new = {"bot_id": bot_id, "place": place, "dc_id": 0, "server": "", "key": b""}
                    insert_rows(connection, _LOGINS, [new])
                connection.execute(_HOLD, {"bot": bot_id, "at": place, "who": holder, "until": now + lease})
                if row is None:
                    return TelegramLogin(bot_id=bot_id, place=place)
                return TelegramLogin(bot_id=bot_id, place=place, dc_id=row.dc_id, server=row.server, key=bytes(row.key))
        return None

    def release(self, login: TelegramLogin, holder: str) -> None:
        with self._work.connect() as connection:
            connection.execute(_RELEASE, {"bot": login.bot_id, "at": login.place, "who": holder})

    def keep(self, login: TelegramLogin) -> None:
        with self._work.connect() as connection:
            what = {"dc": login.dc_id, "address": login.server, "secret": login.key}
            connection.execute(_KEEP, {"bot": login.bot_id, "at": login.place, **what})

    def position(self, bot_id: int) -> UpdatesPosition | None:
        with self._work.connect(reading=True) as connection:
            row = connection.execute(_POSITION, {"bot": bot_id}).one_or_none()
        return None if row is None else UpdatesPosition(pts=row.pts, qts=row.qts, at=row.at)

    def move(self, bot_id: int, position: UpdatesPosition) -> None:
        with self._work.connect() as connection:
            hold(connection, [f"telegram position:{bot_id}"])
            connection.execute(_FORGET_POSITION, {"bot": bot_id})
            row = {"bot_id": bot_id, "pts": position.pts, "qts": position.qts, "at": position.at}
            insert_rows(connection, _POSITIONS, [row])

    def peer(self, bot_id: int, peer_id: int) -> TelegramPeer | None:
        with self._work.connect(reading=True) as connection:
            row = connection.execute(_PEER, {"bot": bot_id, "peer": peer_id}).one_or_none()
        return None if row is None else TelegramPeer(id=peer_id, access_hash=row.access_hash, language=row.language)

    def meet(self, bot_id: int, peers: Sequence[TelegramPeer]) -> None:
        rows = [
            {"bot_id": bot_id, "peer_id": one.id, "access_hash": one.access_hash, "language": one.language}
            for one in {one.id: one for one in peers}.values()
        ]
        with self._work.connect() as connection:
            hold(connection, [f"telegram peers:{bot_id}"])
            connection.execute(_FORGET_PEERS, {"bot": bot_id, "peers": [row["peer_id"] for row in rows]})
            insert_new(connection, _PEERS, rows)

    def holder(self, bot_id: int, now: datetime) -> str | None:
        with self._work.connect(reading=True) as connection:
            return _holder(connection, bot_id, now)


def _holder(connection: Connection, bot_id: int, now: datetime) -> str | None:
    for row in connection.execute(_OF_BOT, {"bot": bot_id}):
        if row.place == 0 and row.held_by is not None and row.held_until > now:
            return str(row.held_by)
    return None
