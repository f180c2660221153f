"""A right that is revoked, or a user that is blocked, on a case that goes on: told, and never a move by itself."""

from __future__ import annotations

import json
from typing import Any

import pytest
from examples import RIGHTS, facts
from looking import look
from office import complete

from scripts.loket_fake import FakeEmployer
from tests.loket.conftest import Window


@pytest.fixture
def employer(window: Window) -> FakeEmployer:
    """A registered case of which everything is well in Loket.nl, and the overview has nothing else to say."""
    employer = complete(window.fake)
    window.at(20, 7).open()
    window.run("loket check E1")
    window.run("advance E1")
    return employer


def revoke(employer: FakeEmployer) -> None:
    employer.users["coupling"].rights.remove(RIGHTS[3])


def block(employer: FakeEmployer) -> None:
    employer.users["coupling"].access = "blocked"


def remove(employer: FakeEmployer) -> None:
    employer.users.clear()


def overview(window: Window, day: int) -> list[str]:
    """What the daily overview of a day says of drift; [] when there is none."""
    window.at(day, 8, 30).run("init")
    window.run("tick")
    rows = look(window.environ["SCHAKEL_DATABASE_URL"], "SELECT context FROM outbox WHERE letter = 'daily_overview'")
    return list(json.loads(rows[-1]["context"])["drift"]) if rows else []


@pytest.mark.parametrize(
    ("act", "code", "line"),
    [
        (revoke, "RIGHTS_MISSING", f"recht weg: {RIGHTS[3]}"),
        (block, "USER_BLOCKED", "de gebruiker kan niet meer inloggen"),
        (remove, "USER_NO_ACCESS", "de gebruiker staat niet meer bij de werkgever"),
    ],
)
def test_drift_is_an_event_a_line_in_the_overview_and_no_move(
    window: Window, employer: FakeEmployer, act: Any, code: str, line: str
) -> None:
    act(employer)

    said = window.at(21, 7).check()

    assert said["drift"] == [code]
    event = window.ask("history E1")[-1]
    assert (event["kind"], event["via"], event["from"], event["to"]) == (
        "recorded",
        "loket",
        "registered",
        "registered",
    )
    assert event["observation"]["drift"] == [code]
    assert f"no longer right: {code}" in window.run("history E1").stdout
    assert code in {problem["code"] for problem in window.ask("why E1 enrich")["moves"][0]["problems"]}
    (told,) = overview(window, 21)
    assert told == f"{window.ask('show E1')['case']}, WerkgeverTST21: {line}"


def test_drift_is_new_once_and_stays_in_the_overview_until_it_is_right_again(
    window: Window, employer: FakeEmployer
) -> None:
    revoke(employer)
    assert window.at(21, 7).check()["drift"] == ["RIGHTS_MISSING"]
    assert len(overview(window, 21)) == 1

    assert window.at(22, 7).check()["drift"] == []
    assert len(overview(window, 22)) == 1

    employer.users["coupling"].rights.add(RIGHTS[3])
    window.at(23, 7).run("loket check E1")
    run = look(window.environ["SCHAKEL_DATABASE_URL"], "SELECT context FROM outbox WHERE letter = 'daily_overview'")
    overview(window, 23)
    again = look(window.environ["SCHAKEL_DATABASE_URL"], "SELECT context FROM outbox WHERE letter = 'daily_overview'")
    assert all(not json.loads(row["context"])["drift"] for row in again[len(run) :])


def test_what_loket_cannot_tell_any_more_is_no_drift(window: Window, employer: FakeEmployer) -> None:
    window.fake.employers.clear()

    assert window.at(21, 7).check()["drift"] == []
    assert overview(window, 21) == []


def test_a_pending_case_that_loket_itself_had_called_right_drifts_too(window: Window) -> None:
    employer = complete(window.fake)
    window.at(20, 7).open()
    window.run("loket check E1")
    block(employer)

    assert window.at(21, 7).check()["drift"] == ["USER_BLOCKED"]
    assert len(overview(window, 21)) == 1


def test_a_pending_case_that_was_attested_too_soon_does_not(window: Window) -> None:
    complete(window.fake).users["coupling"].rights = {*RIGHTS[:5]}
    window.at(20, 7).open(attested=True)

    said = window.check()

    assert (said["drift"], said["raised"]) == ([], ["RIGHTS_MISSING"])


def test_a_case_that_was_returned_or_ended_is_no_longer_watched_over(window: Window, employer: FakeEmployer) -> None:
    block(employer)
    window.at(21, 7).run("loket check E1")

    window.run('advance E1 withdraw --reason "op verzoek"')

    assert overview(window, 21) == []


def test_a_sole_traders_name_stays_out_of_the_overview(window: Window) -> None:
    employer = complete(window.fake)
    employer.payrolls = []
    form = facts("registration")["registration"]
    window.at(20, 7).open(wage_tax_number="123456782L01", company_name="Bakkerij Jansen", email=form["email"])
    window.run("loket check E1")
    window.run("advance E1 --accept-warnings")
    block(employer)
    window.at(21, 7).run("loket check E1")

    (line,) = overview(window, 21)

    assert "Jansen" not in line
