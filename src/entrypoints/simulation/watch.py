"""What must hold at every step: looked at with every commit, every answer and every letter."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from msgspec import json

from application.messages import Letter
from application.ports.payments import ChargeKey
from domain.entitlement import Entitlement
from domain.ids import ChargeId
from domain.payment import DisputeState, Payment, PaymentStatus, Provider
from entrypoints.simulation.store import Store
from entrypoints.simulation.store_tables import Commit
from entrypoints.simulation.truth import Truth

CLOCKS_DIFFER = timedelta(seconds=60)
CANARY = "canary"
"""All secrets of the simulation contain it."""


@dataclass(slots=True)
class Watch:
    """Numbers are those of the invariants in docs/guarantees.md."""

    store: Store
    truth: Truth
    violations: list[str] = field(default_factory=list)
    received: Counter[str] = field(default_factory=Counter)
    """What came in by our books, in each currency."""
    seen: Counter[str] = field(default_factory=Counter)

    def committed(self, commit: Commit) -> None:
        tables = self.store.tables
        new_invoices = {key for table, key, before, _ in commit.changes if table is tables.invoices and before is None}
        for table, key, before, after in commit.changes:
            if table is tables.payments:
                self._payment(key, before, after)
                rebuilt = before is None and after is not None and after.payment.invoice_id in new_invoices
                self.seen["an invoice was rebuilt"] += rebuilt
            elif table is tables.entitlements:
                self._span(before, after)
            elif table is tables.trail and before is not None:
                self._say(f"15: the trail was changed at {key}")
            elif table is tables.invoices and after is not None:
                self._approval(before, after)

    def rewound(self) -> None:
        """The store has forgotten its last commits, so that the sums begin anew from what is left."""
        self.received.clear()
        for row in self.store.tables.payments.rows.values():
            self.received[row.payment.charge.paid.currency] += row.payment.charge.paid.amount

    def answered(self, body: bytes, status: int, *, undone: bool) -> None:
        """`undone`: whether the store did not do its part while we were asked."""
        if status != 200:
            self.store.world.tell("service", "could not commit", status=status)
        if status != 200 and not (status == 503 and undone):
            self._say(f"13: an authentic message was answered {status}, and all was well with the database")
        key = _charge_in(body)
        if status == 200 and key is not None:
            tables = self.store.tables
            known = key in tables.payments.rows or key in tables.refunds.rows
            if not known and not any(row.kept.report.body == body for row in tables.inbox.rows.values()):
                self._say(f"12: {key[1]} was answered 200 and is nowhere on disk")

    def judged(self, body: bytes, reply: bytes) -> None:
        """Where a pre-checkout is answered with a yes, that is on record by then; what a failover loses later was."""
        if b"pre_checkout_query" not in body or not json.decode(reply).get("ok"):
            return
        payload = json.decode(body)["pre_checkout_query"]["invoice_payload"]
        offer = self.truth.offers.get(payload)
        row = None if offer is None else self.store.tables.invoices.rows.get(offer[0].invoice_id)
        if row is None or row.invoice.approved_at is None:
            self._say(f"14: {payload} was approved, and that is not on record")

    def delivered(self, letter: Letter) -> None:
        self.store.world.tell("letter", type(letter.message).__name__, number=letter.id, chat=letter.chat_id)
        if letter.id and letter.id not in self.store.tables.outbox.rows:
            self._say(f"11: letter {letter.id} was sent, and is not committed")
        self.no_secret(letter.message)

    def no_secret(self, output: object) -> None:
        if CANARY in str(output):
            self._say("18: a secret was said")

    # Rows -------------------------------------------------------------------------------------------------------------

    def _payment(self, key: ChargeKey, before: Any, after: Any) -> None:
        if after is None:
            self._say(f"15: the payment {key[1]} was deleted")
            return
        payment: Payment = after.payment
        reason = payment.quarantine_reason or ""
        self.store.world.tell("store", "payment", charge=key[1], status=payment.status, reason=reason)
        if not 0 <= payment.amount_refunded <= payment.charge.paid.amount:
            self._say(f"8: of {key[1]} {payment.amount_refunded} went back")
        if before is None:
            self._new_payment(key, payment)
            return
        if before.payment.status is PaymentStatus.REFUNDED is not payment.status:
            self._say(f"19: {key[1]} was given back, and is {payment.status} now")
        if before.payment.charge != payment.charge or before.payment.id != payment.id:
            self._say(f"15: the facts of {key[1]} were changed")

    def _new_payment(self, key: ChargeKey, payment: Payment) -> None:
        paid = payment.charge.paid
        if not self.truth.exists(payment.charge.key):
            self._say(f"2: a payment {key[1]} that no provider knows")
        grants = len(self.store.tables.living_grants.keys.get(payment.id, ()))
        if grants != (payment.status is PaymentStatus.GRANTED):
            self._say(f"4: {key[1]} is {payment.status}, with {grants} grants in the same commit")
        self.received[paid.currency] += paid.amount
        moved = self.truth.taken(paid.currency)
        if self.received[paid.currency] > moved:
            self._say(f"16: {self.received[paid.currency]} {paid.currency} are in our books, and {moved} have moved")

    def _span(self, before: Entitlement | None, after: Entitlement | None) -> None:
        if after is None:
            self._say(f"15: {before.id if before else ''} was deleted")
            return
        self.store.world.tell(
            "store", "span", id=after.id[-4:], plan=after.plan_code, until=after.expires_at, ended=after.revoked_at
        )
        grants = self.store.tables.living_grants.keys.get(after.payment_id, {})
        if len(grants) > 1:
            self._say(f"3: {after.payment_id} has {len(grants)} living grants")
        if before is None:
            return
        if (before.starts_at, before.expires_at) != (after.starts_at, after.expires_at):
            self._say(f"20: {after.id} was moved where it stands")
        if before.revoked_at is None and after.revoked_at is not None and not grants and not self._may_end(after):
            self._say(f"20: {after.id} was ended, and nothing of its payment went back")

    def _may_end(self, span: Entitlement) -> bool:
        rows = self.store.tables
        for key in rows.payment_ids.keys.get(span.payment_id, ()):
            payment = rows.payments.rows[key].payment
            return payment.status is not PaymentStatus.GRANTED or DisputeState.WITHDRAWN in payment.disputes.values()
        return False

    def _approval(self, before: Any, after: Any) -> None:
        if before is None or before.invoice.approved_at is not None or after.invoice.approved_at is None:
            return
        invoice = before.invoice
        late = not self.truth.clocks_jumped and self.store.world.now > invoice.expires_at + CLOCKS_DIFFER
        if invoice.settled_by is not None or invoice.cancelled_at is not None or late:
            self._say(f"14: {invoice.id} was approved though nobody may pay it")

    def _say(self, violation: str) -> None:
        self.violations.append(violation)
        self.store.world.tell("watch", f"VIOLATED {violation}")


def _charge_in(body: bytes) -> ChargeKey | None:
    if b"telegram_payment_charge_id" not in body:
        return None
    message = json.decode(body)["message"]
    content = message.get("successful_payment") or message.get("refunded_payment") or {}
    id = content.get("telegram_payment_charge_id")
    return (Provider.TELEGRAM, ChargeId(id)) if id else None
