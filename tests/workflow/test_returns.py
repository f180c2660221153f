"""What is known of a case that a person sent back: when, by which move and why; nothing of one that only moved on."""

from __future__ import annotations

from datetime import timedelta

import pytest
from employers import REACHED_BY, bring, employer
from looking import bare

from workflow import Engine, Row
from workflow.answers import Returned
from workflow.clock import SetClock

WHY = "het contract hoort bij een ander"
HOUR = timedelta(hours=1)


def send_back(engine: Engine, clock: SetClock, state: str, trigger: str) -> tuple[str, Returned]:
    """A case that came to a state and was sent back from there, and what is known of that."""
    case = bring(engine, state)
    clock.moment += HOUR
    engine.advance(case, trigger, reason=WHY, letters=False)
    return case, Returned(clock.moment, trigger, WHY)


@pytest.mark.parametrize("state", REACHED_BY)
def test_a_case_that_only_moved_on_was_not_sent_back(engine: Engine, state: str) -> None:
    case = bring(engine, state)

    assert (engine.why(case).returned, engine.case(case).returned) == (None, None)


@pytest.mark.parametrize(
    ("state", "trigger"),
    [
        ("registered", "return_to_applicant"),
        ("enriched", "return_to_applicant"),
        ("enriched", "return_to_asr"),
        ("keylane_configuring", "return_to_asr"),
    ],
)
def test_one_that_was_sent_back_says_when_and_why_until_it_moves_on(
    engine: Engine, clock: SetClock, state: str, trigger: str
) -> None:
    case, returned = send_back(engine, clock, state, trigger)
    clock.moment += HOUR
    engine.note(case, "gebeld")

    assert (engine.why(case).returned, engine.case(case).returned) == (returned, returned)
    engine.advance(case, accept_warnings=True, letters=False)
    assert engine.why(case).returned is None


def test_one_is_seen_too_when_a_clock_that_ran_ahead_gave_all_its_events_one_moment(
    engine: Engine, clock: SetClock
) -> None:
    row = Row(1, "E1", employer("loket_user", "registration"))
    list(engine.import_rows([row], advance=True))
    clock.moment -= HOUR
    engine.advance("E1", "return_to_applicant", reason=WHY, letters=False)
    (again,) = engine.import_rows([row], advance=True)

    assert engine.why("E1").returned == Returned(clock.moment + HOUR, "return_to_applicant", WHY)
    assert (again.result, again.state) == ("unchanged", "rights_pending")


def test_an_ended_case_was_not_sent_back_whatever_its_last_move_asked(engine: Engine) -> None:
    case = bring(engine, "registered")
    engine.advance(case, "withdraw", reason=WHY, letters=False)

    assert engine.why(case).returned is None


def test_a_reason_that_is_gone_leaves_the_rest(engine: Engine, clock: SetClock, url: str) -> None:
    case, returned = send_back(engine, clock, "registered", "return_to_applicant")
    other = engine.open_case(employer("registration"), letters=False).case.reference
    with bare(url) as connection:
        connection.execute("DELETE FROM private_values WHERE path = 'reason'")

    assert engine.why(case).returned == returned._replace(reason=None)
    assert engine.why(other).returned is None
