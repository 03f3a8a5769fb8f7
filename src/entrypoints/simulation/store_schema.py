"""The tables of the simulated store, with the constraints that the real schema has."""

from collections.abc import Hashable
from datetime import datetime

from application.ports.entitlements import GrantKey
from application.ports.ledgers import LedgerMark
from application.ports.payments import ChargeKey
from application.ports.pushes import EndpointState
from application.ports.trail import TrailEntry
from domain.entitlement import Entitlement
from domain.ids import BotName, EntitlementId, InvoiceId, PaymentId, UserId
from domain.payment import PaymentStatus, Refund
from entrypoints.simulation.store_rows import (
    CheckoutRow,
    EventRow,
    FeedRow,
    InvoiceRow,
    LetterRow,
    OrderRow,
    PaymentRow,
    PushRow,
    ReportRow,
)
from entrypoints.simulation.store_tables import Table

ONCE_A_CHARGE = frozenset({"successful_payment", "refunded_payment"})


class Schema:
    """One set of tables."""

    def __init__(self) -> None:
        self.invoices: Table[InvoiceId, InvoiceRow] = Table("invoices")

        self.payments: Table[ChargeKey, PaymentRow] = Table("payments")
        self.payment_ids = self.payments.index("id", lambda row: row.payment.id, unique=True)
        self.payments_of = self.payments.index("user", lambda row: row.payment.charge.payer)
        self.payments_unconfirmed = self.payments.index("unconfirmed", _unconfirmed)
        self.payments_waiting = self.payments.index("waiting", _quarantined)

        self.refunds: Table[ChargeKey, Refund] = Table("refunds")

        self.entitlements: Table[EntitlementId, Entitlement] = Table("entitlements")
        self.entitlements_of = self.entitlements.index("user", lambda row: row.user_id)
        self.living_grants = self.entitlements.index("uq_entitlements_living_grant", _living_grant, unique=True)

        self.grant_keys: Table[tuple[str, str], GrantKey] = Table("grant_keys")

        self.trail: Table[int, TrailEntry] = Table("telegram_payment_events")
        self.trail_once = self.trail.index("charge", _once, unique=True)

        self.updates: Table[tuple[BotName, int], datetime] = Table("seen_updates")

        self.inbox: Table[int, ReportRow] = Table("inbox")
        self.reports = self.inbox.index("digest", lambda row: row.kept.report, unique=True)
        self.reports_waiting = self.inbox.index("waiting", lambda row: True if row.waits else None)

        self.orders: Table[ChargeKey, OrderRow] = Table("refund_orders")
        self.orders_waiting = self.orders.index("waiting", lambda row: True if row.waits else None)

        self.marks: Table[str, LedgerMark] = Table("ledger_marks")

        self.attempts: Table[int, tuple[UserId, datetime]] = Table("purchase_attempts")
        self.attempts_of = self.attempts.index("user", lambda row: row[0])

        self.checkouts: Table[InvoiceId, CheckoutRow] = Table("checkouts")
        self.checkout_keys = self.checkouts.index("key", _key, unique=True)

        self.customers: Table[UserId, str] = Table("stripe_customers")
        self.customer_ids = self.customers.index("customer", lambda row: row, unique=True)

        self.events: Table[str, EventRow] = Table("stripe_events")

        self.outbox: Table[int, LetterRow] = Table("outbox")
        self.letters_waiting = self.outbox.index("waiting of chat", _waiting_chat)
        self.letters_claimed = self.outbox.index("claimed in second", _claimed_in)

        self.over_noted: Table[EntitlementId, datetime] = Table("over_noted")

        self.feed: Table[int, FeedRow] = Table("events")
        self.feed_numbers = self.feed.index("sequence", lambda row: row.sequence, unique=True)
        self.feed_unnumbered = self.feed.index("unnumbered", lambda row: True if row.sequence is None else None)

        self.endpoints: Table[str, EndpointState] = Table("event_endpoints")
        self.pushes: Table[tuple[str, int], PushRow] = Table("event_pushes")


def second_of(at: datetime) -> int:
    """Claims are looked up by the second in which they were made."""
    return int(at.timestamp())


def _unconfirmed(row: PaymentRow) -> Hashable | None:
    return row.payment.charge.method if row.confirmed_at is None else None


def _quarantined(row: PaymentRow) -> Hashable | None:
    return row.payment.charge.payer if row.payment.status is PaymentStatus.QUARANTINED else None


def _living_grant(row: Entitlement) -> PaymentId | None:
    return row.payment_id if row.revoked_at is None else None


def _once(row: TrailEntry) -> Hashable | None:
    return (row.kind, row.charge_id) if row.kind in ONCE_A_CHARGE and row.charge_id is not None else None


def _key(row: CheckoutRow) -> Hashable | None:
    return None if row.key is None else (row.user_id, row.key)


def _waiting_chat(row: LetterRow) -> Hashable | None:
    return (row.letter.bot, row.letter.chat_id) if row.waits else None


def _claimed_in(row: LetterRow) -> int | None:
    return None if row.claimed_at is None else second_of(row.claimed_at)
