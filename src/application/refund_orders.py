"""Giving money back: the one way for a person's decision and for our own.

The order is written down first. Whoever carries it out asks the provider before trying again, so that a time-out or a
crash in the middle never gives the same money back twice. Access ends once the provider has confirmed.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from application.feed import tell
from application.ports.outcomes import LONGEST_ASKED, Rejected, TryLater
from application.ports.refunds import GivenBack, NotYet, Refunder, RefundOrder, ReturnOutcome
from application.ports.surroundings import Clock, Ids, Journal
from application.ports.trail import TrailEntry
from application.ports.work import Transaction, UnitOfWork
from application.refunds import take_back
from domain.errors import Conflict, NotFound, ProviderUnavailable
from domain.events import Event, RefundFailed, RefundOrdered
from domain.ids import PaymentId
from domain.payment import Payment, PaymentStatus, Refund
from domain.returning import can_be_given_back

LEASE = timedelta(seconds=60)
FIRST_PAUSE = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(minutes=10)
DOUBLINGS = 10
UNTIL_TOLD = timedelta(hours=1)
"""How long until a provider that has taken the order is asked whether it is done."""
TRIED_FOR = timedelta(days=14)
"""After that a person has to see to it."""


@dataclass(frozen=True, slots=True)
class OrderRefund:
    """A person decides that a payment be given back."""

    work: UnitOfWork
    clock: Clock
    ids: Ids
    journal: Journal

    def __call__(self, payment_id: PaymentId, *, reason: str, asked_by: str, outside: bool = False) -> Payment:
        """The payment as it stands then; asked again while it is pending, it stays so.

        `outside`: it was given back without us already, as a payment provider's charges must be; that is recorded.
        Raises NotFound, and Conflict where it can't be given back, or not that way.
        """
        with self.work.begin() as tx:
            payment, events = give_back(
                tx,
                hold(tx, payment_id),
                self.ids,
                reason=reason,
                asked_by=asked_by,
                now=self.clock.now(),
                outside=outside,
            )
        self.journal.record(*events)
        return payment


@dataclass(frozen=True, slots=True)
class CarryRefunds:
    """Have providers give back what was ordered."""

    work: UnitOfWork
    clock: Clock
    ids: Ids
    refunder: Refunder
    journal: Journal

    def __call__(self, at_most: int = 1) -> int:
        """How many were taken up. Raises what our own code raised over one of them, once all were tried."""
        with self.work.begin() as tx:
            orders = tx.refund_orders.claim(self.clock.now(), at_most=at_most, lease=LEASE)
            payments = tx.payments.of([order.key for order in orders])
        faults: list[Exception] = []
        for order in orders:
            try:
                outcome = self._ask(payments[order.key], order)
            except Exception as fault:  # ours, not the provider's: it holds up no other order
                faults.append(fault)
                outcome = TryLater(problem=type(fault).__name__)
            self._note(order, outcome)
        if faults:
            raise faults[0]
        return len(orders)

    def _ask(self, payment: Payment, order: RefundOrder) -> ReturnOutcome:
        if order.attempts > 1:  # somebody tried before, and nobody may have learnt what came of it
            try:
                if self.refunder.given_back(payment, order):
                    return GivenBack()
            except ProviderUnavailable as problem:
                return TryLater(problem=str(problem))
        return self.refunder.give_back(payment, order)

    def _note(self, order: RefundOrder, outcome: ReturnOutcome) -> None:
        events: list[Event] = []
        with self.work.begin() as tx:
            tx.lock(charges=[order.key])
            now = self.clock.now()
            payment = tx.payments.of([order.key])[order.key]
            given_up = now - order.asked_at > TRIED_FOR
            match outcome:
                case GivenBack():
                    events = take_back(
                        tx, refund_of(payment, now), self.ids, now, actor=order.asked_by, note=order.reason
                    )
                case NotYet() if not given_up:
                    tx.refund_orders.retry(order, now + UNTIL_TOLD, "the provider has it in hand")
                case TryLater() if not given_up:
                    tx.refund_orders.retry(order, now + pause(order, outcome.after), outcome.problem)
                case Rejected() | TryLater():
                    events = _fail(tx, payment, order, outcome.problem, now)
                case NotYet():
                    events = _fail(tx, payment, order, "the provider has not confirmed it", now)
                case _:
                    assert_never(outcome)
        self.journal.record(*events)


def hold(tx: Transaction, payment_id: PaymentId) -> Payment:
    """The payment, which nobody else changes until the end of the transaction. Raises NotFound."""
    found = tx.payments.get(payment_id)
    if found is None:
        raise NotFound("There is no such payment.")
    tx.lock(charges=[found.charge.key])
    return tx.payments.of([found.charge.key])[found.charge.key]


def give_back(
    tx: Transaction, payment: Payment, ids: Ids, *, reason: str, asked_by: str, now: datetime, outside: bool
) -> tuple[Payment, list[Event]]:
    """Order it, or record that it was done `outside`; the payment as it stands then. Its charge must be locked.

    Raises Conflict where it can't be given back, or not that way.
    """
    if payment.status is PaymentStatus.REFUNDED:
        raise Conflict("This payment was given back already.")
    if not outside:
        return order(tx, payment, reason=reason, asked_by=asked_by, now=now)
    if can_be_given_back(payment.charge.method):
        raise Conflict("This payment is given back by Tollgram itself; leave out that it was done outside.")
    return payment.refunded(now), take_back(tx, refund_of(payment, now), ids, now, actor=asked_by, note=reason)


def order(
    tx: Transaction, payment: Payment, *, reason: str, asked_by: str, now: datetime
) -> tuple[Payment, list[Event]]:
    """Have it given back, and tell the payment as it stands then. Its charge must be locked.

    Raises Conflict where its provider does not do that for us.
    """
    if not can_be_given_back(payment.charge.method):
        raise Conflict(
            "Telegram can't give back what was paid through a payment provider. Give it back at the provider, "
            "then record it here as done outside."
        )
    if payment.status is PaymentStatus.REFUND_PENDING:
        return payment, []
    charge = payment.charge
    tx.refund_orders.add(
        [
            RefundOrder(
                provider=charge.provider,
                charge_id=charge.charge_id,
                payment_id=payment.id,
                asked_at=now,
                asked_by=asked_by,
                reason=reason,
            )
        ]
    )
    pending = payment.giving_back()
    tx.payments.update(pending)
    tx.trail.add([TrailEntry.of_payment("refund_ordered", pending, now, actor=asked_by, note=reason)])
    return pending, [RefundOrdered(payment=pending, asked_by=asked_by, automatic=False)]


def refund_of(payment: Payment, at: datetime) -> Refund:
    """The whole of it, given back at that time."""
    charge = payment.charge
    return Refund(
        provider=charge.provider,
        charge_id=charge.charge_id,
        bot=charge.bot,
        refunded=charge.paid,
        payload=charge.payload,
        refunded_at=at,
    )


def pause(order: RefundOrder, asked_for: timedelta | None) -> timedelta:
    """How long to wait before the next try: as was asked for, up to an hour, else twice as long each time."""
    return (
        min(asked_for, LONGEST_ASKED)
        if asked_for
        else min(FIRST_PAUSE * 2 ** min(order.attempts - 1, DOUBLINGS), LONGEST_PAUSE)
    )


def _fail(tx: Transaction, payment: Payment, order: RefundOrder, problem: str, now: datetime) -> list[Event]:
    tx.refund_orders.failed(order, now, problem)
    if payment.status is not PaymentStatus.REFUND_PENDING:
        return []
    kept = payment.kept_after_all()
    tx.payments.update(kept)
    tx.trail.add([TrailEntry.of_payment("refund_failed", kept, now, actor=order.asked_by, note=problem)])
    return tell(tx, [RefundFailed(payment=kept, problem=problem)], now)
