"""A service's token is verified anew every few seconds only, and is never good for longer than it says itself."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from jwt.exceptions import InvalidTokenError
from litestar import Request

from adapters.tokens import Keys, SharedSecret, TokenMaker, TokenVerifier
from domain.errors import Forbidden, Unauthenticated
from entrypoints.http.callers import MOST_REMEMBERED, REMEMBERED_FOR, Callers
from tests.memory import FixedClock

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SECRET = "a-secret-of-the-tests-that-is-long-enough"
SECOND = timedelta(seconds=1)
READ = "entitlements:read"


@dataclass
class CountedKeys(Keys):
    """How often a signature was looked at; `gone` once the key is taken out of use."""

    looked: int = 0
    gone: bool = False
    secret: SharedSecret = field(default_factory=lambda: SharedSecret(SECRET))

    def decode(self, token: str, **checks: Any) -> dict[str, Any]:
        self.looked += 1
        if self.gone:
            raise InvalidTokenError("no such key")
        return self.secret.decode(token, **checks)


class Door:
    """Where services call."""

    def __init__(self) -> None:
        self.keys = CountedKeys()
        self.clock = FixedClock(NOW)
        self.callers = Callers(tokens=TokenVerifier(self.keys, "tollgram", None), bot_tokens={}, clock=self.clock)

    def token(self, subject: str = "reports", good_for: timedelta = timedelta(hours=1)) -> str:
        return TokenMaker(SECRET, "tollgram", None).make(subject=subject, scopes=(READ,), now=NOW, good_for=good_for)

    def call(self, token: str, scope: str = READ) -> str:
        headers = [(b"authorization", f"Bearer {token}".encode())]
        request: Request[Any, Any, Any] = Request({"type": "http", "headers": headers, "state": {}})  # type: ignore[arg-type]
        return asyncio.run(self.callers.service_soon(request, scope))


def test_a_token_that_was_just_verified_is_not_verified_again() -> None:
    door = Door()
    token = door.token()

    assert [door.call(token) for _ in range(5)] == ["reports"] * 5
    assert door.keys.looked == 1


def test_a_key_that_is_taken_out_of_use_is_believed_for_seconds_more_at_most() -> None:
    door = Door()
    token = door.token()
    door.call(token)
    door.keys.gone = True
    door.clock.time = NOW + REMEMBERED_FOR - SECOND
    assert door.call(token) == "reports"

    door.clock.time = NOW + REMEMBERED_FOR
    with pytest.raises(Unauthenticated):
        door.call(token)


def test_a_token_ends_when_it_says_also_while_it_is_remembered() -> None:
    door = Door()
    token = door.token(good_for=5 * SECOND)
    door.call(token)

    door.clock.time = NOW + 5 * SECOND
    with pytest.raises(Unauthenticated):
        door.call(token)


def test_nothing_is_remembered_over_a_clock_that_was_set_back() -> None:
    door = Door()
    token = door.token()
    door.call(token)
    door.clock.time = NOW - SECOND
    door.call(token)

    assert door.keys.looked == 2


def test_the_scope_is_asked_for_each_time() -> None:
    door = Door()
    token = door.token()
    door.call(token)

    with pytest.raises(Forbidden):
        door.call(token, "payments:refund")


def test_what_was_refused_is_not_remembered() -> None:
    door = Door()
    token = door.token()
    door.keys.gone = True
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            door.call(token)
    door.keys.gone = False

    assert door.call(token) == "reports"


def test_no_more_than_so_many_are_remembered() -> None:
    door = Door()
    tokens = [door.token(f"service-{number}") for number in range(MOST_REMEMBERED + 1)]
    for token in tokens:
        door.callers._verify(token)

    assert len(door.callers._remembered) <= MOST_REMEMBERED
