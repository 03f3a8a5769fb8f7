"""What a bot needs over Telegram's own protocol: logins with their leases, how far it has come, whom it has met."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

# As the types stood at this revision; a migration does not change with the code.
Whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Moment = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
STRICT: dict[str, Any] = {"sqlite_strict": True}


def upgrade() -> None:
    op.create_table(
        "telegram_logins",
        sa.Column("bot_id", Whole, nullable=False),
        sa.Column("place", Whole, nullable=False),
        sa.Column("dc_id", Whole, nullable=False),
        sa.Column("server", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("held_by", sa.Text()),
        sa.Column("held_until", Moment),
        sa.PrimaryKeyConstraint("bot_id", "place", name="pk_telegram_logins"),
        **STRICT,
    )
    op.create_table(
        "telegram_positions",
        sa.Column("bot_id", Whole, autoincrement=False, nullable=False),
        sa.Column("pts", Whole, nullable=False),
        sa.Column("qts", Whole, nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("bot_id", name="pk_telegram_positions"),
        **STRICT,
    )
    op.create_table(
        "telegram_peers",
        sa.Column("bot_id", Whole, nullable=False),
        sa.Column("peer_id", Whole, nullable=False),
        sa.Column("access_hash", Whole, nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("bot_id", "peer_id", name="pk_telegram_peers"),
        **STRICT,
    )


def downgrade() -> None:
    for table in ("telegram_peers", "telegram_positions", "telegram_logins"):
        op.drop_table(table)
