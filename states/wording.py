"""Problems, dates and labels put into words, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from types import MappingProxyType

from states.codes import Code
from states.messages_en import ENGLISH
from states.messages_nl import DUTCH
from states.names import Field, Language
from states.reading import as_day, held
from states.rights import missing_rights
from workflow.facts import Facts, Json, Problem

MESSAGES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {Language.DUTCH.value: DUTCH, Language.ENGLISH.value: ENGLISH}
)

_MONTHS = MappingProxyType(
    {
        "nl": (
            *("januari", "februari", "maart", "april", "mei", "juni"),
            *("juli", "augustus", "september", "oktober", "november", "december"),
        ),
        "en": (
            *("January", "February", "March", "April", "May", "June"),
            *("July", "August", "September", "October", "November", "December"),
        ),
    }
)
_LABELS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "nl": {
            "monthly": "per maand",
            "four_weekly": "per 4 weken",
            "yes": "ja",
            "no": "nee",
            "applicant": "de aanvrager",
            "asr": "a.s.r.",
            "keylane": "Keylane",
            "operations": "de uitvoering",
            "us": "ons",
            "rights_pending": "voorbereiding door de aanvrager",
            "registered": "wacht op polisgegevens",
            "enriched": "wacht op het kenmerk van Keylane",
            "keylane_configuring": "inrichting door Keylane",
            "confirmed": "bevestigd",
            "withdrawn": "ingetrokken",
        },
        "en": {
            "monthly": "per month",
            "four_weekly": "per 4 weeks",
            "yes": "yes",
            "no": "no",
            "applicant": "the applicant",
            "asr": "a.s.r.",
            "keylane": "Keylane",
            "operations": "operations",
            "us": "us",
            "rights_pending": "preparation by the applicant",
            "registered": "waiting for policy data",
            "enriched": "waiting for Keylane's reference",
            "keylane_configuring": "configuration by Keylane",
            "confirmed": "confirmed",
            "withdrawn": "withdrawn",
        },
    }
)

_SENT_BACK = MappingProxyType(
    {
        "nl": ("De correctie: de zaak is teruggestuurd op", "Je correctie: wij stuurden je aanmelding terug op"),
        "en": ("The correction: the case was returned on", "Your correction: we returned your registration on"),
    }
)
_REASON = MappingProxyType({"nl": "De reden", "en": "The reason"})
_WITH = MappingProxyType({"nl": "Bij", "en": "With"})


def known_language(language: str) -> str:
    """This language when there are texts in it, otherwise English."""
    return language if language in MESSAGES else Language.ENGLISH.value


def phrase(problem: Problem, language: str) -> str:
    """The message of a problem; a detail that is not known any more shows as '…'."""
    language = known_language(language)
    return _filled(_message(problem, language), problem, language)


def statement(problem: Problem, language: str) -> str:
    """What is so, without what to do about it: the first sentence of the message, as its code has it."""
    language = known_language(language)
    first, end, _ = _message(problem, language).partition(". ")
    return _filled(first + end.rstrip(), problem, language)


def elsewhere(problem: Problem, language: str) -> str:
    """What is so, for who need not act on it, after the party that must."""
    language = known_language(language)
    return f"{_WITH[language]} {label(problem.holder, language)}: {statement(problem, language)}"


def _message(problem: Problem, language: str) -> str:
    """The text of its code; where what was `seen` has one of its own, as 'CODE/seen', that one."""
    texts = MESSAGES[language]
    return texts.get(f"{problem.code}/{problem.details.get('seen')}", texts[problem.code])


def _filled(text: str, problem: Problem, language: str) -> str:
    details = {name: _shown(value, language) for name, value in problem.details.items()}
    return text.format_map(_Gaps(details)) if "{" in text else text


@lru_cache(maxsize=1024)
def written_date(day: date | None, language: str) -> str:
    """'4 december 2026', '4 December 2026'; '' when there is no day."""
    return f"{day.day} {_MONTHS[known_language(language)][day.month - 1]} {day.year}" if day else ""


def label(word: str, language: str) -> str:
    """What people call a frequency, a party, a state or an answer; '' of nothing."""
    return _LABELS[known_language(language)][word] if word else ""


def correction(day: date, reason: str | None, language: str, *, mine: bool) -> str:
    """That a case was sent back and waits for a correction; `mine` when its reader must make it."""
    language = known_language(language)
    said, why = _SENT_BACK[language][mine], " ".join((reason or "").split())
    told = f"{said} {written_date(day, language)}."
    return f"{told} {_REASON[language]}: {why}" if why else told


def drift(facts: Facts) -> str:
    """In Dutch, for operations: what Loket.nl had given before and no longer does; '' when nothing."""
    codes = held(facts, Field.SEEN_DRIFT)
    said: dict[str, str] = {
        Code.USER_BLOCKED: "de gebruiker kan niet meer inloggen",
        Code.USER_NO_ACCESS: "de gebruiker staat niet meer bij de werkgever",
        Code.RIGHTS_MISSING: f"recht weg: {', '.join(missing_rights(facts))}",
    }
    told = codes if isinstance(codes, list) else []
    return "; ".join(said[code] for code in told if isinstance(code, str) and code in said)


class _Gaps(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "…"


def _shown(value: Json, language: str) -> str:
    if isinstance(value, list):
        return ", ".join(_shown(item, language) for item in value)
    day = as_day(value)
    return written_date(day, language) if day else str(value)
