"""What a sale leaves behind: invoices, payments, refunds, entitlements, the audit trail, the outbox."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

# As the types stood at this revision; a migration does not change with the code.
Whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Moment = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
Json = postgresql.JSONB().with_variant(sa.Text(), "sqlite")
STRICT: dict[str, Any] = {"sqlite_strict": True}
NUMBERED: dict[str, Any] = {"sqlite_strict": True, "sqlite_autoincrement": True}

LIVING = "payment_id IS NOT NULL AND revoked_at IS NULL"
ONCE = "kind IN ('successful_payment', 'refunded_payment')"
WAITING = "sent_at IS NULL AND given_up_at IS NULL"

TABLES = (
    "purchase_attempts",
    "unread_updates",
    "seen_updates",
    "outbox",
    "telegram_payment_events",
    "entitlements",
    "refunds",
    "payments",
    "invoices",
)

APPEND_ONLY = {
    "postgresql": (
        """
        CREATE FUNCTION refuse_to_change_the_trail() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'telegram_payment_events is only ever added to' USING ERRCODE = 'restrict_violation';
        END
        $$
        """,
        """
        CREATE TRIGGER telegram_payment_events_append_only
        BEFORE UPDATE OR DELETE OR TRUNCATE ON telegram_payment_events
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_the_trail()
        """,
    ),
    "sqlite": tuple(
        f"""
        CREATE TRIGGER telegram_payment_events_no_{act.lower()} BEFORE {act} ON telegram_payment_events
        BEGIN SELECT RAISE(ABORT, 'telegram_payment_events is only ever added to'); END
        """
        for act in ("UPDATE", "DELETE")
    ),
}


def upgrade() -> None:
    _invoices()
    _payments()
    _refunds()
    _entitlements()
    _trail()
    _outbox()
    _updates()
    _attempts()


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_to_change_the_trail()")


def _invoices() -> None:
    op.create_table(
        "invoices",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("bot", sa.Text(), nullable=False),
        sa.Column("user_id", Whole, nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("plan_code", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("amount", Whole, nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("duration", sa.Text(), nullable=False),
        sa.Column("features", Json, nullable=False),
        sa.Column("limits", Json, nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("issued_at", Moment, nullable=False),
        sa.Column("expires_at", Moment, nullable=False),
        sa.Column("approved_at", Moment),
        sa.Column("settled_by", sa.Text()),
        sa.Column("cancelled_at", Moment),
        sa.Column("telegram_message_id", Whole),
        sa.PrimaryKeyConstraint("id", name="pk_invoices"),
        sa.CheckConstraint("amount > 0", name=op.f("ck_invoices_amount_is_positive")),
        **STRICT,
    )
    _index("ix_invoices_expires_at", "invoices", ["expires_at"])


def _payments() -> None:
    op.create_table(
        "payments",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("charge_id", sa.Text(), nullable=False),
        sa.Column("provider_charge_id", sa.Text(), nullable=False),
        sa.Column("bot", sa.Text(), nullable=False),
        sa.Column("user_id", Whole, nullable=False),
        sa.Column("amount", Whole, nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("charged_at", Moment, nullable=False),
        sa.Column("message", sa.LargeBinary(), nullable=False),
        sa.Column("invoice_id", sa.Text()),
        sa.Column("plan_code", sa.Text()),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("quarantine_reason", sa.Text()),
        sa.Column("received_at", Moment, nullable=False),
        sa.Column("refunded_at", Moment),
        sa.PrimaryKeyConstraint("id", name="pk_payments"),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name="fk_payments_invoice_id"),
        sa.UniqueConstraint("charge_id", "provider", name="uq_payments_charge"),
        sa.CheckConstraint("amount > 0", name=op.f("ck_payments_amount_is_positive")),
        sa.CheckConstraint(
            "status IN ('granted', 'quarantined', 'refund_pending', 'refunded')",
            name=op.f("ck_payments_status_is_known"),
        ),
        **STRICT,
    )
    _index("ix_payments_of_user", "payments", ["user_id", "received_at", "id"])


def _refunds() -> None:
    op.create_table(
        "refunds",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("charge_id", sa.Text(), nullable=False),
        sa.Column("bot", sa.Text(), nullable=False),
        sa.Column("amount", Whole, nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("refunded_at", Moment, nullable=False),
        sa.Column("message", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("charge_id", "provider", name="pk_refunds"),
        sa.CheckConstraint("amount > 0", name=op.f("ck_refunds_amount_is_positive")),
        **STRICT,
    )


def _entitlements() -> None:
    op.create_table(
        "entitlements",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("user_id", Whole, nullable=False),
        sa.Column("plan_code", sa.Text(), nullable=False),
        sa.Column("features", Json, nullable=False),
        sa.Column("limits", Json, nullable=False),
        sa.Column("duration", sa.Text(), nullable=False),
        sa.Column("granted_at", Moment, nullable=False),
        sa.Column("starts_at", Moment, nullable=False),
        sa.Column("expires_at", Moment),
        sa.Column("payment_id", sa.Text()),
        sa.Column("revoked_at", Moment),
        sa.PrimaryKeyConstraint("id", name="pk_entitlements"),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name="fk_entitlements_payment_id"),
        sa.CheckConstraint("expires_at > starts_at", name=op.f("ck_entitlements_ends_after_its_start")),
        **STRICT,
    )
    _index("ix_entitlements_of_user", "entitlements", ["user_id", "starts_at"])
    _index("uq_entitlements_living_grant", "entitlements", ["payment_id"], unique=True, where=LIVING)


def _trail() -> None:
    op.create_table(
        "telegram_payment_events",
        sa.Column("id", Whole, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("bot", sa.Text(), nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("user_id", Whole),
        sa.Column("invoice_id", sa.Text()),
        sa.Column("telegram_payment_charge_id", sa.Text()),
        sa.Column("decision", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.Column("message", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("id", name="pk_telegram_payment_events"),
        **NUMBERED,
    )
    _index(
        "uq_telegram_payment_events_charge",
        "telegram_payment_events",
        ["telegram_payment_charge_id", "kind"],
        unique=True,
        where=ONCE,
    )
    for statement in APPEND_ONLY[op.get_context().dialect.name]:
        op.execute(statement)


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", Whole, nullable=False),
        sa.Column("bot", sa.Text(), nullable=False),
        sa.Column("chat_id", Whole, nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("due_at", Moment, nullable=False),
        sa.Column("attempts", Whole, nullable=False),
        sa.Column("claimed_at", Moment),
        sa.Column("claimed_until", Moment),
        sa.Column("sent_at", Moment),
        sa.Column("given_up_at", Moment),
        sa.Column("problem", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        **NUMBERED,
    )
    _index("ix_outbox_waiting", "outbox", ["bot", "id"], where=WAITING)
    _index("ix_outbox_waiting_of_chat", "outbox", ["bot", "chat_id", "id"], where=WAITING)
    _index("ix_outbox_claimed_at", "outbox", ["claimed_at"])


def _updates() -> None:
    op.create_table(
        "seen_updates",
        sa.Column("bot", sa.Text(), nullable=False),
        sa.Column("update_id", Whole, nullable=False),
        sa.Column("seen_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("bot", "update_id", name="pk_seen_updates"),
        **STRICT,
    )
    _index("ix_seen_updates_seen_at", "seen_updates", ["seen_at"])
    op.create_table(
        "unread_updates",
        sa.Column("id", Whole, nullable=False),
        sa.Column("bot", sa.Text(), nullable=False),
        sa.Column("update_id", Whole, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("received_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_unread_updates"),
        **NUMBERED,
    )


def _attempts() -> None:
    op.create_table(
        "purchase_attempts",
        sa.Column("id", Whole, nullable=False),
        sa.Column("user_id", Whole, nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_purchase_attempts"),
        **STRICT,
    )
    _index("ix_purchase_attempts_of_user", "purchase_attempts", ["user_id", "at"])


def _index(name: str, table: str, columns: list[str], *, unique: bool = False, where: str | None = None) -> None:
    condition = None if where is None else sa.text(where)
    op.create_index(name, table, columns, unique=unique, postgresql_where=condition, sqlite_where=condition)
