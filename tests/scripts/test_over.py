"""A reminder that nobody needs any more is promised by no command: it is ended, and said to be over."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from employers import bring, employer
from looking import look

from notifications.digest import merge_reminders
from tests.scripts.desk import Desk
from workflow import Engine, Origin, reminders
from workflow.clock import AMSTERDAM, SetClock

MORNING = datetime(2026, 4, 28, 9, tzinfo=AMSTERDAM)
"""Five working days after the cases were opened."""
WHY = {"on hold": "its case went on hold", "moved on": "its case moved on"}


@pytest.fixture
def desk(bare_desk: Desk, url: str) -> Desk:
    """A command line on either database."""
    bare_desk.environ["SCHAKEL_DATABASE_URL"] = url
    del bare_desk.environ["SCHAKEL_SETTINGS"]
    return bare_desk


def reminded(engine: Engine, clock: SetClock, cases: int = 1) -> list[str]:
    """Cases of one applicant who was reminded of each."""
    found = [
        engine.open_case(employer("loket_user", "registration"), letters=False).case.reference for _ in range(cases)
    ]
    clock.moment = MORNING
    reminders.run_once(engine.database, engine.rules, clock.moment, Origin("worker", "test", "worker"))
    clock.moment += timedelta(minutes=1)
    return found


def end(engine: Engine, case: str, how: str) -> None:
    """Let the case of a reminder go where nobody needs it."""
    if how == "on hold":
        engine.hold(case, MORNING.date() + timedelta(days=10), "wacht op derde")
    else:
        engine.advance(case, "withdraw", reason="Stopt ermee", letters=False)


def become(engine: Engine, state: str) -> None:
    """Give what waits another state, as a delivery would."""
    with engine.database.writing() as store:
        store.execute(f"UPDATE outbox SET state = '{state}' WHERE state = 'pending'")


def outbox(url: str) -> list[tuple[str, str | None]]:
    return [(row["state"], row["reason"]) for row in look(url, "SELECT * FROM outbox ORDER BY id")]


@pytest.mark.parametrize("how", WHY)
def test_the_forecast_leaves_it_out(engine: Engine, clock: SetClock, desk: Desk, how: str) -> None:
    over, needed = reminded(engine, clock, 2)
    waits = {"reminder_applicant": {over, needed}}

    before, _ = desk.ask("forecast --days 1"), end(engine, over, how)
    after = desk.ask("forecast --days 1")

    assert {one["case"] for one in before} == waits["reminder_applicant"]
    assert [one["case"] for one in after] == [needed]


@pytest.mark.parametrize("how", WHY)
def test_one_that_waits_is_shown_as_not_needed(engine: Engine, clock: SetClock, desk: Desk, how: str) -> None:
    (case,) = reminded(engine, clock)
    needed = desk.ask("mail show 1")
    end(engine, case, how)

    said = " ".join(desk.run("mail show 1").stdout.split())
    shown = desk.ask("mail show 1")

    assert f"nobody needs it any more: {WHY[how]}" in said
    assert "goes at the next pass" not in said
    assert (needed["not_needed"], shown["not_needed"], shown["due_at"]) == (None, WHY[how], None)
    assert needed["due_at"] is not None


def test_of_a_first_exchange_that_was_postponed_it_is_not_said_that_the_case_moved_on(
    engine: Engine, clock: SetClock, desk: Desk
) -> None:
    case = bring(engine, "confirmed")
    clock.moment = datetime(2026, 12, 14, 9, 30, tzinfo=AMSTERDAM)
    reminders.run_once(engine.database, engine.rules, clock.moment, Origin("worker", "test", "worker"))
    number = desk.ask(f"mail list --case {case}")[-1]["id"]
    engine.record(case, {"realisation": {"first_exchange_date": "2027-02-01"}}, letters=False)

    why = "the day that it counts from was changed"
    assert desk.ask(f"mail show {number}")["not_needed"] == why
    assert desk.ask(f"mail retry {number}")["reason"] == f"{why} before it was sent"


@pytest.mark.parametrize("state", ["failed", "pending"])
@pytest.mark.parametrize("how", WHY)
def test_one_that_is_to_be_put_back_is_ended_and_said_to_be(
    engine: Engine, clock: SetClock, desk: Desk, url: str, how: str, state: str
) -> None:
    (case,) = reminded(engine, clock)
    become(engine, state)
    end(engine, case, how)

    said = desk.run("mail retry 1")

    why = f"{WHY[how]} before it was sent"
    assert (said.exit_code, " ".join(said.stdout.split())) == (
        0,
        f"Letter 1 (reminder_applicant) is cancelled now: {why}.",
    )
    assert outbox(url) == [("cancelled", why)]
    assert desk.run("mail retry 1").exit_code == 5


def test_of_many_that_failed_those_that_nobody_needs_are_counted_apart(
    engine: Engine, clock: SetClock, desk: Desk, url: str
) -> None:
    first, second, _ = reminded(engine, clock, 3)
    become(engine, "failed")
    end(engine, first, "on hold"), end(engine, second, "moved on")

    said = desk.run("mail retry --failed")

    assert said.exit_code == 0
    assert said.stdout.splitlines()[-2:] == [
        "1 letter was put back, 2 were not needed any more.",
        "Next: schakel tick (or the worker sends them)",
    ]
    ended = [(state, why and why.removesuffix(" before it was sent")) for state, why in outbox(url)]
    assert ended == [("cancelled", WHY["on hold"]), ("cancelled", WHY["moved on"]), ("pending", None)]


def test_one_that_did_not_arrive_is_not_sent_again(engine: Engine, clock: SetClock, desk: Desk, url: str) -> None:
    (case,) = reminded(engine, clock)
    become(engine, "unknown")
    end(engine, case, "moved on")

    said = desk.run('mail resolve 1 --resend --reason "gevraagd"')

    assert "is cancelled now: its case moved on before it was sent." in " ".join(said.stdout.split())
    assert "Next" not in said.stdout
    assert outbox(url)[0][0] == "cancelled"
    assert [str(step.event.kind) for step in engine.history(case)][-1] == "letter_unknown"


@pytest.mark.parametrize("over", [1, 2])
def test_a_digest_is_needed_as_long_as_one_of_its_cases_is(
    engine: Engine, clock: SetClock, desk: Desk, url: str, over: int
) -> None:
    cases = reminded(engine, clock, 2)
    with engine.database.writing() as store:
        merge_reminders(store, clock.moment)
    become(engine, "failed")
    for case in cases[:over]:
        end(engine, case, "on hold")

    desk.ask("mail retry 3")

    *parts, (whole, why) = outbox(url)
    assert [state for state, _ in parts] == (["merged"] * 2 if over == 1 else ["pending"] * 2)
    assert (whole, why) == (
        ("pending", None)
        if over == 1
        else ("cancelled", "each of its cases moved on, went on hold or has another day before it was sent")
    )
    assert len(desk.ask("forecast --days 1")) == 2 - over
