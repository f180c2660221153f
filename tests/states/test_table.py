"""The table is sound, and says what the design says."""

from __future__ import annotations

import itertools

from states import EMPLOYER_COUPLING
from states.names import LetterName, StateName, Trigger
from workflow.definition import LetterTo

ROWS = {
    ("register", "rights_pending"): "registered",
    ("enrich", "registered"): "enriched",
    ("hand_over", "enriched"): "keylane_configuring",
    ("confirm", "keylane_configuring"): "confirmed",
    ("return_to_applicant", "registered"): "rights_pending",
    ("return_to_applicant", "enriched"): "rights_pending",
    ("return_to_applicant", "keylane_configuring"): "rights_pending",
    ("return_to_asr", "enriched"): "registered",
    ("return_to_asr", "keylane_configuring"): "registered",
    ("withdraw", "rights_pending"): "withdrawn",
    ("withdraw", "registered"): "withdrawn",
    ("withdraw", "enriched"): "withdrawn",
    ("withdraw", "keylane_configuring"): "withdrawn",
}


def test_the_moves_are_those_of_the_design_and_no_two_share_a_state_and_a_trigger():
    rows = [((move.trigger, source), move.target) for move in EMPLOYER_COUPLING.moves for source in move.sources]

    assert len(rows) == len(dict(rows))
    assert dict(rows) == ROWS


def test_every_state_that_is_not_final_has_one_forward_move_and_can_be_withdrawn():
    for state in EMPLOYER_COUPLING.states:
        moves = EMPLOYER_COUPLING.moves_from(state.name)
        assert sum(move.forward for move in moves) == (0 if state.final else 1)
        assert any(move.trigger == Trigger.WITHDRAW for move in moves) is not state.final
        assert (state.holder is None) == state.final


def test_every_forward_move_checks_what_the_moves_before_it_checked():
    forward = [move.validators for move in EMPLOYER_COUPLING.moves if move.forward]

    for earlier, later in itertools.pairwise(forward):
        assert later[: len(earlier)] == earlier
        assert len(later) > len(earlier)


def test_validators_have_names_of_their_own():
    names = [validator.__name__ for validator in EMPLOYER_COUPLING.moves[3].validators]

    assert len(names) == len(set(names))


def test_going_back_or_out_needs_a_reason_and_going_on_does_not():
    assert all(move.needs_reason is not move.forward for move in EMPLOYER_COUPLING.moves)


def test_keylane_hears_of_a_withdrawal_only_once_it_had_the_case():
    told = {
        source: LetterTo(LetterName.CASE_WITHDRAWN, "keylane") in move.letters
        for move in EMPLOYER_COUPLING.moves
        if move.trigger == Trigger.WITHDRAW
        for source in move.sources
    }

    assert told == {"rights_pending": False, "registered": False, "enriched": True, "keylane_configuring": True}


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
    assert confirmed.amendable == ("realisation.first_exchange_date",)


def test_every_letter_name_is_used():
    assert {letter.letter for letter in EMPLOYER_COUPLING.letters()} == set(LetterName)
