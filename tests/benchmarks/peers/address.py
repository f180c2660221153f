"""Where a peer's database stands, in the words of each driver, and how durable its connections are."""

from __future__ import annotations

import sqlite3
from typing import Any
from urllib.parse import parse_qs, urlsplit

DURABLE = ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000", "wal_autocheckpoint=10000")
"""The pragmas of Schakel that bear on speed, for whoever lets them be set."""


def is_sqlite(url: str) -> bool:
    """Whether this is a SQLite file."""
    return url.startswith("sqlite")


def sqlite_path(url: str) -> str:
    """The file of a SQLite URL."""
    return url.removeprefix("sqlite:///")


def for_sqlalchemy(url: str) -> str:
    """The URL with the driver that all peers use."""
    return url.replace("postgresql://", "postgresql+psycopg://")


def parts(url: str) -> dict[str, str]:
    """Database, user and host of a PostgreSQL URL whose host is a folder with a socket."""
    told = urlsplit(url)
    return {"dbname": told.path.lstrip("/"), "user": told.username or "", "host": parse_qs(told.query)["host"][0]}


def set_pragmas(connection: sqlite3.Connection, _record: Any = None) -> None:
    """Make a new connection durable and fast."""
    for pragma in DURABLE:
        connection.execute(f"PRAGMA {pragma}")
