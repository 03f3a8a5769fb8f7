"""Stripe's own lists: charges, refunds and disputes, each by the payment that it belongs to."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from adapters.stripe import ours, standing, wire
from adapters.stripe.amounts import units
from adapters.stripe.connection import Connection
from adapters.stripe.limits import MOST_LISTED
from application.ports.inbox import Report, Source
from application.ports.ledgers import StripeEntry, StripeLedger
from domain.ids import BotName, ChargeId


class _Charge(msgspec.Struct):
    id: str
    payment_intent: str | None
    created: wire.Seconds
    currency: str
    status: str
    captured: bool
    amount_refunded: int
    metadata: dict[str, str] | None = None


class _Refund(msgspec.Struct):
    id: str
    payment_intent: str | None
    created: wire.Seconds
    currency: str
    amount: int
    status: str | None


class _Dispute(wire.Dispute, kw_only=True):
    created: wire.Seconds
    payment_intent: str | None = None


class _Charges(msgspec.Struct):
    data: list[_Charge]
    has_more: bool


class _Refunds(msgspec.Struct):
    data: list[_Refund]
    has_more: bool


class _Disputes(msgspec.Struct):
    data: list[_Dispute]
    has_more: bool


class StripeLists(StripeLedger):
    def __init__(self, connection: Connection, *, live: bool) -> None:
        self._stripe = connection
        self._api = connection.api
        self._live = live

    def entries(self, since: datetime) -> Iterator[Sequence[StripeEntry]]:
        for page in self._pages(_Charges, self._api.charges.list, since):
            yield [_of_charge(charge) for charge in page if charge.payment_intent]
        for page in self._pages(_Refunds, self._api.refunds.list, since):
            yield [_of_refund(refund) for refund in page if refund.payment_intent]
        for page in self._pages(_Disputes, self._api.disputes.list, since):
            yield [_of_dispute(dispute) for dispute in page if dispute.payment_intent]

    def report(self, charge_id: ChargeId) -> Report:
        reference = {"payment_intent": charge_id, "live": self._live}
        return Report(source=Source.STRIPE_PAYMENT, bot=BotName(""), body=msgspec.json.encode(reference))

    def _pages(self, shape: Any, ask: Callable[..., Any], since: datetime) -> Iterator[Sequence[Any]]:
        wanted: dict[str, Any] = {"limit": MOST_LISTED, "created": {"gte": int(since.timestamp())}}
        while True:
            page = self._stripe.read(shape, lambda: ask(wanted))  # noqa: B023 asked at once
            yield page.data
            if not page.has_more or not page.data:
                return
            wanted = {**wanted, "starting_after": page.data[-1].id}


def _of_charge(charge: _Charge) -> StripeEntry:
    return StripeEntry(
        charge_id=ChargeId(charge.payment_intent or ""),
        ours=ours.read(charge.metadata or {}) is not None,
        at=datetime.fromtimestamp(charge.created, UTC),
        moved=charge.status == "succeeded" and charge.captured,
        given_back=_units(charge.amount_refunded, charge.currency),
    )


def _of_refund(refund: _Refund) -> StripeEntry:
    done = refund.status == "succeeded"
    return StripeEntry(
        charge_id=ChargeId(refund.payment_intent or ""),
        ours=None,
        at=datetime.fromtimestamp(refund.created, UTC),
        given_back=_units(refund.amount, refund.currency) if done else 0,
    )


def _of_dispute(dispute: _Dispute) -> StripeEntry:
    return StripeEntry(
        charge_id=ChargeId(dispute.payment_intent or ""),
        ours=None,
        at=datetime.fromtimestamp(dispute.created, UTC),
        disputes={dispute.id: standing.state_of(dispute)},
    )


def _units(amount: int, currency: str) -> int:
    """0 for money that we can't count, which is none of ours."""
    try:
        return units(amount, currency)
    except ValueError:
        return 0
