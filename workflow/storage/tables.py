"""The tables, as SQLAlchemy Core sees them; the migrations make them, this module only names what they hold."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
)

from workflow.storage.moment import FAR_AHEAD, LONG_AGO, Moment

HEAD = "0006"
"""The migration this program is written for; a test holds it against the migrations themselves."""


_UNTRIED = "state = 'pending' AND recipient IS NOT NULL AND is_reminder AND attempts = 0 AND case_id IS NOT NULL"
MERGEABLE = f"{_UNTRIED} AND reason IS NULL"
"""Reminders that may still become part of a digest; one that was taken out of one for good says so as its reason."""


def _partial(name: str, *columns: str, where: str) -> Index:
    """An index over some of the rows; the migration makes it, and its condition stands here to be read only.

    Given as `postgresql_where` it would load that dialect, 22 ms, for a command that runs on SQLite.
    """
    return Index(name, *columns, info={"where": where})


metadata = MetaData()
_Id = BigInteger().with_variant(Integer, "sqlite")

cases = Table(
    "cases",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("reference", String(11), nullable=False, unique=True),
    Column("external_reference", Text, unique=True),
    Column("definition", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("head", String(64), nullable=False),
    Column("at", Moment, nullable=False),
    Column("facts", Text, nullable=False),
    Column("progress", Text, nullable=False),
    Column("opened_at", Moment, nullable=False),
    Column("entered_at", Moment, nullable=False),
    Column("due_at", Moment),
    Column("ended_at", Moment),
    Column("erased", Boolean, nullable=False),
    Index("cases_by_state", "state", "id"),
    Index("cases_by_due", "due_at", "id"),
)

events = Table(
    "events",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("case_id", _Id, ForeignKey("cases.id"), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("at", Moment, nullable=False),
    Column("actor", Text, nullable=False),
    Column("os_user", Text, nullable=False),
    Column("via", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("trigger", Text),
    Column("from_state", Text),
    Column("to_state", Text, nullable=False),
    Column("definition_version", Text, nullable=False),
    Column("canonical", LargeBinary, nullable=False),
    Column("prev_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    UniqueConstraint("case_id", "seq", name="events_by_case"),
)

private_values = Table(
    "private_values",
    metadata,
    Column("case_id", _Id, ForeignKey("cases.id"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("path", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("salt", LargeBinary, nullable=False),
)

timers = Table(
    "timers",
    metadata,
    Column("case_id", _Id, ForeignKey("cases.id"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("rung", Integer, nullable=False),
    Column("due_at", Moment(garbled=FAR_AHEAD), nullable=False),
    Index("timers_by_due", "due_at", "case_id"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("case_id", _Id, ForeignKey("cases.id")),
    Column("seq", Integer),
    Column("letter", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("recipient", Text),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("context", Text, nullable=False),
    Column("created_at", Moment(garbled=LONG_AGO), nullable=False),
    Column("due_at", Moment(garbled=LONG_AGO), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("token", Text),
    Column("lease_until", Moment(garbled=LONG_AGO)),
    Column("message_id", Text),
    Column("subject", Text),
    Column("message", LargeBinary),
    Column("sha256", String(64)),
    Column("finished_at", Moment(garbled=LONG_AGO)),
    Column("merged_into", _Id),
    Column("is_reminder", Boolean, nullable=False, default=False),
    Index("outbox_by_case", "case_id", "id"),
    _partial("outbox_unsent", "state", "id", where="state <> 'sent'"),
    _partial("outbox_claimable", "due_at", "id", where="state = 'pending' AND recipient IS NOT NULL"),
    _partial("outbox_addressless", "role", "id", where="state = 'pending' AND recipient IS NULL"),
    _partial("outbox_leased", "lease_until", where="state IN ('claimed', 'sending')"),
    _partial("outbox_merged", "merged_into", "case_id", where="merged_into IS NOT NULL"),
    _partial("outbox_mergeable", "recipient", "id", where=_UNTRIED),
)

outbox_attempts = Table(
    "outbox_attempts",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("outbox_id", _Id, ForeignKey("outbox.id"), nullable=False),
    Column("case_id", _Id, ForeignKey("cases.id")),
    Column("at", Moment(garbled=LONG_AGO), nullable=False),
    Column("phase", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("code", Integer),
    Column("words", Text),
    Index("outbox_attempts_by_letter", "outbox_id", "id"),
)

definitions = Table(
    "definitions",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("canonical", LargeBinary, nullable=False),
)

case_keys = Table(
    "case_keys",
    metadata,
    Column("case_id", _Id, ForeignKey("cases.id"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Column("detail", Text, nullable=False),
    Index("case_keys_by_value", "kind", "value", "case_id"),
)

answers = Table(
    "answers",
    metadata,
    Column("case_id", _Id, ForeignKey("cases.id"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("command", String(64), nullable=False),
    Column("answer", Text, nullable=False),
)

workers = Table(
    "workers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("started_at", Moment(garbled=LONG_AGO), nullable=False),
    Column("seen_at", Moment(garbled=LONG_AGO), nullable=False),
    Column("stopped_at", Moment(garbled=LONG_AGO)),
)

slots = Table(
    "slots",
    metadata,
    Column("name", Text, primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("served_at", Moment, nullable=False),
)

leaves = Table(
    "leaves",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=False),
    Column("case_id", _Id, ForeignKey("cases.id"), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("hash", String(64), nullable=False),
    UniqueConstraint("case_id", "seq", name="leaves_by_case"),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("size", _Id, nullable=False),
    Column("root", String(64), nullable=False),
    Column("note", Text, nullable=False),
)

sequencer = Table(
    "sequencer",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=False),
    Column("size", _Id, nullable=False),
    Column("last_event", _Id, nullable=False),
    Column("skipped", Text, nullable=False),
    Column("peaks", Text, nullable=False),
)

restores = Table(
    "restores",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("copied_at", Moment),
    Column("letters", Integer, nullable=False),
    Column("released_at", Moment),
)

HISTORY = frozenset(("cases", "events", "private_values", "definitions", "leaves", "checkpoints", "sequencer"))
"""The tables that `audit verify` holds against each other."""
SAME_EVENT = and_(leaves.c.case_id == events.c.case_id, leaves.c.seq == events.c.seq)
"""Whether a leaf stands for an event."""
