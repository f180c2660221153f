"""Letters are found by state among those that were not simply sent, and by the digest they became part of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Replace the index over all states by one over those that ask for something, and add the one of digests."""
    op.drop_index("outbox_by_state", "outbox")
    unsent = sa.text("state <> 'sent'")
    op.create_index("outbox_unsent", "outbox", ["state", "id"], sqlite_where=unsent, postgresql_where=unsent)
    merged = sa.text("merged_into IS NOT NULL")
    op.create_index("outbox_merged", "outbox", ["merged_into", "case_id"], sqlite_where=merged, postgresql_where=merged)
