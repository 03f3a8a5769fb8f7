"""Messages that were given up are found among all that were ever sent."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

GIVEN_UP = sa.text("given_up_at IS NOT NULL")


def upgrade() -> None:
    op.create_index("ix_outbox_given_up", "outbox", ["given_up_at"], sqlite_where=GIVEN_UP, postgresql_where=GIVEN_UP)


def downgrade() -> None:
    op.drop_index("ix_outbox_given_up", "outbox")
