"""The table says what the design says; that its moves do, tests/workflow/test_moves.py shows by making them."""

from __future__ import annotations

import itertools

from states import EMPLOYER_COUPLING
from states.names import LetterName, StateName


def test_until_the_end_somebody_has_the_ball():
    assert {state.name: state.holder for state in EMPLOYER_COUPLING.states} == {
        "rights_pending": "applicant",
        "registered": "asr",
        "enriched": "keylane",
        "keylane_configuring": "keylane",
        "confirmed": None,
        "withdrawn": None,
    }


def test_every_forward_move_checks_what_the_moves_before_it_checked():
    forward = [move.validators for move in EMPLOYER_COUPLING.moves if move.forward]

    for earlier, later in itertools.pairwise(forward):
        assert later[: len(earlier)] == earlier
        assert len(later) > len(earlier)


def test_validators_have_names_of_their_own():
    names = [validator.__name__ for validator in EMPLOYER_COUPLING.moves[3].validators]

    assert len(names) == len(set(names))


def test_the_ladders_are_those_of_the_domain():
    ladders = {
        state.name: [(rung.after, rung.role, rung.kind) for rung in state.ladder] for state in EMPLOYER_COUPLING.states
    }

    assert ladders == {
        "rights_pending": [
            (5, "applicant", "reminded"),
            (10, "applicant", "reminded"),
            (10, "operations", "escalated"),
            (30, "operations", "escalated"),
        ],
        "registered": [(3, "asr", "reminded"), (5, "asr", "reminded"), (10, "operations", "escalated")],
        "enriched": [(1, "keylane", "reminded"), (2, "keylane", "reminded"), (5, "operations", "escalated")],
        "keylane_configuring": [
            (10, "keylane", "reminded"),
            (15, "keylane", "reminded"),
            (25, "operations", "escalated"),
        ],
        "confirmed": [(5, "operations", "reminded")],
        "withdrawn": [],
    }


def test_the_check_after_the_first_exchange_hangs_on_its_date_which_may_still_change():
    confirmed = EMPLOYER_COUPLING.state(StateName.CONFIRMED)

    assert confirmed.ladder[0].anchor == "realisation.first_exchange_date"
    assert confirmed.amendable == ("realisation.first_exchange_date", "registration.email")
    assert EMPLOYER_COUPLING.state(StateName.WITHDRAWN).amendable == ("registration.email",)


def test_every_letter_name_is_used():
    assert {letter.letter for letter in EMPLOYER_COUPLING.letters()} == set(LetterName)
