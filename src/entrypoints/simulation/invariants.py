"""What must hold: at every commit, at every answer, and once all is quiet. Judged from the providers' own truth."""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from application.messages import CheckoutInvitation
from application.ports import ChargeKey
from domain.catalog import Method
from domain.entitlement import Entitlement
from domain.ids import ChargeId, PaymentId, UserId
from domain.invoice import Objection
from domain.payment import DisputeState, Payment, PaymentStatus, Provider
from entrypoints.simulation.store import Store
from entrypoints.simulation.store_tables import Commit
from entrypoints.simulation.stripe import Intent, Stripe
from entrypoints.simulation.telegram import Telegram, TelegramCharge, in_order

LOST_WITH_A_BACKUP = frozenset({Method.TELEGRAM})
"""A payment provider's charges have no ledger that could be asked."""


@dataclass(slots=True)
class Truth:
    """What really happened, by the providers' books."""

    telegram: Telegram
    stripe: Stripe
    poison: dict[str, int] = field(default_factory=dict)
    acted_on: set[str] = field(default_factory=set)
    """Charges about which a person decided."""
    forgotten: set[str] = field(default_factory=set)
    """Charges that were known before a backup was restored."""
    restored: bool = False
    clocks_jumped: bool = False
    outage_until: datetime | None = None

    def charges(self) -> dict[ChargeKey, TelegramCharge | Intent]:
        found: dict[ChargeKey, TelegramCharge | Intent] = {
            (Provider.TELEGRAM, ChargeId(id)): charge for id, charge in self.telegram.charges.items()
        }
        for id, intent in self.stripe.intents.items():
            if intent.paid_at is not None:
                found[Provider.STRIPE, ChargeId(id)] = intent
        return found

    def exists(self, key: ChargeKey) -> bool:
        provider, id = key
        if provider is Provider.TELEGRAM:
            return id in self.telegram.charges
        intent = self.stripe.intents.get(id)
        return intent is not None and intent.paid_at is not None

    def rewound(self, store: Store) -> None:
        """The store is about to forget."""
        self.restored = True
        self.forgotten |= {id for _, id in store.tables.payments.rows}


def gone(charge: TelegramCharge | Intent) -> bool:
    return charge.given_back_at is not None if isinstance(charge, TelegramCharge) else charge.gone


@dataclass(slots=True)
class Watch:
    """Looks at every commit and every answer."""

    store: Store
    truth: Truth
    violations: list[str] = field(default_factory=list)

    def committed(self, commit: Commit) -> None:
        tables = self.store.tables
        for table, key, before, after in commit.changes:
            if table is tables.payments:
                self._payment(key, before, after)
            elif table is tables.entitlements and after is not None and after.revoked_at is None:
                self._living(after)
            elif table is tables.trail and before is not None:
                self.violations.append(f"15: the trail was changed at {key}")
            elif table is tables.invoices and after is not None:
                self._approved(before, after)

    def _payment(self, key: ChargeKey, before: Any, after: Any) -> None:
        if after is None:
            self.violations.append(f"15: the payment {key} was deleted")
            return
        payment: Payment = after.payment
        if before is None and not self.truth.exists(payment.charge.key):
            self.violations.append(f"2: a payment {key} that no provider knows")
        if not 0 <= payment.amount_refunded <= payment.charge.paid.amount:
            self.violations.append(f"8: of {key} {payment.amount_refunded} went back")
        if before is not None and before.payment.status is PaymentStatus.REFUNDED is not payment.status:
            self.violations.append(f"19: {key} was given back, and is {payment.status} now")
        if payment.status is PaymentStatus.GRANTED and before is None:
            grants = self.store.tables.living_grants.keys.get(payment.id, {})
            if len(grants) != 1:
                self.violations.append(f"4: {key} is granted with {len(grants)} grants in the same commit")

    def _living(self, after: Entitlement) -> None:
        grants = self.store.tables.living_grants.keys.get(after.payment_id, {})
        if len(grants) > 1:
            self.violations.append(f"3: {after.payment_id} has {len(grants)} living grants")

    def _approved(self, before: Any, after: Any) -> None:
        approved = after.invoice.approved_at is not None
        if approved and before is not None and before.invoice.approved_at is None:
            invoice = before.invoice
            late = not self.truth.clocks_jumped and self.store.world.now > invoice.expires_at + timedelta(seconds=60)
            if invoice.settled_by is not None or invoice.cancelled_at is not None or late:
                self.violations.append(f"14: {invoice.id} was approved though nobody may pay it")

    def answered(self, body: bytes, status: int) -> None:
        if status not in (200, 503):
            self.violations.append(f"13: an authentic message was answered {status}")
        key = _charge_in(body)
        if status == 200 and key is not None:
            tables = self.store.tables
            known = key in tables.payments.rows or key in tables.refunds.rows
            kept = any(row.kept.report.body == body for row in tables.inbox.rows.values()) if not known else True
            if not known and not kept:
                self.violations.append(f"12: {key[1]} was answered 200 and is nowhere on disk")


def judge_the_end(store: Store, truth: Truth) -> Iterator[str]:
    """Once nothing goes wrong any more and all queues are empty."""
    tables = store.tables
    payments = {key: row.payment for key, row in tables.payments.rows.items()}
    spans: dict[PaymentId | None, list[Entitlement]] = defaultdict(list)
    for entitlement in tables.entitlements.rows.values():
        if entitlement.revoked_at is None:
            spans[entitlement.payment_id].append(entitlement)
    for key, charge in truth.charges().items():
        payment = payments.get(key)
        if payment is None:
            if not _may_be_forgotten(charge, truth):
                yield f"1: {key[1]} ended nowhere"
            continue
        living = spans.get(payment.id, [])
        yield from _judge_payment(key, charge, payment, living, truth)
    yield from _judge_time(payments, spans, truth)
    yield from _judge_letters(store, truth)


def _judge_payment(
    key: ChargeKey, charge: TelegramCharge | Intent, payment: Payment, living: list[Entitlement], truth: Truth
) -> Iterator[str]:
    payer = charge.payer if isinstance(charge, TelegramCharge) else charge.invoice.payer
    if payment.charge.payer != payer:
        yield f"17: {key[1]} was paid by {payer}, and counts for {payment.charge.payer}"
    if payment.status is PaymentStatus.REFUND_PENDING:
        yield f"1: {key[1]} is still to be given back"
    if gone(charge):
        if payment.status is not PaymentStatus.REFUNDED:
            yield f"9: {key[1]} went back at its provider, and is {payment.status}"
        if living:
            yield f"9: {key[1]} went back, and still opens a door"
        return
    if payment.status is PaymentStatus.REFUNDED:
        yield f"7: {key[1]} counts as given back, and is not"
    disputed = isinstance(charge, Intent) and DisputeState.WITHDRAWN in charge.disputes.values()
    if payment.status is PaymentStatus.GRANTED and not disputed and len(living) != 1:
        yield f"4: {key[1]} is granted with {len(living)} grants"
    if payment.status is PaymentStatus.QUARANTINED and living:
        yield f"6: {key[1]} is in quarantine, and opens a door"
    if isinstance(charge, Intent) and payment.amount_refunded != charge.given_back:
        yield f"7: of {key[1]} {charge.given_back} went back, {payment.amount_refunded} by our books"
    if payment.status is PaymentStatus.QUARANTINED and _must_be_granted(key, charge, payment, truth):
        yield f"5: {key[1]} was paid as it should be, and is in quarantine: {payment.quarantine_reason}"


def _must_be_granted(key: ChargeKey, charge: TelegramCharge | Intent, payment: Payment, truth: Truth) -> bool:
    """By an own look at what was bought: the right person paid the price in time, nobody else has paid it, and no
    person, poison, plan for life or restored backup stands in between."""
    if key[1] in truth.poison or key[1] in truth.acted_on or truth.restored or truth.clocks_jumped:
        return False
    if isinstance(charge, Intent):
        return charge.live and payment.quarantine_reason is not Objection.ALREADY_ENTITLED
    offered = [
        one
        for shown in truth.telegram.invoices.values()
        for one in shown
        if one.letter.payload == charge.payload and one.owner == charge.payer
    ]
    priced = [
        one
        for one in offered
        if (one.letter.price.amount, one.letter.price.currency) == (charge.amount, charge.currency)
    ]
    others = [other for other in truth.telegram.charges.values() if other.payload == charge.payload]
    return bool(charge.approved and priced and len(others) == 1 and "life" not in priced[0].letter.title)


def _judge_time(
    payments: dict[ChargeKey, Payment], spans: dict[PaymentId | None, list[Entitlement]], truth: Truth
) -> Iterator[str]:
    """A user's time is the time that was paid for: whole spans, one after the other."""
    held: dict[tuple[UserId, str], list[Entitlement]] = defaultdict(list)
    by_id = {payment.id: payment for payment in payments.values()}
    for living in spans.values():
        for span in living:
            held[span.user_id, span.plan_code].append(span)
            payment = by_id.get(span.payment_id) if span.payment_id else None
            if payment is None or payment.status not in (PaymentStatus.GRANTED, PaymentStatus.REFUND_PENDING):
                yield f"6: {span.id} opens a door that nobody paid for"
                continue
            buyer = payment.charge.payer
            if span.user_id != buyer:
                yield f"17: {span.id} opens a door for another than who paid"
            days = {"gold": 30, "silver": 7}.get(span.plan_code)
            if days and span.expires_at and not payment.disputes:
                lasts = span.expires_at - span.starts_at
                if lasts != timedelta(days=days):
                    yield f"5: {span.id} of {days} days lasts {lasts}"
    for (user, plan), mine in held.items():
        mine.sort(key=lambda span: span.starts_at)
        lifelong = any(span.expires_at is None for span in mine)
        for earlier, later in pairwise(mine):
            if not lifelong and earlier.expires_at and later.starts_at < earlier.expires_at:
                yield f"5: two spans of {plan} of user {user} lie over each other"


def _judge_letters(store: Store, truth: Truth) -> Iterator[str]:
    for row in store.tables.outbox.rows.values():
        if row.sent_at is None and row.given_up_at is None:
            yield f"10: letter {row.letter.id} was never sent"
        received = truth.telegram.received.get(UserId(row.letter.chat_id), [])
        if row.sent_at is None or truth.restored or isinstance(row.letter.message, CheckoutInvitation):
            continue
        if not any(id == row.letter.id for id, _ in received):
            yield f"10: letter {row.letter.id} counts as sent, and nobody got it"
    if not truth.restored:
        for user, received in truth.telegram.received.items():
            if not in_order(received):
                yield f"10: user {user} got letters out of order"


def _may_be_forgotten(charge: TelegramCharge | Intent, truth: Truth) -> bool:
    """What no ledger lists can be lost with a backup, or where we were away for longer than Telegram keeps news."""
    unlisted = isinstance(charge, TelegramCharge) and charge.method in LOST_WITH_A_BACKUP
    return unlisted and (truth.restored or truth.outage_until is not None)


def _charge_in(body: bytes) -> ChargeKey | None:
    message = json.loads(body).get("message", {})
    content = message.get("successful_payment") or message.get("refunded_payment") or {}
    id = content.get("telegram_payment_charge_id")
    return (Provider.TELEGRAM, ChargeId(id)) if id else None
