"""Payments and the audit trail as other services see them."""

from datetime import datetime
from typing import Annotated, Any, Literal, overload

import msgspec

from application.ports.trail import KeptEntry
from domain.ids import MAX_USER_ID, EntitlementId
from domain.payment import Payment
from entrypoints.http.shapes import PaymentShape, PlanCodeText

ReasonText = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class RefundRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why it is given back. `outside`: it was given back already, by a payment provider that only its merchant can
    ask; that is recorded."""

    reason: ReasonText
    outside: bool = False


class ResolveRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What becomes of a payment in quarantine, and why. `grant` opens `plan_code` to `user_id`; without them the
    invoice's plan to who paid. With `refund` neither may be given."""

    action: Literal["grant", "refund"]
    reason: ReasonText
    plan_code: PlanCodeText | None = None
    user_id: Annotated[int, msgspec.Meta(ge=1, le=MAX_USER_ID)] | None = None


class ServicePayment(PaymentShape, frozen=True, kw_only=True):
    """`user_id` is who paid, whomever it opened the door for."""

    charge_id: str
    provider_charge_id: str
    user_id: int
    quarantine_reason: str | None
    entitlement_id: str | None
    amount_refunded: int

    @classmethod
    def of(cls, payment: Payment, entitlement_id: EntitlementId | None = None) -> "ServicePayment":
        return cls(**_fields(payment, entitlement_id))


class FullPayment(ServicePayment, frozen=True, kw_only=True):
    """With the provider's whole message: JSON where it is, else text."""

    provider_response: Any

    @classmethod
    def with_message(cls, payment: Payment, entitlement_id: EntitlementId | None) -> "FullPayment":
        return cls(**_fields(payment, entitlement_id), provider_response=_message(payment.charge.message))


class ServicePaymentList(msgspec.Struct, frozen=True, kw_only=True):
    items: list[ServicePayment]
    next_cursor: str | None


class PaymentEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the audit trail. `actor` and `note` are who decided and why, where a person did."""

    event_id: str
    kind: str
    user_id: int | None
    invoice_id: str | None
    charge_id: str | None
    decision: str | None
    reason: str | None
    at: datetime
    actor: str | None
    note: str | None
    entitlement_id: str | None

    @classmethod
    def of(cls, kept: KeptEntry) -> "PaymentEvent":
        entry = kept.entry
        return cls(
            event_id=str(kept.id),
            kind=entry.kind,
            user_id=entry.user_id,
            invoice_id=entry.invoice_id,
            charge_id=legible(entry.charge_id),
            decision=entry.decision,
            reason=entry.reason,
            at=entry.at,
            actor=legible(entry.actor),
            note=legible(entry.note),
            entitlement_id=entry.entitlement_id,
        )


class PaymentEventList(msgspec.Struct, frozen=True, kw_only=True):
    items: list[PaymentEvent]
    next_cursor: str | None


def _fields(payment: Payment, entitlement_id: EntitlementId | None) -> dict[str, Any]:
    shown = msgspec.structs.asdict(PaymentShape.of(payment))
    return {
        **shown,
        "charge_id": legible(payment.charge.charge_id),
        "provider_charge_id": legible(payment.charge.provider_charge_id),
        "user_id": payment.charge.payer,
        "quarantine_reason": payment.quarantine_reason,
        "entitlement_id": entitlement_id,
        "amount_refunded": payment.amount_refunded,
    }


def _message(message: bytes) -> Any:
    try:
        msgspec.json.decode(message)
    except (ValueError, RecursionError):
        return message.decode("utf-8", "backslashreplace")
    return msgspec.Raw(message)


@overload
def legible(text: str) -> str: ...


@overload
def legible(text: str | None) -> str | None: ...


def legible(text: str | None) -> str | None:
    """What came from outside may hold half a surrogate pair, which no answer can: it is written out."""
    return text.encode("utf-8", "backslashreplace").decode() if text else text
