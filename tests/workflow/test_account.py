"""What the report of an export is given to tell: all that was counted, the last checkpoint, and each case whole."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from employers import bring, employer
from exports import AUDITOR, Unzipped
from tampering import put

from workflow import Engine
from workflow.clock import SetClock
from workflow.erasure import Wish, erase
from workflow.ledger import account
from workflow.ledger.account import Account, Seal, seal_of, timelines
from workflow.ledger.export import Exported, Order, export
from workflow.ledger.selection import Asked, Chosen
from workflow.ledger.sequencer import run_once
from workflow.ledger.signing import make_key, read_signer
from workflow.storage.ledger import Head

WITHOUT_ENTRIES = (
    "case",
    "external_reference",
    "title",
    "state",
    "holder",
    "opened_at",
    "ended_at",
    "erased",
    "events",
)


def told(engine: Engine, chosen: Chosen, *, revealed: bool = False) -> list[dict[str, Any]]:
    """Each timeline with its entries read, and how many it leaves out."""
    found = []
    with engine.database.reading() as store:
        for line in timelines(store, engine.definition, chosen, revealed=revealed):
            entries = [(entry.case, entry.seq, entry.kind) for entry in line.entries]
            found.append(
                {**{name: getattr(line, name) for name in WITHOUT_ENTRIES}, "entries": entries, "more": line.more}
            )
    return found


def test_each_case_is_told_with_what_happened_to_it(sqlite_engine: Engine, sqlite_url: str, clock: SetClock) -> None:
    engine = sqlite_engine
    first = engine.open_case(employer("registration"), external_reference="E07").case.reference
    name = engine.case(first).case.facts["registration"]["company_name"]
    clock.moment += timedelta(days=1)
    second = bring(engine, "withdrawn")
    erase(engine.database, engine.rules, clock.now(), AUDITOR, second, Wish("op verzoek", "AVG art. 17", 7))
    third = bring(engine, "rights_pending")
    put(sqlite_url, "UPDATE cases SET state = 'nowhere', opened_at = 'x', facts = '{' WHERE reference = ?", third)
    put(sqlite_url, "UPDATE events SET canonical = 'x' WHERE case_id = 3")

    assert told(engine, Chosen(None)) == [
        {
            "case": first,
            "external_reference": "E07",
            "title": "",
            "state": "rights_pending",
            "holder": "applicant",
            "opened_at": datetime(2026, 4, 20, 8, tzinfo=UTC),
            "ended_at": None,
            "erased": False,
            "events": 1,
            "entries": [(first, 1, "opened")],
            "more": 0,
        },
        {
            "case": second,
            "external_reference": "",
            "title": "",
            "state": "withdrawn",
            "holder": "",
            "opened_at": datetime(2026, 4, 21, 8, tzinfo=UTC),
            "ended_at": datetime(2026, 4, 21, 8, tzinfo=UTC),
            "erased": True,
            "events": 3,
            "entries": [(second, 1, "opened"), (second, 2, "moved"), (second, 3, "erased")],
            "more": 0,
        },
        {
            "case": third,
            "external_reference": "",
            "title": "",
            "state": "nowhere",
            "holder": "",
            "opened_at": None,
            "ended_at": None,
            "erased": False,
            "events": 1,
            "entries": [(third, 1, "unreadable")],
            "more": 0,
        },
    ]
    assert [line["title"] for line in told(engine, Chosen(None), revealed=True)] == [name, "", ""]


def test_a_report_stops_at_so_many_cases_and_events_and_says_how_many_more_there_are(
    sqlite_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account, "MOST_CASES", 2)
    monkeypatch.setattr(account, "MOST_EVENTS", 3)
    cases = [bring(sqlite_engine, state) for state in ("enriched", "confirmed", "registered")]

    lines = told(sqlite_engine, Chosen(None))

    assert [(line["case"], line["events"], len(line["entries"]), line["more"]) for line in lines] == [
        (cases[0], 3, 3, 0),
        (cases[1], 5, 3, 2),
    ]


def test_the_report_is_given_all_that_was_asked_counted_and_sealed(
    sqlite_engine: Engine, clock: SetClock, tmp_path: Path
) -> None:
    make_key(tmp_path / "signing.key", "schakel/test")
    signer = read_signer(tmp_path / "signing.key")
    cases = [bring(sqlite_engine, "registered") for _ in range(2)]
    run_once(sqlite_engine.database, signer, clock.now())
    bring(sqlite_engine, "rights_pending")
    clock.moment += timedelta(hours=1)
    given: list[dict[str, Any]] = []

    def render(told: Account) -> Iterator[str]:
        lines = [(line.case, line.title != "") for line in told.timelines]
        given.append(
            {name: getattr(told, name) for name in ("made_at", "made_by", "asked", "revealed", "events", "cases")}
        )
        given[-1] |= {"waiting": told.waiting, "seal": told.seal, "key": told.key, "lines": lines, "more": told.more}
        yield "één "
        yield "page"

    asked = Asked(since=date(2026, 4, 1))
    order = Order(tmp_path / "all.zip", asked, AUDITOR, clock.now(), reveal=True, key="the key")
    done = export(sqlite_engine.database, sqlite_engine.rules, order, render, lambda *_: None)

    found = Unzipped(tmp_path / "all.zip")
    (head,) = found.lines("checkpoints.jsonl")
    assert given == [
        {
            "made_at": clock.now(),
            "made_by": "auditor",
            "asked": asked,
            "revealed": True,
            "events": 8,
            "cases": 3,
            "waiting": 4,
            "seal": Seal(4, head["root"], datetime(2026, 4, 20, 8, tzinfo=UTC), "schakel/test"),
            "key": "the key",
            "lines": [(case, True) for case in found.cases()],
            "more": 0,
        }
    ]
    assert found.cases()[:2] == cases
    assert found.files["report.html"] == "één page".encode()
    kept = Head(datetime(2026, 4, 20, 8, tzinfo=UTC), 4, head["root"], head["note"])
    assert done == Exported(order.out, 8, 3, 4, False, kept, done.sha256)


@pytest.mark.parametrize("note", ["", "nonsense", "schakel/test\n3\nAA==\ntime x\n\n— a b\n"])
def test_a_checkpoint_whose_note_cannot_be_read_is_told_by_its_row(note: str) -> None:
    assert seal_of(Head(datetime(2026, 4, 20, tzinfo=UTC), 3, "ab", note)) == Seal(3, "ab", None, "")


def test_without_a_checkpoint_there_is_no_seal() -> None:
    assert seal_of(None) is None


def test_a_note_with_more_signatures_names_all_who_signed(tmp_path: Path) -> None:
    make_key(tmp_path / "signing.key", "schakel/test")
    note = read_signer(tmp_path / "signing.key").checkpoint(3, bytes(32), "2026-04-20T08:00:00.000000Z")
    line = note.splitlines()[-1]

    seal = seal_of(
        Head(datetime(2026, 1, 1, tzinfo=UTC), 9, "ab", f"{note}{line.replace('schakel/test', 'witness')}\n")
    )

    assert seal == Seal(3, "00" * 32, datetime(2026, 4, 20, 8, tzinfo=UTC), "schakel/test, witness")
