"""The Loket.nl user and its rights."""

from __future__ import annotations

import pytest

from states.rights import (
    REQUIRED_RIGHTS,
    complete_rights,
    missing_rights,
    suitable_user,
    tell_blocked,
    tell_missing_rights,
)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("kind", "webservice", ["USER_TYPE"]),
        ("kind", None, ["USER_TYPE"]),
        ("dedicated", False, ["USER_NOT_DEDICATED"]),
        ("dedicated", None, ["USER_NOT_DEDICATED"]),
        ("active", False, ["USER_BLOCKED"]),
        ("active", None, ["USER_BLOCKED"]),
        ("access_via", None, ["USER_NO_ACCESS"]),
        ("access_via", "team", []),
    ],
)
def test_a_user_meets_the_four_conditions_of_the_manual(case, codes, field, value, expected):
    assert codes(suitable_user, case(**{f"loket_user__{field}": value})) == expected


def test_a_user_that_was_never_recorded_misses_everything(codes):
    expected = ["USER_TYPE", "USER_NOT_DEDICATED", "USER_BLOCKED", "USER_NO_ACCESS", "RIGHTS_MISSING"]

    assert codes([suitable_user, complete_rights], {}) == expected


@pytest.mark.parametrize("right", REQUIRED_RIGHTS)
def test_each_of_the_six_rights_is_needed(case, problems, right):
    rights = [other for other in REQUIRED_RIGHTS if other != right]

    (found,) = problems(complete_rights, case(loket_user__rights=rights))

    assert (found.code, found.details) == ("RIGHTS_MISSING", {"rights": [right]})


def test_case_spaces_and_composition_of_a_right_do_not_matter(case, codes):
    rights = [f"  {right.upper().replace(' ', '  ')} " for right in REQUIRED_RIGHTS]

    assert codes(complete_rights, case(loket_user__rights=rights)) == []


def test_loonoutput_is_not_loonoutput_beperkt(case, codes):
    rights = [right.replace("loonoutput beperkt", "loonoutput") for right in REQUIRED_RIGHTS]

    assert codes(complete_rights, case(loket_user__rights=rights)) == ["RIGHTS_MISSING", "RIGHTS_EXTRA"]


def test_an_extra_right_is_named_once(case, problems):
    rights = [*REQUIRED_RIGHTS, "Beheren alles", "beheren  ALLES"]

    (found,) = problems(complete_rights, case(loket_user__rights=rights))

    assert found.code == "RIGHTS_EXTRA"
    assert found.details == {"rights": ["beheren  ALLES"]}


def test_a_thousand_extra_rights_are_not_all_named(case, problems):
    rights = [*REQUIRED_RIGHTS, *(f"Recht {n}" for n in range(900))]

    (found,) = problems(complete_rights, case(loket_user__rights=rights))

    assert len(found.details["rights"]) == 21


def test_missing_rights_are_told_only_of_an_active_user_with_rights_on_record(case):
    some = [*REQUIRED_RIGHTS[:4]]

    told = tell_missing_rights(case(loket_user__rights=some))

    assert told == ["Raadplegen loonoutput beperkt", "Raadplegen variabele gegevens"]
    assert tell_missing_rights(case(loket_user__rights=some, loket_user__active=None)) is None
    assert tell_missing_rights(case(loket_user__rights=None)) is None
    assert tell_missing_rights(case()) == []
    assert missing_rights({}) == REQUIRED_RIGHTS


@pytest.mark.parametrize(("active", "told"), [(True, False), (False, True), (None, None)])
def test_only_a_user_that_is_known_to_be_blocked_is_told(case, active, told):
    assert tell_blocked(case(loket_user__active=active)) is told
