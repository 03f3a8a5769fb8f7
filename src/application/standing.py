"""Following a charge after it was settled: refunds in part, and disputes that interrupt access."""

from dataclasses import dataclass, replace
from datetime import datetime

from application.messages import AccessRestored, AccessSuspended, Letter, Message, PartReturned, Price
from application.ports import Clock, Ids, Journal, TrailEntry, Transaction, UnitOfWork
from application.refunds import end_access
from domain.entitlement import Entitlement, holdings, resume
from domain.events import EntitlementRestored, EntitlementSuspended, Event, PaymentPartlyRefunded
from domain.ids import EntitlementId
from domain.invoice import Invoice
from domain.payment import ChargeStanding, Payment, PaymentStatus


@dataclass(frozen=True, slots=True)
class FollowCharge:
    """Bring a payment to where its provider says that its charge stands.

    What went back in part is recorded and leaves the access. A dispute interrupts it once it has taken the money, and
    what was left of it goes on once the dispute is won. What is given back in whole is `RecordRefund`'s.
    """

    work: UnitOfWork
    clock: Clock
    ids: Ids
    journal: Journal

    def __call__(self, standing: ChargeStanding) -> None:
        """Does nothing for a charge that is not known, or was given back."""
        events: list[Event] = []
        with self.work.begin() as tx:
            tx.lock(charges=[standing.key])
            now = self.clock.now()
            before = tx.payments.of([standing.key]).get(standing.key)
            if before is None or before.status is PaymentStatus.REFUNDED:
                return
            tx.lock(users=[before.charge.payer])
            after = before.told(standing)
            told: list[Message] = []
            invoice = tx.invoices.of([after.invoice_id]).get(after.invoice_id) if after.invoice_id else None
            if after.amount_refunded != before.amount_refunded:
                events.append(PaymentPartlyRefunded(payment=after))
                told.append(_part(before, after, invoice))
            if after.in_dispute and not before.in_dispute:
                if revocation := end_access(tx, after, self.ids, now):
                    interrupted = revocation.ended[0]
                    after = replace(after, suspended=interrupted.id)
                    events.append(EntitlementSuspended(entitlement=interrupted, payment=after))
                    told.append(AccessSuspended(plan=_title(interrupted, invoice)))
            elif after.suspended and not after.in_dispute:
                resumed = self._resume(tx, after.suspended, now)
                after = replace(after, suspended=None)
                if resumed:
                    events.append(EntitlementRestored(entitlement=resumed, payment=after))
                    told.append(AccessRestored(plan=_title(resumed, invoice), expires_at=resumed.expires_at))
            if after == before:
                return
            tx.payments.update(after)
            tx.trail.add([_entry(after, now)])
            tx.outbox.add([_letter(after, invoice, message) for message in told], now)
        self.journal.record(*events)

    def _resume(self, tx: Transaction, suspended: EntitlementId, now: datetime) -> Entitlement | None:
        interrupted = tx.entitlements.get(suspended)
        if interrupted is None:
            return None
        held = holdings(tx.entitlements.held_by([interrupted.user_id], now).get(interrupted.user_id, ()), now)
        resumed = resume(interrupted, id=self.ids.entitlement(), held=held.get(interrupted.plan_code), now=now)
        tx.entitlements.add([resumed] if resumed else [])
        return resumed


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
