"""What a verification of a database says, word for word: which case, which event, and what is wrong with it.

Much is spoilt at once in a small database; `test_audit.py` shows each fault by itself, on both databases.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from employers import employer
from looking import bare
from tampering import put, rewrite, run

from states import EMPLOYER_COUPLING
from workflow import Engine, NoSuchCase
from workflow.clock import SetClock
from workflow.ledger.audit import verify_database
from workflow.ledger.sequencer import run_once
from workflow.ledger.signing import Signer, make_key, read_signer
from workflow.ledger.verify import Report, read_checkpoint
from workflow.storage import evidence
from workflow.storage.tables import metadata

ANOTHER_HASH = "Its leaf was made of another hash: one of them was changed after it was sequenced."
LATE = (
    "It has no leaf, though the last checkpoint was signed long after it: it was put in later, or the sequencer was"
    " made to pass it over."
)
DIFFERS = "The row of the case is not what its history gives:"


@dataclass
class Town:
    """A small database whose cases are called A, B, C …; each has an opening and a note."""

    engine: Engine
    url: str
    clock: SetClock
    signer: Signer
    cases: list[str] = field(default_factory=list)

    def settle(self, count: int) -> Town:
        """Open so many cases, an hour before the next checkpoint."""
        for _ in range(count):
            self.cases.append(self.engine.open_case(employer("registration")).case.reference)
            self.engine.note(self.cases[-1], "gebeld")
        self.sequence()
        return self

    def sequence(self) -> None:
        self.clock.moment += timedelta(hours=1)
        run_once(self.engine.database, self.signer, self.clock.now())

    def spoil(self, *statements: str) -> None:
        run(self.url, *statements)

    def verify(self, case: str | None = None) -> Report:
        return verify_database(self.engine.database, EMPLOYER_COUPLING, self.signer.key, case=case)

    def told(self, case: str | None = None) -> list[str]:
        """Each finding on a line, with the letters of cases."""
        return self.lines(self.verify(case))

    def lines(self, report: Report) -> list[str]:
        letters = {reference: chr(ord("A") + place) for place, reference in enumerate(self.cases)}
        found = [f"{one.code} {letters.get(one.case, one.case)}/{one.seq}: {one.message}" for one in report.findings]
        for reference, letter in letters.items():
            found = [line.replace(reference, letter) for line in found]
        return found


@pytest.fixture
def town(sqlite_engine: Engine, sqlite_url: str, clock: SetClock, tmp_path: Path) -> Town:
    make_key(tmp_path / "signing.key", "schakel/test")
    return Town(sqlite_engine, sqlite_url, clock, read_signer(tmp_path / "signing.key"))


# -- cases and events --------------------------------------------------------------------------------------------------


def test_what_an_event_and_its_columns_say_is_told_at_its_place(town: Town) -> None:
    town.settle(6)
    others = ("actor", "os_user", "via", "kind", "trigger", "from_state", "to_state", "definition_version", "prev_hash")
    every = ", ".join(f"{name} = 'x'" for name in ("at", *others))
    town.spoil(
        f"UPDATE events SET {every} WHERE case_id = 2 AND seq = 2",
        "UPDATE events SET canonical = 'x' WHERE case_id = 3 AND seq = 2",
        "UPDATE events SET hash = prev_hash WHERE case_id = 4 AND seq = 2",
        "UPDATE events SET seq = 'x' WHERE case_id = 6 AND seq = 2",
    )
    rewrite(town.url, town.cases[4], 1, lambda says: says.update(case="K" * 50))

    assert town.told() == [
        "EVENT_UNREADABLE C/2: It holds no bytes, or no hash.",
        "EVENT_HASH D/2: The stored hash is not that of its bytes: one of them was changed.",
        f"LEAF_DIFFERS D/2: {ANOTHER_HASH}",
        f"LEAF_DIFFERS E/1: {ANOTHER_HASH}",
        f"LEAF_DIFFERS E/2: {ANOTHER_HASH}",
        f"EVENT_NOT_SEQUENCED F/2: {LATE}",
        "LEAF_WITHOUT_EVENT F/2: Leaf 11 stands for an event that is not there: it was removed.",
        "TIME_AFTER_CHECKPOINT B/2: It says it happened at x, but the checkpoint that covers it was signed at"
        " 2026-04-20T09:00:00.000000Z already.",
        f"EVENT_COLUMN B/2: Its columns say something else than its bytes: at, {', '.join(others)}.",
        "EVENT_UNREADABLE C/2: It holds no bytes.",
        f"STATE_DIFFERS D/2: {DIFFERS} head.",
        f"EVENT_COLUMN E/1: Its bytes say that it belongs to {'K' * 40}; it was put here from there.",
        f"STATE_DIFFERS E/2: {DIFFERS} reference.",
        "OPENING_UNKNOWN F/2: text: a value of an event that is not there.",
        "EVENT_COLUMN F/0: Its columns say something else than its bytes: seq.",
        "OPENING_MISSING F/2: text: the value is gone, though the case was not erased after it.",
    ]


def test_what_the_row_of_a_case_says_beside_its_history_is_told_by_name(town: Town) -> None:
    town.settle(9)
    facts = json.dumps({"registration": {"email": "x"}, "policy": {"policies": []}})
    put(town.url, "UPDATE cases SET facts = ? WHERE id = 2", facts)
    put(
        town.url,
        "UPDATE cases SET facts = ?, state = 'x', version = 9, erased = 1, external_reference = 'y' WHERE id = 3",
        facts,
    )
    town.spoil(
        "UPDATE cases SET facts = '{}' WHERE id = 1",
        "UPDATE cases SET definition = 'x' WHERE id = 4",
        "UPDATE cases SET facts = '{' WHERE id = 5",
        "DELETE FROM cases WHERE id = 6",
        "UPDATE cases SET reference = 'K-0000-0000' WHERE id = 7",
        "DELETE FROM private_values WHERE case_id = 8",
        "DELETE FROM events WHERE case_id = 8",
        "UPDATE events SET case_id = 'x' WHERE case_id = 9 AND seq = 2",
    )

    assert town.told() == [
        "SEQUENCE /2: In the history before it event 1 is missing.",
        f"EVENT_NOT_SEQUENCED /2: {LATE}",
        "LEAF_WITHOUT_EVENT H/1: Leaf 14 stands for an event that is not there: it was removed.",
        "LEAF_WITHOUT_EVENT H/2: Leaf 15 stands for an event that is not there: it was removed.",
        "LEAF_WITHOUT_EVENT I/2: Leaf 17 stands for an event that is not there: it was removed.",
        f"STATE_DIFFERS A/2: {DIFFERS} registration.company_name, registration.contact_name, registration.dgas,"
        " registration.email, registration.framework_contract_number.",
        f"STATE_DIFFERS B/2: {DIFFERS} policy.policies, registration.company_name, registration.contact_name,"
        " registration.dgas, registration.email.",
        f"STATE_DIFFERS C/2: {DIFFERS} external_reference, state, version, erased, policy.policies.",
        "STATE_DIFFERS D/0: Its row names another definition than its history.",
        "STATE_DIFFERS E/0: The row of the case cannot be read.",
        "STATE_DIFFERS /0: There are events of case number 6, but its row is gone.",
        "EVENT_COLUMN K-0000-0000/1: Its bytes say that it belongs to G; it was put here from there.",
        "EVENT_COLUMN K-0000-0000/2: Its bytes say that it belongs to G; it was put here from there.",
        f"STATE_DIFFERS K-0000-0000/2: {DIFFERS} reference.",
        "CASE_WITHOUT_EVENTS H/0: The case has a row, but no history: its events were removed, or it never was opened.",
        f"STATE_DIFFERS I/1: {DIFFERS} seq, head.",
        "STATE_DIFFERS /0: There are events of case number x, but its row is gone.",
        "OPENING_UNKNOWN I/2: text: a value of an event that is not there.",
        "ILLEGAL /2: The history begins with 'noted' instead of its opening.",
        "STATE_DIFFERS /2: What it says cannot be replayed.",
        "OPENING_MISSING /2: text: the value is gone, though the case was not erased after it.",
    ]


def test_a_history_that_cannot_be_replayed_is_told_once_and_the_next_case_is_judged_all_the_same(town: Town) -> None:
    town.settle(3)
    rewrite(town.url, town.cases[0], 1, lambda says: says.update(kind="noted"))
    put(town.url, "UPDATE events SET canonical = ? WHERE case_id = 2 AND seq = 1", b"{")
    town.spoil("UPDATE cases SET state = 'x'")

    assert town.told() == [
        f"LEAF_DIFFERS A/1: {ANOTHER_HASH}",
        f"LEAF_DIFFERS A/2: {ANOTHER_HASH}",
        "EVENT_HASH B/1: The stored hash is not that of its bytes: one of them was changed.",
        "EVENT_UNREADABLE B/1: Its bytes do not say which number it has and which event it follows.",
        "ILLEGAL A/1: The history begins with 'noted' instead of its opening.",
        "ILLEGAL A/1: 'noted' cannot bring a case from 'None' to 'rights_pending'.",
        "STATE_DIFFERS A/1: What it says cannot be replayed.",
        "EVENT_UNREADABLE B/1: It is no event: its bytes are no JSON.",
        "ILLEGAL B/2: The history begins with 'noted' instead of its opening.",
        f"STATE_DIFFERS C/2: {DIFFERS} state.",
    ]


def test_a_value_that_stands_where_none_belongs_is_told_with_its_path(town: Town) -> None:
    town.settle(4)
    for case, seq, path in ((0, 1, "a"), (1, 99, "b" * 90), (2, "x", "c"), (4, 3, "d"), (9, 1, "e"), (9, "x", "f")):
        put(town.url, "INSERT INTO private_values VALUES (?, ?, ?, '1', ?)", case, seq, path, b"salt")
    town.spoil(
        "DELETE FROM private_values WHERE case_id = 2 AND seq = 2",
        "UPDATE private_values SET salt = 'text' WHERE case_id = 3 AND seq = 2",
        "UPDATE private_values SET value = '{' WHERE case_id = 4 AND seq = 2",
    )

    assert town.told() == [
        "OPENING_UNKNOWN /1: a: a value of an event that is not there.",
        f"OPENING_UNKNOWN A/99: {'b' * 80}: a value of an event that is not there.",
        "OPENING_MISSING B/2: text: the value is gone, though the case was not erased after it.",
        "OPENING_UNKNOWN B/0: c: a value of an event that is not there.",
        "OPENING_DIFFERS C/2: text: the value is not the one recorded.",
        "OPENING_DIFFERS D/2: text: the value is not the one recorded.",
        "OPENING_UNKNOWN D/3: d: a value of an event that is not there.",
        "OPENING_UNKNOWN /1: e: a value of an event that is not there.",
        "OPENING_UNKNOWN /0: f: a value of an event that is not there.",
    ]


# -- the ledger --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk", [1, 3, 500])
def test_each_gap_in_the_leaves_is_told_where_it_is(town: Town, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(evidence, "CHUNK", chunk)
    town.settle(4)
    town.spoil("DELETE FROM leaves WHERE id IN (2, 5)", "UPDATE leaves SET id = 9 WHERE id = 7")

    assert town.told() == [
        "LEAF_GAP /0: Leaf 3 comes where leaf 2 is expected.",
        "LEAF_GAP /0: Leaf 6 comes where leaf 5 is expected.",
        "LEAF_GAP /0: Leaf 9 comes where leaf 7 is expected.",
        "CHECKPOINT_BEYOND /0: The checkpoint of 2026-04-20T09:00:00.000000Z over 8 leaves: It names 8 leaves,"
        " but there are 6: leaves were removed.",
        "LEAF_GAP /0: The sequencer has appended 8 leaves, but there are 6.",
        f"EVENT_NOT_SEQUENCED B/1: {LATE}",
        f"EVENT_NOT_SEQUENCED C/2: {LATE}",
    ]


def test_a_leaf_that_is_no_hash_gives_another_root_and_is_told_at_its_event(town: Town) -> None:
    town.settle(2)
    town.spoil(
        "UPDATE leaves SET hash = '?' WHERE id = 1",
        "UPDATE sequencer SET size = 5",
    )
    with bare(town.url) as connection:
        connection.execute("DROP TRIGGER leaves_refuse_delete")

    assert town.told() == [
        "TRIGGERS_MISSING /0: The trigger leaves_refuse_delete is gone or refuses no more: rows can be changed.",
        "ROOT_DIFFERS /0: The checkpoint of 2026-04-20T09:00:00.000000Z over 4 leaves: The leaves give another root:"
        " one of them was changed, added, removed or moved.",
        "LEAF_GAP /0: The sequencer has appended 5 leaves, but there are 4.",
        f"LEAF_DIFFERS A/2: {ANOTHER_HASH}",
    ]


def test_the_sequencers_row_is_missed(town: Town) -> None:
    town.settle(1).spoil("DELETE FROM sequencer")

    assert town.told() == [
        "TABLES_MISSING /0: The sequencer's only row is gone; the next pass of the worker would fail.",
    ]


@pytest.mark.parametrize(
    ("altered", "told"),
    [
        (
            "last_event = 9",
            "LEAF_GAP /0: The sequencer says that it came to event 9, but the last one with a leaf is 4:"
            " events are passed over, or would get a second leaf.",
        ),
        (
            "skipped = '[1]'",
            "LEAF_GAP /0: What the sequencer says it skipped are no gaps below the last event that it came to:"
            " whatever waits there gets no leaf, or a second one.",
        ),
        (
            "peaks = '[]'",
            "ROOT_DIFFERS /0: The sequencer's notes (peaks) are not of the tree that the leaves make: whatever is"
            " signed next would never verify. Let no worker run.",
        ),
    ],
)
def test_what_the_sequencers_row_says_is_told_with_what_it_should_be(town: Town, altered: str, told: str) -> None:
    town.settle(2).spoil(f"UPDATE sequencer SET {altered}")

    assert town.told() == [told]


@pytest.mark.parametrize(("skipped", "is_told"), [("[]", True), ("[[5,6,9]]", True), ("[[5,7,9],[9,9,9]]", False)])
def test_an_event_that_came_to_a_number_behind_the_sequencer_is_told_unless_that_was_skipped(
    town: Town, skipped: str, is_told: bool
) -> None:
    town.settle(2).spoil(
        "UPDATE events SET id = 40 WHERE id = 4",
        f"UPDATE sequencer SET last_event = 40, skipped = '{skipped}'",
    )
    town.engine.note(town.cases[0], "gebeld")
    town.spoil("UPDATE events SET id = 7 WHERE id = 41")

    late = "It has no leaf, though the sequencer is past it"
    put_in = "it was put in later, or the sequencer was made to pass it over"
    assert town.told() == ([f"EVENT_NOT_SEQUENCED A/3: {late}: {put_in}."] if is_told else [])


def test_an_event_after_the_checkpoint_over_it_is_told_with_both_times(town: Town) -> None:
    town.settle(0)
    town.cases.append(town.engine.open_case(employer("registration")).case.reference)
    town.sequence()
    town.engine.note(town.cases[0], "gebeld")
    town.sequence()
    town.sequence()
    town.engine.note(town.cases[0], "nog eens")
    run_once(town.engine.database, None, town.clock.now())
    for seq, at in ((1, "T10:30"), (2, "T11:00"), (3, "T23:00")):
        put(town.url, "UPDATE events SET at = ? WHERE seq = ?", f"2026-04-20{at}:00.000000Z", seq)

    assert town.told() == [
        "NO_CHECKPOINT /0: Leaves that no checkpoint covers: 1. The newest checkpoint was removed, or they were added,"
        " or nothing was signed since, for want of the key.",
        "TIME_AFTER_CHECKPOINT A/1: It says it happened at 2026-04-20T10:30:00.000000Z, but the checkpoint that covers"
        " it was signed at 2026-04-20T10:00:00.000000Z already.",
        *(f"EVENT_COLUMN A/{seq}: Its columns say something else than its bytes: at." for seq in (1, 2, 3)),
    ]


def test_a_checkpoint_that_somebody_holds_is_held_against_the_ledger(town: Town) -> None:
    town.settle(2)
    at = "2026-04-20T08:30:00.000000Z"
    notes = (town.signer.checkpoint(size, bytes(32), at) for size in (6, 3))

    report = verify_database(
        town.engine.database, EMPLOYER_COUPLING, town.signer.key, [read_checkpoint(note) for note in notes]
    )

    assert town.lines(report) == [
        f"FORK /0: The checkpoint of {at} over 3 leaves, which you hold, was signed over another history than the one"
        " that is here now.",
        f"ROLLED_BACK /0: The checkpoint of {at} over 6 leaves, which you hold, names more than the 4 leaves there are."
        " The ledger was cut off or put back to an older state: its last 2 leaves are missing here, so at most 2 events"
        " are gone (an event that is here but has no leaf yet may be one of them).",
    ]


# -- what is looked at -------------------------------------------------------------------------------------------------


def test_one_case_is_found_by_either_name_though_its_row_is_forged(town: Town) -> None:
    engine = town.engine
    town.settle(1)
    town.cases.append(engine.open_case(employer("registration"), external_reference="E07").case.reference)
    town.sequence()
    town.spoil("UPDATE cases SET facts = '{', state = 'x'")

    for named in (town.cases[1], town.cases[1].lower().replace("-", ""), " E07 "):
        report = town.verify(named)
        assert (report.events, report.cases, report.leaves) == (1, 1, 3)
        assert town.lines(report) == ["STATE_DIFFERS B/0: The row of the case cannot be read."]


@pytest.mark.parametrize("named", ["K-0000-0000", "nobody", "a\x00b", ""])
def test_a_case_that_is_not_there_is_named(town: Town, named: str) -> None:
    with pytest.raises(NoSuchCase, match="There is no case '"):
        town.verify(named)


def test_whoever_waits_is_told_how_many_steps_there_are_and_of_each(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "CHUNK", 2)
    town.settle(3)
    steps: list[int] = []

    def begin(count: int) -> Any:
        steps.append(count)
        return lambda: steps.append(-1)

    report = verify_database(town.engine.database, EMPLOYER_COUPLING, town.signer.key, begin=begin)

    assert steps == [6, *[-1] * 6]
    assert (report.events, report.cases, report.leaves, report.checkpoints) == (6, 3, 6, 1)
    assert report.findings == []


@pytest.mark.parametrize(("count", "more"), [(1, ""), (8, ""), (9, " and 1 more"), (10, " and 2 more")])
def test_what_a_database_lacks_is_listed_but_not_without_end(town: Town, count: int, more: str) -> None:
    names = [table.name for table in metadata.sorted_tables][:count]
    with bare(town.url) as connection:
        for name in names:
            connection.execute(f"DROP TABLE {name}")

    lacks = ", ".join(f"table {name}" for name in names[:8])
    assert town.told() == [f"TABLES_MISSING /0: The database has no {lacks}{more}; so nothing else was looked at."]
