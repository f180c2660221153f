"""Reminders that could not leave in time: none goes out after the state was left, or while the case is on hold."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from employers import bring, employer
from looking import look
from sink import ADDRESSES, WORKER, Sink, delivery

from workflow import Engine, reminders
from workflow.clock import SetClock
from workflow.storage import letters

ASR = ADDRESSES["asr"]
REMINDED = datetime(2026, 4, 23, 7, tzinfo=UTC)
"""Three working days after the cases were registered."""
DAY = timedelta(days=1)
Leave = Callable[[Engine, str], object]


def enrich(engine: Engine, case: str) -> object:
    return engine.advance(case, "enrich")


def send_back(engine: Engine, case: str) -> object:
    return engine.advance(case, "return_to_applicant", reason="het contract hoort bij een ander")


def hold(engine: Engine, case: str) -> object:
    return engine.hold(case, date(2026, 6, 1), "wacht op derde")


LEFT, HELD = "its case moved on before it was sent", "its case went on hold before it was sent"
LEAVES = [pytest.param(enrich, LEFT), pytest.param(send_back, LEFT), pytest.param(hold, HELD)]


def reminded(engine: Engine, clock: SetClock) -> str:
    """A case of which a.s.r. was to be reminded; what was written before has left."""
    case = bring(engine, "registered")
    with Sink() as sink:
        delivery(engine, sink).run_once()
    clock.moment = REMINDED
    reminders.run_once(engine.database, engine.rules, clock.now(), WORKER)
    return case


def a_pass(engine: Engine) -> None:
    """What a worker does besides sending."""
    delivery(engine, None).run_once()


def reminder(url: str) -> dict[str, Any]:
    (row,) = look(url, "SELECT * FROM outbox WHERE is_reminder")
    return row


@pytest.mark.parametrize("answer", [None, "451 later"], ids=["untried", "put off"])
@pytest.mark.parametrize(("leave", "why"), LEAVES)
def test_a_reminder_that_waits_is_ended_when_its_case_moves_on_or_goes_on_hold(
    engine: Engine, clock: SetClock, url: str, leave: Leave, why: str, answer: str | None
) -> None:
    case = reminded(engine, clock)
    if answer:
        with Sink(answers={ASR: answer}) as sink:
            delivery(engine, sink).run_once()

    leave(engine, case)
    a_pass(engine)

    row = reminder(url)
    assert (row["state"], row["reason"], row["attempts"]) == ("cancelled", why, int(bool(answer)))
    assert datetime.fromisoformat(str(row["finished_at"])) == REMINDED
    clock.moment += DAY
    with Sink() as sink:
        delivery(engine, sink).run_once()
    assert not any("Herinnering" in message["Subject"] for message in sink.messages())
    assert reminder(url)["state"] == "cancelled"
    assert engine.replay(case).matches_stored


@pytest.mark.parametrize(("leave", "why"), LEAVES)
def test_a_worker_that_had_claimed_it_cannot_begin_to_send_it(
    engine: Engine, clock: SetClock, url: str, leave: Leave, why: str
) -> None:
    case = reminded(engine, clock)
    delivery(engine, None).run_once()  # gives it the address of its role
    lease = clock.now() + DAY
    with engine.database.writing() as store:
        (row,) = letters.claim(store, now=clock.now(), lease_until=lease, token="mine", limit=9)

    leave(engine, case)

    with engine.database.writing() as store:
        begun = letters.beginning(store, row, lease_until=lease)()
        letters.release(store, "mine")
    a_pass(engine)
    ended = reminder(url)
    assert (begun, ended["state"], ended["reason"], ended["token"]) == (False, "cancelled", why, None)


@pytest.mark.parametrize("state", ["sending", "sent", "unknown", "failed", "merged"])
def test_one_that_is_on_its_way_or_over_or_in_doubt_stays_so(
    engine: Engine, clock: SetClock, url: str, state: str
) -> None:
    case = reminded(engine, clock)
    with engine.database.writing() as store:
        store.execute(f"UPDATE outbox SET state = '{state}' WHERE is_reminder")

    enrich(engine, case)
    a_pass(engine)

    assert reminder(url)["state"] == state


def test_no_other_letter_is_ended_nor_a_reminder_of_another_case(engine: Engine, clock: SetClock, url: str) -> None:
    case, other = bring(engine, "registered"), bring(engine, "registered")
    clock.moment = REMINDED
    reminders.run_once(engine.database, engine.rules, clock.now(), WORKER)

    enrich(engine, case)
    engine.note(other, "gebeld")
    engine.record(other, {"registration": {"contact_name": "Iemand anders"}})
    a_pass(engine)

    joined = "SELECT c.reference, o.letter FROM outbox o JOIN cases c ON c.id = o.case_id"
    ended = look(url, f"{joined} WHERE o.state <> 'pending'")
    assert [(row["reference"], row["letter"]) for row in ended] == [(case, "reminder_asr")]


def test_a_reminder_that_waited_for_an_address_does_not_go_out_once_the_case_has_moved_on(
    engine: Engine, clock: SetClock, url: str
) -> None:
    given = employer("loket_user", "registration")
    given["registration"]["email"] = None
    case = engine.open_case(given, letters=False).case.reference
    clock.moment = datetime(2026, 4, 28, 7, tzinfo=UTC)
    reminders.run_once(engine.database, engine.rules, clock.now(), WORKER)
    engine.advance(case, "register", facts={"registration": {"email": "goed@example.com"}})

    with Sink() as sink:
        delivery(engine, sink).run_once()

    assert [message["Subject"][:10] for message in sink.messages("goed@example.com")] == ["We hebben "]
    assert reminder(url)["reason"] == LEFT


class Meanwhile(Sink):
    """Puts the reminder to a.s.r. off, after something was done while it was on its way."""

    def __init__(self, act: Callable[[], object]) -> None:
        super().__init__()
        self.act = act

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        await asyncio.to_thread(self.act)
        await super().handle_DATA(server, session, envelope)
        return "451 later"


@pytest.mark.parametrize(("leave", "why"), LEAVES)
def test_one_that_was_put_off_while_its_case_moved_on_is_not_tried_again(
    engine: Engine, clock: SetClock, url: str, leave: Leave, why: str
) -> None:
    case = reminded(engine, clock)
    with Meanwhile(lambda: leave(engine, case)) as sink:
        delivery(engine, sink).run_once()
    clock.moment += timedelta(hours=1)

    with Sink() as sink:
        delivery(engine, sink).run_once()

    assert not any("Herinnering" in message["Subject"] for message in sink.messages())
    assert (reminder(url)["state"], reminder(url)["reason"]) == ("cancelled", why)


def test_the_check_after_a_first_exchange_is_not_sent_when_that_was_postponed(
    engine: Engine, clock: SetClock, url: str
) -> None:
    case = bring(engine, "confirmed")
    clock.moment = datetime(2026, 12, 14, 9, 30, tzinfo=UTC)
    reminders.run_once(engine.database, engine.rules, clock.now(), WORKER)
    engine.record(case, {"realisation": {"first_exchange_date": "2027-02-01"}})

    with Sink() as sink:
        delivery(engine, sink).run_once()

    assert (reminder(url)["letter"], reminder(url)["state"]) == ("first_exchange_check", "cancelled")
    assert reminder(url)["reason"] == "the day that it counts from was changed before it was sent"
    assert not any("Controleer" in message["Subject"] for message in sink.messages())


@pytest.mark.parametrize("skew", [timedelta(), timedelta(seconds=1)], ids=["same moment", "worker behind"])
def test_a_reminder_that_was_written_at_the_moment_of_the_move_before_it_leaves(
    engine: Engine, clock: SetClock, url: str, skew: timedelta
) -> None:
    """A first exchange that has been is to be checked at once; no event is earlier than the one before it."""
    case = bring(engine, "keylane_configuring")
    clock.moment = datetime(2026, 4, 24, 9, tzinfo=UTC)
    dates = {"realised_on": "2026-03-02", "first_exchange_date": "2026-03-10"}
    engine.advance(case, "confirm", facts={"realisation": dates}, accept_warnings=True)
    clock.moment -= skew
    reminders.run_once(engine.database, engine.rules, clock.now(), WORKER)
    clock.moment += timedelta(minutes=1)

    with Sink() as sink:
        delivery(engine, sink).run_once()

    assert (reminder(url)["letter"], reminder(url)["state"]) == ("first_exchange_check", "sent")
    assert len(sink.messages(ADDRESSES["operations"])) == 1


@pytest.mark.parametrize("skew", [timedelta(), timedelta(seconds=1)], ids=["same moment", "worker ahead"])
def test_a_reminder_that_was_written_at_the_moment_of_the_move_after_it_does_not_leave(
    engine: Engine, clock: SetClock, url: str, skew: timedelta
) -> None:
    case = reminded(engine, clock)
    clock.moment -= skew
    enrich(engine, case)

    a_pass(engine)

    assert (reminder(url)["state"], reminder(url)["reason"]) == ("cancelled", LEFT)


def test_what_happens_to_a_case_besides_does_not_end_its_reminder(engine: Engine, clock: SetClock, url: str) -> None:
    case = reminded(engine, clock)
    clock.moment += timedelta(minutes=1)
    engine.note(case, "gebeld")
    engine.record(case, {"registration": {"company_name": "Anders B.V."}}, letters=False)
    engine.hold(case, date(2026, 6, 1), "wacht op derde")
    engine.resume(case)

    with Sink() as sink:
        delivery(engine, sink).run_once()

    assert reminder(url)["state"] == "sent"
    assert len(sink.messages(ASR)) == 1
