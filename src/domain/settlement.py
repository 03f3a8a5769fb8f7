"""What becomes of money that has moved: the first row of the table that fits. It is never dropped."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from domain.catalog import Method
from domain.duration import LIFETIME
from domain.entitlement import Entitlement, Holding, grant
from domain.ids import BotName, EntitlementId, PaymentId, PlanCode
from domain.invoice import Invoice, Objection, Terms
from domain.payload import BadPayload, PayloadSigner
from domain.payment import Charge, Payment, PaymentStatus


class Repeat(StrEnum):
    """A charge id that is already known changes nothing; with other facts, somebody must be told."""

    SAME_FACTS = "same_facts"
    OTHER_FACTS = "other_facts"


def repeat(known: Payment, charge: Charge) -> Repeat:
    """What a second report of a known charge is."""
    return Repeat.SAME_FACTS if known.charge.same_facts(charge) else Repeat.OTHER_FACTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """A new payment, the invoice that it names, and the span that it opened, if it did."""

    payment: Payment
    invoice: Invoice | None = None
    entitlement: Entitlement | None = None
    extends: bool = False

    @property
    def paid(self) -> bool:
        """Whether this is the charge that paid the invoice, be it given back since."""
        return self.invoice is not None and self.invoice.settled_by == self.payment.charge.charge_id


def signed_terms(signer: PayloadSigner, payload: str, bot: BotName) -> Terms | None:
    """What we once signed for this bot; None where the payload is not ours, since money that moved is kept anyway."""
    try:
        return signer.verify(payload, bot)
    except BadPayload:
        return None


def lived_then(charge: Charge, given_back: Iterable[tuple[Payment, Invoice]]) -> bool:
    """Whether the payer held a plan for life when they paid, by one of these payments for it that went back since.

    So the place of a refund in the news changes nothing for another lifetime that was paid before it.
    """
    return any(
        bought.offer.duration == LIFETIME
        and payment.quarantine_reason is None
        and payment.refunded_at is not None
        and charge.charged_at < payment.refunded_at
        for payment, bought in given_back
    )


def objection(
    charge: Charge, *, terms: Terms | None, invoice: Invoice | None, held: Mapping[PlanCode, Holding], lived: bool
) -> Objection | None:
    """Why this money grants nothing, or None when it grants what was offered. `held`: what the payer holds; `lived`:
    whether they held this plan for life when they paid."""
    if terms is None:
        return Objection.BAD_PAYLOAD
    if invoice is None:
        return Objection.UNKNOWN_INVOICE
    if mismatch := invoice.objection(terms, payer=charge.payer, paid=charge.paid):
        return mismatch
    if invoice.settled_by is not None:
        return Objection.INVOICE_ALREADY_PAID
    asked_first = charge.method is not Method.STRIPE
    if asked_first and invoice.approved_at is None and invoice.stale(charge.charged_at):
        return Objection.STALE_INVOICE
    holding = held.get(invoice.offer.plan_code)
    if lived or (holding is not None and holding.endless):
        return Objection.ALREADY_ENTITLED
    return None


def settle(
    charge: Charge,
    *,
    terms: Terms | None,
    invoice: Invoice | None,
    refunded_at: datetime | None,
    held: Mapping[PlanCode, Holding],
    payment_id: PaymentId,
    new_entitlement_id: Callable[[], EntitlementId],
    now: datetime,
    lived: bool = False,
) -> Settlement:
    """Settle a charge that was never seen before.

    `invoice` is the one that the terms name, as kept or rebuilt; `refunded_at` when a refund of this charge was
    reported before the charge itself. Such a charge grants nothing, but leaves all else as if it had come first: the
    invoice that it paid stays paid, so that what becomes of other charges does not hang on the order of the news.
    `lived`: see `lived_then`.
    """
    reason = objection(charge, terms=terms, invoice=invoice, held=held, lived=lived)
    if invoice is not None and reason is None:
        invoice = replace(invoice, settled_by=charge.charge_id)
    payment = Payment(
        id=payment_id,
        charge=charge,
        status=PaymentStatus.GRANTED if reason is None else PaymentStatus.QUARANTINED,
        received_at=now,
        invoice_id=invoice.id if invoice else None,
        plan_code=invoice.offer.plan_code if invoice else None,
        quarantine_reason=reason,
    )
    if refunded_at is not None:
        return Settlement(payment=payment.refunded(refunded_at), invoice=invoice)
    if invoice is None or reason is not None:
        return Settlement(payment=payment, invoice=invoice)
    holding = held.get(invoice.offer.plan_code)
    entitlement = grant(
        invoice.offer, id=new_entitlement_id(), user_id=charge.payer, payment_id=payment.id, held=holding, now=now
    )
    return Settlement(
        payment=payment,
        invoice=invoice,
        entitlement=entitlement,
        extends=holding is not None,
    )
