"""A database is verified: honest histories give no finding, and each thing that was tampered with gives its own."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from employers import LONG, bring
from histories import Life
from hypothesis import given, settings
from hypothesis import strategies as st
from looking import bare, case_row, count, events_of, look
from tampering import past_the_guards, put, reseal, rewrite, run

from states import EMPLOYER_COUPLING
from workflow import Engine, NoSuchCase, Origin, StoreError, open_database, reminders
from workflow.answers import Answer, RulesOf
from workflow.clock import SetClock
from workflow.definition import Definition, Rung
from workflow.digest import canonical_form, digest_of
from workflow.encoding import compact_json
from workflow.erasure import Wish, erase
from workflow.ledger import sequencer
from workflow.ledger.audit import verify_database
from workflow.ledger.signing import Signer, make_key, read_signer
from workflow.ledger.verify import Checkpoint, Report, checkpoint_text, read_checkpoint, read_notes
from workflow.storage import evidence, guards
from workflow.storage.tables import metadata

AUDITED = Origin("olga", "olga-os", "cli")
OTHER = canonical_form(replace(EMPLOYER_COUPLING, initial="registered"))


def new_signer(folder: Path) -> Signer:
    path = folder / f"{len(list(folder.iterdir()))}.key"
    make_key(path, "schakel/test")
    return read_signer(path)


@dataclass
class Ledger:
    """A database with a few cases, sequenced and signed in two turns."""

    engine: Engine
    url: str
    clock: SetClock
    signer: Signer
    moved: str = ""
    held: str = ""

    def fill(self) -> Ledger:
        self.moved = bring(self.engine, "confirmed")
        self.sequence()
        self.held = bring(self.engine, "registered")
        self.clock.moment += timedelta(hours=1)
        self.engine.note(self.held, "gebeld")
        self.engine.note(self.moved, "gebeld")
        self.sequence()
        return self

    def sequence(self) -> None:
        sequencer.run_once(self.engine.database, self.signer, self.clock.now())

    def reseal(self) -> None:
        reseal(self.url, self.signer, self.clock.now())

    def verify(self, *held: Checkpoint, case: str | None = None, signer: Signer | None = None) -> Report:
        key = (signer or self.signer).key
        return verify_database(self.engine.database, EMPLOYER_COUPLING, key, held, case=case)

    def codes(self, *held: Checkpoint, **more: Any) -> set[str]:
        return {finding.code for finding in self.verify(*held, **more).findings}

    def notes(self) -> list[Checkpoint]:
        return [
            read_notes(row["note"]).checkpoints[0] for row in look(self.url, "SELECT note FROM checkpoints ORDER BY id")
        ]

    def case_id(self, case: str) -> int:
        return int(case_row(self.url, case)["id"])


@pytest.fixture
def empty(engine: Engine, url: str, clock: SetClock, tmp_path: Path) -> Ledger:
    (tmp_path / "keys").mkdir()
    return Ledger(engine, url, clock, new_signer(tmp_path / "keys"))


@pytest.fixture
def ledger(empty: Ledger) -> Ledger:
    return empty.fill()


# -- honest ------------------------------------------------------------------------------------------------------------


def test_an_honest_database_gives_no_finding(ledger: Ledger) -> None:
    report = ledger.verify(*ledger.notes())

    assert report.findings == []
    assert (report.events, report.cases, report.leaves) == (count(ledger.url, "events"), 2, count(ledger.url, "leaves"))
    assert (report.checkpoints, report.unsequenced) == (2, 0)
    assert report.last == ledger.notes()[-1]


def test_a_new_database_gives_no_finding(empty: Ledger) -> None:
    assert empty.verify().document() == {
        "ok": True,
        "events": 0,
        "cases": 0,
        "leaves": 0,
        "checkpoints": 0,
        "unsequenced": 0,
        "proved": 0,
        "cut_off": 0,
        "checkpoint": None,
        "findings": [],
    }


def test_events_that_wait_for_their_leaf_are_counted_and_no_finding(ledger: Ledger) -> None:
    bring(ledger.engine, "registered")

    report = ledger.verify()

    assert report.ok
    assert report.unsequenced == 2


def test_verifying_writes_nothing(ledger: Ledger) -> None:
    before = {name: look(ledger.url, f"SELECT * FROM {name}") for name in metadata.tables}

    ledger.verify()

    assert {name: look(ledger.url, f"SELECT * FROM {name}") for name in metadata.tables} == before


@pytest.mark.parametrize("number", range(3 * LONG))
def test_random_honest_histories_give_no_finding(empty: Ledger, number: int) -> None:
    """Whatever happened, with leaves in between, and held against every checkpoint there was."""
    life = Life(empty.engine, empty.clock, number)
    for _ in range(4):
        life.go(60)
        empty.sequence()

    report = empty.verify(*empty.notes())

    assert report.findings == []
    assert (report.events, report.cases) == (count(empty.url, "events"), count(empty.url, "cases"))


@settings(max_examples=6 * LONG)
@given(st.integers(100, 10**9), st.integers(1, 30))
def test_each_case_of_an_honest_history_is_whole_by_itself(sqlite_engine: Engine, number: int, steps: int) -> None:
    """Hypothesis finds the shortest life that goes wrong, if one does."""
    clock = sqlite_engine.clock
    assert isinstance(clock, SetClock)
    life = Life(sqlite_engine, clock, number)
    life.go(steps)

    for case in life.cases:
        assert verify_database(sqlite_engine.database, EMPLOYER_COUPLING, None, case=case).findings == []


def test_a_case_that_was_erased_is_whole(ledger: Ledger) -> None:
    wish = Wish("op verzoek", "AVG art. 17", 7)
    erase(ledger.engine.database, ledger.engine.rules, ledger.clock.now(), AUDITED, ledger.moved, wish)
    ledger.sequence()

    assert ledger.verify().findings == []


def test_a_history_that_began_under_an_older_version_is_replayed_by_it(ledger: Ledger) -> None:
    """A newer ladder that begins again at another fact must not make an old history look forged."""
    ledger.clock.moment += timedelta(days=8)
    reminders.run_once(ledger.engine.database, ledger.engine.rules, ledger.clock.now(), AUDITED)
    ledger.engine.record(ledger.held, {"realisation": {"first_exchange_date": "2026-06-03"}})
    newer = _newer(EMPLOYER_COUPLING)
    engine = Engine(ledger.engine.database, newer, clock=ledger.clock, origin=AUDITED)
    engine.note(ledger.held, "na de nieuwe versie")
    engine.record(ledger.held, {"realisation": {"first_exchange_date": "2026-06-04"}})
    bring(engine, "registered")
    ledger.sequence()

    for running in (EMPLOYER_COUPLING, newer):
        assert verify_database(ledger.engine.database, running, ledger.signer.key).findings == []


def _newer(definition: Definition) -> Definition:
    rung = Rung("reminder_0", 1, "reminder_asr", "asr", "reminded", "realisation.first_exchange_date")
    states = tuple(
        replace(state, ladder=(rung, *state.ladder)) if state.name == "registered" else state
        for state in definition.states
    )
    return replace(definition, version="9999.1", states=states)


# -- one planted fault, and everything that repeats it made to fit -----------------------------------------------------


def says(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda event: event.update(changes)


def on_case(ledger: Ledger, case: str, sets: str, *values: object) -> None:
    put(ledger.url, f"UPDATE cases SET {sets} WHERE id = ?", *values, ledger.case_id(case))


def drop_guard(ledger: Ledger) -> None:
    sqlite = ledger.url.startswith("sqlite")
    with bare(ledger.url) as connection:
        connection.execute(f"DROP TRIGGER events_refuse_{'update' if sqlite else 'change ON events'}")


def skip_a_number(ledger: Ledger) -> None:
    rewrite(ledger.url, ledger.held, 3, says(seq=9))
    on_case(ledger, ledger.held, "seq = 9")
    put(ledger.url, "UPDATE private_values SET seq = 9 WHERE case_id = ? AND seq = 3", ledger.case_id(ledger.held))
    ledger.reseal()


def replace_the_one_before(ledger: Ledger) -> None:
    """Event 2 is another one now, and event 3 still follows the one that was there."""
    original, head = events_of(ledger.url, ledger.held)[2], case_row(ledger.url, ledger.held)["head"]
    rewrite(ledger.url, ledger.held, 2, says(actor="mallory"))
    put(
        ledger.url,
        "UPDATE events SET canonical = ?, prev_hash = ?, hash = ? WHERE id = ?",
        original["canonical"],
        original["prev_hash"],
        original["hash"],
        original["id"],
    )
    on_case(ledger, ledger.held, "head = ?", head)
    ledger.reseal()


def make_unreadable(ledger: Ledger) -> None:
    last = events_of(ledger.url, ledger.held)[-1]["id"]
    put(ledger.url, "UPDATE events SET canonical = ?, hash = ? WHERE id = ?", b"x", digest_of(b"x"), last)
    ledger.reseal()


def cut_the_tail(ledger: Ledger) -> None:
    """The last event goes, and the case is put back to what it was before."""
    number, before = ledger.case_id(ledger.held), events_of(ledger.url, ledger.held)[-2]
    for table in ("events", "private_values"):
        put(ledger.url, f"DELETE FROM {table} WHERE case_id = ? AND seq = 3", number)
    on_case(ledger, ledger.held, "seq = 2, head = ?, at = ?", before["hash"], before["at"])


def set_back(ledger: Ledger) -> None:
    rewrite(ledger.url, ledger.moved, 6, says(at="2026-04-20T07:00:00.000000Z"))
    on_case(ledger, ledger.moved, "at = ?", "2026-04-20T07:00:00.000000Z")
    ledger.reseal()


def set_forward(ledger: Ledger) -> None:
    """An event later than the checkpoint over it: leaves and roots made anew, each signed as of then."""
    signed = [note.at for note in ledger.notes()]
    rewrite(ledger.url, ledger.moved, 6, says(at="2099-01-01T00:00:00.000000Z"))
    on_case(ledger, ledger.moved, "at = ?", "2099-01-01T00:00:00.000000Z")
    ledger.reseal()
    (head,) = ledger.notes()
    note = ledger.signer.checkpoint(head.size, head.root, signed[-1])
    put(ledger.url, "UPDATE checkpoints SET note = ?, at = ?", note, signed[-1])


def move_illegally(ledger: Ledger) -> None:
    """Straight into the database: back from a final state, with right hashes everywhere."""
    rewrite(ledger.url, ledger.moved, 6, says(kind="moved", trigger="register", to="registered"))
    on_case(ledger, ledger.moved, "state = 'registered', version = version + 1, entered_at = at, ended_at = NULL")
    ledger.reseal()


def forget_a_sheet(ledger: Ledger) -> None:
    def change(event: dict[str, Any]) -> None:
        event["body"]["facts"].pop("policy", None)
        event["commitments"] = {p: c for p, c in event["commitments"].items() if not p.startswith("policy.")}

    rewrite(ledger.url, ledger.moved, 1, change)
    facts = json.loads(case_row(ledger.url, ledger.moved)["facts"])
    facts.pop("policy")
    on_case(ledger, ledger.moved, "facts = ?", compact_json(facts))
    run(ledger.url, "DELETE FROM private_values WHERE path LIKE 'policy.%'")
    ledger.reseal()


def accept_an_error(ledger: Ledger) -> None:
    def change(event: dict[str, Any]) -> None:
        event["body"]["accepted"] = [{"about": ["registration.email"], "code": "EMAIL_MISSING"}]

    rewrite(ledger.url, ledger.moved, 2, change)
    progress = json.loads(case_row(ledger.url, ledger.moved)["progress"])
    progress["accepted"] = {"EMAIL_MISSING": ["registration.email"]}
    on_case(ledger, ledger.moved, "progress = ?", compact_json(progress))
    ledger.reseal()


def happen(ledger: Ledger, **changes: Any) -> None:
    """The last event of a case is another one, sealed as if it had always been there."""
    rewrite(ledger.url, ledger.held, 3, says(**changes))
    ledger.reseal()


def accept_a_text(ledger: Ledger) -> None:
    rewrite(ledger.url, ledger.moved, 2, lambda event: event["body"].update(accepted="RW_PREFIX"))
    ledger.reseal()


def invent_a_case(ledger: Ledger) -> None:
    names = [column.name for column in metadata.tables["cases"].c if column.name not in ("id", "reference")]
    copied = ", ".join(name if name != "external_reference" else "NULL" for name in names)
    columns = ", ".join(["id", "reference", *names])
    first = f"SELECT 999, 'K-0000-0000', {copied} FROM cases WHERE id = (SELECT min(id) FROM cases)"
    run(ledger.url, f"INSERT INTO cases ({columns}) {first}")


def forge_a_signature(ledger: Ledger) -> None:
    (row,) = look(ledger.url, "SELECT id, note FROM checkpoints ORDER BY id LIMIT 1")
    forged = row["note"][:-20] + "A" * 12 + row["note"][-8:]
    put(ledger.url, "UPDATE checkpoints SET note = ? WHERE id = ?", forged, row["id"])


def sql(*statements: str) -> Callable[[Ledger], None]:
    return lambda ledger: run(ledger.url, *statements)


def define(**values: Any) -> Callable[[Ledger], None]:
    sets = ", ".join(f"{name} = ?" for name in values)
    return lambda ledger: put(ledger.url, f"UPDATE definitions SET {sets}", *values.values())


def keep_a_value(seq: int, path: str, *, case_id: int | None = None) -> Callable[[Ledger], None]:
    def change(ledger: Ledger) -> None:
        number = ledger.case_id(ledger.held) if case_id is None else case_id
        put(ledger.url, "INSERT INTO private_values VALUES (?, ?, ?, '1', ?)", number, seq, path, b"salt")

    return change


LAST_CHECKPOINT, FIRST_CHECKPOINT = (f"(SELECT {which}(id) FROM checkpoints)" for which in ("max", "min"))
EQUAL_TO_PYTHON = {
    "1 for true": "':true', ':1'",
    "0.0 for false": "':false', ':0.0'",
    "a field that is null": '\'"kind":\', \'"user_status":null,"kind":\'',
    "a sheet with nothing in it": '\'{"loket_user":\', \'{"loket_seen":{},"loket_user":\'',
}
"""What of a row's facts becomes what: no `==` tells it from what was recorded, or from nothing."""


def hide_an_event(ledger: Ledger) -> None:
    """A note of a moment ago gets a number that the sequencer never looks at."""
    ledger.engine.note(ledger.held, "zojuist")
    run(ledger.url, "UPDATE events SET id = -1 WHERE id = (SELECT max(id) FROM events)")


def number_an_event_far_ahead(ledger: Ledger) -> None:
    """So that all that happens from now on gets lower numbers, which the sequencer looked at already."""
    ledger.engine.note(ledger.held, "zojuist")
    run(ledger.url, f"UPDATE events SET id = {2**63 - 1} WHERE id = (SELECT max(id) FROM events)")


def pass_an_event_over(ledger: Ledger) -> None:
    """The sequencer came to a note of a moment ago, it says."""
    ledger.engine.note(ledger.held, "zojuist")
    run(ledger.url, "UPDATE sequencer SET last_event = (SELECT max(id) FROM events)")


FAULTS: dict[str, tuple[Callable[[Ledger], None], set[str]]] = {
    # what was done                                       and the codes that are found, no others
    "an event's bytes": (make_unreadable, {"EVENT_UNREADABLE"}),
    "a column": (sql("UPDATE events SET actor = 'mallory' WHERE seq = 2"), {"EVENT_COLUMN"}),
    "a state beside the bytes": (sql("UPDATE events SET to_state = 'withdrawn' WHERE seq = 2"), {"EVENT_COLUMN"}),
    "a time beside the bytes": (sql("UPDATE events SET at = '2026-04-20T07:00:00.000000Z'"), {"EVENT_COLUMN"}),
    "a hash": (
        sql("UPDATE events SET hash = prev_hash WHERE seq = 2"),
        {"EVENT_HASH", "LEAF_DIFFERS"},
    ),
    "a number skipped": (skip_a_number, {"SEQUENCE"}),
    "an event in another's place": (replace_the_one_before, {"CHAIN"}),
    "the tail of a case": (cut_the_tail, {"LEAF_WITHOUT_EVENT"}),
    "a time gone back": (set_back, {"TIME_BACKWARDS"}),
    "a time to come": (set_forward, {"TIME_AFTER_CHECKPOINT"}),
    "a value": (sql("UPDATE private_values SET value = '1' WHERE path = 'text'"), {"OPENING_DIFFERS"}),
    "a value that is no JSON": (sql("UPDATE private_values SET value = '{' WHERE path = 'text'"), {"OPENING_DIFFERS"}),
    "a salt": (
        lambda ledger: put(ledger.url, "UPDATE private_values SET salt = ? WHERE path = 'text'", b"x"),
        {"OPENING_DIFFERS"},
    ),
    "a value gone": (sql("DELETE FROM private_values WHERE path = 'text'"), {"OPENING_MISSING"}),
    "a value of no commitment": (keep_a_value(3, "x"), {"OPENING_UNKNOWN"}),
    "a value of no event": (keep_a_value(99, "text"), {"OPENING_UNKNOWN"}),
    "a value of no case": (keep_a_value(1, "text", case_id=0), {"OPENING_UNKNOWN"}),
    "a value of a case to come": (keep_a_value(1, "text", case_id=999), {"OPENING_UNKNOWN"}),
    "the definitions gone": (sql("DELETE FROM definitions"), {"DEFINITION_UNKNOWN"}),
    "the digest of a definition": (define(digest="0" * 64), {"DEFINITION_DIFFERS"}),
    "the name of a definition": (define(version="1"), {"DEFINITION_DIFFERS", "DEFINITION_UNKNOWN"}),
    "a definition": (define(canonical=OTHER, digest=digest_of(OTHER)), {"DEFINITION_DIFFERS"}),
    "a definition that is none": (define(canonical=b"{"), {"DEFINITION_DIFFERS", "DEFINITION_UNKNOWN"}),
    "a move that the table has not": (move_illegally, {"ILLEGAL"}),
    "a sheet that was never recorded": (forget_a_sheet, {"MISSING_SHEETS"}),
    "an error that was accepted": (accept_an_error, {"NOT_ACCEPTED"}),
    "a text that was accepted": (accept_a_text, {"NOT_ACCEPTED"}),
    "an event of a kind there is not": (partial(happen, kind="approved"), {"ILLEGAL", "STATE_DIFFERS"}),
    "a hold until no day": (partial(happen, kind="held", body={"until": "31-12"}), {"ILLEGAL", "STATE_DIFFERS"}),
    "a stored state": (sql("UPDATE cases SET state = 'withdrawn'"), {"STATE_DIFFERS"}),
    "stored facts": (sql("UPDATE cases SET facts = '{}'"), {"STATE_DIFFERS"}),
    "stored facts that are no JSON": (sql("UPDATE cases SET facts = '{'"), {"STATE_DIFFERS"}),
    **{
        f"stored facts that are {facts}": (sql(f"UPDATE cases SET facts = '{facts}'"), {"STATE_DIFFERS"})
        for facts in ("[]", "5", "null", '"s"', '{"registration":5}', '{"registration":{"email":[{}]}}')
    },
    **{
        f"stored facts with {what}": (sql(f"UPDATE cases SET facts = replace(facts, {change})"), {"STATE_DIFFERS"})
        for what, change in EQUAL_TO_PYTHON.items()
    },
    "stored facts in another spelling": (
        sql("UPDATE cases SET facts = replace(facts, '\"kind\":', '\"kind\": ')"),
        {"STATE_DIFFERS"},
    ),
    "stored facts that say a sheet twice": (
        sql('UPDATE cases SET facts = replace(facts, \'{"loket_user":\', \'{"loket_user":{},"loket_user":\')'),
        {"STATE_DIFFERS"},
    ),
    "stored progress in another spelling": (
        sql("UPDATE cases SET progress = replace(progress, ',', ' ,')"),
        {"STATE_DIFFERS"},
    ),
    "a stored version": (sql("UPDATE cases SET version = version + 1"), {"STATE_DIFFERS"}),
    "a stored name of the rules": (sql("UPDATE cases SET definition = 'x'"), {"STATE_DIFFERS"}),
    "a case's row": (sql("DELETE FROM cases WHERE id = (SELECT min(id) FROM cases)"), {"STATE_DIFFERS"}),
    "a case's reference": (
        sql("UPDATE cases SET reference = 'K-0000-0000' WHERE id = (SELECT min(id) FROM cases)"),
        {"EVENT_COLUMN", "STATE_DIFFERS"},
    ),
    "a case without history": (invent_a_case, {"CASE_WITHOUT_EVENTS"}),
    "a leaf's hash": (sql("UPDATE leaves SET hash = '00' WHERE id = 3"), {"LEAF_DIFFERS", "ROOT_DIFFERS"}),
    "a leaf's hash that is none": (sql("UPDATE leaves SET hash = '?' WHERE id = 3"), {"LEAF_DIFFERS", "ROOT_DIFFERS"}),
    "leaves in another order": (
        sql(*(f"UPDATE leaves SET id = {new} WHERE id = {old}" for old, new in ((0, -1), (1, 0), (-1, 1)))),
        {"ROOT_DIFFERS"},
    ),
    "a leaf's event": (
        sql("UPDATE leaves SET case_id = 999 WHERE id = 0"),
        {"LEAF_WITHOUT_EVENT", "EVENT_NOT_SEQUENCED"},
    ),
    "a leaf gone": (
        sql("DELETE FROM leaves WHERE id = 1"),
        {"LEAF_GAP", "EVENT_NOT_SEQUENCED", "ROOT_DIFFERS", "CHECKPOINT_BEYOND"},
    ),
    "the last leaf": (
        sql("DELETE FROM leaves WHERE id = (SELECT max(id) FROM leaves)"),
        {"LEAF_GAP", "CHECKPOINT_BEYOND"},
    ),
    "all leaves": (sql("DELETE FROM leaves"), {"LEAF_GAP", "CHECKPOINT_BEYOND", "EVENT_NOT_SEQUENCED"}),
    "the last checkpoint": (sql(f"DELETE FROM checkpoints WHERE id = {LAST_CHECKPOINT}"), {"NO_CHECKPOINT"}),
    "every checkpoint": (sql("DELETE FROM checkpoints"), {"NO_CHECKPOINT"}),
    "the first checkpoint": (sql(f"DELETE FROM checkpoints WHERE id = {FIRST_CHECKPOINT}"), {"CHECKPOINT_GAP"}),
    "the last checkpoint twice": (
        sql(f"INSERT INTO checkpoints SELECT 999, at, size, root, note FROM checkpoints WHERE id = {LAST_CHECKPOINT}"),
        {"CHECKPOINT_GAP"},
    ),
    "checkpoints in another order": (
        sql("UPDATE checkpoints SET id = -id"),
        {"CHECKPOINT_ORDER", "CHECKPOINT_GAP"},
    ),
    "a checkpoint that is none": (
        sql(f"UPDATE checkpoints SET note = 'x' WHERE id = {FIRST_CHECKPOINT}"),
        {"CHECKPOINT_UNREADABLE"},
    ),
    "what stands beside a checkpoint": (sql("UPDATE checkpoints SET root = ''"), {"CHECKPOINT_COLUMN"}),
    "the signature of a checkpoint": (forge_a_signature, {"CHECKPOINT_SIGNATURE"}),
    "a trigger": (drop_guard, {"TRIGGERS_MISSING"}),
    "the sequencer's peaks": (sql("UPDATE sequencer SET peaks = replace(peaks, 'a', 'b')"), {"ROOT_DIFFERS"}),
    "the sequencer's peaks, one gone": (sql("UPDATE sequencer SET peaks = '[]'"), {"ROOT_DIFFERS"}),
    "the sequencer's peaks that are none": (sql("UPDATE sequencer SET peaks = '{'"), {"ROOT_DIFFERS"}),
    "the sequencer's notes": (sql("DELETE FROM sequencer"), {"TABLES_MISSING"}),
    "the sequencer's notes under another number": (sql("UPDATE sequencer SET id = 2"), {"TABLES_MISSING"}),
    "the sequencer's last event, ahead": (sql("UPDATE sequencer SET last_event = last_event + 5"), {"LEAF_GAP"}),
    "the sequencer's last event, behind": (sql("UPDATE sequencer SET last_event = last_event - 1"), {"LEAF_GAP"}),
    "the sequencer's last event, none": (sql("UPDATE sequencer SET last_event = 0"), {"LEAF_GAP"}),
    **{
        f"what the sequencer skipped: {skipped}": (sql(f"UPDATE sequencer SET skipped = '{skipped}'"), {"LEAF_GAP"})
        for skipped in (
            "{",
            "-1",
            "1",
            "[1]",
            "[[1,2]]",
            '[["1","2","3"]]',
            "[[1,2,true]]",
            "[[1,1.0,9]]",
            "[[0,1,9]]",
            "[[2,1,9]]",
            "[[1,99,9]]",
            "[[1,2,9],[2,3,9]]",
            "[[3,3,9],[1,1,9]]",
        )
    },
    "an event's number, to the last one there is": (number_an_event_far_ahead, {"EVENT_NOT_SEQUENCED"}),
    "an event's number, to one that no sequencer looks at": (hide_an_event, {"EVENT_NOT_SEQUENCED"}),
    "the sequencer's last event, beyond one that waits": (pass_an_event_over, {"LEAF_GAP"}),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_thing_that_was_changed_is_found_and_nothing_else(ledger: Ledger, name: str) -> None:
    """What repeats it was made to fit, with a stolen key where one is needed: each check must see it by itself."""
    change, expected = FAULTS[name]

    change(ledger)

    assert ledger.codes() == expected


def test_a_row_that_was_altered_for_a_move_and_put_back_shows_when_the_move_is_judged_again(ledger: Ledger) -> None:
    """As docs/security.md says: a command reads the row of the case, not its history."""
    case = bring(ledger.engine, "rights_pending")
    ledger.engine.record(case, {"loket_user": {"active": False}})
    honest = case_row(ledger.url, case)["facts"]
    put(ledger.url, "UPDATE cases SET facts = ? WHERE reference = ?", honest.replace("false", "true"), case)

    ledger.engine.advance(case, accept_warnings=True)
    altered = ledger.codes()
    put(ledger.url, "UPDATE cases SET facts = ? WHERE reference = ?", honest, case)

    last = list(ledger.engine.replay(case, by=RulesOf.NOW).rulings)[-1]
    assert (altered, ledger.codes()) == ({"STATE_DIFFERS"}, set())
    assert (last.answer, "USER_BLOCKED" in [problem.code for problem in last.problems]) == (Answer.NO, True)


def test_an_edited_event_is_found_at_its_place(ledger: Ledger) -> None:
    row = events_of(ledger.url, ledger.held)[1]
    edited = bytes(row["canonical"]).replace(b'"actor":"anna"', b'"actor":"eve"')
    put(ledger.url, "UPDATE events SET canonical = ? WHERE id = ?", edited, row["id"])

    found = {(finding.code, finding.case, finding.seq) for finding in ledger.verify().findings}

    assert found == {("EVENT_HASH", ledger.held, 2), ("EVENT_COLUMN", ledger.held, 2)}


def test_a_case_that_was_rehashed_from_an_event_on_is_found_by_its_leaves(ledger: Ledger) -> None:
    rewrite(ledger.url, ledger.moved, 3, says(actor="mallory"))

    found = {(finding.code, finding.seq) for finding in ledger.verify().findings}

    assert found == {("LEAF_DIFFERS", seq) for seq in (3, 4, 5, 6)}


def test_a_case_that_was_removed_is_found_by_its_leaves(ledger: Ledger) -> None:
    number = ledger.case_id(ledger.held)
    for table in ("events", "private_values", "timers", "outbox", "case_keys", "cases"):
        run(ledger.url, f"DELETE FROM {table} WHERE {'id' if table == 'cases' else 'case_id'} = {number}")

    assert [finding.code for finding in ledger.verify().findings] == ["LEAF_WITHOUT_EVENT"] * 3


def test_an_event_that_was_put_in_later_is_found_by_its_age(ledger: Ledger) -> None:
    """A case that was opened long ago, it says, but that no leaf knows."""
    reference = bring(ledger.engine, "rights_pending")
    rewrite(ledger.url, reference, 1, says(at="2026-04-20T07:00:00.000000Z"))
    on_case(
        ledger,
        reference,
        "at = ?, opened_at = ?, entered_at = ?",
        *["2026-04-20T07:00:00.000000Z"] * 3,
    )

    assert [(f.code, f.case) for f in ledger.verify().findings] == [("EVENT_NOT_SEQUENCED", reference)]


def test_an_event_that_was_passed_over_is_found_however_new_it_is(empty: Ledger) -> None:
    """The sequencer takes a case's events in order, so none can wait while a later one has its leaf."""
    bring(empty.engine, "registered")
    empty.sequence()
    run(empty.url, "DELETE FROM leaves WHERE seq = 1")

    assert ("EVENT_NOT_SEQUENCED", 1) in {(finding.code, finding.seq) for finding in empty.verify().findings}


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_an_event_may_come_late_to_a_number_that_was_skipped_and_to_no_other(ledger: Ledger) -> None:
    """PostgreSQL numbers an event before it commits, and gives no number out again that was rolled back."""
    newest = "(SELECT max(id) FROM events)"
    with psycopg.connect(ledger.url) as slow:
        slow.execute("SELECT pg_current_xact_id()")
        (number,) = slow.execute("SELECT nextval(pg_get_serial_sequence('events', 'id'))").fetchone() or (0,)
        ledger.engine.note(ledger.held, "een")
        ledger.sequence()
        skipped = ledger.verify()
        ledger.engine.note(ledger.held, "twee")
        run(ledger.url, f"UPDATE events SET id = {number} WHERE id = {newest}")
        late = ledger.verify()
        ledger.sequence()
        sealed = ledger.verify()
        (lost,) = slow.execute("SELECT nextval(pg_get_serial_sequence('events', 'id'))").fetchone() or (0,)
        ledger.engine.note(ledger.held, "drie")
        ledger.sequence()
        slow.rollback()
    ledger.sequence()
    honest = ledger.verify()
    ledger.engine.note(ledger.held, "vier")
    run(ledger.url, f"UPDATE events SET id = {lost} WHERE id = {newest}")

    assert [(report.ok, report.unsequenced) for report in (skipped, late, sealed, honest)] == [
        (True, 0), (True, 1), (True, 0), (True, 0)
    ]  # fmt: skip
    assert ledger.codes() == {"EVENT_NOT_SEQUENCED"}


@pytest.mark.parametrize("size", [1, 2, 3])
def test_where_a_chunk_ends_makes_no_difference(ledger: Ledger, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    bring(ledger.engine, "enriched")
    ledger.sequence()
    monkeypatch.setattr(evidence, "CHUNK", size)
    honest = ledger.verify(*ledger.notes())
    run(ledger.url, f"DELETE FROM leaves WHERE seq = 1 AND case_id = {ledger.case_id(ledger.held) + 1}")
    rewrite(ledger.url, ledger.moved, 3, says(actor="mallory"))

    found = {(finding.code, finding.seq) for finding in ledger.verify().findings}

    assert honest.findings == []
    assert found >= {("EVENT_NOT_SEQUENCED", 1), *(("LEAF_DIFFERS", seq) for seq in (3, 4, 5, 6))}


@pytest.mark.parametrize(
    ("column", "spelling"),
    [
        ("ended_at", "replace(ended_at, 'T', ' ')"),
        ("entered_at", "replace(entered_at, 'Z', '')"),
        ("erased", "2"),
    ],
)
def test_a_column_in_a_spelling_that_no_query_finds_is_told(
    sqlite_engine: Engine, sqlite_url: str, clock: SetClock, tmp_path: Path, column: str, spelling: str
) -> None:
    """It reads as it should, but `list --erasable` or doctor would pass it by."""
    (tmp_path / "keys").mkdir()
    ledger = Ledger(sqlite_engine, sqlite_url, clock, new_signer(tmp_path / "keys")).fill()
    wish = Wish("op verzoek", "AVG art. 17", 7)
    erase(ledger.engine.database, ledger.engine.rules, clock.now(), AUDITED, ledger.moved, wish)
    ledger.sequence()

    on_case(ledger, ledger.moved, f"{column} = {spelling}")

    (found,) = ledger.verify().findings
    assert (found.code, found.case) == ("STATE_DIFFERS", ledger.moved)
    assert found.message == f"The row of the case is not what its history gives: {column}."


# -- against a checkpoint that was kept elsewhere ----------------------------------------------------------------------


def test_a_history_rewritten_with_the_right_key_shows_only_against_a_held_checkpoint(ledger: Ledger) -> None:
    first, last = ledger.notes()
    rewrite(ledger.url, ledger.held, 2, says(actor="mallory"))
    ledger.reseal()

    assert ledger.codes() == set()
    assert ledger.codes(first) == {"CHECKPOINT_GAP"}
    assert ledger.codes(last) == {"FORK"}
    assert ledger.codes(first, last) == {"FORK"}


def test_an_older_backup_shows_only_against_a_held_checkpoint(ledger: Ledger) -> None:
    first, last = ledger.notes()
    run(
        ledger.url,
        *(f"DELETE FROM {table}" for table in ("checkpoints", "leaves", "events", "private_values", "timers", "cases")),
        "UPDATE sequencer SET size = 0, last_event = 0, skipped = '[]', peaks = '[]'",
    )

    assert ledger.codes() == set()
    assert ledger.codes(first) == {"ROLLED_BACK"}
    assert [f.code for f in ledger.verify(last, first).findings] == ["ROLLED_BACK"]


def heartbeats(ledger: Ledger, count: int) -> None:
    for _ in range(count):
        ledger.clock.moment += timedelta(minutes=15)
        ledger.sequence()


def checkpoint_ids(ledger: Ledger) -> list[int]:
    return [int(row["id"]) for row in look(ledger.url, "SELECT id FROM checkpoints ORDER BY id")]


@pytest.mark.parametrize("removed", [slice(1, 2), slice(3, 4), slice(1, 5), slice(5)])
def test_checkpoints_that_are_taken_from_before_others_are_missed(ledger: Ledger, removed: slice) -> None:
    """Heartbeats and others, one or several: the next one names what is not there."""
    heartbeats(ledger, 5)
    honest, ids = ledger.verify().findings, checkpoint_ids(ledger)
    following = ledger.notes()[removed.stop]

    run(ledger.url, *(f"DELETE FROM checkpoints WHERE id = {number}" for number in ids[removed]))

    assert honest == []
    (found,) = ledger.verify().findings
    assert found.code == "CHECKPOINT_GAP"
    assert found.message == (
        f"The checkpoint of {following.at} over {following.size} leaves: The one that it was signed after does not "
        "stand before it: it was removed, or another was put in."
    )


def test_checkpoints_that_are_taken_away_to_the_end_and_signed_anew_are_missed_by_who_holds_one(ledger: Ledger) -> None:
    _, second = ledger.notes()
    bring(ledger.engine, "registered")
    ledger.sequence()
    _, *others = checkpoint_ids(ledger)
    run(ledger.url, *(f"DELETE FROM checkpoints WHERE id = {number}" for number in others))
    heartbeats(ledger, 1)

    assert ledger.codes() == set()
    (found,) = ledger.verify(second).findings
    assert found == (
        "CHECKPOINT_GAP",
        f"Checkpoints that you hold and that are missing here, though later ones are not: 1. The largest is that of "
        f"{second.at} over {second.size} leaves. They were removed, or an older copy was put back and signed since.",
        "",
        0,
    )


def test_a_copy_that_lacks_nothing_but_heartbeats_agrees_with_those_that_are_held(ledger: Ledger) -> None:
    kept = checkpoint_ids(ledger)
    heartbeats(ledger, 3)
    held = ledger.notes()
    run(ledger.url, f"DELETE FROM checkpoints WHERE id > {kept[-1]}")

    heartbeats(ledger, 2)

    assert ledger.verify(*held).findings == []


def test_checkpoints_of_an_older_schakel_name_none_and_are_not_missed(ledger: Ledger) -> None:
    """Those that went before the first of today's are held against nothing, but for the last of them."""
    for note, number in zip(ledger.notes(), checkpoint_ids(ledger), strict=True):
        old = ledger.signer.checkpoint(note.size, note.root, note.at)
        put(ledger.url, "UPDATE checkpoints SET note = ? WHERE id = ?", old, number)
    heartbeats(ledger, 2)
    first, second, *_ = checkpoint_ids(ledger)

    honest = ledger.verify(*ledger.notes()).findings
    run(ledger.url, f"DELETE FROM checkpoints WHERE id = {first}")
    without_first = ledger.codes()
    run(ledger.url, f"DELETE FROM checkpoints WHERE id = {second}")

    assert (honest, without_first) == ([], set())
    assert ledger.codes() == {"CHECKPOINT_GAP"}


def test_of_many_checkpoints_that_are_missing_the_largest_speaks_and_the_others_are_counted(ledger: Ledger) -> None:
    at = "2026-04-20T08:30:00.000000Z"
    held = [read_checkpoint(ledger.signer.checkpoint(size, bytes(32), at)) for size in range(20, 120)]

    (found,) = ledger.verify(*held[50:], *held[:50]).findings

    leaves = ledger.verify().leaves
    assert f"over 119 leaves, which you hold, names more than the {leaves} leaves there are" in found.message
    assert ", and so do 99 others that you hold." in found.message
    assert f"its last {119 - leaves} leaves are missing here, so at most {119 - leaves} events are" in found.message


def test_a_checkpoint_of_today_agrees_with_a_much_longer_ledger(ledger: Ledger) -> None:
    early = ledger.notes()
    for _ in range(3):
        bring(ledger.engine, "enriched")
        ledger.clock.moment += timedelta(minutes=20)
        ledger.sequence()

    assert ledger.codes(*early) == set()


def test_a_checkpoint_of_an_empty_ledger_agrees_with_any(empty: Ledger) -> None:
    empty.sequence()
    (nothing,) = empty.notes()
    empty.fill()

    assert nothing.size == 0
    assert empty.codes(nothing) == set()


def test_another_key_is_named(ledger: Ledger, tmp_path: Path) -> None:
    stranger = new_signer(tmp_path / "keys")
    same_name_other_key = stranger.checkpoint(3, bytes(32), "2026-04-20T08:00:00.000000Z")

    assert [f.code for f in ledger.verify(signer=stranger).findings] == ["CHECKPOINT_KEY"] * 2
    assert ledger.codes(*read_notes(same_name_other_key).checkpoints) == {"CHECKPOINT_KEY"}


def test_a_checkpoint_about_another_ledger_is_not_taken_for_ours(ledger: Ledger) -> None:
    """C2SP: the origin says which log it is; the right key alone does not."""
    text = checkpoint_text("schakel/elsewhere", 3, bytes(32), "2026-04-20T08:00:00.000000Z")
    key = ledger.signer.key
    signed = base64.b64encode(key.key_id + ledger.signer._private.sign(text)).decode()

    assert ledger.codes(*read_notes(f"{text.decode()}\n— {key.name} {signed}\n").checkpoints) == {"CHECKPOINT_KEY"}


def test_without_a_key_signatures_are_a_finding_told_once(ledger: Ledger) -> None:
    report = verify_database(ledger.engine.database, EMPLOYER_COUPLING, None, ledger.notes())

    assert [finding.code for finding in report.findings] == ["CHECKPOINT_KEY"]


def test_leaves_without_any_checkpoint_are_a_finding(empty: Ledger) -> None:
    bring(empty.engine, "registered")
    sequencer.run_once(empty.engine.database, None, empty.clock.now())

    assert empty.codes() == {"NO_CHECKPOINT"}


# -- one case ----------------------------------------------------------------------------------------------------------


def test_one_case_is_verified_with_the_ledger_it_is_in(ledger: Ledger) -> None:
    report = ledger.verify(case=ledger.held.lower().replace("-", ""))

    assert (report.ok, report.events, report.cases, report.leaves) == (True, 3, 1, 9)


def test_what_is_wrong_with_another_case_is_not_told_of_this_one(ledger: Ledger) -> None:
    rewrite(ledger.url, ledger.moved, 3, says(actor="mallory"))

    assert ledger.codes(case=ledger.held) == set()
    assert ledger.codes(case=ledger.moved) == {"LEAF_DIFFERS"}


def test_a_leaf_of_this_case_without_its_event_is_found(ledger: Ledger) -> None:
    cut_the_tail(ledger)

    assert ledger.codes(case=ledger.held) == {"LEAF_WITHOUT_EVENT"}
    assert ledger.codes(case=ledger.moved) == set()


def test_a_case_that_is_not_there_is_said_so(ledger: Ledger) -> None:
    with pytest.raises(NoSuchCase):
        ledger.verify(case="K-0000-0000")


# -- databases that are not what they were -----------------------------------------------------------------------------


def test_a_database_without_tables_is_a_finding(ledger: Ledger) -> None:
    ledger.engine.database.dispose()
    with bare(ledger.url) as connection:
        for table in [*(table.name for table in reversed(metadata.sorted_tables)), "alembic_version"]:
            connection.execute(f"DROP TABLE {table}")
    with pytest.raises(StoreError):
        open_database(ledger.url)
    database = open_database(ledger.url, without_tables=True)

    report = verify_database(database, EMPLOYER_COUPLING, ledger.signer.key)
    database.dispose()

    assert [finding.code for finding in report.findings] == ["TABLES_MISSING"]


@pytest.mark.parametrize("table", [table.name for table in metadata.sorted_tables])
def test_any_table_that_is_gone_is_named(ledger: Ledger, table: str) -> None:
    cascade = "" if ledger.url.startswith("sqlite") else " CASCADE"
    with bare(ledger.url) as connection:
        connection.execute(f"DROP TABLE {table}{cascade}")

    (finding,) = ledger.verify().findings

    assert finding.code == "TABLES_MISSING"
    assert f"table {table}" in finding.message


def test_a_column_that_is_gone_is_named(ledger: Ledger) -> None:
    with bare(ledger.url) as connection:
        connection.execute("ALTER TABLE outbox_attempts DROP COLUMN words")

    (finding,) = ledger.verify().findings

    assert "column outbox_attempts.words" in finding.message


def test_an_emptied_database_is_a_finding(ledger: Ledger) -> None:
    tables = [table.name for table in metadata.sorted_tables]
    run(ledger.url, *(f"DELETE FROM {table}" for table in tables if table != "sequencer"))

    assert ledger.codes() == {"LEAF_GAP"}


HOLLOW = {
    "sqlite": (
        "DROP TRIGGER leaves_refuse_delete",
        "DROP TRIGGER events_refuse_replace; CREATE TRIGGER events_refuse_replace BEFORE INSERT ON events"
        " WHEN EXISTS (SELECT 1 FROM events WHERE 0) BEGIN SELECT RAISE(ABORT, 'no'); END",
        "DROP TRIGGER events_refuse_update; CREATE TRIGGER events_refuse_update BEFORE UPDATE ON events"
        " BEGIN SELECT 1; END",
        "DROP TRIGGER events_refuse_update; CREATE TRIGGER events_refuse_update AFTER UPDATE ON events"
        " BEGIN SELECT RAISE(ABORT, 'no'); END",
        "DROP TRIGGER events_refuse_update; CREATE TRIGGER events_refuse_update BEFORE UPDATE ON timers"
        " BEGIN SELECT RAISE(ABORT, 'no'); END",
    ),
    "postgresql": (
        "DROP TRIGGER leaves_refuse_change ON leaves",
        "ALTER TABLE events DISABLE TRIGGER events_refuse_change",
        "ALTER TABLE events ENABLE REPLICA TRIGGER events_refuse_truncate",
        "CREATE OR REPLACE FUNCTION events_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "DROP TRIGGER events_refuse_change ON events; CREATE TRIGGER events_refuse_change BEFORE UPDATE ON events"
        " FOR EACH ROW EXECUTE FUNCTION events_refuse()",
        "DROP TRIGGER events_refuse_change ON events; CREATE TRIGGER events_refuse_change BEFORE UPDATE OR DELETE"
        " ON events FOR EACH ROW WHEN (OLD.seq > 99) EXECUTE FUNCTION events_refuse()",
    ),
}


@pytest.mark.parametrize(
    ("url", "way"), [(dialect, way) for dialect, ways in HOLLOW.items() for way in ways], indirect=["url"]
)
def test_a_trigger_that_refuses_no_more_is_as_good_as_gone(ledger: Ledger, way: str) -> None:
    first, semicolon, rest = way.partition("; CREATE")
    with bare(ledger.url) as connection:
        connection.execute(first)
        if semicolon:
            connection.execute(f"CREATE{rest}")

    assert ledger.codes() == {"TRIGGERS_MISSING"}


def test_a_new_database_has_all_its_guards(empty: Ledger) -> None:
    with empty.engine.database.reading() as store:
        assert guards.fallen(store) == []
        assert guards.missing(store) == []


@pytest.mark.parametrize("value", ["'x'", "x'00'", "NULL"])
@pytest.mark.parametrize("column", ["events.case_id", "events.seq", "events.canonical", "events.hash", "events.at",
                                    "leaves.hash", "leaves.seq", "checkpoints.note", "checkpoints.size", "cases.at",
                                    "cases.progress", "private_values.salt", "private_values.seq", "sequencer.size",
                                    "sequencer.peaks", "sequencer.last_event", "sequencer.skipped",
                                    "definitions.canonical"])  # fmt: skip
@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_whatever_stands_in_a_column_is_a_finding_and_no_crash(ledger: Ledger, column: str, value: str) -> None:
    """SQLite keeps any type anywhere; a row of the last event, leaf, note, case is spoilt."""
    table, _, name = column.partition(".")
    with past_the_guards(ledger.url) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(f"UPDATE sqlite_master SET sql = replace(sql, 'NOT NULL', '') WHERE name = '{table}'")
        connection.execute("PRAGMA writable_schema = RESET")
        connection.execute(f"UPDATE {table} SET {name} = {value} WHERE rowid = (SELECT max(rowid) FROM {table})")

    assert not ledger.verify().ok
