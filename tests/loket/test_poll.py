"""The morning's round: a thousand cases within the throttle, none held up by another, and none lost or done twice."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from examples import RIGHTS, facts
from looking import look
from office import complete, when
from starlette.requests import Request
from starlette.responses import Response
from tampering import run
from virtual import run_virtually

from loket.errors import Misread, NoAnswer, NotAdmitted
from loket.hands import HANDS, Ending, Hands
from loket.poll import AFTER_OUTAGE, LEASE, Poll, Polled
from scripts.loket_fake import uuid_of
from scripts.loket_poll import poll_of
from tests.loket.conftest import Window
from workflow.answers import Row
from workflow.errors import Conflict, SchakelError, UsageError
from workflow.storage import shift

# -- many hands --------------------------------------------------------------------------------------------------------


def work_off(
    names: list[str], check: Callable[[str], Any], probe: Callable[[], Any] | None = None, **more: Any
) -> tuple[Ending, dict[str, Any], float, SchakelError | None]:
    """The ending, what each case was settled with, how long it took, and the fault."""
    settled: dict[str, Any] = {}

    async def main() -> tuple[Ending, dict[str, Any], float, SchakelError | None]:
        hands: Hands[Any] = Hands(check, settled.__setitem__, probe or fine, calls_per_minute=600, **more)
        ending = await hands.work_off(names)
        return ending, settled, asyncio.get_running_loop().time(), hands.fault

    return run_virtually(main())


async def fine() -> None:
    """The service works."""


async def down() -> None:
    """It does not."""
    raise NoAnswer("down")


NAMES = [f"case-{number}" for number in range(100)]


def test_a_slow_case_holds_up_no_other() -> None:
    async def check(name: str) -> str:
        await asyncio.sleep(1_000_000 if name in NAMES[: HANDS - 1] else 1)
        return "done"

    ending, settled, took, _ = work_off(NAMES, check)

    assert ending is Ending.FINISHED
    assert [name for name in NAMES if settled[name] == "done"] == NAMES[HANDS - 1 :]
    assert all(isinstance(settled[name], NoAnswer) for name in NAMES[: HANDS - 1])
    assert took < 300


def test_a_failing_case_is_settled_with_its_own_error_once_another_succeeds() -> None:
    async def check(name: str) -> str:
        await asyncio.sleep(0.1)
        if name == "case-3":
            raise Misread("odd")
        if name == "case-4":
            raise Conflict("changed")
        return "done"

    ending, settled, _, fault = work_off(NAMES, check)

    assert (ending, fault) == (Ending.FINISHED, None)
    assert Counter(type(answer).__name__ for answer in settled.values()) == {"str": 98, "Misread": 1, "Conflict": 1}


def test_a_service_that_is_down_is_left_alone_and_no_case_is_blamed() -> None:
    tried = []

    async def check(name: str) -> str:
        tried.append(name)
        raise NoAnswer("down")

    ending, settled, _, fault = work_off(NAMES, check, down)

    assert (ending, settled, str(fault)) == (Ending.OUTAGE, {}, "down")
    assert len(tried) <= 2 * HANDS


@pytest.mark.parametrize("count", [1, 3])
def test_a_few_cases_that_all_fail_are_an_outage_too(count: int) -> None:
    async def check(name: str) -> str:
        raise NoAnswer("down")

    assert work_off(NAMES[:count], check, down)[:2] == (Ending.OUTAGE, {})


def test_cases_that_fail_all_in_a_row_are_settled_when_the_service_itself_works() -> None:
    async def check(name: str) -> str:
        if name in NAMES[:50]:
            raise NoAnswer("broken")
        return "done"

    ending, settled, _, _ = work_off(NAMES, check)

    assert ending is Ending.FINISHED
    assert [name for name in NAMES if settled[name] == "done"] == NAMES[50:]


def test_a_few_cases_that_all_fail_are_settled_when_the_service_itself_works() -> None:
    async def check(name: str) -> str:
        raise NoAnswer("broken")

    ending, settled, _, _ = work_off(NAMES[:3], check)

    assert (ending, len(settled)) == (Ending.FINISHED, 3)


def test_a_token_that_is_not_accepted_ends_it_at_once() -> None:
    tried = []

    async def check(name: str) -> str:
        tried.append(name)
        raise NotAdmitted("log in anew")

    assert work_off(NAMES, check)[0] is Ending.OUTAGE
    assert len(tried) <= HANDS


def test_whoever_is_told_to_stop_drops_what_is_in_hand() -> None:
    settled = 0

    async def check(name: str) -> str:
        nonlocal settled
        await asyncio.sleep(10)
        settled += 1
        return "done"

    ending, answers, took, _ = work_off(NAMES, check, is_stopped=lambda: settled >= HANDS)

    assert ending is Ending.STOPPED
    assert len(answers) == HANDS
    assert took < 12


def test_no_case_is_begun_after_the_time_is_up_and_those_in_hand_are_finished() -> None:
    begun: list[str] = []

    async def check(name: str) -> str:
        begun.append(name)
        await asyncio.sleep(10)
        return "done"

    ending, answers, _, _ = work_off(NAMES, check, takes=lambda: len(begun) < 20)

    assert (ending, len(answers)) == (Ending.STOPPED, 20)


def test_nothing_to_do_is_done() -> None:
    async def check(name: str) -> str:
        raise AssertionError(name)

    assert work_off([], check)[0] is Ending.FINISHED


# -- rounds ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def morning(window: Window) -> Window:
    """Monday 20 April, 07:00."""
    return window.at(20, 7)


def bring_cases(window: Window, count: int) -> list[str]:
    """So many cases with an employer of their own, all but their sixth right in order; their references."""
    session = window.session()
    rows = []
    for number in range(1, count + 1):
        employer = complete(window.fake, number=number, user=f"user-{number}")
        employer.users["coupling"].rights = {*RIGHTS[:5]}
        whole = facts("registration", "loket_user")
        whole["registration"] |= {"loket_employer_id": str(number), "company_name": f"Werkgever {number}"}
        whole["loket_user"] |= {"user_name": f"user-{number}"}
        del whole["loket_user"]["active"], whole["loket_user"]["rights"]
        rows.append(Row(number, f"E{number}", whole))
    results = list(session.engine.import_rows(rows, letters=False))
    session.close()
    return [str(result.case) for result in results]


@pytest.fixture
def poll(morning: Window) -> Iterator[Poll]:
    session = morning.session()
    yield poll_of(session)
    session.close()


def checked(window: Window) -> Counter[int]:
    """How many checks each case has in its history."""
    rows = look(window.environ["SCHAKEL_DATABASE_URL"], "SELECT case_id FROM events WHERE via = 'loket'")
    return Counter(row["case_id"] for row in rows)


def test_a_clock_that_does_not_say_its_zone_begins_no_round(morning: Window, poll: Poll) -> None:
    morning.clock.moment = morning.clock.moment.replace(tzinfo=None)

    with pytest.raises(UsageError, match="now of the clock must be a datetime with its time zone"):
        poll.run_once()


def test_each_case_is_checked_once_a_morning(morning: Window, poll: Poll) -> None:
    bring_cases(morning, 12)

    first, again = poll.run_once(), poll.run_once()

    assert (first, again) == (Polled(checked=12), Polled())
    assert set(checked(morning).values()) == {1}
    morning.at(21, 7)
    assert poll.run_once() == Polled(checked=12)
    assert set(checked(morning).values()) == {2}


@pytest.mark.parametrize(("day", "hour"), [(20, 5), (20, 12), (20, 15), (25, 8), (27, 8)])
def test_outside_the_morning_of_a_working_day_nothing_is_asked(
    morning: Window, poll: Poll, day: int, hour: int
) -> None:
    bring_cases(morning, 1)
    morning.at(day, hour)

    assert poll.run_once() == Polled()
    assert not morning.fake.calls


def test_only_cases_that_are_not_final_and_name_their_user_are_asked_about(morning: Window, poll: Poll) -> None:
    bring_cases(morning, 4)
    morning.run("record E1 loket_user user_name=")
    morning.run("record E2 registration loket_employer_id=")
    morning.run('advance E3 withdraw --reason "op verzoek"')

    assert poll.run_once() == Polled(checked=1)


def test_a_change_from_missing_to_complete_tells_operations_once(morning: Window, poll: Poll) -> None:
    bring_cases(morning, 1)
    poll.run_once()
    assert letters(morning) == ["rights_missing"]

    morning.fake.employers[1].users["coupling"].rights = {*RIGHTS}
    for day in (21, 22, 23):
        morning.at(day, 7)
        poll.run_once()

    assert letters(morning) == ["rights_missing", "ready_to_register"]
    assert morning.ask("advance E1")["to"] == "registered"


def letters(window: Window) -> list[str]:
    return [letter["letter"] for letter in window.ask("mail list")]


def test_a_case_that_fails_of_its_own_is_passed_by_for_the_day(morning: Window, poll: Poll) -> None:
    cases = bring_cases(morning, 12)
    morning.fake.fault = when(f"{_path(5)}/users", Response(b"{", media_type="application/json"))

    assert poll.run_once() == Polled(checked=11, failed=1)

    calls = sum(morning.fake.calls.values())
    assert poll.run_once() == Polled()
    assert sum(morning.fake.calls.values()) == calls
    assert len(checked(morning)) == 11
    morning.at(21, 7).fake.fault = None
    assert poll.run_once() == Polled(checked=12)
    assert len(cases) == len(checked(morning))


@pytest.mark.parametrize("altered", ["facts = '[1]'", "progress = '{}'", "state = 'nowhere'", "seq = seq - 1"])
def test_a_case_that_cannot_be_read_is_one_that_failed_and_keeps_no_other_from_its_check(
    morning: Window, poll: Poll, altered: str
) -> None:
    cases = bring_cases(morning, 12)
    run(morning.environ["SCHAKEL_DATABASE_URL"], f"UPDATE cases SET {altered} WHERE reference = '{cases[4]}'")

    assert poll.run_once() == Polled(checked=11, failed=1)

    assert poll.run_once() == Polled()
    assert len(checked(morning)) == 11
    (said,) = [found for found in morning.ask("doctor", code=1)["checks"] if "could not be checked" in found["message"]]
    assert (said["message"][:7], said["todo"]) == ("1 case ", "schakel loket check CASE says why")
    assert f"audit verify {cases[4]}" in morning.run(f"loket check {cases[4]}", code=8).stderr.replace("\n  ", " ")


def _path(number: int) -> str:
    return uuid_of(str(number)).lower()


def test_an_outage_is_waited_out_and_blames_no_case(morning: Window, poll: Poll) -> None:
    bring_cases(morning, 3)
    morning.fake.fault = when("", Response(status_code=500))

    broken = poll.run_once()

    assert (broken.checked, broken.failed) == (0, 0)
    assert broken.fault is not None
    assert poll.run_once() == Polled()  # not at once again
    morning.fake.fault = None
    morning.clock.moment += AFTER_OUTAGE + timedelta(seconds=1)
    assert poll.run_once() == Polled(checked=3)


def test_a_round_that_was_stopped_goes_on_where_it_was(morning: Window, poll: Poll) -> None:
    bring_cases(morning, 40)
    left = [60]

    async def stop(_request: Request) -> None:
        left[0] -= 1
        if not left[0]:
            poll.stop()

    morning.fake.fault = stop
    first = poll.run_once()
    session = morning.session()
    morning.fake.fault = None
    second = poll_of(session).run_once()
    session.close()

    assert 0 < first.checked < 40
    assert first.checked + second.checked == 40
    assert set(checked(morning).values()) == {1}


def test_a_case_that_failed_is_not_tried_again_when_its_round_goes_on(morning: Window, poll: Poll) -> None:
    bring_cases(morning, 40)
    left, broken = [60], f"{_path(2)}/users"

    async def break_and_stop(request: Request) -> Response | None:
        left[0] -= 1
        if not left[0]:
            poll.stop()
        odd = request.url.path.endswith(broken)
        return Response(b"{", media_type="application/json") if odd else None

    morning.fake.fault = break_and_stop
    first = poll.run_once()
    session = morning.session()
    second = poll_of(session).run_once()
    session.close()

    assert (first.failed, second.failed) == (1, 0)
    assert first.checked + second.checked == 39
    assert [count for path, count in morning.fake.calls.items() if path.endswith(broken)] == [1]
    (said,) = [found for found in morning.ask("doctor", code=1)["checks"] if "could not be checked" in found["message"]]
    assert said["message"].startswith("1 case ")


def test_a_round_whose_worker_died_is_taken_over_when_its_lease_ends(morning: Window, poll: Poll) -> None:
    bring_cases(morning, 3)
    session = morning.session()
    with session.database.writing() as store:
        assert shift.hold_slot(store, "loket", _today(morning), morning.clock.now(), morning.clock.now() + LEASE)
    session.close()

    assert poll.run_once() == Polled()
    morning.clock.moment += LEASE + timedelta(seconds=1)
    assert poll.run_once() == Polled(checked=3)


def test_a_round_whose_process_was_killed_goes_on_where_it_was(morning: Window) -> None:
    bring_cases(morning, 30)
    before = morning.session()
    before.close()
    child = os.fork()
    if not child:
        _be_killed(morning)
    os.waitpid(child, 0)
    done = len(checked(morning))
    path = Path(morning.environ["SCHAKEL_LOKET_CREDENTIALS"])
    morning.fake.refresh_token = json.loads(path.read_text())["refresh_token"]
    morning.clock.moment += LEASE + timedelta(seconds=1)

    session = morning.session()
    again = poll_of(session).run_once()
    session.close()

    assert 0 < done < 30
    assert again == Polled(checked=30 - done)
    assert set(checked(morning).values()) == {1}
    assert morning.ask("replay E1")["matches_stored"]


def _be_killed(window: Window) -> None:
    """In a process of its own: begin a round, and die in the middle of it."""
    left = [80]

    async def die(_request: Request) -> None:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)

    window.fake.fault = die
    poll_of(window.session()).run_once()
    os._exit(0)


def _today(window: Window) -> Any:
    return window.clock.now().date()


def test_two_workers_check_each_case_once(morning: Window, poll: Poll) -> None:
    bring_cases(morning, 30)
    sessions = [morning.session() for _ in range(2)]

    async def both() -> list[Polled]:
        return list(await asyncio.gather(*(poll_of(session).round() for session in sessions)))

    done = run_virtually(both())

    assert sorted(one.checked for one in done) == [0, 30]
    assert set(checked(morning).values()) == {1}
    for session in sessions:
        session.close()


def test_a_tick_goes_on_with_the_round_when_the_setting_is_on(morning: Window) -> None:
    bring_cases(morning, 3)
    morning.run("init")
    assert morning.ask("tick")["loket"] == {"checked": 0, "failed": 0, "fault": None}
    assert not morning.fake.calls

    morning.environ["SCHAKEL_LOKET_POLL"] = "true"

    assert morning.ask("tick")["loket"] == {"checked": 3, "failed": 0, "fault": None}
    assert "Loket.nl" not in morning.run("tick").stdout


def test_a_tick_says_why_a_round_broke_off(morning: Window) -> None:
    bring_cases(morning, 1)
    morning.run("init")
    morning.environ["SCHAKEL_LOKET_POLL"] = "true"
    morning.environ["SCHAKEL_LOKET_CREDENTIALS"] = "/nowhere/loket.json"

    assert "cannot be read" in morning.ask("tick")["loket"]["fault"]


@pytest.mark.slow
def test_a_thousand_cases_are_checked_within_the_throttle(sqlite_window: Window) -> None:
    window = sqlite_window.at(20, 6)
    bring_cases(window, 1000)
    per_minute, moments = 120, list[float]()
    slow, broken = {_path(number) for number in range(10, 15)}, {_path(number) for number in range(20, 30)}

    async def watch(request: Request) -> Response | None:
        if request.url.path == "/token":
            return None
        moments.append(asyncio.get_running_loop().time())
        employer = request.path_params.get("employer", "")
        if employer in slow:
            await asyncio.sleep(1_000_000)
        return Response(status_code=500) if employer in broken else None

    window.fake.fault = watch
    window.manners = replace(window.manners, calls_per_minute=per_minute, first_pause=1.0)
    session = window.session()

    done = run_virtually(poll_of(session).round())

    session.close()
    assert done == Polled(checked=985, failed=15)
    assert set(checked(window).values()) == {1}
    assert len(checked(window)) == 985
    assert all(later - earlier > 59.999 for earlier, later in zip(moments, moments[per_minute:], strict=False))
    assert moments[-1] < 2 * 60 * len(moments) / per_minute  # nobody waited long for the slow ones


def test_all_pending_checks_the_longest_ago_first_and_tells_each(window: Window) -> None:
    bring_cases(window, 5)
    window.at(20).run("loket check E1")
    window.at(21)

    answers = window.ask("loket check --all-pending")

    order = [answer["external_reference"] for answer in answers]
    assert order == ["E2", "E3", "E4", "E5", "E1"]
    assert all(answer["event"] for answer in answers)
    text = window.run("loket check --all-pending --dry-run").stdout
    assert "5 cases checked, 0 could not be. Nothing was recorded (--dry-run)." in text


@pytest.mark.parametrize("altered", ["facts = '[1]'", "progress = '{}'"])
def test_all_pending_goes_on_past_a_case_that_cannot_be_read(window: Window, altered: str) -> None:
    cases = bring_cases(window, 3)
    run(window.environ["SCHAKEL_DATABASE_URL"], f"UPDATE cases SET {altered} WHERE reference = '{cases[1]}'")

    answers = {answer["case"]: answer for answer in window.ask("loket check --all-pending")}

    assert {case: bool(answer["checks"]) for case, answer in answers.items()} == {
        case: case != cases[1] for case in cases
    }
    assert f"audit verify {cases[1]}" in answers[cases[1]]["error"]


def test_all_pending_tells_of_a_case_that_could_not_be_checked_and_goes_on(window: Window) -> None:
    bring_cases(window, 5)
    window.fake.fault = when(f"{_path(3)}/users", Response(b"{", media_type="application/json"))

    answers = window.ask("loket check --all-pending")

    errors = [answer["error"] for answer in answers if "error" in answer]
    assert errors == ["Loket.nl answered with JSON that cannot be read."]
    assert len(answers) == 5
    assert "1 could not be" in window.run("loket check --all-pending").stdout


def test_all_pending_leaves_out_what_is_not_pending(window: Window) -> None:
    bring_cases(window, 2)
    window.run('advance E1 withdraw --reason "op verzoek"')

    assert len(window.ask("loket check --all-pending")) == 1


def test_all_pending_ends_with_1_when_the_service_is_down(window: Window) -> None:
    bring_cases(window, 2)
    window.fake.fault = when("", Response(status_code=500))

    assert window.ask("loket check --all-pending", code=1)["error"] == "failed"
    assert checked(window) == {}
