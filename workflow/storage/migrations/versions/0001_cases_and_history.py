"""Cases, their history that only grows, timers, letters."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_SQLITE = (
    """CREATE TRIGGER events_refuse_update BEFORE UPDATE ON events
       BEGIN SELECT RAISE(ABORT, 'history is append-only: an event is never changed'); END""",
    """CREATE TRIGGER events_refuse_delete BEFORE DELETE ON events
       BEGIN SELECT RAISE(ABORT, 'history is append-only: an event is never deleted'); END""",
    # INSERT OR REPLACE deletes without firing DELETE triggers, so what exists is refused on the way in.
    """CREATE TRIGGER events_refuse_replace BEFORE INSERT ON events
       WHEN EXISTS (SELECT 1 FROM events WHERE id = NEW.id)
         OR EXISTS (SELECT 1 FROM events WHERE case_id = NEW.case_id AND seq = NEW.seq)
       BEGIN SELECT RAISE(ABORT, 'history is append-only: this event exists'); END""",
)
_POSTGRESQL = (
    """CREATE FUNCTION events_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN RAISE EXCEPTION 'history is append-only: % of events is refused', TG_OP; END $$""",
    """CREATE TRIGGER events_refuse_change BEFORE UPDATE OR DELETE ON events
       FOR EACH ROW EXECUTE FUNCTION events_refuse()""",
    """CREATE TRIGGER events_refuse_truncate BEFORE TRUNCATE ON events
       FOR EACH STATEMENT EXECUTE FUNCTION events_refuse()""",
)


def upgrade() -> None:
    """Make the tables and forbid changing history."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    number = sa.Integer() if sqlite else sa.BigInteger()
    moment = sa.String(27) if sqlite else sa.DateTime(timezone=True)
    _cases(number, moment)
    _history(number, moment)
    _letters(number, moment)
    _lookups(number)
    for statement in _SQLITE if sqlite else _POSTGRESQL:
        op.execute(statement)


def _cases(number: sa.types.TypeEngine[Any], moment: sa.types.TypeEngine[Any]) -> None:
    op.create_table(
        "cases",
        sa.Column("id", number, primary_key=True),
        sa.Column("reference", sa.String(11), nullable=False, unique=True),
        sa.Column("external_reference", sa.Text, unique=True),
        sa.Column("definition", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("head", sa.String(64), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("facts", sa.Text, nullable=False),
        sa.Column("progress", sa.Text, nullable=False),
        sa.Column("opened_at", moment, nullable=False),
        sa.Column("entered_at", moment, nullable=False),
        sa.Column("due_at", moment),
        sa.Column("ended_at", moment),
        sa.Column("erased", sa.Boolean, nullable=False),
    )
    op.create_index("cases_by_state", "cases", ["state", "id"])
    op.create_index("cases_by_due", "cases", ["due_at", "id"])
    op.create_table(
        "timers",
        sa.Column("case_id", number, sa.ForeignKey("cases.id"), primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("rung", sa.Integer, nullable=False),
        sa.Column("due_at", moment, nullable=False),
    )
    op.create_index("timers_by_due", "timers", ["due_at", "case_id"])


def _history(number: sa.types.TypeEngine[Any], moment: sa.types.TypeEngine[Any]) -> None:
    op.create_table(
        "events",
        sa.Column("id", number, primary_key=True, autoincrement=True),
        sa.Column("case_id", number, sa.ForeignKey("cases.id"), nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("os_user", sa.Text, nullable=False),
        sa.Column("via", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("trigger", sa.Text),
        sa.Column("from_state", sa.Text),
        sa.Column("to_state", sa.Text, nullable=False),
        sa.Column("definition_version", sa.Text, nullable=False),
        sa.Column("canonical", sa.LargeBinary, nullable=False),
        sa.Column("prev_hash", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.UniqueConstraint("case_id", "seq", name="events_by_case"),
    )
    op.create_table(
        "private_values",
        sa.Column("case_id", number, sa.ForeignKey("cases.id"), primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("path", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "definitions",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("version", sa.Text, primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("canonical", sa.LargeBinary, nullable=False),
    )


def _letters(number: sa.types.TypeEngine[Any], moment: sa.types.TypeEngine[Any]) -> None:
    op.create_table(
        "outbox",
        sa.Column("id", number, primary_key=True, autoincrement=True),
        sa.Column("case_id", number, sa.ForeignKey("cases.id")),
        sa.Column("seq", sa.Integer),
        sa.Column("letter", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("recipient", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("context", sa.Text, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("due_at", moment, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("token", sa.Text),
        sa.Column("lease_until", moment),
        sa.Column("message_id", sa.Text),
        sa.Column("subject", sa.Text),
        sa.Column("message", sa.LargeBinary),
        sa.Column("sha256", sa.String(64)),
        sa.Column("finished_at", moment),
    )
    op.create_index("outbox_by_state", "outbox", ["state", "due_at", "id"])
    op.create_index("outbox_by_case", "outbox", ["case_id", "id"])
    op.create_table(
        "outbox_attempts",
        sa.Column("id", number, primary_key=True, autoincrement=True),
        sa.Column("outbox_id", number, sa.ForeignKey("outbox.id"), nullable=False),
        sa.Column("case_id", number, sa.ForeignKey("cases.id")),
        sa.Column("at", moment, nullable=False),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("code", sa.Integer),
        sa.Column("words", sa.Text),
    )
    op.create_index("outbox_attempts_by_letter", "outbox_attempts", ["outbox_id", "id"])


def _lookups(number: sa.types.TypeEngine[Any]) -> None:
    op.create_table(
        "case_keys",
        sa.Column("case_id", number, sa.ForeignKey("cases.id"), primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, primary_key=True),
        sa.Column("detail", sa.Text, nullable=False),
    )
    op.create_index("case_keys_by_value", "case_keys", ["kind", "value", "case_id"])
    op.create_table(
        "answers",
        sa.Column("case_id", number, sa.ForeignKey("cases.id"), primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("command", sa.String(64), nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
    )
