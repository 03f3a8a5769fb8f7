"""Who is asking: a user by a token or by a Mini App's init data, or a service by a token with a scope."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from litestar import Request

from adapters.telegram.init_data import verify_init_data
from adapters.tokens import TokenVerifier
from application.ports import Clock
from domain.errors import Forbidden, Unauthenticated
from domain.ids import BotName, UserId


@dataclass(frozen=True, slots=True)
class Callers:
    tokens: TokenVerifier
    bot_tokens: Mapping[BotName, str]
    clock: Clock

    def user(self, request: Request[Any, Any, Any]) -> UserId:
        """The Telegram user who asks. Raises Unauthenticated."""
        scheme, credentials = self._credentials(request)
        if scheme == "tma":
            return verify_init_data(credentials, self.bot_tokens, self.clock.now()).user_id
        if scheme == "bearer":
            return self.tokens.verify(credentials, self.clock.now()).user_id()
        raise Unauthenticated("Authorization must be a Bearer token or a Mini App's init data (tma).")

    def service(self, request: Request[Any, Any, Any], scope: str) -> str:
        """The service that asks, by its subject. Raises Unauthenticated, or Forbidden without that scope."""
        scheme, credentials = self._credentials(request)
        if scheme != "bearer":
            raise Unauthenticated("Authorization must be a Bearer token.")
        token = self.tokens.verify(credentials, self.clock.now())
        if scope not in token.scopes:
            raise Forbidden(f"The token lacks the scope {scope}.")
        return token.subject

    def _credentials(self, request: Request[Any, Any, Any]) -> tuple[str, str]:
        presented = request.headers.getall("authorization", [])
        if len(presented) != 1:
            raise Unauthenticated("An Authorization header is needed: a Bearer token, or a Mini App's init data (tma).")
        scheme, _, credentials = presented[0].partition(" ")
        return scheme.lower(), credentials.strip()
