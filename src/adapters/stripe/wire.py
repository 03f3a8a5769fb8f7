"""What we read of Stripe's objects; all else in them is left alone. https://docs.stripe.com/api"""

from typing import Annotated

import msgspec

Seconds = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799)]
"""Since 1970, up to the end of the year 9999, beyond which no datetime goes."""


class Named(msgspec.Struct):
    id: str


class PageMade(msgspec.Struct):
    """Of a Checkout Session just made, or a portal session."""

    url: str


class SessionMade(msgspec.Struct):
    id: str
    url: str | None
    amount_total: int
    currency: str


class Session(msgspec.Struct):
    livemode: bool
    status: str | None
    payment_intent: str | None
    metadata: dict[str, str] | None = None


class OfIntent(msgspec.Struct):
    """A charge, a refund or a dispute: each is known to us by its PaymentIntent."""

    payment_intent: str | None


class Charge(msgspec.Struct):
    id: str
    created: Seconds
    status: str
    captured: bool
    amount_refunded: int


class Intent(msgspec.Struct):
    id: str
    livemode: bool
    status: str
    currency: str
    amount_received: int
    metadata: dict[str, str] | None = None
    latest_charge: Charge | None = None


class Movement(msgspec.Struct):
    amount: int


class Dispute(msgspec.Struct):
    id: str
    status: str
    balance_transactions: list[Movement] = []


class Refund(msgspec.Struct):
    amount: int
    status: str | None
    metadata: dict[str, str] | None = None


class Sessions(msgspec.Struct):
    data: list[Session]


class Disputes(msgspec.Struct):
    data: list[Dispute]


class Refunds(msgspec.Struct):
    data: list[Refund]


class Endpoint(msgspec.Struct):
    url: str
    status: str
    enabled_events: list[str]
    api_version: str | None = None


class Endpoints(msgspec.Struct):
    data: list[Endpoint]


class Price(msgspec.Struct):
    id: str
    active: bool
    currency: str
    type: str
    unit_amount: int | None
