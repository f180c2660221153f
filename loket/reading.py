"""Ask Loket.nl everything that one case wants to know; a thing that we may not see is noted, not an error."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import NamedTuple, TypeVar

from loket.client import Loket
from loket.errors import Denied, NotThere
from loket.models import Administration, Integration, Right, User

T = TypeVar("T")


class Asked(NamedTuple):
    """What a case asks about, normalised; '' where it does not know."""

    employer_number: str
    user_name: str
    is_employers_user: bool | None
    """Whether the user was made at the employer itself; False: it comes in by a team of the provider."""
    rights: tuple[str, ...]
    """The names of the rights that must be enabled."""
    wage_tax_number: str
    payroll_frequency: str
    """'monthly' or 'four_weekly'."""


class Withheld(StrEnum):
    """Why a question got no answer of use."""

    DENIED = "denied"
    GONE = "gone"


@dataclass
class Reading:
    """What was read for one case; None: not asked, or withheld."""

    employers: int | None = None
    employer: str | None = None
    """The uuid of the one employer that was found."""
    users: int | None = None
    """How many users of the employer have this name."""
    user: User | None = None
    integrations: tuple[Integration, ...] | None = None
    rights: tuple[Right, ...] | None = None
    administrations: tuple[Administration, ...] | None = None
    """Those that have not ended."""
    withheld: dict[str, Withheld] = field(default_factory=dict)
    """Question → why it got no answer."""


async def read(loket: Loket, asked: Asked, today: date) -> Reading:
    """Read what this case asks. Raises LoketError when the whole cannot be read, NotUsable of the credentials."""
    found = Reading()
    if not asked.employer_number:
        return found
    employers = await _unless_withheld(found, "employers", loket.employers(asked.employer_number))
    found.employers = None if employers is None else len(employers)
    if employers is None or len(employers) != 1:
        return found
    found.employer = employers[0].id
    if asked.user_name:
        await _read_user(loket, asked, found, found.employer)
    running = await _unless_withheld(found, "administrations", loket.administrations(found.employer))
    if running is not None:
        found.administrations = tuple(one for one in running if one.end_date is None or one.end_date >= today)
    return found


async def _read_user(loket: Loket, asked: Asked, found: Reading, employer: str) -> None:
    users = await _unless_withheld(found, "users", loket.users(employer))
    if users is None:
        return
    wanted = asked.user_name.strip().casefold()
    same = [user for user in users if user.user_name is not None and user.user_name.casefold() == wanted]
    found.users = len(same)
    if len(same) != 1:
        return
    found.user = same[0]
    if found.user.access_status is None:
        found.user = await _unless_withheld(found, "user", loket.user(found.user.id)) or found.user
    found.integrations = await _unless_withheld(found, "integrations", loket.integrations(found.user.id))
    found.rights = await _unless_withheld(found, "rights", loket.rights(employer, found.user.id))


async def _unless_withheld(found: Reading, question: str, answer: Awaitable[T]) -> T | None:
    try:
        return await answer
    except Denied:
        found.withheld[question] = Withheld.DENIED
    except NotThere:
        found.withheld[question] = Withheld.GONE
    return None
