"""Policies, Keylane's handover and the first exchange."""

from __future__ import annotations

from datetime import date

import pytest

from states.realisation import authorised, complete_policies, known_at_keylane, realised, tell_first_exchange

POLICY = {"policy_number": "P-1", "start_date": "2026-01-01", "pension_act": False}


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        (None, ["POLICY_MISSING"]),
        ([], ["POLICY_MISSING"]),
        ([POLICY], []),
        ([POLICY | {"policy_number": 12}], []),
        ([POLICY | {"policy_number": None}], ["POLICY_NUMBER_MISSING"]),
        ([POLICY | {"start_date": None}], ["POLICY_START_MISSING"]),
        ([POLICY | {"pension_act": None}], ["POLICY_BASIS_MISSING"]),
        ([POLICY, {}], ["POLICY_NUMBER_MISSING", "POLICY_START_MISSING", "POLICY_BASIS_MISSING"]),
    ],
)
def test_each_policy_is_complete(case, codes, policies, expected):
    assert codes(complete_policies, case(policy__policies=policies)) == expected


def test_a_policy_problem_points_at_its_row_and_waits_for_asr(case, problems):
    (found,) = problems(complete_policies, case(policy__policies=[POLICY, POLICY | {"start_date": None}]))

    assert (found.field, found.holder) == ("policy.policies[1].start_date", "asr")


def test_keylane_has_a_reference(case, codes):
    assert codes(known_at_keylane, case(handover__keylane_reference=None)) == ["HANDOVER_REFERENCE_MISSING"]
    assert codes(known_at_keylane, case(handover__keylane_reference=77)) == []


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("contacted_on", None, ["CONTACT_DATE_MISSING"]),
        ("authorisations_set", None, ["AUTHORISATIONS_NOT_SET"]),
        ("authorisations_set", False, ["AUTHORISATIONS_NOT_SET"]),
    ],
)
def test_keylane_spoke_to_the_applicant_and_set_the_authorisations(case, codes, field, value, expected):
    assert codes(authorised, case(**{f"handover__{field}": value})) == expected


@pytest.mark.parametrize(
    ("done", "first", "expected"),
    [
        (None, None, ["REALISED_MISSING", "FIRST_EXCHANGE_MISSING"]),
        ("2026-12-01", None, ["FIRST_EXCHANGE_MISSING"]),
        (None, "2026-12-04", ["REALISED_MISSING"]),
        ("2026-12-04", "2026-12-04", []),
        ("2026-12-04", "2026-12-03", ["FIRST_EXCHANGE_BEFORE_REALISED"]),
        ("2026-11-01", "2026-11-23", []),
        ("2026-11-01", "2026-11-20", ["FIRST_EXCHANGE_IN_PAST"]),
        ("2026-11-01", "2026-11-22", ["FIRST_EXCHANGE_IN_PAST", "FIRST_EXCHANGE_NOT_WORKDAY"]),
        ("2026-11-01", "2026-12-05", ["FIRST_EXCHANGE_NOT_WORKDAY"]),
    ],
)
def test_the_first_exchange_is_on_a_sensible_day(case, codes, done, first, expected):
    facts = case(realisation__realised_on=done, realisation__first_exchange_date=first)

    assert codes(realised, facts, today=date(2026, 11, 23)) == expected


def test_the_date_of_the_first_exchange_is_what_is_told(case):
    assert tell_first_exchange(case()) == "2026-12-04"
    assert tell_first_exchange({}) is None
