"""The console: who is signed in, how often somebody tried, and what each form was sent for."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

# As the types stood at this revision; a migration does not change with the code.
Whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Moment = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
STRICT: dict[str, Any] = {"sqlite_strict": True}


def upgrade() -> None:
    op.create_table(
        "console_sessions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("credential", sa.Text(), nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("seen_at", Moment, nullable=False),
        sa.Column("ended_at", Moment),
        sa.PrimaryKeyConstraint("id", name="pk_console_sessions"),
        **STRICT,
    )
    op.create_table(
        "console_attempts",
        sa.Column("id", Whole, nullable=False),
        sa.Column("whose", sa.Text(), nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_console_attempts"),
        sqlite_autoincrement=True,
        **STRICT,
    )
    op.create_index("ix_console_attempts_whose", "console_attempts", ["whose", "at"])
    op.create_table(
        "console_acts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("begun_at", Moment, nullable=False),
        sa.Column("outcome", sa.Text()),
        sa.Column("leads_to", sa.Text()),
        sa.Column("said", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_console_acts"),
        **STRICT,
    )


def downgrade() -> None:
    op.drop_table("console_acts")
    op.drop_table("console_attempts")
    op.drop_table("console_sessions")
