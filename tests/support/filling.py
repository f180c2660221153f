"""Rows written straight into the tables, past the engine: for what reads rows, and must not care how they came."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Table, insert

from workflow.storage.store import Store

START = datetime(2026, 4, 20, 8, 0, tzinfo=UTC)
PROGRESS = '{"accepted":{},"held_until":null,"holds":[],"rung":0,"told":{}}'
_ALWAYS: dict[str, dict[str, Any]] = {
    "cases": {
        "definition": "employer_coupling",
        "state": "registered",
        "version": 1,
        "seq": 1,
        "head": "00",
        "facts": "{}",
        "progress": PROGRESS,
        "erased": False,
    },
    "events": {
        "actor": "anna",
        "os_user": "anna-os",
        "via": "python",
        "kind": "opened",
        "to_state": "registered",
        "definition_version": "1",
        "prev_hash": "",
    },
    "outbox": {"letter": "overview", "role": "asr", "language": "nl", "state": "pending", "context": "{}"}
    | {"attempts": 0, "is_reminder": False},
}
_MOMENTS = {"cases": ("at", "opened_at", "entered_at"), "events": ("at",), "outbox": ("created_at", "due_at")}


def minute(number: int) -> datetime:
    """So many minutes after the beginning."""
    return START + timedelta(minutes=number)


def put(store: Store, table: Table, *rows: dict[str, Any]) -> None:
    """Write rows; what they do not say of a case, an event or a letter is the same for all."""
    for row in rows:
        moments = dict.fromkeys(_MOMENTS.get(table.name, ()), START)
        store.change(insert(table).values({**_ALWAYS.get(table.name, {}), **moments, **row}))


def put_cases(store: Store, table: Table, *numbers: int, **more: Any) -> None:
    """Write cases with these numbers, called after them: 3 has the reference 'C-3' and the external one 'E-3'."""
    put(store, table, *({"id": n, "reference": f"C-{n}", "external_reference": f"E-{n}", **more} for n in numbers))
