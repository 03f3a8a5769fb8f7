"""What a letter and a kept report were caused by, so that their log lines and spans are found beside its own."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("outbox", sa.Column("cause", sa.Text))
    op.add_column("inbox", sa.Column("cause", sa.Text))


def downgrade() -> None:
    op.drop_column("inbox", "cause")
    op.drop_column("outbox", "cause")
