"""Import: many rows a transaction, each judged as if it came alone; again is harmless, dry writes nothing."""

from __future__ import annotations

import copy
import csv
import itertools
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from employers import LONG, employer
from hypothesis import given, settings
from hypothesis import strategies as st
from looking import bare, count, look

from states.spreadsheet import read_row
from workflow import Database, Engine, Refused, open_database
from workflow.answers import Row, RowResult
from workflow.clock import SetClock
from workflow.events import Origin
from workflow.storage.store import Store

SAMPLE = Path(__file__).resolve().parents[1] / "data" / "employers.csv"
TABLES = ("cases", "events", "private_values", "timers", "outbox", "case_keys", "answers")
Facts = dict[str, dict[str, Any]]


def sample() -> list[dict[str, str]]:
    with SAMPLE.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def rows_of(lines: Iterable[dict[str, Any]]) -> list[Row]:
    return [Row(number, *read_row(line)) for number, line in enumerate(lines, 2)]


def rows(*given: tuple[str, Facts]) -> list[Row]:
    return [Row(number, reference, facts) for number, (reference, facts) in enumerate(given, 2)]


def brief(results: Iterable[RowResult]) -> list[tuple[int, str, str, str | None, list[str]]]:
    """What a dry run and a real run must agree on."""
    return [(r.row, r.external_reference, r.result, r.state, [problem.code for problem in r.problems]) for r in results]


def ends(results: Iterable[RowResult]) -> list[str]:
    return [result.result for result in results]


def tables(url: str) -> dict[str, int]:
    return {table: count(url, table) for table in TABLES}


def changed(facts: Facts, **registration: Any) -> Facts:
    made = copy.deepcopy(facts)
    made["registration"] |= registration
    return made


def test_every_sample_employer_ends_as_expected(engine: Engine) -> None:
    lines = sample()
    expected = [
        (line["expected_result"], line["expected_state"], sorted(filter(None, line["expected_codes"].split("|"))))
        for line in lines
    ]

    results = list(engine.import_rows(rows_of(lines), advance=True, accept_warnings=True))

    found = [(r.result, str(r.state), sorted({problem.code for problem in r.problems})) for r in results]
    assert found == expected


def test_the_sample_again_is_unchanged_and_writes_nothing(engine: Engine, url: str) -> None:
    list(engine.import_rows(rows_of(sample()), advance=True, accept_warnings=True))
    before = tables(url)

    results = list(engine.import_rows(rows_of(sample()), advance=True, accept_warnings=True))

    assert set(ends(results)) == {"unchanged"}
    assert tables(url) == before


def test_every_imported_case_replays(engine: Engine) -> None:
    results = list(engine.import_rows(rows_of(sample()), advance=True, accept_warnings=True))

    assert [r.external_reference for r in results if not engine.replay(r.external_reference).matches_stored] == []


def test_a_dry_run_says_the_same_and_writes_nothing(engine: Engine, url: str) -> None:
    before = tables(url)

    dry = brief(engine.import_rows(rows_of(sample()), advance=True, accept_warnings=True, dry_run=True))

    assert tables(url) == before
    assert dry == brief(engine.import_rows(rows_of(sample()), advance=True, accept_warnings=True))


def test_a_dry_run_over_known_cases_writes_nothing(engine: Engine, url: str) -> None:
    list(engine.import_rows(rows_of(sample())))
    before = tables(url)

    results = list(engine.import_rows(rows_of(sample()), advance=True, dry_run=True))

    assert "registered" in {str(result.state) for result in results}
    assert tables(url) == before


def test_a_dry_run_sees_that_an_employer_stands_in_the_file_twice(engine: Engine) -> None:
    twice = rows(("E1", (facts := employer("loket_user", "registration"))), ("E1", facts))

    dry = brief(engine.import_rows(twice, advance=True, dry_run=True))

    assert dry == brief(engine.import_rows(twice, advance=True))


def test_a_dry_run_forgets_what_an_employer_was_before_its_second_row(engine: Engine) -> None:
    first = employer("loket_user", "registration")
    corrected = changed(first, wage_tax_number="999900122L01")
    file = rows(("E1", first), ("E1", corrected), ("E2", changed(first, company_name="Anders")))

    dry = brief(engine.import_rows(file, advance=True, dry_run=True))

    assert dry == brief(engine.import_rows(file, advance=True))


def test_a_dry_run_sees_the_second_older_duplicate_when_the_first_would_change(engine: Engine) -> None:
    same = employer("loket_user", "registration")
    list(engine.import_rows(rows(("E1", same), ("E2", same))))
    elsewhere = changed(same, wage_tax_number="999900122L01")
    file = rows(("E1", same), ("E1", elsewhere), ("E3", same))

    dry = brief(engine.import_rows(file, advance=True, dry_run=True))

    assert dry == brief(engine.import_rows(file, advance=True))


def test_a_dry_run_numbers_no_two_employers_alike(engine: Engine) -> None:
    same = employer("loket_user", "registration")
    many = [(f"M{number}", employer("loket_user", "registration")) for number in range(198)]
    first_200 = [*many, ("klant 123456782", employer("registration")), ("E1", same)]
    file = rows(*first_200, ("E2", same), ("E3", same))

    dry = brief(engine.import_rows(file, advance=True, dry_run=True))

    assert dry == brief(engine.import_rows(file, advance=True))


def test_a_row_without_advance_opens_and_invites(engine: Engine, url: str) -> None:
    (result,) = engine.import_rows(rows(("E1", employer("loket_user", "registration"))))

    assert (result.result, result.state) == ("accept", "rights_pending")
    assert [row["letter"] for row in look(url, "SELECT letter FROM outbox ORDER BY id")] == ["invitation"]


def test_a_row_that_registers_at_once_is_not_invited(engine: Engine, url: str) -> None:
    list(engine.import_rows(rows(("E1", employer("loket_user", "registration"))), advance=True))

    letters = [row["letter"] for row in look(url, "SELECT letter FROM outbox ORDER BY id")]
    assert letters == ["registration_received", "enrichment_requested"]


def test_a_row_that_cannot_register_is_invited_and_its_refusal_is_in_its_history(engine: Engine, url: str) -> None:
    (result,) = engine.import_rows(rows(("E1", employer("registration"))), advance=True)

    assert (result.result, result.state) == ("reject", "rights_pending")
    assert [step.event.kind for step in engine.history("E1")] == ["opened", "refused"]
    assert [row["letter"] for row in look(url, "SELECT letter FROM outbox ORDER BY id")] == ["invitation"]


def test_warnings_wait_until_they_are_accepted(engine: Engine) -> None:
    facts = changed(employer("loket_user", "registration"), framework_contract_number="B1")

    (waits,) = engine.import_rows(rows(("E1", facts)), advance=True)
    (goes,) = engine.import_rows(rows(("E1", facts)), advance=True, accept_warnings=True)

    assert (waits.result, str(waits.state), goes.result, str(goes.state)) == (
        "warn",
        "rights_pending",
        "warn",
        "registered",
    )


def test_a_corrected_row_updates_its_case_and_tries_again(engine: Engine) -> None:
    wrong = changed(employer("loket_user", "registration"), email="geen adres")
    list(engine.import_rows(rows(("E1", wrong)), advance=True))

    (result,) = engine.import_rows(rows(("E1", changed(wrong, email="wel@adres.example"))), advance=True)

    assert (result.result, str(result.state)) == ("accept", "registered")
    assert [step.event.kind for step in engine.history("E1")] == ["opened", "refused", "recorded", "moved"]
    assert engine.case("E1").case.facts["registration"]["email"] == "wel@adres.example"


def test_the_same_row_again_does_not_overrule_whoever_sent_its_case_back(engine: Engine, clock: SetClock) -> None:
    facts = employer("loket_user", "registration")
    list(engine.import_rows(rows(("E1", facts)), advance=True))
    clock.moment += timedelta(days=1)
    engine.advance("E1", "return_to_applicant", reason="het contract hoort bij een ander")
    events = len(engine.history("E1"))

    foretold = brief(engine.import_rows(rows(("E1", facts)), advance=True, accept_warnings=True, dry_run=True))
    same = brief(engine.import_rows(rows(("E1", facts)), advance=True, accept_warnings=True))

    assert foretold == same == [(2, "E1", "unchanged", "rights_pending", [])]
    assert len(engine.history("E1")) == events
    (corrected,) = engine.import_rows(rows(("E1", changed(facts, contact_name="Iemand anders"))), advance=True)
    assert (corrected.result, str(corrected.state)) == ("accept", "registered")


CORRECTED: dict[str, tuple[str, Any, Any]] = {
    # what a person corrects          field                        the row   the person
    "a field that all may read":     ("framework_contract_number", "A02011", "A02022"),
    "a personal value":              ("contact_name", "Iemand", "Iemand anders"),
    "an answer where there was none": ("kvk_number", None, "00000001"),
    "an answer that is taken away":  ("kvk_number", "00000001", None),
    "a list":                        ("dgas", [], [{"name": "D. Denkbeeldig", "employee_number": "4"}]),
}  # fmt: skip


@pytest.mark.parametrize("corrected", CORRECTED)
def test_the_same_row_again_undoes_no_correction_and_moves_nothing(engine: Engine, url: str, corrected: str) -> None:
    field, cell, value = CORRECTED[corrected]
    file = rows(("E1", changed(employer("loket_user", "registration"), **{field: cell})))
    list(engine.import_rows(file, advance=True))
    engine.advance("E1", "return_to_applicant", reason="dat klopt niet")
    engine.record("E1", {"registration": {field: value}})
    before = tables(url)

    (foretold,) = engine.import_rows(file, advance=True, dry_run=True)
    (result,) = engine.import_rows(file, advance=True)

    assert foretold == result
    assert (result.result, str(result.state), result.changed) == ("unchanged", "rights_pending", ())
    assert result.kept == (f"registration.{field}",)
    assert tables(url) == before
    assert engine.case("E1").case.facts["registration"].get(field) == value


def test_the_same_row_again_undoes_nothing_on_a_sheet_of_which_it_never_said_a_word(engine: Engine) -> None:
    file = rows(("E1", {**employer("loket_user", "registration"), "handover": {"contact_name": None}}))
    list(engine.import_rows(file))
    engine.record("E1", {"handover": {"contact_name": "Iemand"}})

    (result,) = engine.import_rows(file)

    assert (result.result, result.changed, result.kept) == ("unchanged", (), ("handover.contact_name",))
    assert engine.case("E1").case.facts["handover"] == {"contact_name": "Iemand"}


@pytest.mark.parametrize("field", ["contact_name", "framework_contract_number"])
def test_a_dry_run_takes_what_a_row_above_says_for_what_was_said_last(engine: Engine, field: str) -> None:
    first = employer("loket_user", "registration")
    list(engine.import_rows(rows(("E1", changed(first, **{field: "A01"})))))
    engine.record("E1", {"registration": {field: "A02"}})
    file = rows(("E1", changed(first, **{field: "A03"})), ("E1", changed(first, **{field: "A01"})))

    foretold = list(engine.import_rows(file, dry_run=True))
    real = list(engine.import_rows(file))

    assert foretold == real
    assert [(result.changed, result.kept) for result in real] == [((f"registration.{field}",), ())] * 2


def test_a_cell_that_changed_overwrites_a_correction_and_no_other_is_undone(engine: Engine) -> None:
    first = changed(employer("loket_user", "registration"), contact_name="Een", kvk_number="00000001")
    list(engine.import_rows(rows(("E1", first)), advance=True))
    engine.advance("E1", "return_to_applicant", reason="dat klopt niet")
    engine.record("E1", {"registration": {"contact_name": "Twee", "kvk_number": "00000002"}})
    second = rows(("E1", changed(first, contact_name="Drie")))

    (result,) = engine.import_rows(second)
    (again,) = engine.import_rows(second)

    assert (result.changed, result.kept) == (("registration.contact_name",), ("registration.kvk_number",))
    assert (again.result, again.changed, again.kept) == ("unchanged", (), ("registration.kvk_number",))
    (back,) = engine.import_rows(rows(("E1", first)))
    assert (back.changed, back.kept) == (("registration.contact_name",), ("registration.kvk_number",))


def test_the_first_row_of_a_case_that_was_opened_by_hand_is_news(engine: Engine) -> None:
    facts = changed(employer("loket_user", "registration"), contact_name="Een", kvk_number="00000001")
    engine.open_case(facts, external_reference="E1")
    engine.record("E1", {"registration": {"contact_name": "Twee"}})
    file = rows(("E1", changed(facts, kvk_number=None)))

    (first,) = engine.import_rows(file)
    engine.record("E1", {"registration": {"contact_name": "Twee", "kvk_number": "00000001"}})
    (again,) = engine.import_rows(file)

    assert ({*first.changed}, first.kept) == ({"registration.contact_name", "registration.kvk_number"}, ())
    assert (again.changed, again.kept) == ((), first.changed)


def test_the_same_row_leaves_what_was_corrected_in_a_case_that_ended(engine: Engine) -> None:
    facts = closed(engine, "withdrawn")
    engine.record("E1", {"registration": {"email": "wel@adres.example"}})
    events = len(engine.history("E1"))

    (result,) = engine.import_rows(rows(("E1", facts)), advance=True)

    assert (result.result, result.kept) == ("unchanged", ("registration.email",))
    assert len(engine.history("E1")) == events


def test_a_corrected_row_updates_a_case_that_is_further_on(engine: Engine) -> None:
    facts = employer("loket_user", "registration")
    list(engine.import_rows(rows(("E1", facts)), advance=True))

    (result,) = engine.import_rows(rows(("E1", changed(facts, contact_name="Iemand anders"))), advance=True)

    assert (result.result, str(result.state)) == ("accept", "registered")
    assert engine.case("E1").case.facts["registration"]["contact_name"] == "Iemand anders"


@pytest.mark.parametrize("end", ["withdrawn", "confirmed"])
def test_the_row_of_an_ended_case_is_unchanged_when_nothing_differs(engine: Engine, end: str) -> None:
    facts = employer()
    list(engine.import_rows(rows(("E1", facts)), advance=True))
    if end == "withdrawn":
        engine.advance("E1", "withdraw", reason="op verzoek")
    else:
        for _ in range(3):
            engine.advance("E1")
    events = len(engine.history("E1"))

    (result,) = engine.import_rows(rows(("E1", facts)), advance=True)

    assert (result.result, str(result.state)) == ("unchanged", end)
    assert len(engine.history("E1")) == events


def test_a_row_that_would_change_an_ended_case_is_rejected_with_a_message(engine: Engine) -> None:
    facts = employer("loket_user", "registration")
    list(engine.import_rows(rows(("E1", facts)), advance=True))
    engine.advance("E1", "withdraw", reason="op verzoek")

    (result,) = engine.import_rows(rows(("E1", changed(facts, contact_name="Iemand anders"))), advance=True)

    assert (result.result, str(result.state)) == ("reject", "withdrawn")
    assert "withdrawn" in (result.message or "")


def closed(engine: Engine, end: str) -> Facts:
    """An imported employer whose case came to this end."""
    facts = employer()
    list(engine.import_rows(rows(("E1", facts)), advance=True))
    if end == "confirmed":
        for _ in range(3):
            engine.advance("E1")
    else:
        engine.advance("E1", "withdraw", reason="op verzoek")
    return facts


@pytest.mark.parametrize("end", ["confirmed", "withdrawn"])
@pytest.mark.parametrize("field", ["contact_name", "email"])
def test_the_same_row_for_an_ended_case_is_rejected_each_time_and_refused_once(
    engine: Engine, url: str, end: str, field: str
) -> None:
    facts = closed(engine, end)
    file = rows(("E1", changed(facts, **{field: "iemand.anders@example.com"})))

    (first,) = engine.import_rows(file, advance=True)
    before = tables(url)
    (again,) = engine.import_rows(file, advance=True)

    assert (first.result, again) == ("reject", first)
    assert f"registration.{field} cannot change" in str(again.message)
    assert tables(url) == before
    assert engine.history("E1")[-1].event.kind == "refused"
    assert engine.replay("E1").matches_stored


def test_another_refusal_of_an_ended_case_is_in_its_history_too(engine: Engine) -> None:
    facts = closed(engine, "confirmed")
    name, mail = changed(facts, contact_name="Iemand anders"), changed(facts, email="iemand@anders.example")
    unfit = facts | {"realisation": facts["realisation"] | {"first_exchange_date": None}}
    events = [len(engine.history("E1"))]

    for row in (name, mail, mail, unfit, unfit, name):
        list(engine.import_rows(rows(("E1", row)), advance=True))
        events.append(len(engine.history("E1")))
    with pytest.raises(Refused):
        engine.record("E1", name, origin=Origin.of_user("cli"))
    list(engine.import_rows(rows(("E1", name)), origin=Origin.of_user("import")))
    events.append(len(engine.history("E1")))

    assert [after - before for before, after in itertools.pairwise(events)] == [1, 1, 0, 1, 0, 1, 2]


def test_a_last_event_that_cannot_be_read_keeps_no_refusal_out(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    row = rows(("E1", changed(closed(engine, "withdrawn"), contact_name="Iemand anders")))
    list(engine.import_rows(row))
    events = len(engine.history("E1"))

    def forged(*_: object) -> None:
        raise ValueError("no JSON")

    monkeypatch.setattr(Store, "event", forged)
    (result,) = engine.import_rows(row)

    assert (result.result, len(engine.history("E1"))) == ("reject", events + 1)


BROKEN: dict[str, tuple[str, Any]] = {
    "an unknown field": ("E2", {"registration": {"mail": "x"}}),
    "an unknown sheet": ("E2", {"registraton": {}}),
    "a wrong type": ("E2", {"registration": {"email": 5}}),
    "a float": ("E2", {"registration": {"loket_employer_id": 1.5}}),
    "a number too large": ("E2", {"registration": {"loket_employer_id": 2**60}}),
    "an empty reference": ("", {}),
    "a reference of our own form": ("K-0000-0000", {}),
    "a reference on two lines": ("E\n2", {}),
    "a reference with a NUL": ("E\x002", {}),
    "a reference with half a character": ("E\ud800", {}),
    "a reference that holds a BSN": ("klant 123456782", {}),
    "a sheet that is none": ("E2", {"registration": ["email"]}),
}


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("broken", BROKEN)
def test_a_row_that_cannot_be_processed_takes_no_other_with_it(engine: Engine, broken: str, dry_run: bool) -> None:
    given_rows = rows(
        ("E1", employer("loket_user", "registration")),
        BROKEN[broken],
        ("E3", employer("loket_user", "registration")),
    )

    results = list(engine.import_rows(given_rows, advance=True, dry_run=dry_run))

    assert ends(results) == ["accept", "error", "accept"]
    assert results[1].message
    assert [result.row for result in results] == [2, 3, 4]


def test_an_employer_that_stands_in_the_file_twice_is_opened_once(engine: Engine, url: str) -> None:
    facts = [employer("loket_user", "registration") for _ in range(3)]
    twice = rows(("E1", facts[0]), ("E2", facts[1]), ("E1", facts[0]), ("E3", facts[2]))

    results = list(engine.import_rows(twice, advance=True))

    assert ends(results) == ["accept", "accept", "unchanged", "accept"]
    assert count(url, "cases") == 3


def test_a_row_is_judged_by_what_the_row_before_it_recorded(engine: Engine) -> None:
    first = employer("loket_user", "registration")
    list(engine.import_rows(rows(("E1", first))))

    results = list(engine.import_rows(rows(("E1", changed(first, company_name="Anders")), ("E1", first))))

    assert ends(results) == ["accept", "accept"]
    name = engine.case("E1").case.facts["registration"]["company_name"]
    assert name == first["registration"]["company_name"]


def test_a_namesake_is_seen_although_an_older_one_changes_its_name_in_the_same_import(engine: Engine) -> None:
    oldest, older, newest = (changed(employer("loket_user", "registration"), company_name="Een") for _ in range(3))
    list(engine.import_rows(rows(("E1", oldest), ("E2", older))))

    results = list(engine.import_rows(rows(("E1", changed(oldest, company_name="Twee")), ("E3", newest))))

    assert [problem.code for problem in results[1].problems] == ["NAME_DUPLICATE"]


def test_without_letters_nothing_is_mailed_and_every_event_says_so(engine: Engine, url: str) -> None:
    list(engine.import_rows(rows_of(sample()), advance=True, accept_warnings=True, letters=False))

    assert count(url, "outbox") == 0
    kinds = {"opened", "recorded", "moved"}
    said = [
        step.event.body.get("no_letters")
        for line in sample()
        for step in engine.history(line["case_id"])
        if step.event.kind in kinds
    ]
    assert set(said) == {True}


def test_results_come_one_a_row_in_order_over_many_transactions(engine: Engine, url: str) -> None:
    many = rows(*((f"M{number}", employer("loket_user", "registration")) for number in range(450)))

    results = list(engine.import_rows(many, advance=True))

    assert [result.external_reference for result in results] == [row.external_reference for row in many]
    assert set(ends(results)) == {"accept"}
    assert count(url, "cases") == 450


def test_an_import_that_is_cut_off_keeps_what_it_had_committed_and_can_be_done_again(engine: Engine) -> None:
    many = rows(*((f"M{number}", employer("loket_user", "registration")) for number in range(450)))
    cut = engine.import_rows(many, advance=True)
    next(cut)
    cut.close()  # type: ignore[attr-defined]

    results = ends(engine.import_rows(many, advance=True))

    assert results[0] == "unchanged"
    assert results[-1] == "accept"


def test_every_event_of_an_import_says_that_it_was_imported(
    make_engine: Callable[[Database], Engine], url: str
) -> None:
    database = open_database(url)
    engine = Engine(database, make_engine(database).definition)

    list(engine.import_rows(rows(("E1", employer("loket_user", "registration"))), advance=True))

    assert {step.event.origin.via for step in engine.history("E1")} == {"import"}
    database.dispose()


def wipe(url: str) -> None:
    """Start over; the triggers that guard history are lifted first, which only an owner can do."""
    sqlite = url.startswith("sqlite")
    with bare(url) as connection:
        connection.execute(
            "DROP TRIGGER IF EXISTS events_refuse_delete" if sqlite else "SET session_replication_role = replica"
        )
        for table in ("outbox", "private_values", "timers", "case_keys", "answers", "events", "cases"):
            connection.execute(f"DELETE FROM {table}")


a_row = st.tuples(
    st.sampled_from(["A", "B", "C", "D"]),
    st.fixed_dictionaries(
        {
            "company_name": st.sampled_from(["Een", "Twee", None]),
            "loket_employer_id": st.sampled_from(["501", "502", None]),
            "wage_tax_number": st.sampled_from(["999900110L01", "999900122L01"]),
        }
    ),
)


@settings(max_examples=15 * LONG)
@given(earlier=st.lists(a_row, max_size=4), now=st.lists(a_row, max_size=8), accept=st.booleans())
def test_many_rows_at_once_end_as_each_row_alone(
    engine: Engine, url: str, earlier: list[tuple[str, Facts]], now: list[tuple[str, Facts]], accept: bool
) -> None:
    base = employer("loket_user", "registration")

    def run(size: int) -> tuple[list[Any], list[Any]]:
        wipe(url)
        list(engine.import_rows(rows(*((name, changed(base, **facts)) for name, facts in earlier)), advance=True))
        given_rows = rows(*((name, changed(base, **facts)) for name, facts in now))
        chunks = [given_rows[n : n + size] for n in range(0, len(given_rows), size)]
        results = [
            found for chunk in chunks for found in engine.import_rows(chunk, advance=True, accept_warnings=accept)
        ]
        histories = [
            [(step.event.kind, step.event.trigger, dict(step.event.body)) for step in engine.history(name)]
            for name in sorted({name for name, _ in (*earlier, *now)})
        ]
        return brief(results), histories

    together = run(1000)

    assert together == run(1)


@settings(max_examples=15 * LONG)
@given(earlier=st.lists(a_row, max_size=4), now=st.lists(a_row, max_size=8))
def test_a_dry_run_foretells_the_real_run(
    engine: Engine, url: str, earlier: list[tuple[str, Facts]], now: list[tuple[str, Facts]]
) -> None:
    wipe(url)
    base = employer("loket_user", "registration")
    list(engine.import_rows(rows(*((name, changed(base, **facts)) for name, facts in earlier)), advance=True))
    given_rows = rows(*((name, changed(base, **facts)) for name, facts in now))

    dry = brief(engine.import_rows(given_rows, advance=True, dry_run=True))

    assert dry == brief(engine.import_rows(given_rows, advance=True))
