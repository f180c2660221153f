"""Every code has words in both languages."""

from __future__ import annotations

import re
import string

import pytest

from states.codes import Code, problem
from states.domain import EmployerCoupling
from states.names import Role, StateName
from states.table import READY_TO_CONFIRM
from states.wording import statement
from workflow.facts import Other, Severity

domain = EmployerCoupling()
DETAILS = {
    "length": 71,
    "references": ["K-1", "K-2"],
    "number": 2,
    "rights": ["Raadplegen HRM", "Raadplegen beloningen"],
    "date": "2026-12-04",
    "realised": "2026-12-05",
    "loket": "9999•••••L01",
    "form": "9999•••••L02",
}


def test_every_code_has_a_message_in_both_languages_and_no_message_lacks_a_code():
    assert set(domain.messages["nl"]) == set(domain.messages["en"])
    assert (
        {name for name in domain.messages["nl"] if "/" not in name} == set(domain.codes) == {str(code) for code in Code}
    )


@pytest.mark.parametrize("language", ["nl", "en"])
@pytest.mark.parametrize("name", [name for name in domain.messages["nl"] if "/" in name])
def test_what_was_seen_is_said_instead_of_the_general_words(name, language):
    code, _, seen = name.partition("/")

    said = domain.phrase(problem(Code[code], "registration.email", seen=seen), language)

    assert said == domain.messages[language][name] != domain.messages[language][code]
    assert re.search(ASKS[language], said)
    assert domain.phrase(problem(Code[code], "registration.email", seen="?"), language) != said


@pytest.mark.parametrize("language", ["nl", "en"])
@pytest.mark.parametrize("code", list(Code))
def test_every_message_fills_its_gaps_and_is_whole_sentences(code, language):
    text = domain.phrase(problem(code, "registration.email", **DETAILS), language)

    assert "{" not in text
    assert "…" not in text
    assert text[0].isupper()
    assert text[-1] == "." or "helpdesk.loket.nl" in text


ASKS = {
    "nl": r"\b([Gg]eef|[Kk]ijk|[Kk]ies|[Hh]aal|[Vv]erbeter|[Aa]ccepteer|[Bb]evestig|laat|moet)\b",
    "en": r"\b([Gg]ive|[Cc]heck|[Cc]hoose|[Tt]ake|[Cc]orrect|[Aa]ccept|[Cc]onfirm|say|tell|must)\b",
}


@pytest.mark.parametrize("language", ["nl", "en"])
@pytest.mark.parametrize("code", [code for code in Code if code.severity is Severity.WARNING])
def test_of_a_warning_can_be_said_what_is_so_without_asking_anything(code, language):
    doubt = problem(code, "registration.email", **DETAILS)

    said = statement(doubt, language)

    assert domain.phrase(doubt, language).startswith(f"{said} ")
    assert re.fullmatch(r"[A-Z].{25,}\.", said)
    assert "{" not in said
    assert not re.search(ASKS[language], said)


def test_a_full_stop_in_a_detail_ends_no_statement():
    extra = problem(Code.RIGHTS_EXTRA, "loket_user.rights", rights=["Beheren a.s.r. en meer. Alles"])

    assert statement(extra, "nl").endswith("meer rechten dan nodig: Beheren a.s.r. en meer. Alles.")


@pytest.mark.parametrize("language", ["nl", "en"])
def test_people_have_a_word_for_every_state_and_role(language):
    assert all(domain.label(word, language) for word in (*StateName, *Role))


def test_both_languages_ask_for_the_same_details():
    gaps = {
        language: {
            code: {name for _, name, _, _ in string.Formatter().parse(text) if name} for code, text in texts.items()
        }
        for language, texts in domain.messages.items()
    }

    assert gaps["nl"] == gaps["en"]


def test_the_rules_give_every_detail_their_messages_ask_for(case, problems):
    empty = {}
    wrong = case(
        registration__company_name="x" * 71,
        registration__dgas=[{}],
        loket_user__rights=["Beheren alles"],
        policy__policies=[{}],
        realisation__realised_on="2026-11-20",
        realisation__first_exchange_date="2026-11-15",
    )
    others = Other("name", "K-1"), Other("coupling", "K-2")

    found = [*problems(READY_TO_CONFIRM, empty), *problems(READY_TO_CONFIRM, wrong, *others)]

    assert all("…" not in domain.phrase(one, "nl") + domain.phrase(one, "en") for one in found)


def test_dates_and_lists_are_written_in_the_readers_language():
    late = problem(Code.FIRST_EXCHANGE_IN_PAST, "realisation.first_exchange_date", date="2026-05-04")

    assert "(4 mei 2026)" in domain.phrase(late, "nl")
    assert "(4 May 2026)" in domain.phrase(late, "en")


def test_a_problem_that_lost_its_details_can_still_be_told():
    assert "DGA …" in domain.phrase(problem(Code.DGA_NAME_MISSING, "registration.dgas[0].name"), "nl")


def test_a_reason_that_is_missing_is_a_problem_of_operations():
    found = domain.reason_missing("withdraw")

    assert (found.code, found.field, found.severity, found.holder) == (
        "REASON_MISSING",
        "reason",
        "error",
        "operations",
    )
