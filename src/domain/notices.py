"""What other services are told of what happened: events with stable names and plain data.

A notice says what has become of one thing of one user's. Whoever follows all notices of a user, in their order, knows
how their payments and spans stand.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from domain.entitlement import Entitlement
from domain.events import (
    EntitlementExpired,
    EntitlementGranted,
    EntitlementRestored,
    EntitlementRevoked,
    EntitlementSuspended,
    Event,
    InvoiceIssued,
    PaymentGranted,
    PaymentQuarantined,
    PaymentRefunded,
    PaymentReleased,
    PaymentResolved,
    RefundFailed,
)
from domain.ids import EntitlementId, UserId
from domain.invoice import Invoice
from domain.payment import Payment, PaymentStatus

Plain = None | bool | int | str | tuple[str, ...] | Mapping[str, int]
"""What JSON can say. Times are texts, RFC 3339 in UTC."""


class NoticeType(StrEnum):
    INVOICE_ISSUED = "invoice.issued"
    PAYMENT_SETTLED = "payment.settled"
    PAYMENT_QUARANTINED = "payment.quarantined"
    PAYMENT_REFUNDED = "payment.refunded"
    ENTITLEMENT_GRANTED = "entitlement.granted"
    ENTITLEMENT_EXTENDED = "entitlement.extended"
    ENTITLEMENT_REVOKED = "entitlement.revoked"
    ENTITLEMENT_SUSPENDED = "entitlement.suspended"
    ENTITLEMENT_RESTORED = "entitlement.restored"
    ENTITLEMENT_EXPIRED = "entitlement.expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """`user_id` is whose it is: of a payment who paid, of an entitlement who holds it."""

    type: NoticeType
    user_id: UserId
    at: datetime
    data: Mapping[str, Plain]


def notices(events: Iterable[Event], at: datetime) -> list[Notice]:
    """What others are told of these, in their order. Most of what happens is only the operator's business."""
    return [notice for event in events for notice in _of(event, at)]


def opened(events: Iterable[Event]) -> list[Entitlement]:
    """The spans that are new."""
    opening = PaymentGranted | PaymentResolved | EntitlementGranted | EntitlementRestored
    return [event.entitlement for event in events if isinstance(event, opening)]


def _of(event: Event, at: datetime) -> list[Notice]:
    match event:
        case InvoiceIssued():
            return [_invoice(event.invoice, at)]
        case PaymentGranted() | PaymentResolved():
            return [_payment(NoticeType.PAYMENT_SETTLED, event.payment, at), _opened(event.entitlement, at)]
        case EntitlementGranted():
            return [_opened(event.entitlement, at)]
        case PaymentReleased():
            return [_payment(NoticeType.PAYMENT_SETTLED, event.payment, at)]
        case PaymentQuarantined():
            return [_payment(NoticeType.PAYMENT_QUARANTINED, event.payment, at)]
        case RefundFailed() if event.payment.status is PaymentStatus.QUARANTINED:
            # What was to go back by itself was never told of.
            return [_payment(NoticeType.PAYMENT_QUARANTINED, event.payment, at)]
        case PaymentRefunded():
            return [_payment(NoticeType.PAYMENT_REFUNDED, event.payment, at)]
        case EntitlementRevoked():
            return [_span(NoticeType.ENTITLEMENT_REVOKED, event.entitlement, at), *_moved(event.moved_up, at)]
        case EntitlementSuspended():
            return [_span(NoticeType.ENTITLEMENT_SUSPENDED, event.entitlement, at), *_moved(event.moved_up, at)]
        case EntitlementRestored():
            return [_span(NoticeType.ENTITLEMENT_RESTORED, event.entitlement, at)]
        case EntitlementExpired():
            return [_span(NoticeType.ENTITLEMENT_EXPIRED, event.entitlement, event.entitlement.expires_at or at)]
        case _:
            return []


def _moved(spans: Iterable[tuple[Entitlement, Entitlement]], at: datetime) -> list[Notice]:
    """A span that moves up is a row that ends and another that takes its place."""
    told = []
    for before, after in spans:
        told += [
            _span(NoticeType.ENTITLEMENT_REVOKED, before, at, replaced_by=after.id),
            _opened(after, at, replaces=before.id),
        ]
    return told


def _opened(span: Entitlement, at: datetime, *, replaces: EntitlementId | None = None) -> Notice:
    extends = span.starts_at > at
    kind = NoticeType.ENTITLEMENT_EXTENDED if extends else NoticeType.ENTITLEMENT_GRANTED
    return _span(kind, span, at, replaces=replaces)


def _span(kind: NoticeType, span: Entitlement, at: datetime, **more: EntitlementId | None) -> Notice:
    data: dict[str, Plain] = {
        "entitlement_id": span.id,
        "plan_code": span.plan_code,
        "features": span.features,
        "limits": dict(span.limits),
        "granted_at": _text(span.granted_at),
        "starts_at": _text(span.starts_at),
        "expires_at": _text(span.expires_at),
        "revoked_at": _text(span.revoked_at),
        "source": span.source,
        "payment_id": span.payment_id,
    }
    data.update({name: id for name, id in more.items() if id is not None})
    return Notice(type=kind, user_id=span.user_id, at=at, data=data)


def _payment(kind: NoticeType, payment: Payment, at: datetime) -> Notice:
    charge = payment.charge
    data: dict[str, Plain] = {
        "payment_id": payment.id,
        "invoice_id": payment.invoice_id,
        "plan_code": payment.plan_code,
        "method": charge.method.value,
        "amount": charge.paid.amount,
        "currency": charge.paid.currency,
        "status": payment.status.value,
        "charge_id": charge.charge_id,
        "quarantine_reason": payment.quarantine_reason.value if payment.quarantine_reason else None,
        "paid_at": _text(charge.charged_at),
        "refunded_at": _text(payment.refunded_at),
    }
    return Notice(type=kind, user_id=charge.payer, at=at, data=data)


def _invoice(invoice: Invoice, at: datetime) -> Notice:
    price = invoice.offer.price
    data: dict[str, Plain] = {
        "invoice_id": invoice.id,
        "plan_code": invoice.offer.plan_code,
        "method": invoice.method.value,
        "amount": price.amount,
        "currency": price.currency,
        "expires_at": _text(invoice.expires_at),
    }
    return Notice(type=NoticeType.INVOICE_ISSUED, user_id=invoice.payer, at=at, data=data)


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"
