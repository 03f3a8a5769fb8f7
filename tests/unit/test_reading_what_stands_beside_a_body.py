"""What stands in a query or a header is read exactly, or refused by its name with what it must be."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from litestar import Request

from adapters.tokens import SharedSecret, TokenVerifier
from domain.catalog import Method
from domain.errors import InvalidRequest, Unauthenticated
from domain.payment import PaymentStatus
from entrypoints.http.bodies import bounded, choice, flag, id_asked, idempotency_key, moment_asked
from entrypoints.http.callers import Callers
from tests.memory import FixedClock

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SECRET = "a-secret-of-the-tests-that-is-long-enough"

ID_WANTED = "charge_id must have 1 to 256 characters, none of them NUL."


def request_with(*headers: tuple[str, str]) -> Request[Any, Any, Any]:
    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    return Request({"type": "http", "headers": raw, "state": {}})  # type: ignore[arg-type]


def test_what_is_well_is_read() -> None:
    assert bounded("7", 50, 1, 200, "limit") == 7
    assert flag("true", "explain") is True
    assert choice("refund_pending", PaymentStatus, "status") is PaymentStatus.REFUND_PENDING
    assert id_asked("x" * 256, "charge_id") == "x" * 256
    assert moment_asked("2026-11-22T14:00:00+02:00", "since") == NOW
    assert moment_asked("2026-11-22T14:00:00 02:00", "since") == NOW, "as a query makes it of a plus"
    assert idempotency_key(request_with(("Idempotency-Key", "~" * 255))) == "~" * 255


def test_what_is_not_there_is_not_asked_for() -> None:
    assert bounded(None, 50, 1, 200, "limit") == 50
    assert flag(None, "explain") is False
    assert choice(None, PaymentStatus, "status") is None
    assert id_asked(None, "charge_id") is None
    assert moment_asked(None, "since") is None
    assert idempotency_key(request_with()) is None


@pytest.mark.parametrize(
    ("read", "words"),
    [
        pytest.param(
            lambda: bounded("201", 50, 1, 200, "limit"), "limit must be a whole number from 1 to 200.", id="too many"
        ),
        pytest.param(lambda: flag("yes", "explain"), "explain must be true or false.", id="neither true nor false"),
        pytest.param(
            lambda: choice("cash", Method, "method"),
            "method must be stars, telegram or stripe.",
            id="a word that there is not",
        ),
        pytest.param(lambda: id_asked("x" * 257, "charge_id"), ID_WANTED, id="a long id"),
        pytest.param(lambda: id_asked("", "charge_id"), ID_WANTED, id="no id"),
        pytest.param(lambda: id_asked("a\0b", "charge_id"), ID_WANTED, id="a NUL in an id"),
        *(
            pytest.param(
                lambda text=text: moment_asked(text, "since"),
                "since must be a time as in 2026-11-22T12:00:00Z, with its zone.",
                id=id,
            )
            for id, text in [
                ("no time", ""),
                ("a day", "2026-11-22"),
                ("a time without a zone", "2026-11-22T12:00:00"),
                ("before all years", "0001-01-01T00:00:00+01:00"),
            ]
        ),
        *(
            pytest.param(
                lambda keys=keys: idempotency_key(request_with(*(("Idempotency-Key", key) for key in keys))),
                "Idempotency-Key must be one of 1 to 255 printable characters of ASCII, without spaces.",
                id=id,
            )
            for id, keys in [
                ("an empty key", [""]),
                ("a key with a space", ["a b"]),
                ("a key in other letters", ["é"]),
                ("a long key", ["x" * 256]),
                ("two keys", ["a", "b"]),
                ("one key twice", ["a", "a"]),
            ]
        ),
    ],
)
def test_what_is_not_is_told_what_it_must_be(read: Callable[[], object], words: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read()
    assert str(refused.value) == words


@pytest.mark.parametrize("schemes", [[], ["Bearer x", "Bearer x"], ["Basic x"]], ids=["none", "two", "another"])
def test_who_shows_no_credentials_is_told_which_are_taken_there(schemes: list[str]) -> None:
    callers = Callers(
        tokens=TokenVerifier(SharedSecret(SECRET), "tollgram", None), bot_tokens={}, clock=FixedClock(NOW)
    )
    request = request_with(*(("Authorization", scheme) for scheme in schemes))

    with pytest.raises(Unauthenticated, match=r"a Bearer token, or a Mini App's init data \(tma\)\.$"):
        callers.user(request)
    with pytest.raises(Unauthenticated, match=r"a Bearer token\.$"):
        callers.service(request, "payments:read")
    with pytest.raises(Unauthenticated, match=r"a Bearer token\.$"):
        asyncio.run(callers.service_soon(request, "payments:read"))
