"""What the lists of an export say of a case and of an event: every column, and what an altered row still gives."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest

from states import EMPLOYER_COUPLING
from workflow.facts import Json
from workflow.ledger.entries import Entry, entry_of
from workflow.ledger.lists import EVENT_TITLES, case_row, case_titles, cell, event_row, local, shown_facts
from workflow.storage.exporting import StoredCase, StoredEvent

DOMAIN = EMPLOYER_COUPLING.domain
SAID = {
    "case": "K-1",
    "at": "2026-04-20T22:30:00.000000Z",
    "actor": "anna",
    "os_user": "anna-os",
    "via": "cli",
    "kind": "moved",
    "trigger": "register",
    "from": "rights_pending",
    "to": "registered",
    "definition": {"name": "employer_coupling", "version": "7", "digest": "d"},
    "commitments": {"reason": "c", "registration.email": "c"},
    "body": {
        "facts": {"policy": {"policies": []}, "handover": {"b": 1, "a": 2}, "loket_user": "altered"},
        "problems": [{"code": "B"}, {"code": "A"}, {"code": "B"}],
        "accepted": [{"code": "D"}, {"code": "C"}, {"code": "D"}],
        "letters": ["one", "two"],
        "told": "what was told",
        "rung": 2,
        "resent": True,
        "until": "2026-05-01",
        "nothing": None,
        "several": [1],
    },
}
MOVED = Entry(
    case="K-1",
    seq=4,
    at=datetime(2026, 4, 20, 22, 30, tzinfo=UTC),
    actor="anna",
    os_user="anna-os",
    via="cli",
    kind="moved",
    trigger="register",
    source="rights_pending",
    target="registered",
    fields=("handover.a", "handover.b", "policy.policies", "reason", "registration.email"),
    codes=("B", "A"),
    accepted=("D", "C"),
    letters=("one", "two"),
    details=(("rung", "2"), ("resent", "true"), ("until", "2026-05-01")),
    rules=("employer_coupling", "7"),
    hash="h",
    leaf=9,
)
SAYS_NOTHING = Entry("", 4, None, "", "", "", "unreadable", "", "", "", (), (), (), (), (), ("", ""), "h", None)
REGISTRATION = {
    "company_name": "Drie Dennen Holding B.V.",
    "email": "salaris@example.com",
    "contact_name": "",
    "dgas": [{"name": "A. den Fictief", "employee_number": "1"}],
    "thirteenth_month": False,
}


def event(said: object, leaf: int | None = None) -> StoredEvent:
    return StoredEvent(1, 4, said if isinstance(said, bytes) else json.dumps(said).encode(), "h", leaf)


def case(**changes: Any) -> StoredCase:
    at = {"opened_at": "2026-04-20T08:00:00.000000Z", "entered_at": "2026-04-21T22:30:00.000000Z"}
    facts = json.dumps({"registration": REGISTRATION, "policy": {"policies": [{"product": "WIA", "n": None}]}})
    progress = json.dumps({"held_until": "2026-05-01", "accepted": {"B": ["x"], "A": ["y"]}})
    plain = {"external_reference": "E07", "state": "registered", "version": 3, "seq": 5, "due_at": "", "ended_at": ""}
    row = {"reference": "K-1", "facts": facts, "progress": progress, "erased": False, **at, **plain, **changes}
    return StoredCase(case_id=1, **row)


def filled(stored: StoredCase, *, revealed: bool = False) -> dict[str, object]:
    """The cells of a row that hold something, by title."""
    row = zip(case_titles(DOMAIN), case_row(EMPLOYER_COUPLING, stored, revealed=revealed), strict=True)
    return {title: value for title, value in row if value is not None}


# -- events ----------------------------------------------------------------------------------------------------------


def test_an_event_is_listed_with_all_that_it_says_and_no_value() -> None:
    entry = entry_of(event(SAID, 9), "K-2")

    assert entry == MOVED
    assert dict(zip(EVENT_TITLES, event_row(entry), strict=True)) == {
        **{name: SAID[name] for name in ("case", "actor", "os_user", "via", "kind", "trigger", "from", "to")},
        "seq": 4,
        "at": datetime(2026, 4, 21, 0, 30),  # noqa: DTZ001  (as the clocks of Amsterdam say it)
        "fields": "handover.a, handover.b, policy.policies, reason, registration.email",
        "problems": "B, A",
        "accepted": "D, C",
        "letters": "one, two",
        "details": "rung: 2, resent: true, until: 2026-05-01",
        "rules": "employer_coupling 7",
        "leaf": 9,
        "hash": "h",
    }


@pytest.mark.parametrize(
    "said",
    [
        *(b"{", b"", b"\xff", b"[" * 100_000),
        *({}, [], None, "x", dict.fromkeys(SAID)),
        {"body": {"facts": [], "letters": {}}, "case": {}, "kind": [], "actor": {}},
        {"commitments": [], "definition": "x", "at": "yesterday", "body": []},
    ],
    ids=count(),
)
def test_an_event_of_which_nothing_can_be_read_is_listed_as_unreadable(said: object) -> None:
    assert entry_of(event(said)) == SAYS_NOTHING
    assert entry_of(event(said), "K-2").case == "K-2"
    assert event_row(SAYS_NOTHING) == ("", 4, None, *[""] * 3, "unreadable", *[""] * 8, " ", None, "h")


def test_what_is_no_problem_in_a_list_of_problems_has_no_code() -> None:
    assert entry_of(event({"body": {"problems": ["x", {"code": 7}], "letters": [1, None]}})).codes == ("", "7")
    assert entry_of(event({"body": {"letters": [1, None]}})).letters == ("1", "")


# -- cases -----------------------------------------------------------------------------------------------------------


def test_a_case_is_listed_with_its_progress_and_masked_facts() -> None:
    assert filled(case()) == {
        "case": "K-1",
        "external_reference": "E07",
        "state": "registered",
        "holder": "asr",
        "version": 3,
        "events": 5,
        "opened_at": datetime(2026, 4, 20, 10),  # noqa: DTZ001
        "entered_at": datetime(2026, 4, 22, 0, 30),  # noqa: DTZ001
        "held_until": "2026-05-01",
        "accepted": "A, B",
        "erased": "no",
        "registration.company_name": "•••••",
        "registration.email": "s•••••",
        "registration.contact_name": "",
        "registration.dgas": "A•••••, •••••",
        "registration.thirteenth_month": "no",
        "policy.policies": "WIA, ",
    }


def test_an_export_that_reveals_values_names_the_company_in_its_list() -> None:
    revealed = filled(case(), revealed=True)

    named = {"registration.company_name": "Drie Dennen Holding B.V.", "registration.email": "s•••••@example.com"}
    assert revealed == filled(case()) | named


def test_an_erased_case_and_one_that_ended_say_so() -> None:
    at = "2026-05-20T08:00:00.000000Z"

    row = filled(case(external_reference=None, due_at=at, ended_at=at, erased=True, facts="{}", progress="{}"))

    assert {name: row.get(name) for name in ("external_reference", "due_at", "ended_at", "erased", "accepted")} == {
        "external_reference": None,
        "due_at": datetime(2026, 5, 20, 10),  # noqa: DTZ001
        "ended_at": datetime(2026, 5, 20, 10),  # noqa: DTZ001
        "erased": "yes",
        "accepted": "",
    }
    assert "registration.email" not in row


@pytest.mark.parametrize(
    "text",
    ["{", "", "null", "[]", '"x"', "[" * 100_000, '{"registration": []}', '{"accepted": "A"}'],
    ids=count(),
)
def test_of_an_altered_row_what_can_be_read_is_listed(text: str) -> None:
    row = filled(case(state="nowhere", facts=text, progress=text, opened_at="yesterday", entered_at="x"))

    assert row == {
        "case": "K-1",
        "external_reference": "E07",
        "state": "nowhere",
        "version": 3,
        "events": 5,
        "accepted": "",
        "erased": "no",
    }


@pytest.mark.parametrize(
    ("name", "number", "inside"),
    [
        ("Drie Dennen Holding B.V.", None, "Drie Dennen Holding B.V."),
        ("Zaak 123456782", None, "Zaak •••••••••"),
        ("Bakkerij Jansen", "123456782L01", "B•••••"),
    ],
)
def test_a_companys_name_is_hidden_whole_unless_the_export_reveals_it_anyway(
    name: str, number: str | None, inside: str
) -> None:
    fields = {"company_name": name, "wage_tax_number": number, "language": "nl"}
    stored = json.dumps({"registration": fields, "x": "no sheet"})

    hidden, shown = (shown_facts(DOMAIN, stored, revealed=revealed)["registration"] for revealed in (False, True))

    assert (hidden["company_name"], hidden["language"]) == ("•••••", "nl")
    assert (shown["company_name"], shown["language"]) == (inside, "nl")


@pytest.mark.parametrize("value", ["Jan de Vries 111222333", ["Jan de Vries"], 111222333])
def test_a_personal_value_that_was_altered_to_what_no_mask_knows_is_hidden(value: object) -> None:
    stored = json.dumps({"registration": {"dgas": value, "company_name": value, "language": "nl"}})

    hidden = shown_facts(DOMAIN, stored, revealed=False)["registration"]

    assert hidden == {"dgas": [] if isinstance(value, list) else "•••••", "company_name": "•••••", "language": "nl"}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (True, "yes"),
        (False, "no"),
        ([], "none"),
        (["a", True, None, 3], "a; yes; ; 3"),
        ({"a": 1, "b": None, "c": ["x", "y"]}, "1, , x; y"),
        ([{"a": 1, "b": 2}, {}], "1, 2; "),
        ("text", "text"),
        (7, 7),
        (None, None),
    ],
)
def test_a_fact_is_one_cell(value: Json, shown: object) -> None:
    assert cell(value) == shown


def test_a_moment_is_told_by_the_clocks_of_amsterdam() -> None:
    assert local("2026-01-01T23:30:00.000000Z") == datetime(2026, 1, 2, 0, 30)  # noqa: DTZ001
    assert local("") is None
    assert local("yesterday") is None
