"""What a team meets that runs a workflow of its own: what its code may do, and what it is told when it may not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from threading import Barrier
from typing import Any

import pytest
from leave import ASKED, LEAVE, Leave, finding, sized, with_first, with_ladder
from tampering import put, run

from notifications import checkpoint, overview
from workflow import CannotFire, Database, Engine, HistoryBroken, Origin, Refused, Row, RulesOf, StoreError, UsageError
from workflow.answers import Returned
from workflow.clock import AMSTERDAM, SetClock
from workflow.definition import Definition, Move, Rung
from workflow.digest import canonical_form, digest_of
from workflow.domain import Key, Occasion
from workflow.erasure import Wish, erase
from workflow.errors import Conflict
from workflow.facts import Context, Facts, Json, Problem, Severity
from workflow.forecast import forecast
from workflow.history import evolve
from workflow.ledger import sequencer
from workflow.ledger.audit import verify_database
from workflow.reminders import run_once

WORKER = Origin("worker", "worker", "worker")
Running = Callable[[Definition], Engine]
"""An engine that runs a workflow on the test's database."""


@pytest.fixture
def running(database: Database, clock: SetClock) -> Running:
    return lambda definition: Engine(database, definition, clock=clock)


def findings(engine: Engine) -> list[str]:
    """What the verifier finds in the engine's database."""
    return [found.code for found in verify_database(engine.database, engine.definition, None).findings]


def with_domain(domain: Any) -> Definition:
    return replace(LEAVE, domain=domain)


class NoLanguage(Leave):
    def language(self, role: str, facts: Any) -> Any:
        return None


@pytest.mark.parametrize("package", ["workflow", "states", "notifications"])
def test_a_type_checker_reads_the_types_of_what_is_installed(package: str) -> None:
    assert files(package).joinpath("py.typed").is_file()


def test_what_a_database_refuses_is_told_without_the_values_of_its_row(running: Running) -> None:
    with pytest.raises(StoreError) as error:
        running(with_domain(NoLanguage())).open_case(ASKED)

    assert "language" in str(error.value)
    assert "example.com" not in str(error.value)


def open_leave(engine: Engine, **review: int) -> str:
    facts = {**ASKED, "review": review} if review else ASKED
    return engine.open_case(facts).case.reference


def test_a_move_is_not_made_without_a_sheet_that_it_requires(running: Running) -> None:
    engine = running(with_first(requires=("employee", "review")))
    case = open_leave(engine)

    (verdict, *_) = engine.why(case).moves
    with pytest.raises(Refused) as refusal:
        engine.advance(case)

    assert (verdict.allowed, verdict.problems, verdict.missing) == (False, (), ("review",))
    assert str(refusal.value) == f"{case} cannot submit yet: 1 reason. It requires something of: review."
    assert engine.history(case)[-1].event.body == {"problems": [], "sheets": ["review"]}
    engine.record(case, {"review": {"budget": 1}})
    assert engine.advance(case).target == "submitted"
    assert findings(engine) == []


def test_a_sheet_that_a_problem_tells_of_is_missed_once(running: Running) -> None:
    engine = running(with_first(requires=("employee", "review")))
    case = engine.open_case({"request": {"kind": "holiday"}}).case.reference

    with pytest.raises(Refused, match="2 reasons") as refusal:
        engine.advance(case)

    assert [problem.code for problem in refusal.value.problems] == ["NAME"]


def test_an_import_invites_whom_it_cannot_move_for_want_of_a_sheet(running: Running) -> None:
    engine = running(with_first(requires=("employee", "review")))

    (result,) = engine.import_rows([Row(1, "E1", ASKED)], advance=True)

    opened, refused = engine.history("E1")
    assert (result.state, refused.event.kind, opened.event.body["letters"]) == ("draft", "refused", ["welcome"])
    assert result.result == "reject"


@pytest.mark.parametrize("code", ["NAME", "UNHEARD_OF"])
def test_what_is_no_warning_of_the_workflow_is_accepted_by_nobody(running: Running, code: str) -> None:
    """The verifier would find a history with such a move false."""
    engine = running(with_first(validators=(finding(Problem(code, Severity.WARNING, "request.kind", "manager")),)))
    case = open_leave(engine)

    with pytest.raises(UsageError) as error:
        engine.advance(case, accept_warnings=True)
    results = list(engine.import_rows([Row(1, "E1", ASKED)], advance=True, accept_warnings=True))

    assert str(error.value) == f"{code} cannot be accepted: 'leave' has no warning of that code."
    assert [(result.result, result.message) for result in results] == [("error", str(error.value))]
    assert (engine.case(case).case.state, findings(engine)) == ("draft", [])


@pytest.mark.parametrize("severity", ["error", "fatal"])
def test_what_a_validator_writes_for_an_error_refuses(running: Running, severity: Any) -> None:
    engine = running(with_first(validators=(finding(Problem("NAME", severity, "request.kind", "manager")),)))
    case = open_leave(engine)

    with pytest.raises(Refused):
        engine.advance(case, accept_warnings=True)


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        (Origin(5, "x", "python"), "actor must be text, not int."),  # type: ignore[arg-type]
        (Origin("x", None, "python"), "os_user must be text, not NoneType."),  # type: ignore[arg-type]
        (Origin("x", "x", "a\nb"), "via holds a control character (U+000A) at position 2."),
        ("anna", "origin must be an Origin, not str."),
    ],
)
def test_an_origin_that_no_event_could_tell_is_refused(running: Running, origin: Any, said: str) -> None:
    engine = running(LEAVE)
    case = open_leave(engine)

    tries: tuple[Callable[[], object], ...] = (
        lambda: engine.note(case, "x", origin=origin),
        lambda: list(engine.import_rows([Row(1, "E1", ASKED)], origin=origin)),
        lambda: Engine(engine.database, LEAVE, origin=origin),
    )
    for attempt in tries:
        with pytest.raises(UsageError) as error:
            attempt()
        assert str(error.value) == said
    assert findings(engine) == []


def test_a_warning_about_two_fields_is_asked_again_when_either_changes(running: Running) -> None:
    engine = running(LEAVE)
    case = open_leave(engine, budget=50, level=50)
    engine.advance(case)

    moved = engine.advance(case, "escalate", reason="large", accept=["LARGE"])

    about = ["review.budget", "review.level"]
    assert moved.accepted == ("LARGE",)
    assert engine.history(case)[-1].event.body["accepted"] == [{"about": about, "code": "LARGE"}]
    assert engine.case(case).case.accepted == {"LARGE": tuple(about)}
    assert engine.case(case).problems == ()
    engine.record(case, {"review": {"budget": 99}})
    assert [problem.field for problem in engine.case(case).problems] == ["review.budget", "review.level"]
    with pytest.raises(Refused):
        engine.advance(case, "grant")
    assert findings(engine) == []
    assert engine.replay(case).matches_stored


def test_a_warning_accepted_for_one_field_does_not_stand_for_another(running: Running) -> None:
    engine = running(LEAVE)
    case = open_leave(engine, budget=50)
    engine.advance(case)
    engine.advance(case, "escalate", reason="large", accept=["LARGE"])

    engine.record(case, {"review": {"level": 50}})

    assert [problem.field for problem in engine.case(case).problems] == ["review.level"]
    with pytest.raises(Refused) as refusal:
        engine.advance(case, "grant")
    assert [problem.field for problem in refusal.value.problems] == ["review.level"]


def test_what_is_accepted_later_adds_to_what_stands(running: Running) -> None:
    once_more = Move("again", ("second_opinion",), "second_opinion", (sized,), needs_reason=True)
    engine = running(replace(LEAVE, moves=(*LEAVE.moves, once_more)))
    case = open_leave(engine, budget=50)
    engine.advance(case)
    engine.advance(case, "escalate", reason="large", accept=["LARGE"])
    engine.record(case, {"review": {"level": 50}})

    engine.advance(case, "again", reason="larger", accept=["LARGE"])

    assert engine.history(case)[-1].event.body["accepted"] == [{"about": ["review.level"], "code": "LARGE"}]
    assert engine.case(case).case.accepted == {"LARGE": ("review.budget", "review.level")}
    assert (engine.case(case).problems, findings(engine)) == ((), [])


def test_of_an_older_event_that_names_a_code_twice_the_last_counts_as_it_did_when_it_was_stored(
    running: Running,
) -> None:
    engine = running(LEAVE)
    case = open_leave(engine, budget=50, level=50)
    engine.advance(case)
    before = engine.case(case).case
    engine.advance(case, "escalate", reason="large", accept=["LARGE"])
    twice = [{"about": [f"review.{name}"], "code": "LARGE"} for name in ("budget", "level")]
    event = engine.history(case)[-1].event._replace(body={"accepted": twice})

    assert evolve(LEAVE, before, event, {}).accepted == {"LARGE": ("review.level",)}


def test_a_move_onward_that_asks_for_a_reason_sends_nothing_back(running: Running, clock: SetClock) -> None:
    engine = running(LEAVE)
    case = open_leave(engine)
    clock.moment += timedelta(hours=1)
    engine.advance(case)
    engine.advance(case, "escalate", reason="large")

    escalated = engine.case(case).returned, engine.why(case).returned
    engine.advance(case, "send_back", reason="which days?")

    assert escalated == (None, None)
    assert engine.case(case).returned == Returned(clock.moment, "send_back", "which days?")


def test_of_one_trigger_from_two_sides_only_what_leads_back_sends_back(running: Running, clock: SetClock) -> None:
    to_submitted = Move("ask_again", ("draft", "second_opinion"), "submitted", needs_reason=True)
    engine = running(replace(LEAVE, moves=(*LEAVE.moves, to_submitted)))
    case = open_leave(engine)

    engine.advance(case, "ask_again", reason="quickly")
    onward = engine.case(case).returned
    engine.advance(case, "escalate", reason="large")
    engine.advance(case, "ask_again", reason="not that large")

    assert onward is None
    assert engine.case(case).returned == Returned(clock.moment, "ask_again", "not that large")


def test_a_database_holds_cases_of_one_workflow(running: Running) -> None:
    engine = running(LEAVE)
    case = open_leave(engine)
    other = running(replace(LEAVE, name="onboarding"))

    for attempt in (lambda: other.open_case(ASKED), lambda: other.advance(case)):
        with pytest.raises(StoreError) as error:
            attempt()
        assert str(error.value) == (
            "The cases of this database are of 'leave'; 'onboarding' needs a database of its own: nothing was written."
        )

    assert [step.event.kind for step in engine.history(case)] == ["opened"]
    running(replace(LEAVE, version="2")).advance(case)


def test_of_two_workflows_that_write_first_at_the_same_moment_one_is_refused(
    running: Running, database: Database
) -> None:
    engines = [running(LEAVE), running(replace(LEAVE, name="onboarding"))]
    both = Barrier(2)

    def begin(engine: Engine) -> str:
        list(engine.cases())
        both.wait()
        try:
            return engine.open_case(ASKED).case.state
        except (StoreError, Conflict) as error:
            return type(error).__name__

    with ThreadPoolExecutor(2) as pool:
        told = sorted(pool.map(begin, engines))

    with database.reading() as store:
        assert store.execute("SELECT count(*) FROM definitions").fetchone()[0] == 1
    assert told == ["StoreError", "draft"]


def test_a_database_that_holds_cases_of_two_workflows_from_before_goes_on_with_both(
    running: Running, database: Database
) -> None:
    case = open_leave(running(LEAVE))
    with database.writing() as store:
        store.execute(
            "INSERT INTO definitions (name, version, digest, canonical) "
            "SELECT 'onboarding', version, digest, canonical FROM definitions"
        )

    running(replace(LEAVE, version="2")).advance(case)


def test_a_case_that_an_older_version_let_go_on_under_another_name_is_not_called_altered(
    running: Running, url: str
) -> None:
    case, renamed = open_leave(running(LEAVE)), replace(LEAVE, name="onboarding")
    canonical = canonical_form(renamed)
    insert = "INSERT INTO definitions (name, version, digest, canonical) VALUES (?, ?, ?, ?)"
    put(url, insert, renamed.name, renamed.version, digest_of(canonical), canonical)

    engine = running(renamed)
    engine.advance(case)

    assert {step.event.definition[0] for step in engine.history(case)} == {"leave", "onboarding"}
    assert findings(engine) == []


ANCHORED = Rung("r1", 1, "nudge", "manager", anchor="request.first_day")


@pytest.mark.parametrize("day", ["next monday", "9999-12-31", "", 7, None])
def test_a_reminder_from_a_day_that_is_none_waits_until_it_is_known(
    running: Running, clock: SetClock, day: Any
) -> None:
    engine = running(with_ladder(ANCHORED))
    other, facts = open_leave(engine), {**ASKED, "request": {"first_day": day}}

    case = engine.open_case(facts).case.reference
    imported = [result.result for result in engine.import_rows([Row(1, "E1", ASKED), Row(2, "E2", facts)])]
    engine.record(other, {"request": {"first_day": day}})

    assert (imported, engine.case(case).due_at, engine.case(other).due_at) == (["accept", "accept"], None, None)
    engine.record(case, {"request": {"first_day": "2026-04-21"}})
    clock.moment += timedelta(days=3)
    assert run_once(engine.database, engine.rules, clock.moment, WORKER).reminders == 1
    assert [step.event.kind for step in engine.history(other)] == ["opened", "recorded"]
    assert findings(engine) == []


def test_a_reminder_of_a_kind_that_does_not_climb_is_told_instead_of_fired_for_ever(
    running: Running, clock: SetClock
) -> None:
    engine = running(with_ladder(replace(ANCHORED, kind="noted", anchor=None)))
    case = open_leave(engine)
    clock.moment += timedelta(days=3)

    with pytest.raises(CannotFire) as error:
        run_once(engine.database, engine.rules, clock.moment, WORKER)

    assert error.value.cases == (case,)


def test_a_clock_of_another_zone_tells_both_hours_of_the_night_clocks_go_back(
    running: Running, clock: SetClock
) -> None:
    engine = running(LEAVE)
    told = []
    for fold in (0, 1):
        clock.moment = datetime(2026, 10, 25, 2, 30, fold=fold, tzinfo=AMSTERDAM)
        told.append(engine.open_case(ASKED).event.at)

    assert told == [datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)]
    assert [case.entered_at for case in engine.cases()] == told
    assert findings(engine) == []


def test_a_clock_that_does_not_say_its_zone_is_refused(running: Running, clock: SetClock) -> None:
    engine = running(LEAVE)
    case = open_leave(engine)
    clock.moment = datetime(2026, 4, 20, 8)  # noqa: DTZ001  (that is the fault)

    for attempt in (lambda: engine.open_case(ASKED), lambda: engine.case(case), lambda: list(engine.cases())):
        with pytest.raises(UsageError, match="now of the clock must be a datetime with its time zone"):
            attempt()


def test_a_pass_that_is_given_a_moment_without_its_zone_is_refused_too(running: Running) -> None:
    """Read in the machine's own zone it would be another hour, and of another day."""
    engine = running(LEAVE)
    case = open_leave(engine)
    naive = datetime(2026, 4, 24, 8, 30)  # noqa: DTZ001  (that is the fault)
    passes: tuple[Callable[[], object], ...] = (
        lambda: run_once(engine.database, engine.rules, naive, WORKER),
        lambda: list(forecast(engine.database, engine.rules, naive, 30)),
        lambda: sequencer.run_once(engine.database, None, naive),
        lambda: overview.run_once(engine.database, engine.rules, naive),
        lambda: checkpoint.run_once(engine.database, engine.rules, naive),
        lambda: erase(engine.database, engine.rules, naive, WORKER, case, Wish("x", "AVG", 7)),
    )

    for attempt in passes:
        with pytest.raises(UsageError, match=r"^now must be a datetime with its time zone"):
            attempt()


def counted(facts: Facts, context: Context) -> Iterator[Problem]:
    """Fails on what nobody recorded."""
    if int(facts["review"]["budget"]) > 10:  # type: ignore[arg-type]
        yield Problem("LARGE", Severity.WARNING, "review.budget", "manager")


def with_counted() -> Definition:
    return replace(LEAVE, moves=tuple(replace(move, validators=(counted,)) for move in LEAVE.moves))


class Careless(Leave):
    """Fails on what nobody recorded."""

    def keys(self, facts: Facts) -> tuple[Key, ...]:
        return (Key("number", str(facts["employee"]["nickname"])),)

    def title(self, facts: Facts) -> str:
        return str(facts["employee"]["nickname"])

    def mask(self, facts: Facts, known: Facts | None = None, *, outside: bool = False) -> Any:
        return facts["employee"]["nickname"]

    def letter_context(self, occasion: Occasion) -> dict[str, Json]:
        return {"name": occasion.facts["employee"]["nickname"]}


def test_what_fails_in_the_code_of_a_workflow_is_told_as_that_and_not_as_altered(running: Running) -> None:
    case = open_leave(running(LEAVE))
    running(LEAVE).advance(case)
    engine, careless = running(with_counted()), running(with_domain(Careless()))

    fails: tuple[Callable[[], object], ...] = (
        lambda: engine.case(case),
        lambda: engine.why(case),
        lambda: engine.advance(case),
        lambda: engine.replay(case, by=RulesOf.NOW),
        lambda: careless.case(case),
        lambda: list(careless.cases()),
        lambda: careless.history(case),
        lambda: list(forecast(careless.database, careless.rules, careless.clock.now(), 30)),
    )
    for fail in fails:
        with pytest.raises(KeyError):
            fail()


def test_a_case_that_climbed_another_ladder_than_todays_is_not_said_to_be_altered(
    running: Running, clock: SetClock
) -> None:
    """Each event is folded by the version that judged it: there the day that was recorded began the reminders anew."""
    engine = running(with_ladder(ANCHORED))
    case = open_leave(engine)
    clock.moment = datetime(2026, 6, 10, 8, tzinfo=UTC)
    run_once(engine.database, engine.rules, clock.moment, WORKER)
    engine.record(case, {"request": {"first_day": "2026-07-01"}})
    careless = running(replace(with_domain(Careless()), version="2"))

    for ask in (lambda: careless.case(case), lambda: list(careless.cases()), lambda: careless.history(case)):
        with pytest.raises(KeyError):
            ask()
    assert findings(careless) == []


@pytest.mark.parametrize(
    "column", ["facts = '{\"employee\": {}}'", "facts = replace(facts, ':50', ':50.0')", "head = 'x'", "version = 7"]
)
def test_but_an_altered_case_is_told_as_altered_whatever_fails_on_it(running: Running, url: str, column: str) -> None:
    case = open_leave(running(LEAVE), budget=50)
    careless = running(with_domain(Careless()))
    run(url, f"UPDATE cases SET {column}")

    for ask in (lambda: careless.case(case), lambda: list(careless.cases()), lambda: careless.history(case)):
        with pytest.raises(HistoryBroken, match="somebody altered it"):
            ask()


def test_a_value_that_was_altered_beside_failing_code_hides_neither(running: Running, url: str) -> None:
    """Replay stops at the first value that is none; what is read of the rules after that is read all the same."""
    case = open_leave(running(LEAVE))
    careless = running(with_domain(Careless()))
    run(url, "UPDATE private_values SET salt = 'x'")

    with pytest.raises(KeyError):
        careless.replay(case)


def test_a_case_in_a_state_that_a_new_version_renamed_is_not_said_to_be_altered(running: Running) -> None:
    engine = running(LEAVE)
    case = open_leave(engine)
    renamed = tuple(replace(state, name="noted") if state.name == "draft" else state for state in LEAVE.states)
    moves = tuple(replace(move, sources=("noted",)) if "draft" in move.sources else move for move in LEAVE.moves)
    later = running(replace(LEAVE, version="2", initial="noted", states=renamed, moves=moves))

    asks: tuple[Callable[[], object], ...] = (
        lambda: later.case(case),
        lambda: later.why(case),
        lambda: list(later.cases()),
        lambda: later.note(case, "x"),
        lambda: list(forecast(later.database, later.rules, later.clock.now(), 30)),
    )
    for ask in asks:
        with pytest.raises(HistoryBroken) as error:
            ask()
        assert str(error.value) == (
            f"{case} is 'draft', a state that version 2 of 'leave' does not have: another version put it there, or "
            f"somebody altered it. To see which, run: schakel audit verify {case}"
        )
    assert [step.event.kind for step in later.history(case)] == ["opened"]


def test_what_no_database_can_hold_is_searched_for_by_nobody(running: Running) -> None:
    for text in ("a\ud800b", "a\0b"):
        with pytest.raises(UsageError, match="search holds a control character"):
            list(running(LEAVE).cases(search=text))


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (-1, "from 0 to 3660, not -1"),
        (10**7, "from 0 to 3660, not 10000000"),
        (None, "from 0 to 3660, not None"),
        ("7", "a whole number, not str"),
        (True, "a whole number, not bool"),
    ],
)
def test_a_forecast_of_days_that_there_are_not_is_refused(running: Running, days: Any, said: str) -> None:
    engine = running(LEAVE)

    with pytest.raises(UsageError, match=f"days must be {said}"):
        list(forecast(engine.database, engine.rules, engine.clock.now(), days))


class Trusting(Leave):
    """Takes whatever it is given."""

    def parse(self, sheet: str, given: Any) -> dict[str, Json]:
        return dict(given)


@pytest.mark.parametrize("value", [1.5, 2**60, "a\ud800", b"x"], ids=repr)
@pytest.mark.parametrize("path", ["employee.name", "request.kind"])
def test_what_no_history_can_hold_is_refused_and_takes_no_other_row_with_it(
    running: Running, path: str, value: Any
) -> None:
    """Whether it is told in the event or only committed to."""
    engine = running(with_domain(Trusting()))
    sheet, _, name = path.partition(".")
    facts = {**ASKED, sheet: {**ASKED[sheet], name: value}}

    with pytest.raises(UsageError, match="No history can hold that"):
        engine.open_case(facts)
    results = list(engine.import_rows([Row(1, "E1", ASKED), Row(2, "E2", facts), Row(3, "E3", ASKED)]))

    assert [result.result for result in results] == ["accept", "error", "accept"]
    assert [case.external_reference for case in engine.cases()] == ["E1", "E3"]


def test_what_is_of_another_kind_than_a_command_takes_is_a_usage_error(running: Running) -> None:
    engine: Any = running(LEAVE)
    case = open_leave(engine)
    day = engine.clock.now().date() + timedelta(days=3)
    wrong: dict[str, Callable[[], object]] = {
        "case must be text, not NoneType.": lambda: engine.case(None),
        "case must be text, not int.": lambda: engine.note(5, "x"),
        "The note is empty; write what should be remembered.": lambda: engine.note(case, None),
        "text must be text, not int.": lambda: engine.note(case, 5),
        "reason must be text, not int.": lambda: engine.hold(case, day, 5),
        "There is no trigger '5'": lambda: engine.advance(case, 5),
        "accept must be codes of warnings, not NoneType.": lambda: engine.advance(case, accept=None),
        "accept must be codes of warnings, not str.": lambda: engine.advance(case, accept="LARGE"),
        "There is no problem code '5'": lambda: engine.advance(case, accept=[5]),
        "key must be text, not int.": lambda: engine.advance(case, key=5),
        "external_reference must be text, not int.": lambda: engine.open_case(ASKED, external_reference=5),
        "facts must be an object with sheets, not NoneType.": lambda: engine.open_case(None),
        "'review' must be an object with fields.": lambda: engine.record(case, {"review": None}),
    }
    for said, attempt in wrong.items():
        with pytest.raises(UsageError) as error:
            attempt()
        assert str(error.value).startswith(said)
    with pytest.raises(Refused):
        engine.hold(case, day, None)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (Row(2, None, ASKED), "external_reference is empty"),  # type: ignore[arg-type]
        (Row(2, 5, ASKED), "external_reference must be text, not int."),  # type: ignore[arg-type]
        (Row(2, "E2", None), "facts must be an object with sheets, not NoneType."),  # type: ignore[arg-type]
    ],
)
def test_a_row_of_another_kind_takes_no_other_with_it(running: Running, row: Row, said: str) -> None:
    results = list(running(LEAVE).import_rows([Row(1, "E1", ASKED), row, Row(3, "E3", ASKED)]))

    assert [result.result for result in results] == ["accept", "error", "accept"]
    assert str(results[1].message).startswith(said)
