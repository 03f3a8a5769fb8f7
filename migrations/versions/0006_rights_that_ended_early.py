"""An index of the entitlements that were revoked: whoever checks passports asks for the last of them all the time."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

REVOKED = sa.text("revoked_at IS NOT NULL")


def upgrade() -> None:
    op.create_index(
        "ix_entitlements_revoked", "entitlements", ["revoked_at"], sqlite_where=REVOKED, postgresql_where=REVOKED
    )


def downgrade() -> None:
    op.drop_index("ix_entitlements_revoked", "entitlements")
