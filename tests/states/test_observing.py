"""What a case asks of Loket.nl, the facts that come of what was seen, and what those mean for its moves."""

from __future__ import annotations

import itertools
from datetime import date
from typing import Any

import pytest

from states.domain import EmployerCoupling
from states.names import StateName, UserStatus
from states.observing import Sight, can_ask, observe, question
from states.rights import REQUIRED_RIGHTS, complete_rights, suitable_user
from states.seal import mask_seal, seal, seals, shown_of
from states.seen import as_in_loket
from states.table import READY_TO_REGISTER
from workflow.calendar import WorkingDays
from workflow.facts import Context
from workflow.history import merge

domain = EmployerCoupling()
PENDING, REGISTERED = StateName.RIGHTS_PENDING, StateName.REGISTERED
ALL_WELL = Sight("uuid-1", "uuid-2", UserStatus.HAS_ACCESS, REQUIRED_RIGHTS, 0, "999900171L01", "monthly")
DAYS = ("2026-04-20", "2026-04-21")


def context(day: str = DAYS[0]) -> Context:
    return Context(date.fromisoformat(day), WorkingDays())


def salt() -> Any:
    """Salt that differs each time and never by chance."""
    numbers = itertools.count()
    return lambda: f"{next(numbers):032x}"


def after(facts: Any, sight: Sight, state: StateName = PENDING, day: str = DAYS[0]) -> Any:
    """The facts once a sight was recorded."""
    return merge(facts, observe(facts, sight, state, context(day), salt()).facts)


def fresh_drift(facts: Any, sight: Sight, state: StateName) -> tuple[str, ...]:
    return observe(facts, sight, state, context(), salt()).drift


@pytest.fixture
def unseen(case: Any) -> Any:
    """A case whose user was attested to be made for the coupling, and no more."""
    return case(loket_user__active=None, loket_user__rights=None)


# -- seals -------------------------------------------------------------------------------------------------------------


def test_a_seal_shows_its_mask_and_fits_its_value_only():
    sealed = seal("999900171L01", "9999•••••L01", "0" * 32)

    assert shown_of(sealed) == mask_seal(sealed) == "9999•••••L01"
    assert seals(sealed, "999900171L01")
    assert not seals(sealed, "999900183L01")
    assert "999900171" not in sealed


def test_two_seals_of_one_value_differ():
    assert seal("1", "•", "0" * 32) != seal("1", "•", "1" * 32)


@pytest.mark.parametrize("text", ["", "x", "• abc", "• abc.", "• .def", ". "])
def test_what_is_no_seal_fits_nothing(text):
    assert not seals(text, "")


def test_a_seal_without_enough_salt_is_not_made():
    with pytest.raises(ValueError, match="salt"):
        seal("1", "•", "00")


# -- the question ------------------------------------------------------------------------------------------------------


def test_a_case_asks_with_its_numbers_normalised(case):
    asked = question(
        case(registration__loket_employer_id=" 0099 00006 ", registration__wage_tax_number="9999.00.171 l01")
    )

    assert asked.employer_number == "9900006"
    assert asked.wage_tax_number == "999900171L01"
    assert asked.rights == REQUIRED_RIGHTS


@pytest.mark.parametrize(("via", "expected"), [("employer", True), ("team", False), (None, None)])
def test_whether_the_user_is_the_employers_own_is_asked_along(case, via, expected):
    assert question(case(loket_user__access_via=via)).is_employers_user is expected


def test_a_wrong_number_and_two_frequencies_are_not_compared(case):
    facts = case(registration__wage_tax_number="12", registration__payroll_frequency=["monthly", "four_weekly"])

    assert question(facts)[4:] == ("", "")


@pytest.mark.parametrize(
    ("field", "value", "can"),
    [
        ("registration__contact_name", None, True),
        ("registration__loket_employer_id", None, False),
        ("registration__loket_employer_id", "x", False),
        ("loket_user__user_name", None, False),
    ],
)
def test_a_case_can_ask_once_it_names_employer_and_user(case, field, value, can):
    assert can_ask(case(**{field: value})) is can


# -- what is recorded --------------------------------------------------------------------------------------------------


def test_what_was_seen_completes_a_case_that_nobody_retyped(unseen, codes):
    assert set(codes(READY_TO_REGISTER, unseen)) == {"USER_BLOCKED", "RIGHTS_MISSING"}

    assert codes(READY_TO_REGISTER, after(unseen, ALL_WELL)) == []


def test_what_loket_cannot_tell_never_overwrites_what_was_attested(case):
    attested = case()

    seen = after(attested, Sight())

    assert {sheet: fields for sheet, fields in seen.items() if sheet != "loket_seen"} == attested


@pytest.mark.parametrize("via", ["team", None])
def test_a_user_in_no_list_leaves_everything_attested_unless_it_is_the_employers_own(case, codes, via):
    attested = case(loket_user__access_via=via)

    seen = after(attested, Sight("uuid-1", status=UserStatus.NOT_LISTED))

    assert seen["loket_user"] == attested["loket_user"]
    assert ("USER_NO_ACCESS" in codes(suitable_user, seen)) is (via is None)


def test_a_user_of_the_employer_that_is_not_there_has_no_access(case, codes):
    seen = after(case(), Sight("uuid-1", status=UserStatus.NOT_LISTED))

    assert codes(suitable_user, seen) == ["USER_NO_ACCESS"]
    assert seen["loket_user"] == case()["loket_user"]


def test_a_user_that_is_in_the_list_got_there_by_the_employer(case):
    assert after(case(loket_user__access_via=None), ALL_WELL)["loket_user"]["access_via"] == "employer"
    assert after(case(loket_user__access_via="team"), ALL_WELL)["loket_user"]["access_via"] == "team"


@pytest.mark.parametrize("status", [status for status in UserStatus if status != UserStatus.NOT_LISTED])
def test_only_access_makes_a_user_active(unseen, codes, status):
    seen = after(unseen, ALL_WELL._replace(status=status))

    assert seen["loket_user"]["active"] is (status == UserStatus.HAS_ACCESS)
    assert ("USER_BLOCKED" in codes(suitable_user, seen)) is (status != UserStatus.HAS_ACCESS)


@pytest.mark.parametrize("status", [*UserStatus])
def test_what_is_recorded_later_does_not_unblock_a_user_that_loket_calls_blocked(unseen, codes, status):
    said = after(unseen, ALL_WELL._replace(status=status))

    later = merge(said, {"loket_user": {"active": True}})

    blocked = status not in {UserStatus.HAS_ACCESS, UserStatus.NOT_LISTED}
    assert ("USER_BLOCKED" in codes(suitable_user, later)) is blocked
    assert "USER_BLOCKED" not in codes(suitable_user, merge(later, {"loket_user": {"user_name": "een ander"}}))
    assert "USER_BLOCKED" not in codes(suitable_user, after(later, ALL_WELL))
    assert "USER_BLOCKED" not in codes(suitable_user, after(later, Sight("uuid-1")))


def test_rights_that_say_the_same_are_left_as_they_stand(case):
    attested = case(loket_user__rights=[name.upper() for name in REQUIRED_RIGHTS])

    assert after(attested, ALL_WELL)["loket_user"]["rights"] == attested["loket_user"]["rights"]


def test_rights_are_recorded_as_seen_extra_ones_too(case, codes):
    seen = after(case(), ALL_WELL._replace(rights=("Raadplegen loonoutput", *REQUIRED_RIGHTS[1:])))

    assert codes(complete_rights, seen) == ["RIGHTS_MISSING", "RIGHTS_EXTRA"]


@pytest.mark.parametrize(("count", "wrong"), [(0, False), (1, False), (2, True), (None, False)])
def test_several_integrations_make_a_user_undedicated_and_its_attestation_stays(case, codes, count, wrong):
    seen = after(case(), ALL_WELL._replace(integrations=count))

    assert (codes(suitable_user, seen) == ["USER_NOT_DEDICATED"]) is wrong
    assert seen["loket_user"]["dedicated"] is True


def test_dedication_that_was_never_attested_is_not_seen_either(case, codes):
    assert codes(suitable_user, after(case(loket_user__dedicated=None), ALL_WELL)) == ["USER_NOT_DEDICATED"]


def test_the_same_sight_twice_changes_nothing_but_the_day(case):
    once = after(case(), ALL_WELL)

    again = after(once, ALL_WELL, day=DAYS[1])

    assert again["loket_seen"] == once["loket_seen"] | {"checked_on": DAYS[1]}


# -- comparing with the form -------------------------------------------------------------------------------------------


def test_another_wage_tax_number_is_a_warning_with_both_masked(case, problems):
    seen = after(case(), ALL_WELL._replace(wage_tax_number="899900180L03"))

    (found,) = problems(as_in_loket, seen)

    assert (found.code, found.severity, found.holder) == ("LOKET_WAGE_TAX_DIFFERS", "warning", "applicant")
    said = domain.phrase(found, "nl")
    assert "(8999•••••L03) dan het formulier (9999•••••L01)" in said
    assert "899900180" not in repr(seen)


def test_a_number_of_lokets_that_may_be_a_bsn_shows_nothing(case, problems):
    seen = after(case(), ALL_WELL._replace(wage_tax_number="123456782L01"))

    (found,) = problems(as_in_loket, seen)

    assert "•••••••••L01" in domain.phrase(found, "en")
    assert "1234" not in repr(seen)


@pytest.mark.parametrize(("form", "seen"), [("123456782L01", "111222333L01"), ("999900171L01", "999900183L01")])
def test_numbers_that_differ_in_what_is_hidden_are_not_shown_as_two_that_are_equal(case, problems, form, seen):
    found = after(case(registration__wage_tax_number=form), ALL_WELL._replace(wage_tax_number=seen))

    (doubt,) = problems(as_in_loket, found)

    for language in ("nl", "en"):
        assert "•" not in domain.phrase(doubt, language)


@pytest.mark.parametrize(("seen_as", "differs"), [("monthly", False), ("four_weekly", True), ("other", True)])
def test_another_frequency_is_a_warning(case, codes, seen_as, differs):
    seen = after(case(), ALL_WELL._replace(payroll_frequency=seen_as))

    assert (codes(as_in_loket, seen) == ["LOKET_PERIOD_DIFFERS"]) is differs


@pytest.mark.parametrize(
    ("seen_as", "said"),
    [
        ("four_weekly", "In Loket.nl is de verloning per 4 weken, op het formulier per maand."),
        ("other", "In Loket.nl is de verloning niet per maand en niet per 4 weken, maar bijvoorbeeld per week;"),
    ],
)
def test_another_frequency_is_named(case, problems, seen_as, said):
    (doubt,) = problems(as_in_loket, after(case(), ALL_WELL._replace(payroll_frequency=seen_as)))

    assert domain.phrase(doubt, "nl").startswith(said)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (UserStatus.USER_BLOCKED, "lift a block"),
        (UserStatus.ACCESS_BLOCKED, "The access of the Loket.nl user to this employer is blocked."),
        (UserStatus.INVITE_PENDING, "The invitation of the Loket.nl user has not been accepted yet."),
        (UserStatus.INVITE_EXPIRED, "Send a new one"),
        (UserStatus.OTHER, "lift a block"),
        (UserStatus.NOT_LISTED, "Give the exact user name"),
    ],
)
def test_the_applicant_reads_what_loket_said_of_the_user(case, problems, status, said):
    (found,) = problems(suitable_user, after(case(loket_user__access_via="employer"), ALL_WELL._replace(status=status)))

    assert said in domain.phrase(found, "en")
    assert "anna" not in domain.phrase(found, "en").casefold()


@pytest.mark.parametrize("ticked", [None, ["monthly", "four_weekly"]])
def test_a_form_that_does_not_say_one_frequency_is_not_compared(case, codes, ticked):
    seen = after(case(registration__payroll_frequency=ticked), ALL_WELL._replace(payroll_frequency="other"))

    assert codes(as_in_loket, seen) == []


def test_correcting_the_form_settles_the_warning_without_asking_again(case, codes):
    seen = after(case(registration__wage_tax_number="999900183L01"), ALL_WELL)
    assert codes(as_in_loket, seen) == ["LOKET_WAGE_TAX_DIFFERS"]

    corrected = merge(seen, {"registration": {"wage_tax_number": "9999.00.171.L01"}})

    assert codes(as_in_loket, corrected) == []


@pytest.mark.parametrize(
    "change",
    [{"registration": {"loket_employer_id": "77"}}, {"loket_user": {"user_name": "somebody-else"}}],
)
def test_what_was_seen_of_another_employer_or_user_says_nothing(case, codes, change):
    worst = Sight("uuid-1", "uuid-2", UserStatus.NOT_LISTED, None, 5, "899900180L03", "other")
    seen = after(case(), worst)
    assert len(codes([suitable_user, as_in_loket], seen)) == 4

    assert codes([suitable_user, as_in_loket], merge(seen, change)) == []


def test_the_name_of_the_user_may_be_written_otherwise(case, codes):
    seen = after(case(), ALL_WELL._replace(integrations=3))

    again = merge(seen, {"loket_user": {"user_name": "KOPPELING-drie-dennen"}})

    assert codes(suitable_user, again) == ["USER_NOT_DEDICATED"]


def test_no_personal_value_of_what_was_seen_is_readable_once_masked(case):
    masked = domain.mask(after(case(), ALL_WELL))["loket_seen"]

    assert masked["about"] == "•••••"
    assert masked["user_uuid"] == "u•••••"
    assert masked["tax_number_seen"] == "9999•••••L01"


# -- from missing to complete ------------------------------------------------------------------------------------------


def test_the_day_on_which_nothing_is_missing_any_more_is_kept(unseen):
    first = after(unseen, ALL_WELL._replace(status=UserStatus.INVITE_PENDING))
    assert "complete_since" not in first["loket_seen"]

    complete = after(first, ALL_WELL, day=DAYS[1])
    later = after(complete, ALL_WELL, day="2026-05-04")

    assert complete["loket_seen"]["complete_since"] == later["loket_seen"]["complete_since"] == DAYS[1]


def test_what_was_complete_before_it_was_checked_did_not_change(case):
    assert "complete_since" not in after(case(), ALL_WELL)["loket_seen"]


def test_what_becomes_incomplete_and_complete_again_is_complete_anew(unseen):
    complete = after(unseen, ALL_WELL)
    broken = after(complete, ALL_WELL._replace(rights=()))
    assert "complete_since" not in broken["loket_seen"]

    assert after(broken, ALL_WELL, day=DAYS[1])["loket_seen"]["complete_since"] == DAYS[1]


def test_a_warning_does_not_keep_a_case_from_being_complete(unseen):
    assert after(unseen, ALL_WELL._replace(payroll_frequency="other"))["loket_seen"]["complete_since"] == DAYS[0]


# -- drift -------------------------------------------------------------------------------------------------------------

REVOKED = ALL_WELL._replace(rights=REQUIRED_RIGHTS[1:])
BLOCKED = ALL_WELL._replace(status=UserStatus.USER_BLOCKED)
GONE = Sight("uuid-1", status=UserStatus.NOT_LISTED)


@pytest.mark.parametrize(
    ("sight", "code"), [(REVOKED, "RIGHTS_MISSING"), (BLOCKED, "USER_BLOCKED"), (GONE, "USER_NO_ACCESS")]
)
def test_what_was_attested_and_is_no_longer_so_after_a_move_is_drift(case, sight, code):
    assert fresh_drift(case(), sight, REGISTERED) == (code,)
    assert after(case(), sight, REGISTERED)["loket_seen"]["drift"] == [code]


@pytest.mark.parametrize("sight", [REVOKED, BLOCKED, GONE])
def test_before_the_first_move_only_what_loket_itself_had_said_can_drift(case, sight):
    assert fresh_drift(case(), sight, PENDING) == ()

    assert len(fresh_drift(after(case(), ALL_WELL), sight, PENDING)) == 1


def test_what_loket_could_not_tell_before_cannot_drift_before_the_first_move(case):
    assert fresh_drift(after(case(), Sight()), BLOCKED, PENDING) == ()


def test_what_was_never_right_does_not_drift(unseen):
    assert fresh_drift(unseen, BLOCKED._replace(rights=()), REGISTERED) == ()


def test_drift_is_new_once_stays_until_it_is_right_again_and_survives_what_cannot_be_told(case):
    first = after(case(), REVOKED, REGISTERED)
    assert fresh_drift(first, REVOKED, REGISTERED) == ()

    unknown = after(after(first, REVOKED, REGISTERED), Sight(), REGISTERED)
    assert unknown["loket_seen"]["drift"] == ["RIGHTS_MISSING"]

    assert "drift" not in after(unknown, ALL_WELL, REGISTERED)["loket_seen"]


def test_operations_reads_in_a_line_what_drifted(case):
    both = after(case(), REVOKED._replace(status=UserStatus.USER_BLOCKED), REGISTERED)

    assert domain.drift(both) == f"de gebruiker kan niet meer inloggen; recht weg: {REQUIRED_RIGHTS[0]}"
    assert domain.drift(after(case(), GONE, REGISTERED)) == "de gebruiker staat niet meer bij de werkgever"
    assert domain.drift(case()) == ""
