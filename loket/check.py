"""The verdict on each precondition of a coupling, out of what was read: pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from enum import StrEnum
from types import MappingProxyType

from loket.models import Administration, User
from loket.reading import Asked, Reading
from workflow.text import fold

HAS_ACCESS, OTHER_ACCESS = "has_access", "other"
_ACCESS = MappingProxyType(
    {
        "hasaccesstoclient": HAS_ACCESS,
        **dict.fromkeys(("userblocked", "userisblocked"), "user_blocked"),
        **dict.fromkeys(("accesstoclientblocked", "accesstoclientisblocked"), "access_blocked"),
        "invitepending": "invite_pending",
        "inviteexpired": "invite_expired",
    }
)
"""What Loket.nl says of a user's access, without spaces and in small letters."""
_MOST_INTEGRATIONS = 1
_ALMOST = 0.8
_FREQUENCIES = MappingProxyType({1: "monthly", 3: "four_weekly"})
OTHER_FREQUENCY = "other"


class Precondition(StrEnum):
    """What must hold before a case can be registered, in the order of the manual."""

    EMPLOYER_ACCESS = "employer_access"
    USER_EXISTS = "user_exists"
    ACTIVE = "active"
    DEDICATED = "dedicated"
    RIGHTS = "rights"
    STANDARD_USER = "standard_user"
    WAGE_TAX_NUMBER = "wage_tax_number"
    PAYROLL_FREQUENCY = "payroll_frequency"
    THIRTEENTH_MONTH = "thirteenth_month"
    FRAMEWORK_CONTRACT = "framework_contract"


class Result(StrEnum):
    """What Loket.nl says of a precondition."""

    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"
    """It cannot tell: what was attested stays as it is."""


@dataclass(frozen=True, slots=True)
class Check:
    """The verdict on a precondition; `said` names the sentence that explains it, `details` fill it in."""

    precondition: Precondition
    result: Result
    said: str
    details: Mapping[str, str] = field(default_factory=dict)
    """No personal values."""


def judge(asked: Asked, found: Reading) -> tuple[Check, ...]:
    """A check for every precondition, in order."""
    return (
        _employer(asked, found),
        _user(asked, found),
        _active(found),
        _dedicated(found),
        _rights(asked, found),
        Check(Precondition.STANDARD_USER, Result.UNKNOWN, "attested"),
        _wage_tax_number(asked, found),
        _payroll_frequency(asked, found),
        Check(Precondition.THIRTEENTH_MONTH, Result.UNKNOWN, "attested"),
        Check(Precondition.FRAMEWORK_CONTRACT, Result.UNKNOWN, "attested"),
    )


def access_of(user: User) -> str | None:
    """A user's access in a word, 'has_access' when all is well and 'other' for what we do not know; None: unknown."""
    said = user.access_status
    return _ACCESS.get("".join(said.value.split()).casefold(), OTHER_ACCESS) if said else None


def enabled_rights(found: Reading) -> tuple[str, ...] | None:
    """The names of the rights that are enabled, each once; None: unknown."""
    if found.rights is None:
        return None
    names = {fold(right.description): right.description for right in found.rights if right.is_enabled}
    return tuple(name for key, name in names.items() if key)


def the_administration(found: Reading) -> Administration | None:
    """The one payroll administration of the employer; None: unknown, or there is another number of them."""
    running = found.administrations
    return running[0] if running is not None and len(running) == 1 else None


def frequency_of(administration: Administration) -> str | None:
    """How often wages are paid, in the words of the form; 'other' for what the form does not know."""
    period = administration.payroll_period_type
    return _FREQUENCIES.get(period.key, OTHER_FREQUENCY) if period else None


def _employer(asked: Asked, found: Reading) -> Check:
    about = Precondition.EMPLOYER_ACCESS
    if not asked.employer_number:
        return Check(about, Result.UNKNOWN, "employer_unasked")
    if found.employers is None:
        return _withheld(about, found, "employers")
    number = {"number": asked.employer_number}
    if found.employers == 1:
        return Check(about, Result.PASS, "employer_found", number)
    return Check(about, Result.UNKNOWN, "employer_several" if found.employers else "employer_none", number)


def _user(asked: Asked, found: Reading) -> Check:
    about = Precondition.USER_EXISTS
    if found.employer is None or not asked.user_name:
        return Check(about, Result.UNKNOWN, "user_unasked" if found.employer else "no_employer")
    if found.users is None:
        return _withheld(about, found, "users")
    if found.users:
        one = found.users == 1
        return Check(about, Result.PASS if one else Result.UNKNOWN, "user_found" if one else "user_several")
    fails = asked.is_employers_user
    return Check(about, Result.FAIL if fails else Result.UNKNOWN, "user_none" if fails else "user_unlisted")


def _active(found: Reading) -> Check:
    about = Precondition.ACTIVE
    if found.user is None:
        return Check(about, Result.UNKNOWN, "no_user")
    access = access_of(found.user)
    if access is None:
        return _withheld(about, found, "user")
    return Check(about, Result.PASS if access == HAS_ACCESS else Result.FAIL, f"access_{access}")


def _dedicated(found: Reading) -> Check:
    about = Precondition.DEDICATED
    if found.user is None:
        return Check(about, Result.UNKNOWN, "no_user")
    if found.integrations is None:
        return _withheld(about, found, "integrations")
    count = len(found.integrations)
    if count > _MOST_INTEGRATIONS:
        return Check(about, Result.FAIL, "integrations_several", {"count": str(count)})
    if any(integration.is_blocked for integration in found.integrations):
        return Check(about, Result.UNKNOWN, "integration_blocked")
    return Check(about, Result.PASS, "integrations_one" if count else "integrations_none")


def _rights(asked: Asked, found: Reading) -> Check:
    about = Precondition.RIGHTS
    if found.user is None:
        return Check(about, Result.UNKNOWN, "no_user")
    enabled = enabled_rights(found)
    if enabled is None:
        return _withheld(about, found, "rights")
    has = {fold(name) for name in enabled}
    missing = [name for name in asked.rights if fold(name) not in has]
    if not missing:
        return Check(about, Result.PASS, "rights_all", {"count": str(len(asked.rights))})
    details = {"count": str(len(missing)), "missing": ", ".join(missing)}
    almost = dict(_almost(missing, enabled, asked.rights))
    if not almost:
        return Check(about, Result.FAIL, "rights_missing", details)
    details |= {"almost": ", ".join(f"'{name}'" for name in almost), "meant": ", ".join(almost.values())}
    return Check(about, Result.FAIL, "rights_almost", details)


def _almost(missing: list[str], enabled: tuple[str, ...], required: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Enabled rights that somebody may have taken for a missing one, each with the right it is not."""
    known = {fold(name) for name in required}
    for name in enabled:
        if fold(name) in known:
            continue
        for wanted in missing:
            if SequenceMatcher(None, fold(name), fold(wanted)).ratio() >= _ALMOST:
                yield name, wanted
                break


def _wage_tax_number(asked: Asked, found: Reading) -> Check:
    about = Precondition.WAGE_TAX_NUMBER
    one = the_administration(found)
    if one is None:
        return _no_administration(about, found)
    if not one.payroll_taxes_number:
        return Check(about, Result.UNKNOWN, "number_none")
    if not asked.wage_tax_number:
        return Check(about, Result.UNKNOWN, "number_unasked")
    same = "".join(filter(str.isalnum, one.payroll_taxes_number)).upper() == asked.wage_tax_number
    return Check(about, Result.PASS if same else Result.FAIL, "number_same" if same else "number_differs")


def _payroll_frequency(asked: Asked, found: Reading) -> Check:
    about = Precondition.PAYROLL_FREQUENCY
    one = the_administration(found)
    seen = frequency_of(one) if one else None
    if one is None:
        return _no_administration(about, found)
    if seen is None:
        return Check(about, Result.UNKNOWN, "period_none")
    if not asked.payroll_frequency:
        return Check(about, Result.UNKNOWN, "period_unasked")
    same = seen == asked.payroll_frequency
    return Check(about, Result.PASS if same else Result.FAIL, "period_same" if same else "period_differs")


def _no_administration(about: Precondition, found: Reading) -> Check:
    if found.employer is None:
        return Check(about, Result.UNKNOWN, "no_employer")
    if found.administrations is None:
        return _withheld(about, found, "administrations")
    return Check(about, Result.UNKNOWN, "administrations" if found.administrations else "administration_none")


def _withheld(about: Precondition, found: Reading, question: str) -> Check:
    return Check(about, Result.UNKNOWN, found.withheld.get(question, "unsaid"))
