"""Erasing: when it may be done, what it does in one transaction, and what it leaves alone."""

from __future__ import annotations

import json
import os
import random
import re
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from crowd import crowd
from dying import die_at
from employers import FORWARD, LONG, REACHED_BY, bring, employer
from hypothesis import given, settings
from hypothesis import strategies as st
from looking import OF_A_CASE, bare, case_row, count, events_of, look, traces
from remains import files_of, remains, rewrite, rows_of
from sink import Sink, delivery
from tampering import run

from notifications import overview
from states import EMPLOYER_COUPLING
from workflow import Conflict, Database, Engine, Origin, Refused, StoreError, UsageError, open_database, reminders
from workflow.answers import Row
from workflow.clock import AMSTERDAM, SetClock
from workflow.erasure import Erased, Wish, erase
from workflow.errors import HistoryBroken, NoSuchCase, Overtaken
from workflow.events import Kind
from workflow.retention import allowed_from
from workflow.storage import letters
from workflow.storage.compacting import compact
from workflow.storage.letter_states import LetterState

OPERATOR = Origin("olga", "olga-os", "python")
WORKER = Origin("worker", "test", "worker")
EARLY = Wish("op verzoek", "AVG art. 17", 7)
MORNING = datetime(2026, 4, 24, 9, tzinfo=AMSTERDAM).astimezone(UTC)
"""Three working days after a case was registered: a.s.r. is reminded."""


def wipe(engine: Engine, case: str, wish: Wish = EARLY) -> Erased:
    return erase(engine.database, engine.rules, engine.clock.now(), OPERATOR, case, wish)


def withdrawn(engine: Engine, given: dict[str, dict[str, Any]] | None = None) -> str:
    return bring(engine, "withdrawn", given)


def outbox_of(url: str, case: str) -> list[dict[str, Any]]:
    return look(url, f"SELECT * FROM outbox WHERE case_id = {case_row(url, case)['id']} ORDER BY id")


def shared(url: str) -> list[dict[str, Any]]:
    return look(url, "SELECT * FROM outbox WHERE case_id IS NULL ORDER BY id")


def everything(url: str) -> dict[str, list[str]]:
    tables = ("cases", "events", *OF_A_CASE, "outbox_attempts")
    return {table: sorted(map(repr, look(url, f"SELECT * FROM {table}"))) for table in tables}


# -- when ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ended", "years", "expected"),
    [
        ("2026-05-27T10:00", 7, "2033-05-27T10:00"),
        ("2026-05-27T10:00", 0, "2026-05-27T10:00"),
        ("2028-02-29T10:00", 7, "2035-03-01T10:00"),  # a year without 29 February
        ("2028-02-29T10:00", 8, "2036-02-29T10:00"),
        ("2027-03-01T00:30", 1, "2028-03-01T00:30"),  # after a 29 February
        ("2026-07-01T00:30", 7, "2033-07-01T00:30"),  # still 30 June in UTC
        ("2026-03-29T04:00", 7, "2033-03-29T04:00"),  # the day the clock went forward
        ("2026-12-31T23:59", 100, "2126-12-31T23:59"),
    ],
)
def test_the_term_counts_calendar_years_in_amsterdam(ended: str, years: int, expected: str) -> None:
    moment = datetime.fromisoformat(ended).replace(tzinfo=AMSTERDAM).astimezone(UTC)

    assert allowed_from(moment, years) == datetime.fromisoformat(expected).replace(tzinfo=AMSTERDAM)


def test_a_case_is_erased_from_the_moment_its_term_has_passed(engine: Engine, clock: SetClock, url: str) -> None:
    case = withdrawn(engine)  # on 20 April 2026, 10:00 in Amsterdam
    before = traces(url, case)
    wish = Wish("termijn voorbij", None, 7)

    clock.moment = clock.moment.replace(year=2033) - timedelta(microseconds=1)
    with pytest.raises(Refused, match=r"from 2033-04-20 10:00 on"):
        wipe(engine, case, wish)
    assert traces(url, case) == before
    clock.moment += timedelta(microseconds=1)
    done = wipe(engine, case, wish)

    *_, refused, erased = events_of(url, case)
    assert (refused["kind"], erased["kind"], done.seq) == ("refused", "erased", erased["seq"])
    assert json.loads(refused["canonical"])["body"] == {"command": "erase", "problems": []}


ALTERED = (
    "UPDATE cases SET state = 'nowhere'",
    "UPDATE cases SET erased = NOT erased",  # and no event says so
    "UPDATE cases SET facts = '[1]'",
    "UPDATE cases SET progress = '{}'",
    "UPDATE cases SET seq = seq - 1",
    "UPDATE private_values SET value = 'no json'",
    "UPDATE events SET canonical = salt FROM private_values WHERE private_values.case_id = events.case_id",
)


@pytest.mark.parametrize("altered", ALTERED)
def test_a_case_that_was_altered_is_said_to_be_and_nothing_of_it_is_erased(
    engine: Engine, url: str, altered: str
) -> None:
    case = withdrawn(engine)
    run(url, altered)
    before = everything(url)

    with pytest.raises(HistoryBroken, match=f"{case} .*somebody altered it.*audit verify {case}"):
        wipe(engine, case)

    assert everything(url) == before


@pytest.mark.parametrize("state", [state for state in REACHED_BY if state not in ("confirmed", "withdrawn")])
def test_no_ground_erases_a_case_that_has_not_ended(sqlite_engine: Engine, sqlite_url: str, state: str) -> None:
    case = bring(sqlite_engine, state)
    before = traces(sqlite_url, case)

    with pytest.raises(Refused, match="only a case that has ended"):
        wipe(sqlite_engine, case, Wish("op verzoek", "AVG art. 17", 0))

    assert traces(sqlite_url, case) == before
    assert events_of(sqlite_url, case)[-1]["kind"] == "refused"


@pytest.mark.parametrize("state", ["confirmed", "withdrawn"])
def test_a_ground_waives_the_term_and_is_in_the_history_for_good(engine: Engine, url: str, state: str) -> None:
    case = bring(engine, state)
    version = case_row(url, case)["version"]

    wipe(engine, case)

    row, event = case_row(url, case), events_of(url, case)[-1]
    says = json.loads(event["canonical"])
    assert says["body"] == {"ground": "AVG art. 17", "reason": "op verzoek", "retention_years": 7}
    assert (says["commitments"], says["actor"], says["from"], says["to"]) == ({}, "olga", state, state)
    assert (row["state"], row["version"], bool(row["erased"]), row["facts"]) == (state, version + 1, True, "{}")


@pytest.mark.parametrize(
    ("reason", "ground", "code"),
    [
        ("  ", "AVG art. 17", "REASON_MISSING"),
        (None, "AVG art. 17", "REASON_MISSING"),
        ("van 123456782", "AVG art. 17", "BSN_IN_TEXT"),
        ("op verzoek", "zaak 123456782", "BSN_IN_TEXT"),
        ("van 123456782L01", "AVG art. 17", "BSN_IN_TEXT"),
        ("op verzoek", "zaak NL123456782B01", "BSN_IN_TEXT"),
    ],
)
def test_a_text_that_may_not_be_kept_is_refused(engine: Engine, url: str, reason: Any, ground: str, code: str) -> None:
    case = withdrawn(engine)
    before = traces(url, case)

    with pytest.raises(Refused) as refusal:
        wipe(engine, case, Wish(reason, ground, 7))

    assert [problem.code for problem in refusal.value.problems] == [code]
    assert traces(url, case) == before
    assert "123456782" not in rows_of(url).decode(errors="replace")


@pytest.mark.parametrize(
    ("reason", "ground", "field"),
    [
        ("verzoek van B. Verzonnen", None, "registration.contact_name"),
        ("verzoek van b.  VERZONNEN, 3 mei", None, "registration.contact_name"),
        ("(salaris01@example.com)", None, "registration.email"),
        ("op verzoek", "brief van A. den Fictief", "registration.dgas"),
        ("eerder heette die Ouwe Naam", None, "registration.contact_name"),
    ],
)
def test_a_text_that_repeats_a_value_is_refused_without_keeping_it(
    sqlite_engine: Engine, sqlite_url: str, reason: str, ground: str | None, field: str
) -> None:
    case = sqlite_engine.open_case(employer()).case.reference
    sqlite_engine.record(case, {"registration": {"contact_name": "Ouwe Naam"}})
    sqlite_engine.record(case, {"registration": {"contact_name": "B. Verzonnen"}})
    sqlite_engine.advance(case, "withdraw", reason="op verzoek")

    with pytest.raises(Refused, match=field):
        wipe(sqlite_engine, case, Wish(reason, ground, 0))

    assert reason.encode() not in events_of(sqlite_url, case)[-1]["canonical"]


NOTE = (
    "mevr. belde op 2026-05-03 van +31 6 8765 4321; haar broer is j.denkbeeldig@example.org, ticket 4711, de rest later"
)


@pytest.fixture
def noted(sqlite_engine: Engine) -> str:
    """A case that has ended, with a name, an address, a company's name and a note."""
    given = employer()
    given["registration"] |= {
        "company_name": "Bakkerij Jansen",
        "contact_name": "mevr. Wilhelmina Oosterkämp-de Vries",
        "email": "w.oosterkamp@example.com",
        "dgas": [{"name": "A. den Fictief", "employee_number": 1234567}],
    }
    case = sqlite_engine.open_case(given).case.reference
    sqlite_engine.record(case, {"registration": {"contact_name": "Ouwe Naam", "kvk_number": "Zoe Wielewaal"}})
    sqlite_engine.note(case, NOTE)
    sqlite_engine.advance(case, "withdraw", reason="terugbellen op 013-7654321")
    return case


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("Verzoek van mevr. Oosterkamp", "a name, or part of an address, that stands in registration.contact_name"),
        ("OOSTERKÄMPS verzoek", "a name, or part of an address, that stands in registration.contact_name"),
        ("op verzoek van Wilhelmina", "a name, or part of an address, that stands in registration.contact_name"),
        ("mail woosterkamp", "a name, or part of an address, that stands in registration.email"),
        ("mail van w_oosterkamp", "a name, or part of an address, that stands in registration."),
        ("brief van Fictief", "a name, or part of an address, that stands in registration.dgas"),
        ("pers. nr 1234567", "stands in registration.dgas"),
        ("wielewaal vroeg het", "a name, or part of an address, that stands in registration.kvk_number"),
        ("mail van Denkbeeldig", "a name, or part of an address, that stands in a note or a reason"),
        ("tel +31687654321", "a number that stands in a note or a reason"),
        ("gebeld 06-87654321 2026", "a number that stands in a note or a reason"),
        ("gebeld met (013) 765 43 21.", "a number that stands in a note or a reason"),
        ("gebeld met 7654321", "a number that stands in a note or a reason"),
        ("gebeld met 765\t4\u200b321", "a number that stands in a note or a reason"),
        ("verzoek van bakkerij  jansen", "what stands in registration.company_name"),
    ],
)
def test_a_text_that_repeats_part_of_a_value_is_refused_by_the_kind_of_it(
    sqlite_engine: Engine, noted: str, reason: str, told: str
) -> None:
    with pytest.raises(Refused) as refusal:
        wipe(sqlite_engine, noted, Wish(reason, "AVG", 7))
    with pytest.raises(Refused, match="the ground is kept for good"):
        wipe(sqlite_engine, noted, Wish("op verzoek", reason, 7))

    said = str(refusal.value)
    assert told in said
    assert reason not in said


@pytest.mark.parametrize(
    "reason",
    [
        "Op verzoek van de bakkerij, mevr. belde later; de rest volgt op 2026-05-03",
        "Salaris loopt elders; administratie van example.com, ticket 4711, zaak 20260503",
        "Verzoek 2026-117, art. 17 lid 1, ontvangen 03-05-2026",
    ],
)
def test_a_text_may_say_what_names_nobody(sqlite_engine: Engine, noted: str, reason: str) -> None:
    assert wipe(sqlite_engine, noted, Wish(reason, "AVG art. 17", 7)).values


def test_a_reason_may_use_the_words_of_an_earlier_one(sqlite_engine: Engine) -> None:
    case = withdrawn(sqlite_engine)  # with the reason 'op verzoek'

    assert wipe(sqlite_engine, case, Wish("op verzoek van de werkgever, nr. 1", "AVG", 7)).values


WRONG_KINDS: tuple[tuple[Any, ...], ...] = (
    (5, "AVG", 7),
    ("x", b"AVG", 7),
    ("x", None, "7"),
    ("x", None, 7.0),
    ("x", "AVG", True),
    ("x", "AVG", None),
    ("x", None, -1),
    ("x", "AVG", 101),
    ("x", None, 10**30),
)


@pytest.mark.parametrize(
    "wish",
    [
        Wish("x", " ", 7),
        Wish("a\x00b", None, 7),
        Wish("x", "a\nb", 7),
        Wish("x" * 4001, None, 7),
        *(Wish(*wrong) for wrong in WRONG_KINDS),
        None,
    ],
    ids=lambda wish: repr(wish)[:40],
)
def test_what_cannot_be_a_text_is_a_usage_error_that_writes_nothing(
    sqlite_engine: Engine, sqlite_url: str, wish: Any
) -> None:
    """A term of fewer years than none would erase at once what is not over yet."""
    case = withdrawn(sqlite_engine)
    before = everything(sqlite_url)

    with pytest.raises(UsageError):
        wipe(sqlite_engine, case, wish)
    with pytest.raises(NoSuchCase):
        wipe(sqlite_engine, "E99", EARLY)

    assert everything(sqlite_url) == before


def test_a_worker_that_met_it_crosswise_costs_a_second_try(engine: Engine, url: str) -> None:
    case, met = withdrawn(engine), []

    def failpoint(sql: str) -> None:
        if sql.startswith("DELETE FROM private_values") and not met:
            met.append(sql)
            raise Overtaken("Another command was writing the same cases at that moment.")

    engine.database.failpoint = failpoint
    done = wipe(engine, case)

    assert len(met) == 1
    assert [step.event.kind for step in engine.history(case)].count(Kind.ERASED) == 1
    assert (done.repeated, count(url, "private_values")) == (False, 0)


def test_what_was_erased_is_not_erased_twice(engine: Engine, url: str) -> None:
    case = withdrawn(engine)
    wipe(engine, case)
    rewrite(url)
    before = traces(url, case)

    with pytest.raises(Refused, match="erased already, on 2026-04-20"):
        wipe(engine, case)

    assert traces(url, case) == before
    assert [event["kind"] for event in events_of(url, case)][-2:] == ["erased", "refused"]


def test_on_postgresql_a_repeat_tells_what_is_still_to_be_rewritten_and_is_no_refusal(
    make_engine: Callable[[Database], Engine], postgres_url: str
) -> None:
    database = open_database(postgres_url)
    engine = make_engine(database)
    case, other = withdrawn(engine), withdrawn(engine)
    first = wipe(engine, case)

    again = wipe(engine, case)
    rewrite(postgres_url)
    second = wipe(engine, other)

    assert (first.to_rewrite, first.repeated) == (True, False)
    assert again == Erased(case, first.at, first.seq, first.hash, repeated=True, to_rewrite=True)
    assert (second.to_rewrite, second.repeated) == (True, False)
    assert [event["kind"] for event in events_of(postgres_url, case)][-1] == "erased"
    database.dispose()


# -- what ------------------------------------------------------------------------------------------------------------


def test_every_table_is_emptied_and_history_still_folds_to_the_case(engine: Engine, url: str) -> None:
    case = engine.open_case(employer(), external_reference="E77").case.reference
    engine.note(case, "gebeld")
    engine.advance(case, "register", key="k1")
    for trigger in FORWARD[1:]:
        engine.advance(case, trigger)
    before = events_of(url, case)
    assert all(traces(url, case)[table] for table in OF_A_CASE)

    done = wipe(engine, case)

    left = traces(url, case)
    assert [left[table] for table in OF_A_CASE if table != "outbox"] == [[]] * 4
    row = case_row(url, case)
    assert (row["external_reference"], row["facts"], json.loads(row["progress"])["told"]) == ("E77", "{}", {})
    assert events_of(url, case)[:-1] == before
    assert engine.replay(case).matches_stored
    assert all(engine.replay(case, seq=seq).case.seq == seq for seq in range(1, done.seq + 1))
    assert engine.case("E77").case.erased


def test_nothing_is_kept_in_an_erased_case_any_more(engine: Engine, clock: SetClock, url: str) -> None:
    case = engine.open_case(employer(), external_reference="E77").case.reference
    for trigger in FORWARD:
        engine.advance(case, trigger, key=trigger)
    wipe(engine, case)
    before = traces(url, case)
    acts: tuple[Callable[[], object], ...] = (
        lambda: engine.record(case, {"realisation": {"first_exchange_date": "2026-06-09"}}),
        lambda: engine.record(case, {"registration": {"contact_name": "Piet"}}),
        lambda: engine.note(case, "gebeld"),
        lambda: engine.advance(case, "register", key="register", facts={"registration": {"contact_name": "Piet"}}),
        lambda: engine.advance(case),
        lambda: engine.hold(case, date(2026, 6, 1), "wacht"),
        lambda: engine.resume(case),
    )

    for act in acts:
        with pytest.raises(Refused):
            act()
    row = Row(1, "E77", employer("registration"))
    results = [found for dry in (True, False) for found in engine.import_rows([row], dry_run=dry, advance=True)]

    assert [found.result for found in results] == ["reject", "reject"]
    assert traces(url, case) == before
    assert engine.replay(case).matches_stored
    clock.moment += timedelta(days=400)
    assert reminders.run_once(engine.database, engine.rules, clock.now(), WORKER) == reminders.Fired()


actions = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(("note", "record", "move", "hold", "wait"))), max_size=12
)


@settings(max_examples=6 * LONG)
@given(acts=actions)
def test_other_cases_keep_every_value(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[int, str]]
) -> None:
    """Whatever three cases went through, digests and letters included, erasing one leaves the others as they were."""
    path = tmp_path_factory.mktemp("others") / "schakel.db"
    path.write_bytes(sqlite_template.read_bytes())
    url = f"sqlite:///{path}"
    database = open_database(url)
    clock = SetClock(datetime(2026, 4, 20, 8, tzinfo=UTC))
    engine = Engine(database, EMPLOYER_COUPLING, clock=clock, origin=OPERATOR)
    cases = [bring(engine, "registered") for _ in range(3)]
    with Sink() as sink:
        for number, act in acts:
            _do(engine, clock, cases[number], act, sink)
        victim, *others = cases
        if engine.case(victim).case.ended_at is None:
            engine.advance(victim, "withdraw", reason="op verzoek")
        delivery(engine, sink).run_once()
        before = [(traces(url, other), events_of(url, other)) for other in others]

        wipe(engine, victim)

        assert [(traces(url, other), events_of(url, other)) for other in others] == before
        assert all(engine.replay(case).matches_stored for case in cases)
        assert delivery(engine, sink).run_once().pending == 0
    number = case_row(url, victim)["id"]
    assert look(url, f"SELECT * FROM private_values WHERE case_id = {number}") == []
    database.dispose()


def _do(engine: Engine, clock: SetClock, case: str, act: str, sink: Sink) -> None:
    try:
        match act:
            case "note":
                engine.note(case, "gebeld")
            case "record":
                engine.record(case, {"registration": {"contact_name": f"Jan {random.random()}"}})
            case "move":
                engine.advance(case, key=act)
            case "hold":
                engine.hold(case, (clock.moment + timedelta(days=3)).date(), "wacht")
            case _:
                clock.moment += timedelta(days=2)
                reminders.run_once(engine.database, engine.rules, clock.now(), WORKER)
                delivery(engine, sink).run_once()
    except Refused:
        pass


def test_a_text_repeats_a_value_when_the_whole_of_it_stands_in_it_as_words_of_their_own(sqlite_engine: Engine) -> None:
    facts = employer("registration")
    facts["registration"] |= {"contact_name": "Joop", "dgas": [{"name": "Jan", "employee_number": 70012}]}
    case = withdrawn(sqlite_engine, facts)
    said = ("namens JOOP", "bij 70012", "namens Jan", "Jansen", "Joopen", "nietJoop", "170012", "waar is true")
    told = []

    for text in said:
        with pytest.raises(Refused) as refusal:  # either it tells, or the ground does
            wipe(sqlite_engine, case, Wish(text, "brief van Joop", 7))
        told.append(str(refusal.value).partition("not erased: ")[2].partition(" is kept")[0])

    assert told == [*["the reason"] * 3, *["the ground"] * 5]


SHORT_AND_FOREIGN = {
    "company_name": "Kapsalon De Zon",
    "contact_name": "mw. Łukasz van der Bos-Wałęsa",
    "dgas": [{"name": "王小明", "employee_number": 1}, {"name": "Søren Li", "employee_number": 2}],
    "email": "a.b@example.com",
}


@pytest.mark.parametrize(
    ("reason", "field"),
    [
        ("Op verzoek van mw. Bos", "registration.contact_name"),
        ("Walesa vroeg het", "registration.contact_name"),
        ("verzoek van LUKASZ", "registration.contact_name"),
        ("namens 王小明", "registration.dgas"),
        ("Sorens verzoek", "registration.dgas"),
        ("Li belde", "registration.dgas"),
        ("brief van de kapsalon", "registration.company_name"),
        ("brief van Zon te Ede", "registration.company_name"),
    ],
)
def test_a_name_however_short_or_foreign_and_that_of_a_sole_trader_is_not_repeated(
    sqlite_engine: Engine, reason: str, field: str
) -> None:
    facts = employer("registration")
    facts["registration"] |= {**SHORT_AND_FOREIGN, "wage_tax_number": "123456782L01"}
    case = withdrawn(sqlite_engine, facts)

    with pytest.raises(Refused, match=field):
        wipe(sqlite_engine, case, Wish(reason, "AVG", 7))


def test_the_words_between_names_and_those_of_a_companys_name_may_be_used(sqlite_engine: Engine) -> None:
    facts = employer("registration")
    facts["registration"] |= SHORT_AND_FOREIGN
    case = withdrawn(sqlite_engine, facts)

    assert wipe(sqlite_engine, case, Wish("Op verzoek van mw. in de kapsalon, a b, bo en l.", "AVG art. 17", 7)).values


def test_letters_about_several_cases_lose_this_one_and_those_about_no_other_end(
    sqlite_engine: Engine, sqlite_url: str
) -> None:
    case, other = withdrawn(sqlite_engine), bring(sqlite_engine, "rights_pending")
    contexts = {"invitation": [case], "case_withdrawn": [case, other]}
    with bare(sqlite_url) as connection:
        own = f"case_id = {case_row(sqlite_url, case)['id']}"
        for letter, cases in contexts.items():
            context = json.dumps({"failed": [{"reference": reference} for reference in cases]})
            change = f"UPDATE outbox SET case_id = NULL, context = ? WHERE letter = '{letter}' AND {own}"
            connection.execute(change, [context])

    done = wipe(sqlite_engine, case)

    assert (done.letters, done.cancelled) == (2, 0)
    assert [(row["letter"], row["state"], row["context"]) for row in shared(sqlite_url)] == [
        ("invitation", "cancelled", ""),
        ("case_withdrawn", "pending", f'{{"failed":[{{"reference":"{other}"}}]}}'),
    ]


def test_a_file_that_cannot_be_cleaned_says_why_and_that_it_can_be_repeated(
    sqlite_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = withdrawn(sqlite_engine)

    def full() -> bool:
        raise StoreError("The disk is full.")

    monkeypatch.setattr(sqlite_engine.database, "compact", full)

    with pytest.raises(StoreError) as told:
        wipe(sqlite_engine, case)

    assert str(told.value) == (
        f"{case} was erased, but the file or its log may still hold what it said: The disk is full. "
        "Repeat the same command: it does only what is left to do."
    )


def test_while_a_letter_is_being_sent_it_is_named_with_what_to_do(sqlite_engine: Engine, sqlite_url: str) -> None:
    case = withdrawn(sqlite_engine)
    with bare(sqlite_url) as connection:
        connection.execute("UPDATE outbox SET state = 'sending' WHERE letter = 'case_withdrawn'")
    (sending,) = look(sqlite_url, "SELECT id FROM outbox WHERE state = 'sending'")

    with pytest.raises(Conflict) as told:
        wipe(sqlite_engine, case)

    assert str(told.value) == (
        f"Letter {sending['id']} about {case} is being sent at this moment, so nothing was erased. Repeat the command "
        "in a moment; a letter whose worker disappeared is settled by: schakel tick"
    )


# -- letters ---------------------------------------------------------------------------------------------------------


def test_a_pending_letter_is_cancelled_and_never_sent(engine: Engine, url: str) -> None:
    case = withdrawn(engine)

    done = wipe(engine, case)
    with Sink() as sink:
        delivery(engine, sink).run_once()

    rows = outbox_of(url, case)
    assert {row["state"] for row in rows} == {"cancelled"}
    assert (done.letters, done.cancelled, sink.letters) == (len(rows), len(rows), [])


@dataclass
class Meddler(Sink):
    """A mail server that does something when the first RCPT, or the first DATA, comes in."""

    at: str = "RCPT"
    act: Callable[[], object] = field(default=lambda: None)
    told: list[object] = field(default_factory=list)

    def meddle(self, at: str) -> None:
        if at == self.at and not self.told:
            try:
                self.told.append(self.act())
            except Exception as error:  # noqa: BLE001  (the test looks at it)
                self.told.append(error)

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        self.meddle("RCPT")
        return await super().handle_RCPT(server, session, envelope, address, options)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.meddle("DATA")
        return await super().handle_DATA(server, session, envelope)


def test_a_letter_that_a_worker_has_claimed_does_not_leave_any_more(engine: Engine, url: str) -> None:
    case = withdrawn(engine)

    with Meddler(act=lambda: wipe(engine, case)) as sink:
        done = delivery(engine, sink).run_once()
        delivery(engine, sink).run_once()

    (told,) = sink.told
    assert isinstance(told, Erased), told
    assert (sink.letters, done.sent, done.pending) == ([], 0, 0)
    assert {(row["state"], row["context"], row["message"]) for row in outbox_of(url, case)} == {("cancelled", "", None)}
    assert events_of(url, case)[-1]["kind"] == "erased"


def test_while_a_letter_is_being_sent_erasing_is_a_conflict_that_writes_nothing(engine: Engine, url: str) -> None:
    case = withdrawn(engine)
    before = len(events_of(url, case))

    with Meddler(at="DATA", act=lambda: wipe(engine, case)) as sink:
        done = delivery(engine, sink).run_once()

    (told,) = sink.told
    assert isinstance(told, Conflict), told
    assert done.sent == len(sink.letters) > 0
    assert len(events_of(url, case)) == before + done.sent
    wipe(engine, case)
    assert {row["message"] for row in outbox_of(url, case)} == {None}


def two_reminded(engine: Engine, clock: SetClock) -> tuple[str, str]:
    """Two registered cases whose reminders to a.s.r. wait on one morning."""
    cases = bring(engine, "registered"), bring(engine, "registered")
    with Sink() as sink:
        delivery(engine, sink).run_once()
    clock.moment = MORNING
    reminders.run_once(engine.database, engine.rules, clock.now(), WORKER)
    return cases


@pytest.mark.parametrize("state", ["pending", "claimed"])
def test_a_digest_that_waits_is_taken_apart_and_the_others_are_reminded_without_it(
    engine: Engine, clock: SetClock, url: str, state: str
) -> None:
    case, other = two_reminded(engine, clock)
    with Sink(answers={"asr@example.org": "450 later"}) as busy:
        assert delivery(engine, busy).run_once().merged == 2
    engine.advance(case, "withdraw", reason="op verzoek", letters=False)
    clock.moment += timedelta(minutes=10)
    name = engine.case(case).case.facts["registration"]["company_name"]
    if state == "claimed":
        later = clock.now() + timedelta(minutes=5)
        with engine.database.writing() as store:
            assert letters.claim(store, now=clock.now(), lease_until=later, token="t", limit=9)

    done = wipe(engine, case)

    (digest,) = shared(url)
    assert (digest["state"], digest["context"], digest["message"], digest["recipient"]) == ("cancelled", "", None, None)
    assert (done.letters, done.cancelled) == (len(outbox_of(url, case)) + 1, 1)
    assert str(name) not in rows_of(url).decode(errors="replace")
    with Sink() as sink:
        delivery(engine, sink).run_once()
    (letter,) = sink.messages("asr@example.org")
    text = letter.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert other in text
    assert case not in text
    assert events_of(url, other)[-1]["kind"] == "letter_sent"
    assert events_of(url, case)[-1]["kind"] == "erased"


def test_a_digest_that_was_sent_keeps_no_word_and_the_others_keep_their_proof(
    engine: Engine, clock: SetClock, url: str
) -> None:
    case, other = two_reminded(engine, clock)
    with Sink() as sink:
        assert delivery(engine, sink).run_once().merged == 2
    engine.advance(case, "withdraw", reason="op verzoek", letters=False)
    before = traces(url, other), events_of(url, other)

    wipe(engine, case)

    (digest,) = shared(url)
    assert (digest["state"], digest["context"], digest["message"], digest["sha256"]) == ("sent", "", None, None)
    assert (traces(url, other), events_of(url, other)) == before


@pytest.mark.parametrize("waits", [True, False])
def test_an_overview_loses_what_it_says_of_the_case(engine: Engine, clock: SetClock, url: str, waits: bool) -> None:
    case, other = bring(engine, "registered"), bring(engine, "enriched")
    name, others = (str(engine.case(one).case.facts["registration"]["company_name"]) for one in (case, other))
    clock.moment = MORNING.replace(day=28, hour=6, minute=10)
    assert overview.run_once(engine.database, engine.rules, clock.now())
    answers = {"beheer@example.org": "450 later"} if waits else {}
    with Sink(answers=answers) as sink:
        delivery(engine, sink).run_once()
    engine.advance(case, "withdraw", reason="op verzoek", letters=False)

    wipe(engine, case)

    (row,) = shared(url)
    assert row["state"] == ("pending" if waits else "sent")
    assert row["message"] is None
    assert (case in row["context"], other in row["context"]) == (False, waits)
    assert name not in rows_of(url).decode(errors="replace")
    clock.moment += timedelta(hours=1)
    with Sink() as sink:
        delivery(engine, sink).run_once()
    texts = [letter.get_body(("plain",)).get_content() for letter in sink.messages("beheer@example.org")]  # type: ignore[union-attr]
    assert [(name in text, others in text) for text in texts] == ([(False, True)] if waits else [])


@pytest.mark.parametrize("state", ["sent", "pending", "claimed", "failed", "unknown"])
def test_a_letter_of_a_namesake_says_nothing_of_the_case_any_more(
    engine: Engine, clock: SetClock, url: str, state: str
) -> None:
    """Beside the other's name it would say whose the erased one was: 'an older request (K-…) has the same name'."""
    case = engine.open_case(employer("registration") | {"registration": named("Bakkerij Jansen")}).case.reference
    other = engine.open_case(employer() | {"registration": named("Bakkerij Jansen")}).case.reference
    engine.advance(other, "register", accept_warnings=True)
    answers = {"failed": {"asr@example.org": "550 no"}, "sent": {}}.get(state, {"asr@example.org": "450 later"})
    with Sink(answers=answers) as sink:
        delivery(engine, sink).run_once()
    (letter,) = [row for row in outbox_of(url, other) if row["role"] == "asr"]
    if state in ("claimed", "unknown"):
        with bare(url) as connection:
            connection.execute(f"UPDATE outbox SET state = '{state}' WHERE id = {letter['id']}")
    engine.advance(case, "withdraw", reason="op verzoek", letters=False)
    assert case in letter["context"]
    before = events_of(url, other)

    wipe(engine, case)

    (after,) = [row for row in outbox_of(url, other) if row["role"] == "asr"]
    assert after["state"] == {"claimed": "pending"}.get(state, state)
    assert not [row for row in outbox_of(url, other) if case in row["context"] or case in str(row["message"])]
    assert after["message"] is None
    assert (after["context"] == "") == (state == "sent")
    assert (events_of(url, other), engine.replay(other).matches_stored) == (before, True)
    clock.moment += timedelta(hours=1)
    if state == "failed":
        with engine.database.writing() as store:
            row = letters.letter_by_id(store, after["id"])
            assert row
            assert letters.settling(store, row, LetterState.PENDING, expected=[row.state], now=clock.now())()
    with Sink() as sink:
        delivery(engine, sink).run_once()
    texts = [letter.get_body(("plain",)).get_content() for letter in sink.messages("asr@example.org")]  # type: ignore[union-attr]
    assert [(case in text, "Bakkerij Jansen" in text) for text in texts] == (
        [(False, True)] if state in ("pending", "claimed", "failed") else []
    )


def named(name: str) -> dict[str, Any]:
    return employer("registration")["registration"] | {"company_name": name}


@pytest.mark.parametrize("overview_is", ["sent", "sent, of one taken apart since", "pending", "pending, more to say"])
def test_what_a_server_said_of_a_letter_about_several_cases_goes_from_the_overview_too(
    engine: Engine, clock: SetClock, url: str, overview_is: str
) -> None:
    """The overview names that letter by its number only, and the server's words name whom it was for."""
    given = employer("registration")
    given["registration"]["email"] = "wielewaal@example.com"
    cases = [engine.open_case(given).case.reference for _ in range(2)]
    with Sink() as sink:
        delivery(engine, sink).run_once()
    clock.moment = datetime(2026, 4, 28, 9, tzinfo=AMSTERDAM)
    reminders.run_once(engine.database, engine.rules, clock.now(), WORKER)
    with Sink(answers={"wielewaal@example.com": "550 no such user kwartelbos here"}) as sink:
        delivery(engine, sink).run_once()
    for case in cases:
        engine.advance(case, "withdraw", reason="op verzoek", letters=False)
    if overview_is == "pending, more to say":
        bring(engine, "enriched")
    clock.moment = datetime(2026, 5, 6, 8, 10, tzinfo=AMSTERDAM)
    assert overview.run_once(engine.database, engine.rules, clock.now())
    with Sink(answers={"beheer@example.org": "450 later"} if overview_is.startswith("pending") else {}) as sink:
        delivery(engine, sink).run_once()
    if overview_is.endswith("apart since"):
        run(url, "UPDATE outbox SET state = 'cancelled' WHERE letter = 'reminder_digest'")
        run(url, "UPDATE outbox SET state = 'cancelled', merged_into = NULL WHERE merged_into IS NOT NULL")
    (written,) = (row for row in shared(url) if row["letter"] == "daily_overview")
    told = [line for line in json.loads(written["context"])["failed"] if not line["reference"]]

    wipe(engine, cases[0])

    assert [line["reason"] for line in told] == ["rcpt: 550 no such user kwartelbos here"]
    (row,) = (row for row in shared(url) if row["letter"] == "daily_overview")
    assert row["state"] == {"pending": "cancelled"}.get(overview_is, overview_is.partition(",")[0])
    assert (row["context"] != "") == overview_is.endswith("more to say")
    assert "kwartelbos" not in row["context"] + str(row["message"])


def test_an_overview_with_nothing_else_to_say_is_cancelled(engine: Engine, clock: SetClock, url: str) -> None:
    case = bring(engine, "registered")
    clock.moment = MORNING.replace(day=28, hour=6, minute=10)
    assert overview.run_once(engine.database, engine.rules, clock.now())
    engine.advance(case, "withdraw", reason="op verzoek")

    wipe(engine, case)

    assert [(row["state"], row["context"]) for row in shared(url)] == [("cancelled", "")]


def test_an_erased_letter_is_no_longer_listed_as_failed(engine: Engine, clock: SetClock, url: str) -> None:
    case, other = withdrawn(engine), withdrawn(engine)
    with Sink(answers={"salaris01@example.com": "550 no"}) as sink:
        delivery(engine, sink).run_once()
    wipe(engine, case)
    clock.moment = MORNING.replace(hour=6, minute=10)

    assert overview.run_once(engine.database, engine.rules, clock.now())

    (row,) = shared(url)
    assert {one["reference"] for one in json.loads(row["context"])["failed"]} == {other}
    assert {row["state"] for row in outbox_of(url, case) if row["letter"] == "case_withdrawn"} == {"failed"}


# -- crashes and company ---------------------------------------------------------------------------------------------


def full(engine: Engine, clock: SetClock) -> str:
    """A case with a row in every table, letters that wait, a digest and an overview that wait too."""
    case, _ = two_reminded(engine, clock)
    with Sink(answers={"asr@example.org": "450 later"}) as busy:
        delivery(engine, busy).run_once()
    clock.moment = MORNING.replace(day=28, hour=6, minute=10)
    overview.run_once(engine.database, engine.rules, clock.now())
    engine.advance(case, "withdraw", reason="op verzoek", key="k1")
    return case


def test_a_crash_at_any_statement_leaves_all_or_nothing(
    url: str, make_engine: Callable[[Database], Engine], clock: SetClock
) -> None:
    database = open_database(url)
    case = full(make_engine(database), clock)
    database.dispose()
    before, killed = everything(url), 0

    while status := die_at(url, make_engine, wipe, case, killed):
        assert os.WIFSIGNALED(status), "the child ended by itself, in an error"
        if everything(url) != before:
            break
        killed += 1
        assert killed < 80

    assert killed > 15
    assert _replays(url, make_engine, case)
    row = case_row(url, case)
    assert (bool(row["erased"]), events_of(url, case)[-1]["kind"]) == (True, "erased")
    assert look(url, f"SELECT * FROM private_values WHERE case_id = {row['id']}") == []
    if url.startswith("sqlite"):  # killed while the file was cleaned: a repeat does the rest, and only that
        assert status
        database = open_database(url)
        after = everything(url)
        assert wipe(make_engine(database), case).repeated
        assert everything(url) == after
        with pytest.raises(Refused):
            wipe(make_engine(database), case)
        database.dispose()


def _replays(url: str, make_engine: Callable[[Database], Engine], case: str) -> bool:
    database = open_database(url)
    matches = make_engine(database).replay(case).matches_stored
    database.dispose()
    return matches


def test_somebody_who_holds_the_log_is_named_and_a_repeat_only_cleans(
    sqlite_engine: Engine, sqlite_url: str, clock: SetClock
) -> None:
    given = employer()
    given["registration"]["contact_name"] = "Zoe Wielewaal-Kwartel"
    case = withdrawn(sqlite_engine, given)
    with bare(sqlite_url) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM cases").fetchall()
        with pytest.raises(StoreError) as told:
            wipe(sqlite_engine, case)
        assert remains(["Zoe Wielewaal-Kwartel"], *files_of(sqlite_url).values())
        reader.execute("COMMIT")
    before = everything(sqlite_url)
    first, erased = sqlite_engine.clock.now(), events_of(sqlite_url, case)[-1]
    clock.moment += timedelta(days=1)

    done = wipe(sqlite_engine, case, Wish("iets anders", None, 7))

    assert str(told.value) == (
        f"{case} was erased, but the file or its log may still hold what it said: another connection holds its log, "
        "such as somebody who reads a long list. Repeat the same command: it does only what is left to do."
    )
    assert done == Erased(case, first, erased["seq"], erased["hash"], repeated=True)
    assert everything(sqlite_url) == before
    assert remains(["Zoe Wielewaal-Kwartel"], *files_of(sqlite_url).values()) == set()
    with pytest.raises(Refused, match="erased already"):
        wipe(sqlite_engine, case)


def test_copies_that_sqlite_leaves_behind_in_its_pages_are_gone_after_compacting(tmp_path: Path) -> None:
    """secure_delete overwrites a row, not the copies that stayed when rows moved between pages."""
    path, chance = tmp_path / "pages.db", random.Random(3)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    connection.execute("PRAGMA secure_delete = ON").fetchall()
    connection.execute("CREATE TABLE names (case_id, value, PRIMARY KEY (case_id, value))")
    connection.execute("CREATE INDEX by_value ON names (value, case_id)")
    values = [f"naam-{chance.getrandbits(64):016x}" for _ in range(20_000)]
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO names VALUES (?, ?)", enumerate(values))
    erased = range(0, 20_000, 4)
    connection.executemany("DELETE FROM names WHERE case_id = ?", ((number,) for number in erased))
    connection.execute("COMMIT")

    steps: list[str] = []
    assert compact(connection, steps.append)

    left = {found.decode() for found in re.findall(rb"naam-[0-9a-f]{16}", path.read_bytes())}
    assert left == {value for number, value in enumerate(values) if number not in erased}
    assert steps == ["PRAGMA wal_checkpoint", "VACUUM", "PRAGMA wal_checkpoint", "PRAGMA user_version"]
    connection.close()


@pytest.mark.parametrize("gather", ["digest", "overview"])
def test_what_is_being_gathered_for_several_cases_does_not_bring_a_value_back(
    postgres_url: str, make_engine: Callable[[Database], Engine], clock: SetClock, gather: str
) -> None:
    """PostgreSQL: a worker has read what it will write about a case, when somebody erases that case."""
    databases = [open_database(postgres_url) for _ in range(2)]
    engine, other = map(make_engine, databases)
    case, _ = two_reminded(engine, clock)
    name = str(engine.case(case).case.facts["registration"]["company_name"])
    engine.advance(case, "withdraw", reason="op verzoek", letters=gather == "overview")
    with engine.database.writing() as store:  # written after the case ended, as the check of a first exchange is
        store.execute("UPDATE outbox SET seq = (SELECT seq FROM cases WHERE id = outbox.case_id) WHERE is_reminder")
    clock.moment = MORNING if gather == "digest" else MORNING.replace(day=28, hour=6, minute=10)
    has_read, erased = threading.Event(), threading.Event()

    def failpoint(sql: str) -> None:
        if sql.startswith("INSERT INTO outbox ") and not has_read.is_set():
            has_read.set()
            erased.wait(1)  # as long as it takes the other to try

    other.database.failpoint = failpoint
    with Sink(answers={"salaris01@example.com": "550 no"}) as sink:
        if gather == "overview":
            delivery(engine, sink).run_once()
        act = (
            delivery(other, None).run_once
            if gather == "digest"
            else (lambda: overview.run_once(other.database, other.rules, clock.now()))
        )
        worker = threading.Thread(target=act)
        worker.start()
        assert has_read.wait(20)
        wipe(engine, case)
        erased.set()
        worker.join()

    assert name not in rows_of(postgres_url).decode(errors="replace")
    assert not any(case in row["context"] for row in shared(postgres_url))
    for database in databases:
        database.dispose()


def test_two_workers_that_merge_at_once_write_one_digest(
    postgres_url: str, make_engine: Callable[[Database], Engine], clock: SetClock
) -> None:
    databases = [open_database(postgres_url) for _ in range(2)]
    engine, other = map(make_engine, databases)
    two_reminded(engine, clock)
    has_read, done = threading.Event(), threading.Event()

    def failpoint(sql: str) -> None:
        if sql.startswith("INSERT INTO outbox ") and not has_read.is_set():
            has_read.set()
            done.wait(1)

    other.database.failpoint = failpoint
    worker = threading.Thread(target=delivery(other, None).run_once)
    worker.start()
    assert has_read.wait(20)
    delivery(engine, None).run_once()
    done.set()
    worker.join()

    assert len(shared(postgres_url)) == 1
    for database in databases:
        database.dispose()


def test_workers_and_an_eraser_at_once_leave_no_value_and_send_nothing_afterwards(
    url: str, clock: SetClock, make_engine: Callable[[Database], Engine], tmp_path: Path
) -> None:
    database = open_database(url)
    engine = make_engine(database)
    cases = [withdrawn(engine) for _ in range(8 * LONG)]
    names = [str(engine.case(case).case.facts["registration"]["company_name"]) for case in cases]
    database.dispose()

    with Sink() as sink:

        def act(engine: Engine, number: int) -> list[Any]:
            if number:
                for _ in range(6):
                    delivery(engine, sink).run_once()
                return []
            return [case for case in cases if _insist(engine, case)]

        erased, *_ = crowd(url, clock, 3, tmp_path, act)

    assert erased == cases
    assert count(url, "private_values") == 0
    assert remains(names, rows_of(url)) == set()
    assert {row["state"] for case in cases for row in outbox_of(url, case)} <= {"sent", "cancelled"}
    assert max(sink.copies().values(), default=1) == 1
    kinds = [[event["kind"] for event in events_of(url, case)] for case in cases]
    assert all(kind[-1] == "erased" for kind in kinds)
    assert sum(kind.count("letter_sent") for kind in kinds) == len(sink.letters)


def _insist(engine: Engine, case: str) -> bool:
    """Erase as a person would: again after a moment, when a letter was just being sent or a worker held the log.

    At once would keep the case from the worker, which passes by what somebody holds and looks again ever later.
    """
    for _ in range(200):
        try:
            wipe(engine, case)
        except (Conflict, StoreError):
            time.sleep(0.02)
        except Refused:
            return True  # done by the try before, and clean
        else:
            return True
    return False


def test_a_bsn_in_a_field_that_is_not_personal_is_never_in_history_and_gone_when_erased(
    engine: Engine, url: str
) -> None:
    """Two columns of an import that were exchanged, say."""
    case = engine.open_case(employer("loket_user", "registration")).case.reference
    engine.record(case, {"registration": {"framework_contract_number": "012345672L01"}})
    told = str([(step.changes, step.event.canonical) for step in engine.history(case)])
    replays = engine.replay(case).matches_stored
    engine.advance(case, "withdraw", reason="op verzoek")

    before = rows_of(url)
    wipe(engine, case)

    assert "012345672" not in told
    assert replays
    assert b"012345672" in before
    assert b"012345672" not in rows_of(url)


@pytest.mark.parametrize(
    ("sheet", "given", "values"),
    [
        ("registration", {"framework_contract_number": "w.oosterkamp@example.com"}, ["w.oosterkamp@example.com"]),
        ("registration", {"kvk_number": "Wilhelmina Oosterkamp 0687654321"}, ["Oosterkamp", "0687654321"]),
        ("registration", {"loket_employer_id": "123456782L01"}, ["123456782"]),
        (
            "policy",
            {"policies": [{"policy_number": "Oosterkamp 0687654321", "product": "w.oosterkamp@example.com"}]},
            ["Oosterkamp", "0687654321", "w.oosterkamp@example.com"],
        ),
        ("handover", {"keylane_reference": "Wilhelmina Oosterkamp"}, ["Oosterkamp"]),
        ("loket_user", {"rights": ["w.oosterkamp@example.com"]}, ["w.oosterkamp@example.com"]),
    ],
)
def test_what_was_put_into_a_wrong_field_is_never_in_history_and_gone_when_erased(
    engine: Engine, url: str, sheet: str, given: dict[str, Any], values: list[str]
) -> None:
    case = engine.open_case(employer()).case.reference
    engine.record(case, {sheet: given})
    told = str([(step.changes, step.event.canonical) for step in engine.history(case)])
    replays = engine.replay(case).matches_stored
    engine.advance(case, "withdraw", reason="op verzoek")

    before = remains(values, rows_of(url))
    wipe(engine, case)

    assert [value for value in values if value in told] == []
    assert replays
    assert before == set(values)
    assert remains(values, rows_of(url)) == set()
    assert engine.replay(case).matches_stored
