"""A user's or a payment's past, line by line, in words."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from application.books import LetterShown
from application.histories import Moment
from application.ports.trail import TrailEntry
from application.standing import REFUND_CAME_BACK
from domain.entitlement import Entitlement
from domain.ids import ChargeId, InvoiceId, PaymentId
from domain.invoice import Invoice
from domain.payment import Payment
from entrypoints.console.explanations import REASONS
from entrypoints.console.wording import METHODS, message, plain

OF_US: Final = "console:"
_TITLES: Final[Mapping[str, tuple[str, str]]] = {
    "invoice_issued": ("plain", "Invoice issued"),
    "invoice_cancelled": ("plain", "Invoice cancelled"),
    "successful_payment": ("good", "Paid"),
    "refunded_payment": ("bad", "Given back"),
    "charge_standing": ("waits", "Stripe tells of a dispute or a partial refund"),
    "charge_conflict": ("bad", "The same charge was reported again with other facts, which are not believed"),
    "refund_conflict": ("bad", "A refund of other money was reported, which is not believed"),
    "refund_asked": ("waits", "Refund asked for; it waits for a second operator"),
    "refund_approved": ("waits", "Refund approved"),
    "refund_declined": ("plain", "Refund declined"),
    "refund_ordered": ("waits", "Refund ordered"),
    "refund_failed": ("bad", "The provider refuses the refund; a person must see to it"),
    REFUND_CAME_BACK: ("bad", "A refund has not arrived; a person must see to it"),
    "payment_resolved": ("good", "Granted out of quarantine"),
    "payment_held": ("waits", "Held: the provider's ledger does not have it"),
    "payment_released": ("good", "Released: the provider's ledger has it after all"),
    "entitlement_granted": ("good", "Granted by hand"),
    "entitlement_revoked": ("bad", "Access ended by hand"),
}
_GOES_ON: Final = "access goes on"
_DECIDED: Final = {"granted": "good", "quarantined": "waits", "refund_pending": "waits", "refunded": "bad"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """`by` is who decided it, `note` their reason; the rest leads to what it speaks of."""

    at: datetime
    tone: str
    title: str
    text: str = ""
    by: str = ""
    note: str = ""
    payment_id: PaymentId | None = None
    charge_id: str = ""
    invoice_id: str = ""


def lines(
    moments: Iterable[Moment], invoices: Mapping[InvoiceId, Invoice], payments: Mapping[ChargeId, Payment]
) -> list[Line]:
    return [
        _letter(moment) if isinstance(moment, LetterShown) else _line(moment.entry, invoices, payments)
        for moment in moments
    ]


def person_of(actor: str | None) -> str:
    """Who it was, without the door by which they came."""
    return (actor or "").removeprefix(OF_US)


def _line(entry: TrailEntry, invoices: Mapping[InvoiceId, Invoice], payments: Mapping[ChargeId, Payment]) -> Line:
    invoice = invoices.get(entry.invoice_id) if entry.invoice_id else None
    payment = payments.get(entry.charge_id) if entry.charge_id else None
    tone, title, text = _told(entry, invoice, payment)
    return Line(
        at=entry.at,
        tone=tone,
        title=title,
        text=text,
        by=person_of(entry.actor),
        note=entry.note or "",
        payment_id=payment.id if payment else None,
        charge_id=entry.charge_id or "",
        invoice_id=entry.invoice_id or "",
    )


def _told(entry: TrailEntry, invoice: Invoice | None, payment: Payment | None) -> tuple[str, str, str]:
    tone, title = _TITLES.get(entry.kind, ("plain", plain(entry.kind).capitalize()))
    offer = f"{invoice.offer.title}, {invoice.offer.price}" if invoice else ""
    reason = REASONS.get(entry.reason, plain(entry.reason)) if entry.reason else ""
    if entry.kind == "pre_checkout":
        refused = entry.decision != "ok"
        title = f"Pre-checkout refused: {reason}" if refused else "Pre-checkout approved"
        return "bad" if refused else "good", title, offer
    if entry.kind == "invoice_issued" and invoice:
        return tone, title, f"{offer}, by {METHODS[invoice.method]}"
    if entry.kind == "charge_standing":  # of the price nothing is said: a dispute or a part is of less
        return tone, title, _GOES_ON if entry.decision == "granted" else plain(entry.decision or "")
    if payment and entry.kind == "successful_payment":
        decided = plain(entry.decision or "")
        text = f"{decided}{': ' if reason else ''}{reason}"
        return _DECIDED.get(entry.decision or "", tone), f"Paid {payment.charge.paid}", text
    if payment and entry.kind == "refunded_payment":
        return tone, f"Given back {payment.charge.paid}", ""
    if entry.kind == REFUND_CAME_BACK:  # how much of it is not told either
        return tone, title, ""
    if payment and entry.kind.startswith("refund_"):
        return tone, title, str(payment.charge.paid)
    return tone, title, reason or offer


def _letter(letter: LetterShown) -> Line:
    what = message(letter.kind)
    if letter.given_up_at:
        return Line(at=letter.created_at, tone="bad", title=f"Message not sent: {what}", text=letter.problem or "")
    if letter.sent_at:
        return Line(at=letter.created_at, tone="plain", title=f"Message sent: {what}")
    return Line(
        at=letter.created_at, tone="waits", title=f"Message waits to be sent: {what}", text=letter.problem or ""
    )


WIDTH: Final = 1000
BEYOND: Final = timedelta(days=30)
"""How much is shown of what has no end, at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A span as a piece of a line that is 1000 wide, and what it is; `now` is where this moment lies on it."""

    entitlement: Entitlement
    state: str
    x: int
    width: int
    now: int


def bars(entitlements: Sequence[Entitlement], now: datetime) -> list[Bar]:
    """All on one scale, from the first start to the last end that is known, now within."""
    if not entitlements:
        return []
    ends = [_end(entitlement) for entitlement in entitlements]
    first = min([now, *(entitlement.starts_at for entitlement in entitlements)])
    known = max([now, *(end for end in ends if end is not None)])
    last = known + max((known - first) / 4, BEYOND) if None in ends else known
    whole = (last - first).total_seconds() or 1.0

    def place(moment: datetime) -> int:
        return round(WIDTH * (moment - first).total_seconds() / whole)

    return [
        Bar(
            entitlement=entitlement,
            state=_state(entitlement, now),
            x=place(entitlement.starts_at),
            width=max(4, place(end or last) - place(entitlement.starts_at)),
            now=place(now),
        )
        for entitlement, end in zip(entitlements, ends, strict=True)
    ]


def _end(entitlement: Entitlement) -> datetime | None:
    """What was ended before it began has no length."""
    end = entitlement.ends_at
    return None if end is None else max(end, entitlement.starts_at)


def _state(entitlement: Entitlement, now: datetime) -> str:
    if entitlement.revoked_at is not None:
        return "revoked"
    if not entitlement.lasts(now):
        return "over"
    return "later" if entitlement.starts_at > now else "active"
