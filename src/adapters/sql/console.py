"""What the console keeps for itself: sessions, tries to sign in, and forms that were sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, bindparam, delete, func, select, update

from adapters.sql import schema
from adapters.sql.bulk import insert_rows, insert_telling
from adapters.sql.engine import looking

_SESSIONS, _ATTEMPTS, _ACTS = schema.console_sessions, schema.console_attempts, schema.console_acts
_SESSION = select(_SESSIONS).where(_SESSIONS.c.id == bindparam("of"))
_SEEN = update(_SESSIONS).where(_SESSIONS.c.id == bindparam("of")).values(seen_at=bindparam("now"))
_END = update(_SESSIONS).where(_SESSIONS.c.id == bindparam("of")).values(ended_at=bindparam("now"))
_TRIED = (
    select(func.count())
    .select_from(_ATTEMPTS)
    .where(_ATTEMPTS.c.whose == bindparam("of"), _ATTEMPTS.c.at > bindparam("since"))
)
_FORGIVE = delete(_ATTEMPTS).where(_ATTEMPTS.c.whose == bindparam("of"))
_ACT = select(_ACTS).where(_ACTS.c.id == bindparam("of"), _ACTS.c.operator == bindparam("by"))
_OUTCOME = (
    update(_ACTS)
    .where(_ACTS.c.id == bindparam("of"))
    .values(outcome=bindparam("what"), leads_to=bindparam("to"), said=bindparam("words"))
)
KEPT_FOR = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptSession:
    """Somebody who is signed in. `credential` tells the password apart from any other that they may get."""

    id: str
    operator: str
    credential: str
    created_at: datetime
    seen_at: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAct:
    """A form that was sent. `outcome` is None while it is being carried out; then `leads_to` a page, with words."""

    outcome: str | None
    leads_to: str
    said: str


class SqlConsole:
    """Every method raises Unavailable where the database does not do its part."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._looking = looking(engine)

    def open_session(self, session: KeptSession) -> None:
        """Keep it; what is older than anybody needs goes with it."""
        with self._engine.begin() as connection:
            for at in (_SESSIONS.c.created_at, _ATTEMPTS.c.at, _ACTS.c.begun_at):
                connection.execute(delete(at.table).where(at < session.created_at - KEPT_FOR))
            row = {name: getattr(session, name) for name in ("id", "operator", "credential", "created_at", "seen_at")}
            insert_rows(connection, _SESSIONS, [row])

    def session(self, id: str) -> KeptSession | None:
        """The session, also one that was ended."""
        with self._looking.connect() as connection:
            row = connection.execute(_SESSION, {"of": id}).one_or_none()
        return None if row is None else KeptSession(**row._mapping)

    def seen(self, id: str, now: datetime) -> None:
        self._write(_SEEN, {"of": id, "now": now})

    def end_session(self, id: str, now: datetime) -> None:
        """Nobody comes in by it any more."""
        self._write(_END, {"of": id, "now": now})

    def tried(self, whose: Sequence[str], now: datetime, *, within: timedelta) -> Sequence[int]:
        """Note a try, and tell how many there were of each lately, this one too.

        It is kept before they are counted: of those who come at once, none is overlooked by all others.
        """
        with self._engine.begin() as connection:
            insert_rows(connection, _ATTEMPTS, [{"whose": one, "at": now} for one in whose])
        with self._looking.connect() as connection:
            since = now - within
            return [connection.execute(_TRIED, {"of": one, "since": since}).scalar_one() for one in whose]

    def forgive(self, whose: Sequence[str]) -> None:
        """Forget what they tried."""
        with self._engine.begin() as connection:
            for one in whose:
                connection.execute(_FORGIVE, {"of": one})

    def begin_act(self, id: str, *, operator: str, path: str, now: datetime) -> bool:
        """Whether this form was never sent before; of those who send it at once, one is told so."""
        row = {"id": id, "operator": operator, "path": path, "begun_at": now}
        with self._engine.begin() as connection:
            return bool(insert_telling(connection, _ACTS, [row], _ACTS.c.id))

    def end_act(self, id: str, act: KeptAct) -> None:
        """Keep what became of it."""
        self._write(_OUTCOME, {"of": id, "what": act.outcome, "to": act.leads_to, "words": act.said})

    def act(self, id: str, *, operator: str) -> KeptAct | None:
        """What became of a form that this operator sent."""
        with self._looking.connect() as connection:
            row = connection.execute(_ACT, {"of": id, "by": operator}).one_or_none()
        return None if row is None else KeptAct(outcome=row.outcome, leads_to=row.leads_to or "", said=row.said or "")

    def _write(self, statement: Any, values: Mapping[str, Any]) -> None:
        with self._engine.begin() as connection:
            connection.execute(statement, values)
