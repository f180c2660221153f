"""One cell of a database that somebody altered: whatever he put there ends no command as a fault of Schakel's own."""

from __future__ import annotations

import random
import shutil
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from sqlite3 import IntegrityError

import pytest
from employers import LONG, REACHED_BY, bring, employer
from looking import bare, look
from tampering import past_the_guards, put, rewrite, run

from states import EMPLOYER_COUPLING
from tests.conftest import START
from tests.scripts.desk import Desk
from workflow import Engine, Origin, open_database
from workflow.clock import SetClock
from workflow.ledger.sequencer import run_once
from workflow.ledger.signing import make_key, read_signer

DEEP = 600
ODD = {
    "a blob":               "X'FF00'",
    "text that is no UTF-8": "CAST(X'FF41' AS TEXT)",
    "nothing":              "NULL",
    "a huge number":        str(2**62),
    "a negative number":    "-1",
    "a fraction":           "1.5",
    "a word":               "'x'",
    "deep facts":           f"""'{{"registration":{{"company_name":{"[" * DEEP}{"]" * DEEP}}}}}'""",
    "JSON of another kind": "'[1]'",
    "the last moment":      "'9999-12-31T23:59:59.999999Z'",
    "no time of day":       "'T24:00:00'",
}  # fmt: skip
LOOKS = (
    *("show {case}", "show {case} --json", "why {case} --json", "history {case} --json", "replay {case} --json"),
    *("list --json", "list --overdue", "forecast --days 99", "mail list", "mail list --json", "mail show {letter}"),
    *("workflow impact", "audit export {folder}/all.zip --force", "audit verify", "audit verify --json"),
    *("doctor", "tick", "audit checkpoint"),
)
MAY_FAIL = ("doctor", "tick", "mail show")
"""These exit with 1 when they find what is to be mended."""
Cell = tuple[str, str]


@pytest.fixture(scope="module")
def filled(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database that has cases in every state, letters, and a signed ledger; and its key."""
    folder = tmp_path_factory.mktemp("filled")
    shutil.copyfile(sqlite_template, folder / "schakel.db")
    database = open_database(f"sqlite:///{folder / 'schakel.db'}")
    clock = SetClock(START)
    engine = Engine(database, EMPLOYER_COUPLING, clock=clock, origin=Origin("anna", "anna-os", "python"))
    cases = [bring(engine, state) for state in REACHED_BY]
    engine.open_case(employer("registration"))
    engine.note(cases[0], "gebeld")
    engine.hold(cases[1], (clock.moment + timedelta(days=9)).date(), "wacht")
    make_key(folder / "signing.key", "schakel/test")
    run_once(database, read_signer(folder / "signing.key"), clock.moment)
    database.dispose()
    return folder


@pytest.fixture
def altered(filled: Path, desk: Desk) -> Path:
    """The database of the command line, to be put back as it was for each cell."""
    shutil.copyfile(filled / "signing.key", desk.environ["SCHAKEL_SIGNING_KEY"])
    Path(desk.environ["SCHAKEL_SIGNING_KEY"]).chmod(0o600)
    assert not desk.run("tick").exit_code
    return Path(desk.environ["SCHAKEL_DATABASE_URL"].removeprefix("sqlite:///"))


def cells_of(path: Path) -> list[Cell]:
    """Every column of every table that has a row."""
    url, found = f"sqlite:///{path}", []
    for table in look(url, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"):
        name = table["name"]
        if name != "alembic_version" and look(url, f"SELECT 1 FROM {name} LIMIT 1"):
            columns = look(url, f"SELECT name FROM pragma_table_info('{name}')")
            found += [(name, column["name"]) for column in columns]
    return found


def put_odd(path: Path, cell: Cell, value: str, draw: random.Random) -> bool:
    """Put it into one row; False: the table itself refuses it."""
    table, column = cell
    with bare(f"sqlite:///{path}") as plain:
        (number,) = draw.choice(plain.execute(f"SELECT rowid FROM {table}").fetchall())
    with past_the_guards(f"sqlite:///{path}") as connection, suppress(IntegrityError):  # a rowid takes no other kind
        connection.execute(f"UPDATE OR IGNORE {table} SET {column} = {value} WHERE rowid = {number}")
        return bool(connection.execute("SELECT changes()").fetchone()[0])
    return False


@pytest.mark.parametrize("odd", ODD)
def test_whatever_stands_in_one_cell_is_told_and_never_a_fault_of_ours(
    odd: str, filled: Path, altered: Path, desk: Desk, tmp_path: Path
) -> None:
    draw = random.Random(odd)
    cells = cells_of(filled / "schakel.db")

    told = []
    for cell in draw.sample(cells, min(len(cells), 2 * LONG)):
        for rest in ("-wal", "-shm"):
            Path(f"{altered}{rest}").unlink(missing_ok=True)
        shutil.copyfile(filled / "schakel.db", altered)
        names = look(f"sqlite:///{altered}", "SELECT reference FROM cases")
        if not put_odd(altered, cell, ODD[odd], draw):
            continue
        case, letter = draw.choice(names)["reference"], draw.randint(1, 9)
        for words in LOOKS:
            result = desk.run(words.format(case=case, letter=letter, folder=tmp_path))
            may_fail = words.startswith(MAY_FAIL)
            if "fault in Schakel" in result.output or (result.exit_code == 1 and not may_fail):
                told.append((cell, words, result.output))

    assert told == []


@pytest.fixture
def case(filled: Path, altered: Path) -> str:
    """A case that others stand beside, in the database as it was."""
    for rest in ("-wal", "-shm"):
        Path(f"{altered}{rest}").unlink(missing_ok=True)
    shutil.copyfile(filled / "schakel.db", altered)
    return str(look(f"sqlite:///{altered}", "SELECT reference FROM cases WHERE id = 2")[0]["reference"])


@pytest.mark.parametrize("table", ["events", "private_values", "cases", "case_keys"])
def test_text_that_is_no_utf_8_is_a_finding_of_its_case_where_history_is_proved(
    table: str, altered: Path, case: str, desk: Desk
) -> None:
    column = {"events": "os_user", "private_values": "path", "cases": "progress", "case_keys": "detail"}[table]
    number = "id" if table == "cases" else "case_id"
    last = f"SELECT max(rowid) FROM {table} WHERE {number} = 2"
    run(f"sqlite:///{altered}", f"UPDATE {table} SET {column} = CAST(X'FF41' AS TEXT) WHERE rowid = ({last})")

    report = desk.ask("audit verify", code=0 if table == "case_keys" else 8)

    assert {found["case"] for found in report["findings"]} == (set() if table == "case_keys" else {case})
    assert desk.run(f"show {case}").exit_code == (8 if table in ("cases", "case_keys") else 0)
    assert desk.run("tick").exit_code == 0
    assert desk.run("list").exit_code == (8 if table == "cases" else 0)


def test_facts_nested_deeper_than_any_could_be_written_are_altered(altered: Path, case: str, desk: Desk) -> None:
    run(f"sqlite:///{altered}", f"UPDATE cases SET facts = {ODD['deep facts']} WHERE id = 2")

    for words in (f"show {case}", f"show {case} --json", f"why {case}", f"replay {case}"):
        assert (
            f"history of {case} cannot be read: somebody" in desk.ask(words.removesuffix(" --json"), code=8)["message"]
        )


def test_an_event_of_the_last_year_there_is_is_found_and_stops_no_export(
    altered: Path, case: str, desk: Desk, tmp_path: Path
) -> None:
    url = f"sqlite:///{altered}"
    late = "9999-12-31T23:59:59.999999Z"
    last = look(url, "SELECT max(seq) AS seq FROM events WHERE case_id = 2")[0]["seq"]
    rewrite(url, case, last, lambda says: says.update(at=late))
    put(url, "UPDATE cases SET at = ? WHERE id = 2", late)

    report = desk.ask("audit verify", code=8)
    exported = desk.run(f"audit export {tmp_path / 'all.zip'}")

    assert ("EVENT_UNREADABLE", case) in {(found["code"], found["case"]) for found in report["findings"]}
    assert exported.exit_code == 0, exported.output
    assert "beyond all bounds" not in desk.run("forecast --days 99").output
    assert "An unexpected" not in desk.run("doctor").output
