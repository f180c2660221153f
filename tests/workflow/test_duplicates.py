"""NAME_DUPLICATE and CASE_DUPLICATE look at other, older, open cases, through an index."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from employers import employer
from sqlalchemy.dialects import sqlite

from states import EMPLOYER_COUPLING
from workflow import Database, Engine, Refused, open_database
from workflow.answers import Row
from workflow.calendar import WorkingDays
from workflow.clock import local_day
from workflow.events import Origin
from workflow.facts import Context, Other
from workflow.finding import find_case_among
from workflow.history import merge
from workflow.storage import queries
from workflow.storage.statement import Statement
from workflow.work import Rules, Work

NAME, SAME = "NAME_DUPLICATE", "CASE_DUPLICATE"


def opened(engine: Engine, **registration: Any) -> str:
    facts = employer()
    facts["registration"] |= registration
    return engine.open_case(facts).case.reference


def codes(engine: Engine, case: str) -> list[str]:
    return [problem.code for problem in engine.case(case).problems]


def test_an_older_open_namesake_with_another_employer_id_is_a_warning(engine: Engine) -> None:
    older = opened(engine, company_name="Bakkerij De Test", loket_employer_id="501")

    younger = opened(engine, company_name="Bakkerij De Test", loket_employer_id="502")

    (problem,) = engine.case(younger).problems
    assert (problem.code, problem.severity) == (NAME, "warning")
    assert older in str(problem.details)


def test_the_older_of_two_namesakes_is_not_warned(engine: Engine) -> None:
    older = opened(engine, company_name="Bakkerij De Test", loket_employer_id="501")

    opened(engine, company_name="Bakkerij De Test", loket_employer_id="502")

    assert codes(engine, older) == []


@pytest.mark.parametrize("spelling", ["BAKKERIJ DE TEST", "  bakkerij   de test ", "Bakkerij\u00a0de Test"])
def test_names_are_compared_folded(engine: Engine, spelling: str) -> None:
    opened(engine, company_name="Bakkerij De Test", loket_employer_id="501")

    assert codes(engine, opened(engine, company_name=spelling, loket_employer_id="502")) == [NAME]


def test_a_namesake_with_the_same_employer_id_is_no_namesake(engine: Engine) -> None:
    opened(engine, company_name="Bakkerij De Test", loket_employer_id="501", wage_tax_number="999900122L01")

    assert codes(engine, opened(engine, company_name="Bakkerij De Test", loket_employer_id="0501")) == [
        "WGID_NORMALISED"
    ]


LONG_NAME = "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(1_000))
"""3,000 bytes that do not compress: more than an index of PostgreSQL takes."""


def test_a_long_name_refuses_nobody_and_still_finds_its_namesakes(engine: Engine) -> None:
    older = opened(engine, company_name=LONG_NAME, loket_employer_id="501")
    other = opened(engine, company_name=f"{LONG_NAME[:-1]}x", loket_employer_id="502")
    renamed = opened(engine, company_name="Bakkerij De Test", loket_employer_id="503")

    namesake = opened(engine, company_name=LONG_NAME, loket_employer_id="504")
    engine.record(renamed, {"registration": {"company_name": LONG_NAME}})

    assert [NAME in codes(engine, case) for case in (older, other, renamed, namesake)] == [False, False, True, True]
    with pytest.raises(Refused):
        engine.advance(namesake, "register")
    assert [case.case for case in engine.cases(search=LONG_NAME[:100])] == [older, other, renamed, namesake]


def test_a_long_name_is_imported_and_finds_its_namesakes(engine: Engine) -> None:
    older = opened(engine, company_name=LONG_NAME, loket_employer_id="501")
    facts = employer()
    facts["registration"] |= {"company_name": LONG_NAME, "loket_employer_id": "502"}

    results = list(engine.import_rows([Row(2, "E1", facts), Row(3, "E2", employer())]))

    assert [result.result for result in results] == ["warn", "accept"]
    (double,) = (problem for problem in results[0].problems if problem.code == NAME)
    assert older in str(double.details)


@pytest.mark.parametrize(("mine", "theirs"), [(None, "501"), ("501", None), (None, None), ("501", "geen getal")])
def test_an_unknown_employer_id_makes_no_namesakes(engine: Engine, mine: str | None, theirs: str | None) -> None:
    opened(engine, company_name="Bakkerij De Test", loket_employer_id=theirs)

    younger = opened(engine, company_name="Bakkerij De Test", loket_employer_id=mine)

    assert NAME not in codes(engine, younger)


def test_a_third_namesake_is_compared_with_all_older_ones(engine: Engine) -> None:
    opened(engine, company_name="Bakkerij De Test", loket_employer_id="502", wage_tax_number="999900122L01")
    opened(engine, company_name="Bakkerij De Test", loket_employer_id="501", wage_tax_number="999900134L01")

    third = opened(engine, company_name="Bakkerij De Test", loket_employer_id="502")

    assert codes(engine, third) == [NAME]


def test_the_same_wage_tax_number_and_employer_id_is_an_error(engine: Engine) -> None:
    opened(engine, loket_employer_id="501")

    younger = opened(engine, loket_employer_id="501", wage_tax_number="9999.00.110 l01")

    assert SAME in codes(engine, younger)
    with pytest.raises(Refused):
        engine.advance(younger, "register", accept_warnings=True)


@pytest.mark.parametrize(
    "other", [{"loket_employer_id": "502"}, {"wage_tax_number": "999900122L01"}, {"wage_tax_number": "999900110"}]
)
def test_half_of_the_identity_is_no_duplicate(engine: Engine, other: dict[str, str]) -> None:
    opened(engine, loket_employer_id="501")

    younger = opened(engine, **{"loket_employer_id": "501", **other})

    assert SAME not in codes(engine, younger)


@pytest.mark.parametrize("end", ["confirmed", "withdrawn"])
def test_an_ended_case_is_no_duplicate_any_more(engine: Engine, end: str) -> None:
    older = opened(engine, company_name="Bakkerij De Test", loket_employer_id="501")
    same = opened(engine, loket_employer_id="501")
    namesake = opened(engine, company_name="Bakkerij De Test", loket_employer_id="502")
    before = codes(engine, same), codes(engine, namesake)

    if end == "withdrawn":
        engine.advance(older, "withdraw", reason="op verzoek")
    else:
        for _ in range(4):
            engine.advance(older)

    assert before == ([SAME], [NAME])
    assert (codes(engine, same), codes(engine, namesake)) == ([], [])


def test_a_correction_of_the_case_itself_ends_its_duplicate(engine: Engine) -> None:
    opened(engine, loket_employer_id="501")
    younger = opened(engine, loket_employer_id="501")

    recorded = engine.record(younger, {"registration": {"loket_employer_id": "502"}})

    assert recorded.problems == ()
    assert codes(engine, younger) == []


def test_a_correction_of_the_case_itself_can_make_it_a_duplicate(engine: Engine) -> None:
    opened(engine, loket_employer_id="501")
    younger = opened(engine, loket_employer_id="502")

    recorded = engine.record(younger, {"registration": {"loket_employer_id": "501"}})

    assert [problem.code for problem in recorded.problems] == [SAME]


def test_a_correction_of_the_other_case_ends_the_duplicate(engine: Engine) -> None:
    older = opened(engine, loket_employer_id="501")
    younger = opened(engine, loket_employer_id="501")

    engine.record(older, {"registration": {"loket_employer_id": "777"}})

    assert codes(engine, younger) == []


def test_a_case_that_has_no_keys_in_the_database_yet_is_judged_beside_others_all_the_same(
    engine: Engine, database: Database
) -> None:
    opened(engine, loket_employer_id="501")
    younger = opened(engine, loket_employer_id="501")
    with database.writing() as store:  # as rules of before, which knew no such key, would have left it
        store.execute("DELETE FROM case_keys WHERE case_id = 2")

    assert codes(engine, younger) == [SAME]
    with pytest.raises(Refused):
        engine.advance(younger, "register")


def test_facts_given_along_with_a_move_are_looked_up_too(engine: Engine) -> None:
    opened(engine, loket_employer_id="501")
    younger = opened(engine, loket_employer_id="502")

    with pytest.raises(Refused) as refusal:
        engine.advance(younger, "register", facts={"registration": {"loket_employer_id": "501"}})

    assert [problem.code for problem in refusal.value.problems] == [SAME]


def test_a_namesake_that_was_accepted_is_asked_again_when_the_name_changes(engine: Engine) -> None:
    opened(engine, company_name="Bakkerij De Test", loket_employer_id="501")
    opened(engine, company_name="Slagerij De Test", loket_employer_id="503")
    younger = opened(engine, company_name="Bakkerij De Test", loket_employer_id="502")
    engine.advance(younger, "register", accept=[NAME])

    engine.record(younger, {"registration": {"company_name": "Slagerij De Test"}})

    assert codes(engine, younger) == [NAME]


@pytest.mark.parametrize(
    "query",
    [
        queries.older_open_case,
        queries.case_by_reference,
        queries.case_by_external,
        queries.events_of_case,
        queries.private_of_case,
        queries.answer_of_key,
        queries.update_case,
        queries.delete_timer,
        queries.case_among_by_reference,
        queries.case_among_by_external,
        queries.delete_keys,
    ],
)
def test_every_look_up_of_a_command_goes_by_an_index(sqlite_url: str, query: Callable[[], Any]) -> None:
    compiled = query().compile(dialect=sqlite.dialect(paramstyle="named"))

    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {compiled}", dict.fromkeys(compiled.params)).fetchall()
    connection.close()

    assert plan
    assert [step[3] for step in plan if "SCAN" in step[3] or "TEMP B-TREE" in step[3]] == []


def test_on_postgresql_the_look_up_of_duplicates_goes_by_an_index(
    postgres_url: str, make_engine: Callable[[Database], Engine]
) -> None:
    database = open_database(postgres_url)
    opened(make_engine(database))
    statement = Statement(queries.older_open_case(), database.dialect)
    key = {"kind": "name", "value": "x", "detail": "1", "case_id": 5, "any_detail": True, "most": 1}

    with database.reading() as store:
        store.execute("SET LOCAL enable_seqscan = off")
        plan = [row[0] for row in store.execute(f"EXPLAIN {statement.sql}", statement.bind(key)).fetchall()]
    database.dispose()

    assert any("case_keys_by_value" in line for line in plan)
    assert [line for line in plan if "Seq Scan" in line] == []


def test_what_a_validator_may_know_follows_the_day_and_the_cases_that_were_found() -> None:
    calendar, now, older = WorkingDays(), datetime(2026, 4, 22, 9, tzinfo=UTC), (Other("name", "K-1111-1111"),)
    work = Work(Rules(EMPLOYER_COUPLING, calendar), Origin("a", "a", "python"), now, 1, None)

    seen = [work.context]
    work.others = older
    seen.append(work.context)
    work.now = now + timedelta(days=1)
    seen.append(work.context)

    today = local_day(now)
    assert seen == [
        Context(today, calendar, ()),
        Context(today, calendar, older),
        Context(today + timedelta(days=1), calendar, older),
    ]


def test_a_case_that_is_asked_for_brings_the_same_neighbours_as_its_keys_do(engine: Engine, database: Database) -> None:
    names, numbers = ("Bakkerij De Test", "Slagerij De Test", None), ("501", "502", None)
    tax_numbers = ("999900122L01", "999900134L01")
    made = [
        opened(engine, company_name=name, loket_employer_id=number, wage_tax_number=tax)
        for name, number, tax in itertools.product(names, numbers, tax_numbers)
    ]
    for ended in made[::5]:
        engine.advance(ended, "withdraw", reason="op verzoek")

    with database.reading() as store:
        for reference in made:
            case_id, case, beside = find_case_among(store, reference)
            keys = EMPLOYER_COUPLING.domain.keys(case.facts)
            assert beside.others(keys) == store.older_open_cases([(case_id, keys)])[0]


def test_a_case_whose_keys_were_others_is_looked_up_again(engine: Engine, database: Database) -> None:
    opened(engine, company_name="Bakkerij De Test", loket_employer_id="501")
    younger = opened(engine, company_name="Slagerij De Test", loket_employer_id="502")

    with database.reading() as store:
        _, case, beside = find_case_among(store, younger)
        renamed = EMPLOYER_COUPLING.domain.keys(
            merge(case.facts, {"registration": {"company_name": "Bakkerij De Test"}})
        )

    assert beside.others(EMPLOYER_COUPLING.domain.keys(case.facts)) == ()
    assert beside.others(renamed) is None
