"""The ledger: a leaf for every event, signed checkpoints, and how far the sequencer is; the first two only grow."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_SQLITE = """
CREATE TRIGGER {table}_refuse_update BEFORE UPDATE ON {table}
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: {table} are never changed'); END;
CREATE TRIGGER {table}_refuse_delete BEFORE DELETE ON {table}
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: {table} are never deleted'); END;
CREATE TRIGGER {table}_refuse_replace BEFORE INSERT ON {table} WHEN EXISTS (SELECT 1 FROM {table} WHERE {exists})
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: this one exists'); END;
"""
_POSTGRESQL = """
CREATE TRIGGER {table}_refuse_change BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER {table}_refuse_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();
"""
_REFUSES = """CREATE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'the ledger is append-only: % of % is refused', TG_OP, TG_TABLE_NAME; END $$"""
_EXISTS = {
    "leaves": "id = NEW.id OR (case_id = NEW.case_id AND seq = NEW.seq)",
    "checkpoints": "id = NEW.id",
}


def upgrade() -> None:
    """Make the tables, forbid changing what stands in them, and set the sequencer at the beginning."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    number = sa.Integer() if sqlite else sa.BigInteger()
    moment = sa.String(27) if sqlite else sa.DateTime(timezone=True)
    op.create_table(
        "leaves",
        sa.Column("id", number, primary_key=True, autoincrement=False),
        sa.Column("case_id", number, sa.ForeignKey("cases.id"), nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.UniqueConstraint("case_id", "seq", name="leaves_by_case"),
    )
    op.create_table(
        "checkpoints",
        sa.Column("id", number, primary_key=True, autoincrement=True),
        sa.Column("at", moment, nullable=False),
        sa.Column("size", number, nullable=False),
        sa.Column("root", sa.String(64), nullable=False),
        sa.Column("note", sa.Text, nullable=False),
    )
    sequencer = op.create_table(
        "sequencer",
        sa.Column("id", number, primary_key=True, autoincrement=False),
        sa.Column("size", number, nullable=False),
        sa.Column("last_event", number, nullable=False),
        sa.Column("skipped", sa.Text, nullable=False),
        sa.Column("peaks", sa.Text, nullable=False),
    )
    op.bulk_insert(sequencer, [{"id": 1, "size": 0, "last_event": 0, "skipped": "[]", "peaks": "[]"}])
    if not sqlite:
        op.execute(_REFUSES)
    for table, exists in _EXISTS.items():
        wanted = (_SQLITE if sqlite else _POSTGRESQL).format(table=table, exists=exists)
        for statement in wanted.split(";\n" if not sqlite else "END;\n"):
            if statement.strip():
                op.execute(f"{statement}END" if sqlite else statement)
