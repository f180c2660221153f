"""Each rung once, at 09:00 Amsterdam on its working day: whole runs on a simulated clock.

The expected days were written by hand from a calendar of 2026 and 2027, not computed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from employers import bring, employer
from looking import bare, largest, look

from workflow import Database, Engine, Origin, open_database, reminders
from workflow.clock import AMSTERDAM, SetClock
from workflow.errors import CannotFire
from workflow.events import Kind
from workflow.reminders import Fired

WORKER = Origin("worker", "test", "worker")
RUNGS = (Kind.REMINDED, Kind.ESCALATED)
HOUR = timedelta(hours=1)
Climbed = list[tuple[str, str]]

SPRING = {
    "rights_pending": [
        ("reminder_1", "2026-04-28T07:00Z"),
        ("reminder_2", "2026-05-05T07:00Z"),
        ("escalation", "2026-05-05T07:00Z"),
    ],
    "registered": [
        ("reminder_1", "2026-04-23T07:00Z"),
        ("reminder_2", "2026-04-28T07:00Z"),
        ("escalation", "2026-05-05T07:00Z"),
    ],
    "enriched": [
        ("reminder_1", "2026-04-21T07:00Z"),
        ("reminder_2", "2026-04-22T07:00Z"),
        ("escalation", "2026-04-28T07:00Z"),
    ],
    "keylane_configuring": [
        ("reminder_1", "2026-05-05T07:00Z"),
        ("reminder_2", "2026-05-12T07:00Z"),
        ("escalation", "2026-05-28T07:00Z"),
    ],
    "confirmed": [],
}
"""Entered on Monday 20 April 2026; Koningsdag 27 April, Hemelvaartsdag 14 May and 2e Pinksterdag 25 May are off."""
AUTUMN = {
    "rights_pending": [("reminder_1", "2026-10-28T08:00Z")],
    "registered": [("reminder_1", "2026-10-26T08:00Z"), ("reminder_2", "2026-10-28T08:00Z")],
    "enriched": [
        ("reminder_1", "2026-10-22T07:00Z"),
        ("reminder_2", "2026-10-23T07:00Z"),
        ("escalation", "2026-10-28T08:00Z"),
    ],
}
"""Entered half an hour into Wednesday 21 October 2026; the clock goes back on Sunday 25 October."""
EASTER = {
    "rights_pending": [("reminder_1", "2027-03-31T07:00Z")],
    "registered": [("reminder_1", "2027-03-25T08:00Z"), ("reminder_2", "2027-03-31T07:00Z")],
    "enriched": [
        ("reminder_1", "2027-03-23T08:00Z"),
        ("reminder_2", "2027-03-24T08:00Z"),
        ("escalation", "2027-03-31T07:00Z"),
    ],
}
"""Entered on Monday 22 March 2027; Good Friday 26 March, the clock goes forward on Easter Sunday, Easter Monday."""
RUNS = [
    pytest.param("2026-04-20T10:00", "2026-06-01T23:00", SPRING, id="spring of 2026"),
    pytest.param("2026-10-21T00:30", "2026-10-30T23:00", AUTUMN, id="the clock goes back"),
    pytest.param("2027-03-22T10:00", "2027-04-02T23:00", EASTER, id="the clock goes forward"),
]


def local(text: str) -> datetime:
    """A moment by the clock in Amsterdam."""
    return datetime.fromisoformat(text).replace(tzinfo=AMSTERDAM).astimezone(UTC)


def hours(start: datetime, end: datetime) -> Iterator[datetime]:
    """Every whole hour after `start`, up to and including `end`."""
    moment = start.replace(minute=0) + HOUR
    while moment <= end:
        yield moment
        moment += HOUR


def fire(engine: Engine) -> Fired:
    return reminders.run_once(engine.database, engine.rules, engine.clock.now(), WORKER)


def walk(engine: Engine, clock: SetClock, moments: Iterable[datetime]) -> None:
    for moment in moments:
        clock.moment = moment
        fire(engine)


def until(engine: Engine, clock: SetClock, text: str) -> None:
    """Let every hour pass until this moment, by the clock in Amsterdam."""
    walk(engine, clock, hours(clock.moment, local(text)))
    clock.moment = local(text)


def climbed(engine: Engine, case: str) -> Climbed:
    """The rungs in a case's history, with the minute at which each fired."""
    events = (step.event for step in engine.history(case))
    return [(str(e.body["rung"]), f"{e.at:%Y-%m-%dT%H:%MZ}") for e in events if e.kind in RUNGS]


def letters_of_rungs(url: str) -> list[tuple[str, int]]:
    rows = look(url, "SELECT letter, case_id FROM outbox WHERE is_reminder ORDER BY id")
    return [(row["letter"], row["case_id"]) for row in rows]


# -- whole runs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("start", "end", "expected"), RUNS)
def test_each_rung_fires_once_at_nine_on_its_working_day(
    engine: Engine, clock: SetClock, url: str, start: str, end: str, expected: dict[str, Climbed]
) -> None:
    clock.moment = local(start)
    cases = {state: bring(engine, state) for state in expected}

    until(engine, clock, end)

    assert {state: climbed(engine, case) for state, case in cases.items()} == expected
    assert len(letters_of_rungs(url)) == sum(map(len, expected.values()))
    assert all(engine.replay(case).matches_stored for case in cases.values())


@pytest.mark.parametrize(("start", "end", "expected"), RUNS)
def test_a_pass_a_second_before_nine_fires_no_rung_and_one_at_nine_does(
    engine: Engine, clock: SetClock, start: str, end: str, expected: dict[str, Climbed]
) -> None:
    clock.moment = local(start)
    case = bring(engine, "enriched")
    first = datetime.fromisoformat(expected["enriched"][0][1])

    clock.moment = first - timedelta(seconds=1)
    before = fire(engine)
    clock.moment = first
    at_nine = fire(engine)

    assert (before, at_nine) == (Fired(), Fired(reminders=1))
    assert climbed(engine, case) == expected["enriched"][:1]


def test_the_last_rung_of_the_longest_ladder_fires_after_thirty_working_days(engine: Engine, clock: SetClock) -> None:
    case = bring(engine, "rights_pending")

    until(engine, clock, "2026-06-30T12:00")

    assert climbed(engine, case) == [*SPRING["rights_pending"], ("withdraw_question", "2026-06-04T07:00Z")]


def test_two_workers_at_once_fire_each_rung_once(
    url: str, clock: SetClock, make_engine: Callable[[Database], Engine]
) -> None:
    databases = [open_database(url) for _ in range(2)]
    workers = [make_engine(database) for database in databases]
    states = [state for state in SPRING for _ in range(4)]
    cases = [(state, bring(workers[0], state)) for state in states]

    with ThreadPoolExecutor(2) as threads:
        for moment in hours(clock.moment, local("2026-06-01T09:00")):
            if 8 <= moment.astimezone(AMSTERDAM).hour <= 10:
                clock.moment = moment
                list(threads.map(fire, workers))

    assert [climbed(workers[1], case) for _, case in cases] == [SPRING[state] for state, _ in cases]
    assert len(letters_of_rungs(url)) == sum(len(SPRING[state]) for state in states)
    assert all(workers[0].replay(case).matches_stored for _, case in cases)
    for database in databases:
        database.dispose()


# -- late ------------------------------------------------------------------------------------------------------------


def test_after_three_days_of_sleep_what_fell_due_fires_once_at_the_next_working_nine(
    engine: Engine, clock: SetClock
) -> None:
    registered, enriched = bring(engine, "registered"), bring(engine, "enriched")
    until(engine, clock, "2026-04-22T12:00")

    clock.moment = local("2026-04-25T12:00")  # a Saturday; Monday is Koningsdag
    until(engine, clock, "2026-04-30T12:00")

    assert climbed(engine, registered) == [("reminder_1", "2026-04-28T07:00Z"), ("reminder_2", "2026-04-28T07:00Z")]
    assert climbed(engine, enriched) == SPRING["enriched"]


def test_a_worker_that_wakes_in_the_afternoon_fires_then(engine: Engine, clock: SetClock) -> None:
    case = bring(engine, "registered")

    clock.moment = local("2026-04-24T16:20")
    fire(engine)

    assert climbed(engine, case) == [("reminder_1", "2026-04-24T14:20Z")]


def test_a_wake_up_on_a_saturday_waits_for_monday_nine(engine: Engine, clock: SetClock) -> None:
    clock.moment = local("2026-05-04T10:00")
    case = bring(engine, "registered")  # reminder 1 on Thursday 7 May

    until_saturday = local("2026-05-09T11:00")
    clock.moment = until_saturday
    on_saturday = fire(engine)
    until(engine, clock, "2026-05-11T08:59")
    before_nine = climbed(engine, case)
    until(engine, clock, "2026-05-11T09:00")

    assert (on_saturday, before_nine) == (Fired(), [])
    assert climbed(engine, case) == [("reminder_1", "2026-05-11T07:00Z"), ("reminder_2", "2026-05-11T07:00Z")]


def test_a_second_pass_at_the_same_moment_does_nothing(engine: Engine, clock: SetClock) -> None:
    for state in SPRING:
        bring(engine, state)
    clock.moment = local("2026-06-04T09:00")
    fire(engine)

    again = fire(engine)

    assert again == Fired()


# -- after the state was left -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("trigger", ["register", "withdraw"])
def test_no_rung_of_a_state_that_was_left_fires(engine: Engine, clock: SetClock, trigger: str) -> None:
    case = bring(engine, "rights_pending")
    until(engine, clock, "2026-04-28T08:59")

    engine.advance(case, trigger, reason="op verzoek" if trigger == "withdraw" else None)
    until(engine, clock, "2026-06-10T12:00")

    if trigger == "withdraw":
        assert climbed(engine, case) == []
    else:  # entered registered on 28 April: 3, 5 and 10 working days later
        assert climbed(engine, case) == [
            ("reminder_1", "2026-05-01T07:00Z"),
            ("reminder_2", "2026-05-05T07:00Z"),
            ("escalation", "2026-05-12T07:00Z"),
        ]


def test_a_state_that_is_entered_again_begins_its_ladder_anew(engine: Engine, clock: SetClock) -> None:
    case = bring(engine, "registered")
    until(engine, clock, "2026-04-23T12:00")
    engine.advance(case, "enrich")
    until(engine, clock, "2026-04-23T15:00")

    engine.advance(case, "return_to_asr", reason="polis ontbreekt")
    until(engine, clock, "2026-05-06T12:00")

    assert climbed(engine, case) == [
        ("reminder_1", "2026-04-23T07:00Z"),
        ("reminder_1", "2026-04-29T07:00Z"),
        ("reminder_2", "2026-05-01T07:00Z"),
    ]


# -- holds -----------------------------------------------------------------------------------------------------------


def test_no_rung_fires_on_hold_and_each_comes_as_many_working_days_later(engine: Engine, clock: SetClock) -> None:
    case = bring(engine, "registered")
    until(engine, clock, "2026-04-22T12:00")

    engine.hold(case, date(2026, 5, 6), "wacht op derde")  # 22 April up to 5 May does not count: 21 April was day 1
    until(engine, clock, "2026-05-05T23:00")
    during = climbed(engine, case)
    until(engine, clock, "2026-05-31T12:00")

    assert during == []
    assert climbed(engine, case) == [
        ("reminder_1", "2026-05-07T07:00Z"),
        ("reminder_2", "2026-05-11T07:00Z"),
        ("escalation", "2026-05-19T07:00Z"),
    ]
    assert engine.replay(case).matches_stored


@pytest.mark.parametrize(
    ("start", "day", "midnight"),
    [
        ("2026-10-20T10:00", date(2026, 10, 26), "2026-10-25T23:00Z"),
        ("2026-10-20T10:00", date(2026, 10, 25), "2026-10-24T22:00Z"),
        ("2027-03-22T10:00", date(2027, 3, 28), "2027-03-27T23:00Z"),
        ("2027-03-22T10:00", date(2027, 3, 29), "2027-03-28T22:00Z"),
    ],
)
def test_a_hold_ends_by_itself_at_midnight_in_amsterdam(
    engine: Engine, clock: SetClock, start: str, day: date, midnight: str
) -> None:
    clock.moment = local(start)
    case = bring(engine, "registered")
    engine.hold(case, day, "wacht op derde")

    until(engine, clock, f"{day + timedelta(days=1)}T12:00")

    resumed = [step.event for step in engine.history(case) if step.event.kind is Kind.RESUMED]
    assert [f"{event.at:%Y-%m-%dT%H:%MZ}" for event in resumed] == [midnight]
    assert resumed[0].origin.via == "worker"
    assert engine.replay(case).matches_stored


def test_a_hold_that_ended_while_the_worker_slept_shifts_the_ladder_by_its_own_days_only(
    engine: Engine, clock: SetClock
) -> None:
    case = bring(engine, "registered")
    engine.hold(case, date(2026, 4, 22), "wacht op derde")  # 20 and 21 April

    clock.moment = local("2026-04-29T08:00")
    fire(engine)
    until(engine, clock, "2026-04-30T12:00")

    # 22, 23 and 24 April count: reminder 1 was due on the 24th, reminder 2 on the 29th
    assert climbed(engine, case) == [("reminder_1", "2026-04-29T07:00Z"), ("reminder_2", "2026-04-29T07:00Z")]


def test_a_rung_that_was_late_when_its_case_went_on_hold_fires_after_the_hold(engine: Engine, clock: SetClock) -> None:
    case = bring(engine, "registered")
    clock.moment = local("2026-04-24T10:00")  # reminder 1 was due on the 23rd, but nobody was awake
    engine.hold(case, date(2026, 4, 29), "wacht op derde")

    until(engine, clock, "2026-04-28T23:00")
    during = climbed(engine, case)
    until(engine, clock, "2026-04-29T09:00")

    assert during == []
    assert climbed(engine, case) == [("reminder_1", "2026-04-29T07:00Z")]


def test_a_hundred_cases_on_hold_with_a_late_rung_do_not_keep_a_pass_from_ending(
    sqlite_engine: Engine, clock: SetClock
) -> None:
    engine, statements = sqlite_engine, 0
    cases = [bring(engine, "registered") for _ in range(reminders.BATCH)]
    clock.moment = local("2026-04-24T10:00")
    for case in cases:
        engine.hold(case, date(2026, 4, 29), "wacht op derde")

    def failpoint(_sql: str) -> None:
        nonlocal statements
        statements += 1
        assert statements < 5000, "the pass goes round and round"

    engine.database.failpoint = failpoint

    assert fire(engine) == Fired()


# -- anchored on a fact ------------------------------------------------------------------------------------------------


def test_the_check_comes_five_working_days_after_the_first_exchange(engine: Engine, clock: SetClock) -> None:
    case = bring(engine, "confirmed")  # first exchange on Monday 1 June

    until(engine, clock, "2026-06-30T12:00")

    assert climbed(engine, case) == [("first_exchange_check", "2026-06-08T07:00Z")]
    assert engine.replay(case).matches_stored


def test_the_check_moves_along_when_the_first_exchange_is_postponed(engine: Engine, clock: SetClock) -> None:
    case = bring(engine, "confirmed")
    until(engine, clock, "2026-05-27T12:00")

    engine.record(case, {"realisation": {"first_exchange_date": "2026-06-05"}})
    until(engine, clock, "2026-06-30T12:00")

    assert climbed(engine, case) == [("first_exchange_check", "2026-06-12T07:00Z")]


def test_the_check_comes_again_when_the_first_exchange_is_postponed_after_it(engine: Engine, clock: SetClock) -> None:
    case = bring(engine, "confirmed")
    until(engine, clock, "2026-06-09T12:00")

    engine.record(case, {"realisation": {"first_exchange_date": "2026-06-15"}})
    until(engine, clock, "2026-06-30T12:00")

    assert climbed(engine, case) == [
        ("first_exchange_check", "2026-06-08T07:00Z"),
        ("first_exchange_check", "2026-06-22T07:00Z"),
    ]


# -- what it says ------------------------------------------------------------------------------------------------------


def test_a_reminder_says_what_is_missing_on_that_morning(engine: Engine, clock: SetClock, url: str) -> None:
    given = employer("loket_user", "registration")
    given["registration"] |= {"wage_tax_number": None, "framework_contract_number": None}
    case = engine.open_case(given).case.reference
    engine.record(case, {"registration": {"framework_contract_number": "A020990001"}})

    until(engine, clock, "2026-04-28T09:00")

    (row,) = look(url, "SELECT context FROM outbox WHERE is_reminder")
    assert "oonheffingennummer" in row["context"]
    assert "aamwerkcontract" not in row["context"].partition("open_items")[2].partition("]")[0]


# -- what was sent back ----------------------------------------------------------------------------------------------

REASON = "Het contract hoort bij een andere werkgever"


def contexts(url: str) -> list[dict[str, Any]]:
    """What each reminder may say, in the order they were written."""
    rows = look(url, "SELECT letter, context FROM outbox WHERE is_reminder ORDER BY id")
    return [{"letter": row["letter"], **json.loads(row["context"])} for row in rows]


def test_after_a_return_every_reminder_says_that_the_correction_is_awaited_and_why(
    engine: Engine, clock: SetClock, url: str
) -> None:
    case = bring(engine, "registered")
    clock.moment += HOUR
    engine.advance(case, "return_to_applicant", reason=REASON)

    clock.moment = local("2026-05-05T09:00")  # reminders 1 and 2 and the escalation are due
    fire(engine)

    first, second, escalation = contexts(url)
    mine = f"Je correctie: wij stuurden je aanmelding terug op 20 april 2026. De reden: {REASON}"
    assert (first["open_items"], second["open_items"]) == ([mine], [mine])
    assert escalation["elsewhere"] == [f"De correctie: de zaak is teruggestuurd op 20 april 2026. De reden: {REASON}"]
    assert engine.replay(case).matches_stored


def test_what_was_returned_to_asr_is_in_its_reminder(engine: Engine, clock: SetClock, url: str) -> None:
    case = bring(engine, "enriched")
    engine.advance(case, "return_to_asr", reason="Polis 2 mist\neen startdatum.")

    clock.moment = local("2026-04-23T09:00")
    fire(engine)

    (reminder,) = contexts(url)
    said = "De correctie: de zaak is teruggestuurd op 20 april 2026. De reden: Polis 2 mist een startdatum."
    assert (reminder["letter"], reminder["open_items"]) == ("reminder_asr", [said])


@pytest.mark.parametrize("spoil", ["DELETE FROM private_values", "UPDATE private_values SET value = '{'"])
def test_without_its_reason_a_return_still_asks_for_the_correction(
    engine: Engine, clock: SetClock, url: str, spoil: str
) -> None:
    case = bring(engine, "registered")
    clock.moment += HOUR
    engine.advance(case, "return_to_applicant", reason=REASON)
    with bare(url) as connection:
        connection.execute(f"{spoil} WHERE path = 'reason'")

    clock.moment = local("2026-04-28T09:00")
    fire(engine)

    (reminder,) = contexts(url)
    assert reminder["open_items"] == ["Je correctie: wij stuurden je aanmelding terug op 20 april 2026."]


def test_only_the_last_move_counts_and_what_never_moved_was_not_returned(
    engine: Engine, clock: SetClock, url: str
) -> None:
    bring(engine, "rights_pending")
    again = bring(engine, "registered")
    clock.moment += HOUR
    engine.advance(again, "return_to_applicant", reason=REASON)
    clock.moment += HOUR
    engine.advance(again, "register")

    clock.moment = local("2026-04-28T09:00")
    fire(engine)

    assert {word["letter"] for word in contexts(url)} == {"reminder_applicant", "reminder_asr"}
    assert REASON not in json.dumps([word["open_items"] for word in contexts(url)])


def test_a_batch_that_fails_takes_none_of_the_earlier_batches_with_it(sqlite_engine: Engine, clock: SetClock) -> None:
    engine, commits = sqlite_engine, 0
    cases = [bring(engine, "registered") for _ in range(reminders.BATCH + 5)]
    clock.moment = local("2026-04-23T09:00")

    def failpoint(sql: str) -> None:
        nonlocal commits
        commits += sql == "COMMIT"
        if commits == 2:
            raise KeyboardInterrupt

    engine.database.failpoint = failpoint
    with pytest.raises(KeyboardInterrupt):
        fire(engine)
    engine.database.failpoint = None
    done = sum(len(climbed(engine, case)) for case in cases)
    fire(engine)

    assert done == reminders.BATCH
    assert {tuple(climbed(engine, case)) for case in cases} == {(("reminder_1", "2026-04-23T07:00Z"),)}


SPOILT = {
    "a state that is no more": ("state = 'a_state_of_before'", "KeyError"),
    "no progress": ("progress = '{}'", "KeyError"),
    "no facts": ("facts = '[]'", "TypeError"),
    "a history that is longer": ("seq = seq - 1", "Overtaken"),
    "a number that no next one fits": ("seq = LARGEST", "ValueError"),
}


@pytest.mark.parametrize(("spoilt", "kind"), SPOILT.values(), ids=SPOILT)
def test_a_case_that_cannot_be_fired_takes_no_other_with_it_and_is_named(
    engine: Engine, url: str, clock: SetClock, spoilt: str, kind: str
) -> None:
    odd, good = bring(engine, "registered"), [bring(engine, "rights_pending") for _ in range(3)]
    with bare(url) as connection:
        connection.execute(f"UPDATE cases SET {largest(url, spoilt)} WHERE reference = '{odd}'")
    clock.moment += timedelta(days=8, minutes=1)

    with pytest.raises(CannotFire, match=f"^{odd} \\({kind}\\): ") as raised:
        fire(engine)

    assert type(raised.value.__cause__).__name__ == kind
    assert raised.value.cases == (odd,)
    assert [last_kind(engine, case) for case in good] == ["reminded"] * 3
    assert look(url, "SELECT kind FROM events WHERE case_id = 1 ORDER BY seq")[-1] == {"kind": "moved"}


@pytest.mark.parametrize("odd", [2, 4, 5])
def test_a_whole_batch_that_cannot_be_fired_keeps_none_of_those_behind_it(
    engine: Engine, url: str, clock: SetClock, monkeypatch: pytest.MonkeyPatch, odd: int
) -> None:
    """However long due they are, they come first in every pass."""
    monkeypatch.setattr(reminders, "BATCH", 2)
    cases = [bring(engine, "rights_pending") for _ in range(odd + 3)]
    with bare(url) as connection:
        connection.execute(f"UPDATE cases SET progress = '{{}}' WHERE id <= {odd}")
    clock.moment += timedelta(days=8, minutes=1)

    for _ in range(2):
        with pytest.raises(CannotFire) as raised:
            fire(engine)
        assert raised.value.cases == tuple(cases[:odd])

    assert [last_kind(engine, case) for case in cases[odd:]] == ["reminded"] * 3


@pytest.mark.parametrize("moment", ["2026-04-2", "2026-04-20 noon", "0999"])
def test_a_timer_whose_day_was_altered_fires_by_its_case_and_stops_no_other(
    sqlite_engine: Engine, sqlite_url: str, clock: SetClock, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """PostgreSQL takes no such value."""
    monkeypatch.setattr(reminders, "BATCH", 2)
    cases = [bring(sqlite_engine, "rights_pending") for _ in range(5)]
    with bare(sqlite_url) as connection:
        connection.execute("UPDATE timers SET due_at = ? WHERE case_id IN (1, 3)", (moment,))
    clock.moment += timedelta(days=8, minutes=1)

    fired = [fire(sqlite_engine).reminders for _ in range(3)]

    assert sum(fired) == 5
    assert [last_kind(sqlite_engine, case) for case in cases] == ["reminded"] * 5


def test_of_many_cases_that_cannot_be_fired_some_are_named(
    sqlite_engine: Engine, sqlite_url: str, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reminders, "_NAMED", 2)
    one, two, *_ = [bring(sqlite_engine, "registered") for _ in range(5)]
    with bare(sqlite_url) as connection:
        connection.execute("UPDATE cases SET progress = '{}'")
    clock.moment += timedelta(days=8, minutes=1)

    with pytest.raises(CannotFire, match=f"^{one} \\(KeyError\\), {two} \\(KeyError\\) and 3 more: "):
        fire(sqlite_engine)


def last_kind(engine: Engine, case: str) -> str:
    return str(engine.history(case)[-1].event.kind)
