"""What an import answers of each row, whole; which rows share a transaction, and by whom a row is judged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from employers import employer
from looking import count, events_of

from workflow import Conflict, Engine
from workflow.answers import Row, RowResult
from workflow.storage.store import Store

Facts = dict[str, dict[str, Any]]
DUPLICATES = ["NAME_DUPLICATE", "CASE_DUPLICATE"]


def ready(**registration: Any) -> Facts:
    facts = employer("loket_user", "registration")
    facts["registration"] |= registration
    return facts


def rows(*given: tuple[str, Facts]) -> list[Row]:
    return [Row(number, reference, facts) for number, (reference, facts) in enumerate(given, 2)]


def doubles(result: RowResult) -> list[tuple[str, object]]:
    """The cases that a row is said to be a double of."""
    return [(one.code, one.details["references"]) for one in result.problems if one.code in DUPLICATES]


def test_a_result_names_its_case_and_in_a_dry_run_only_a_case_that_is_there(
    sqlite_engine: Engine, sqlite_url: str
) -> None:
    known = ready()
    old = sqlite_engine.open_case(known, external_reference="E0").case.reference
    file = rows(("E0", known), ("E1", ready()), ("E2", employer("registration")), ("E3", ready(kvk_number="12")))

    dry = list(sqlite_engine.import_rows(file, dry_run=True))
    cases = count(sqlite_url, "cases")
    real = list(sqlite_engine.import_rows(file))

    found = {case.external_reference: case.case for case in sqlite_engine.cases()}
    problems = {name: sqlite_engine.case(name).problems for name in found}
    assert real == [
        RowResult(2, "E0", "unchanged", old, "rights_pending"),
        RowResult(3, "E1", "accept", found["E1"], "rights_pending"),
        RowResult(4, "E2", "reject", found["E2"], "rights_pending", problems["E2"]),
        RowResult(5, "E3", "warn", found["E3"], "rights_pending", problems["E3"]),
    ]
    assert (dry, cases) == ([real[0], *(result._replace(case=None) for result in real[1:])], 1)


def test_spaces_around_a_reference_are_no_part_of_it(engine: Engine) -> None:
    known = ready()

    (first,) = engine.import_rows(rows((" E1 ", known)))
    found = list(engine.import_rows(rows(("E1", known), ("\tE1", known), ("E2", ready()), ("E2 ", ready()))))

    assert (first.external_reference, first.result) == ("E1", "accept")
    assert [result.result for result in found] == ["unchanged", "unchanged", "accept", "accept"]
    assert [case.external_reference for case in engine.cases()] == ["E1", "E2"]


@pytest.mark.parametrize("dry_run", [False, True])
def test_rows_of_one_number_each_get_their_own_result(engine: Engine, dry_run: bool) -> None:
    """Two files in a row do that, each with its own lines."""
    file = [Row(2, "E1", ready()), Row(2, "E2", employer("registration")), Row(2, "E3", ready())]

    results = list(engine.import_rows(file, dry_run=dry_run))

    told = [(result.row, result.external_reference, result.result) for result in results]
    assert told == [(2, "E1", "accept"), (2, "E2", "reject"), (2, "E3", "accept")]


def test_without_letters_opening_says_so_and_invites_nobody(sqlite_engine: Engine, sqlite_url: str) -> None:
    (result,) = sqlite_engine.import_rows(rows(("E1", ready())), letters=False)

    assert sqlite_engine.history("E1")[0].event.body["no_letters"] is True
    assert (count(sqlite_url, "outbox"), len(events_of(sqlite_url, str(result.case)))) == (0, 1)


def test_results_come_as_so_many_rows_are_kept_and_a_reference_begins_anew(
    sqlite_engine: Engine, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflow.batch.SIZE", 3)
    twice = ready()
    file = rows(("E1", ready()), ("E2", ready()), ("E3", ready()), ("E4", twice), ("E4", twice), ("E5", ready()))

    kept = [
        (result.external_reference, result.result, count(sqlite_url, "cases"))
        for result in sqlite_engine.import_rows(file)
    ]

    together = [("E1", "accept", 3), ("E2", "accept", 3), ("E3", "accept", 3)]
    assert kept == [*together, ("E4", "accept", 4), ("E4", "unchanged", 5), ("E5", "accept", 5)]


def test_what_was_found_of_a_row_before_is_passed_on_in_its_place_and_kept_no_longer_than_a_row(
    sqlite_engine: Engine, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflow.batch.SIZE", 3)
    fault = RowResult(3, "E1", "error", None, None, (), "Line 3 is wrong.")
    read = []

    def file() -> Iterator[Row | RowResult]:
        for row in [*rows(("E1", ready())), *[fault] * 8, *rows(("E2", ready()))]:
            read.append(row)
            yield row

    kept = [(result, len(read), count(sqlite_url, "cases")) for result in sqlite_engine.import_rows(file())]

    (first, *_), *faults, (last, *_) = kept
    assert (first.result, last.result) == ("accept", "accept")
    assert faults == [(fault, at, 1) for at in (4, 4, 7, 7, 7, 10, 10, 10)]


@pytest.mark.parametrize(("times", "ends", "tries"), [(1, ["accept", "accept"], 3), (99, ["error", "error"], 5)])
def test_rows_that_another_writer_crosses_go_one_by_one_and_twice_before_they_are_given_up(
    sqlite_engine: Engine, monkeypatch: pytest.MonkeyPatch, times: int, ends: list[str], tries: int
) -> None:
    tried = []
    write = Store.write

    def crossed(store: Store, works: Any) -> None:
        tried.append(len(works))
        if len(tried) <= times:
            raise Conflict("Somebody was first.")
        write(store, works)

    monkeypatch.setattr(Store, "write", crossed)

    results = list(sqlite_engine.import_rows(rows(("E1", ready()), ("E2", ready()))))

    assert ([result.result for result in results], len(tried), tried[:2]) == (ends, tries, [2, 1])
    if times > 1:
        assert results[1] == RowResult(3, "E2", "error", None, None, (), "Somebody was first.")


def test_a_single_row_that_is_crossed_once_is_done_again(
    sqlite_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([Conflict("Somebody was first."), None])
    write = Store.write

    def crossed_once(store: Store, works: Any) -> None:
        if (error := next(answers)) is not None:
            raise error
        write(store, works)

    monkeypatch.setattr(Store, "write", crossed_once)

    assert [result.result for result in sqlite_engine.import_rows(rows(("E1", ready())))] == ["accept"]


@pytest.mark.parametrize("dry_run", [False, True])
def test_of_three_alike_each_is_a_double_of_the_oldest_whether_it_was_there_or_stands_above(
    sqlite_engine: Engine, dry_run: bool
) -> None:
    same = ready()

    first, second, third = sqlite_engine.import_rows(rows(("E1", same), ("E2", same), ("E3", same)), dry_run=dry_run)

    assert (first.result, doubles(first)) == ("accept", [])
    name = "E1" if dry_run else first.case
    assert doubles(second) == doubles(third) == [("CASE_DUPLICATE", [name])]


def test_a_double_of_a_case_that_was_there_is_of_that_one_only(sqlite_engine: Engine) -> None:
    same = ready()
    oldest = sqlite_engine.open_case(same).case.reference

    results = list(sqlite_engine.import_rows(rows(("E1", same), ("E2", same))))

    assert [doubles(result) for result in results] == [[("CASE_DUPLICATE", [oldest])]] * 2


def test_a_dry_run_names_an_imagined_double_by_its_row_and_a_known_one_by_its_case(sqlite_engine: Engine) -> None:
    name = (known := ready())["registration"]["company_name"]
    imagined = ready()
    oldest = sqlite_engine.open_case(known, external_reference="E0").case.reference
    file = rows(
        ("E1", ready(company_name=name, wage_tax_number="999900122L01")),
        ("E2", imagined),
        ("E3", ready(company_name=imagined["registration"]["company_name"], wage_tax_number="999900122L01")),
    )

    results = list(sqlite_engine.import_rows(file, dry_run=True))

    assert [doubles(result) for result in results] == [[("NAME_DUPLICATE", [oldest])], [], [("NAME_DUPLICATE", ["E2"])]]
    assert [result.case for result in results] == [None, None, None]


def test_a_dry_run_does_not_take_a_case_for_what_it_was_before_a_row_above(sqlite_engine: Engine) -> None:
    facts = ready()
    sqlite_engine.open_case(facts, external_reference="E1")
    renamed = {"registration": {"company_name": "Nieuwe Naam B.V."}}
    namesake = ready(company_name=facts["registration"]["company_name"])

    results = list(sqlite_engine.import_rows(rows(("E1", renamed), ("E2", namesake)), dry_run=True))

    assert [(result.result, doubles(result)) for result in results] == [("accept", []), ("accept", [])]


def test_a_row_is_judged_by_the_name_its_case_has_or_gets(sqlite_engine: Engine) -> None:
    name = (first := ready())["registration"]["company_name"]
    oldest = sqlite_engine.open_case(first).case.reference
    sqlite_engine.open_case(ready(company_name=name, wage_tax_number="999900122L01"), external_reference="E1")
    sqlite_engine.open_case(ready(wage_tax_number="999900122L01"), external_reference="E2")
    silent, renamed = {"loket_user": {"user_name": "koppeling.ander"}}, {"registration": {"company_name": name}}

    (has,) = sqlite_engine.import_rows(rows(("E1", silent)))
    (gets,) = sqlite_engine.import_rows(rows(("E2", renamed)))

    assert doubles(has) == doubles(gets) == [("NAME_DUPLICATE", [oldest])]


def test_what_was_accepted_before_does_not_keep_a_returned_case_from_going_on(sqlite_engine: Engine) -> None:
    row = rows(("E1", ready(kvk_number="12")))
    sqlite_engine.open_case(row[0].facts, external_reference="E1")
    sqlite_engine.advance("E1", accept_warnings=True)
    sqlite_engine.advance("E1", "return_to_applicant", reason="nog eens kijken")
    corrected = rows(("E1", ready(kvk_number="12", contact_name="Iemand anders")))

    (result,) = sqlite_engine.import_rows(corrected, advance=True)

    assert (result.result, result.state) == ("warn", "registered")


@pytest.mark.parametrize("first", ["moves", "changes what is no key"])
def test_a_row_after_one_whose_keys_stay_is_found_by_its_new_ones(sqlite_engine: Engine, first: str) -> None:
    """Both are written in one transaction."""
    calm, other = ready(), ready()
    list(sqlite_engine.import_rows(rows(("E1", calm), ("E2", other))))
    if first == "changes what is no key":
        calm["registration"]["contact_name"] = "Iemand Anders"
    other["registration"] |= {"company_name": "Nieuwe Naam", "loket_employer_id": "987654"}

    list(sqlite_engine.import_rows(rows(("E1", calm), ("E2", other)), advance=first == "moves"))

    (same,) = sqlite_engine.import_rows(rows(("E3", ready(company_name="Nieuwe Naam", loket_employer_id="987654"))))
    assert {reference for _, references in doubles(same) for reference in references} == {
        sqlite_engine.case("E2").case.reference
    }
