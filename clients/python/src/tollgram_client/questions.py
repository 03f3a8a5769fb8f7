"""Each question to the service as a value: what is sent, whether it may be sent again, and how the answer is read."""

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote

from tollgram_client.answers import (
    Check,
    Checks,
    Entitlement,
    Entitlements,
    EventPage,
    IssuedPassport,
    KeySet,
    Page,
    Payment,
    PaymentEvent,
    PaymentInFull,
    RevocationList,
)
from tollgram_client.reading import read

T = TypeVar("T")
AT_ONCE: Final = 1000
"""The most checks in one request."""
_KEY = re.compile(r"[!-~]{1,255}")


class Repeat(Enum):
    """When a question may be asked again."""

    ALWAYS = auto()
    """Asked twice, it does what it does once."""
    IF_NOT_DONE = auto()
    """Only where it did not arrive, or the service says that it changed nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question(Generic[T]):
    """`longer_s` is how much longer than others it may take. `open` is for everybody: no token goes with it."""

    method: str
    path: str
    read: Callable[[Any], T] = field(repr=False)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeat: Repeat = Repeat.ALWAYS
    longer_s: float = 0.0
    open: bool = False


def check(user_id: int, feature: str, as_of: datetime | None, explain: bool) -> Question[Check]:
    return Question(
        method="GET",
        path=f"/internal/v1/users/{_whole(user_id)}/features/{_part(feature)}",
        query=_query(as_of=as_of, explain="true" if explain else None),
        read=_reader(Check),
    )


def checks(asked: Sequence[tuple[int, str]]) -> Question[Checks]:
    def read_all(told: Any) -> Checks:
        answered = read(Checks, told)
        if [(one.user_id, one.feature) for one in answered.results] != list(asked):
            raise ValueError("the results are not those that were asked for")
        return answered

    return Question(
        method="POST",
        path="/internal/v1/features/check",
        body={"checks": [{"user_id": user_id, "feature": feature} for user_id, feature in asked]},
        read=read_all,
    )


def entitlements(user_id: int, as_of: datetime | None) -> Question[Entitlements]:
    path = f"/internal/v1/users/{_whole(user_id)}/entitlements"
    return Question(method="GET", path=path, query=_query(as_of=as_of), read=_reader(Entitlements))


def grant(
    user_id: int, plan_code: str, reason: str, duration: str | None, idempotency_key: str | None
) -> Question[Entitlement]:
    """With a key, so that it grants once, however often it is sent."""
    key = secrets.token_hex(16) if idempotency_key is None else idempotency_key
    if not _KEY.fullmatch(key):
        raise ValueError("idempotency_key must be 1 to 255 printable characters of ASCII, without spaces")
    body = {"plan_code": plan_code, "reason": reason}
    return Question(
        method="POST",
        path=f"/internal/v1/users/{_whole(user_id)}/entitlements",
        body=body if duration is None else {**body, "duration": duration},
        headers={"Idempotency-Key": key},
        read=_reader(Entitlement),
    )


def revoke(entitlement_id: str, reason: str) -> Question[Entitlement]:
    """What has ended stays as it is, so it may be sent again."""
    path = f"/internal/v1/entitlements/{_part(entitlement_id)}/revoke"
    return Question(method="POST", path=path, body={"reason": reason}, read=_reader(Entitlement))


def payments(
    *,
    user_id: int | None,
    status: str | None,
    method: str | None,
    plan_code: str | None,
    charge_id: str | None,
    since: datetime | None,
    until: datetime | None,
    page_size: int,
) -> Callable[[str | None], Question[Page[Payment]]]:
    """The page at a cursor."""
    query = _query(
        user_id=user_id,
        status=status,
        method=method,
        plan_code=plan_code,
        charge_id=charge_id,
        since=since,
        until=until,
        limit=page_size,
    )
    return _pages("/internal/v1/payments", query, Payment)


def payment(payment_id: str) -> Question[PaymentInFull]:
    path = f"/internal/v1/payments/{_part(payment_id)}"
    return Question(method="GET", path=path, read=_reader(PaymentInFull))


def payment_events(
    user_id: int | None, invoice_id: str | None, charge_id: str | None, page_size: int
) -> Callable[[str | None], Question[Page[PaymentEvent]]]:
    query = _query(user_id=user_id, invoice_id=invoice_id, charge_id=charge_id, limit=page_size)
    return _pages("/internal/v1/payment-events", query, PaymentEvent)


def refund(payment_id: str, reason: str, outside: bool) -> Question[Payment]:
    """Money never goes back twice; but sent again once it has gone, it is answered no."""
    return Question(
        method="POST",
        path=f"/internal/v1/payments/{_part(payment_id)}/refund",
        body={"reason": reason, **({"outside": True} if outside else {})},
        repeat=Repeat.IF_NOT_DONE,
        read=_reader(Payment),
    )


def events(after: int, wait_s: int, page_size: int) -> Question[EventPage]:
    return Question(
        method="GET",
        path="/internal/v1/events",
        query=_query(after=after, limit=page_size, wait=wait_s),
        longer_s=wait_s,
        read=_reader(EventPage),
    )


def passport(user_id: int) -> Question[IssuedPassport]:
    path = f"/internal/v1/users/{_whole(user_id)}/passport"
    return Question(method="POST", path=path, read=_reader(IssuedPassport))


def keys() -> Question[KeySet]:
    return Question(method="GET", path="/.well-known/jwks.json", read=_reader(KeySet), open=True)


def revocations(since: datetime | None) -> Question[RevocationList]:
    query = _query(since=since)
    return Question(method="GET", path="/.well-known/revocations", query=query, read=_reader(RevocationList), open=True)


def _reader(shape: type[T]) -> Callable[[Any], T]:
    return lambda told: read(shape, told)


def _pages(path: str, query: Mapping[str, str], shape: type[T]) -> Callable[[str | None], Question[Page[T]]]:
    def read_page(told: Any) -> Page[T]:
        page = read(Page, told)
        return Page(items=tuple(read(shape, one) for one in page.items), next_cursor=page.next_cursor)

    def at(cursor: str | None) -> Question[Page[T]]:
        return Question(method="GET", path=path, query={**query, **_query(cursor=cursor)}, read=read_page)

    return at


def _query(**given: str | int | datetime | None) -> dict[str, str]:
    return {name: _text(name, value) for name, value in given.items() if value is not None}


def _text(name: str, value: str | int | datetime) -> str:
    if not isinstance(value, datetime):
        return str(value)
    if value.tzinfo is None:
        raise ValueError(f"{name} must bear its zone")
    return value.isoformat()


def _whole(user_id: int) -> int:
    if type(user_id) is not int:  # a bool is one for Python
        raise ValueError("user_id must be a whole number")
    return user_id


def _part(text: str) -> str:
    """Of a path; it stays within its place there."""
    if text in ("", ".", ".."):
        raise ValueError("a name that is empty or only dots is none")
    return quote(text, safe="")
