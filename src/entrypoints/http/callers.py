"""Who is asking: a user by a token or by a Mini App's init data, or a service by a token with a scope."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from litestar.concurrency import sync_to_thread

from adapters.telegram.init_data import verify_init_data
from adapters.tokens import Token, TokenVerifier
from application.ports.surroundings import Clock
from domain.errors import Forbidden, Unauthenticated
from domain.ids import BotName, UserId
from entrypoints.http.headers import Arriving, all_of

REMEMBERED_FOR = timedelta(seconds=10)
"""No longer, so that a key that is taken out of use is soon believed no more."""
MOST_REMEMBERED = 1024
OF_USERS = "a Bearer token, or a Mini App's init data (tma)"
OF_SERVICES = "a Bearer token"


@dataclass(frozen=True, slots=True)
class Callers:
    tokens: TokenVerifier
    bot_tokens: Mapping[BotName, str]
    clock: Clock
    _remembered: dict[str, tuple[Token, datetime]] = field(default_factory=dict)
    """What was verified just now, and when: a service asks a thousand times a second with the same token."""

    def user(self, request: Arriving) -> UserId:
        """The Telegram user who asks. Raises Unauthenticated."""
        scheme, credentials = _credentials(request, OF_USERS)
        if scheme == "tma":
            return verify_init_data(credentials, self.bot_tokens, self.clock.now()).user_id
        if scheme == "bearer":
            return self.tokens.verify(credentials, self.clock.now()).user_id()
        raise Unauthenticated(f"Authorization must be {OF_USERS}.")

    def service(self, request: Arriving, scope: str) -> str:
        """The service that asks, by its subject. Raises Unauthenticated, or Forbidden without that scope."""
        return _entitled(self._verify(self._bearer(request)), scope)

    async def service_soon(self, request: Arriving, scope: str) -> str:
        """The same for whoever must not wait: a token that is not remembered is verified on a thread, since that may
        take the fetching of keys."""
        bearer = self._bearer(request)
        token = self._known(bearer)
        return _entitled(await sync_to_thread(self._verify, bearer) if token is None else token, scope)

    def _verify(self, bearer: str) -> Token:
        now = self.clock.now()
        token = self.tokens.verify(bearer, now)
        if len(self._remembered) >= MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered[bearer] = token, now
        return token

    def _known(self, bearer: str) -> Token | None:
        token, verified_at = self._remembered.get(bearer, (None, None))
        if token is None or verified_at is None:
            return None
        now = self.clock.now()
        fresh = timedelta() <= now - verified_at < REMEMBERED_FOR and now.timestamp() < token.expires_at
        return token if fresh else None

    def _bearer(self, request: Arriving) -> str:
        scheme, credentials = _credentials(request, OF_SERVICES)
        if scheme != "bearer":
            raise Unauthenticated(f"Authorization must be {OF_SERVICES}.")
        return credentials


def _credentials(request: Arriving, wanted: str) -> tuple[str, str]:
    presented = all_of(request, b"authorization")
    if len(presented) != 1:
        raise Unauthenticated(f"One Authorization header is needed: {wanted}.")
    scheme, _, credentials = presented[0].partition(" ")
    return scheme.lower(), credentials.strip()


def _entitled(token: Token, scope: str) -> str:
    if scope not in token.scopes:
        raise Forbidden(f"The token lacks the scope {scope}.")
    return token.subject
