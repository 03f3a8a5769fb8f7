"""Taking note of money that a provider gave back."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from application.messages import Letter, PaymentReturned, Price
from application.ports import Clock, Ids, Journal, TrailEntry, Transaction, UnitOfWork
from domain.entitlement import Revocation, revoke
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
                revocation = end_access(tx, payment, self.ids, now)
                tx.outbox.add([_letter(tx, refunded, ended=revocation is not None and revocation.lost)], now)
                events.append(PaymentRefunded(payment=refunded))
                if revocation:
                    events.append(EntitlementRevoked(entitlement=revocation.ended[0]))
        self.journal.record(*events)


def end_access(tx: Transaction, payment: Payment, ids: Ids, now: datetime) -> Revocation | None:
    """End what that payment opened, and let later spans of the plan move up; None where nothing is open."""
    living = tx.entitlements.living_of(payment.id)
    if living is None:
        return None
    held = tx.entitlements.held_by([living.user_id], now).get(living.user_id, ())
    revocation = revoke(living, among=held, new_ids=_new_ids(ids), now=now)
    tx.entitlements.end(revocation.ended)
    tx.entitlements.add(revocation.moved)
    return revocation


def _new_ids(ids: Ids) -> Iterator[EntitlementId]:
    while True:
        yield ids.entitlement()


def _letter(tx: Transaction, payment: Payment, *, ended: bool) -> Letter:
    charge = payment.charge
    invoice = tx.invoices.of([payment.invoice_id]).get(payment.invoice_id) if payment.invoice_id else None
    return Letter(
        bot=charge.bot,
        chat_id=charge.payer,
        language=invoice.language if invoice else "en",
        message=PaymentReturned(
            price=Price(amount=charge.paid.amount, currency=charge.paid.currency),
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
