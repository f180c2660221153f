"""Restores: when a copy was put back, and until when its reminders are held."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    moment = sa.String(27) if sqlite else sa.DateTime(timezone=True)
    op.create_table(
        "restores",
        sa.Column("id", sa.Integer() if sqlite else sa.BigInteger(), primary_key=True, autoincrement=True),
        sa.Column("at", moment, nullable=False),
        sa.Column("copied_at", moment),
        sa.Column("letters", sa.Integer, nullable=False),
        sa.Column("released_at", moment),
    )
