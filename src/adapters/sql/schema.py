"""The tables. `migrations/` makes them; a test holds both against each other.

Other programs read `invoices`, `payments`, `entitlements`, `telegram_payment_events`, `stripe_events` and `outbox`.
An invoice's state follows from its row: paid where `settled_by` is set, else cancelled where `cancelled_at` is, else
expired after `expires_at`, else open.
"""

from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    and_,
    text,
)

from adapters.sql.column_types import AnyText, Json, UtcTime, Whole

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)

# Strict tables refuse "12 GBP" in a column of numbers, as PostgreSQL does anyway.
STRICT: dict[str, Any] = {"sqlite_strict": True}


def _where(condition: ColumnElement[bool]) -> dict[str, Any]:
    return {"sqlite_where": condition, "postgresql_where": condition}


invoices = Table(
    "invoices",
    metadata,
    Column("id", Text, primary_key=True),
    Column("bot", Text, nullable=False),
    Column("user_id", Whole, nullable=False),
    Column("method", Text, nullable=False),
    Column("plan_code", Text, nullable=False),
    Column("title", AnyText, nullable=False),
    Column("description", AnyText, nullable=False),
    Column("amount", Whole, nullable=False),
    Column("currency", Text, nullable=False),
    Column("duration", Text, nullable=False),
    Column("features", Json, nullable=False),
    Column("limits", Json, nullable=False),
    Column("language", AnyText, nullable=False),
    Column("issued_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("approved_at", UtcTime),
    Column("settled_by", AnyText),
    Column("cancelled_at", UtcTime),
    Column("telegram_message_id", Whole),
    CheckConstraint("amount > 0", name="amount_is_positive"),
    **STRICT,
)
invoice_is_open = and_(invoices.c.settled_by.is_(None), invoices.c.cancelled_at.is_(None))
# Not only of the open ones: then to settle one would touch every index of it.
Index("ix_invoices_expires_at", invoices.c.expires_at)

payments = Table(
    "payments",
    metadata,
    Column("id", Text, primary_key=True),
    Column("provider", Text, nullable=False),
    Column("charge_id", AnyText, nullable=False),
    Column("provider_charge_id", AnyText, nullable=False),
    Column("bot", Text, nullable=False),
    Column("user_id", Whole, nullable=False),
    Column("amount", Whole, nullable=False),
    Column("currency", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("payload", AnyText, nullable=False),
    Column("charged_at", UtcTime, nullable=False),
    Column("message", LargeBinary, nullable=False),
    Column("invoice_id", Text, ForeignKey(invoices.c.id)),
    Column("plan_code", Text),
    Column("status", Text, nullable=False),
    Column("quarantine_reason", Text),
    Column("received_at", UtcTime, nullable=False),
    Column("refunded_at", UtcTime),
    Column("amount_refunded", Whole, nullable=False, server_default="0"),
    Column("disputes", Json, nullable=False, server_default=text("'{}'")),
    # An entitlement's id. No foreign key: entitlements point here already.
    Column("suspended", Text),
    # When the provider's own ledger was first seen to have it.
    Column("confirmed_at", UtcTime),
    # The charge id first: it is what one looks for.
    UniqueConstraint("charge_id", "provider", name="uq_payments_charge"),
    CheckConstraint("amount > 0", name="amount_is_positive"),
    CheckConstraint("status IN ('granted', 'quarantined', 'refund_pending', 'refunded')", name="status_is_known"),
    CheckConstraint("amount_refunded BETWEEN 0 AND amount", name="no_more_went_back_than_came"),
    **STRICT,
)
Index("ix_payments_of_user", payments.c.user_id, payments.c.received_at, payments.c.id)
Index("ix_payments_received_at", payments.c.received_at, payments.c.id)
# What Telegram's own payment providers took is in no ledger that we can read: it never is confirmed, however long ago.
payment_is_unconfirmed = and_(payments.c.confirmed_at.is_(None), payments.c.method != text("'telegram'"))
Index("ix_payments_unconfirmed", payments.c.received_at, payments.c.id, **_where(payment_is_unconfirmed))
Index("ix_payments_quarantined", payments.c.received_at, **_where(payments.c.status == text("'quarantined'")))
# For whoever looks through a million of them: what is asked for may be rare, or none at all.
not_granted = payments.c.status != text("'granted'")
Index("ix_payments_not_granted", payments.c.status, payments.c.received_at, payments.c.id, **_where(not_granted))
Index("ix_payments_of_method", payments.c.method, payments.c.received_at, payments.c.id)
Index("ix_payments_of_plan", payments.c.plan_code, payments.c.received_at, payments.c.id)
Index("ix_payments_provider_charge_id", payments.c.provider_charge_id)

refunds = Table(
    "refunds",
    metadata,
    Column("provider", Text, nullable=False),
    Column("charge_id", AnyText, nullable=False),
    Column("bot", Text, nullable=False),
    Column("amount", Whole, nullable=False),
    Column("currency", Text, nullable=False),
    Column("payload", AnyText, nullable=False),
    Column("refunded_at", UtcTime, nullable=False),
    Column("message", LargeBinary, nullable=False),
    PrimaryKeyConstraint("charge_id", "provider"),
    CheckConstraint("amount > 0", name="amount_is_positive"),
    **STRICT,
)

entitlements = Table(
    "entitlements",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Whole, nullable=False),
    Column("plan_code", Text, nullable=False),
    Column("features", Json, nullable=False),
    Column("limits", Json, nullable=False),
    Column("duration", Text, nullable=False),
    Column("granted_at", UtcTime, nullable=False),
    Column("starts_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime),
    Column("payment_id", Text, ForeignKey(payments.c.id)),
    Column("revoked_at", UtcTime),
    # Of rows that go on what another was: the first row of the grant, and when this one took the place of the last.
    Column("origin", Text),
    Column("moved_at", UtcTime),
    # Of what was granted by hand.
    Column("granted_by", AnyText),
    Column("reason", AnyText),
    # When somebody took note that it is over by time.
    Column("over_noted_at", UtcTime),
    CheckConstraint("expires_at > starts_at", name="ends_after_its_start"),
    **STRICT,
)
Index("ix_entitlements_of_user", entitlements.c.user_id, entitlements.c.starts_at)
end_is_ahead = and_(
    entitlements.c.expires_at.is_not(None), entitlements.c.revoked_at.is_(None), entitlements.c.over_noted_at.is_(None)
)
Index("ix_entitlements_end_is_ahead", entitlements.c.expires_at, entitlements.c.id, **_where(end_is_ahead))
living = and_(entitlements.c.revoked_at.is_(None), entitlements.c.over_noted_at.is_(None))
Index(
    "ix_entitlements_living",
    entitlements.c.plan_code,
    entitlements.c.user_id,
    entitlements.c.expires_at,
    **_where(living),
)
Index("ix_entitlements_revoked", entitlements.c.revoked_at, **_where(entitlements.c.revoked_at.is_not(None)))
Index(
    "uq_entitlements_living_grant",
    entitlements.c.payment_id,
    unique=True,
    **_where(and_(entitlements.c.payment_id.is_not(None), entitlements.c.revoked_at.is_(None))),
)

grant_keys = Table(
    "grant_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("caller", AnyText, nullable=False),
    Column("key", AnyText, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("entitlement_id", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    **STRICT,
)

# Triggers of the first migration refuse to change or delete a row.
trail = Table(
    "telegram_payment_events",
    metadata,
    Column("id", Whole, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("bot", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("user_id", Whole),
    Column("invoice_id", Text),
    Column("telegram_payment_charge_id", AnyText),
    Column("decision", Text),
    Column("reason", Text),
    Column("message", LargeBinary),
    Column("actor", AnyText),
    Column("note", AnyText),
    Column("entitlement_id", Text),
    sqlite_autoincrement=True,
    **STRICT,
)
Index(
    "uq_telegram_payment_events_charge",
    trail.c.telegram_payment_charge_id,
    trail.c.kind,
    unique=True,
    **_where(trail.c.kind.in_(["successful_payment", "refunded_payment"])),
)

Index("ix_telegram_payment_events_user_id", trail.c.user_id, trail.c.id)
Index("ix_telegram_payment_events_invoice_id", trail.c.invoice_id, trail.c.id)
Index("ix_telegram_payment_events_telegram_payment_charge_id", trail.c.telegram_payment_charge_id, trail.c.id)
refund_was_asked = trail.c.kind == text("'refund_asked'")
Index("ix_telegram_payment_events_refund_asked", trail.c.id, **_where(refund_was_asked))

outbox = Table(
    "outbox",
    metadata,
    Column("id", Whole, primary_key=True),
    Column("bot", Text, nullable=False),
    Column("chat_id", Whole, nullable=False),
    Column("language", AnyText, nullable=False),
    Column("kind", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("due_at", UtcTime, nullable=False),
    Column("attempts", Whole, nullable=False),
    Column("claimed_at", UtcTime),
    Column("claimed_until", UtcTime),
    Column("sent_at", UtcTime),
    Column("given_up_at", UtcTime),
    Column("problem", AnyText),
    Column("cause", Text),
    sqlite_autoincrement=True,
    **STRICT,
)
letter_waits = and_(outbox.c.sent_at.is_(None), outbox.c.given_up_at.is_(None))
Index("ix_outbox_waiting", outbox.c.bot, outbox.c.id, **_where(letter_waits))
Index("ix_outbox_waiting_of_chat", outbox.c.bot, outbox.c.chat_id, outbox.c.id, **_where(letter_waits))
Index("ix_outbox_claimed_at", outbox.c.claimed_at)
Index("ix_outbox_of_chat", outbox.c.chat_id, outbox.c.id)
Index("ix_outbox_given_up", outbox.c.given_up_at, **_where(outbox.c.given_up_at.is_not(None)))

seen_updates = Table(
    "seen_updates",
    metadata,
    Column("bot", Text, nullable=False),
    Column("update_id", Whole, nullable=False),
    Column("seen_at", UtcTime, nullable=False),
    PrimaryKeyConstraint("bot", "update_id"),
    **STRICT,
)
Index("ix_seen_updates_seen_at", seen_updates.c.seen_at)

inbox = Table(
    "inbox",
    metadata,
    Column("id", Whole, primary_key=True),
    Column("source", Text, nullable=False),
    Column("bot", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("found_by", Text, nullable=False),
    Column("received_at", UtcTime, nullable=False),
    Column("attempts", Whole, nullable=False),
    Column("due_at", UtcTime, nullable=False),
    Column("claimed_until", UtcTime),
    Column("done_at", UtcTime),
    Column("outcome", Text),
    Column("given_up_at", UtcTime),
    Column("problem", AnyText),
    Column("cause", Text),
    UniqueConstraint("digest"),
    sqlite_autoincrement=True,
    **STRICT,
)
report_waits = and_(inbox.c.done_at.is_(None), inbox.c.given_up_at.is_(None))
Index("ix_inbox_waiting", inbox.c.due_at, inbox.c.id, **_where(report_waits))
Index("ix_inbox_given_up", inbox.c.id, **_where(inbox.c.given_up_at.is_not(None)))

refund_orders = Table(
    "refund_orders",
    metadata,
    Column("provider", Text, nullable=False),
    Column("charge_id", AnyText, nullable=False),
    Column("payment_id", Text, ForeignKey(payments.c.id), nullable=False),
    Column("asked_at", UtcTime, nullable=False),
    Column("asked_by", AnyText, nullable=False),
    Column("reason", AnyText, nullable=False),
    Column("automatic", Whole, nullable=False),
    Column("attempts", Whole, nullable=False),
    Column("due_at", UtcTime, nullable=False),
    Column("claimed_until", UtcTime),
    Column("done_at", UtcTime),
    Column("failed_at", UtcTime),
    Column("problem", AnyText),
    PrimaryKeyConstraint("charge_id", "provider"),
    **STRICT,
)
order_waits = and_(refund_orders.c.done_at.is_(None), refund_orders.c.failed_at.is_(None))
Index("ix_refund_orders_waiting", refund_orders.c.due_at, refund_orders.c.asked_at, **_where(order_waits))
Index("ix_refund_orders_failed", refund_orders.c.failed_at, **_where(refund_orders.c.failed_at.is_not(None)))
Index("ix_refund_orders_automatic", refund_orders.c.asked_at, **_where(refund_orders.c.automatic == text("1")))

ledger_marks = Table(
    "ledger_marks",
    metadata,
    Column("ledger", Text, primary_key=True),
    Column("first_started_at", UtcTime, nullable=False),
    Column("read_to", Whole, nullable=False),
    Column("tail_read_at", UtcTime),
    Column("whole_read_to", Whole),
    Column("whole_begun_at", UtcTime),
    Column("whole_read_at", UtcTime),
    Column("drift", Whole),
    Column("other_facts", Whole),
    Column("unknown_to_provider", Whole),
    **STRICT,
)

purchase_attempts = Table(
    "purchase_attempts",
    metadata,
    Column("id", Whole, primary_key=True),
    Column("user_id", Whole, nullable=False),
    Column("at", UtcTime, nullable=False),
    **STRICT,
)
Index("ix_purchase_attempts_of_user", purchase_attempts.c.user_id, purchase_attempts.c.at)

checkouts = Table(
    "checkouts",
    metadata,
    Column("invoice_id", Text, ForeignKey(invoices.c.id), primary_key=True),
    Column("user_id", Whole, nullable=False),
    Column("idempotency_key", AnyText),
    Column("fingerprint", Text, nullable=False),
    Column("session_id", AnyText),
    Column("url", AnyText),
    Column("created_at", UtcTime, nullable=False),
    **STRICT,
)
Index(
    "uq_checkouts_key",
    checkouts.c.user_id,
    checkouts.c.idempotency_key,
    unique=True,
    **_where(checkouts.c.idempotency_key.is_not(None)),
)

stripe_customers = Table(
    "stripe_customers",
    metadata,
    Column("user_id", Whole, primary_key=True, autoincrement=False),
    Column("customer_id", AnyText, nullable=False),
    UniqueConstraint("customer_id"),
    **STRICT,
)

stripe_events = Table(
    "stripe_events",
    metadata,
    Column("id", AnyText, primary_key=True),
    Column("type", AnyText, nullable=False),
    Column("live", Boolean().with_variant(Integer(), "sqlite"), nullable=False),
    Column("object_id", AnyText, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("received_at", UtcTime, nullable=False),
    **STRICT,
)

# A bot over Telegram's own protocol: its logins (the one at place 0 is told what happens), how far it has come in
# what it is told, and whom it has met. The keys are as good as its token.
telegram_logins = Table(
    "telegram_logins",
    metadata,
    Column("bot_id", Whole, nullable=False),
    Column("place", Whole, nullable=False),
    Column("dc_id", Whole, nullable=False),
    Column("server", Text, nullable=False),
    Column("key", LargeBinary, nullable=False),
    Column("held_by", Text),
    Column("held_until", UtcTime),
    PrimaryKeyConstraint("bot_id", "place"),
    **STRICT,
)

telegram_positions = Table(
    "telegram_positions",
    metadata,
    Column("bot_id", Whole, primary_key=True, autoincrement=False),
    Column("pts", Whole, nullable=False),
    Column("qts", Whole, nullable=False),
    Column("at", UtcTime, nullable=False),
    **STRICT,
)

telegram_peers = Table(
    "telegram_peers",
    metadata,
    Column("bot_id", Whole, nullable=False),
    Column("peer_id", Whole, nullable=False),
    Column("access_hash", Whole, nullable=False),
    Column("language", Text, nullable=False),
    PrimaryKeyConstraint("bot_id", "peer_id"),
    **STRICT,
)

# What other services are told of. A number is given once it is committed.
events = Table(
    "events",
    metadata,
    Column("id", Whole, primary_key=True),
    Column("sequence", Whole),
    Column("type", Text, nullable=False),
    Column("user_id", Whole, nullable=False),
    Column("at", UtcTime, nullable=False),
    # JSON in ASCII. As text, since PostgreSQL's JSONB takes neither NUL nor half a surrogate pair.
    Column("data", Text, nullable=False),
    UniqueConstraint("sequence"),
    sqlite_autoincrement=True,
    **STRICT,
)
event_is_unnumbered = events.c.sequence.is_(None)
Index("ix_events_unnumbered", events.c.id, **_where(event_is_unnumbered))

event_endpoints = Table(
    "event_endpoints",
    metadata,
    Column("id", Text, primary_key=True),
    Column("position", Whole, nullable=False),
    Column("due_at", UtcTime, nullable=False),
    Column("failures", Whole, nullable=False),
    Column("failing_since", UtcTime),
    Column("pushed_at", UtcTime),
    Column("disabled_at", UtcTime),
    Column("problem", AnyText),
    **STRICT,
)

event_pushes = Table(
    "event_pushes",
    metadata,
    Column("endpoint", Text, nullable=False),
    Column("sequence", Whole, nullable=False),
    Column("user_id", Whole, nullable=False),
    Column("attempts", Whole, nullable=False),
    Column("due_at", UtcTime, nullable=False),
    Column("claimed_until", UtcTime),
    Column("failing_since", UtcTime),
    Column("given_up_at", UtcTime),
    Column("problem", AnyText),
    PrimaryKeyConstraint("endpoint", "sequence"),
    **STRICT,
)
push_waits = event_pushes.c.given_up_at.is_(None)
Index(
    "ix_event_pushes_waiting_of_user",
    event_pushes.c.endpoint,
    event_pushes.c.user_id,
    event_pushes.c.sequence,
    **_where(push_waits),
)

# The console's sessions, by a hash of what the browser holds; `credential` is of the password they were opened with.
console_sessions = Table(
    "console_sessions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("operator", Text, nullable=False),
    Column("credential", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("seen_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    **STRICT,
)

# Tries to sign in at the console, by a hash of who tried.
console_attempts = Table(
    "console_attempts",
    metadata,
    Column("id", Whole, primary_key=True),
    Column("whose", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    sqlite_autoincrement=True,
    **STRICT,
)
Index("ix_console_attempts_whose", console_attempts.c.whose, console_attempts.c.at)

# Forms of the console that were sent, each once; without `outcome` while it is being carried out.
console_acts = Table(
    "console_acts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("operator", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("begun_at", UtcTime, nullable=False),
    Column("outcome", Text),
    Column("leads_to", AnyText),
    Column("said", AnyText),
    **STRICT,
)

# What happened in so many hours (1, or the 24 of a day) that are over and began at `hour`, counted since 1970 in UTC;
# and how far that was summed up: the kind `mark`, whose number is the first line of the trail of a later hour.
figures = Table(
    "figures",
    metadata,
    Column("hours", Whole, nullable=False),
    Column("hour", Whole, nullable=False),
    Column("kind", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("plan_code", Text, nullable=False),
    Column("number", Whole, nullable=False),
    Column("amount", Whole, nullable=False),
    PrimaryKeyConstraint("hours", "hour", "kind", "method", "currency", "plan_code"),
    **STRICT,
)
figure_is_mark = figures.c.kind == text("'mark'")
Index("ix_figures_mark", figures.c.hour, **_where(figure_is_mark))

people = Table(
    "people",
    metadata,
    Column("user_id", Whole, primary_key=True, autoincrement=False),
    Column("name", AnyText, nullable=False),
    Column("username", AnyText, nullable=False),
    Column("seen_at", UtcTime, nullable=False),
    **STRICT,
)

# Each word of a name, as it is looked for: by its beginning, which needs an order by code points.
people_words = Table(
    "people_words",
    metadata,
    Column("word", Text().with_variant(Text(collation="C"), "postgresql"), nullable=False),
    Column("user_id", Whole, nullable=False),
    PrimaryKeyConstraint("word", "user_id"),
    **STRICT,
)
Index("ix_people_words_user_id", people_words.c.user_id)
