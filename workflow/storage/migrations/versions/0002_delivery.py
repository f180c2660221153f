"""What delivery needs: letters that are merged into one, who is at work, and which slots of the day were served."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_CLAIMABLE = "state = 'pending' AND recipient IS NOT NULL"
_ADDRESSLESS = "state = 'pending' AND recipient IS NULL"
_MERGEABLE = f"{_CLAIMABLE} AND is_reminder AND attempts = 0 AND case_id IS NOT NULL"
_LEASED = "state IN ('claimed', 'sending')"


def upgrade() -> None:
    """Indexes for each kind of work, and the tables of the worker."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    number = sa.Integer() if sqlite else sa.BigInteger()
    moment = sa.String(27) if sqlite else sa.DateTime(timezone=True)
    op.add_column("outbox", sa.Column("merged_into", number))
    op.add_column("outbox", sa.Column("is_reminder", sa.Boolean, nullable=False, server_default=sa.false()))
    for name, columns, where in (
        ("outbox_claimable", ["due_at", "id"], _CLAIMABLE),
        ("outbox_addressless", ["role", "id"], _ADDRESSLESS),
        ("outbox_leased", ["lease_until"], _LEASED),
        (
            "outbox_mergeable",
            ["recipient", "id"],
            _MERGEABLE,
        ),
    ):
        op.create_index(name, "outbox", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
    op.create_table(
        "workers",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("started_at", moment, nullable=False),
        sa.Column("seen_at", moment, nullable=False),
        sa.Column("stopped_at", moment),
    )
    op.create_table(
        "slots",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("day", sa.String(10), primary_key=True),
        sa.Column("served_at", moment, nullable=False),
    )
