"""What a case asks of Loket.nl, and the facts that come of what was seen there."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from states.codes import Code
from states.masking import DOTS, mask_wage_tax_number
from states.names import AccessVia, Field, StateName, UserStatus
from states.numbers import employer_id, wage_tax_number
from states.reading import held, held_frequencies, held_text
from states.rights import REQUIRED_RIGHTS, missing_rights
from states.seal import seal, seals
from states.seen import is_about_this, is_blocked, is_gone, subject_of
from states.table import READY_TO_REGISTER
from workflow.facts import Context, Facts, Json, Severity
from workflow.history import merge
from workflow.text import fold

Salt: TypeAlias = Callable[[], str]
"""Gives fresh salt for one seal, hexadecimal."""


class Question(NamedTuple):
    """What a case wants to know, each part normalised; '' is not known or of a wrong form."""

    employer_number: str
    user_name: str
    is_employers_user: bool | None
    """Whether the user was made at the employer itself; False: it comes in by a team; None: unanswered."""
    rights: tuple[str, ...]
    wage_tax_number: str
    payroll_frequency: str


class Sight(NamedTuple):
    """What Loket.nl said; None: it could not tell."""

    employer_uuid: str | None = None
    user_uuid: str | None = None
    status: UserStatus | None = None
    rights: tuple[str, ...] | None = None
    """The names of those that are enabled."""
    integrations: int | None = None
    wage_tax_number: str | None = None
    payroll_frequency: str | None = None


class Found(NamedTuple):
    """What to record of a sight, and the codes of what was right before and no longer is."""

    facts: dict[str, dict[str, Json]]
    drift: tuple[str, ...]


def question(facts: Facts) -> Question:
    """What this case asks."""
    via = held(facts, Field.ACCESS_VIA)
    number = wage_tax_number(held_text(facts, Field.WAGE_TAX_NUMBER))
    ticked = held_frequencies(facts)
    return Question(
        employer_number=employer_id(held_text(facts, Field.LOKET_EMPLOYER_ID)).normal,
        user_name=held_text(facts, Field.USER_NAME),
        is_employers_user=via == AccessVia.EMPLOYER if via else None,
        rights=REQUIRED_RIGHTS,
        wage_tax_number=number.normal if number.is_right else "",
        payroll_frequency=next(iter(ticked)) if len(ticked) == 1 else "",
    )


def conceal(wage_tax_number: str, salt: Salt) -> str:
    """A wage tax number of Loket.nl's as evidence may keep it."""
    return seal(wage_tax_number, str(mask_wage_tax_number(wage_tax_number)), salt())


def can_ask(facts: Facts) -> bool:
    """Whether there is an employer and a user to ask about."""
    asked = question(facts)
    return bool(asked.employer_number and asked.user_name)


def seen_on(facts: Facts) -> str:
    """The day of the last check, as ISO text; '' when there was none."""
    return held_text(facts, Field.SEEN_ON)


def observe(facts: Facts, sight: Sight, state: str, context: Context, salt: Salt) -> Found:
    """The facts that follow from what was seen; what could not be told leaves what was attested as it is."""
    user: dict[str, Json] = {}
    if sight.status is not None and sight.status is not UserStatus.NOT_LISTED:
        user[Field.ACTIVE.own_name] = sight.status is UserStatus.HAS_ACCESS
        if not held(facts, Field.ACCESS_VIA):  # only users of the employer itself are in its list
            user[Field.ACCESS_VIA.own_name] = AccessVia.EMPLOYER.value
    if sight.rights is not None and not _same(sight.rights, held(facts, Field.RIGHTS)):
        user[Field.RIGHTS.own_name] = [*sorted(sight.rights)]
    seen: dict[str, Json] = {
        Field.SEEN_ON.own_name: context.today.isoformat(),
        Field.SEEN_ABOUT.own_name: _sealed(facts, Field.SEEN_ABOUT, subject_of(facts), DOTS, salt),
        "employer_uuid": sight.employer_uuid,
        "user_uuid": sight.user_uuid,
        Field.SEEN_STATUS.own_name: sight.status.value if sight.status else None,
        Field.SEEN_INTEGRATIONS.own_name: sight.integrations,
        Field.SEEN_TAX_NUMBER.own_name: _number(facts, sight.wage_tax_number, salt),
        Field.SEEN_PERIOD.own_name: sight.payroll_frequency,
    }
    found = {Field.SEEN_ON.sheet: seen, Field.ACTIVE.sheet: user}
    drift, fresh = _drift(facts, merge(facts, found), sight, state)
    seen[Field.SEEN_DRIFT.own_name] = [*drift] or None
    if state == StateName.RIGHTS_PENDING:
        seen[Field.SEEN_COMPLETE.own_name] = _complete_since(facts, merge(facts, found), context)
    return Found({sheet: fields for sheet, fields in found.items() if fields}, fresh)


def _same(rights: tuple[str, ...], known: Json) -> bool:
    names = [name for name in known if isinstance(name, str)] if isinstance(known, list) else None
    return names is not None and {*map(fold, names)} == {*map(fold, rights)}


def _number(facts: Facts, given: str | None, salt: Salt) -> str | None:
    if given is None:
        return None
    number = wage_tax_number(given).normal
    return _sealed(facts, Field.SEEN_TAX_NUMBER, number, str(mask_wage_tax_number(number)), salt)


def _sealed(facts: Facts, field: Field, value: str, shown: str, salt: Salt) -> str:
    """The seal there is, when it is of this value: a new one would look like a change."""
    known = held_text(facts, field)
    return known if known and seals(known, value) else seal(value, shown, salt())


def _drift(before: Facts, after: Facts, sight: Sight, state: str) -> tuple[list[str], tuple[str, ...]]:
    """What is not right any more, by code; and which of that is new.

    What was attested counts as right once a move was made on it, before that only what Loket.nl itself had said.
    """
    told = {
        Code.USER_BLOCKED: sight.status not in {None, UserStatus.NOT_LISTED},
        Code.USER_NO_ACCESS: sight.status is not None,
        Code.RIGHTS_MISSING: sight.rights is not None,
    }
    wrong_before, wrong_now = _wrong(before), _wrong(after)
    known = held(before, Field.SEEN_DRIFT)
    standing = [code for code in known if isinstance(code, str)] if isinstance(known, list) else []
    was_seen = held(before, Field.SEEN_STATUS) == UserStatus.HAS_ACCESS and is_about_this(before)
    counts = state != StateName.RIGHTS_PENDING or was_seen
    fresh = [code for code in told if counts and told[code] and wrong_now[code] and not wrong_before[code]]
    kept = [code for code in told if code in standing and (wrong_now[code] or not told[code])]
    drift = [code.value for code in told if code in {*fresh, *kept}]
    return drift, tuple(code.value for code in fresh if code not in standing)


def _wrong(facts: Facts) -> dict[Code, bool]:
    """Each code of drift, and whether it holds; what is unanswered was never right."""
    return {
        Code.USER_BLOCKED: held(facts, Field.ACTIVE) is not True or is_blocked(facts),
        Code.USER_NO_ACCESS: is_gone(facts),
        Code.RIGHTS_MISSING: bool(missing_rights(facts)),
    }


def _complete_since(before: Facts, after: Facts, context: Context) -> str | None:
    """Since when nothing stands in the way of registering: today when something did until now."""
    if not _is_complete(after, context):
        return None
    since = held_text(before, Field.SEEN_COMPLETE) or None
    return since if _is_complete(before, context) else context.today.isoformat()


def _is_complete(facts: Facts, context: Context) -> bool:
    """Whether the case can be registered; warnings are for people to accept."""
    problems = (problem for rule in READY_TO_REGISTER for problem in rule(facts, context))
    return not any(problem.severity is Severity.ERROR for problem in problems)
