"""Grants by hand, and what it takes to say what was known of entitlements at any moment."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

# As the types stood at this revision; a migration does not change with the code.
Moment = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
STRICT: dict[str, Any] = {"sqlite_strict": True}
COLUMNS = ("origin", "moved_at", "granted_by", "reason")

# Until now every row came from a payment, and a payment had one living row at a time: each took the place of the one
# that was ended last before it. What was interrupted and went on was granted anew, and has its own time already.
ROWS = """
    SELECT id, granted_at,
           lag(revoked_at) OVER (PARTITION BY payment_id ORDER BY coalesce(revoked_at, {never}), id) AS ended_at,
           first_value(id) OVER (PARTITION BY payment_id ORDER BY coalesce(revoked_at, {never}), id) AS root
    FROM entitlements
    WHERE payment_id IN (SELECT payment_id FROM entitlements WHERE revoked_at IS NOT NULL)
"""
NEVER = {"sqlite": "'9999-12-31'", "postgresql": "'infinity'::timestamptz"}


def upgrade() -> None:
    dialect = op.get_bind().dialect
    moment = Moment.compile(dialect=dialect)
    for column in COLUMNS:
        op.execute(f"ALTER TABLE entitlements ADD COLUMN {column} {moment if column == 'moved_at' else 'TEXT'}")
    op.execute("ALTER TABLE telegram_payment_events ADD COLUMN entitlement_id TEXT")
    op.create_table(
        "grant_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("entitlement_id", sa.Text(), nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_grant_keys"),
        **STRICT,
    )
    rows = ROWS.format(never=NEVER[dialect.name])
    op.execute(
        "UPDATE entitlements SET origin = earlier.root,"  # noqa: S608 - both parts are from above
        " moved_at = CASE WHEN earlier.granted_at < earlier.ended_at THEN earlier.ended_at END"
        f" FROM ({rows}) AS earlier WHERE earlier.id = entitlements.id AND earlier.ended_at IS NOT NULL"
    )


def downgrade() -> None:
    op.drop_table("grant_keys")
    op.drop_column("telegram_payment_events", "entitlement_id")
    for column in reversed(COLUMNS):
        op.drop_column("entitlements", column)
