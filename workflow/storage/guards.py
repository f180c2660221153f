"""Whether a database still has its tables as they were made, and the triggers that keep history from being changed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from workflow.storage import tables
from workflow.storage.store import Store

_COLUMNS: Mapping[str, str] = {
    "sqlite": "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'",
    "postgresql": "SELECT table_name, column_name FROM information_schema.columns"
    " WHERE table_schema = current_schema()",
}
"""Every table with each of its columns, by dialect."""
_LOOSE = f"""SELECT c.relname || '.' || a.attname, format('ALTER TABLE %I ALTER COLUMN %I TYPE %s COLLATE "default"',
        c.relname, a.attname, format_type(a.atttypid, a.atttypmod))
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_collation k ON k.oid = a.attcollation
    WHERE c.oid IN ({", ".join(f"to_regclass('{name}')" for name in tables.metadata.tables)})
    AND NOT k.collisdeterministic ORDER BY 1"""
_GUARDED = ("events", "leaves", "checkpoints")
_REPLACED: Mapping[str, str] = {
    "events": "EXISTS (SELECT 1 FROM events WHERE id = NEW.id)"
    " OR EXISTS (SELECT 1 FROM events WHERE case_id = NEW.case_id AND seq = NEW.seq)",
    "leaves": "EXISTS (SELECT 1 FROM leaves WHERE id = NEW.id OR (case_id = NEW.case_id AND seq = NEW.seq))",
    "checkpoints": "EXISTS (SELECT 1 FROM checkpoints WHERE id = NEW.id)",
}
"""What SQLite refuses on the way in, since INSERT OR REPLACE fires no DELETE trigger."""
_REFUSES = r" BEGIN SELECT RAISE\(ABORT, '[^']*'\); END"
_RAISES = re.compile(r"BEGIN RAISE EXCEPTION '[^']*'(, TG_\w+)*; END")
_EACH_ROW_BEFORE_CHANGE, _BEFORE_TRUNCATE = 1 + 2 + 8 + 16, 2 + 32
"""PostgreSQL's numbers for: each row, before, delete, update; and for: before, truncate."""


def missing(store: Store) -> list[str]:
    """The tables, and columns of tables, that should be there and are not: 'table events', 'column events.hash'."""
    found = _columns(store)
    absent = []
    for table in tables.metadata.sorted_tables:
        if table.name in found:
            lost = [column.name for column in table.c if column.name not in found[table.name]]
            absent += [f"column {table.name}.{name}" for name in lost]
        else:
            absent.append(f"table {table.name}")
    return absent


def fallen(store: Store) -> list[str]:
    """The triggers that are gone, switched off or no longer refuse."""
    return _fallen_in_sqlite(store) if store.is_sqlite else _fallen_in_postgresql(store)


def loose(store: Store) -> list[tuple[str, str]]:
    """The columns in which different texts count as the same, each with what mends it (PostgreSQL)."""
    return [(name, mends) for name, mends in store.execute(_LOOSE).fetchall()]


def _columns(store: Store) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for table, column in store.execute(_COLUMNS[store.dialect.name]).fetchall():
        found.setdefault(table, set()).add(column)
    return found


def _fallen_in_sqlite(store: Store) -> list[str]:
    rows = store.execute("SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    found = {(name, table): " ".join(str(sql).split()) for name, table, sql in rows}
    wanted = {
        (f"{table}_refuse_{name}", table): f"{event} ON {table}{when}"
        for table in _GUARDED
        for name, event, when in (
            ("update", "UPDATE", ""),
            ("delete", "DELETE", ""),
            ("replace", "INSERT", f" WHEN {_REPLACED[table]}"),
        )
    }
    return [
        guard
        for (guard, table), event in wanted.items()
        if not re.fullmatch(
            re.escape(f"CREATE TRIGGER {guard} BEFORE {event}") + _REFUSES, found.get((guard, table), "")
        )
    ]


def _fallen_in_postgresql(store: Store) -> list[str]:
    sql = """SELECT t.tgname, c.relname, t.tgtype, CAST(t.tgenabled AS text), t.tgqual IS NULL, p.prosrc
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_proc p ON p.oid = t.tgfoid WHERE n.nspname = current_schema() AND NOT t.tgisinternal"""
    found: dict[tuple[str, str], tuple[Any, ...]] = {}
    for name, table, kind, enabled, is_unconditional, source in store.execute(sql).fetchall():
        refuses = bool(_RAISES.fullmatch(" ".join(source.removesuffix(";").split()).removesuffix(";")))
        found[name, table] = (kind, enabled in ("O", "A"), is_unconditional, refuses)
    return [
        f"{table}_refuse_{name}"
        for table in _GUARDED
        for name, kind in (("change", _EACH_ROW_BEFORE_CHANGE), ("truncate", _BEFORE_TRUNCATE))
        if found.get((f"{table}_refuse_{name}", table)) != (kind, True, True, True)
    ]
