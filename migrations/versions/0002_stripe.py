"""Paying by Stripe: its events, customers and pages; what went back in part, and what a dispute has interrupted."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

# As the types stood at this revision; a migration does not change with the code.
Whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Moment = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
Json = postgresql.JSONB().with_variant(sa.Text(), "sqlite")
Truth = sa.Boolean().with_variant(sa.Integer(), "sqlite")
STRICT: dict[str, Any] = {"sqlite_strict": True}

NEW_OF_PAYMENTS = ("amount_refunded", "disputes", "suspended")
TABLES = ("stripe_events", "stripe_customers", "checkouts")
KEYED = "idempotency_key IS NOT NULL"


def upgrade() -> None:
    _payments()
    _checkouts()
    _customers()
    _events()


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)
    for column in reversed(NEW_OF_PAYMENTS):
        op.drop_column("payments", column)


def _payments() -> None:
    # Written out, with the constraint beside its column: SQLite adds and drops such a one without copying the table,
    # which other tables point to.
    whole, json = (kind.compile(dialect=op.get_bind().dialect) for kind in (Whole, Json))
    op.execute(
        f"ALTER TABLE payments ADD COLUMN amount_refunded {whole} DEFAULT 0 NOT NULL"
        " CONSTRAINT ck_payments_no_more_went_back_than_came CHECK (amount_refunded BETWEEN 0 AND amount)"
    )
    op.execute(f"ALTER TABLE payments ADD COLUMN disputes {json} DEFAULT '{{}}' NOT NULL")
    op.execute("ALTER TABLE payments ADD COLUMN suspended TEXT")
    # Until now every refund was of the whole.
    op.execute("UPDATE payments SET amount_refunded = amount WHERE status = 'refunded'")


def _checkouts() -> None:
    op.create_table(
        "checkouts",
        sa.Column("invoice_id", sa.Text(), nullable=False),
        sa.Column("user_id", Whole, nullable=False),
        sa.Column("idempotency_key", sa.Text()),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text()),
        sa.Column("url", sa.Text()),
        sa.Column("created_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("invoice_id", name="pk_checkouts"),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name="fk_checkouts_invoice_id"),
        **STRICT,
    )
    op.create_index(
        "uq_checkouts_key",
        "checkouts",
        ["user_id", "idempotency_key"],
        unique=True,
        postgresql_where=sa.text(KEYED),
        sqlite_where=sa.text(KEYED),
    )


def _customers() -> None:
    op.create_table(
        "stripe_customers",
        sa.Column("user_id", Whole, autoincrement=False, nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_stripe_customers"),
        sa.UniqueConstraint("customer_id", name="uq_stripe_customers_customer_id"),
        **STRICT,
    )


def _events() -> None:
    op.create_table(
        "stripe_events",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("live", Truth, nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("received_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_stripe_events"),
        **STRICT,
    )
