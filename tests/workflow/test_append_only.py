"""History is append-only because the database says so: any program that writes SQL is refused."""

from __future__ import annotations

import sqlite3
from typing import Any

import psycopg
import pytest
from employers import bring
from looking import bare, look

from workflow import Engine

COLUMNS = (
    "case_id, seq, at, actor, os_user, via, kind, trigger, from_state, to_state, definition_version, canonical,"
    " prev_hash, hash"
)
AGAIN = f"SELECT {COLUMNS} FROM events WHERE id = (SELECT min(id) FROM events)"
WITH_ITS_ID = f"SELECT id, {COLUMNS} FROM events WHERE id = (SELECT min(id) FROM events)"
ONE_MORE = AGAIN.replace(" seq,", " 999,", 1)
BOTH = {
    "update": "UPDATE events SET actor = 'mallory'",
    "update of one": "UPDATE events SET actor = 'mallory' WHERE seq = 1",
    "update to itself": "UPDATE events SET actor = actor",
    "delete": "DELETE FROM events",
    "delete of one": "DELETE FROM events WHERE seq = 1",
    "insert of a known id": f"INSERT INTO events (id, {COLUMNS}) {WITH_ITS_ID}",
    "insert of a known place": f"INSERT INTO events ({COLUMNS}) {AGAIN}",
    "upsert": f"INSERT INTO events ({COLUMNS}) SELECT * FROM ({AGAIN}) AS again WHERE true"
    " ON CONFLICT (case_id, seq) DO UPDATE SET actor = 'mallory'",
    "upsert by id": f"INSERT INTO events (id, {COLUMNS}) SELECT * FROM ({WITH_ITS_ID}) AS again WHERE true"
    " ON CONFLICT (id) DO UPDATE SET actor = 'mallory'",
    "delete of the case": "DELETE FROM cases",
}
SQLITE = {
    "replace by id": f"INSERT OR REPLACE INTO events (id, {COLUMNS}) {WITH_ITS_ID}",
    "replace by place": f"INSERT OR REPLACE INTO events ({COLUMNS}) {AGAIN}",
    "replace": f"REPLACE INTO events (id, {COLUMNS}) {WITH_ITS_ID}",
    "replace by a new place but a known id": "INSERT OR REPLACE INTO events"
    f" (id, {COLUMNS}) {WITH_ITS_ID.replace(' seq,', ' 999,', 1)}",
    "update or replace": "UPDATE OR REPLACE events SET seq = 1",
    "by rowid": f"INSERT OR REPLACE INTO events (rowid, {COLUMNS}) {WITH_ITS_ID}",
}
POSTGRESQL = {
    "truncate": "TRUNCATE events",
    "truncate of all": "TRUNCATE cases CASCADE",
    "merge": "MERGE INTO events USING (SELECT 1) AS one ON seq = 1 WHEN MATCHED THEN DELETE",
}


def refuses(url: str, sql: str) -> None:
    with bare(url) as connection:
        if url.startswith("sqlite"):
            connection.execute("PRAGMA foreign_keys = ON")
        with pytest.raises((sqlite3.Error, psycopg.Error)):
            connection.execute(sql)


def history(url: str) -> list[dict[str, Any]]:
    return look(url, "SELECT * FROM events ORDER BY id")


@pytest.mark.parametrize("name", BOTH)
def test_the_database_refuses_to_change_history(engine: Engine, url: str, name: str) -> None:
    bring(engine, "enriched")
    before = history(url)

    refuses(url, BOTH[name])

    assert history(url) == before


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", SQLITE)
def test_sqlite_refuses_what_slips_past_its_delete_triggers(engine: Engine, url: str, name: str) -> None:
    bring(engine, "enriched")
    before = history(url)

    refuses(url, SQLITE[name])

    assert history(url) == before


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("name", POSTGRESQL)
def test_postgresql_refuses_what_row_triggers_do_not_see(engine: Engine, url: str, name: str) -> None:
    bring(engine, "enriched")
    before = history(url)

    refuses(url, POSTGRESQL[name])

    assert history(url) == before


def test_the_refusal_says_why(engine: Engine, url: str) -> None:
    bring(engine, "registered")

    with bare(url) as connection, pytest.raises((sqlite3.Error, psycopg.Error), match="append-only"):
        connection.execute("DELETE FROM events")


def test_a_new_event_is_still_taken(engine: Engine, url: str) -> None:
    bring(engine, "registered")
    before = len(history(url))

    with bare(url) as connection:
        connection.execute(f"INSERT INTO events ({COLUMNS}) {ONE_MORE}")

    assert len(history(url)) == before + 1
