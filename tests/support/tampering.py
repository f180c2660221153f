"""Changing a real database past its guards, as somebody who owns the machine could."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from looking import bare, case_row, events_of

from workflow import open_database
from workflow.events import canonical_bytes
from workflow.ledger.sequencer import run_once
from workflow.ledger.signing import Signer

Change = Callable[[dict[str, Any]], object]


@contextlib.contextmanager
def past_the_guards(url: str) -> Iterator[Any]:
    """A connection on which no trigger fires and no foreign key is checked; afterwards all guards stand again."""
    with bare(url) as connection:
        if not url.startswith("sqlite"):
            connection.execute("SET session_replication_role = replica")
            yield connection
            return
        guards = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in guards:
            connection.execute(f"DROP TRIGGER {name}")
        yield connection
        for _, sql in guards:
            connection.execute(sql)


def run(url: str, *statements: str) -> None:
    """Run these statements past the guards."""
    with past_the_guards(url) as connection:
        for statement in statements:
            connection.execute(statement)


def put(url: str, sql: str, *values: object) -> None:
    """Run one statement with values, each a `?`, past the guards."""
    with past_the_guards(url) as connection:
        connection.execute(sql if url.startswith("sqlite") else sql.replace("?", "%s"), values)


def rewrite(url: str, case: str, seq: int, change: Change) -> None:
    """Change what an event says and redo everything of its case that follows: bytes, hashes, columns, the head."""
    number, previous = case_row(url, case)["id"], None
    for row in events_of(url, case):
        says = json.loads(bytes(row["canonical"]))
        if row["seq"] == seq:
            change(says)
        if previous is not None:
            says["prev_hash"] = previous
        previous = put_event(url, row["id"], says) if row["seq"] >= seq else row["hash"]
    put(url, "UPDATE cases SET head = ? WHERE id = ?", previous, number)


def put_event(url: str, event_id: int, says: dict[str, Any]) -> str:
    """Make an event's row say this, its columns and hash with it; the new hash."""
    canonical = canonical_bytes(says)
    digest = hashlib.sha256(canonical).hexdigest()
    columns = ("actor", "os_user", "via", "kind", "trigger", "at", "seq", "prev_hash")
    values = [*(says[name] for name in columns), says["from"], says["to"], says["definition"]["version"]]
    names = [*columns, "from_state", "to_state", "definition_version", "canonical", "hash"]
    sets = ", ".join(f"{name} = ?" for name in names)
    put(url, f"UPDATE events SET {sets} WHERE id = ?", *values, canonical, digest, event_id)
    return digest


def reseal(url: str, signer: Signer, now: datetime) -> None:
    """Make the whole ledger anew, signed with a stolen key."""
    run(url, "DELETE FROM leaves", "DELETE FROM checkpoints")
    run(url, "UPDATE sequencer SET size = 0, last_event = 0, skipped = '[]', peaks = '[]'")
    database = open_database(url)
    run_once(database, signer, now)
    database.dispose()
