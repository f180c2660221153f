"""Why: the verdict on each move that leaves the state of a case, or on one; asking changes nothing."""

from __future__ import annotations

from employers import bring, employer

from workflow import Engine


def test_it_names_the_case_its_state_and_where_each_move_leads(sqlite_engine: Engine) -> None:
    case = bring(sqlite_engine, "enriched")

    why = sqlite_engine.why(case.lower())

    assert (why.case, why.state) == (case, "enriched")
    assert {move.trigger: move.target for move in why.moves} == {
        "hand_over": "keylane_configuring",
        "return_to_applicant": "rights_pending",
        "return_to_asr": "registered",
        "withdraw": "withdrawn",
    }


def test_asked_about_one_trigger_it_tells_of_that_move_only(sqlite_engine: Engine) -> None:
    case = bring(sqlite_engine, "enriched")

    why = sqlite_engine.why(case, "withdraw")

    assert [move.trigger for move in why.moves] == ["withdraw"]


def test_a_trigger_that_leaves_another_state_gets_no_verdict(sqlite_engine: Engine) -> None:
    case = bring(sqlite_engine, "enriched")

    why = sqlite_engine.why(case, "register")

    assert why.moves == ()


def test_a_reason_is_asked_for_and_is_no_problem(sqlite_engine: Engine) -> None:
    case = bring(sqlite_engine, "enriched")

    asks = {move.trigger: (move.allowed, move.asks) for move in sqlite_engine.why(case).moves}

    assert asks["withdraw"] == (True, ("reason",))
    assert asks["hand_over"] == (True, ())


def test_an_older_case_of_the_same_employer_is_one_of_the_reasons(sqlite_engine: Engine) -> None:
    twice = employer()
    sqlite_engine.open_case(twice)
    case = sqlite_engine.open_case(twice).case.reference

    (register,) = sqlite_engine.why(case, "register").moves

    assert not register.allowed
    assert "CASE_DUPLICATE" in {problem.code for problem in register.problems}


def test_a_warning_that_the_case_carries_as_accepted_is_no_reason_any_more(sqlite_engine: Engine) -> None:
    given = employer()
    given["registration"]["framework_contract_number"] = "B1"
    case = sqlite_engine.open_case(given).case.reference
    (before,) = sqlite_engine.why(case, "register").moves
    sqlite_engine.advance(case, "register", accept_warnings=True)

    (after,) = sqlite_engine.why(case, "enrich").moves

    assert (before.allowed, [problem.code for problem in before.problems]) == (False, ["RW_PREFIX"])
    assert (after.allowed, after.problems) == (True, ())
