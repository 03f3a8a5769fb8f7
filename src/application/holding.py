"""Holding back a payment that its provider does not know, and letting go of it when the provider does after all."""

from dataclasses import replace
from datetime import datetime

from application.feed import tell
from application.ports.payments import ChargeKey
from application.ports.surroundings import Ids
from application.ports.trail import TrailEntry
from application.ports.work import Transaction
from application.refunds import concerned, end_access, reopen_access
from domain.events import EntitlementRestored, EntitlementSuspended, Event, PaymentQuarantined, PaymentReleased
from domain.invoice import Objection
from domain.payment import PaymentStatus


def hold_back(tx: Transaction, charge: ChargeKey, ids: Ids, now: datetime) -> list[Event]:
    """Into quarantine, and the door that it opened is closed; what is left of the time is kept for later."""
    tx.lock(charges=[charge])
    payment = tx.payments.of([charge])[charge]
    if payment.status is not PaymentStatus.GRANTED:
        return []
    tx.lock(users=concerned(tx, payment))
    living = tx.entitlements.living_of(payment.id)
    held = replace(
        payment,
        status=PaymentStatus.QUARANTINED,
        quarantine_reason=Objection.UNKNOWN_TO_PROVIDER,
        suspended=living.id if living else payment.suspended,
    )
    events: list[Event] = [PaymentQuarantined(payment=held)]
    if living:
        ended = end_access(tx, living, ids, now)
        events.append(EntitlementSuspended(entitlement=ended.ended[0], payment=held, moved_up=ended.moved_up))
    tx.payments.update(held)
    tx.trail.add([TrailEntry.of_payment("payment_held", held, now)])
    return tell(tx, events, now)


def release(tx: Transaction, charge: ChargeKey, ids: Ids, now: datetime) -> list[Event]:
    """Granted again, with the time that was left, unless a person has decided something else meanwhile."""
    tx.lock(charges=[charge])
    payment = tx.payments.of([charge])[charge]
    if (
        payment.status is not PaymentStatus.QUARANTINED
        or payment.quarantine_reason is not Objection.UNKNOWN_TO_PROVIDER
    ):
        return []
    tx.lock(users=concerned(tx, payment))
    granted = replace(payment, status=PaymentStatus.GRANTED, quarantine_reason=None)
    if not payment.in_dispute:
        granted = replace(granted, suspended=None)
    events: list[Event] = [PaymentReleased(payment=granted)]
    if not payment.in_dispute:
        interrupted = tx.entitlements.get(payment.suspended) if payment.suspended else None
        if interrupted:
            resumed = reopen_access(tx, interrupted, ids, now)
            tx.entitlements.add([resumed])
            events.append(EntitlementRestored(entitlement=resumed, payment=granted))
    tx.payments.update(granted)
    tx.trail.add([TrailEntry.of_payment("payment_released", granted, now)])
    return tell(tx, events, now)
