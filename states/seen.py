"""The rules about what Loket.nl itself said: where it contradicts what was recorded."""

from __future__ import annotations

from collections.abc import Iterator

from states.codes import Code, problem
from states.masking import mask_wage_tax_number
from states.names import AccessVia, Field, UserStatus
from states.numbers import employer_id, wage_tax_number
from states.reading import held, held_frequencies, held_text
from states.seal import seals, shown_of
from workflow.facts import Context, Facts, Json, Problem
from workflow.text import fold

MOST_INTEGRATIONS = 1
"""A user that is made for one coupling gives access to one application at most."""

_AT_WORK = frozenset({"", UserStatus.HAS_ACCESS, UserStatus.NOT_LISTED})
"""What does not say that a user is blocked: of those in no list, or never looked for, nothing is known."""


def as_in_loket(facts: Facts, context: Context) -> Iterator[Problem]:
    """The payroll package knows the same wage tax number and payroll frequency as the form."""
    if not is_about_this(facts):
        return
    number = wage_tax_number(held_text(facts, Field.WAGE_TAX_NUMBER))
    sealed = held_text(facts, Field.SEEN_TAX_NUMBER)
    if sealed and number.is_right and not seals(sealed, number.normal):
        about = (Field.WAGE_TAX_NUMBER, Field.SEEN_TAX_NUMBER)
        loket, form = shown_of(sealed), mask_wage_tax_number(number.normal)
        # else they differ where neither is shown
        told: dict[str, Json] = {"loket": loket, "form": form} if loket != form else {"seen": "alike"}
        yield problem(Code.LOKET_WAGE_TAX_DIFFERS, Field.WAGE_TAX_NUMBER, about, **told)
    seen, ticked = held_text(facts, Field.SEEN_PERIOD), held_frequencies(facts)
    if seen and len(ticked) == 1 and seen not in ticked:
        about = (Field.PAYROLL_FREQUENCY, Field.SEEN_PERIOD)
        yield problem(Code.LOKET_PERIOD_DIFFERS, Field.PAYROLL_FREQUENCY, about, seen=seen)


def has_several_integrations(facts: Facts) -> bool:
    """Whether the user was seen to serve other couplings as well."""
    count = held(facts, Field.SEEN_INTEGRATIONS)
    return isinstance(count, int) and count > MOST_INTEGRATIONS and is_about_this(facts)


def is_gone(facts: Facts) -> bool:
    """Whether a user of the employer itself was seen not to be among its users."""
    unlisted = held(facts, Field.SEEN_STATUS) == UserStatus.NOT_LISTED
    return unlisted and held(facts, Field.ACCESS_VIA) == AccessVia.EMPLOYER and is_about_this(facts)


def is_blocked(facts: Facts) -> bool:
    """Whether Loket.nl said that the user cannot work; what is recorded after that unblocks nobody, a check does."""
    return held_text(facts, Field.SEEN_STATUS) not in _AT_WORK and is_about_this(facts)


def is_about_this(facts: Facts) -> bool:
    """Whether what was seen is about the employer and the user that the case now names."""
    sealed = held_text(facts, Field.SEEN_ABOUT)
    return bool(sealed) and seals(sealed, subject_of(facts))


def subject_of(facts: Facts) -> str:
    """The employer and the user that the case names, as one text."""
    employer = employer_id(held_text(facts, Field.LOKET_EMPLOYER_ID)).normal
    return f"{employer}/{fold(held_text(facts, Field.USER_NAME))}"


def tell_complete(facts: Facts) -> Json:
    """What the letter ready_to_register tells: since when nothing is missing."""
    return held_text(facts, Field.SEEN_COMPLETE) or None
