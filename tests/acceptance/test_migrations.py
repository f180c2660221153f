"""A database that an older Schakel filled goes forward to the tables of today, with its history whole.

The dumps in tests/data were made by the programs of then: the sample employers imported and advanced, a refusal, a note
and a tick.
"""

from __future__ import annotations

import gzip
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from looking import bare, look
from sqlalchemy import create_engine

from tests.scripts.desk import Desk
from workflow.clock import SetClock, SystemClock, format_time
from workflow.storage.database import parse_url
from workflow.storage.tables import HEAD

ROOT = Path(__file__).parents[2]
DUMPS = sorted((ROOT / "tests" / "data").glob("schakel-*.sql.gz"))
REVISIONS = [dump.name.split("-")[1].split(".")[0] for dump in DUMPS]
ENGINES = ("sqlite", "postgresql")


@pytest.fixture(params=[(revision, kind) for revision in REVISIONS for kind in ENGINES], ids="-".join)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """A revision, and the URL of a database that was filled by the program of then."""
    revision, kind = request.param
    text = gzip.decompress((ROOT / "tests" / "data" / f"schakel-{revision}.sql.gz").read_bytes()).decode()
    path = tmp_path / "old.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(text)
    connection.close()
    if kind == "sqlite":
        return revision, f"sqlite:///{path}"
    return revision, _in_postgresql(path, revision, request.getfixturevalue("postgres_server"), request)


def _in_postgresql(path: Path, revision: str, server: str, request: pytest.FixtureRequest) -> str:
    """The same rows in the tables that its migrations make there."""
    name = f"old_{revision}_{path.parent.name[-1]}"
    postgres = psycopg.connect(server.format(name="postgres"), autocommit=True)
    postgres.execute(f"DROP DATABASE IF EXISTS {name}")
    postgres.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    request.addfinalizer(postgres.close)
    request.addfinalizer(lambda: postgres.execute(f"DROP DATABASE {name} WITH (FORCE)"))
    url = server.format(name=name)
    engine = create_engine(parse_url(url))
    config = Config()
    config.set_main_option("script_location", str(ROOT / "workflow" / "storage" / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()
    with psycopg.connect(url) as target:
        target.execute("SET session_replication_role = replica")  # rows in any order, past the guards
        for table, rows in _tables(path):
            target.execute(f"DELETE FROM {table}")
            for row in rows:
                _insert(target, table, row)
        for table, column in (("cases", "id"), ("events", "id"), ("outbox", "id")):
            sequence = f"pg_get_serial_sequence('{table}', '{column}')"
            target.execute(f"SELECT setval({sequence}, (SELECT max({column}) FROM {table}))")
    return url


def _tables(path: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    url = f"sqlite:///{path}"
    for table in look(url, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"):
        yield table["name"], look(url, f"SELECT * FROM {table['name']}")


def _insert(target: psycopg.Connection, table: str, row: dict[str, Any]) -> None:
    booleans = {"erased", "is_reminder"}
    values = [bool(value) if name in booleans else value for name, value in row.items()]
    names, places = ", ".join(f'"{name}"' for name in row), ", ".join(["%s"] * len(row))
    target.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", values)


@pytest.fixture
def desk(old: tuple[str, str], tmp_path: Path) -> Desk:
    """The command line of today before that database."""
    (tmp_path / "schakel.toml").touch()
    environ = {
        "SCHAKEL_DATABASE_URL": old[1],
        "SCHAKEL_SETTINGS": str(tmp_path / "schakel.toml"),
        "SCHAKEL_SIGNING_KEY": str(tmp_path / "signing.key"),
        "SCHAKEL_ACTOR": "anna",
    }
    return Desk(environ, SetClock(SystemClock().now()))


def test_a_filled_database_goes_forward_with_its_history_whole(old: tuple[str, str], desk: Desk) -> None:
    revision, url = old
    before = look(url, "SELECT case_id, seq, hash FROM events ORDER BY case_id, seq")

    refused = desk.run("list")
    made = desk.ask("init")
    listed = desk.ask("list")

    assert (refused.exit_code, f"are at {revision}" in " ".join(refused.stderr.split())) == (1, True)
    assert made["database"] == {"made": False, "migrated": True}
    assert look(url, "SELECT version_num FROM alembic_version")[0]["version_num"] == HEAD
    assert look(url, "SELECT case_id, seq, hash FROM events ORDER BY case_id, seq") == before
    assert len(listed) == len({row["case_id"] for row in before}) == 18


@pytest.mark.parametrize("stopped_at", [None, "2026-04-20T08:00:00.000000Z"])
def test_a_worker_that_runs_is_in_the_way(old: tuple[str, str], desk: Desk, stopped_at: str | None) -> None:
    seen = format_time(desk.clock.moment)
    with bare(old[1]) as connection:
        connection.execute(
            "INSERT INTO workers (name, started_at, seen_at, stopped_at) "
            f"VALUES ('w1', '{seen}', '{seen}', {repr(stopped_at) if stopped_at else 'NULL'})"
        )
    at = look(old[1], "SELECT version_num FROM alembic_version")

    tried = desk.run("init")
    now_at = look(old[1], "SELECT version_num FROM alembic_version")
    desk.clock.moment += timedelta(minutes=6)
    gone = desk.run("init")

    assert (tried.exit_code, now_at == at) == ((0, False) if stopped_at else (7, True))
    assert stopped_at or "The worker w1 was seen less than five minutes ago. Stop it first;" in " ".join(
        tried.stderr.split()
    )
    assert gone.exit_code == 0


def test_work_goes_on_in_it_and_everything_verifies(old: tuple[str, str], desk: Desk) -> None:
    with bare(old[1]) as connection:  # signed with the key of then, which is not here
        if old[0] >= "0003":
            _forget_checkpoints(connection)
    desk.ask("init")
    (case,) = (one["case"] for one in desk.ask("list") if one["external_reference"] == "E06")

    assert desk.run(f"note {case} 'na de nieuwe versie'").exit_code == 0
    assert desk.run("tick").exit_code == 0
    replayed, verified = desk.ask(f"replay {case}"), desk.run("audit verify")

    assert replayed["matches_stored"] is True
    assert verified.exit_code == 0, verified.output


def _forget_checkpoints(connection: Any) -> None:
    if isinstance(connection, sqlite3.Connection):
        (made,) = connection.execute(
            "SELECT sql FROM sqlite_master WHERE name = 'checkpoints_refuse_delete'"
        ).fetchone()
        connection.executescript(f"DROP TRIGGER checkpoints_refuse_delete; DELETE FROM checkpoints; {made}")
    else:
        connection.execute("SET session_replication_role = replica")
        connection.execute("DELETE FROM checkpoints")
