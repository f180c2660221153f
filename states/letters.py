"""What a letter may say: the frozen context its template is rendered from, its recipient and its language."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from types import MappingProxyType
from typing import NamedTuple

from states.forms import shown
from states.identity import names_sole_trader, shown_company
from states.masking import mask_wage_tax_number
from states.names import Field, Frequency, Language, LetterName, Role, RungName, StateName
from states.numbers import employer_id, hide_numbers
from states.reading import held, held_day, held_frequencies, held_rows, held_text
from states.registration import read_address
from states.rights import REQUIRED_RIGHTS, missing_rights
from states.table import LADDERS, STATES
from states.wording import correction, elsewhere, known_language, label, phrase, statement, written_date
from workflow.domain import Occasion
from workflow.facts import Facts, Json, Problem, Severity
from workflow.text import cut

_DUTCH_ONLY = (Language.DUTCH.value,)
LANGUAGES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        Role.APPLICANT.value: (Language.DUTCH.value, Language.ENGLISH.value),
        Role.ASR.value: _DUTCH_ONLY,
        Role.KEYLANE.value: _DUTCH_ONLY,
        Role.OPERATIONS.value: _DUTCH_ONLY,
    }
)
"""The languages in which a role's letters exist; the first is used when nothing else is known."""

IN_FACTS = frozenset({Role.APPLICANT.value})
"""The roles whose address the facts hold; the others' are settings."""
LONGEST_IN_SUBJECT = 40
_PREPARED = (Field.RIGHTS.sheet, Field.EMAIL.sheet)
"""What the applicant prepares; who filled both sheets, in an import say, is not asked to begin."""

_OUTSIDE = frozenset({Role.APPLICANT.value, Role.KEYLANE.value})
"""The readers who are not of a.s.r.: they are told nothing of what others must do, or of other cases."""

_PERIODS = tuple(Frequency)
_OTHERS = tuple(role for role in Role if role != Role.OPERATIONS)
_HOLDERS = {state.name: state.holder or "" for state in STATES}
_GREETINGS = MappingProxyType({"nl": ("Beste", "Hallo"), "en": ("Dear", "Hello")})
_COLLEAGUES = MappingProxyType({Role.KEYLANE.value: "Beste collega's van Keylane"})
_DGA = MappingProxyType({"nl": "de DGA", "en": "the DGA"})
_EMPLOYERS = MappingProxyType({"nl": ("werkgever", "deze werkgever"), "en": ("employer", "this employer")})
_NO_NAME = re.compile("|".join(f"{employer} [0-9]+|{unnamed}" for employer, unnamed in _EMPLOYERS.values()))


def recipient(role: str, facts: Facts) -> str | None:
    """The applicant's address with its domain in punycode; the others' addresses are settings."""
    if role not in IN_FACTS:
        return None
    given = held_text(facts, Field.EMAIL)
    address = read_address(given) if given else None
    return address.sendable if address else None


def language(role: str, facts: Facts) -> str:
    """The case's language for the applicant, where letters exist in it; Dutch for everybody else."""
    known = LANGUAGES.get(role, _DUTCH_ONLY)
    chosen = held_text(facts, Field.LANGUAGE)
    return chosen if chosen in known else known[0]


def is_by_name(company: Json) -> bool:
    """Whether what a letter's context calls the employer is its name; not so of who was known to be a sole trader."""
    return isinstance(company, str) and not _NO_NAME.fullmatch(company)


class _Shared(NamedTuple):
    """What the letters of one event in one language have in common: worked out for the first of them."""

    said: dict[str, Json]
    asked: tuple[Problem, ...]
    """The problems that somebody must act on."""
    awaited: str
    """The party that must act."""


def letter_context(occasion: Occasion) -> dict[str, Json]:
    """Everything a template may show. Never a BSN, a whole wage tax number, a DGA's name or a password."""
    shared: _Shared | None = occasion.workings.get(occasion.language)
    if shared is None:
        shared = occasion.workings[occasion.language] = _share(occasion)
    return {
        "letter": str(occasion.letter),
        "role": str(occasion.role),
        "sequence": occasion.earlier,
        **shared.said,
        "salutation": _salutation(occasion),
        **_open(occasion, shared.asked),
        "waits_for": _called(shared.awaited, occasion),
        "answer_by": written_date(_answer_by(occasion), occasion.language),
        **_person_to_call(occasion),
    }


def _share(occasion: Occasion) -> _Shared:
    asked = tuple([problem for problem in occasion.problems if problem.severity is not Severity.INFO])
    company = _company(occasion)
    said: dict[str, Json] = {
        "language": occasion.language,
        "reference": occasion.reference,
        "working_days": occasion.working_days,
        "company": company,
        "company_short": cut(company, LONGEST_IN_SUBJECT),
        "reason": _reason(occasion),
        "is_known": all(occasion.facts.get(sheet) for sheet in _PREPARED),
        "loket_employer_id": employer_id(held_text(occasion.facts, Field.LOKET_EMPLOYER_ID)).normal,
        "required_rights": [*REQUIRED_RIGHTS],
        "missing_rights": [*missing_rights(occasion.facts)],
        "state_label": label(occasion.state, occasion.language),
        **_dates(occasion),
        **_registered(occasion),
    }
    return _Shared(said, asked, _awaited(occasion, asked))


def _awaited(occasion: Occasion, asked: Iterable[Problem]) -> str:
    """The party that must act; operations when nobody else can: all that is open is theirs."""
    holder = _HOLDERS[occasion.state]
    if occasion.returned_on is not None:  # for a correction, whatever else is open
        return holder
    holders = {problem.holder for problem in asked}
    if not holders:  # a.s.r. moves its own cases on; what the applicant or Keylane are done with, operations must
        return holder if holder == Role.ASR else Role.OPERATIONS
    return next((party for party in (holder, *_OTHERS) if party in holders), Role.OPERATIONS)


def _called(party: str, occasion: Occasion) -> str:
    """A party as the reader of a letter calls it; '' when it is that reader."""
    if party == occasion.role:
        return ""
    ours = occasion.role in _OUTSIDE and party not in _OUTSIDE
    return label("us" if ours else party, occasion.language)


def _salutation(occasion: Occasion) -> str:
    if occasion.role != Role.APPLICANT:
        return _COLLEAGUES.get(occasion.role, "Beste collega")
    greeting, hello = _GREETINGS[known_language(occasion.language)]
    contact = _typed(occasion.facts, Field.CONTACT_NAME)
    return f"{greeting} {contact}" if contact else hello


def _company(occasion: Occasion) -> str:
    """The employer's name; a sole trader's is personal, so then only words that stand for it."""
    name = shown_company(occasion.facts)
    if name and not names_sole_trader(occasion.facts):
        return name
    employer, unnamed = _EMPLOYERS[known_language(occasion.language)]
    number = employer_id(held_text(occasion.facts, Field.LOKET_EMPLOYER_ID)).normal
    return f"{employer} {number}" if number else unnamed


def _open(occasion: Occasion, asked: Iterable[Problem]) -> dict[str, Json]:
    """What the reader must do himself and, for who is of a.s.r., what others must."""
    role, language, known = occasion.role, occasion.language, _for_role(asked, occasion.role)
    mine = _said(phrase, [problem for problem in known if problem.holder == role], language)
    others = _said(elsewhere, [problem for problem in known if problem.holder != role], language)
    if role == _HOLDERS[occasion.state]:
        mine = [*_correction(occasion), *mine]
    elif role not in _OUTSIDE:
        others = [*_correction(occasion), *others]
    warnings = _said(statement, _for_role(occasion.accepted, role), language)
    return {"open_items": mine, "elsewhere": others, "warnings": warnings}


def _correction(occasion: Occasion) -> Iterator[Json]:
    """What no validator sees: a person sent the case back, so it waits for a correction even if nothing is wrong."""
    if occasion.returned_on is not None:
        mine = occasion.role == Role.APPLICANT
        yield correction(occasion.returned_on, _reason(occasion), occasion.language, mine=mine)


def _reason(occasion: Occasion) -> str:
    """Why a person did this, as he wrote it, but for numbers and for the names of the case's DGAs."""
    text = hide_numbers(occasion.reason or "")
    for dga in (held_rows(occasion.facts, Field.DGAS) or ()) if text else ():
        if words := str(dga.get("name") or "").split():
            name = r"\s+".join(map(re.escape, words))
            text = re.sub(rf"(?<!\w){name}(?!\w)", _DGA[known_language(occasion.language)], text, flags=re.IGNORECASE)
    return text


def _for_role(problems: Iterable[Problem], role: str) -> list[Problem]:
    """What this reader may know; a.s.r. and operations see all, other cases' references included."""
    return [problem for problem in problems if role not in _OUTSIDE or problem.holder == role]


def _said(words: Callable[[Problem, str], str], problems: Iterable[Problem], language: str) -> list[Json]:
    return [hide_numbers(words(problem, language)) for problem in problems]


def _registered(occasion: Occasion) -> dict[str, Json]:
    facts, language = occasion.facts, occasion.language
    answer = held(facts, Field.THIRTEENTH_MONTH)
    ticked = held_frequencies(facts)
    periods = [label(option, language) for option in _PERIODS if option in ticked]
    number = mask_wage_tax_number(held(facts, Field.WAGE_TAX_NUMBER))
    return {
        "framework_contract": _code(facts, Field.FRAMEWORK_CONTRACT),
        "wage_tax_number_masked": number or "",
        "period_label": ", ".join(periods),
        "thirteenth_month_label": "" if answer is None else label("yes" if answer else "no", language),
        "dga_count": len(held_rows(facts, Field.DGAS) or ()),
        "policy_count": len(held_rows(facts, Field.POLICIES) or ()),
        "keylane_reference": _whole_code(facts, Field.KEYLANE_REFERENCE),
    }


def _code(facts: Facts, field: Field) -> Json:
    """A number as people may see it; '' when it is not known."""
    text = held_text(facts, field)
    return shown(field.value, text) if text else ""


def _whole_code(facts: Facts, field: Field) -> Json:
    """A number that letters leave out when it may not be shown, as when it is not known."""
    code = _code(facts, field)
    return code if code == held_text(facts, field) else ""


def _dates(occasion: Occasion) -> dict[str, Json]:
    """Each date as its reader writes it, '' when there is none; of the first exchange more, for the calendar.

    Whether that has been is found out again when the letter leaves, which may be later.
    """
    first = held_day(occasion.facts, Field.FIRST_EXCHANGE_DATE)
    checked = occasion.calendar.add(first, LADDERS[StateName.CONFIRMED][0].after) if first else None
    dates = {
        "today": occasion.today,
        "entered_on": occasion.entered_on,
        "due_on": occasion.due_on,
        "withdraw_question_on": _rung_day(occasion, RungName.WITHDRAW_QUESTION),
        "realised_on": held_day(occasion.facts, Field.REALISED_ON),
        "first_exchange_date": first,
        "first_check_on": checked if checked and checked > occasion.today else None,
    }
    written: dict[str, Json] = {name: written_date(day, occasion.language) for name, day in dates.items()}
    exchanged = first is not None and first < occasion.today
    return written | {"first_exchange_iso": first.isoformat() if first else "", "exchanged": exchanged}


def _answer_by(occasion: Occasion) -> date | None:
    """The day of the next rung that is still to come: before that an answer of the state's holder spares a reminder."""
    if occasion.role != _HOLDERS[occasion.state]:
        return None
    if occasion.next_due_on and occasion.next_due_on > occasion.today:
        return occasion.next_due_on
    ladder = LADDERS.get(occasion.state, ())
    later = [rung.after for rung in ladder if not rung.anchor and rung.after > occasion.working_days]
    return occasion.calendar.add(occasion.today, min(later) - occasion.working_days) if later else None


def _rung_day(occasion: Occasion, name: RungName) -> date | None:
    """The day of this rung, counted on from the working days that passed; None when it is not ahead."""
    for rung in LADDERS.get(occasion.state, ()):
        if rung.name == name and rung.after > occasion.working_days:
            return occasion.calendar.add(occasion.today, rung.after - occasion.working_days)
    return None


def _person_to_call(occasion: Occasion) -> dict[str, Json]:
    """Whom Keylane must contact; in no other letter."""
    if occasion.letter != LetterName.KEYLANE_HANDOVER:
        return {"contact_name": "", "contact_email": ""}
    facts = occasion.facts
    return {"contact_name": _typed(facts, Field.CONTACT_NAME), "contact_email": _typed(facts, Field.EMAIL)}


def _typed(facts: Facts, field: Field) -> str:
    """What was typed into a field that takes any text, without the numbers that no letter may hold."""
    return hide_numbers(held_text(facts, field))
