"""The inbox: reports of providers that wait to be dealt with, byte by byte as they came."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

from sqlalchemy import Connection, Integer, and_, bindparam, case, update

from adapters.sql import schema
from adapters.sql.bulk import any_of, insert_telling
from adapters.sql.causes import Cause, no_cause
from adapters.sql.claims import Claims
from application.ports.inbox import FoundBy, Inbox, KeptReport, Report, Source

_TABLE = schema.inbox
# By when they are due, not by when they came: what is put off again and again stands behind what is new. What only
# another version can read waits for that one.
_KNOWN = and_(schema.report_waits, _TABLE.c.source.in_([source.value for source in Source]))
_CLAIMS = Claims(_TABLE, waits=_KNOWN, oldest=[_TABLE.c.due_at, _TABLE.c.id])
_ONE = (_TABLE.c.id == bindparam("of"), schema.report_waits)
_DONE = update(_TABLE).where(*_ONE).values(done_at=bindparam("now"), outcome=bindparam("how"), claimed_until=None)
_FORGIVEN = bindparam("forgiven", type_=Integer())
_RETRY = (
    update(_TABLE)
    .where(*_ONE)
    .values(
        due_at=bindparam("due"),
        claimed_until=None,
        problem=bindparam("why"),
        attempts=case((_TABLE.c.attempts > _FORGIVEN, _TABLE.c.attempts - _FORGIVEN), else_=0),
    )
)
_GIVE_UP = (
    update(_TABLE).where(*_ONE).values(given_up_at=bindparam("now"), claimed_until=None, problem=bindparam("why"))
)
_ANEW: dict[str, Any] = {
    "attempts": 0,
    "claimed_until": None,
    "due_at": bindparam("now"),
    "received_at": bindparam("now"),
}
_REOPEN = update(_TABLE).where(_TABLE.c.given_up_at.is_not(None)).values(given_up_at=None, **_ANEW)
_AMONG = any_of(_TABLE.c.digest, "digests")
_REOPEN_THESE = _REOPEN.where(_AMONG)
_AGAIN = update(_TABLE).where(_AMONG, _TABLE.c.done_at.is_not(None)).values(done_at=None, outcome=None, **_ANEW)


class SqlInbox(Inbox):
    def __init__(self, connection: Connection, cause: Cause = no_cause) -> None:
        self._connection = connection
        self._cause = cause

    def keep(self, reports: Sequence[Report], *, found_by: FoundBy, now: datetime, problem: str = "") -> int:
        if not reports:
            return 0
        rows = [
            {
                "source": report.source,
                "bot": report.bot,
                "digest": digest(report),
                "body": report.body,
                "found_by": found_by,
                "received_at": now,
                "attempts": 0,
                "due_at": now,
                "problem": problem or None,
                "cause": self._cause(None) or None,
            }
            for report in reports
        ]
        again = 0
        if found_by is FoundBy.RECONCILIATION:
            digests = [row["digest"] for row in rows]
            again = self._connection.execute(_AGAIN, {"digests": digests, "now": now}).rowcount
        return again + len(insert_telling(self._connection, _TABLE, rows, _TABLE.c.id))

    def claim(self, now: datetime, *, at_most: int, lease: timedelta) -> Sequence[KeptReport]:
        return [
            KeptReport(
                id=row.id,
                report=Report(source=Source(row.source), bot=row.bot, body=row.body),
                found_by=FoundBy(row.found_by),
                received_at=row.received_at,
                attempts=row.attempts + 1,
                cause=row.cause or "",
            )
            for row in _CLAIMS.take(self._connection, now, at_most, lease)
        ]

    def done(self, kept: KeptReport, outcome: str, now: datetime) -> None:
        self._connection.execute(_DONE, {"of": kept.id, "now": now, "how": outcome})

    def retry(self, kept: KeptReport, due_at: datetime, problem: str, *, forgiven: int = 0) -> None:
        self._connection.execute(_RETRY, {"of": kept.id, "due": due_at, "why": problem, "forgiven": forgiven})

    def give_up(self, kept: KeptReport, now: datetime, problem: str) -> None:
        self._connection.execute(_GIVE_UP, {"of": kept.id, "now": now, "why": problem})

    def reopen(self, now: datetime, reports: Sequence[Report] | None = None) -> int:
        if reports is None:
            return self._connection.execute(_REOPEN, {"now": now}).rowcount
        these = {"now": now, "digests": [digest(report) for report in reports]}
        return self._connection.execute(_REOPEN_THESE, these).rowcount


def digest(report: Report) -> str:
    """The same report, the same digest."""
    return blake2b(b"\0".join([report.source.encode(), report.bot.encode(), report.body]), digest_size=32).hexdigest()
