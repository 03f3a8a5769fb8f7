"""Taking note of money that a provider gave back."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from application.feed import tell
from application.messages import Letter, PaymentReturned, Price
from application.ports.surroundings import Clock, Ids, Journal
from application.ports.trail import TrailEntry
from application.ports.work import Transaction, UnitOfWork
from domain.entitlement import Entitlement, Revocation, holdings, reinstate, revoke
from domain.events import EntitlementRevoked, Event, PaymentRefunded, RefundCameFirst, RefundConflicted
from domain.ids import EntitlementId, UserId
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
        with self.work.begin() as tx:
            tx.lock(charges=[refund.key])
            events = take_back(tx, refund, self.ids, self.clock.now())
        self.journal.record(*events)


def take_back(
    tx: Transaction, refund: Refund, ids: Ids, now: datetime, *, actor: str | None = None, note: str | None = None
) -> list[Event]:
    """Enter a refund that has happened; again, it changes nothing. The charge must be locked.

    What tells of other money than the charge is kept as a conflict and not believed. `actor` and `note` say who vouches
    for it, and why, where no provider does.
    """
    new = tx.refunds.add_new(refund)
    payment = tx.payments.of([refund.key]).get(refund.key)
    if payment is None and new:
        tx.trail.add([_entry(refund, None, now, actor, note)])
        return [RefundCameFirst(refund=refund)]
    if payment is None or not refund.gives_back(payment.charge):
        if not new and tx.refunds.of([refund.key])[refund.key].same_facts(refund):
            return []
        tx.trail.add([conflict(refund, payment, now)])
        return [RefundConflicted(refund=refund, payment=payment)]
    tx.refund_orders.done(refund.key, now)
    tx.trail.add([_entry(refund, payment, now, actor, note)])  # which keeps one of each charge
    # Decided by the payment, not by whether the refund is new: a false one may have been there first.
    if payment.status is PaymentStatus.REFUNDED:
        return []
    tx.lock(users=concerned(tx, payment))
    refunded = payment.refunded(refund.refunded_at)
    tx.payments.update(refunded)
    revoked, ended = _end(tx, payment, ids, now)
    tx.outbox.add([_letter(tx, payment, ended=ended)], now)
    events: list[Event] = [PaymentRefunded(payment=refunded)]
    return tell(tx, [*events, revoked] if revoked else events, now)


def conflict(refund: Refund, payment: Payment | None, now: datetime) -> TrailEntry:
    """What the trail keeps of a refund that tells of other money."""
    return replace(
        _entry(refund, payment, now, None, None),
        kind="refund_conflict",
        decision=payment.status if payment else None,
    )


def concerned(tx: Transaction, payment: Payment) -> list[UserId]:
    """Who paid, and for whom the payment opened the door, who may be somebody else."""
    opened = tx.entitlements.living_of(payment.id)
    if opened is None and payment.suspended:
        opened = tx.entitlements.get(payment.suspended)
    payer = payment.charge.payer
    return [payer] if opened is None or opened.user_id == payer else [payer, opened.user_id]


def end_access(tx: Transaction, living: Entitlement, ids: Ids, now: datetime) -> Revocation:
    """End that span at once, and let later spans of the plan move up."""
    held = tx.entitlements.held_by([living.user_id], now).get(living.user_id, ())
    revocation = revoke(living, among=held, new_ids=_new_ids(ids), now=now)
    tx.entitlements.end(revocation.ended)
    tx.entitlements.add(revocation.moved)
    return revocation


def reopen_access(tx: Transaction, interrupted: Entitlement, ids: Ids, now: datetime) -> Entitlement:
    """The span that goes on after one that was interrupted; its user must be locked. It follows all that ends of what
    is held, also beside what is held for life: that may be given back, and then each has its own time."""
    among = tx.entitlements.of_user(interrupted.user_id)
    held = holdings([span for span in among if span.expires_at is not None], now).get(interrupted.plan_code)
    return reinstate(interrupted, id=ids.entitlement(), among=among, held=held, now=now)


def _end(tx: Transaction, payment: Payment, ids: Ids, now: datetime) -> tuple[EntitlementRevoked | None, bool]:
    """The end of the span that the payment opened, and whether the user lost the plan with it."""
    if living := tx.entitlements.living_of(payment.id):
        revocation = end_access(tx, living, ids, now)
        return EntitlementRevoked(entitlement=revocation.ended[0], moved_up=revocation.moved_up), revocation.lost
    # Interrupted by a dispute: what was left of it will never go on.
    interrupted = tx.entitlements.get(payment.suspended) if payment.suspended else None
    if interrupted is None:
        return None, False
    held = holdings(tx.entitlements.held_by([interrupted.user_id], now).get(interrupted.user_id, ()), now)
    return EntitlementRevoked(entitlement=interrupted), interrupted.plan_code not in held


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


def _entry(refund: Refund, payment: Payment | None, now: datetime, actor: str | None, note: str | None) -> TrailEntry:
    return TrailEntry(
        kind="refunded_payment",
        bot=refund.bot,
        at=now,
        user_id=payment.charge.payer if payment else None,
        invoice_id=payment.invoice_id if payment else None,
        charge_id=refund.charge_id,
        decision=PaymentStatus.REFUNDED,
        message=refund.message,
        actor=actor,
        note=note,
    )
