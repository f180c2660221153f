"""Which letters nobody needs any more: by timers and moves of their own case; of several cases when all are over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from filling import minute, put, put_cases
from sqlalchemy import select

from states import EMPLOYER_COUPLING
from workflow import Database
from workflow.storage import outdated
from workflow.storage.store import Store
from workflow.storage.tables import cases, events, outbox, timers
from workflow.storage.wanted import is_wanted, roles

HELD, MOVED, POSTPONED, ENDED = (
    "its case went on hold", "its case moved on", "the day that it counts from was changed", "its case ended",
)  # fmt: skip
ALL = "each of its cases moved on, went on hold or has another day"
REMINDER = {"is_reminder": True, "seq": 3}


@pytest.fixture
def store(database: Database) -> Iterator[Store]:
    with database.writing() as found:
        put_cases(found, cases, 1, 2, 3)
        yield found


def timer(store: Store, case_id: int, kind: str, rung: int) -> None:
    put(store, timers, {"case_id": case_id, "kind": kind, "rung": rung, "due_at": minute(0)})


def event(store: Store, case_id: int, seq: int, kind: str) -> None:
    said = {"canonical": f"{case_id} {seq}".encode(), "hash": f"h{case_id} {seq}"}
    put(store, events, {"case_id": case_id, "seq": seq, "kind": kind} | said)


def letter(store: Store, number: int, case_id: int | None, **more: Any) -> int:
    put(store, outbox, {"id": number, "case_id": case_id, "recipient": "a@b.nl", **REMINDER, **more})
    return number


def why_outdated(store: Store, number: int) -> str | None:
    return outdated.why_outdated(store, number, EMPLOYER_COUPLING)


def outdated_letters(store: Store) -> frozenset[int]:
    return outdated.outdated_letters(store, EMPLOYER_COUPLING)


def wanted(store: Store) -> list[int]:
    """The letters that a worker would send."""
    query = select(outbox.c.id).where(outbox.c.merged_into.is_(None), is_wanted()).order_by(outbox.c.id)
    statement = store.statement(query)
    return [row[0] for row in store.execute(statement.sql, statement.bind(roles(("applicant",)))).fetchall()]


@pytest.mark.parametrize(
    ("kind", "rung", "why"),
    [("hold", 0, HELD), ("hold", 1, HELD), ("rung", 0, POSTPONED), ("rung", 1, None), ("rung", 2, None)],
)
def test_a_reminder_is_over_by_a_hold_or_when_its_rung_is_yet_to_be_climbed(
    store: Store, kind: str, rung: int, why: str | None
) -> None:
    timer(store, 1, kind, rung)
    mine, other = letter(store, 1, 1), letter(store, 2, 2)
    plain = letter(store, 3, 1, is_reminder=False)

    assert [why_outdated(store, number) for number in (mine, other, plain)] == [why, None, None]
    assert outdated_letters(store) == ({mine} if why else set())
    assert wanted(store) == ([other, plain] if why else [mine, other, plain])


@pytest.mark.parametrize(
    ("seq", "kind", "why"),
    [(4, "moved", MOVED), (9, "moved", MOVED), (2, "moved", None), (4, "noted", None), (4, "recorded", None)],
)
def test_a_reminder_is_over_once_its_case_moved_after_it(store: Store, seq: int, kind: str, why: str | None) -> None:
    event(store, 1, seq, kind)
    mine, other = letter(store, 1, 1), letter(store, 2, 2)

    assert [why_outdated(store, number) for number in (mine, other)] == [why, None]
    assert wanted(store) == ([other] if why else [mine, other])


@pytest.mark.parametrize(
    ("state", "name", "seq", "why"),
    [
        ("withdrawn", "invitation", 4, ENDED),
        ("confirmed", "keylane_handover", 9, ENDED),
        ("withdrawn", "invitation", 3, None),  # by its own move: a last question
        ("rights_pending", "enrichment_requested", 4, None),
        ("withdrawn", "registration_received", 4, None),
        ("withdrawn", "case_withdrawn", 4, None),
    ],
)
def test_a_letter_that_asks_something_is_needed_no_more_once_its_case_has_ended_since(
    store: Store, state: str, name: str, seq: int, why: str | None
) -> None:
    store.execute(f"UPDATE cases SET state = '{state}' WHERE id = 1")
    event(store, 1, seq, "moved")
    event(store, 2, seq, "moved")
    mine, other = (letter(store, number, number, letter=name, is_reminder=False) for number in (1, 2))

    assert [why_outdated(store, number) for number in (mine, other)] == [why, None]
    assert outdated_letters(store) == ({mine} if why else set())


def test_only_letters_that_wait_are_ended_though_each_can_be_asked_for(store: Store) -> None:
    timer(store, 1, "hold", 0)
    for number, state in enumerate(("pending", "claimed", "sending", "sent", "failed", "unknown", "cancelled"), 1):
        letter(store, number, 1, state=state)

    assert outdated_letters(store) == {1}
    assert {why_outdated(store, number) for number in range(1, 8)} == {HELD}


def test_a_letter_about_several_cases_ends_when_all_are_over_and_is_not_sent_when_one_is(store: Store) -> None:
    timer(store, 1, "hold", 0)
    event(store, 2, 5, "moved")
    partly, wholly, bare = (letter(store, number, None, is_reminder=False) for number in (10, 11, 12))
    for number, (case_id, whole) in enumerate([(1, partly), (3, partly), (1, wholly), (2, wholly)], 1):
        letter(store, number, case_id, state="merged", merged_into=whole)

    assert [why_outdated(store, number) for number in (partly, wholly, bare)] == [None, ALL, None]
    assert outdated_letters(store) == {wholly}
    assert wanted(store) == [bare]


@pytest.mark.parametrize(
    ("role", "recipient", "is_sent"),
    [
        ("applicant", "a@b.nl", True),
        ("applicant", "new@b.nl", False),
        ("applicant", None, False),
        ("asr", "new@b.nl", True),  # settings hold that address, so it goes where it went
    ],
)
def test_a_letter_about_several_cases_is_not_sent_where_one_has_another_address_since(
    store: Store, role: str, recipient: str | None, is_sent: bool
) -> None:
    letter(store, 10, None, role=role, is_reminder=False)
    letter(store, 1, 1, role=role, state="merged", merged_into=10)
    letter(store, 2, 2, role=role, state="merged", merged_into=10, recipient=recipient)
    letter(store, 11, None, role=role, is_reminder=False)

    assert wanted(store) == ([10, 11] if is_sent else [11])
