"""The inbox, refunds that we order, how far ledgers were read, and who decided what about a payment."""

from hashlib import blake2b
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

# As the types stood at this revision; a migration does not change with the code.
Whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Moment = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
STRICT: dict[str, Any] = {"sqlite_strict": True}
NUMBERED: dict[str, Any] = {**STRICT, "sqlite_autoincrement": True}

REPORT_WAITS = "done_at IS NULL AND given_up_at IS NULL"
ORDER_WAITS = "done_at IS NULL AND failed_at IS NULL"
UNCONFIRMED = "confirmed_at IS NULL"
QUARANTINED = "status = 'quarantined'"


def upgrade() -> None:
    _inbox()
    _refund_orders()
    _ledger_marks()
    moment = Moment.compile(dialect=op.get_bind().dialect)
    op.execute(f"ALTER TABLE payments ADD COLUMN confirmed_at {moment}")
    _index("ix_payments_unconfirmed", "payments", ["received_at"], UNCONFIRMED)
    _index("ix_payments_quarantined", "payments", ["received_at"], QUARANTINED)
    op.create_index("ix_payments_received_at", "payments", ["received_at", "id"])
    for column in ("actor", "note"):
        op.execute(f"ALTER TABLE telegram_payment_events ADD COLUMN {column} TEXT")
    for column in ("user_id", "invoice_id", "telegram_payment_charge_id"):
        op.create_index(f"ix_telegram_payment_events_{column}", "telegram_payment_events", [column, "id"])


def downgrade() -> None:
    for column in ("user_id", "invoice_id", "telegram_payment_charge_id"):
        op.drop_index(f"ix_telegram_payment_events_{column}", "telegram_payment_events")
    for column in ("note", "actor"):
        op.drop_column("telegram_payment_events", column)
    for index in ("ix_payments_received_at", "ix_payments_quarantined", "ix_payments_unconfirmed"):
        op.drop_index(index, "payments")
    op.drop_column("payments", "confirmed_at")
    _unread_updates()
    op.execute(
        "INSERT INTO unread_updates (bot, update_id, body, problem, received_at)"
        " SELECT bot, 0, body, coalesce(problem, ''), received_at FROM inbox"
        " WHERE source = 'telegram_update' AND done_at IS NULL AND given_up_at IS NULL ORDER BY id"
    )
    for table in ("ledger_marks", "refund_orders", "inbox"):
        op.drop_table(table)


def _inbox() -> None:
    op.create_table(
        "inbox",
        sa.Column("id", Whole, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("bot", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("found_by", sa.Text(), nullable=False),
        sa.Column("received_at", Moment, nullable=False),
        sa.Column("attempts", Whole, nullable=False),
        sa.Column("due_at", Moment, nullable=False),
        sa.Column("claimed_until", Moment),
        sa.Column("done_at", Moment),
        sa.Column("outcome", sa.Text()),
        sa.Column("given_up_at", Moment),
        sa.Column("problem", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_inbox"),
        sa.UniqueConstraint("digest", name="uq_inbox_digest"),
        **NUMBERED,
    )
    _index("ix_inbox_waiting", "inbox", ["due_at", "id"], REPORT_WAITS)
    _index("ix_inbox_given_up", "inbox", ["id"], "given_up_at IS NOT NULL")
    _take_over_unread_updates()


def _take_over_unread_updates() -> None:
    """What could not be read before is tried again."""
    connection = op.get_bind()
    rows = connection.execute(
        sa.text("SELECT bot, body, problem, received_at FROM unread_updates ORDER BY id").columns(body=sa.LargeBinary())
    ).all()
    new = sa.text(
        "INSERT INTO inbox (source, bot, digest, body, found_by, received_at, attempts, due_at, problem)"
        " VALUES ('telegram_update', :bot, :digest, :body, 'webhook', :at, 0, :at, :problem)"
        " ON CONFLICT (digest) DO NOTHING"
    ).bindparams(sa.bindparam("body", type_=sa.LargeBinary()))
    for bot, body, problem, received_at in rows:
        digest = blake2b(b"\0".join([b"telegram_update", bot.encode(), bytes(body)]), digest_size=32).hexdigest()
        connection.execute(
            new, {"bot": bot, "digest": digest, "body": bytes(body), "at": received_at, "problem": problem}
        )
    op.drop_table("unread_updates")


def _unread_updates() -> None:
    op.create_table(
        "unread_updates",
        sa.Column("id", Whole, nullable=False),
        sa.Column("bot", sa.Text(), nullable=False),
        sa.Column("update_id", Whole, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("received_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_unread_updates"),
        **NUMBERED,
    )


def _refund_orders() -> None:
    op.create_table(
        "refund_orders",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("charge_id", sa.Text(), nullable=False),
        sa.Column("payment_id", sa.Text(), nullable=False),
        sa.Column("asked_at", Moment, nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("automatic", Whole, nullable=False),
        sa.Column("attempts", Whole, nullable=False),
        sa.Column("due_at", Moment, nullable=False),
        sa.Column("claimed_until", Moment),
        sa.Column("done_at", Moment),
        sa.Column("failed_at", Moment),
        sa.Column("problem", sa.Text()),
        sa.PrimaryKeyConstraint("charge_id", "provider", name="pk_refund_orders"),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name="fk_refund_orders_payment_id"),
        **STRICT,
    )
    _index("ix_refund_orders_waiting", "refund_orders", ["due_at", "asked_at"], ORDER_WAITS)
    _index("ix_refund_orders_automatic", "refund_orders", ["asked_at"], "automatic = 1")


def _ledger_marks() -> None:
    op.create_table(
        "ledger_marks",
        sa.Column("ledger", sa.Text(), nullable=False),
        sa.Column("first_started_at", Moment, nullable=False),
        sa.Column("read_to", Whole, nullable=False),
        sa.Column("tail_read_at", Moment),
        sa.Column("whole_read_to", Whole),
        sa.Column("whole_begun_at", Moment),
        sa.Column("whole_read_at", Moment),
        sa.PrimaryKeyConstraint("ledger", name="pk_ledger_marks"),
        **STRICT,
    )


def _index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
