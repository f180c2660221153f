"""What a transaction finds of cases: which, in which order, as it was written, and nothing of another case."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import pytest
from filling import minute, put, put_cases
from sqlalchemy import Executable, bindparam, literal_column, select

from states import EMPLOYER_COUPLING
from workflow import Database
from workflow.answers import Case
from workflow.domain import Key
from workflow.errors import HistoryBroken
from workflow.facts import Other
from workflow.schedule import TimerKind
from workflow.storage import counting, erased, erasing, ledger, listing, lookups, merging, queries
from workflow.storage import store as storing
from workflow.storage.erasing import Mention
from workflow.storage.ledger import Entry, Gap, Head, Progress
from workflow.storage.letter_states import LetterState
from workflow.storage.store import Store
from workflow.storage.tables import (
    answers,
    case_keys,
    cases,
    checkpoints,
    events,
    leaves,
    outbox,
    outbox_attempts,
    private_values,
    sequencer,
    timers,
)

HOLD, RUNG = TimerKind.HOLD, TimerKind.RUNG


@pytest.fixture
def store(database: Database) -> Iterator[Store]:
    with database.writing() as found:
        yield found


def numbers(found: list[tuple[int, Case]] | Iterator[tuple[int, Case]]) -> list[int]:
    return [number for number, _ in found]


def kept(store: Store, table: Any, *columns: str) -> list[tuple[Any, ...]]:
    """These columns of a table's rows, in order."""
    return sorted(tuple(row[name] for name in columns) for row in store.read(table.select()))


def _like() -> Executable:
    """A query with a percent sign of its own and several values."""
    wanted = literal_column("'10%'").label("said"), cases.c.reference
    return select(*wanted).where(cases.c.id > bindparam("after"), cases.c.id < bindparam("before")).order_by(cases.c.id)


def test_the_first_row_of_a_query_is_read_while_others_are_not_read_yet(store: Store) -> None:
    put_cases(store, cases, 1, 2, 3)
    timer = {"case_id": 1, "kind": "hold", "rung": 0, "due_at": minute(1)}
    others = store.select(_like, {"after": 0, "before": 9})
    one = next(others)

    store.change_at_once(((queries.put_timer, [timer]),))
    seen = store.first(_like, {"after": 1, "before": 9}), store.first(_like, {"after": 2, "before": 3})

    assert one == {"said": "10%", "reference": "C-1"}
    assert seen == ({"said": "10%", "reference": "C-2"}, None)
    assert [row["reference"] for row in others] == ["C-2", "C-3"]


# -- cases -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lock", [False, True])
def test_a_case_is_found_by_either_reference_and_is_what_its_row_says(store: Store, lock: bool) -> None:
    progress = {
        "accepted": {"NAMESAKE": ["registration.company_name"]},
        "held_until": "2026-05-02",
        "holds": [["2026-04-21", "2026-04-23"]],
        "rung": 2,
        "told": {"reminder": 3},
    }
    moments = {name: minute(n) for n, name in enumerate(("at", "opened_at", "entered_at", "ended_at"))}
    put_cases(store, cases, 1, 3)
    put_cases(
        store, cases, 2, version=4, seq=6, head="ab", facts='{"x":{"y":1}}', progress=json.dumps(progress), erased=True,
        **moments,
    )  # fmt: skip
    put(store, case_keys, {"case_id": 2, "kind": "name", "value": "zon", "detail": "7"})
    expected = Case(
        reference="C-2",
        external_reference="E-2",
        state="registered",
        version=4,
        seq=6,
        head="ab",
        facts={"x": {"y": 1}},
        holds=((date(2026, 4, 21), date(2026, 4, 23)),),
        held_until=date(2026, 5, 2),
        accepted={"NAMESAKE": ("registration.company_name",)},
        told={"reminder": 3},
        rung=2,
        erased=True,
        **moments,
    )

    for reference, external in (("C-2", None), (None, "E-2"), ("C-2", "E-1")):
        assert store.find(reference=reference, external=external, lock=lock) == (2, expected)
        among = store.find_among(reference=reference, external=external, lock=lock)
        assert among is not None
        assert among[:2] == (2, expected)
        assert among[2].rows == [["name", "zon", "7", None, None]]
    for reference, external in (("E-2", None), (None, "C-2"), (None, None), ("", "E-2")):
        assert store.find(reference=reference, external=external, lock=lock) is None
        assert store.find_among(reference=reference, external=external, lock=lock) is None
    assert lookups.find_external(store, ["E-2", "E-9", "E-1"], lock=lock) == {
        "E-1": (1, store.cases_by_id([1])[0][1]),
        "E-2": (2, expected),
    }


@pytest.mark.parametrize("if_free", [False, True])
def test_cases_are_taken_by_their_numbers_in_order(store: Store, if_free: bool) -> None:
    put_cases(store, cases, 1, 2, 3, 4)

    assert [(n, case.reference) for n, case in store.cases_by_id([4, 9, 2], if_free=if_free)] == [
        (2, "C-2"),
        (4, "C-4"),
    ]
    assert store.cases_by_id([], if_free=if_free) == []


def test_new_cases_get_numbers_behind_the_last(store: Store) -> None:
    first = store.new_case_ids(2)
    put_cases(store, cases, *first)
    more = store.new_case_ids(3)

    assert (first, more) == ([1, 2], [3, 4, 5])


NAME, TAX = Key("name", "zon", "7", differing=True), Key("tax", "8001")


def test_neighbours_are_older_open_cases_with_the_same_key_the_first_of_each(store: Store) -> None:
    put_cases(store, cases, 2, 3, 4, 5, 6, 7, 8)
    put_cases(store, cases, 1, ended_at=minute(1))
    for number, kind, value, detail in [
        (8, "name", "zon", "9"),
        (5, "name", "zon", "8"),
        (4, "name", "zon", "9"),
        (3, "name", "zon", "7"),
        (2, "name", "zon", ""),
        (1, "name", "zon", "9"),
        (7, "tax", "8001", ""),
        (6, "tax", "8001", ""),
        (5, "tax", "8001", ""),
        (3, "tax", "8002", ""),
        (2, "name", "8001", ""),
        (6, "name", "zon", "7"),
    ]:
        put(store, case_keys, {"case_id": number, "kind": kind, "value": value, "detail": detail})
    unknown = Key("name", "zon", "", differing=True)
    wanted = [(6, [NAME, TAX]), (4, [NAME]), (7, [unknown, TAX]), (9, [Key("name", "zon"), TAX]), (2, [NAME]), (8, ())]

    first = store.older_open_cases(wanted)

    assert first == [
        (Other("name", "C-4"), Other("tax", "C-5")),
        (),
        (Other("tax", "C-5"),),
        (Other("name", "C-2"), Other("tax", "C-5")),
        (),
        (),
    ]
    assert lookups.first_older_open_cases(store, wanted) == first
    assert lookups.first_older_open_cases(store, []) == []
    assert store.older_open_cases([(9, [NAME])], most=2) == [(Other("name", "C-4"), Other("name", "C-5"))]
    for reference, external in (("C-6", None), (None, "E-6")):
        among = store.find_among(reference=reference, external=external)
        assert among is not None
        assert sorted(among[2].rows) == [["name", "zon", "7", "C-2", "C-4"], ["tax", "8001", "", "C-5", None]]
        assert among[2].others([unknown, NAME, TAX]) == first[0]
        assert among[2].others([Key("name", "zon", "7")]) == (Other("name", "C-2"),)
        assert among[2].others([NAME, Key("tax", "8002")]) is None


def test_history_is_read_in_order_with_the_values_that_are_still_there(store: Store) -> None:
    put_cases(store, cases, 1, 2)
    for seq, kind in ((3, "noted"), (1, "opened"), (2, "held")):
        put(store, events, {"case_id": 1, "seq": seq, "kind": kind} | written(seq, kind))
    put(store, events, {"case_id": 2, "seq": 1} | written(1, "opened"))
    for seq, path in ((3, "a"), (1, "b"), (1, "a")):
        put(store, private_values, {"case_id": 1, "seq": seq, "path": path, "value": f'"{path}{seq}"', "salt": b"1"})
    put(store, private_values, {"case_id": 2, "seq": 2, "path": "c", "value": "1", "salt": b"1"})

    whole = [(event.seq, values) for event, values in store.history(1)]

    assert whole == [(1, {"a": "a1", "b": "b1"}), (2, {}), (3, {"a": "a3"})]
    assert [event.seq for event in store.stays(1)] == [1, 2]
    assert [event.hash for event, _ in store.history(1)] == ["h1", "h2", "h3"]
    assert list(store.history(9)) == []
    assert store.last_event_at() == minute(1)


def written(seq: int, kind: str) -> dict[str, Any]:
    """The bytes of an event as its reader wants them."""
    says = {
        "at": "2026-04-20T08:00:00.000000Z",
        "actor": "anna",
        "body": {},
        "case": "C-1",
        "commitments": {},
        "definition": {"digest": "00", "name": "x", "version": "1"},
        "format": 1,
        "from": None,
        "kind": kind,
        "os_user": "anna-os",
        "prev_hash": "",
        "seq": seq,
        "to": "registered",
        "trigger": None,
        "via": "python",
    }
    return {"canonical": json.dumps(says).encode(), "hash": f"h{seq}", "at": minute(seq)}


def test_what_a_command_was_answered_is_found_by_its_case_and_key(store: Store) -> None:
    put_cases(store, cases, 1, 2)
    for number, key in ((1, "a"), (1, "b"), (2, "a")):
        answer = {"case_id": number, "key": key, "command": f"{number}{key}", "answer": json.dumps([number, key])}
        put(store, answers, answer)

    assert [store.answer(1, "b"), store.answer(2, "a"), store.answer(2, "b")] == [
        ("1b", [1, "b"]),
        ("2a", [2, "a"]),
        None,
    ]


# -- timers ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def ticking(store: Store) -> Store:
    """Six cases with timers, of which the later ones are due sooner; case 2 has two kinds, case 6 none."""
    put_cases(store, cases, 1, 2, 3, 4, 5, 6)
    for case_id, kind, due in (
        (1, RUNG, 50),
        (2, RUNG, 40),
        (2, HOLD, 20),
        (3, RUNG, 30),
        (4, HOLD, 30),
        (5, RUNG, 30),
    ):
        put(store, timers, {"case_id": case_id, "kind": str(kind), "rung": 0, "due_at": minute(due)})
    return store


@pytest.mark.parametrize(
    ("until", "kinds", "limit", "since", "expected"),
    [
        (50, {HOLD, RUNG}, 100, None, [2, 3, 4, 5, 2, 1]),
        (49, {HOLD, RUNG}, 100, None, [2, 3, 4, 5, 2]),
        (50, {HOLD, RUNG}, 2, None, [2, 3]),
        (50, {RUNG}, 100, None, [3, 5, 2, 1]),
        (30, {HOLD}, 100, None, [2, 4]),
        (29, {HOLD}, 100, None, [2]),
        (50, {RUNG}, 100, 30, [2, 1]),
        (19, {HOLD, RUNG}, 100, None, []),
    ],
)
def test_cases_whose_timer_is_due_come_longest_due_first(
    ticking: Store, until: int, kinds: set[TimerKind], limit: int, since: int | None, expected: list[int]
) -> None:
    given = {"since": minute(since)} if since is not None else {}

    found = ticking.due_cases(minute(until), kinds, limit, **given)

    assert [(due.case_id, due.reference) for due in found] == [(number, f"C-{number}") for number in expected]
    assert [due.read().reference for due in found] == [due.reference for due in found]


def test_cases_whose_timer_is_due_can_be_read_on_from_any_of_them(ticking: Store) -> None:
    whole = ticking.due_cases(minute(50), {HOLD, RUNG}, 100)

    for place, due in enumerate(whole):
        rest = ticking.due_cases(minute(50), {HOLD, RUNG}, 2, after=due.place)
        held = ticking.due_cases(minute(50), {HOLD, RUNG}, 100, after=due.place, since=minute(30))
        assert [one.place for one in rest] == [one.place for one in whole[place + 1 :][:2]]
        assert [one.case_id for one in held] == [one.case_id for one in whole[max(place + 1, 4) :]]


@pytest.mark.parametrize("page", [1, 2, 3, 1000])
def test_cases_that_fall_due_until_a_moment_come_in_the_order_they_were_opened(
    ticking: Store, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "_PAGE", page)

    found = {until: numbers(ticking.cases_due_by(minute(until))) for until in (19, 20, 29, 30, 50)}

    assert found == {19: [], 20: [2], 29: [2], 30: [2, 3, 4, 5], 50: [1, 2, 3, 4, 5]}
    assert [case.reference for _, case in ticking.cases_due_by(minute(20))] == ["C-2"]


# -- counting and looking around ---------------------------------------------------------------------------------------


def test_cases_are_counted_by_state_and_overdue_from_their_moment_on(store: Store) -> None:
    assert counting.oldest_timer(store) is None
    put_cases(store, cases, 1, 2, due_at=minute(5))
    put_cases(store, cases, 3, state="enriched", due_at=minute(6))
    put_cases(store, cases, 4, state="confirmed")
    for case_id, due in ((1, 9), (3, 7), (2, 8)):
        put(store, timers, {"case_id": case_id, "kind": str(RUNG), "rung": 0, "due_at": minute(due)})

    assert counting.cases_by_state(store) == {"registered": 2, "enriched": 1, "confirmed": 1}
    assert [counting.overdue_by_state(store, minute(n)) for n in (4, 5, 6)] == [
        {},
        {"registered": 2},
        {"registered": 2, "enriched": 1},
    ]
    assert counting.oldest_timer(store) == minute(7)


@pytest.mark.parametrize("page", [1, 2, 1000])
def test_cases_that_have_not_ended_are_read_in_pages_in_the_order_they_were_opened(
    store: Store, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "PAGE", page)
    put_cases(store, cases, 5, 4, 1, facts='{"a":{"old_name":1}}')
    put_cases(store, cases, 2, facts='{"a":{"other":"old_name","oldXname":1}}')
    put_cases(store, cases, 3, facts='{"a":{"old_name":1}}', ended_at=minute(1))

    pages = list(listing.live_pages(store))

    assert [[found.case_id for found in part] for part in pages] == {
        1: [[1], [2], [4], [5]],
        2: [[1, 2], [4, 5]],
        1000: [[1, 2, 4, 5]],
    }[page]
    assert [found.read().reference for part in pages for found in part] == ["C-1", "C-2", "C-4", "C-5"]
    assert listing.count_live(store) == 4
    assert [case.reference for case in listing.drifted_cases(store, "old_name", 9)] == ["C-1", "C-4", "C-5"]
    assert [case.reference for case in listing.drifted_cases(store, "old_name", 2)] == ["C-1", "C-4"]


def test_a_list_holds_what_its_filter_asks_for_up_to_a_number(store: Store) -> None:
    put_cases(store, cases, 3, 1, due_at=minute(5))
    put_cases(store, cases, 2, 4, state="enriched", due_at=minute(4))
    put_cases(store, cases, 5, state="confirmed")

    def found(state: str | None, holder: str | None, overdue_at: datetime | None, limit: int | None) -> list[str]:
        wanted = listing.Filter.of(EMPLOYER_COUPLING, state, holder, overdue_at, None, limit)
        return [found.read().reference for found in listing.find_cases(store, wanted)]

    assert found(None, None, None, None) == ["C-1", "C-2", "C-3", "C-4", "C-5"]
    assert found(None, None, None, 1) == ["C-1"]
    assert found("enriched", None, None, None) == ["C-2", "C-4"]
    assert found("enriched", "keylane", None, 1) == ["C-2"]
    assert found("enriched", "asr", None, None) == []
    assert found(None, None, minute(5), None) == ["C-2", "C-4", "C-1", "C-3"]
    assert found(None, None, minute(4), 1) == ["C-2"]


@pytest.mark.parametrize("page", [1, 2, 3, 1000])
def test_a_list_is_the_same_however_it_is_cut_into_pages(
    store: Store, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "PAGE", page)
    states = ("enriched", "registered", "registered", "enriched", "keylane_configuring", "enriched", "registered")
    for number, (state, due) in enumerate(zip(states, (5, 9, 5, 7, 5, 5, None), strict=True), 1):
        put_cases(store, cases, number, state=state, due_at=due and minute(due))
        put(store, case_keys, {"case_id": number, "kind": "name", "value": f"zon {number % 2}% b.v.", "detail": ""})
    put(store, case_keys, {"case_id": 7, "kind": "tax", "value": "zon 0% b.v.", "detail": ""})
    put_cases(store, cases, 88, due_at=minute(6))

    def found(*, limit: int | None = None, search: str | None = None, **more: Any) -> list[int]:
        given = {"state": None, "holder": None, "overdue_at": None, **more}
        wanted = listing.Filter.of(EMPLOYER_COUPLING, search=search, limit=limit, **given)
        return [int(found.read().reference.removeprefix("C-")) for found in listing.find_cases(store, wanted)]

    everything = [1, 2, 3, 4, 5, 6, 7, 88]
    overdue = [1, 3, 5, 6, 88, 4]
    for limit in range(1, 9):
        assert found(limit=limit) == everything[:limit]
        assert found(limit=limit, overdue_at=minute(7)) == overdue[:limit]
        assert found(limit=limit, holder="keylane") == [1, 4, 5, 6][:limit]
        assert found(limit=limit, holder="keylane", overdue_at=minute(7)) == [1, 5, 6, 4][:limit]
    assert found() == everything
    assert found(holder="keylane") == [1, 4, 5, 6]
    assert found(search=" ZON  0%") == [2, 4, 6]
    assert found(search="%") == [1, 2, 3, 4, 5, 6, 7]
    assert found(search=" c-8 ") == found(search=" e-8 ") == [88]
    assert found(search="c_8") == found(search="e_8") == found(search="_") == []


# -- erasing -----------------------------------------------------------------------------------------------------------


LETTER_COLUMNS = ("id", "state", "context", "recipient", "reason", "subject", "token", "merged_into", "finished_at")

TELLS = '[{"id":10,"state":"failed"}]'
"""As the overview tells of a letter."""


@pytest.fixture
def posted(store: Store) -> Store:
    """Letters about several cases and of two: 1, 2, 3 and 7 of case 1, 4, 5, 6, 8 and 9 of case 2; 11 was erased."""
    put_cases(store, cases, 1, 2)
    built = {"recipient": "a@b.nl", "subject": "Over", "message": b"bytes", "sha256": "00", "token": "t"}
    rows: list[tuple[int, int | None, str, dict[str, Any]]] = [
        (12, None, "pending", {"context": '["C-1"]'}),
        (11, None, "pending", {"context": ""}),
        (3, 1, "merged", {"merged_into": 10, "reason": "part", "finished_at": minute(1)}),
        (2, 1, "claimed", {}),
        (1, 1, "sent", {}),
        (5, 2, "merged", {"merged_into": 10, "reason": "part", "finished_at": minute(1)}),
        (4, 2, "pending", {}),
        (6, 2, "merged", {"merged_into": 13}),
        (7, 1, "merged", {"merged_into": 11}),
        (8, 2, "pending", {"context": '["C-1"]'}),
        (9, 2, "pending", {"context": TELLS}),
        (15, None, "pending", {"context": TELLS}),
        (10, None, "claimed", {"context": '["C-2"]'}),
        (13, None, "pending", {"context": '["C-2"]'}),
        (14, None, "failed", {"context": '["C-9"]'}),
    ]
    for number, case_id, state, more in rows:
        put(store, outbox, {"id": number, "case_id": case_id, "state": state, **built, **more})
    for letter in (1, 2, 4):
        tried = {"outbox_id": letter, "at": minute(0), "phase": "data", "outcome": "retry", "words": f"to {letter}"}
        put(store, outbox_attempts, tried)
    return store


def test_letters_that_hold_something_of_a_case_are_its_own_and_then_those_about_several(posted: Store) -> None:
    found = erasing.lock_letters(posted, 1, "C-1")

    assert found == [
        Mention(1, 1, LetterState.SENT, "{}", None),
        Mention(2, 1, LetterState.CLAIMED, "{}", None),
        Mention(3, 1, LetterState.MERGED, "{}", 10),
        Mention(7, 1, LetterState.MERGED, "{}", 11),
        Mention(10, None, LetterState.CLAIMED, '["C-2"]', None),
        Mention(12, None, LetterState.PENDING, '["C-1"]', None),
        Mention(15, None, LetterState.PENDING, TELLS, None),
    ]
    assert [letter.is_unsent for letter in found] == [False, True, False, False, True, True, True]


def test_what_is_erased_of_letters_is_theirs_alone(posted: Store) -> None:
    before = {row[0]: row for row in kept(posted, outbox, *LETTER_COLUMNS)}

    erasing.blank_letters(posted, [1, 2])
    erasing.cancel_letters(posted, [2, 3], minute(7))
    merging.take_apart(posted, 10)
    erasing.rewrite_letter(posted, 10, "anew")

    after = {row[0]: row for row in kept(posted, outbox, *LETTER_COLUMNS)}
    assert {number: row for number, row in after.items() if row != before[number]} == {
        1: (1, "sent", "", None, "erased", None, "t", None, None),
        2: (2, "cancelled", "", None, "erased", None, None, None, minute(7)),
        3: (3, "cancelled", "{}", "a@b.nl", "part", "Over", None, None, minute(7)),
        5: (5, "pending", "{}", "a@b.nl", None, "Over", "t", None, None),
        10: (10, "pending", "anew", "a@b.nl", None, None, None, None, None),
    }
    built = {row[0]: row[1:] for row in kept(posted, outbox, "id", "message", "sha256", "lease_until")}
    assert {number for number, row in built.items() if row != (b"bytes", "00", None)} == {1, 2, 10}
    assert {row for number, row in built.items() if number in (1, 2, 10)} == {(None, None, None)}
    assert dict(kept(posted, outbox_attempts, "outbox_id", "words")) == {1: None, 2: None, 4: "to 4"}


def test_erased_letters_that_failed_or_may_have_arrived_are_counted_by_state(posted: Store) -> None:
    states = ["sent", "pending", "failed", "failed", "unknown", "merged", "cancelled"]
    put(posted, outbox, *({"id": 20 + n, "state": state, "context": ""} for n, state in enumerate(states)))

    assert erasing.erased_by_state(posted) == {"failed": 2, "unknown": 1}


def test_letters_of_other_cases_that_name_one_are_looked_for_among_those_with_a_key_of_its(store: Store) -> None:
    put_cases(store, cases, 1, 2, 3, 4, 5)
    for case_id, kind, value in ((1, "name", "a"), (1, "id", "7"), (2, "id", "7"), (3, "id", "a"), (4, "name", "b")):
        put(store, case_keys, {"case_id": case_id, "kind": kind, "value": value, "detail": ""})
    for case_id in (1, 2, 3, 4, 5):
        put(store, outbox, {"id": 10 + case_id, "case_id": case_id, "context": '["C-1"]'})
    put(store, outbox, {"id": 22, "case_id": 2, "context": '["C-9"]'})

    found = erasing.lock_letters_of_others(store, 1, "C-1")

    assert found == [Mention(12, 2, LetterState.PENDING, '["C-1"]', None)]


def test_letters_about_several_cases_are_those_that_own_ones_became_part_of_and_those_that_did_not_arrive() -> None:
    own = [Mention(1, 7, LetterState.PENDING, "{}", None), Mention(2, 7, LetterState.MERGED, "{}", 12)]
    shared = [Mention(n, None, state, "{}", None) for n, state in ((11, LetterState.CANCELLED), (13, LetterState.SENT))]

    assert erasing.about_several([*shared, *own]) == [11, 12]


def test_which_of_some_cases_are_not_erased_is_told_in_the_order_in_which_they_were_opened(store: Store) -> None:
    for number, reference, is_erased in ((4, "C-1", True), (2, "C-3", False), (5, "C-2", False), (1, "C-9", True)):
        put(store, cases, {"id": number, "reference": reference, "erased": is_erased})

    assert erased.not_erased(store, ["C-1", "C-2", "C-3", "C-7"]) == ["C-3", "C-2"]
    assert erased.not_erased(store, ["C-2"]) == ["C-2"]
    assert erased.not_erased(store, []) == []
    assert {*erased.all_erased(store)} == {"C-9", "C-1"}


def test_the_values_and_answers_of_one_case_are_deleted(store: Store) -> None:
    put_cases(store, cases, 1, 2)
    for number in (1, 2):
        put(store, answers, {"case_id": number, "key": "a", "command": "c", "answer": "{}"})
        put(store, private_values, {"case_id": number, "seq": 1, "path": "a", "value": "1", "salt": b"1"})

    erasing.delete_values(store, 1)
    erasing.delete_answers(store, 2)

    assert kept(store, private_values, "case_id") == [(2,)]
    assert kept(store, answers, "case_id") == [(1,)]


# -- the ledger --------------------------------------------------------------------------------------------------------


def test_how_far_the_sequencer_came_comes_back_as_it_was_saved(store: Store) -> None:
    begun = ledger.read_progress(store)
    progress = Progress(7, 19, (Gap(3, 4, 900), Gap(8, 8, 901)), ("aa", "bb"))

    ledger.save_progress(store, progress)

    assert begun == Progress()
    assert ledger.read_progress(store) == ledger.take_progress(store) == progress
    assert kept(store, sequencer, "id", "size", "last_event") == [(1, 7, 19)]


def test_events_wait_for_a_leaf_by_their_numbers(store: Store) -> None:
    put_cases(store, cases, 1, 2)
    for number, case_id, seq in ((9, 2, 1), (3, 1, 1), (7, 1, 3), (5, 1, 2)):
        row = {"id": number, "case_id": case_id, "seq": seq, "canonical": b"{}", "hash": f"h{number}"}
        put(store, events, row | {"at": minute(number)})
    third, fifth, seventh, ninth = (
        Entry(number, case_id, seq, f"h{number}", minute(number))
        for number, case_id, seq in ((3, 1, 1), (5, 1, 2), (7, 1, 3), (9, 2, 1))
    )

    assert ledger.entries_after(store, 0, 9) == [third, fifth, seventh, ninth]
    assert ledger.entries_after(store, 3, 2) == [fifth, seventh]
    assert ledger.waiting(store) == 4
    ledger.append_leaves(store, 4, [fifth, third])
    ledger.save_progress(store, Progress(6, 5))
    assert ledger.waiting(store) == 2
    assert ledger.entries_in(store, Gap(1, 9, 0)) == [seventh, ninth]
    assert ledger.entries_in(store, Gap(5, 7, 0)) == [seventh]
    assert ledger.entries_in(store, Gap(8, 9, 0)) == [ninth]
    assert kept(store, leaves, "id", "case_id", "seq", "hash") == [(4, 1, 2, "h5"), (5, 1, 1, "h3")]


def test_the_newest_checkpoint_is_the_one_that_was_kept_last(store: Store) -> None:
    heads = [Head(minute(n), size, f"r{n}", f"n{n}") for n, size in ((5, 1), (9, 3), (7, 2))]

    found = [ledger.last_checkpoint(store)]
    for head in heads:
        ledger.add_checkpoint(store, head)
        found.append(ledger.last_checkpoint(store))

    assert found == [None, *heads]
    assert len(kept(store, checkpoints, "id")) == 3


def test_of_the_checkpoints_the_newest_over_at_most_so_many_leaves_is_found(store: Store) -> None:
    heads = [Head(minute(n), size, f"r{n}", f"n{n}") for n, size in ((1, 2), (2, 2), (3, 5))]
    for head in heads:
        ledger.add_checkpoint(store, head)

    assert [ledger.checkpoint_upto(store, size) for size in (1, 2, 4, 5)] == [None, heads[1], heads[1], heads[2]]


def test_the_newest_leaf_is_told_by_its_number_with_the_event_and_the_moment_it_stands_for(store: Store) -> None:
    put_cases(store, cases, 1)
    for number, seq in ((3, 1), (8, 2)):
        row = {"id": number, "case_id": 1, "seq": seq, "canonical": b"{}", "hash": f"h{number}"}
        put(store, events, row | {"at": minute(number)})
    found = [ledger.newest_leaf(store)]

    for index, seq in enumerate((2, 1, 9)):
        ledger.append_leaves(store, index, [Entry(0, 1, seq, "00", minute(0))])
        found.append(ledger.newest_leaf(store))

    assert found == [(0, 0), (1, 8), (2, 3), (3, 0)], "the last stands for an event that is not there"
    assert [ledger.leaf_at(store, index) for index in range(4)] == [minute(8), minute(3), None, None]


def test_events_are_passed_over_behind_one_without_a_leaf_and_at_numbers_that_nobody_looks_at(store: Store) -> None:
    put_cases(store, cases, 1)
    for number, seq in ((3, 1), (8, 2)):
        put(store, events, {"id": number, "case_id": 1, "seq": seq, "canonical": b"{}", "hash": "00"})
    ledger.append_leaves(store, 0, [Entry(3, 1, 1, "00", minute(0))])

    told = [ledger.is_passed_by(store, last) for last in (0, 3, 8, 9)]
    put(store, events, {"id": 0, "case_id": 1, "seq": 3, "canonical": b"{}", "hash": "00"})

    assert told == [False, False, True, True]
    assert ledger.is_passed_by(store, 3)


@pytest.mark.parametrize(
    "stored",
    [
        "[[1,1,true]]",
        "[[1.0,1,9]]",
        '[["1",1,9]]',
        "[[0,1,9]]",
        "[[2,1,9]]",
        "[[1,7,9]]",
        "[[1,2,9],[2,3,9]]",
        "[[1,2]]",
    ],
)
def test_what_is_no_list_of_gaps_in_order_below_the_last_event_is_not_taken_for_one(stored: str) -> None:
    assert ledger.gaps_of("[[1,2,9],[3,3,9],[5,6,8]]", 7) == (Gap(1, 2, 9), Gap(3, 3, 9), Gap(5, 6, 8))
    with pytest.raises((TypeError, ValueError)):
        ledger.gaps_of(stored, 7)


@pytest.mark.parametrize(
    "altered", ["size = -1", "last_event = -1", "peaks = '[\"g\"]'", "peaks = '7'", "skipped = '[[1]]'"]
)
def test_a_row_of_the_sequencer_that_it_cannot_have_written_is_said_to_be_altered(store: Store, altered: str) -> None:
    store.execute(f"UPDATE sequencer SET {altered}")

    for read in (ledger.read_progress, ledger.take_progress):
        with pytest.raises(HistoryBroken) as told:
            read(store)
        said = "The row of the sequencer cannot be read: somebody altered it."
        assert str(told.value) == f"{said} To see where, run: schakel audit verify"


def test_a_row_of_the_sequencer_that_is_gone_is_said_to_be(store: Store) -> None:
    store.execute("DELETE FROM sequencer")

    with pytest.raises(
        HistoryBroken, match=r"^The row of the sequencer is gone: somebody altered it\. To see where, run: "
    ):
        ledger.read_progress(store)
