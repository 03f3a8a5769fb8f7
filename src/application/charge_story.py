"""Answering "I paid and nothing happened": all that is on record of one charge, gathered by whichever id is at hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from application.ports.pages import Page
from application.ports.payments import ChargeKey, PaymentFilter
from application.ports.surroundings import Clock
from application.ports.trail import KeptEntry, TrailFilter
from application.ports.work import Transaction, UnitOfWork
from domain.entitlement import Entitlement
from domain.ids import ChargeId, InvoiceId, PaymentId
from domain.invoice import Invoice
from domain.payment import Payment, Provider, Refund

PAYMENT_ID, INVOICE_ID = "pay_", "inv_"
MOST_TOLD: Final = 50
"""Entries of the audit trail, the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeStory:
    """`spans` is what the payment opened, the row that was written last first; `refund` what the provider told us went
    back, which may be all that it told; `trail` the newest first. `at` is when this was so."""

    payment: Payment | None
    invoice: Invoice | None
    refund: Refund | None
    spans: tuple[Entitlement, ...]
    trail: tuple[KeptEntry, ...]
    at: datetime

    @property
    def known(self) -> bool:
        return bool(self.payment or self.invoice or self.refund or self.trail)


@dataclass(frozen=True, slots=True)
class TellCharge:
    work: UnitOfWork
    clock: Clock

    def __call__(self, named: str) -> Sequence[ChargeStory]:
        """By a charge's id, a payment's or an invoice's. One story, also where nobody knows of it; two where two
        providers have a charge of that id."""
        with self.work.look() as tx:
            now = self.clock.now()
            if named.startswith(INVOICE_ID):
                return [self._of_invoice(tx, InvoiceId(named), now)]
            if named.startswith(PAYMENT_ID):
                payments = [payment for payment in [tx.payments.get(PaymentId(named))] if payment]
            else:
                payments = list(tx.payments.found(PaymentFilter(charge_id=ChargeId(named)), Page(limit=2)).items)
            return [_of_payment(tx, payment, now) for payment in payments] or [_unpaid(tx, ChargeId(named), now)]

    def _of_invoice(self, tx: Transaction, id: InvoiceId, now: datetime) -> ChargeStory:
        """Of the charge that paid it; else of the last that was meant to."""
        told = tx.trail.found(TrailFilter(invoice_id=id), Page(limit=MOST_TOLD)).items
        charges = [kept.entry.charge_id for kept in told if kept.entry.charge_id]
        keys = _keys(charges)
        paid = [payment for payment in tx.payments.of(keys).values() if payment.invoice_id == id]
        invoice = tx.invoices.of([id]).get(id)
        if paid:
            settled_by = invoice.settled_by if invoice else None
            last = max(paid, key=lambda payment: (payment.charge.charge_id == settled_by, payment.received_at))
            return _of_payment(tx, last, now)
        return ChargeStory(payment=None, invoice=invoice, refund=None, spans=(), trail=tuple(told), at=now)


def _of_payment(tx: Transaction, payment: Payment, now: datetime) -> ChargeStory:
    living = tx.entitlements.living_of(payment.id)
    suspended = tx.entitlements.get(payment.suspended) if payment.suspended else None
    holder = next((row.user_id for row in (living, suspended) if row), payment.charge.payer)
    spans = [row for row in tx.entitlements.of_user(holder) if row.payment_id == payment.id]
    invoices = tx.invoices.of([payment.invoice_id]) if payment.invoice_id else {}
    return ChargeStory(
        payment=payment,
        invoice=next(iter(invoices.values()), None),
        refund=tx.refunds.of([payment.charge.key]).get(payment.charge.key),
        spans=tuple(sorted(spans, key=lambda row: (row.revoked_at is None, row.known_from, row.id), reverse=True)),
        trail=_told(tx, payment.charge.charge_id, payment.invoice_id),
        at=now,
    )


def _unpaid(tx: Transaction, charge_id: ChargeId, now: datetime) -> ChargeStory:
    """A provider may have told that it gave back what it never told us it took."""
    refunds = list(tx.refunds.of(_keys([charge_id])).values())
    return ChargeStory(
        payment=None,
        invoice=None,
        refund=refunds[0] if refunds else None,
        spans=(),
        trail=_told(tx, charge_id, None),
        at=now,
    )


def _keys(charges: Sequence[ChargeId]) -> list[ChargeKey]:
    return [(provider, charge_id) for charge_id in dict.fromkeys(charges) for provider in Provider]


def _told(tx: Transaction, charge_id: ChargeId, invoice_id: InvoiceId | None) -> tuple[KeptEntry, ...]:
    """What is told of the charge, and of the invoice before anybody paid it."""
    page = Page(limit=MOST_TOLD)
    told = list(tx.trail.found(TrailFilter(charge_id=charge_id), page).items)
    if invoice_id:
        told += [
            kept
            for kept in tx.trail.found(TrailFilter(invoice_id=invoice_id), page).items
            if kept.entry.charge_id is None
        ]
    return tuple(sorted(told, key=lambda kept: kept.id, reverse=True)[:MOST_TOLD])
