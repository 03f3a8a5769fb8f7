"""All that is known of one user, and of one payment: what an operator reads before deciding anything."""

import heapq
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from application.books import LetterShown, People, Person, Register
from application.ports.pages import Page
from application.ports.surroundings import Clock
from application.ports.trail import KeptEntry, TrailEntry, TrailFilter
from application.ports.work import Transaction, UnitOfWork
from application.refund_requests import waiting_among
from domain.entitlement import Entitlement
from domain.errors import InvalidRequest, NotFound
from domain.ids import ChargeId, InvoiceId, PaymentId, UserId
from domain.invoice import Invoice
from domain.payment import Payment, Provider

MOMENTS: Final = 50
LINES: Final = 200
_PLACE = re.compile(r"([0-9]{1,18})-([0-9]{1,18})", re.ASCII)

Moment = KeptEntry | LetterShown


@dataclass(frozen=True, slots=True, kw_only=True)
class UserHistory:
    """`moments` are the newest first; `invoices` and `payments` those that they speak of. `entitlements` are all that
    the user ever had, latest start first."""

    user_id: UserId
    at: datetime
    person: Person | None
    entitlements: Sequence[Entitlement]
    moments: Sequence[Moment]
    invoices: Mapping[InvoiceId, Invoice]
    payments: Mapping[ChargeId, Payment]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class ShowUser:
    work: UnitOfWork
    register: Register
    people: People
    clock: Clock

    def __call__(self, user_id: UserId, cursor: str | None = None) -> UserHistory:
        """Raises InvalidRequest for a cursor that we never gave."""
        trail_below, letters_below = _place(cursor)
        lines = self.register.trail_of(user_id, before=trail_below, limit=MOMENTS + 1)
        letters = self.register.letters_to(user_id, before=letters_below, limit=MOMENTS + 1)
        # Each kind stays in the order of its numbers, whatever the clock did: by them one goes on.
        kinds: tuple[Sequence[Moment], Sequence[Moment]] = (lines, letters)
        both = list(heapq.merge(*kinds, key=_order, reverse=True))
        shown, more = both[:MOMENTS], len(both) > MOMENTS
        with self.work.look() as tx:
            invoices, payments = _spoken_of(tx, [m.entry for m in shown if isinstance(m, KeptEntry)])
            entitlements = tx.entitlements.of_user(user_id)
        return UserHistory(
            user_id=user_id,
            at=self.clock.now(),
            person=self.people.of([user_id]).get(user_id),
            entitlements=entitlements,
            moments=shown,
            invoices=invoices,
            payments=payments,
            next_cursor=_cursor(shown, trail_below, letters_below) if more else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentHistory:
    """`lines` of the audit trail about its charge and its invoice, the newest first; `asked` is the request for a
    refund that waits for a second person; `entitlement` what it opens, or has opened."""

    payment: Payment
    at: datetime
    person: Person | None
    invoice: Invoice | None
    entitlement: Entitlement | None
    paid_by: Payment | None
    lines: Sequence[KeptEntry]
    asked: TrailEntry | None


@dataclass(frozen=True, slots=True)
class ShowPaymentHistory:
    work: UnitOfWork
    people: People
    clock: Clock

    def __call__(self, payment_id: PaymentId) -> PaymentHistory:
        """`paid_by` is the other payment that settled its invoice, where one did. Raises NotFound."""
        with self.work.look() as tx:
            payment = tx.payments.get(payment_id)
            if payment is None:
                raise NotFound("There is no such payment.")
            charge = payment.charge
            invoice = tx.invoices.of([payment.invoice_id]).get(payment.invoice_id) if payment.invoice_id else None
            entitlement = tx.entitlements.living_of(payment.id)
            if entitlement is None and payment.suspended:
                entitlement = tx.entitlements.get(payment.suspended)
            of_charge = tx.trail.found(TrailFilter(charge_id=charge.charge_id), Page(limit=LINES)).items
            lines = {kept.id: kept for kept in of_charge}
            paid_by = None
            if invoice:
                of_invoice = tx.trail.found(TrailFilter(invoice_id=invoice.id), Page(limit=LINES)).items
                lines |= {kept.id: kept for kept in of_invoice if kept.entry.charge_id in (None, charge.charge_id)}
                if invoice.settled_by not in (None, charge.charge_id):
                    paid_by = _charges(tx, [invoice.settled_by]).get(invoice.settled_by)
        return PaymentHistory(
            payment=payment,
            at=self.clock.now(),
            person=self.people.of([charge.payer]).get(charge.payer),
            invoice=invoice,
            entitlement=entitlement,
            paid_by=paid_by,
            lines=sorted(lines.values(), key=lambda kept: kept.id, reverse=True),
            asked=waiting_among(kept.entry for kept in of_charge),
        )


def _spoken_of(
    tx: Transaction, entries: Sequence[TrailEntry]
) -> tuple[Mapping[InvoiceId, Invoice], Mapping[ChargeId, Payment]]:
    invoices = tx.invoices.of(list(dict.fromkeys(e.invoice_id for e in entries if e.invoice_id)))
    return invoices, _charges(tx, [e.charge_id for e in entries if e.charge_id])


def _charges(tx: Transaction, charges: Sequence[ChargeId]) -> Mapping[ChargeId, Payment]:
    """The trail does not say whose charge ids these are."""
    keys = [(provider, charge_id) for charge_id in dict.fromkeys(charges) for provider in Provider]
    return {charge_id: payment for (_, charge_id), payment in tx.payments.of(keys).items()}


def _order(moment: Moment) -> tuple[datetime, bool, int]:
    if isinstance(moment, KeptEntry):
        return moment.entry.at, False, moment.id
    return moment.created_at, True, moment.id


def _place(cursor: str | None) -> tuple[int | None, int | None]:
    """Below which line of the trail, and below which letter, to go on."""
    if cursor is None:
        return None, None
    written = _PLACE.fullmatch(cursor)
    if written is None:
        raise InvalidRequest("The cursor is none of ours.")
    return int(written[1]), int(written[2])


def _cursor(shown: Sequence[Moment], trail_below: int | None, letters_below: int | None) -> str:
    """Of each kind the last that was shown; a kind of which nothing was shown yet goes on where it was."""
    lines = [m.id for m in shown if isinstance(m, KeptEntry)]
    letters = [m.id for m in shown if not isinstance(m, KeptEntry)]
    far = 10**18 - 1
    return f"{lines[-1] if lines else trail_below or far}-{letters[-1] if letters else letters_below or far}"
