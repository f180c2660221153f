"""The verdict on each precondition, row by row of the domain's table, and its sentence in both languages."""

from __future__ import annotations

import string
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from examples import RIGHTS
from hypothesis import given
from hypothesis import strategies as st
from office import ASKED

from loket.check import Check, Precondition, Result, judge
from loket.evidence import digest, evidence
from loket.models import Administration, Integration, Right, User
from loket.reading import Asked, Reading, Withheld
from loket.wording import SENTENCES, phrase

ID = "b14acd0d-75d7-4fc8-8b22-4a3924585cab"
PASS, FAIL, UNKNOWN = Result.PASS, Result.FAIL, Result.UNKNOWN


def user(status: str | None = "Has access to Client") -> User:
    said = {"value": status} if status is not None else None
    return User.model_validate({"id": ID, "userName": "x", "accessStatus": said})


def rights(*enabled: str, off: tuple[str, ...] = ()) -> tuple[Right, ...]:
    return tuple(
        Right.model_validate({"id": ID, "description": name, "isEnabled": name not in off}) for name in (*enabled, *off)
    )


def payroll(number: str | None = "999900110L01", period: int | None = 1, end: str | None = None) -> Administration:
    kind = {"key": period} if period is not None else None
    said = {"id": ID, "payrollTaxesNumber": number, "payrollPeriodType": kind, "endDate": end}
    return Administration.model_validate(said)


def integrations(*blocked: bool) -> tuple[Integration, ...]:
    return tuple(Integration.model_validate({"isBlocked": one}) for one in blocked)


def reading(**more: Any) -> Reading:
    """All that there is to read, as it should be."""
    whole = Reading(1, ID, 1, user(), integrations(False), rights(*RIGHTS), (payroll(),))
    return replace(whole, **more)


def verdict(precondition: Precondition, found: Reading, asked: Asked = ASKED) -> tuple[Result, str]:
    """The result of one check, and what it says in English."""
    (check,) = (check for check in judge(asked, found) if check.precondition is precondition)
    return check.result, phrase(check, "en")


@pytest.mark.parametrize("written", ["9999 00 110 L 01", "9999.00.110.L.01", "999900110l01", "9999-00-110-L-01"])
def test_a_wage_tax_number_is_the_same_however_it_is_written(written: str) -> None:
    result, said = verdict(Precondition.WAGE_TAX_NUMBER, reading(administrations=(payroll(written),)))

    assert result is Result.PASS, said


def test_there_is_a_check_for_every_precondition_in_order() -> None:
    assert [check.precondition for check in judge(ASKED, reading())] == list(Precondition)


def test_when_all_is_well_all_that_can_be_told_passes() -> None:
    results = {check.precondition: check.result for check in judge(ASKED, reading())}

    attested = {Precondition.STANDARD_USER, Precondition.THIRTEENTH_MONTH, Precondition.FRAMEWORK_CONTRACT}
    assert {what for what, result in results.items() if result is UNKNOWN} == attested
    assert FAIL not in results.values()


@pytest.mark.parametrize(
    ("found", "result", "says"),
    [
        (Reading(1, ID), PASS, "shows us employer 8106825"),
        (Reading(0), UNKNOWN, "need not be the applicant's fault"),
        (Reading(2), UNKNOWN, "more than one employer"),
        (Reading(withheld={"employers": Withheld.DENIED}), UNKNOWN, "(403)"),
    ],
)
def test_access_to_the_employer(found: Reading, result: Result, says: str) -> None:
    got, said = verdict(Precondition.EMPLOYER_ACCESS, found)

    assert got is result
    assert says in said


def test_a_case_without_employer_or_user_asks_nothing() -> None:
    nobody = ASKED._replace(employer_number="", user_name="")

    assert all(check.result is UNKNOWN for check in judge(nobody, Reading()))
    assert verdict(Precondition.USER_EXISTS, Reading(1, ID), ASKED._replace(user_name=""))[0] is UNKNOWN


@pytest.mark.parametrize(
    ("users", "by_employer", "result"),
    [
        (1, True, PASS),
        (1, False, PASS),
        (0, True, FAIL),
        (0, False, UNKNOWN),
        (0, None, UNKNOWN),
        (2, True, UNKNOWN),
    ],
)
def test_the_user_exists(users: int, by_employer: bool | None, result: Result) -> None:
    asked = ASKED._replace(is_employers_user=by_employer)
    found = Reading(1, ID, users, user() if users == 1 else None)

    assert verdict(Precondition.USER_EXISTS, found, asked)[0] is result


@pytest.mark.parametrize(
    ("status", "result", "says"),
    [
        ("Has access to Client", PASS, "The user has access."),
        ("  HAS  access\tto client ", PASS, "The user has access."),
        ("HasAccessToClient", PASS, "The user has access."),
        ("User blocked", FAIL, "The user is blocked."),
        ("User is blocked", FAIL, "The user is blocked."),
        ("Access to client blocked", FAIL, "access is blocked"),
        ("AccessToClientIsBlocked", FAIL, "access is blocked"),
        ("Invite pending", FAIL, "has not accepted yet"),
        ("Invite expired", FAIL, "invitation has expired"),
        ("Has access to Client (V. Verborgen)", FAIL, "does not say that the user has access"),
        ("", FAIL, "does not say that the user has access"),
        (None, UNKNOWN, "does not say"),
    ],
)
def test_the_user_is_active(status: str | None, result: Result, says: str) -> None:
    got, said = verdict(Precondition.ACTIVE, reading(user=user(status)))

    assert got is result
    assert says in said
    assert "Verborgen" not in said


@pytest.mark.parametrize(
    ("blocked", "result"),
    [((), PASS), ((False,), PASS), ((True,), UNKNOWN), ((False, True), FAIL), ((False, False, False), FAIL)],
)
def test_the_user_is_dedicated_as_far_as_integrations_can_tell(blocked: tuple[bool, ...], result: Result) -> None:
    assert verdict(Precondition.DEDICATED, reading(integrations=integrations(*blocked)))[0] is result


def test_six_rights_compare_whatever_their_capitals_spaces_and_composition() -> None:
    odd = [f"  {name.upper().replace(' ', '   ')} " for name in RIGHTS]

    assert verdict(Precondition.RIGHTS, reading(rights=rights(*odd)))[0] is PASS


def test_a_right_that_is_there_but_not_enabled_is_missing() -> None:
    got, said = verdict(Precondition.RIGHTS, reading(rights=rights(*RIGHTS[:5], off=(RIGHTS[5],))))

    assert got is FAIL
    assert said == f"1 missing: {RIGHTS[5]}."


def test_an_almost_equal_name_is_named() -> None:
    without = [name for name in RIGHTS if name != "Raadplegen loonoutput beperkt"]

    got, said = verdict(Precondition.RIGHTS, reading(rights=rights(*without, "Raadplegen loonoutput")))

    assert got is FAIL
    assert "It does have 'Raadplegen loonoutput', which is not the same as Raadplegen loonoutput beperkt." in said


def test_an_almost_equal_name_that_is_not_enabled_is_not_named() -> None:
    without = [name for name in RIGHTS if name != "Raadplegen loonoutput beperkt"]

    _, said = verdict(Precondition.RIGHTS, reading(rights=rights(*without, off=("Raadplegen loonoutput",))))

    assert said == "1 missing: Raadplegen loonoutput beperkt."


@pytest.mark.parametrize(
    ("running", "number", "period"),
    [
        ((payroll(),), PASS, PASS),
        ((payroll("999900110l01"),), PASS, PASS),
        ((payroll("999900110L02"),), FAIL, PASS),
        ((payroll(period=3),), PASS, FAIL),
        ((payroll(period=4),), PASS, FAIL),
        ((payroll(None, None),), UNKNOWN, UNKNOWN),
        ((payroll(), payroll()), UNKNOWN, UNKNOWN),
        ((), UNKNOWN, UNKNOWN),
        (None, UNKNOWN, UNKNOWN),
    ],
)
def test_number_and_period_are_compared_with_the_one_administration(
    running: tuple[Administration, ...] | None, number: Result, period: Result
) -> None:
    withheld = {} if running is not None else {"administrations": Withheld.GONE}
    found = reading(administrations=running, withheld=withheld)

    assert verdict(Precondition.WAGE_TAX_NUMBER, found)[0] is number
    assert verdict(Precondition.PAYROLL_FREQUENCY, found)[0] is period


def test_what_the_form_does_not_say_cannot_be_compared() -> None:
    asked = ASKED._replace(wage_tax_number="", payroll_frequency="")

    assert verdict(Precondition.WAGE_TAX_NUMBER, reading(), asked)[0] is UNKNOWN
    assert verdict(Precondition.PAYROLL_FREQUENCY, reading(), asked)[0] is UNKNOWN


@pytest.mark.parametrize("question", ["integrations", "rights", "administrations"])
def test_what_is_withheld_is_unknown_and_leaves_the_rest(question: str) -> None:
    found = reading(**{question: None}, withheld={question: Withheld.DENIED})

    unknown = [check.said for check in judge(ASKED, found) if check.result is UNKNOWN]
    assert unknown.count("denied") == (2 if question == "administrations" else 1)


def test_a_day_is_read_from_a_moment_too() -> None:
    assert payroll(end="2025-10-15T13:53:59.565Z").end_date == date(2025, 10, 15)


def test_every_sentence_is_there_in_both_languages_and_asks_for_the_same_details() -> None:
    gaps = {
        language: {
            said: {name for _, name, _, _ in string.Formatter().parse(text) if name} for said, text in texts.items()
        }
        for language, texts in SENTENCES.items()
    }

    assert gaps["en"] == gaps["nl"]


@given(
    st.builds(
        Reading,
        employers=st.sampled_from([None, 0, 1, 2]),
        employer=st.just(ID),
        users=st.sampled_from([None, 0, 1, 2]),
        user=st.sampled_from([None, user(), user("Invite pending"), user("?"), user(None)]),
        integrations=st.sampled_from([None, (), integrations(True), integrations(False, False)]),
        rights=st.sampled_from([None, (), rights(*RIGHTS), rights("Raadplegen loonoutput")]),
        administrations=st.sampled_from([None, (), (payroll(),), (payroll("1", 4),), (payroll(None, None),)]),
    ),
    st.sampled_from([ASKED, ASKED._replace(user_name="", wage_tax_number=""), ASKED._replace(employer_number="")]),
)
def test_whatever_was_read_each_check_can_be_told_in_both_languages(found: Reading, asked: Asked) -> None:
    checks: tuple[Check, ...] = judge(asked, found)

    assert [check.precondition for check in checks] == list(Precondition)
    for check in checks:
        for language in SENTENCES:
            assert "{" not in phrase(check, language)


def test_evidence_holds_what_was_used_and_no_number_in_clear() -> None:
    kept = evidence(reading(administrations=(payroll(end="2027-01-01"),)), lambda number: f"sealed {len(number)}", "00")

    assert kept["administrations"] == [
        {"id": ID, "payrollTaxesNumber": "sealed 12", "payrollPeriodType": 1, "endDate": "2027-01-01"}
    ]
    assert kept["rights"] == sorted(RIGHTS)
    assert len(digest(kept)) == 64
    assert digest(kept) != digest(kept | {"nonce": "01"})
