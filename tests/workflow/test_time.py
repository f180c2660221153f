"""Working days, 09:00 in Amsterdam, ladders and holds: when something falls due."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, get_args

import holidays
import pytest
from employers import bring, employer
from hypothesis import given
from hypothesis import strategies as st
from looking import case_row, look

from workflow import Engine, NoSuchCase, Refused, UsageError
from workflow.calendar import LiberationDay, WorkingDays, at_midnight, at_reminder_hour
from workflow.clock import AMSTERDAM, SetClock

YEARS = range(2020, 2061)
SETTINGS = get_args(LiberationDay)
ONE_DAY = timedelta(days=1)
days = st.dates(date(2020, 1, 1), date(2059, 12, 31))


def easter(year: int) -> date:
    """Easter Sunday (Meeus, Jones, Butcher)."""
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    l = (32 + 2 * e + 2 * i - h - k) % 7  # noqa: E741 the names of the formula
    m = (a + 11 * h + 19 * l) // 433
    month, day = divmod(h + l - 7 * m + 90, 25)
    return date(year, month, (h + l - 7 * m + 33 * month + 19) % 32) if day >= 0 else date.max


def days_off(year: int, liberation_day: str) -> Iterator[date]:
    """The days of DOMAIN that are no working days, besides weekends."""
    sunday = easter(year)
    yield from (date(year, 1, 1), date(year, 12, 25), date(year, 12, 26))
    yield from (sunday + n * ONE_DAY for n in (-2, 1, 39, 50))
    yield date(year, 4, 26) if date(year, 4, 27).weekday() == 6 else date(year, 4, 27)
    if liberation_day == "always" or (liberation_day == "lustrum" and year % 5 == 0):
        yield date(year, 5, 5)


def amsterdam(day: date, hour: int) -> datetime:
    return datetime.combine(day, time(hour), AMSTERDAM)


# -- the calendar ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("liberation_day", SETTINGS)
def test_working_days_are_monday_to_friday_without_the_days_off(liberation_day: LiberationDay) -> None:
    calendar = WorkingDays(liberation_day)
    wrong = []

    for year in YEARS:
        off = set(days_off(year, liberation_day))
        for n in range((date(year + 1, 1, 1) - date(year, 1, 1)).days):
            day = date(year, 1, 1) + n * ONE_DAY
            if calendar.is_working_day(day) is not (day.weekday() < 5 and day not in off):
                wrong.append(day)

    assert wrong == []


@pytest.mark.parametrize("year", YEARS)
def test_the_table_that_is_shipped_is_what_the_holidays_library_says(year: int) -> None:
    library = {
        day
        for day, name in holidays.country_holidays("NL", years=[year], language="nl").items()
        if day != date(year, 5, 5)
    }

    shipped = WorkingDays("never")

    week_days = {day for day in library if day.weekday() < 5}
    january = date(year, 1, 1)
    every_day = (january + n * ONE_DAY for n in range((date(year + 1, 1, 1) - january).days))
    assert {day for day in every_day if day.weekday() < 5 and not shipped.is_working_day(day)} == week_days


@pytest.mark.parametrize("year", [2019, 2016, 2061, 2075])
def test_years_outside_the_table_are_right_too(year: int) -> None:
    calendar = WorkingDays("never")

    free = [day for day in days_off(year, "never") if day.weekday() < 5]

    assert [day for day in free if calendar.is_working_day(day)] == []


@pytest.mark.parametrize("year", [2015, 2065])
def test_5_may_outside_the_table_is_off_by_the_setting_only_although_the_library_has_it(year: int) -> None:
    fifth = date(year, 5, 5)

    assert fifth in set(holidays.country_holidays("NL", years=[year]))
    assert WorkingDays("never").is_working_day(fifth)
    assert not WorkingDays("lustrum").is_working_day(fifth)


def test_the_next_working_day_is_the_day_itself_or_the_first_one_after_it() -> None:
    calendar = WorkingDays()

    assert calendar.next_working_day(date(2026, 4, 24)) == date(2026, 4, 24)
    assert calendar.next_working_day(date(2026, 4, 25)) == date(2026, 4, 28), "a weekend, and then Koningsdag"
    assert calendar.next_working_day(date(2026, 12, 25)) == date(2026, 12, 28)


@pytest.mark.parametrize("year", [year for year in YEARS if date(year, 4, 27).weekday() == 6])
def test_koningsdag_is_on_saturday_the_26th_when_the_27th_is_a_sunday(year: int) -> None:
    calendar = WorkingDays()

    assert calendar.next_working_day(date(year, 4, 25)) == calendar.next_working_day(date(year, 4, 24) + ONE_DAY)
    assert calendar.is_working_day(date(year, 4, 28)) is (date(year, 4, 28) not in set(days_off(year, "lustrum")))


@pytest.mark.parametrize(
    ("setting", "off"),
    [("always", [2025, 2026, 2027, 2028, 2029, 2030]), ("lustrum", [2025, 2030]), ("never", [])],
)
def test_a_setting_decides_about_5_may(setting: LiberationDay, off: list[int]) -> None:
    calendar = WorkingDays(setting)
    week_days = [year for year in range(2025, 2031) if date(year, 5, 5).weekday() < 5]

    free = [year for year in week_days if not calendar.is_working_day(date(year, 5, 5))]

    assert free == [year for year in off if year in week_days]


@given(days, st.integers(1, 60))
def test_add_ends_on_a_working_day_and_counts_exactly(start: date, count: int) -> None:
    calendar = WorkingDays()

    end = calendar.add(start, count)

    assert calendar.is_working_day(end)
    assert calendar.between(start, end) == count
    assert calendar.between(start, end - ONE_DAY) == count - 1


@given(days, st.integers(1, 30), st.integers(1, 30))
def test_add_can_be_done_in_steps(start: date, first: int, second: int) -> None:
    calendar = WorkingDays()

    assert calendar.add(calendar.add(start, first), second) == calendar.add(start, first + second)


@given(days, st.integers(0, 40), st.integers(0, 40))
def test_between_adds_up(start: date, first: int, second: int) -> None:
    calendar = WorkingDays()
    middle = start + first * ONE_DAY
    end = middle + second * ONE_DAY

    assert calendar.between(start, middle) + calendar.between(middle, end) == calendar.between(start, end)


@given(days, st.integers(1, 20), st.integers(-5, 40), st.integers(0, 40))
def test_days_on_hold_do_not_count(start: date, count: int, offset: int, length: int) -> None:
    calendar = WorkingDays()
    hold = (start + offset * ONE_DAY, start + (offset + length) * ONE_DAY)

    end = calendar.add(start, count, [hold])

    assert not hold[0] <= end < hold[1]
    assert calendar.between(start, end, [hold]) == count
    assert end >= calendar.add(start, count)


@given(days)
def test_at_9_in_amsterdam_it_is_9_in_amsterdam(day: date) -> None:
    local = at_reminder_hour(day).astimezone(AMSTERDAM)

    assert (local.date(), local.hour, local.minute) == (day, 9, 0)


@given(days)
def test_midnight_is_the_start_of_the_day(day: date) -> None:
    local = at_midnight(day).astimezone(AMSTERDAM)

    assert (local.date(), local.hour, local.minute) == (day, 0, 0)


@pytest.mark.parametrize(
    ("night", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 3, 28), 24)]
)
def test_9_o_clock_stays_9_o_clock_across_the_change_of_the_clocks(night: date, hours: int) -> None:
    before, after = at_reminder_hour(night - ONE_DAY), at_reminder_hour(night)

    assert after - before == timedelta(hours=hours)


# -- ladders -----------------------------------------------------------------------------------------------------------

DUE = {
    # entered Monday 20 April 2026, 10:00 in Amsterdam; Monday 27 April is Koningsdag
    "rights_pending": date(2026, 4, 28),
    "registered": date(2026, 4, 23),
    "enriched": date(2026, 4, 21),
    "keylane_configuring": date(2026, 5, 5),
}


@pytest.mark.parametrize("state", DUE)
def test_a_case_is_due_on_the_first_rung_of_its_ladder(engine: Engine, url: str, state: str) -> None:
    case = bring(engine, state)

    view = engine.case(case)

    assert view.due_at == amsterdam(DUE[state], 9)
    assert timers(url, case) == [("rung", 0, amsterdam(DUE[state], 9))]


@pytest.mark.parametrize("state", ["confirmed", "withdrawn"])
def test_a_final_case_is_never_overdue(engine: Engine, clock: SetClock, state: str) -> None:
    case = bring(engine, state)
    clock.moment += timedelta(days=400)

    view = engine.case(case)

    assert (view.due_at, view.overdue, view.holder) == (None, False, None)


def test_a_confirmed_case_waits_for_the_fifth_working_day_after_the_first_exchange(engine: Engine, url: str) -> None:
    case = bring(engine, "confirmed")

    assert timers(url, case) == [("rung", 0, amsterdam(date(2026, 6, 8), 9))]


def test_a_withdrawn_case_waits_for_nothing(engine: Engine, url: str) -> None:
    case = bring(engine, "withdrawn")

    assert timers(url, case) == []


def test_a_case_is_overdue_from_the_moment_it_is_due(engine: Engine, clock: SetClock) -> None:
    case = bring(engine, "registered")
    due = amsterdam(DUE["registered"], 9)

    clock.moment = due - timedelta(microseconds=1)
    before = engine.case(case).overdue
    clock.moment = due

    assert (before, engine.case(case).overdue) == (False, True)


@pytest.mark.parametrize(
    ("entered", "due"),
    [
        ((2026, 3, 26, 12, 0), date(2026, 3, 27)),
        ((2026, 3, 27, 12, 0), date(2026, 3, 30)),
        ((2026, 3, 28, 12, 0), date(2026, 3, 30)),
        ((2026, 4, 2, 12, 0), date(2026, 4, 7)),
        ((2026, 12, 24, 12, 0), date(2026, 12, 28)),
        ((2026, 10, 23, 12, 0), date(2026, 10, 26)),
        ((2026, 4, 20, 21, 59), date(2026, 4, 21)),
        ((2026, 4, 20, 22, 1), date(2026, 4, 22)),
        ((2026, 1, 20, 22, 59), date(2026, 1, 21)),
        ((2026, 1, 20, 23, 1), date(2026, 1, 22)),
    ],
)
def test_one_working_day_counts_from_the_day_in_amsterdam(
    engine: Engine, clock: SetClock, entered: tuple[int, int, int, int, int], due: date
) -> None:
    clock.moment = datetime(*entered, tzinfo=UTC)
    case = bring(engine, "enriched")

    assert engine.case(case).due_at == amsterdam(due, 9)


def test_a_move_ends_the_timers_of_the_state_it_leaves(engine: Engine, url: str) -> None:
    case = bring(engine, "keylane_configuring")

    engine.advance(case, "return_to_asr", reason="polis onjuist")

    assert timers(url, case) == [("rung", 0, amsterdam(DUE["registered"], 9))]


def test_a_record_leaves_the_timers_as_they_are(engine: Engine, clock: SetClock, url: str) -> None:
    case = bring(engine, "registered")
    before = timers(url, case)
    clock.moment += timedelta(days=1)

    engine.record(case, {"registration": {"contact_name": "Iemand anders"}})

    assert timers(url, case) == before


# -- holds -------------------------------------------------------------------------------------------------------------


def timers(url: str, case: str) -> list[tuple[str, int, datetime]]:
    rows = look(url, f"SELECT kind, rung, due_at FROM timers WHERE case_id = {case_row(url, case)['id']} ORDER BY kind")
    return [(row["kind"], row["rung"], _moment(row["due_at"])) for row in rows]


def _moment(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


def test_a_hold_shifts_what_is_due_by_the_working_days_it_takes(engine: Engine, url: str) -> None:
    case = bring(engine, "registered")

    held = engine.hold(case, date(2026, 4, 23), "wacht op accountant")

    assert held.held_until == date(2026, 4, 23)
    assert engine.case(case).due_at == amsterdam(date(2026, 4, 28), 9)
    assert timers(url, case) == [
        ("hold", 0, amsterdam(date(2026, 4, 23), 0)),
        ("rung", 0, amsterdam(date(2026, 4, 28), 9)),
    ]


def test_the_column_of_what_is_due_shifts_along(engine: Engine, url: str) -> None:
    case = bring(engine, "registered")

    engine.hold(case, date(2026, 4, 23), "wacht op accountant")

    assert _moment(case_row(url, case)["due_at"]) == amsterdam(date(2026, 4, 28), 9)


def test_a_hold_can_be_extended(engine: Engine, clock: SetClock) -> None:
    case = bring(engine, "registered")
    engine.hold(case, date(2026, 4, 22), "wacht op accountant")
    clock.moment += ONE_DAY

    engine.hold(case, date(2026, 4, 24), "duurt langer")

    assert engine.case(case).case.holds == ((date(2026, 4, 20), date(2026, 4, 24)),)
    assert engine.case(case).due_at == amsterdam(date(2026, 4, 29), 9)


def test_a_hold_can_be_shortened(engine: Engine) -> None:
    case = bring(engine, "registered")
    engine.hold(case, date(2026, 5, 20), "wacht op accountant")

    engine.hold(case, date(2026, 4, 22), "toch eerder")

    assert engine.case(case).due_at == amsterdam(date(2026, 4, 24), 9)


def test_an_early_resume_counts_only_the_days_that_were_on_hold(engine: Engine, clock: SetClock, url: str) -> None:
    case = bring(engine, "registered")
    engine.hold(case, date(2026, 5, 20), "wacht op accountant")
    clock.moment += 2 * ONE_DAY

    engine.resume(case)

    assert engine.case(case).due_at == amsterdam(date(2026, 4, 24), 9)
    assert timers(url, case) == [("rung", 0, amsterdam(date(2026, 4, 24), 9))]


def test_the_days_on_hold_of_a_state_are_kept_apart_and_each_ends_where_it_ended(
    sqlite_engine: Engine, clock: SetClock
) -> None:
    def day(number: int) -> date:
        return date(2026, 4, number)

    def on(number: int) -> None:
        clock.moment = clock.moment.replace(day=number)

    case = bring(sqlite_engine, "registered")
    kept = [sqlite_engine.hold(case, day(30), "wacht").holds]
    kept.append(sqlite_engine.hold(case, day(22), "toch korter").holds)
    on(22)  # it is over, though no worker ended it
    kept.append(sqlite_engine.hold(case, day(28), "opnieuw").holds)
    on(23)
    kept.append(sqlite_engine.hold(case, day(29), "nog langer").holds)
    on(24)
    kept.append(sqlite_engine.resume(case).holds)
    kept.append(sqlite_engine.hold(case, day(25), "weer").holds)
    kept.append(sqlite_engine.resume(case).holds)
    sqlite_engine.advance(case, "return_to_applicant", reason="formulier")

    first, second = (day(20), day(22)), (day(22), day(24))
    assert kept == [
        ((day(20), day(30)),),
        (first,),
        (first, (day(22), day(28))),
        (first, (day(22), day(29))),
        (first, second),
        (first, second, (day(24), day(25))),
        (first, second),
    ]
    assert sqlite_engine.case(case).case.holds == ()


def test_a_hold_that_was_resumed_the_same_day_shifts_nothing(engine: Engine) -> None:
    case = bring(engine, "registered")
    engine.hold(case, date(2026, 5, 20), "wacht op accountant")

    engine.resume(case)

    assert engine.case(case).due_at == amsterdam(DUE["registered"], 9)


def test_two_holds_add_up(engine: Engine, clock: SetClock) -> None:
    case = bring(engine, "keylane_configuring")
    engine.hold(case, date(2026, 4, 22), "eerste")
    clock.moment += 3 * ONE_DAY

    engine.hold(case, date(2026, 4, 25), "tweede")

    holds = ((date(2026, 4, 20), date(2026, 4, 22)), (date(2026, 4, 23), date(2026, 4, 25)))
    assert engine.case(case).case.holds == holds
    assert engine.case(case).due_at == amsterdam(date(2026, 5, 8), 9)


def test_moves_stay_possible_on_hold_and_end_it(engine: Engine, url: str) -> None:
    case = bring(engine, "registered")
    engine.hold(case, date(2026, 5, 20), "wacht op accountant")

    engine.advance(case, "enrich")

    view = engine.case(case)
    assert (view.on_hold, view.case.holds, view.due_at) == (False, (), amsterdam(DUE["enriched"], 9))
    assert [kind for kind, _, _ in timers(url, case)] == ["rung"]


def test_a_hold_in_an_earlier_state_does_not_shift_a_later_one(engine: Engine) -> None:
    case = bring(engine, "registered")
    engine.hold(case, date(2026, 4, 22), "wacht op accountant")
    engine.advance(case, "return_to_applicant", reason="klopt niet")

    assert engine.case(case).due_at == amsterdam(DUE["rights_pending"], 9)


@pytest.mark.parametrize("until", [date(2026, 4, 20), date(2026, 4, 19), date(2020, 1, 1), date(9999, 12, 31)])
def test_a_hold_ends_on_a_later_day_within_reason(engine: Engine, until: date) -> None:
    case = bring(engine, "registered")

    with pytest.raises(UsageError, match=str(until)):
        engine.hold(case, until, "wacht op accountant")

    assert len(engine.history(case)) == 2


def test_an_hour_before_midnight_tomorrow_is_a_later_day(engine: Engine, clock: SetClock) -> None:
    case = bring(engine, "registered")
    clock.moment = datetime(2026, 4, 20, 22, 30, tzinfo=UTC)  # the 21st in Amsterdam

    with pytest.raises(UsageError):
        engine.hold(case, date(2026, 4, 21), "wacht op accountant")


@pytest.mark.parametrize("reason", ["", "   "])
def test_a_hold_needs_a_reason(engine: Engine, reason: str) -> None:
    case = bring(engine, "registered")

    with pytest.raises(Refused) as refusal:
        engine.hold(case, date(2026, 4, 22), reason)

    assert [problem.code for problem in refusal.value.problems] == ["REASON_MISSING"]


@pytest.mark.parametrize("state", ["confirmed", "withdrawn"])
def test_a_final_case_cannot_be_held(engine: Engine, state: str) -> None:
    case = bring(engine, state)

    with pytest.raises(Refused):
        engine.hold(case, date(2026, 4, 22), "wacht op accountant")


def test_a_hold_on_an_unknown_case_is_no_such_case(engine: Engine) -> None:
    with pytest.raises(NoSuchCase):
        engine.hold("K-0000-0000", date(2026, 4, 22), "wacht")


def test_a_day_that_makes_no_sense_is_heard_before_the_case(engine: Engine) -> None:
    with pytest.raises(UsageError):
        engine.hold("K-0000-0000", date(2020, 1, 1), "wacht")


# -- who has had the ball ----------------------------------------------------------------------------------------------


def test_the_working_days_of_each_holder_are_counted(engine: Engine, clock: SetClock) -> None:
    case = engine.open_case(employer()).case.reference
    for days_later in (2, 3, 8):  # Wednesday 22, Thursday 23, Tuesday 28 April; Monday 27 is Koningsdag
        clock.moment = datetime(2026, 4, 20, 8, tzinfo=UTC) + days_later * ONE_DAY
        engine.advance(case)
    clock.moment += 2 * ONE_DAY

    assert engine.case(case).ball == {"applicant": 2, "asr": 1, "keylane": 4}


def test_days_on_hold_are_nobodys(engine: Engine, clock: SetClock) -> None:
    case = bring(engine, "registered")
    engine.hold(case, date(2026, 4, 23), "wacht op accountant")
    clock.moment += 4 * ONE_DAY

    assert engine.case(case).ball["asr"] == 2


def test_the_days_before_a_hold_count_once(engine: Engine, clock: SetClock) -> None:
    case = bring(engine, "registered")
    clock.moment += 2 * ONE_DAY
    engine.hold(case, date(2026, 4, 24), "wacht op accountant")
    clock.moment += 2 * ONE_DAY
    engine.note(case, "gebeld")

    assert engine.case(case).ball == {"applicant": 0, "asr": 2}, "Tuesday 21 and Friday 24 April"
