"""A letter that leaves late asks for nothing by a day that has passed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from employers import employer
from sink import Sink, delivery

from notifications.passed import without_passed, written_day
from states.wording import written_date
from workflow import Engine
from workflow.clock import SetClock
from workflow.storage import letters
from workflow.storage.letter_states import LetterState

AHEAD = ("answer_by", "due_on", "withdraw_question_on", "first_check_on")
"""What letters say of days that are to come."""
YEAR = [date(2028, 1, 1) + timedelta(days) for days in range(366)]


@pytest.mark.parametrize("language", ["nl", "en"])
def test_every_day_is_read_as_it_was_written(language: str) -> None:
    assert [written_day(written_date(day, language)) for day in YEAR] == YEAR


@pytest.mark.parametrize("text", ["", None, 4, "…", "4 brumaire 2026", "december 2026", "4 december 2026."])
def test_anything_else_is_no_day(text: object) -> None:
    assert written_day(text) is None


@pytest.mark.parametrize(
    ("day", "kept"), [("3 december 2026", False), ("4 december 2026", False), ("5 mei 2027", True)]
)
def test_the_days_that_have_passed_are_left_out_and_nothing_else(day: str, kept: bool) -> None:
    context = {**dict.fromkeys(AHEAD, day), "entered_on": day, "company": "x"}

    left = without_passed(context, date(2026, 12, 4))

    assert left == (context if kept else {**context, **dict.fromkeys(AHEAD, "")})


def test_the_days_of_each_case_of_a_digest_that_have_passed_are_left_out() -> None:
    asked = ("4 december 2026", "5 december 2026")
    cases = [{"answer_by": day, "withdraw_question_on": day} for day in asked]

    left = without_passed({"cases": [*cases, "altered"]}, date(2026, 12, 4))

    assert left == {"cases": [dict.fromkeys(cases[0], ""), cases[1], "altered"]}


@pytest.mark.parametrize(("first", "been"), [("2026-12-03", True), ("2026-12-04", False), ("", False)])
@pytest.mark.parametrize("frozen", [{}, {"exchanged": False}])
def test_whether_the_first_exchange_has_been_is_found_out_as_of_the_day_itself(
    first: str, been: bool, frozen: dict[str, bool]
) -> None:
    context = {"first_exchange_iso": first, **frozen}

    assert without_passed(context, date(2026, 12, 4)) == {"first_exchange_iso": first, "exchanged": been}


@pytest.mark.parametrize(("language", "before"), [("nl", "vóór"), ("en", "before")])
@pytest.mark.parametrize("late", [False, True])
def test_a_letter_that_waited_long_for_an_address_names_no_day_that_passed(
    sqlite_engine: Engine, clock: SetClock, language: str, before: str, late: bool
) -> None:
    given = employer("loket_user", "registration")
    given["registration"] |= {"email": None, "language": language}
    case = sqlite_engine.open_case(given).case.reference
    if late:
        clock.moment = datetime(2026, 6, 24, 8, tzinfo=UTC)
    sqlite_engine.record(case, {"registration": {"email": "nieuw@example.com"}})

    with Sink() as sink:
        delivery(sqlite_engine, sink).run_once()

    (letter,) = (one for one in sink.messages() if case in one["Subject"])
    text = letter.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert (f"{before} " in text.partition("1.")[0]) is not late
    assert "2026" not in text or not late


@pytest.mark.parametrize(("answer", "days"), [("550 mailbox disabled", 40), ("451 later", 9)])
def test_a_letter_that_was_refused_and_is_tried_again_names_no_day_that_passed(
    engine: Engine, clock: SetClock, answer: str, days: int
) -> None:
    engine.open_case(employer("loket_user", "registration"))
    with Sink(answers={"salaris01@example.com": answer}) as refusing:
        delivery(engine, refusing).run_once()
    clock.moment += timedelta(days)
    if answer.startswith("550"):
        with engine.database.writing() as store:
            row, now = letters.letters_of(store)[0], clock.moment
            letters.settling(store, row, LetterState.PENDING, expected=(LetterState.FAILED,), now=now, due_at=now)()

    with Sink() as sink:
        delivery(engine, sink).run_once()

    (letter,) = sink.messages()
    text = letter.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert "vóór" not in text.partition("1.")[0]
