"""What a row that came to nothing says: its line, whose it was, every reason; and who hears of the others."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import pytest
from employers import employer
from looking import bare, largest, look
from tampering import run

from workflow import Engine
from workflow.answers import Row
from workflow.errors import HistoryBroken, Overtaken, StoreError
from workflow.finding import check_keeps_up, find_case
from workflow.storage.store import Store
from workflow.work import Work

WITH_A_BSN = "klant 123456782"


def lacking(facts: dict[str, Any], right: str) -> dict[str, Any]:
    """The same employer, whose user lost a right."""
    made = copy.deepcopy(facts)
    made["loket_user"]["rights"].remove(right)
    return made


def test_a_row_that_cannot_be_read_names_its_line_and_its_reference_and_has_no_case(sqlite_engine: Engine) -> None:
    (result,) = sqlite_engine.import_rows([Row(7, "E7", {"registration": {"mail": "x"}})])

    assert (result.row, result.external_reference, result.result) == (7, "E7", "error")
    assert (result.case, result.state, result.problems) == (None, None, ())
    assert "mail" in str(result.message)


def test_a_row_that_may_not_be_opened_names_its_problems(sqlite_engine: Engine) -> None:
    (result,) = sqlite_engine.import_rows([Row(7, WITH_A_BSN, employer("registration"))])

    assert (result.row, result.external_reference, result.result, result.case) == (7, WITH_A_BSN, "error", None)
    assert [problem.field for problem in result.problems] == ["external_reference"]
    assert "external reference" in str(result.message)


@pytest.mark.parametrize("field", ["contact_name", "email"])
def test_a_row_that_would_change_an_ended_case_names_the_case_and_why_and_what_can_be_done(
    sqlite_engine: Engine, field: str
) -> None:
    facts = employer("loket_user", "registration")
    case = sqlite_engine.open_case(facts, external_reference="E7").case.reference
    sqlite_engine.advance(case, "withdraw", reason="op verzoek")
    facts["registration"][field] = "iemand.anders@example.com"
    hint = f" By hand registration.email can: schakel record {case} registration email=…."
    by_hand = hint if field == "email" else ""

    (result,) = sqlite_engine.import_rows([Row(9, "E7", facts)])

    assert (result.row, result.external_reference, result.case, result.state) == (9, "E7", case, "withdrawn")
    assert (result.problems, result.message) == (
        (),
        f"{case} is withdrawn: an import changes nothing in an ended case, so registration.{field} cannot change."
        f"{by_hand} A new request takes a new external_reference.",
    )
    assert {step.event.kind for step in sqlite_engine.history(case)} >= {"refused"}


def test_a_row_that_takes_a_right_away_tells_the_applicant_unless_without_letters(
    sqlite_engine: Engine, sqlite_url: str
) -> None:
    first, second = employer("loket_user", "registration"), employer("loket_user", "registration")
    list(sqlite_engine.import_rows([Row(2, "E2", first), Row(3, "E3", second)]))
    right = first["loket_user"]["rights"][0]

    list(sqlite_engine.import_rows([Row(2, "E2", lacking(first, right))]))
    list(sqlite_engine.import_rows([Row(3, "E3", lacking(second, right))], letters=False))

    told = look(
        sqlite_url,
        "SELECT external_reference AS who FROM outbox o JOIN cases c ON c.id = case_id WHERE letter = 'rights_missing'",
    )
    assert [row["who"] for row in told] == ["E2"]


@pytest.mark.parametrize(
    "altered", ["seq = seq - 1", "seq = LARGEST", "facts = '[]'", "progress = '{}'", "state = 'of_no_version'"]
)
def test_a_case_whose_row_was_altered_takes_no_other_row_with_it(engine: Engine, url: str, altered: str) -> None:
    facts = employer("loket_user", "registration")
    list(engine.import_rows([Row(2, "E2", facts), Row(3, "E3", facts)]))
    with bare(url) as connection:
        connection.execute(f"UPDATE cases SET {largest(url, altered)} WHERE external_reference = 'E2'")
    facts["registration"]["contact_name"] = "Iemand anders"

    rows = [Row(number, f"E{number}", facts) for number in (2, 3, 4)]
    imagined = list(engine.import_rows(rows, dry_run=True))
    odd, *others = engine.import_rows(rows)

    assert (odd.row, odd.result) == (2, "error")
    assert "somebody altered it" in str(odd.message)
    assert [(row.row, row.result) for row in others] == [(3, "reject"), (4, "reject")]  # their rights are not known
    assert [(row.result, row.message) for row in imagined] == [
        ("error", odd.message),
        ("reject", None),
        ("reject", None),
    ]
    assert [engine.case(f"E{number}").case.facts["registration"]["contact_name"] for number in (3, 4)] == [
        "Iemand anders"
    ] * 2


def test_a_dry_run_fails_a_case_that_lags_behind_its_history_only_where_a_real_one_would_write_to_it(
    engine: Engine, url: str
) -> None:
    facts, other = employer("loket_user", "registration"), employer("loket_user", "registration")
    rows = [Row(2, "E2", facts), Row(3, "E3", other), Row(4, "E4", facts)]
    list(engine.import_rows(rows))
    engine.advance("E4", "withdraw", reason="op verzoek")
    changed = [Row(row.number, row.external_reference, copy.deepcopy(row.facts)) for row in rows]
    for row in changed[::2]:
        row.facts["registration"]["contact_name"] = "Iemand anders"
    with bare(url) as connection:
        connection.execute("UPDATE cases SET seq = seq - 1")

    imagined = list(engine.import_rows(changed, dry_run=True))
    done = list(engine.import_rows(changed))

    assert [row.result for row in imagined] == ["error", "unchanged", "error"]
    assert [(*row[:3], row.message) for row in imagined] == [(*row[:3], row.message) for row in done]


def test_a_row_whose_case_another_writer_keeps_opening_first_takes_no_other_row_with_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Store.write

    def overtaken(store: Store, works: Sequence[Work]) -> None:
        if any(work.case.external_reference == "E2" for work in works):
            raise Overtaken("Another command was writing the same cases at that moment.")
        write(store, works)

    monkeypatch.setattr(Store, "write", overtaken)
    first, second = engine.import_rows([Row(n, f"E{n}", employer("loket_user", "registration")) for n in (2, 3)])

    assert (first.row, first.result, first.case) == (2, "error", None)
    assert "Another command" in str(first.message)
    assert (second.row, second.result) == (3, "accept")


def test_what_was_committed_row_by_row_is_told_when_a_later_row_ends_the_import(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Store.write

    def failing(store: Store, works: Sequence[Work]) -> None:
        if len(works) > 1:
            raise Overtaken("Another command was writing the same cases at that moment.")
        if works[0].case.external_reference == "E3":
            raise StoreError("The database has no room left.")
        write(store, works)

    monkeypatch.setattr(Store, "write", failing)
    results = engine.import_rows([Row(n, f"E{n}", employer("registration")) for n in (1, 2, 3, 4)])
    told: list[str] = []

    with pytest.raises(StoreError):
        told.extend(engine.case(str(result.case)).case.state for result in results)

    assert told == ["rights_pending", "rights_pending"]


def test_a_case_whose_next_event_cannot_be_read_is_named(engine: Engine, url: str) -> None:
    """Its row says that it was not written yet."""
    case = engine.open_case(employer()).case.reference
    engine.note(case, "gebeld")
    run(url, "UPDATE events SET canonical = 'x' WHERE seq = 2", "UPDATE cases SET seq = 1")

    said = rf"^The history of {case} cannot be read: somebody altered it\. .+ schakel audit verify {case}$"
    with engine.database.reading() as store, pytest.raises(HistoryBroken, match=said):
        check_keeps_up(store, *find_case(store, case))
