"""A letter that is only looked at: in the language that was asked, about the case that was named, or refused."""

from __future__ import annotations

import json
from datetime import timedelta
from shlex import quote

import pytest

from tests.scripts.desk import GOOD, Desk


def dutch_case(desk: Desk, **registration: object) -> None:
    given = {**GOOD, "registration": {**GOOD["registration"], "contact_name": "Sam Salaris", **registration}}
    desk.ask("open -", json.dumps({"external_reference": "E06", **given}))


def test_it_is_in_one_language_whatever_the_language_of_the_case(desk: Desk) -> None:
    dutch_case(desk, wage_tax_number="")

    english = [
        desk.ask(f"mail preview {name} E06 --language en")["text"] for name in ("invitation", "registration_received")
    ]
    dutch = desk.ask("mail preview registration_received E06")["text"]

    for text in english:
        assert text.splitlines()[2] == "Dear Sam Salaris,"
    assert "Payroll: per month" in english[1]
    assert "wage tax number" in english[0]
    assert " May 2026" in english[0] or " April 2026" in english[0]
    assert "Beste Sam Salaris," in dutch
    assert "Verloning: per maand" in dutch


def test_it_is_in_dutch_for_readers_who_have_no_letters_in_another_language(desk: Desk) -> None:
    dutch_case(desk, language="en")

    assert "Beste collega" in desk.ask("mail preview enrichment_requested E06 --language en")["text"]
    assert "Beste Sam Salaris" in desk.ask("mail preview invitation E06 --language nl")["text"]


@pytest.mark.parametrize(("language", "said"), [("nl", "Op … wisselen we"), ("en", "On … we exchange data")])
def test_a_date_that_is_not_known_yet_is_seen_to_be_unknown(desk: Desk, language: str, said: str) -> None:
    dutch_case(desk)

    shown = desk.ask(f"mail preview coupling_confirmed E06 --language {language}")

    assert said in shown["text"]
    assert "Sam Salaris" in shown["text"]


@pytest.mark.parametrize("letter", ["reminder_digest", "daily_overview", "ledger_checkpoint"])
def test_a_letter_that_is_not_about_one_case_takes_none(desk: Desk, letter: str) -> None:
    dutch_case(desk)

    refused = desk.run(f"mail preview {letter} E06")

    assert refused.exit_code == desk.run("mail preview nothing").exit_code == 2
    assert "leave CASE out" in refused.stderr
    assert desk.run(f"mail preview {letter}").exit_code == 0


def test_a_reminder_of_a_returned_case_is_seen_with_its_reason(desk: Desk) -> None:
    dutch_case(desk)
    desk.clock.moment += timedelta(days=1)
    desk.ask("advance E06")
    desk.ask("advance E06 return_to_applicant --reason 'Het contract is van een ander'")

    assert "De reden: Het contract is van een ander" in desk.ask("mail preview reminder_applicant E06")["text"]
    assert "Het contract is van een ander" not in desk.ask("mail preview returned_to_applicant E06")["text"]


def test_a_handover_that_would_be_the_second_is_seen_as_such(desk: Desk) -> None:
    dutch_case(desk)
    asked = "mail preview keylane_handover E06"
    before = desk.ask(asked)["text"]
    desk.ask("advance E06")
    policies = json.dumps([{"policy_number": "P1", "start_date": "2026-05-01", "pension_act": False}])
    desk.ask(f"advance E06 {quote(f'policy.policies={policies}')}")
    desk.ask("advance E06 return_to_asr --reason 'De polis klopt niet'")

    assert ("vorige overdracht" in before, "vorige overdracht" in desk.ask(asked)["text"]) == (False, True)


def test_it_is_in_the_language_of_the_reader_of_the_case_unless_another_is_asked(desk: Desk) -> None:
    dutch_case(desk, language="en")

    texts = {
        words: desk.ask(f"mail preview {words}")["text"].splitlines()[2]
        for words in (
            "invitation E06",
            "coupling_confirmed E06",
            "enrichment_requested E06",
            "invitation E06 --language nl",
            "invitation",
        )
    }

    assert texts == {
        "invitation E06": "Dear Sam Salaris,",
        "coupling_confirmed E06": "Dear Sam Salaris,",
        "enrichment_requested E06": "Beste collega,",
        "invitation E06 --language nl": "Beste Sam Salaris,",
        "invitation": texts["invitation"],
    }
    assert texts["invitation"].startswith("Beste ")
