"""The password of PostgreSQL comes from a file, works, and is shown nowhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.scripts.desk import Desk
from workflow.clock import SetClock

ROLE, PASSWORD = "schakel_pw", "geheim/met:tekens@en 9%"
COMMANDS = ("doctor", "doctor --json", "list", "audit verify", "tick", "worker", "init", "open -")


@pytest.fixture
def desk(postgres_url: str, tmp_path: Path, clock: SetClock) -> Iterator[Desk]:
    """A command line that must log in with a password to a database that has its tables."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        (hba,) = connection.execute("SHOW hba_file").fetchone() or ("",)
        rules = Path(hba).read_text("utf-8")
        if ROLE not in rules:
            Path(hba).write_text(f"local all {ROLE} scram-sha-256\n{rules}", encoding="utf-8")
            connection.execute("SELECT pg_reload_conf()")
        connection.execute(f"DROP ROLE IF EXISTS {ROLE}")
        connection.execute(f"CREATE ROLE {ROLE} SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
    settings = tmp_path / "schakel.toml"
    settings.touch()
    yield Desk(
        {
            "SCHAKEL_DATABASE_URL": postgres_url.replace("postgres:@", f"{ROLE}@"),
            "SCHAKEL_SETTINGS": str(settings),
            "SCHAKEL_SIGNING_KEY": str(tmp_path / "signing.key"),
            "SCHAKEL_ACTOR": "anna",
        },
        clock,
    )
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"DROP ROLE {ROLE}")


def password_file(folder: Path, text: str = f"{PASSWORD}\n") -> str:
    path = folder / "database-password"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_password_in_a_file_opens_the_database_and_is_masked(desk: Desk, tmp_path: Path) -> None:
    desk.environ["SCHAKEL_DATABASE_PASSWORD_FILE"] = password_file(tmp_path)

    assert desk.run("init").exit_code == 0
    listed, checked = desk.run("list"), desk.run("doctor --json")

    assert listed.exit_code == 0
    assert ROLE in checked.output
    assert PASSWORD not in checked.output + listed.output


def test_libpq_finds_it_in_a_file_of_its_own(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "pgpass"
    path.write_text(f"*:*:*:{ROLE}:{PASSWORD.replace(':', chr(92) + ':')}\n", encoding="utf-8")
    path.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(path))

    assert desk.run("list").exit_code == 0


@pytest.mark.parametrize("words", COMMANDS)
def test_a_wrong_password_ends_in_one_error_that_does_not_repeat_it(desk: Desk, tmp_path: Path, words: str) -> None:
    desk.environ["SCHAKEL_DATABASE_PASSWORD_FILE"] = password_file(tmp_path, "een-ander-woord\n")

    result = desk.run(words, given="{}")

    assert result.exit_code == 1
    assert not [word for word in ("een-ander-woord", PASSWORD) if word in result.output + result.stderr]


@pytest.mark.parametrize(
    ("text", "said"), [(None, "cannot be read: No such file"), ("", "is empty"), ("\n\n", "is empty")]
)
def test_a_file_that_holds_none_is_a_wrong_setting(desk: Desk, tmp_path: Path, text: str | None, said: str) -> None:
    path = password_file(tmp_path, text or "")
    if text is None:
        os.remove(path)
    desk.environ["SCHAKEL_DATABASE_PASSWORD_FILE"] = path

    result = desk.run("list")

    assert (result.exit_code, said in result.stderr) == (2, True)


def test_two_passwords_are_one_too_many(desk: Desk, tmp_path: Path) -> None:
    desk.environ["SCHAKEL_DATABASE_PASSWORD_FILE"] = password_file(tmp_path)
    desk.environ["SCHAKEL_DATABASE_URL"] = desk.environ["SCHAKEL_DATABASE_URL"].replace("@", ":hush@")

    result = desk.run("list")

    assert result.exit_code == 2
    assert "take it out of" in result.stderr
    assert "hush" not in result.stderr


def test_sqlite_has_no_password(tmp_path: Path, clock: SetClock) -> None:
    environ = {
        "SCHAKEL_DATABASE_URL": f"sqlite:///{tmp_path / 'a.db'}",
        "SCHAKEL_DATABASE_PASSWORD_FILE": password_file(tmp_path),
    }

    result = Desk(environ, clock).run("list")

    assert (result.exit_code, "which has no" in result.stderr) == (2, True)
