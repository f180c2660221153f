"""What the daily work needs of PostgreSQL: the grants of docs/security.md, and which of them a role lacks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from workflow.storage.store import Store

READS = "SELECT"
WRITER: Mapping[str, tuple[str, ...]] = {
    #                 what the writer does with it; a test holds it against docs/security.md
    "alembic_version": ("SELECT",),
    "answers":         ("SELECT", "INSERT"),
    "case_keys":       ("SELECT", "INSERT", "DELETE"),
    "cases":           ("SELECT", "INSERT", "UPDATE"),
    "checkpoints":     ("SELECT", "INSERT"),
    "definitions":     ("SELECT", "INSERT"),
    "events":          ("SELECT", "INSERT"),
    "leaves":          ("SELECT", "INSERT"),
    "outbox":          ("SELECT", "INSERT", "UPDATE"),
    "outbox_attempts": ("SELECT", "INSERT"),
    "private_values":  ("SELECT", "INSERT"),
    "restores":        ("SELECT", "INSERT", "UPDATE"),
    "sequencer":       ("SELECT", "UPDATE"),
    "slots":           ("SELECT", "INSERT", "UPDATE"),
    "timers":          ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "workers":         ("SELECT", "INSERT", "UPDATE"),
}  # fmt: skip
SEQUENCES = tuple(
    f"{table}_id_seq" for table in ("cases", "checkpoints", "events", "outbox", "outbox_attempts", "restores")
)
"""What numbers the rows that the writer inserts; it needs USAGE of each."""
_NEEDED = (*((table, act) for table, acts in WRITER.items() for act in acts), *((name, "USAGE") for name in SEQUENCES))
_ROWS = ", ".join(map(str, _NEEDED))
_LACKING = f"""SELECT name, act, quote_ident(current_user) FROM (VALUES {_ROWS}) AS needed (name, act)
    WHERE NOT CASE act WHEN 'USAGE' THEN has_sequence_privilege(to_regclass(name), act)
        ELSE has_table_privilege(to_regclass(name), act) END"""
_HIDDEN = f"""SELECT name FROM (VALUES {", ".join(f"('{name}')" for name in WRITER)}) AS needed (name)
    WHERE to_regclass(name) IS NOT NULL AND row_security_active(to_regclass(name)) ORDER BY name"""

Lack = tuple[str, str]
"""A table or sequence, and what may not be done with it."""


def lacking(store: Store) -> tuple[tuple[Lack, ...], str]:
    """What the role that is connected may not do of the writer's work, and its name as SQL takes it (PostgreSQL).

    A table that is not there lacks nothing.
    """
    rows = store.execute(_LACKING).fetchall()
    return tuple((name, act) for name, act, _ in rows), rows[0][2] if rows else ""


def hidden(store: Store) -> list[str]:
    """The tables of which row level security keeps rows from the role that is connected (PostgreSQL)."""
    return [name for (name,) in store.execute(_HIDDEN).fetchall()]


def only_reads(lacks: Iterable[Lack]) -> bool:
    """Whether a role that lacks this may write nothing at all, as an auditor."""
    writes = {(table, act) for table, acts in WRITER.items() for act in acts if act != READS}
    return writes <= set(lacks)


def grants_of(lacks: Iterable[Lack], role: str) -> tuple[str, ...]:
    """The statements by which a role gets what it lacks, one for all tables that lack the same."""
    acts: dict[str, list[str]] = {}
    for name, act in lacks:
        acts.setdefault(name, []).append(act)
    alike: dict[tuple[str, ...], list[str]] = {}
    for name, lost in acts.items():
        alike.setdefault(tuple(lost), []).append(name)
    return tuple(
        f"GRANT {', '.join(lost)} ON {'SEQUENCE ' * (lost == ('USAGE',))}{', '.join(names)} TO {role}"
        for lost, names in alike.items()
    )
