"""What operators read: sums of each hour, the names of users, and indexes for rare things among a million."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

# As the types stood at this revision; a migration does not change with the code.
Whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Moment = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
Word = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
STRICT: dict[str, Any] = {"sqlite_strict": True}

INDEXES = (
    ("ix_payments_not_granted", "payments", ["status", "received_at", "id"], "status != 'granted'"),
    ("ix_payments_of_method", "payments", ["method", "received_at", "id"], None),
    ("ix_payments_of_plan", "payments", ["plan_code", "received_at", "id"], None),
    ("ix_payments_provider_charge_id", "payments", ["provider_charge_id"], None),
    (
        "ix_entitlements_living",
        "entitlements",
        ["plan_code", "user_id", "expires_at"],
        "revoked_at IS NULL AND over_noted_at IS NULL",
    ),
    ("ix_telegram_payment_events_refund_asked", "telegram_payment_events", ["id"], "kind = 'refund_asked'"),
    ("ix_outbox_of_chat", "outbox", ["chat_id", "id"], None),
)


def upgrade() -> None:
    op.create_table(
        "figures",
        sa.Column("hours", Whole, nullable=False),
        sa.Column("hour", Whole, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("plan_code", sa.Text(), nullable=False),
        sa.Column("number", Whole, nullable=False),
        sa.Column("amount", Whole, nullable=False),
        sa.PrimaryKeyConstraint("hours", "hour", "kind", "method", "currency", "plan_code", name="pk_figures"),
        **STRICT,
    )
    _index("ix_figures_mark", "figures", ["hour"], "kind = 'mark'")
    op.create_table(
        "people",
        sa.Column("user_id", Whole, autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("seen_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_people"),
        **STRICT,
    )
    op.create_table(
        "people_words",
        sa.Column("word", Word, nullable=False),
        sa.Column("user_id", Whole, nullable=False),
        sa.PrimaryKeyConstraint("word", "user_id", name="pk_people_words"),
        **STRICT,
    )
    _index("ix_people_words_user_id", "people_words", ["user_id"], None)
    for name, table, columns, where in INDEXES:
        _index(name, table, columns, where)


def downgrade() -> None:
    for name, table, _, _ in INDEXES:
        op.drop_index(name, table)
    for table in ("people_words", "people", "figures"):
        op.drop_table(table)


def _index(name: str, table: str, columns: list[str], where: str | None) -> None:
    condition = None if where is None else sa.text(where)
    op.create_index(name, table, columns, sqlite_where=condition, postgresql_where=condition)
