"""`schakel audit verify`: what it prints, what it exits with, and what it leaves alone."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.scripts.desk import GOOD, Desk
from workflow.ledger.signing import make_key

KEYS = (
    "ok", "events", "cases", "leaves", "checkpoints", "unsequenced", "proved", "cut_off", "checkpoint", "findings"
)  # fmt: skip


@pytest.fixture
def case(desk: Desk) -> str:
    desk.run("init")
    opened = desk.run("open - --json", given=json.dumps(GOOD))
    return str(json.loads(opened.stdout)["case"])


@pytest.fixture
def note(desk: Desk, case: str, tmp_path: Path) -> str:
    """A checkpoint over everything, kept in a file."""
    path = tmp_path / "checkpoint.txt"
    path.write_text(desk.run("audit checkpoint").stdout)
    return str(path)


def database(desk: Desk) -> Path:
    return Path(desk.environ["SCHAKEL_DATABASE_URL"].removeprefix("sqlite:///"))


def spoil(desk: Desk, *statements: str) -> None:
    with sqlite3.connect(database(desk)) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
    connection.close()


def codes(document: dict[str, Any]) -> set[str]:
    return {finding["code"] for finding in document["findings"]}


def test_an_honest_database_is_verified_with_exit_0(desk: Desk, note: str) -> None:
    done = desk.run("audit verify")
    document = desk.ask("audit verify")

    assert done.exit_code == 0
    assert "Nothing was altered" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert tuple(document) == KEYS
    assert (document["ok"], document["events"], document["cases"], document["findings"]) == (True, 1, 1, [])
    assert document["proved"] == 1
    assert document["checkpoint"].keys() == {"size", "root", "at", "origin"}


def test_before_the_first_checkpoint_nothing_is_called_unaltered(desk: Desk, case: str) -> None:
    done = desk.run("audit verify")

    assert (done.exit_code, "Nothing was altered" in done.stdout) == (0, False)
    assert "Nothing contradicts itself" in done.stdout
    assert "Nothing is signed yet. Next: schakel audit checkpoint" in done.stdout
    assert desk.ask("audit verify")["proved"] == 0


def test_a_key_that_is_given_must_prove_something(desk: Desk, case: str) -> None:
    key = desk.run("audit key").stdout.strip()

    done = desk.run(f"audit verify --key {key}")

    assert done.exit_code == 8
    assert "NO_CHECKPOINT\n  Nothing here is signed" in done.stdout
    assert "1 finding: nothing proves that this is the history as it was." in done.stdout
    desk.run("audit checkpoint")
    assert desk.ask(f"audit verify --key {key}")["proved"] == 1


def test_a_leaf_whose_number_of_an_event_is_none_can_be_told_as_json(desk: Desk, case: str) -> None:
    desk.run("audit checkpoint")
    spoil(desk, "UPDATE leaves SET seq = X'00'")

    assert "LEAF_WITHOUT_EVENT" in codes(desk.ask("audit verify", code=8))


def test_what_is_wrong_is_said_with_exit_8(desk: Desk, case: str, note: str) -> None:
    spoil(desk, "UPDATE events SET actor = 'mallory'")

    done = desk.run("audit verify")
    document = desk.ask("audit verify", code=8)

    assert done.exit_code == 8
    assert f"EVENT_COLUMN  {case} event 1" in done.stdout
    assert "TRIGGERS_MISSING" in done.stdout
    assert codes(document) == {"EVENT_COLUMN", "TRIGGERS_MISSING"}
    assert {"code", "case", "seq", "message"} == document["findings"][0].keys()
    assert {"code": "EVENT_COLUMN", "case": case, "seq": 1}.items() <= document["findings"][-1].items()


def test_one_case_is_verified_by_either_reference(desk: Desk, case: str) -> None:
    for words in (case, case.lower().replace("-", "")):
        assert desk.ask(f"audit verify {words}")["cases"] == 1
    assert desk.run("audit verify nobody").exit_code == 3


def test_a_checkpoint_kept_elsewhere_is_held_against_it(desk: Desk, case: str, note: str) -> None:
    desk.run(f"note {case} gebeld")
    desk.run("audit checkpoint")

    done = desk.run(f"audit verify --against {note}")

    assert done.exit_code == 0
    assert "1 checkpoint kept elsewhere" in done.stdout


@pytest.mark.parametrize("cut", [20, 21])
def test_a_checkpoint_that_a_crash_cut_off_is_left_out_and_told(desk: Desk, case: str, note: str, cut: int) -> None:
    whole, torn = Path(note).read_text("utf-8"), Path(note).with_name("torn.txt")
    torn.write_text(f"{whole[:-cut]}\n\n{whole}", "utf-8")

    done = desk.run(f"audit verify --against {torn}")

    assert (done.exit_code, "1 checkpoint kept elsewhere" in done.stdout) == (0, True)
    assert "1 more in that file cut off" in done.stdout
    assert desk.ask(f"audit verify --against {torn}")["cut_off"] == 1


def test_a_ledger_put_back_is_found_against_it(desk: Desk, case: str, note: str) -> None:
    spoil(desk, "DELETE FROM leaves", "DELETE FROM checkpoints", "UPDATE sequencer SET size = 0, peaks = '[]'")

    assert codes(desk.ask(f"audit verify --against {note}", code=8)) >= {"ROLLED_BACK"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--key hello", "--key"),
        ("--against {text}", "--against"),
        ("--against {nothing}", "nothing"),
        ("--against {empty}", "empty"),
    ],
)
def test_what_cannot_be_read_is_a_usage_error(desk: Desk, case: str, tmp_path: Path, words: str, says: str) -> None:
    for name, content in (("text", "hello"), ("empty", "")):
        (tmp_path / name).write_text(content)
    paths = {name: str(tmp_path / name) for name in ("text", "empty", "nothing")}

    done = desk.run(f"audit verify {words.format(**paths)}")

    assert done.exit_code == 2
    assert says in done.stderr


def test_the_key_one_holds_is_what_counts(desk: Desk, note: str, tmp_path: Path) -> None:
    ours = desk.run("audit key").stdout.strip()
    make_key(tmp_path / "other.key", "schakel/other")
    theirs = desk.run("audit key", SCHAKEL_SIGNING_KEY=str(tmp_path / "other.key")).stdout.strip()

    assert desk.ask(f"audit verify --key {ours}")["ok"]
    assert codes(desk.ask(f"audit verify --key {theirs}", code=8)) == {"CHECKPOINT_KEY"}
    assert codes(desk.ask(f"audit verify --against {note} --key {theirs}", code=8)) == {"CHECKPOINT_KEY"}


def test_without_a_key_file_signatures_are_a_finding(desk: Desk, note: str) -> None:
    Path(desk.environ["SCHAKEL_SIGNING_KEY"]).unlink()

    assert codes(desk.ask("audit verify", code=8)) == {"CHECKPOINT_KEY"}


def test_what_was_sealed_without_the_key_is_not_called_altered(desk: Desk, case: str, note: str) -> None:
    verifier = desk.ask("audit key")["key"]
    Path(desk.environ["SCHAKEL_SIGNING_KEY"]).unlink()
    desk.run(f"note {case} gebeld")
    desk.run("tick")

    said = " ".join(desk.run(f"audit verify --key {verifier}").stdout.split())

    assert codes(desk.ask(f"audit verify --key {verifier}", code=8)) == {"NO_CHECKPOINT"}
    assert "nothing proves that this is the history as it was beyond its last checkpoint. Either" in said
    assert "not the history as it was" not in said
    assert "Next: schakel audit verify --against FILE" in said
    desk.run(f"note {case} 'weer gebeld'")
    spoil(desk, "UPDATE events SET hash = hash || 'x' WHERE seq = 1")
    assert "findings: this is not the history as it was." in desk.run(f"audit verify --key {verifier}").stdout


def test_without_any_key_nothing_is_called_proved(desk: Desk, case: str, note: str) -> None:
    Path(desk.environ["SCHAKEL_SIGNING_KEY"]).unlink()
    desk.run(f"note {case} gebeld")
    desk.run("tick")

    said = " ".join(desk.run("audit verify").stdout.split())

    assert codes(desk.ask("audit verify", code=8)) == {"NO_CHECKPOINT", "CHECKPOINT_KEY"}
    assert (
        "2 findings: nothing proves that this is the history as it was. Next: schakel audit verify --key VKEY" in said
    )


def test_a_checkpoint_that_was_removed_is_told_as_that_against_one_that_is_held(
    desk: Desk, case: str, tmp_path: Path
) -> None:
    desk.run("audit checkpoint")
    desk.run(f"note {case} gebeld")
    (tmp_path / "newest").write_text(desk.run("audit checkpoint").stdout)
    with sqlite3.connect(database(desk)) as connection:
        found = connection.execute("SELECT name, sql FROM sqlite_master WHERE name = 'checkpoints_refuse_delete'")
        ((name, made),) = found.fetchall()
        connection.execute(f"DROP TRIGGER {name}")
        connection.execute("DELETE FROM checkpoints WHERE id = (SELECT max(id) FROM checkpoints)")
        connection.execute(made)
    connection.close()

    alone, held = (desk.run(f"audit verify{words}") for words in ("", f" --against {tmp_path / 'newest'}"))

    assert (alone.exit_code, held.exit_code) == (8, 8)
    assert "Either somebody removed the newest or added leaves, or none was signed" in " ".join(alone.stdout.split())
    assert "The newest checkpoint was removed: you hold one" in " ".join(held.stdout.split())
    assert "1 finding: this is not the history as it was." in held.stdout


def test_an_emptied_file_is_a_finding_and_no_crash(desk: Desk, case: str) -> None:
    for suffix in ("-wal", "-shm"):
        database(desk).with_name(database(desk).name + suffix).unlink(missing_ok=True)
    database(desk).write_bytes(b"")

    done = desk.run("audit verify")

    assert done.exit_code == 8
    assert "TABLES_MISSING" in done.stdout
    assert codes(desk.ask("audit verify", code=8)) == {"TABLES_MISSING"}


def test_a_file_that_is_no_database_or_not_there_fails_with_1(desk: Desk, case: str) -> None:
    database(desk).unlink()
    assert desk.run("audit verify").exit_code == 1
    database(desk).write_bytes(b"no database" * 100)
    assert desk.run("audit verify").exit_code == 1


def test_many_findings_are_cut_short_for_people_only(desk: Desk, case: str) -> None:
    for _ in range(60):
        desk.run(f"note {case} gebeld")
    spoil(desk, "UPDATE events SET actor = 'mallory'")

    done = desk.run("audit verify")

    assert len(desk.ask("audit verify", code=8)["findings"]) > 60
    assert done.stdout.count("EVENT_COLUMN") < 60
    assert "not shown" in done.stdout
