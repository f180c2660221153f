"""The rules of step 1: a suitable Loket.nl user that has the six rights."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from states.codes import Code, problem
from states.forms import shown
from states.names import Field, UserKind, UserStatus
from states.reading import held
from states.seen import has_several_integrations, is_blocked, is_gone
from workflow.facts import Context, Facts, Json, Problem
from workflow.text import fold

REQUIRED_RIGHTS: tuple[str, ...] = (
    "Beheren en raadplegen BSN",
    "Raadplegen beloningen",
    "Raadplegen dienstverbanden",
    "Raadplegen HRM",
    "Raadplegen loonoutput beperkt",
    "Raadplegen variabele gegevens",
)
"""Each exactly as Loket.nl names it (manual, step 1); 'Raadplegen loonoutput' is a different right."""

_FOLDED = {fold(right): right for right in REQUIRED_RIGHTS}
_MOST_NAMED = 20
_LONGEST_NAMED = 80


def suitable_user(facts: Facts, context: Context) -> Iterator[Problem]:
    """A standard user, made for this coupling only, active, with access to the employer."""
    if held(facts, Field.KIND) != UserKind.STANDARD:
        yield problem(Code.USER_TYPE, Field.KIND)
    if held(facts, Field.DEDICATED) is not True or has_several_integrations(facts):
        yield problem(Code.USER_NOT_DEDICATED, Field.DEDICATED)
    if is_blocked(facts):
        yield problem(Code.USER_BLOCKED, Field.ACTIVE, seen=held(facts, Field.SEEN_STATUS))
    elif held(facts, Field.ACTIVE) is not True:
        yield problem(Code.USER_BLOCKED, Field.ACTIVE)
    if is_gone(facts):
        yield problem(Code.USER_NO_ACCESS, Field.ACCESS_VIA, seen=UserStatus.NOT_LISTED.value)
    elif not held(facts, Field.ACCESS_VIA):
        yield problem(Code.USER_NO_ACCESS, Field.ACCESS_VIA)


def complete_rights(facts: Facts, context: Context) -> Iterator[Problem]:
    """All six rights, and preferably no others (data minimisation)."""
    missing, extra = _compared(_held_rights(facts))
    if missing:
        yield problem(Code.RIGHTS_MISSING, Field.RIGHTS, rights=[*missing])
    if extra:
        more: list[Json] = ["…"] if len(extra) > _MOST_NAMED else []
        yield problem(Code.RIGHTS_EXTRA, Field.RIGHTS, rights=[*extra[:_MOST_NAMED], *more])


def is_required(right: str) -> bool:
    """Whether this is the name of one of the six."""
    return fold(right) in _FOLDED


def missing_rights(facts: Facts) -> tuple[str, ...]:
    """The required rights that the user lacks, in the order of the manual."""
    return _compared(_held_rights(facts))[0]


def tell_missing_rights(facts: Facts) -> Json:
    """What the letter rights_missing tells: the rights that an active user was found to lack, which may be none."""
    if held(facts, Field.ACTIVE) is not True or held(facts, Field.RIGHTS) is None:
        return None
    return [*sorted(missing_rights(facts))]


def tell_blocked(facts: Facts) -> Json:
    """What the letter user_blocked tells: that the user is known to be blocked."""
    active = held(facts, Field.ACTIVE)
    return None if active is None else not active


@lru_cache(maxsize=1024)
def _compared(rights: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Which required rights are missing from these, and which of these are more than required."""
    has = {fold(right): str(shown(Field.RIGHTS, right))[:_LONGEST_NAMED] for right in rights}
    missing = tuple(right for folded, right in _FOLDED.items() if folded not in has)
    return missing, tuple(right for folded, right in has.items() if folded and folded not in _FOLDED)


def _held_rights(facts: Facts) -> tuple[str, ...]:
    value = held(facts, Field.RIGHTS)
    return tuple([right for right in value if isinstance(right, str)]) if isinstance(value, list) else ()
