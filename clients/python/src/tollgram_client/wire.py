"""Between what is decided and httpx, for both shells."""

from collections.abc import Callable
from typing import Any, Final

import httpx

from tollgram_client.conversation import Lost, Received, Send

AGENT: Final = "tollgram-client/0.1.0"
NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class Wire:
    """`token` may be a function, which is asked each time, so that tokens can be renewed."""

    __slots__ = ("_token", "base_url")

    def __init__(self, base_url: str, token: str | Callable[[], str]) -> None:
        self.base_url = httpx.URL(base_url.rstrip("/"))
        if self.base_url.scheme not in ("http", "https") or not self.base_url.host or self.base_url.userinfo:
            raise ValueError("base_url must be an http or https address, without a user")
        self._token = token
        if isinstance(token, str):
            self._bearer()

    def request(self, send: Send) -> dict[str, Any]:
        """What httpx's `request` takes. Redirects are not followed: a token is for one place."""
        question = send.question
        return {
            "method": question.method,
            "url": f"{self.base_url}{question.path}",
            "params": dict(question.query) or None,
            "json": question.body,
            "headers": {
                "Accept": "application/json",
                "User-Agent": AGENT,
                **({} if question.open else {"Authorization": self._bearer()}),
                **question.headers,
            },
            "timeout": httpx.Timeout(send.timeout_s, connect=send.connect_timeout_s),
            "follow_redirects": False,
        }

    def _bearer(self) -> str:
        token = self._token if isinstance(self._token, str) else self._token()
        # Whoever refuses a header further on quotes it.
        if not token.isascii() or not token.isprintable() or not token or " " in token:
            raise ValueError("the token is empty, or holds what no header may")
        return f"Bearer {token}"


def received(answer: httpx.Response) -> Received:
    return Received(answer.status_code, {name.lower(): value for name, value in answer.headers.items()}, answer.content)


def lost(error: httpx.RequestError) -> Lost:
    """Its kind alone: messages of the libraries below may quote what was sent."""
    return Lost(type(error).__name__, sent=not isinstance(error, NEVER_SENT))
