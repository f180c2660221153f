"""What was recorded about a user of an employer lapses when the case names another: it was not about that one."""

from __future__ import annotations

from typing import Any

import pytest
from employers import employer

from workflow import Engine, Refused
from workflow.answers import Row

ANOTHER: dict[str, dict[str, dict[str, Any]]] = {
    "user": {"loket_user": {"user_name": "koppeling.nieuw"}},
    "way in": {"loket_user": {"access_via": "team"}},
    "employer": {"registration": {"loket_employer_id": "9900099"}},
}
SET = {"handover.contacted_on", "handover.authorisations_set"}
MISSED = {"CONTACT_DATE_MISSING", "AUTHORISATIONS_NOT_SET"}


def at_keylane(engine: Engine) -> str:
    """A case of which Keylane set the authorisations."""
    facts = employer()
    facts["loket_user"]["user_name"] = "koppeling"
    case = engine.open_case(facts, external_reference="E1").case.reference
    for trigger in ("register", "enrich", "hand_over"):
        engine.advance(case, trigger)
    return case


def missed(engine: Engine, case: str) -> set[str]:
    return {problem.code for problem in engine.case(case).problems}


@pytest.mark.parametrize("what", ANOTHER)
def test_another_user_is_not_confirmed_on_what_was_set_for_the_one_before(engine: Engine, what: str) -> None:
    case = at_keylane(engine)
    engine.advance(case, "return_to_applicant", reason="De gebruiker is ook elders in gebruik")

    recorded = engine.record(case, ANOTHER[what])
    for trigger in ("register", "enrich", "hand_over"):
        engine.advance(case, trigger)

    assert {*recorded.changed} > SET
    assert missed(engine, case) == MISSED
    with pytest.raises(Refused):
        engine.advance(case, "confirm")
    engine.advance(case, "confirm", facts={"handover": {"contacted_on": "2026-11-23", "authorisations_set": True}})
    assert engine.replay(case).matches_stored


def test_what_lapsed_is_unanswered(engine: Engine) -> None:
    case = at_keylane(engine)

    engine.record(case, ANOTHER["user"])

    assert {*engine.case(case).case.facts["handover"]} == {*employer()["handover"]} - {
        "contacted_on",
        "authorisations_set",
    }


def test_a_correction_of_something_else_ends_nothing(engine: Engine) -> None:
    case = at_keylane(engine)

    recorded = engine.record(case, {"registration": {"kvk_number": "00000009", "contact_name": "Iemand Anders"}})

    assert not SET & {*recorded.changed}
    assert missed(engine, case) == set()


def test_a_user_that_only_becomes_known_ends_nothing(engine: Engine) -> None:
    case = engine.open_case(employer()).case.reference
    engine.record(case, {"loket_user": {"user_name": None}})

    recorded = engine.record(case, {"loket_user": {"user_name": "koppeling"}})

    assert recorded.changed == ("loket_user.user_name",)


def test_what_is_given_along_stands(engine: Engine) -> None:
    case = at_keylane(engine)

    recorded = engine.record(case, ANOTHER["user"] | {"handover": {"authorisations_set": True}})

    assert {*recorded.changed} == {"loket_user.user_name", "handover.contacted_on"}


def test_a_move_with_another_user_is_refused_on_what_lapses(engine: Engine) -> None:
    case = at_keylane(engine)

    with pytest.raises(Refused) as refused:
        engine.advance(case, "confirm", facts=ANOTHER["user"])

    assert {problem.code for problem in refused.value.problems} == MISSED
    assert missed(engine, case) == set()


def test_a_row_with_another_user_says_what_lapsed(engine: Engine) -> None:
    at_keylane(engine)

    (result,) = engine.import_rows([Row(2, "E1", ANOTHER["user"])])

    assert {*result.changed} == {"loket_user.user_name", *SET}
