"""What the last comparison of a whole ledger found, and refunds that failed: whoever looks at the console is told."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

# As the type stood at this revision; a migration does not change with the code.
Whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
FAILED = sa.text("failed_at IS NOT NULL")


def upgrade() -> None:
    for name in ("drift", "other_facts", "unknown_to_provider"):
        op.add_column("ledger_marks", sa.Column(name, Whole))
    op.create_index(
        "ix_refund_orders_failed", "refund_orders", ["failed_at"], sqlite_where=FAILED, postgresql_where=FAILED
    )


def downgrade() -> None:
    op.drop_index("ix_refund_orders_failed", "refund_orders")
    for name in ("unknown_to_provider", "other_facts", "drift"):
        op.drop_column("ledger_marks", name)
