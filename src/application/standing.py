"""Following a charge after it was settled: refunds in part, and disputes that interrupt access."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from application.feed import tell
from application.messages import AccessRestored, AccessSuspended, Letter, Message, PartReturned, Price
from application.ports.pages import Page
from application.ports.surroundings import Clock, Ids, Journal
from application.ports.trail import KeptEntry, TrailEntry, TrailFilter
from application.ports.work import Transaction, UnitOfWork
from application.refunds import concerned, end_access, reopen_access
from domain.entitlement import Entitlement
from domain.events import EntitlementRestored, EntitlementSuspended, Event, PaymentPartlyRefunded, RefundFailed
from domain.ids import EntitlementId
from domain.invoice import Invoice
from domain.payment import ChargeStanding, Payment, PaymentStatus

REFUND_CAME_BACK: Final = "refund_came_back"
LOOKED_BACK: Final = 200
"""Lines about one charge among which it is looked for whether somebody was told."""

_News = tuple[Event, Message | None]
"""What happened, for the operator and for the user."""


@dataclass(frozen=True, slots=True)
class FollowCharge:
    """Bring a payment to where its provider says that its charge stands.

    What went back in part is recorded and leaves the access. A dispute interrupts it once it has taken the money, and
    what was left of it goes on once the dispute is won. What is given back in whole is `RecordRefund`'s. Where money
    that went back comes back, since the buyer could not be paid with it, somebody is told, and has to see to it: the
    buyer has neither it nor the access.
    """

    work: UnitOfWork
    clock: Clock
    ids: Ids
    journal: Journal

    def __call__(self, standing: ChargeStanding) -> None:
        """Does nothing for a charge that is not known; of one that was given back only the disputes are noted."""
        news: list[_News] = []
        failed: list[Event] = []
        with self.work.begin() as tx:
            tx.lock(charges=[standing.key])
            now = self.clock.now()
            before = tx.payments.of([standing.key]).get(standing.key)
            if before is None:
                return
            tx.lock(users=concerned(tx, before))
            if before.came_back(standing):
                failed = _told_of_failure(tx, before, standing, now)
            after = before.told(standing)
            invoice = tx.invoices.of([after.invoice_id]).get(after.invoice_id) if after.invoice_id else None
            if after.given_back:
                after = replace(before, disputes=after.disputes)
            else:
                if after.amount_refunded != before.amount_refunded:
                    news.append((PaymentPartlyRefunded(payment=after), _part(before, after, invoice)))
                if after.in_dispute and after.suspended is None:
                    after, suspended = self._suspend(tx, after, invoice, now)
                    news += suspended
                elif after.suspended and not after.in_dispute:
                    after, restored = self._restore(tx, after, after.suspended, invoice, now)
                    news += restored
            if after != before:
                tx.payments.update(after)
                tx.trail.add([_entry(after, now)])
                tx.outbox.add([_letter(after, invoice, message) for _, message in news if message], now)
            events = tell(tx, [event for event, _ in news], now)
        self.journal.record(*failed, *events)

    def _suspend(
        self, tx: Transaction, payment: Payment, invoice: Invoice | None, now: datetime
    ) -> tuple[Payment, list[_News]]:
        living = tx.entitlements.living_of(payment.id)
        if living is None:
            return payment, []  # never granted: there is nothing to interrupt
        # Also what is over by our clock: where that is ahead, the others would still let the user in.
        revocation = end_access(tx, living, self.ids, now)
        interrupted = revocation.ended[0]
        suspended = replace(payment, suspended=interrupted.id)
        message = None
        if living.held(now):
            message = AccessSuspended(plan=_title(interrupted, invoice), ended=revocation.lost)
        event = EntitlementSuspended(entitlement=interrupted, payment=suspended, moved_up=revocation.moved_up)
        return suspended, [(event, message)]

    def _restore(
        self, tx: Transaction, payment: Payment, suspended: EntitlementId, invoice: Invoice | None, now: datetime
    ) -> tuple[Payment, list[_News]]:
        restored = replace(payment, suspended=None)
        interrupted = tx.entitlements.get(suspended)
        if interrupted is None:
            return restored, []
        resumed = reopen_access(tx, interrupted, self.ids, now)
        tx.entitlements.add([resumed])
        message = None
        if resumed.held(now):
            message = AccessRestored(plan=_title(resumed, invoice), expires_at=resumed.expires_at)
        return restored, [(EntitlementRestored(entitlement=resumed, payment=restored), message)]


def not_arrived(lines: Iterable[KeptEntry]) -> str | None:
    """Why the buyer of a payment that was given back has not got it, where that was told."""
    told = (kept.entry for kept in lines if kept.entry.kind == REFUND_CAME_BACK)
    return next((entry.note for entry in told if entry.decision == PaymentStatus.REFUNDED), None)


def _told_of_failure(tx: Transaction, payment: Payment, standing: ChargeStanding, now: datetime) -> list[Event]:
    """Once for each number of them, however often that is told."""
    refunds = "a refund" if standing.refunds_failed == 1 else f"{standing.refunds_failed} refunds"
    problem = f"the buyer's bank did not take {refunds} that had been made; the money is yours again"
    known = tx.trail.found(TrailFilter(charge_id=payment.charge.charge_id), Page(limit=LOOKED_BACK)).items
    if any((kept.entry.kind, kept.entry.note) == (REFUND_CAME_BACK, problem) for kept in known):
        return []
    tx.trail.add([TrailEntry.of_payment(REFUND_CAME_BACK, payment, now, note=problem)])
    return [RefundFailed(payment=payment, problem=problem)]


def _title(entitlement: Entitlement, invoice: Invoice | None) -> str:
    return invoice.offer.title if invoice else entitlement.plan_code


def _part(before: Payment, after: Payment, invoice: Invoice | None) -> PartReturned:
    currency = after.charge.paid.currency
    return PartReturned(
        price=Price(amount=after.amount_refunded - before.amount_refunded, currency=currency),
        left=Price(amount=after.left, currency=currency),
        plan=invoice.offer.title if invoice else None,
    )


def _letter(payment: Payment, invoice: Invoice | None, message: Message) -> Letter:
    charge = payment.charge
    language = invoice.language if invoice else "en"
    return Letter(bot=charge.bot, chat_id=charge.payer, language=language, message=message)


def _entry(payment: Payment, now: datetime) -> TrailEntry:
    charge = payment.charge
    return TrailEntry(
        kind="charge_standing",
        bot=charge.bot,
        at=now,
        user_id=charge.payer,
        invoice_id=payment.invoice_id,
        charge_id=charge.charge_id,
        decision="suspended" if payment.suspended else payment.status,
    )
