"""Payments that no ledger was seen to have are found past those that none will ever have."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

BEFORE = sa.text("confirmed_at IS NULL")
UNCONFIRMED = sa.text("confirmed_at IS NULL AND method != 'telegram'")
INDEX = "ix_payments_unconfirmed"


def upgrade() -> None:
    op.drop_index(INDEX, "payments")
    op.create_index(INDEX, "payments", ["received_at", "id"], sqlite_where=UNCONFIRMED, postgresql_where=UNCONFIRMED)


def downgrade() -> None:
    op.drop_index(INDEX, "payments")
    op.create_index(INDEX, "payments", ["received_at"], sqlite_where=BEFORE, postgresql_where=BEFORE)
