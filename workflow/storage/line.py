"""One connection, in use or kept for the next who wants one."""

from __future__ import annotations

import random
import select
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from time import monotonic, sleep
from typing import Any

from sqlalchemy import PoolProxiedConnection

PATIENCE_MS = 30_000
"""Milliseconds that SQLite waits by itself for another connection."""
_LOOKS_AGAIN = (0.0005, 0.002)
"""Seconds, at least and at most, between two looks whether SQLite is free."""
_IDLE = 0
"""libpq's number for a connection outside any transaction."""


@dataclass(slots=True)
class Line:
    """A connection as SQLAlchemy's pool handed it over, and what is known of it."""

    proxy: PoolProxiedConnection
    connection: Any
    """The driver's own."""
    cursor: Any
    """For a statement whose rows are read at once: psycopg makes a new one in a fifth of the time of running it."""
    is_for_writing: bool | None = None
    """What SQLite was told of it; None: nothing yet."""
    last_words: list[str] = field(default_factory=list)
    """Why PostgreSQL ended it, said unasked: in a pipeline the driver's error then only tells that it is closed."""

    def __post_init__(self) -> None:
        if not isinstance(self.connection, sqlite3.Connection):
            self.connection.add_notice_handler(partial(_hear, self.last_words))

    def serve(self, *, writing: bool) -> None:
        """Tell SQLite what it is for: who reads may not write. Who writes does not leave the waiting to SQLite.

        It sleeps up to 100 ms between two looks, and whoever just came overtakes.
        """
        if self.is_for_writing is not writing:
            self.connection.execute(f"PRAGMA busy_timeout={0 if writing else PATIENCE_MS}")
            self.connection.execute(f"PRAGMA query_only={int(not writing)}")
            self.is_for_writing = writing

    def was_ended(self) -> bool:
        """Whether the server said something while nobody asked: that it ends this, as a rule. It is asked nothing."""
        if isinstance(self.connection, sqlite3.Connection):
            return False
        if self.connection.closed:
            return True
        heard = select.poll()
        heard.register(self.connection.fileno(), select.POLLIN)
        return bool(heard.poll(0))

    def roll_back(self) -> bool:
        """Roll back what is open; False: the connection is of no more use."""
        try:
            if isinstance(self.connection, sqlite3.Connection):
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                return True
            self.connection.rollback()  # not as SQL: psycopg must forget what it took for prepared in a broken pipeline
            return bool(self.connection.info.transaction_status == _IDLE)
        except Exception:  # noqa: BLE001  (whatever it is, the connection is thrown away)
            return False

    def end(self) -> None:
        """Close it for good."""
        self.proxy.invalidate()
        self.proxy.close()


def _hear(last_words: list[str], notice: Any) -> None:
    if notice.severity_nonlocalized == "FATAL":
        last_words.append(str(notice.message_primary))


def when_free(act: Callable[[], object]) -> None:
    """Do this as soon as SQLite is not busy with others any more. Raises OperationalError when that takes too long."""
    until = monotonic() + PATIENCE_MS / 1000
    while True:
        try:
            act()
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or monotonic() > until:
                raise
        sleep(random.uniform(*_LOOKS_AGAIN))
