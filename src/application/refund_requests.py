"""Refunds that a person asks for at the console. Large ones wait for a second person, where there is one.

Who asked, who agreed and who said no stands on the audit trail, and only there: whether a request waits follows from
the last line about its charge.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from application.ports.pages import Page
from application.ports.surroundings import Clock, Ids, Journal
from application.ports.trail import TrailEntry, TrailFilter
from application.ports.work import Transaction, UnitOfWork
from application.refund_orders import give_back, hold
from domain.errors import Conflict, Forbidden
from domain.ids import PaymentId
from domain.payment import Payment, PaymentStatus
from domain.returning import can_be_given_back

ASKED: Final = "refund_asked"
ANSWERS: Final = frozenset(
    {"refund_declined", "refund_approved", "refund_ordered", "refunded_payment", "payment_resolved"}
)
LOOKED_BACK: Final = 200
"""Lines about one charge among which its request is looked for."""


@dataclass(frozen=True, slots=True)
class RequestRefund:
    """A person wants a payment given back. `above` names, by currency, the sums beyond which one person is not
    enough."""

    work: UnitOfWork
    clock: Clock
    ids: Ids
    journal: Journal
    above: Mapping[str, int]

    def __call__(self, payment_id: PaymentId, *, reason: str, actor: str, second: bool) -> tuple[Payment, bool]:
        """The payment as it stands then, and whether it waits for a second person; `second` tells if there is one.
        Asked again by the same person nothing changes.

        Raises NotFound; Conflict where it can't be given back, or somebody else has asked already.
        """
        with self.work.begin() as tx:
            payment = hold(tx, payment_id)
            waiting = waiting_request(tx, payment)
            if waiting and waiting.actor != actor:
                raise Conflict(f"{waiting.actor} has asked for this refund already: approve or decline it.")
            now, outside = self.clock.now(), not can_be_given_back(payment.charge.method)
            if not second or not self.is_large(payment):
                payment, events = give_back(
                    tx, payment, self.ids, reason=reason, asked_by=actor, now=now, outside=outside
                )
            elif payment.status in (PaymentStatus.REFUND_PENDING, PaymentStatus.REFUNDED):
                raise Conflict(f"This payment is {payment.status.replace('_', ' ')} already.")
            else:
                if waiting is None:
                    tx.trail.add([TrailEntry.of_payment(ASKED, payment, now, actor=actor, note=reason)])
                return payment, True
        self.journal.record(*events)
        return payment, False

    def is_large(self, payment: Payment) -> bool:
        paid = payment.charge.paid
        return paid.currency in self.above and paid.amount > self.above[paid.currency]


@dataclass(frozen=True, slots=True)
class AnswerRefundRequest:
    """A second person agrees to a refund that somebody has asked for, or anybody says no to it."""

    work: UnitOfWork
    clock: Clock
    ids: Ids
    journal: Journal

    def approve(self, payment_id: PaymentId, *, actor: str) -> Payment:
        """The payment as it stands then. Raises NotFound; Conflict where nobody waits for it, and Forbidden for the
        person who has asked."""
        with self.work.begin() as tx:
            payment = hold(tx, payment_id)
            waiting = _required(tx, payment)
            if waiting.actor == actor:
                raise Forbidden("Who asked for a refund can't approve it; another operator must.")
            now, outside = self.clock.now(), not can_be_given_back(payment.charge.method)
            tx.trail.add([TrailEntry.of_payment("refund_approved", payment, now, actor=actor, note=waiting.note)])
            payment, events = give_back(
                tx,
                payment,
                self.ids,
                reason=waiting.note or "",
                asked_by=waiting.actor or "",
                now=now,
                outside=outside,
            )
        self.journal.record(*events)
        return payment

    def decline(self, payment_id: PaymentId, *, reason: str, actor: str) -> Payment:
        """The payment, which stays as it is. Raises NotFound, and Conflict where nobody waits for it."""
        with self.work.begin() as tx:
            payment = hold(tx, payment_id)
            _required(tx, payment)
            tx.trail.add(
                [TrailEntry.of_payment("refund_declined", payment, self.clock.now(), actor=actor, note=reason)]
            )
        return payment


def waiting_request(tx: Transaction, payment: Payment) -> TrailEntry | None:
    """The request that waits for a second person."""
    wanted = TrailFilter(charge_id=payment.charge.charge_id)
    return waiting_among(kept.entry for kept in tx.trail.found(wanted, Page(limit=LOOKED_BACK)).items)


def waiting_among(entries: Iterable[TrailEntry]) -> TrailEntry | None:
    """The request that was not answered, of what is known of one charge, the newest first."""
    for entry in entries:
        if entry.kind == ASKED:
            return entry
        if entry.kind in ANSWERS:
            return None
    return None


def _required(tx: Transaction, payment: Payment) -> TrailEntry:
    waiting = waiting_request(tx, payment)
    if waiting is None:
        raise Conflict("Nobody has asked for a refund of this payment, or it was answered already.")
    return waiting
