"""Stops a hand in the middle of a transaction, and knows by the database itself that it is there."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from hands import Process
from looking import look
from sink import eventually

_LOOKS = 10
"""How often one must be seen to hold something, each time over a connection of its own."""
HOLDERS = (
    "SELECT pid FROM pg_stat_activity WHERE application_name = 'schakel' AND datname = current_database() "
    "AND backend_xid IS NOT NULL AND wait_event = 'ClientRead'"
)
"""Sessions that hold rows and wait for their client: one that is at work passes through this state."""


def stop_in_transaction(process: Process, url: str) -> set[int]:
    """Stop it while it holds what others may want; it must be the only one at work. Its sessions (PostgreSQL)."""
    assert eventually(lambda: _caught(process, lambda: bool(holders(url)))), "it was never in a transaction"
    return holders(url)


def holders(url: str) -> set[int]:
    """The sessions that hold something and wait for their client; SQLite: 0 when somebody has the write lock."""
    if url.startswith("postgresql"):
        return {row["pid"] for row in look(url, HOLDERS)}
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, timeout=0)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return {0}
        return set()


def _caught(process: Process, holds: Callable[[], bool]) -> bool:
    process.send_signal(signal.SIGSTOP)
    assert eventually(lambda: _is_stopped(process))
    if eventually(holds, 0.05) and all(holds() for _ in range(_LOOKS)):  # what was sent before may still be read
        return True
    process.send_signal(signal.SIGCONT)
    return False


def _is_stopped(process: Process) -> bool:
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
