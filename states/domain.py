"""The employer coupling as the engine asks for it: types, keys, words, masks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

from states import forms, letters, wording
from states.codes import Code, problem
from states.identity import keys, names_sole_trader, shown_company
from states.names import Field
from states.numbers import bsns_in, holds_a_bsn
from states.sheets import OBSERVED, PERSONAL, SHEETS, parse
from states.telling import telling
from workflow.facts import Facts, Json, Problem, Severity

PERSONAL_TEXTS = frozenset({"reason", "text", "evidence"})
"""Free text of events, and what Loket.nl answered; not on any sheet, personal all the same."""

KEPT_FOR_GOOD = frozenset({"external_reference", "actor", "ground"})
"""Free text that stands in events in clear, and is there after erasing."""


class EmployerCoupling:
    """Implements `workflow.domain.Domain`, which says what each method is for; holds nothing, so one will do."""

    sheets: Mapping[str, tuple[str, ...]] = SHEETS
    codes: Mapping[str, Severity] = MappingProxyType({code.value: code.severity for code in Code})
    messages: Mapping[str, Mapping[str, str]] = wording.MESSAGES
    languages: Mapping[str, tuple[str, ...]] = letters.LANGUAGES
    in_facts: Collection[str] = letters.IN_FACTS
    observed: Mapping[str, str] = OBSERVED
    drift_field: str = Field.SEEN_DRIFT

    parse = staticmethod(parse)
    title = staticmethod(shown_company)
    drift = staticmethod(wording.drift)
    keys = staticmethod(keys)
    recipient = staticmethod(letters.recipient)
    language = staticmethod(letters.language)
    phrase = staticmethod(wording.phrase)
    label = staticmethod(wording.label)
    telling = staticmethod(telling)
    letter_context = staticmethod(letters.letter_context)

    def is_personal(self, path: str, value: Json = None) -> bool:
        """Whether this field must be kept out of the history; so must a value that does not belong in any other."""
        if path.partition("[")[0] in PERSONAL or path in PERSONAL_TEXTS:
            return True
        return forms.shown(path, value) != value

    def mask(self, facts: Facts, known: Facts | None = None, *, outside: bool = False) -> dict[str, dict[str, Json]]:
        """The facts with personal values masked; a company's name most where it may name a person, as is known by now.

        `outside`: that name whole, and the domain of an address, which often is that name.
        """
        person = names_sole_trader(facts) or names_sole_trader(known or {})
        return {
            sheet: {name: _masked(f"{sheet}.{name}", value, person, outside) for name, value in fields.items()}
            for sheet, fields in facts.items()
        }

    def judge_text(self, field: str, text: str) -> Iterable[Problem]:
        """A BSN in free text, in what is kept for good also one that is written otherwise; told once."""
        found = holds_a_bsn(text) if field in KEPT_FOR_GOOD else any(bsns_in(text))
        return (problem(Code.BSN_IN_TEXT, field),) if found else ()

    def reason_missing(self, trigger: str) -> Problem:
        """The problem of a move, or a hold, that needs a reason and got none."""
        return problem(Code.REASON_MISSING, "reason", trigger=trigger)


def _masked(path: str, value: Json, person: bool, outside: bool) -> Json:
    mark = PERSONAL.get(path)
    if mark is None:
        return forms.shown(path, value)
    if outside and mark.outside:
        return mark.outside(value)
    return mark.of_others(value) if mark.of_others and not person else mark.mask(value)
