"""Events for other services, what is on its way to whom, and which spans were noticed to be over."""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

# As the types stood at this revision; a migration does not change with the code.
Whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Moment = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
STRICT: dict[str, Any] = {"sqlite_strict": True}
NUMBERED: dict[str, Any] = {**STRICT, "sqlite_autoincrement": True}

END_IS_AHEAD = "expires_at IS NOT NULL AND revoked_at IS NULL AND over_noted_at IS NULL"
UNNUMBERED = "sequence IS NULL"
PUSH_WAITS = "given_up_at IS NULL"


def upgrade() -> None:
    _ends()
    _events()
    _endpoints()
    _pushes()


def downgrade() -> None:
    for table in ("event_pushes", "event_endpoints", "events"):
        op.drop_table(table)
    op.drop_index("ix_entitlements_end_is_ahead", "entitlements")
    op.drop_column("entitlements", "over_noted_at")


def _ends() -> None:
    moment = Moment.compile(dialect=op.get_bind().dialect)
    op.execute(f"ALTER TABLE entitlements ADD COLUMN over_noted_at {moment}")
    # What was over before there was a feed is told to nobody.
    now = datetime.now(UTC).isoformat(sep=" ", timespec="microseconds")
    op.execute(f"UPDATE entitlements SET over_noted_at = '{now}' WHERE expires_at <= '{now}'")  # noqa: S608 - a time
    _index("ix_entitlements_end_is_ahead", "entitlements", ["expires_at", "id"], END_IS_AHEAD)


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("id", Whole, nullable=False),
        sa.Column("sequence", Whole),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("user_id", Whole, nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sa.UniqueConstraint("sequence", name="uq_events_sequence"),
        **NUMBERED,
    )
    _index("ix_events_unnumbered", "events", ["id"], UNNUMBERED)


def _endpoints() -> None:
    op.create_table(
        "event_endpoints",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("position", Whole, nullable=False),
        sa.Column("due_at", Moment, nullable=False),
        sa.Column("failures", Whole, nullable=False),
        sa.Column("failing_since", Moment),
        sa.Column("pushed_at", Moment),
        sa.Column("disabled_at", Moment),
        sa.Column("problem", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_event_endpoints"),
        **STRICT,
    )


def _pushes() -> None:
    op.create_table(
        "event_pushes",
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("sequence", Whole, nullable=False),
        sa.Column("user_id", Whole, nullable=False),
        sa.Column("attempts", Whole, nullable=False),
        sa.Column("due_at", Moment, nullable=False),
        sa.Column("claimed_until", Moment),
        sa.Column("failing_since", Moment),
        sa.Column("given_up_at", Moment),
        sa.Column("problem", sa.Text()),
        sa.PrimaryKeyConstraint("endpoint", "sequence", name="pk_event_pushes"),
        **STRICT,
    )
    _index("ix_event_pushes_waiting_of_user", "event_pushes", ["endpoint", "user_id", "sequence"], PUSH_WAITS)


def _index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
