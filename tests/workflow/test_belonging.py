"""Whose tables stand in a database: another Schakel's and other programs' are neither taken for ours nor touched."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from looking import bare, count, look

from tests.scripts.desk import Desk
from workflow import Database, StoreError, UsageError, open_database
from workflow.clock import SetClock, SystemClock
from workflow.storage import tables
from workflow.storage.upgrade import upgrade

OWN = "For others beside them: name their schema first in search_path, then init."


def by_path(url: str, path: str) -> str:
    """The same database, seen along this search_path."""
    return f"{url}&options={quote(f'-c search_path={path}')}"


def as_role(url: str, role: str) -> str:
    return url.replace("//postgres:", f"//{role}:")


def refused(use: Callable[[str], object], url: str, kind: type[Exception] = StoreError) -> str:
    with pytest.raises(kind) as error:
        use(url)
    return str(error.value)


def verify(url: str) -> None:
    """As `audit verify` opens it, which finds that tables are gone."""
    open_database(url, without_tables=True).dispose()


@pytest.fixture
def role(postgres_server: str) -> Iterator[str]:
    """A role that may log in, and nothing more; to be asked for before the database, which ends before it."""
    name = f"anna_{os.getpid()}"
    with psycopg.connect(postgres_server.format(name="postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN")
        yield name
        connection.execute(f"DROP ROLE {name}")


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection


# -- two in one database -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [tables.HEAD, "0005"])
def test_init_makes_tables_in_the_schema_that_is_named_first_and_leaves_those_of_another_as_they_are(
    postgres_url: str, postgres: psycopg.Connection, at: str
) -> None:
    postgres.execute("CREATE SCHEMA own")
    postgres.execute(f"UPDATE alembic_version SET version_num = '{at}'")
    url = by_path(postgres_url, "own,public")

    before = upgrade(url)
    again = upgrade(url)

    assert (before, again) == (None, tables.HEAD)
    open_database(url).dispose()
    assert look(postgres, "SELECT version_num FROM public.alembic_version") == [{"version_num": at}]
    assert look(postgres, "SELECT version_num FROM own.alembic_version") == [{"version_num": tables.HEAD}]
    made = look(postgres, "SELECT tablename FROM pg_tables WHERE schemaname = 'own'")
    assert {row["tablename"] for row in made} == {*tables.metadata.tables, "alembic_version"}


@pytest.mark.parametrize("use", [open_database, verify, upgrade])
def test_tables_behind_a_schema_that_only_bears_the_name_of_the_role_are_named_with_what_leads_to_them(
    role: str, postgres_url: str, postgres: psycopg.Connection, use: Callable[[str], object]
) -> None:
    postgres.execute(f"CREATE SCHEMA AUTHORIZATION {role}")

    told = refused(use, as_role(postgres_url, role))

    here = f"in schema public, but search_path leads to schema {role}, which has none"
    assert told.endswith(f"has tables of Schakel {here}: ALTER ROLE {role} SET search_path = public. {OWN}")
    assert look(postgres, f"SELECT 1 FROM pg_tables WHERE schemaname = '{role}'") == []


def test_each_role_may_have_tables_in_the_schema_of_its_name(
    role: str, postgres_url: str, postgres: psycopg.Connection
) -> None:
    postgres.execute(f"CREATE SCHEMA AUTHORIZATION {role}")
    postgres.execute("ALTER SCHEMA public RENAME TO hidden")
    postgres.execute("REVOKE USAGE ON SCHEMA hidden FROM PUBLIC")

    told = refused(open_database, as_role(postgres_url, role))
    made = upgrade(as_role(postgres_url, role))

    todo = f"GRANT USAGE ON SCHEMA hidden TO {role} (as its owner); ALTER ROLE {role} SET search_path = hidden"
    assert f"to schema {role}, which has none: {todo}. {OWN}" in told
    assert made is None
    open_database(as_role(postgres_url, role)).dispose()


@pytest.mark.parametrize("use", [open_database, verify, upgrade])
def test_a_role_that_may_not_use_the_schema_of_the_tables_is_told_the_grant(
    role: str, postgres_url: str, postgres: psycopg.Connection, use: Callable[[str], object]
) -> None:
    postgres.execute("REVOKE USAGE ON SCHEMA public FROM PUBLIC")

    told = refused(use, as_role(postgres_url, role))

    grant = f"GRANT USAGE ON SCHEMA public TO {role} (as its owner)"
    assert told.endswith(
        f"has tables of Schakel in schema public, but search_path leads to no schema of this role: {grant}. {OWN}"
    )


@pytest.mark.parametrize("path", ["nowhere", '"Nowhere", elsewhere'])
def test_a_search_path_that_leads_nowhere_is_told_as_that(postgres_url: str, path: str) -> None:
    told = refused(open_database, by_path(postgres_url, path.replace(" ", "")))

    assert "leads to no schema of this role: ALTER ROLE postgres SET search_path = public." in told


def test_init_for_a_schema_that_is_not_made_yet_advises_to_make_it_and_not_to_take_that_of_others(
    postgres_url: str,
) -> None:
    told = refused(upgrade, by_path(postgres_url, "nowhere"))

    assert "no schema that search_path names (nowhere) is there or open to postgres: make it first" in told
    assert "ALTER ROLE" not in told
    assert told.endswith("There are tables of Schakel in: public.")


def test_a_schema_of_the_role_that_the_role_may_not_use_needs_the_grant_alone(
    role: str, postgres_url: str, postgres: psycopg.Connection
) -> None:
    postgres.execute(f"ALTER SCHEMA public RENAME TO {role}")
    postgres.execute(f"REVOKE USAGE ON SCHEMA {role} FROM PUBLIC")

    told = refused(open_database, as_role(postgres_url, role))

    assert f"to no schema of this role: GRANT USAGE ON SCHEMA {role} TO {role} (as its owner). {OWN}" in told


def test_of_two_schemas_the_one_that_is_named_in_quotes_needs_the_grant_alone(
    role: str, postgres_url: str, postgres: psycopg.Connection
) -> None:
    postgres.execute('CREATE SCHEMA "Schakel"')
    upgrade(by_path(postgres_url, '"Schakel"'))
    postgres.execute("ALTER SCHEMA public RENAME TO another")

    told = refused(open_database, as_role(by_path(postgres_url, '"Schakel"'), role))

    assert f'to no schema of this role: GRANT USAGE ON SCHEMA "Schakel" TO {role} (as its owner). {OWN}' in told


@pytest.mark.parametrize("use", [open_database, verify, upgrade])
def test_of_tables_in_two_schemas_neither_is_advised_where_search_path_leads_to_none(
    postgres_url: str, postgres: psycopg.Connection, use: Callable[[str], object]
) -> None:
    postgres.execute("CREATE SCHEMA own")
    upgrade(by_path(postgres_url, "own"))

    told = refused(use, by_path(postgres_url, "nowhere"))

    assert told.endswith("then init. There are tables of Schakel in: own, public.")
    assert "ALTER ROLE" not in told


def test_doctor_names_the_grant_and_no_lost_copy(
    role: str, postgres_url: str, postgres: psycopg.Connection, tmp_path: Path
) -> None:
    postgres.execute("REVOKE USAGE ON SCHEMA public FROM PUBLIC")
    (tmp_path / "schakel.toml").touch()
    (tmp_path / "signing.key").write_text("x")
    environ = {
        "SCHAKEL_DATABASE_URL": as_role(postgres_url, role),
        "SCHAKEL_SETTINGS": str(tmp_path / "schakel.toml"),
        "SCHAKEL_SIGNING_KEY": str(tmp_path / "signing.key"),
    }

    checks = Desk(environ, SetClock(SystemClock().now())).ask("doctor", code=1)["checks"]

    (found,) = (check for check in checks if check["check"] == "database")
    assert f"GRANT USAGE ON SCHEMA public TO {role}" in found["message"]
    assert (found["result"], found["todo"]) == ("fail", "")


# -- other programs ----------------------------------------------------------------------------------------------------


@pytest.fixture
def theirs(request: pytest.FixtureRequest, tmp_path: Path, postgres_server: str) -> Iterator[Callable[[str], str]]:
    """Makes a database of a program that keeps its migration as Alembic does."""
    name = f"theirs_{os.getpid()}"
    urls = {"sqlite": f"sqlite:///{tmp_path}/theirs.db", "postgresql": postgres_server.format(name=name)}

    def make(kind: str) -> str:
        if kind == "postgresql":
            with bare(postgres_server.format(name="postgres")) as connection:
                connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        return urls[kind]

    yield make
    with bare(postgres_server.format(name="postgres")) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.mark.parametrize("version", ["686269002441", "0001", tables.HEAD, "9999"])
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_database_of_another_program_that_uses_alembic_is_told_as_that(
    theirs: Callable[[str], str], kind: str, version: str
) -> None:
    url = theirs(kind)
    with bare(url) as connection:
        connection.execute("CREATE TABLE events (id integer)")
        connection.execute("CREATE TABLE alembic_version (version_num varchar(32))")
        connection.execute(f"INSERT INTO alembic_version VALUES ('{version}')")

    told = {refused(use, url, UsageError) for use in (open_database, verify, upgrade)}

    (said,) = told
    assert f"is another program's (its alembic_version says {version}, and is not Schakel's): " in said
    assert count(url, "events") == 0
    assert look(url, "SELECT version_num FROM alembic_version") == [{"version_num": version}]


def test_a_version_that_another_program_wrote_over_ours_is_not_taken_for_a_newer_one(url: str) -> None:
    with bare(url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'abcdef012345'")

    assert "is another program's (its alembic_version says abcdef012345" in refused(open_database, url, UsageError)


@pytest.mark.parametrize("use", [open_database, verify, upgrade])
@pytest.mark.parametrize("made", ["TABLE shop (id INTEGER PRIMARY KEY AUTOINCREMENT)", "VIEW shop AS SELECT 1"])
def test_a_sqlite_file_of_another_program_stays_as_it_is(
    tmp_path: Path, made: str, use: Callable[[str], object]
) -> None:
    path = tmp_path / "shop.db"
    with bare(f"sqlite:///{path}") as connection:
        connection.execute(f"CREATE {made}")
    before = path.read_bytes()

    told = refused(use, f"sqlite:///{path}", UsageError)

    own = "name a file of Schakel's own in database_url."
    assert told == f"The database {path} is another program's (it has tables, and none of Schakel's): {own}"
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["shop.db"]


def test_a_command_on_a_file_of_another_program_is_a_usage_error(tmp_path: Path) -> None:
    with bare(f"sqlite:///{tmp_path}/shop.db") as connection:
        connection.execute("CREATE TABLE shop (id INTEGER)")
    environ = {
        "SCHAKEL_DATABASE_URL": f"sqlite:///{tmp_path}/shop.db",
        "SCHAKEL_SETTINGS": str(tmp_path / "schakel.toml"),
        "SCHAKEL_SIGNING_KEY": str(tmp_path / "signing.key"),
    }
    desk = Desk(environ, SetClock(SystemClock().now()))

    assert [desk.run(words).exit_code for words in ("init", "doctor")] == [2, 1]
    (tmp_path / "schakel.toml").touch()
    assert desk.run("list").exit_code == 2
    assert not (tmp_path / "signing.key").exists()


@pytest.mark.parametrize("use", [open_database, verify])
def test_an_empty_sqlite_file_stays_empty_until_init(tmp_path: Path, use: Callable[[str], object]) -> None:
    (tmp_path / "empty.db").touch()

    with suppress(StoreError):
        use(f"sqlite:///{tmp_path}/empty.db")

    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("empty.db", b"")]


def test_an_empty_file_becomes_a_database(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    sqlite3.connect(tmp_path / "none.db").execute("VACUUM").connection.close()

    for name in ("empty", "none"):
        assert upgrade(f"sqlite:///{tmp_path}/{name}.db") is None
        open_database(f"sqlite:///{tmp_path}/{name}.db").dispose()


@pytest.mark.parametrize("at", [tables.HEAD, "0005"])
def test_tables_of_the_team_beside_ours_hinder_nothing(url: str, opening: Callable[[str], Database], at: str) -> None:
    with bare(url) as connection:
        connection.execute("CREATE TABLE notes_of_the_team (id integer)")
        connection.execute(f"UPDATE alembic_version SET version_num = '{at}'")

    assert upgrade(url) == at
    opening(url)


def test_tables_of_others_in_a_schema_of_postgresql_do_not_keep_ours_out(theirs: Callable[[str], str]) -> None:
    url = theirs("postgresql")
    with bare(url) as connection:
        connection.execute("CREATE TABLE spatial_ref_sys (srid integer)")  # as an extension's

    assert "Run: schakel init" in refused(open_database, url)
    assert upgrade(url) is None
    open_database(url).dispose()
