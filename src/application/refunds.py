"""Taking note of money that a provider gave back."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from application.messages import Letter, PaymentReturned, Price
from application.ports import Clock, Ids, Journal, TrailEntry, Transaction, UnitOfWork
from domain.entitlement import Entitlement, Revocation, holdings, revoke
from domain.events import EntitlementRevoked, Event, PaymentRefunded, RefundCameFirst
from domain.ids import EntitlementId
from domain.payment import Payment, PaymentStatus, Refund


@dataclass(frozen=True, slots=True)
class RecordRefund:
    """A provider's word that a charge was given back: the access that it paid for ends, once.

    It may come before its payment, which then grants nothing. Who is concerned is known from the stored charge;
    whom the message names as its sender is not believed.
    """

    work: UnitOfWork
    clock: Clock
    ids: Ids
    journal: Journal

    def __call__(self, refund: Refund) -> None:
        events: list[Event] = []
        with self.work.begin() as tx:
            tx.lock(charges=[refund.key])
            now = self.clock.now()
            if not tx.refunds.add_new(refund):
                return
            payment = tx.payments.of([refund.key]).get(refund.key)
            tx.trail.add([_entry(refund, payment, now)])
            if payment is None:
                events.append(RefundCameFirst(refund=refund))
            elif payment.status is not PaymentStatus.REFUNDED:
                tx.lock(users=[payment.charge.payer])
                refunded = payment.refunded(refund.refunded_at)
                tx.payments.update(refunded)
                span, ended = self._end(tx, payment, now)
                tx.outbox.add([_letter(tx, payment, ended=ended)], now)
                events.append(PaymentRefunded(payment=refunded))
                if span:
                    events.append(EntitlementRevoked(entitlement=span))
        self.journal.record(*events)

    def _end(self, tx: Transaction, payment: Payment, now: datetime) -> tuple[Entitlement | None, bool]:
        """The span that the payment opened, and whether the user lost the plan with it."""
        if living := tx.entitlements.living_of(payment.id):
            revocation = end_access(tx, living, self.ids, now)
            return revocation.ended[0], revocation.lost
        # Interrupted by a dispute: what was left of it will never go on.
        interrupted = tx.entitlements.get(payment.suspended) if payment.suspended else None
        if interrupted is None:
            return None, False
        held = holdings(tx.entitlements.held_by([interrupted.user_id], now).get(interrupted.user_id, ()), now)
        return interrupted, interrupted.plan_code not in held


def end_access(tx: Transaction, living: Entitlement, ids: Ids, now: datetime) -> Revocation:
    """End that span at once, and let later spans of the plan move up."""
    held = tx.entitlements.held_by([living.user_id], now).get(living.user_id, ())
    revocation = revoke(living, among=held, new_ids=_new_ids(ids), now=now)
    tx.entitlements.end(revocation.ended)
    tx.entitlements.add(revocation.moved)
    return revocation


def _new_ids(ids: Ids) -> Iterator[EntitlementId]:
    while True:
        yield ids.entitlement()


def _letter(tx: Transaction, payment: Payment, *, ended: bool) -> Letter:
    """Tells of what was left of the payment until now: of a part that went back before, the user knows."""
    charge = payment.charge
    invoice = tx.invoices.of([payment.invoice_id]).get(payment.invoice_id) if payment.invoice_id else None
    return Letter(
        bot=charge.bot,
        chat_id=charge.payer,
        language=invoice.language if invoice else "en",
        message=PaymentReturned(
            price=Price(amount=payment.left, currency=charge.paid.currency),
            plan=invoice.offer.title if invoice else None,
            ended=ended,
        ),
    )


def _entry(refund: Refund, payment: Payment | None, now: datetime) -> TrailEntry:
    return TrailEntry(
        kind="refunded_payment",
        bot=refund.bot,
        at=now,
        user_id=payment.charge.payer if payment else None,
        invoice_id=payment.invoice_id if payment else None,
        charge_id=refund.charge_id,
        decision=PaymentStatus.REFUNDED,
        message=refund.message,
    )
