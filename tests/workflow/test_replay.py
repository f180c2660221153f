"""What was stored at any moment is what replay up to that moment gives; the tests write it down as they go.

SCHAKEL_LONG multiplies the number of histories.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from employers import LONG, bring, employer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from looking import bare, count, events_of, largest
from tampering import put, run

from states import EMPLOYER_COUPLING
from workflow import Engine, Origin, Refused, UsageError
from workflow.answers import Answer, Case, RulesOf
from workflow.clock import SetClock, local_day
from workflow.erasure import Wish, erase
from workflow.errors import HistoryBroken, Overtaken
from workflow.forecast import forecast
from workflow.impact import stuck_cases
from workflow.observation import Observation
from workflow.observing import observe
from workflow.reminders import run_once
from workflow.storage.store import Store
from workflow.work import Work

WORKER = Origin("worker", "schakel", "worker")
MAY: dict[str, list[Any]] = {
    # right, wrong, warned of, cleared
    "loket_user.active": [True, False],
    "loket_user.rights": [employer("loket_user")["loket_user"]["rights"], ["Raadplegen HRM"]],
    "registration.framework_contract_number": ["A020990001", "B1", "B2"],
    "registration.kvk_number": ["00000001", "12", None],
    "registration.email": ["a@example.com", "geen adres", None],
    "registration.contact_name": ["Jan", "Piet", None],
    "registration.dgas": [[], [{"name": "A. Fictief", "employee_number": 7}], None],
    "policy.policies": [employer("policy")["policy"]["policies"], None],
    "handover.authorisations_set": [True, False],
    "realisation.first_exchange_date": ["2026-06-01", "2031-06-04", "2026-05-30"],
}
TRIGGERS = ("return_to_applicant", "return_to_asr", "withdraw", "confirm")
fields = st.sampled_from([(path, value) for path, values in MAY.items() for value in values])
steps = st.one_of(
    st.tuples(st.just("go on"), st.booleans()),
    st.tuples(st.just("go on"), st.just(True)),
    st.tuples(st.just("record"), st.lists(fields, min_size=1, max_size=3)),
    st.tuples(st.just("go on with"), fields),
    st.tuples(st.just("trigger"), st.sampled_from(TRIGGERS)),
    st.tuples(st.just("hold"), st.integers(1, 9)),
    st.tuples(st.just("resume"), st.none()),
    st.tuples(st.just("note"), st.sampled_from(["gebeld", "nummer 123456782"])),
    st.tuples(st.just("wait"), st.sampled_from([1, 30, 24 * 5, 24 * 21])),
)


def nested(fields: list[tuple[str, Any]]) -> dict[str, dict[str, Any]]:
    made: dict[str, dict[str, Any]] = {}
    for path, value in fields:
        sheet, _, name = path.partition(".")
        made.setdefault(sheet, {})[name] = copy.deepcopy(value)
    return made


def do(engine: Engine, clock: SetClock, case: str, step: tuple[str, Any]) -> None:
    """One command, whatever becomes of it; a wait lets the timers fire."""
    match step:
        case ("go on", accept):
            engine.advance(case, accept_warnings=accept)
        case ("go on with", field):
            engine.advance(case, facts=nested([field]), accept_warnings=True)
        case ("record", fields):
            engine.record(case, nested(fields))
        case ("trigger", trigger):
            engine.advance(case, trigger, reason="op verzoek")
        case ("hold", days):
            engine.hold(case, local_day(clock.now()) + timedelta(days=days), "wacht")
        case ("resume", _):
            engine.resume(case)
        case ("note", text):
            engine.note(case, text)
        case ("wait", hours):
            clock.moment += timedelta(hours=hours)
            run_once(engine.database, engine.rules, clock.now(), WORKER)


@settings(max_examples=20 * LONG, suppress_health_check=list(HealthCheck))
@given(life=st.lists(steps, min_size=5, max_size=25))
def test_replay_of_any_prefix_equals_the_case_that_was_stored_then(
    engine: Engine, clock: SetClock, life: list[tuple[str, Any]]
) -> None:
    case = engine.open_case(employer()).case.reference
    stored: dict[int, Case] = {}
    at: dict[datetime, Case] = {}
    for step in [("resume", None), *life]:
        with suppress(Refused):  # a refusal is stored too
            do(engine, clock, case, step)
        now = engine.case(case).case
        stored[now.seq] = at[clock.now()] = now

    for seq, then in stored.items():
        assert engine.replay(case, seq=seq).case == then
    for moment, then in at.items():
        assert engine.replay(case, at=moment).case == then
    assert engine.replay(case).matches_stored
    # every move of such a history was legal, its own rules would make it again, and they leave nothing stuck
    for by in RulesOf:
        assert {ruling.answer for ruling in engine.replay(case, by=by).rulings} == {Answer.YES}
    with engine.database.reading() as store:
        stuck = stuck_cases(store, engine.rules, local_day(clock.now()), lambda: None)
        # the examples share one database: the cases of earlier ones have grown older since they were looked at
        assert case not in [one.case for one in stuck]


def test_replay_says_what_changed_at_each_step_up_to_the_moment(engine: Engine) -> None:
    case = bring(engine, "registered")
    engine.record(case, {"registration": {"kvk_number": "00000007"}})
    engine.note(case, "gebeld")

    replayed = engine.replay(case, seq=3)

    assert [step.event.seq for step in replayed.steps] == [1, 2, 3]
    assert replayed.steps[-1].changes == {"registration.kvk_number": (None, "00000007")}


def test_a_case_is_replayed_by_the_states_of_the_version_that_judged_it(engine: Engine, clock: SetClock) -> None:
    case = bring(engine, "confirmed")
    states = tuple(replace(state, final=False, ladder=()) for state in EMPLOYER_COUPLING.states)

    later = Engine(engine.database, replace(EMPLOYER_COUPLING, version="later", states=states), clock=clock)

    assert later.replay(case).matches_stored
    assert later.replay(case).case.ended_at == clock.moment


def forge(engine: Engine, *statements: str) -> None:
    """Do to the rows what no statement of Schakel's does, and what the database itself would refuse."""
    with bare(engine.database.url.render_as_string()) as connection:
        for name in [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)


def test_a_name_that_turned_out_to_be_a_persons_is_masked_at_every_step(engine: Engine) -> None:
    case = engine.open_case({"registration": {"company_name": "Jansen Klussen"}}).case.reference
    before = engine.history(case)[0].changes["registration.company_name"]
    engine.record(case, {"registration": {"wage_tax_number": "012345672L01"}})
    replayed = engine.replay(case, seq=1)

    told = [engine.history(case)[0].changes, replayed.steps[0].changes]
    masked = engine.definition.domain.mask(replayed.case.facts, replayed.known)["registration"]["company_name"]

    assert before == (None, "Jansen Klussen")
    assert [changes["registration.company_name"] for changes in told] == [(None, masked)] * 2
    assert masked == "J•••••"


def saying(text: str, seq: int = 2) -> str:
    return f"UPDATE events SET canonical = CAST({text} AS BLOB) WHERE seq = {seq}"


def telling(path: str, value: str) -> str:
    return saying(f"json_set(CAST(canonical AS TEXT), '{path}', {value})")


NO_EVENT = saying("'{}'")
NESTED = saying(f"'{'[' * 100_000}'")


@pytest.mark.parametrize(
    "forged",
    [
        NO_EVENT,
        NESTED,
        saying("'no json'", seq=1),
        "UPDATE events SET canonical = 'no bytes' WHERE seq = 1",
        "DELETE FROM events",
        "DELETE FROM events WHERE seq = 1",
        "UPDATE private_values SET value = 'no json'",
    ],
)
def test_a_history_that_cannot_be_read_is_said_to_be_altered(sqlite_engine: Engine, forged: str) -> None:
    case = bring(sqlite_engine, "registered")
    forge(sqlite_engine, forged)

    with pytest.raises(HistoryBroken, match=f"{case}.*audit verify"):
        sqlite_engine.replay(case)


@pytest.mark.parametrize("ask", [Engine.history, Engine.case])
@pytest.mark.parametrize("forged", [NO_EVENT, NESTED])
def test_whoever_reads_such_a_history_says_so(sqlite_engine: Engine, ask: Callable[..., object], forged: str) -> None:
    case = bring(sqlite_engine, "registered")
    forge(sqlite_engine, forged)

    with pytest.raises(HistoryBroken, match=f"{case}.*audit verify"):
        ask(sqlite_engine, case)


SPOILT = {
    "facts": ["{", "[]", "null", '{"registration":5}'],
    "progress": ["{", "{}", "[]", "5"],
    "at": ["x"],
    "opened_at": ["5"],
    "ended_at": ["", "x"],
    "due_at": ["5"],
}


@pytest.mark.parametrize("ask", [Engine.history, Engine.replay, Engine.case, Engine.why])
@pytest.mark.parametrize(("column", "value"), [(column, value) for column, all_ in SPOILT.items() for value in all_])
def test_a_case_whose_row_cannot_be_read_is_said_to_be_altered(
    sqlite_engine: Engine, ask: Callable[..., object], column: str, value: str
) -> None:
    case = bring(sqlite_engine, "registered")
    forge(sqlite_engine, f"UPDATE cases SET {column} = '{value}'")

    with pytest.raises(HistoryBroken, match=f"{case}.*audit verify {case}"):
        ask(sqlite_engine, case)


@pytest.mark.parametrize(("column", "value"), [("facts", "[]"), ("progress", "{}")])
def test_so_it_is_on_either_database_and_when_it_is_to_be_changed(
    engine: Engine, url: str, column: str, value: str
) -> None:
    case = bring(engine, "registered")
    run(url, f"UPDATE cases SET {column} = '{value}'")

    for ask in (engine.history, engine.replay, engine.case, engine.why, engine.resume):
        with pytest.raises(HistoryBroken, match=f"{case}.*audit verify {case}"):
            ask(case)


def progress(**spoilt: object) -> str:
    """What a row says of a case's progress, with something of it altered."""
    return json.dumps({"accepted": {}, "told": {}, "holds": [], "held_until": None, "rung": 0} | spoilt)


@pytest.mark.parametrize(
    "spoilt",
    [{"rung": "x"}, {"rung": -1}, {"rung": None}, {"told": [1]}, {"told": "x"}, {"held_until": "2026-05-01"}],
    ids=str,
)
def test_so_it_is_of_progress_that_can_be_read_but_not_gone_on_with(
    engine: Engine, url: str, spoilt: dict[str, object]
) -> None:
    case = bring(engine, "registered")
    run(url, f"UPDATE cases SET progress = '{progress(**spoilt)}'")

    _is_told_by_every_command(engine, case)


def test_so_it_is_of_a_place_in_history_that_no_event_can_have(engine: Engine, url: str) -> None:
    case = bring(engine, "registered")
    run(url, largest(url, "UPDATE cases SET seq = LARGEST"))

    _is_told_by_every_command(engine, case)


@pytest.mark.parametrize("column", ["seq", "version", "head", "state", "external_reference"])
def test_so_it_is_of_a_column_that_sqlite_lets_hold_anything(sqlite_engine: Engine, column: str) -> None:
    case = bring(sqlite_engine, "registered")
    forge(sqlite_engine, f"UPDATE cases SET {column} = x'00'")

    _is_told_by_every_command(sqlite_engine, case)


def _is_told_by_every_command(engine: Engine, case: str) -> None:
    until = local_day(engine.clock.now()) + timedelta(days=3)
    asks: list[Callable[[], object]] = [
        lambda: engine.case(case),
        lambda: engine.note(case, "gebeld"),
        lambda: engine.hold(case, until, "wacht"),
        lambda: engine.record(case, {"registration": {"contact_name": "Iemand anders"}}),
        lambda: engine.advance(case, "withdraw", reason="op verzoek"),
    ]
    for ask in asks:
        with pytest.raises(HistoryBroken, match=f"{case}.*audit verify {case}"):
            ask()


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("facts", "[]", r"row of a case .*somebody altered it.*: schakel audit verify$"),
        ("progress", "{}", r"row of a case .*somebody altered it.*: schakel audit verify$"),
        (
            "state",
            "nowhere",
            r"K-\S+ is 'nowhere', a state that version \S+ of 'employer_coupling' does not have: .*K-\S+$",
        ),
    ],
)
def test_a_list_with_a_case_that_cannot_be_read_is_said_to_be_altered(
    engine: Engine, url: str, column: str, value: str, said: str
) -> None:
    bring(engine, "registered")
    run(url, f"UPDATE cases SET {column} = '{value}'")

    for ask in (engine.cases, lambda: forecast(engine.database, engine.rules, engine.clock.now(), 30)):
        with pytest.raises(HistoryBroken, match=said):
            list(ask())


@pytest.mark.parametrize("column", ["reference", "external_reference"])
def test_so_it_is_of_a_list_with_a_name_that_is_no_text(sqlite_engine: Engine, column: str) -> None:
    bring(sqlite_engine, "registered")
    forge(sqlite_engine, f"UPDATE cases SET {column} = x'80'")

    with pytest.raises(HistoryBroken, match=r"row of a case .*somebody altered it"):
        list(sqlite_engine.cases())


def test_a_state_that_there_is_not_is_said_to_be_altered(engine: Engine, url: str) -> None:
    case = bring(engine, "registered")
    run(url, "UPDATE cases SET state = 'nowhere'")

    asks = (engine.case, engine.why, engine.advance, engine.resume, lambda one: engine.note(one, "gebeld"))
    for ask in asks:
        with pytest.raises(HistoryBroken, match=f"{case}.*audit verify {case}"):
            ask(case)
    assert not engine.replay(case).matches_stored


def test_a_row_that_lags_behind_its_own_history_is_said_to_be_altered(engine: Engine, url: str) -> None:
    case, gone = bring(engine, "registered"), bring(engine, "withdrawn")
    known = engine.case(case).case
    run(url, "UPDATE cases SET seq = seq - 1")
    before = {table: count(url, table) for table in ("events", "private_values", "outbox", "timers")}

    def look_at_loket() -> None:
        seen = {"loket_seen": {"checked_on": "2026-04-20"}}, Observation({}, {})
        now, version = engine.clock.now(), known.version
        observe(engine.database, engine.rules, case, lambda *_: seen, now=now, origin=WORKER, version=version)

    def erase_it() -> None:
        erase(engine.database, engine.rules, engine.clock.now(), WORKER, gone, Wish("verzoek", "AVG 17", 7))

    asks: list[Callable[[], object]] = [
        lambda: engine.note(case, "gebeld"),
        lambda: engine.record(case, {"registration": {"contact_name": "Iemand anders"}}),
        lambda: engine.advance(case, "withdraw", reason="op verzoek"),
        lambda: engine.advance(case),  # refused, which its history should say
        lambda: engine.hold(case, local_day(engine.clock.now()) + timedelta(days=3), "wacht"),
        look_at_loket,
        erase_it,
    ]
    for ask in asks:
        with pytest.raises(HistoryBroken, match=rf"({case}|{gone}).*audit verify ({case}|{gone})"):
            ask()
    assert {table: count(url, table) for table in before} == before


def test_another_writer_who_is_first_twice_is_no_reason_to_call_a_case_altered(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = bring(engine, "registered")
    tried = []

    def ended(store: Store, works: list[Work]) -> None:
        tried.append(works)
        raise Overtaken("two writers of many rows met crosswise")

    monkeypatch.setattr(Store, "write", ended)

    with pytest.raises(Overtaken, match="crosswise"):
        engine.note(case, "gebeld")
    assert len(tried) == 2


FORGED_WORDS = (
    # in the bytes of an event, with its column made to fit; in a value, or its salt; and a value that is gone
    ("UPDATE events SET actor = 'mallory', canonical = ? WHERE seq = 2", "bytes"),
    ("UPDATE events SET hash = ? WHERE seq = 2", "0" * 64),
    ("UPDATE private_values SET value = ? WHERE path = 'text'", '"niet gebeld"'),
    ("UPDATE private_values SET salt = ? WHERE path = 'text'", b"x"),
    ("DELETE FROM private_values WHERE path = 'text' AND value <> ?", ""),
    ("UPDATE private_values SET path = ? WHERE path = 'text'", "reason"),
)


@pytest.mark.parametrize(("sql", "value"), FORGED_WORDS)
def test_a_history_that_gives_the_stored_case_may_be_altered_all_the_same(
    engine: Engine, url: str, sql: str, value: object
) -> None:
    case = bring(engine, "registered")
    engine.note(case, "gebeld")
    assert engine.replay(case).is_intact

    if value == "bytes":
        value = bytes(events_of(url, case)[1]["canonical"]).replace(b'"actor":"', b'"actor":"x')
    put(url, sql, value)

    replayed = engine.replay(case)
    assert (replayed.matches_stored, replayed.is_intact) == (True, False)


def test_a_history_with_a_value_that_nothing_can_write_again_cannot_be_replayed(engine: Engine, url: str) -> None:
    case = bring(engine, "registered")
    engine.note(case, "gebeld")
    put(url, "UPDATE private_values SET value = ? WHERE path = 'text'", "[" * 900 + "]" * 900)

    with pytest.raises(HistoryBroken, match=case):
        engine.replay(case)


def test_a_history_whose_values_were_erased_is_intact(engine: Engine, url: str) -> None:
    case = bring(engine, "withdrawn")
    engine.note(case, "gebeld")
    erase(engine.database, engine.rules, engine.clock.now(), WORKER, case, Wish("verzoek", "AVG 17", 7))
    assert count(url, "private_values") == 0

    assert engine.replay(case).is_intact


def test_a_move_on_a_day_that_no_calendar_has_is_said_to_be_altered(sqlite_engine: Engine) -> None:
    case = bring(sqlite_engine, "registered")
    forge(sqlite_engine, telling("$.at", "'9999-12-31T23:59:59.000000Z'"))

    with pytest.raises(HistoryBroken, match=f"{case}.*audit verify"):
        sqlite_engine.replay(case, by=RulesOf.NOW)


ZONED = "at must be a datetime with its time zone, such as UTC, not"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"at": datetime(2030, 1, 1)}, f"{ZONED} a datetime without one"),  # noqa: DTZ001
        ({"at": date(2030, 1, 1)}, f"{ZONED} date"),
        ({"at": "2030-01-01"}, f"{ZONED} str"),
        ({"seq": "1"}, "seq must be a whole number, not str"),
        ({"seq": 1.0}, "seq must be a whole number, not float"),
        ({"seq": True}, "seq must be a whole number, not bool"),
        ({"seq": 2**63}, "seq is too large a number"),
        ({"by": "old"}, "by must be one of then, now"),
    ],
    ids=str,
)
def test_what_no_case_can_be_replayed_by_is_the_callers_fault_and_not_the_historys(
    engine: Engine, asked: dict[str, Any], said: str
) -> None:
    case = bring(engine, "registered")

    with pytest.raises(UsageError, match=f"^{said}.$"):
        engine.replay(case, **asked)


def test_the_rules_to_replay_by_may_be_given_by_their_word(engine: Engine) -> None:
    case = bring(engine, "registered")

    assert engine.replay(case, by="now").rulings == engine.replay(case, by=RulesOf.NOW).rulings != ()  # type: ignore[arg-type]


@pytest.mark.parametrize(("was", "now"), [(":true", ":1"), (":false", ":0.0")])
def test_a_row_that_python_holds_equal_to_its_history_is_not_what_it_gives(
    engine: Engine, url: str, was: str, now: str
) -> None:
    case = bring(engine, "registered")
    before = engine.replay(case).matches_stored

    run(url, f"UPDATE cases SET facts = replace(facts, '{was}', '{now}')")

    assert (before, engine.replay(case).matches_stored) == (True, False)
