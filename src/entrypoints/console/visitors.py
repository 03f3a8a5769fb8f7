"""Who is signed in: a secret in the browser's cookie, of which the database keeps a hash, and when it was last used."""

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Final

from adapters.sql.console import KeptSession, SqlConsole
from application.ports.surroundings import Clock
from entrypoints.console_users import ConsoleUser, Role

IDLE: Final = timedelta(hours=1)
ABSOLUTE: Final = timedelta(hours=12)
NOTED_EVERY: Final = timedelta(minutes=1)
"""How exactly it is kept when a session was last used: a page that is looked at is no reason to write each time."""
LONGEST_TOKEN: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Somebody who is signed in. `form_token` stands in every form that is made for them, and nobody else knows it."""

    name: str
    role: Role
    session: str = field(repr=False)
    form_token: str = field(repr=False)

    @property
    def may_act(self) -> bool:
        return self.role is Role.OPERATOR

    @property
    def actor(self) -> str:
        """As the audit trail names them."""
        return f"console:{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """A session ends when it was not used for an hour, after twelve hours, when its person signs out or is no longer
    among the console's users, and when their password is another."""

    kept: SqlConsole
    users: Mapping[str, ConsoleUser]
    clock: Clock

    def open(self, user: ConsoleUser) -> str:
        """What the browser shall show from now on."""
        token, now = secrets.token_urlsafe(32), self.clock.now()
        self.kept.open_session(
            KeptSession(id=_id(token), operator=user.name, credential=_credential(user), created_at=now, seen_at=now)
        )
        return token

    def visitor(self, token: str | None) -> Visitor | None:
        """Who shows that; None where it opens nothing, or nothing any more."""
        if not token or len(token) > LONGEST_TOKEN:
            return None
        session, now = self.kept.session(_id(token)), self.clock.now()
        if session is None or session.ended_at is not None:
            return None
        user = self.users.get(session.operator)
        if user is None or not hmac.compare_digest(session.credential, _credential(user)):
            return None
        if not (now - session.seen_at < IDLE and now - session.created_at < ABSOLUTE):
            return None
        if now - session.seen_at >= NOTED_EVERY:
            self.kept.seen(session.id, now)
        return Visitor(name=user.name, role=user.role, session=session.id, form_token=form_token(token))

    def end(self, visitor: Visitor) -> None:
        self.kept.end_session(visitor.session, self.clock.now())


def form_token(cookie: str) -> str:
    """What a form must bring along beside that cookie: other sites can make the browser send the one, not know it."""
    return sha256(f"form:{cookie}".encode()).hexdigest()


def _id(token: str) -> str:
    return sha256(f"session:{token}".encode()).hexdigest()


def _credential(user: ConsoleUser) -> str:
    return sha256(str(user.password).encode()).hexdigest()
