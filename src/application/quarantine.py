"""Resolving what is in quarantine: a person grants it or has it given back, and says why."""

from dataclasses import dataclass, replace
from datetime import datetime

from application.feed import tell
from application.messages import Confirmation, Letter, Price
from application.ports.surroundings import Clock, Ids, Journal
from application.ports.trail import TrailEntry
from application.ports.work import UnitOfWork
from application.refund_orders import hold, order
from application.refunds import reopen_access
from application.shop import Shop
from domain.catalog import Offer
from domain.entitlement import Entitlement, grant, holdings
from domain.errors import Conflict, InvalidRequest
from domain.events import PaymentResolved
from domain.ids import PaymentId, UserId
from domain.invoice import Invoice
from domain.payment import Payment, PaymentStatus


@dataclass(frozen=True, slots=True)
class GrantQuarantined:
    """Open the door for a payment that no rule lets us grant."""

    work: UnitOfWork
    clock: Clock
    ids: Ids
    shop: Shop
    journal: Journal

    def __call__(
        self,
        payment_id: PaymentId,
        *,
        reason: str,
        actor: str,
        plan_code: str | None = None,
        user_id: UserId | None = None,
    ) -> Payment:
        """The payment as it stands then. Without a plan it is the invoice's, without a user who paid. What had opened
        the door before it was held back, opens it for the time that was left; where none was, it stays as it was.

        Raises NotFound; Conflict where it is not in quarantine, disputed, or the plan is held for life; UnknownPlan;
        InvalidRequest where no plan is named and no invoice is known.
        """
        with self.work.begin() as tx:
            payment = hold(tx, payment_id)
            _require_quarantined(payment)
            if payment.in_dispute:
                raise Conflict("This payment is disputed; its money is gone until the dispute is won.")
            invoice = tx.invoices.of([payment.invoice_id]).get(payment.invoice_id) if payment.invoice_id else None
            interrupted = tx.entitlements.get(payment.suspended) if payment.suspended else None
            offer = self._offer(payment, invoice, plan_code)
            user = user_id or (interrupted.user_id if interrupted else payment.charge.payer)
            tx.lock(users=[user, payment.charge.payer])
            now = self.clock.now()
            held = holdings(tx.entitlements.held_by([user], now).get(user, ()), now).get(offer.plan_code)
            if held is not None and held.endless:
                raise Conflict(f"{offer.title!r} is held for life already; give the money back instead.")
            if interrupted and (interrupted.user_id, interrupted.plan_code) == (user, offer.plan_code):
                granted = reopen_access(tx, interrupted, self.ids, now)
            else:
                id = self.ids.entitlement()
                granted = grant(offer, id=id, user_id=user, payment_id=payment.id, held=held, now=now)
            granted = replace(granted, granted_by=actor, reason=reason)
            resolved = replace(
                payment,
                status=PaymentStatus.GRANTED,
                quarantine_reason=None,
                plan_code=offer.plan_code,
                suspended=None,
            )
            tx.payments.update(resolved)
            tx.entitlements.add([granted])
            if invoice and invoice.settled_by is None and offer == invoice.offer:
                tx.invoices.settle({invoice.id: payment.charge.charge_id})
            tx.trail.add([_entry(resolved, now, actor, reason)])
            if granted.held(now):
                tx.outbox.add([_letter(resolved, granted, offer, invoice, extends=held is not None)], now)
            events = tell(tx, [PaymentResolved(payment=resolved, entitlement=granted, actor=actor)], now)
        self.journal.record(*events)
        return resolved

    def _offer(self, payment: Payment, invoice: Invoice | None, plan_code: str | None) -> Offer:
        if invoice and plan_code in (None, invoice.offer.plan_code):
            return invoice.offer
        if plan_code is None:
            raise InvalidRequest("plan_code: is required, since the payment names no invoice of ours.")
        return self.shop.plan(plan_code).sold_for(payment.charge.paid)


@dataclass(frozen=True, slots=True)
class RefundQuarantined:
    """Have a payment in quarantine given back."""

    work: UnitOfWork
    clock: Clock
    journal: Journal

    def __call__(self, payment_id: PaymentId, *, reason: str, actor: str) -> Payment:
        """The payment as it stands then. Raises NotFound, and Conflict where it is not in quarantine or its provider
        does not give it back for us."""
        with self.work.begin() as tx:
            payment = hold(tx, payment_id)
            _require_quarantined(payment)
            pending, events = order(tx, payment, reason=reason, asked_by=actor, now=self.clock.now())
        self.journal.record(*events)
        return pending


def _require_quarantined(payment: Payment) -> None:
    if payment.status is not PaymentStatus.QUARANTINED:
        raise Conflict(f"This payment is not in quarantine; it is {payment.status.replace('_', ' ')}.")


def _letter(payment: Payment, granted: Entitlement, offer: Offer, invoice: Invoice | None, *, extends: bool) -> Letter:
    paid = payment.charge.paid
    return Letter(
        bot=payment.charge.bot,
        chat_id=granted.user_id,
        language=invoice.language if invoice else "en",
        message=Confirmation(
            plan=offer.title,
            price=Price(amount=paid.amount, currency=paid.currency),
            starts_at=granted.starts_at,
            expires_at=granted.expires_at,
            extends=extends,
        ),
    )


def _entry(payment: Payment, now: datetime, actor: str, reason: str) -> TrailEntry:
    charge = payment.charge
    return TrailEntry(
        kind="payment_resolved",
        bot=charge.bot,
        at=now,
        user_id=charge.payer,
        invoice_id=payment.invoice_id,
        charge_id=charge.charge_id,
        decision=payment.status,
        actor=actor,
        note=reason,
    )
