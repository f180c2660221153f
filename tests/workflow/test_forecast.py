"""The forecast is what then happens when nothing changes, and looking ahead changes nothing."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
from employers import bring
from looking import bare, look

from workflow import Engine, Origin, reminders
from workflow.clock import AMSTERDAM, SetClock
from workflow.forecast import Expected, forecast

WORKER = Origin("worker", "test", "worker")
HOUR = timedelta(hours=1)
WAITING = ("waits to be sent", "no address for")
TABLES = ("cases", "events", "private_values", "timers", "outbox", "outbox_attempts", "case_keys", "slots")
STATES = ("rights_pending", "registered", "enriched", "keylane_configuring", "confirmed", "withdrawn")
Told = tuple[str, str, str, str]


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=AMSTERDAM).astimezone(UTC)


def ahead(engine: Engine, days: int = 30) -> list[Expected]:
    return list(forecast(engine.database, engine.rules, engine.clock.now(), days))


def of_timers(expected: list[Expected]) -> Counter[Told]:
    """Only what the timers will write, not what waits in the outbox already."""
    return Counter(
        (minute(one.at), one.case or "", one.letter, one.role) for one in expected if not one.reason.startswith(WAITING)
    )


def happens(engine: Engine, clock: SetClock, url: str) -> Counter[Told]:
    """What is written when thirty days go by, an hour at a time."""
    before = {row["id"] for row in look(url, "SELECT id FROM outbox")}
    end = clock.moment + timedelta(days=30)
    while clock.moment <= end:
        reminders.run_once(engine.database, engine.rules, clock.moment, WORKER)
        clock.moment = clock.moment.replace(minute=0, second=0) + HOUR
    query = "SELECT o.*, c.reference FROM outbox o JOIN cases c ON c.id = o.case_id"
    rows = [row for row in look(url, query) if row["id"] not in before]
    return Counter((minute(row["created_at"]), row["reference"], row["letter"], row["role"]) for row in rows)


def minute(value: datetime | str) -> str:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"


def everything(url: str) -> dict[str, list[str]]:
    return {table: sorted(map(repr, look(url, f"SELECT * FROM {table}"))) for table in TABLES}


@pytest.mark.parametrize("start", ["2026-04-20T10:00", "2026-10-20T10:00", "2027-03-22T10:00", "2026-04-25T11:00"])
def test_the_forecast_of_thirty_days_is_what_then_happens(
    engine: Engine, clock: SetClock, url: str, start: str
) -> None:
    states = STATES if start.startswith("2026-04") else [state for state in STATES if state != "confirmed"]
    clock.moment = local(start)
    for state in states:
        bring(engine, state)
    on_hold = bring(engine, "registered")
    engine.hold(on_hold, (clock.moment + timedelta(days=9)).date(), "wacht op derde")

    expected = of_timers(ahead(engine))

    assert expected == happens(engine, clock, url)
    assert sum(expected.values()) >= 10


@pytest.mark.parametrize("woke", ["2026-04-29T08:00", "2026-04-30T15:30", "2026-05-02T12:00"])
def test_it_is_right_too_when_the_worker_has_slept(engine: Engine, clock: SetClock, url: str, woke: str) -> None:
    for state in STATES:
        bring(engine, state)
    clock.moment = local(woke)

    expected = of_timers(ahead(engine))

    assert expected == happens(engine, clock, url)


def test_a_late_rung_of_a_case_on_hold_is_foretold_for_after_the_hold(
    engine: Engine, clock: SetClock, url: str
) -> None:
    case = bring(engine, "registered")
    clock.moment = local("2026-04-24T10:00")  # reminder 1 was due on the 23rd, but nobody was awake
    engine.hold(case, date(2026, 4, 29), "wacht op derde")

    expected = of_timers(ahead(engine))

    assert ("2026-04-29 07:00", case, "reminder_asr", "asr") in expected
    assert expected == happens(engine, clock, url)


def test_letters_that_wait_are_listed_with_why_they_wait(engine: Engine) -> None:
    case = bring(engine, "registered")

    waiting = [one for one in ahead(engine, 1) if one.reason.startswith(WAITING)]

    assert {(one.letter, one.role, one.reason) for one in waiting} == {
        ("invitation", "applicant", "waits to be sent"),
        ("registration_received", "applicant", "waits to be sent"),
        ("enrichment_requested", "asr", "no address for asr"),
    }
    assert {(one.case, one.at) for one in waiting} == {(case, engine.clock.now())}


def test_a_letter_to_a_role_whose_address_the_next_pass_gives_it_waits_to_be_sent(engine: Engine) -> None:
    bring(engine, "registered"), bring(engine, "enriched")

    found = list(forecast(engine.database, engine.rules, engine.clock.now(), 1, at_home=("asr",)))

    waiting = {one.role: one.reason for one in found if one.role != "applicant" and one.reason.startswith(WAITING)}
    assert waiting == {"asr": "waits to be sent", "keylane": "no address for keylane"}


def test_it_is_in_order(sqlite_engine: Engine) -> None:
    for state in STATES * 3:
        bring(sqlite_engine, state)

    moments = [one.at for one in ahead(sqlite_engine)]

    assert moments == sorted(moments)


def test_letters_of_one_moment_come_by_case_those_about_several_first_and_only_what_waits(
    sqlite_engine: Engine, sqlite_url: str
) -> None:
    first, second = sorted(bring(sqlite_engine, "registered") for _ in range(2))
    with bare(sqlite_url) as connection:
        number = "SELECT id FROM cases WHERE reference = "
        connection.execute("UPDATE outbox SET state = 'sent' WHERE letter = 'invitation'")
        connection.execute(
            f"UPDATE outbox SET case_id = NULL WHERE letter = 'enrichment_requested' AND case_id = ({number}'{second}')"
        )

    now = sqlite_engine.clock.now()
    assert ahead(sqlite_engine, 0) == [
        Expected(now, None, "enrichment_requested", "asr", "no address for asr"),
        Expected(now, first, "enrichment_requested", "asr", "no address for asr"),
        Expected(now, first, "registration_received", "applicant", "waits to be sent"),
        Expected(now, second, "registration_received", "applicant", "waits to be sent"),
    ]


def test_the_last_moment_belongs_to_it_and_says_which_rung_it_is(sqlite_engine: Engine, clock: SetClock) -> None:
    case = bring(sqlite_engine, "registered")
    first = Expected(local("2026-04-23T09:00"), case, "reminder_asr", "asr", "reminder_1 of registered")
    second = Expected(local("2026-04-28T09:00"), case, "reminder_asr", "asr", "reminder_2 of registered")
    clock.moment = local("2026-04-22T09:00")

    def of_rungs(days: int) -> list[Expected]:
        return [one for one in ahead(sqlite_engine, days) if not one.reason.startswith(WAITING)]

    assert [of_rungs(days) for days in (0, 1, 5, 6)] == [[], [first], [first], [first, second]]


def test_looking_ahead_writes_nothing(engine: Engine, url: str) -> None:
    for state in STATES:
        bring(engine, state)
    before = everything(url)

    ahead(engine, 366)

    assert everything(url) == before


@pytest.mark.parametrize("part", [1, 2, 7])
def test_many_letters_come_in_order_from_parts_on_disk(
    sqlite_engine: Engine, part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for state in STATES:
        bring(sqlite_engine, state)
    whole = ahead(sqlite_engine)
    monkeypatch.setattr("workflow.forecast.PART", part)

    assert ahead(sqlite_engine) == whole
    assert len(whole) > 7
