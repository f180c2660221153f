"""A case with a distinctive value in every personal place, erased: its bytes are nowhere, its history verifies."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from employers import bring, employer
from looking import bare, case_row, events_of, look, traces
from remains import files_of, pages_of, remains, rows_of
from sink import ADDRESS, PATIENCE, Sink, delivery, eventually

from notifications import overview
from tests.scripts.desk import Desk
from workflow import Database, Engine, Origin, Refused, open_database, reminders
from workflow.clock import AMSTERDAM, SetClock
from workflow.storage import letters
from workflow.storage.compacting import VACUUM
from workflow.storage.letter_states import LetterState

ROOT = Path(__file__).parents[2]
WORKER = Origin("worker", "test", "worker")
SHEETS = {
    # where                        what
    "loket_user.user_name":        "koppeling.Roerdomp71",
    "registration.company_name":   "Zwaluwstaart & Zoon Loonbureau",
    "registration.wage_tax_number": "9999.00171 L01",
    "registration.contact_name":   "Zoë Grütterink-Kwartel",
    "registration.email":          "lijster@vogelnest-oud.example",
    "handover.contact_name":       "Kees Keylane-Wielewaal",
}  # fmt: skip
DGA = {"name": "Dorothée IJsvogel-Fictief", "employee_number": "70717273"}
TEXTS = {
    "note":           "Gebeld met Goudplevier; bel na drieën terug",
    "return":         "Naam Boomklever-Foutje klopt niet",
    "hold":           "Wacht op accountant Kwikstaart",
    "resolve":        "Nagevraagd bij Waterhoentje: kwam aan",
    "refused inline": "Nooit-Bewaarde Nachtegaal",
    "key":            "sleutel-Torenvalk-1",
    "new email":      "grutto@vogelnest-nieuw.example",
    "old contact":    "Vroegere Scholekster",
}  # fmt: skip
WORDS = "vogelnest-oud.example"
"""What is left of an address in a server's words when the part before the @ is masked."""
NORMAL = "999900171L01"
VALUES = (*SHEETS.values(), *DGA.values(), *TEXTS.values(), WORDS, NORMAL)
NEVER_KEPT = {TEXTS["refused inline"]}
GROUND = ("--reason", "Verzoek van 3 mei", "--ground", "AVG art. 17")
ASKS = ("show E77 --reveal", "show E77 --json", "list --search E77", "history E77 --full", "history E77 --json")
ASKS += ("replay E77", "replay E77 --json", "replay E77 --seq 3", "why E77", "mail list", "mail list --json")
ASKS += ("mail list --case E77", "forecast", "doctor", "list --json", "tick --json", "mail preview invitation E77")


def at(clock: SetClock, text: str) -> None:
    clock.moment = datetime.fromisoformat(text).replace(tzinfo=AMSTERDAM)


@dataclass
class Life:
    """The life of a case that is full of names, and of one beside it that is not erased."""

    engine: Engine
    clock: SetClock
    desk: Desk
    url: str
    neighbour: str = ""
    logs: list[str] = field(default_factory=list)

    def lead(self) -> str:
        """Live it up to its end; the case."""
        case = self._prepare()
        self._register(case)
        self._enrich(case)
        self._confirm(case)
        return case

    def run(self, words: str, code: int = 0) -> str:
        """Say a command; everything it printed is kept as a log would."""
        result = self.desk.run(words)
        self.logs.append(result.output)
        assert result.exit_code == code, result.output
        return result.stdout

    def _prepare(self) -> str:
        """Opened with an address that bounces; the overview of the next morning says so."""
        engine = self.engine
        facts = employer()
        self.facts = facts
        for path, value in SHEETS.items():
            sheet, _, name = path.partition(".")
            facts[sheet][name] = value
        facts["registration"]["dgas"] = [DGA]
        opening = {"registration": {**facts["registration"], "contact_name": TEXTS["old contact"]}}
        case = engine.open_case(opening, external_reference="E77").case.reference
        self.neighbour = bring(engine, "rights_pending")
        bounces = f"550 5.1.1 <{SHEETS['registration.email']}> is unknown"
        with Sink(answers={SHEETS["registration.email"]: bounces}) as sink:
            delivery(engine, sink).run_once()
            at(self.clock, "2026-04-21T08:10")
            assert overview.run_once(engine.database, engine.rules, self.clock.now())
            delivery(engine, sink).run_once()
        assert WORDS in rows_of(self.url).decode(errors="replace")
        return case

    def _register(self, case: str) -> None:
        """Refused with facts given along, registered with a key, sent back, registered again."""
        engine, facts = self.engine, self.facts
        with pytest.raises(Refused):
            engine.advance(case, facts={"registration": {"contact_name": TEXTS["refused inline"]}})
        engine.record(case, {"loket_user": facts["loket_user"]})
        engine.record(
            case, {"registration": {"email": TEXTS["new email"], "contact_name": facts["registration"]["contact_name"]}}
        )
        engine.note(case, TEXTS["note"])
        engine.advance(case, "register", key=TEXTS["key"], accept_warnings=True)
        engine.advance(case, "return_to_applicant", reason=TEXTS["return"])
        engine.advance(case, "register", accept_warnings=True)
        engine.advance(self.neighbour, "register")

    def _enrich(self, case: str) -> None:
        """Two reminders to a.s.r. on one morning are a digest; one letter is left in doubt by its worker."""
        engine = self.engine
        at(self.clock, "2026-04-24T09:05")
        reminders.run_once(engine.database, engine.rules, self.clock.now(), WORKER)
        with Sink() as sink:
            assert delivery(engine, sink).run_once().merged == 2
        engine.hold(case, date(2026, 5, 4), TEXTS["hold"])
        engine.resume(case)
        engine.advance(case, "enrich", facts={"policy": self.facts["policy"]})
        self._leave_in_doubt(case)
        with Sink() as sink:
            delivery(engine, sink).run_once()

    def _leave_in_doubt(self, case: str) -> None:
        now = self.clock.now()
        with self.engine.database.writing() as store:
            row, *_ = letters.claim(store, now=now, lease_until=now, token="lost", limit=100)
            letters.beginning(store, row, lease_until=now)()
        assert row.case == case
        with Sink() as sink:
            self.clock.moment += timedelta(hours=1)
            assert delivery(self.engine, sink).run_once().unknown == 1
        self.run(f'mail resolve {row.id} --sent --reason "{TEXTS["resolve"]}"')

    def _confirm(self, case: str) -> None:
        """Confirmed and postponed; the last letters could not go out yet, and were built."""
        engine = self.engine
        engine.advance(case, "hand_over", facts={"handover": self.facts["handover"]})
        at(self.clock, "2026-05-26T10:00")
        realised = {"realised_on": "2026-05-26", "first_exchange_date": "2026-06-02"}
        engine.advance(case, "confirm", facts={"realisation": realised}, accept_warnings=True)
        engine.record(case, {"realisation": {"first_exchange_date": "2026-06-09"}})
        answer = f"450 <{TEXTS['new email']}> later"
        with Sink(answers={TEXTS["new email"]: answer, "asr@example.org": "450 later"}) as sink:
            assert delivery(engine, sink).run_once().retried


@pytest.fixture
def begin(
    clock: SetClock, tmp_path: Path, make_engine: Callable[[Database], Engine]
) -> Iterator[Callable[[str], Life]]:
    """Begin a life on a database, with a command line that has its own settings."""
    opened: list[Database] = []

    def _begin(url: str) -> Life:
        environ = {
            "SCHAKEL_DATABASE_URL": url,
            "SCHAKEL_SETTINGS": str(tmp_path / "schakel.toml"),
            "SCHAKEL_SIGNING_KEY": str(tmp_path / "signing.key"),
            "SCHAKEL_MAIL_FROM": "schakel@example.org",
            "SCHAKEL_ACTOR": "anna",
        }
        opened.append(open_database(url))
        life = Life(make_engine(opened[-1]), clock, Desk(environ, clock), url)
        life.run("init")
        return life

    yield _begin
    for database in opened:
        database.dispose()


@pytest.fixture
def life(begin: Callable[[str], Life], url: str) -> Life:
    """A life on either database."""
    return begin(url)


def contents(url: str) -> Iterator[bytes]:
    """All that a byte search can see: rows, and on SQLite the files."""
    yield rows_of(url)
    if url.startswith("sqlite"):
        yield from files_of(url).values()


def erase(life: Life, case: str = "E77") -> dict[str, Any]:
    words = " ".join(f'"{word}"' for word in GROUND)
    answer: dict[str, Any] = json.loads(life.run(f"audit erase {case} {words} --yes --json"))
    return answer


def is_chained(url: str, case: str) -> bool:
    """Whether each event's hash is that of its bytes and the next one names it."""
    rows = events_of(url, case)
    hashes = ["0" * 64, *(row["hash"] for row in rows)]
    sound = all(hashlib.sha256(row["canonical"]).hexdigest() == row["hash"] for row in rows)
    return sound and [row["prev_hash"] for row in rows] == hashes[:-1]


def test_no_value_is_left_anywhere_and_the_history_still_verifies(life: Life, url: str) -> None:
    case = life.lead()
    kept = set(VALUES) - NEVER_KEPT
    assert remains(VALUES, *contents(url)) == kept, "the search has no teeth"
    before, neighbour = events_of(url, case), traces(url, life.neighbour)
    number = case_row(url, case)["id"]
    values = len(look(url, f"SELECT * FROM private_values WHERE case_id = {number}"))
    waiting = len(look(url, f"SELECT * FROM outbox WHERE case_id = {number} AND state = 'pending'"))

    answer = erase(life)

    assert remains(VALUES, *contents(url)) == set()
    *earlier, erased = events_of(url, case)
    assert earlier == before
    assert (erased["kind"], erased["seq"], erased["hash"]) == ("erased", *answer["event"].values())
    assert is_chained(url, case)
    assert (answer["case"], answer["values"], answer["cancelled"]) == (case, values, waiting)
    assert waiting
    assert traces(url, life.neighbour) == neighbour
    engine = life.engine
    assert engine.replay(case).matches_stored
    assert engine.replay(life.neighbour).matches_stored


def test_afterwards_every_question_is_answered_without_a_value(life: Life, url: str) -> None:
    life.lead()
    erase(life)
    life.logs.clear()

    for words in ASKS:
        life.run(words)
    for row in look(url, "SELECT id FROM outbox"):
        life.run(f"mail show {row['id']}")
        life.run(f"mail show {row['id']} --json")

    said = "\n".join(life.logs)
    assert remains(VALUES, said.encode()) == set()
    assert "[erased]" in said
    assert json.loads(life.run("show E77 --json"))["erased"] is True
    assert json.loads(life.run("list --search E77 --json"))[0]["company_name"] == "[erased]"
    assert remains(VALUES, *contents(url)) == set()


def test_the_proof_stays_whole_and_exports_made_later_hold_no_value(life: Life, url: str, tmp_path: Path) -> None:
    life.lead()
    life.run("tick")  # the ledger has sealed events whose values go
    held = tmp_path / "held.txt"
    held.write_text(life.run("audit checkpoint"))
    erase(life)

    life.run("tick")
    verified = json.loads(life.run(f"audit verify --against {held} --json"))
    life.run(f"audit export {tmp_path / 'later.zip'} --reveal")

    assert (verified["ok"], verified["findings"]) == (True, [])
    files = list(unpacked((tmp_path / "later.zip").read_bytes()))
    assert remains(VALUES, *files) == set()
    assert any(b"E77" in content for content in files)


def unpacked(content: bytes) -> Iterator[bytes]:
    """What is in a zip file, and in the zip files and workbooks in it."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in archive.namelist():
            inner = archive.read(name)
            yield from unpacked(inner) if zipfile.is_zipfile(io.BytesIO(inner)) else (inner,)


def test_a_worker_that_runs_meanwhile_neither_hinders_nor_logs_a_value(life: Life, url: str, tmp_path: Path) -> None:
    life.lead()
    bounces = {TEXTS["new email"]: f"550 <{TEXTS['new email']}> Zoë Grütterink-Kwartel left"}
    log = tmp_path / "worker.log"
    with Sink(answers=bounces) as sink, log.open("wb") as out:
        environ = os.environ | life.desk.environ | {"SCHAKEL_SMTP_URL": f"smtp://{ADDRESS}:{sink.port}"}
        command = [sys.executable, "-m", "scripts", "worker"]
        worker = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=out, stderr=out)
        try:
            assert eventually(lambda: b'"job": "delivery"' in log.read_bytes())
            erase(life)
        finally:
            worker.terminate()
            worker.wait(PATIENCE)

    assert sink.tries(TEXTS["new email"])
    assert remains(VALUES, *contents(url), log.read_bytes()) == set()


@pytest.mark.parametrize(
    ("table", "found"),
    [
        ("private_values", TEXTS["note"]),
        ("case_keys", NORMAL),
        ("answers", TEXTS["key"]),
        ("outbox", TEXTS["return"]),
        ("outbox_attempts", WORDS),
    ],
)
def test_the_search_finds_what_one_forgotten_table_would_leave(
    begin: Callable[[str], Life], sqlite_url: str, table: str, found: str
) -> None:
    life = begin(sqlite_url)
    life.lead()
    act = "UPDATE" if table.startswith("outbox") else "DELETE"
    with bare(sqlite_url) as connection:  # as if the statement on this table were not there
        connection.execute(f"CREATE TRIGGER forgets BEFORE {act} ON {table} BEGIN SELECT RAISE(IGNORE); END")

    erase(life)

    assert found in remains(VALUES, *contents(sqlite_url))


def test_postgresql_keeps_the_old_rows_until_its_tables_are_rewritten_as_the_command_says(
    begin: Callable[[str], Life], postgres_url: str
) -> None:
    life = begin(postgres_url)
    life.lead()
    with bare(postgres_url) as connection:
        connection.execute("ANALYZE")  # PostgreSQL remembers samples of values

    answer = erase(life)

    assert remains(VALUES, pages_of(postgres_url))
    with bare(postgres_url) as connection:
        connection.execute(answer["next"])
    assert remains(VALUES, rows_of(postgres_url), pages_of(postgres_url)) == set()


def test_letters_of_the_case_are_cancelled_or_blank(life: Life, url: str) -> None:
    case = life.lead()
    number = case_row(url, case)["id"]

    erase(life)

    rows = look(url, f"SELECT * FROM outbox WHERE case_id = {number}")
    assert {row["state"] for row in rows} == {"sent", "failed", "merged", "cancelled"}
    empty = ("recipient", "subject", "message", "sha256", "token", "lease_until")
    assert {row[name] for row in rows for name in empty} == {None}
    assert {(row["context"], row["reason"]) for row in rows} == {("", "erased")}
    assert all(row["state"] in set(LetterState) and row["finished_at"] for row in rows)
    assert {row["words"] for row in look(url, f"SELECT * FROM outbox_attempts WHERE case_id = {number}")} == {None}


def test_each_way_to_end_has_its_exit_code(begin: Callable[[str], Life], sqlite_url: str) -> None:
    life = begin(sqlite_url)
    case = bring(life.engine, "rights_pending")
    words = 'audit erase {} --reason "Op verzoek" --ground "AVG art. 17" --yes'

    life.run(words.format("E99"), code=3)
    life.run(f"audit erase {case}", code=2)
    assert "only a case that has ended" in life.run(f"{words.format(case)} --json", code=5)
    life.engine.advance(case, "withdraw", reason="op verzoek")
    assert "may be erased from 2033-04-20 10:00" in life.run(f'audit erase {case} --reason "Op" --yes --json', code=5)
    with bare(sqlite_url) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM cases").fetchall()
        assert "Repeat the same command" in life.run(f"{words.format(case)} --json", code=1)
        reader.execute("COMMIT")
    assert json.loads(life.run(f"{words.format(case)} --json"))["repeated"] is True
    assert "erased already" in life.run(f"{words.format(case)} --json", code=5)
    kinds = [event["kind"] for event in events_of(sqlite_url, case)]
    assert kinds == ["opened", "refused", "moved", "refused", "erased", "refused"]


def test_the_term_is_the_one_of_the_settings(begin: Callable[[str], Life], sqlite_url: str) -> None:
    life = begin(sqlite_url)
    case = bring(life.engine, "withdrawn")
    words = f"audit erase {case} --reason Bewaartermijn --yes --json"

    life.clock.moment = life.clock.moment.replace(year=2029) - timedelta(minutes=1)
    life.desk.environ["SCHAKEL_RETENTION_YEARS"] = "3"
    assert "may be erased from 2029-04-20 10:00" in life.run(words, code=5)
    life.clock.moment += timedelta(minutes=1)
    life.run(words)

    body = json.loads(events_of(sqlite_url, case)[-1]["canonical"])["body"]
    assert body == {"ground": None, "reason": "Bewaartermijn", "retention_years": 3}


def test_the_docs_name_the_statement_that_the_command_prints() -> None:
    said = (ROOT / "docs" / "security.md").read_text("utf-8")

    assert f"```sql\n{VACUUM}\n```" in said
