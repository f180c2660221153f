"""Step 1 of a coupling by itself: from invitation to registered, without anybody retyping what Loket.nl knows."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from examples import RIGHTS
from office import NUMBER, TAX_NUMBER, USER, complete, on_loopback, settings, when
from sink import Sink
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from scripts.loket_fake import FakeUser
from tests.loket.conftest import Window

MISSING = "Raadplegen variabele gegevens"


def changes(event: dict[str, Any]) -> dict[str, Any]:
    """What an event made of each field that it changed."""
    return {path: change["to"] for path, change in event["changes"].items()}


def test_a_case_goes_from_invitation_to_registered_by_what_loket_says(window: Window) -> None:
    employer = window.fake.add(NUMBER, payrolls=[(TAX_NUMBER, "monthly", None)])
    with Sink() as sink:
        window.environ |= {"SCHAKEL_SMTP_URL": f"smtp://127.0.0.1:{sink.port}", "SCHAKEL_MAIL_FROM": "a@example.org"}
        window.environ |= {"SCHAKEL_MAIL_ASR": "asr@example.org", "SCHAKEL_MAIL_OPERATIONS": "beheer@example.org"}

        # Monday 20 April: the invitation went out, and the user is not there yet
        window.at(20).open()
        missing = window.check()
        assert result(missing, "user_exists") == "fail"
        assert codes(missing) == ["USER_BLOCKED", "USER_NO_ACCESS", "RIGHTS_MISSING"]

        # Wednesday: invited
        employer.users["coupling"] = FakeUser(USER.upper(), "invited")
        invited = window.at(22).check()
        assert (result(invited, "user_exists"), result(invited, "active")) == ("pass", "fail")
        assert invited["settled"] == ["USER_NO_ACCESS"]

        # Thursday: active, with five rights and one that resembles the sixth
        employer.users["coupling"] = FakeUser(USER, "active", {*RIGHTS[:5]})
        five = window.at(23).check()
        assert (result(five, "active"), result(five, "rights")) == ("pass", "fail")
        assert codes(five) == ["RIGHTS_MISSING"]
        assert five["letters"] == ["rights_missing"]

        # Tuesday 28 April, 09:00: five working days, for the 27th is Koningsdag: the reminder names the one right
        window.at(28, 9).run("tick")
        (reminder,) = [one for one in sink.messages() if str(one["Subject"]).startswith("Herinnering")]
        said = reminder.get_body(("plain",)).get_content().replace("\n", " ")  # type: ignore[union-attr]
        assert MISSING in said
        assert not any(right in said for right in RIGHTS[:5])
        assert "actief" not in said

        # Wednesday: six rights; operations hears that it can go on, and it does
        employer.users["coupling"].rights.add(MISSING)
        six = window.at(29).check()
        assert (result(six, "rights"), codes(six), six["letters"]) == ("pass", [], ["ready_to_register"])
        assert window.ask("advance E1")["to"] == "registered"
        window.run("tick")
        subjects = [str(one["Subject"]) for one in sink.messages("beheer@example.org")]
        assert sum(subject.startswith("Klaar om door te zetten") for subject in subjects) == 1

    checks = [event for event in window.ask("history E1") if event["via"] == "loket"]
    assert [event["kind"] for event in checks] == ["recorded"] * 4
    assert [changes(event).get("loket_seen.user_status") for event in checks] == [
        "not_listed",
        "invite_pending",
        "has_access",
        None,
    ]
    assert [changes(event).get("loket_user.active") for event in checks] == [None, False, True, None]
    assert changes(checks[2])["loket_user.rights"] == sorted(RIGHTS[:5])
    assert changes(checks[3])["loket_user.rights"] == sorted(RIGHTS)
    for event, said in zip(checks, (missing, invited, five, six), strict=True):
        assert event["observation"]["checks"] == {one["precondition"]: one["result"] for one in said["checks"]}
        assert len(event["observation"]["evidence_sha256"]) == 64
    assert window.ask("replay E1")["matches_stored"]


def result(said: dict[str, Any], precondition: str) -> str:
    (found,) = (check["result"] for check in said["checks"] if check["precondition"] == precondition)
    return str(found)


def codes(said: dict[str, Any]) -> list[str]:
    return [problem["code"] for problem in said["problems"]]


def test_a_right_that_missed_while_the_user_was_only_invited_is_told_once_it_is_active(window: Window) -> None:
    user = complete(window.fake).users["coupling"]
    user.access, user.rights = "invited", {*RIGHTS[:5]}
    window.open()
    assert window.check()["letters"] == []

    user.access = "active"

    assert window.at(21).check()["letters"] == ["rights_missing"]


def test_what_loket_cannot_tell_is_marked_and_stays_attested(window: Window) -> None:
    window.open(attested=True, loket_employer_id="404")
    before = window.ask("show E1 --reveal")["facts"]

    results = window.results()

    assert set(results.values()) == {"unknown"}
    after = window.ask("show E1 --reveal")["facts"]
    assert {sheet: fields for sheet, fields in after.items() if sheet != "loket_seen"} == before
    assert window.ask("why E1 register")["moves"][0]["allowed"]


def test_a_dry_run_tells_everything_and_records_nothing(window: Window) -> None:
    complete(window.fake)
    window.open()
    before = window.ask("history E1")

    said = window.check("E1", "--dry-run")

    assert (codes(said), said["settled"], said["event"]) == ([], ["USER_BLOCKED", "RIGHTS_MISSING"], None)
    assert said["letters"] == []
    assert window.ask("history E1") == before
    assert "rights" not in window.ask("show E1")["facts"]["loket_user"]


def test_differences_with_the_form_are_warnings_with_both_values_masked(window: Window) -> None:
    complete(window.fake).payrolls = [("899900180L03", "four_weekly", None)]
    window.open()

    said = window.check()

    assert codes(said) == ["LOKET_WAGE_TAX_DIFFERS", "LOKET_PERIOD_DIFFERS"]
    assert "(8999•••••L03) than the form (9999•••••L01)" in said["problems"][0]["message"]
    window.run("advance E1", code=5)
    window.run("loket check E1")  # looking again does not undo what was accepted
    assert window.ask("advance E1 --accept-warnings")["accepted"] == codes(said)
    assert "899900180" not in "".join(window.said)


def test_a_warning_that_was_accepted_stays_so_when_the_next_check_sees_the_same(window: Window) -> None:
    complete(window.fake).payrolls = [(TAX_NUMBER, "four_weekly", None)]
    window.open()
    window.run("loket check E1")
    window.run("advance E1 --accept LOKET_PERIOD_DIFFERS")

    assert "LOKET_PERIOD_DIFFERS" not in codes(window.at(21).check())


def test_ended_administrations_are_not_compared(window: Window) -> None:
    complete(window.fake).payrolls.append(("899900180L03", "four_weekly", "2026-04-19"))
    window.open()

    results = window.results()

    assert (results["wage_tax_number"], results["payroll_frequency"]) == ("pass", "pass")


def test_the_check_of_a_case_that_has_ended_says_what_it_sees_and_records_nothing(window: Window) -> None:
    complete(window.fake)
    window.open()
    window.run('advance E1 withdraw --reason "op verzoek"')
    before = window.kinds()

    said = window.check()

    assert (result(said, "rights"), said["event"]) == ("pass", None)
    assert window.kinds() == before
    assert "its facts are closed" in window.run("loket check E1").stdout


# -- when it does not work ---------------------------------------------------------------------------------------------

NO_USE = {
    "400": JSONResponse({"messages": [{"code": 83}]}, 400),
    "401": JSONResponse({"message": "denied"}, 401),
    "409": Response(status_code=409),
    "429": Response(status_code=429),
    "500": Response(status_code=500),
    "redirect": RedirectResponse("https://elsewhere.example"),
    "HTML": HTMLResponse("<p>hello</p>"),
}


@pytest.mark.parametrize("path", ["/employers", "/users", "/authorizations", "/payrolladministrations", "/token"])
@pytest.mark.parametrize("answer", NO_USE)
def test_a_check_that_breaks_off_records_nothing(sqlite_window: Window, path: str, answer: str) -> None:
    window = sqlite_window
    complete(window.fake)
    window.open()
    before = (window.ask("history E1"), window.ask("show E1 --reveal"))
    window.fake.fault = when(path, NO_USE[answer])

    said = window.ask("loket check E1", code=1)

    assert said["error"] == "failed"
    assert said["message"].startswith(("Loket.nl", "The address of SCHAKEL_LOKET_TOKEN_URL"))
    assert (window.ask("history E1"), window.ask("show E1 --reveal")) == before


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize(
    ("path", "unknown"),
    [
        ("/employers", {"employer_access", "user_exists", "active", "dedicated", "rights", "wage_tax_number"}),
        ("/users", {"user_exists", "active", "dedicated", "rights"}),
        ("/integrations", {"dedicated"}),
        ("/authorizations", {"rights"}),
        ("/payrolladministrations", {"wage_tax_number", "payroll_frequency"}),
    ],
)
def test_what_we_may_not_see_is_unknown_and_the_rest_is_recorded_once(
    sqlite_window: Window, path: str, status: int, unknown: set[str]
) -> None:
    window = sqlite_window
    complete(window.fake)
    window.open(attested=True)
    window.fake.fault = when(path, Response(status_code=status))

    results = window.results()

    assert all(results[name] == "unknown" for name in unknown)
    assert "fail" not in results.values()
    assert window.kinds() == ["opened", "recorded"]
    assert window.ask("why E1 register")["moves"][0]["allowed"]


def test_nothing_is_asked_before_it_is_set_up(sqlite_window: Window) -> None:
    window = sqlite_window
    window.open()
    del window.environ["SCHAKEL_LOKET_TOKEN_URL"], window.environ["SCHAKEL_LOKET_CREDENTIALS"]

    said = window.ask("loket check E1", code=2)

    assert said["message"].startswith("Loket.nl is not set up: set SCHAKEL_LOKET_TOKEN_URL, SCHAKEL_LOKET_CREDENTIALS")


def test_credentials_that_others_can_read_stop_everything(sqlite_window: Window) -> None:
    window = sqlite_window
    complete(window.fake)
    window.open()
    Path(window.environ["SCHAKEL_LOKET_CREDENTIALS"]).chmod(0o644)

    assert "chmod 600" in window.ask("loket check E1", code=2)["message"]
    assert window.ask("loket check --all-pending", code=2)["error"] == "usage"
    assert not window.fake.calls


@pytest.mark.parametrize(
    ("words", "code"), [("loket check", 2), ("loket check E1 --all-pending", 2), ("loket check X9", 3)]
)
def test_wrong_use_is_told_before_anything_is_asked(sqlite_window: Window, words: str, code: int) -> None:
    sqlite_window.open()

    sqlite_window.run(words, code=code)

    assert not sqlite_window.fake.calls


def test_the_check_reads_in_eighty_columns_and_in_dutch(sqlite_window: Window) -> None:
    window = sqlite_window
    employer = complete(window.fake)
    employer.users["coupling"].rights.remove("Raadplegen loonoutput beperkt")
    employer.users["coupling"].rights.add("Raadplegen loonoutput")
    window.open()

    english = window.run("loket check E1").stdout
    window.environ["SCHAKEL_LANGUAGE"] = "nl"
    dutch = window.run("loket check E1").stdout

    assert "'Raadplegen loonoutput', which is not the same" in " ".join(english.split())
    assert "'Raadplegen loonoutput', maar dat is iets anders" in " ".join(dutch.split())
    assert all(len(line) <= 80 for line in english.splitlines() + dutch.splitlines())


def test_a_case_that_is_changed_while_it_is_checked_is_checked_again(sqlite_window: Window) -> None:
    window = sqlite_window
    complete(window.fake)
    window.open()
    left = [1]

    async def interfere(request: Any) -> None:
        if request.url.path.endswith("/users") and left[0]:
            left[0] -= 1
            window.run("record E1 registration contact_name=Iemand")

    window.fake.fault = interfere

    assert codes(window.check()) == []
    assert window.fake.calls["/v2/providers/employers"] == 2
    assert window.kinds() == ["opened", "recorded", "recorded"]


def test_it_works_over_a_real_socket(sqlite_window: Window) -> None:
    window = sqlite_window
    complete(window.fake)
    window.open()

    with on_loopback(window.fake) as base:
        window.environ |= settings(Path(window.environ["SCHAKEL_LOKET_CREDENTIALS"]), base)
        window.manners = None  # type: ignore[assignment]
        window.environ["SCHAKEL_LOKET_CALLS_PER_MINUTE"] = "6000"
        assert codes(window.check()) == []
        (said,) = [found for found in window.ask("doctor", code=1)["checks"] if found["check"] == "loket"]

    assert said["result"] == "ok"
    assert said["message"].startswith(f"{base}/v2 answers")
    assert json.loads(Path(window.environ["SCHAKEL_LOKET_CREDENTIALS"]).read_text())["refresh_token"] != "refresh-0"


@pytest.mark.parametrize("taken", [".{name}.{process}", "{name}.lock"])
def test_doctor_says_so_where_a_new_token_could_not_be_kept(sqlite_window: Window, taken: str) -> None:
    path = Path(sqlite_window.environ["SCHAKEL_LOKET_CREDENTIALS"])
    path.with_name(taken.format(name=path.name, process=os.getpid())).mkdir()
    before = sorted(path.parent.iterdir())

    (said,) = [found for found in sqlite_window.ask("doctor", code=1)["checks"] if found["check"] == "loket"]

    assert said["result"] == "fail"
    assert "must lie in a folder that Schakel can write" in said["message"]
    assert said["todo"].startswith(f"give {path.parent} to the user that runs the worker")
    assert sorted(path.parent.iterdir()) == before
