"""What the service answers. Times bear their zone; amounts are whole numbers of the currency's smallest unit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entitlement:
    """A right to a plan's features over a span of time; `expires_at` None: for life.

    `granted_by` and `reason`: who gave it by hand, and why. The list of a user's does not tell them.
    """

    entitlement_id: str
    plan_code: str
    features: tuple[str, ...]
    limits: Mapping[str, int]
    active: bool
    granted_at: datetime
    starts_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    source: str
    granted_by: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonPayment:
    """The payment behind a reason. `user_id` is who paid."""

    payment_id: str
    charge_id: str
    user_id: int
    invoice_id: str | None
    plan_code: str | None
    method: str
    amount: int
    currency: str
    status: str
    paid_at: datetime
    refunded_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason(Entitlement):
    """An entitlement that decides an answer, with the payment that it came from."""

    payment: ReasonPayment | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """May this user do this? `because` is there where it was asked for."""

    user_id: int
    feature: str
    allowed: bool
    plan_code: str | None
    expires_at: datetime | None
    limits: Mapping[str, int]
    because: tuple[Reason, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """Money that moved. `user_id` is who paid, whomever it opened the door for."""

    payment_id: str
    invoice_id: str | None
    plan_code: str | None
    method: str
    amount: int
    currency: str
    status: str
    paid_at: datetime
    refunded_at: datetime | None
    charge_id: str
    provider_charge_id: str
    user_id: int
    quarantine_reason: str | None
    entitlement_id: str | None
    amount_refunded: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentInFull(Payment):
    """With the provider's whole message: what JSON makes of it, or text."""

    provider_response: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentEvent:
    """A line of the audit trail."""

    event_id: str
    kind: str
    user_id: int | None
    invoice_id: str | None
    charge_id: str | None
    decision: str | None
    reason: str | None
    at: datetime
    actor: str | None = None
    note: str | None = None
    entitlement_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened. Go on after its `sequence`. What `data` holds depends on `type`."""

    sequence: int
    type: str
    user_id: int
    data: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEvent:
    """An event that was pushed. `id` is the same in each attempt; `at` is when it happened."""

    id: str
    sequence: int
    type: str
    user_id: int
    data: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Entitlements:
    entitlements: tuple[Entitlement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    results: tuple[Check, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    items: tuple[T, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    items: tuple[Event, ...]
    last_sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedPassport:
    # Whoever holds it can show it.
    passport: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySet:
    keys: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationList:
    revocations: str
