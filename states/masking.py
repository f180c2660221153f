"""Personal values made unreadable for people who do not need them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from states.numbers import hide_numbers, wage_tax_number
from workflow.facts import Json

Mask: TypeAlias = Callable[[Json], Json]

DOTS = "•••••"


def mask_name(value: Json) -> Json:
    """The first letter of a name only."""
    return value[:1] + DOTS if isinstance(value, str) and value else value


def mask_whole(value: Json) -> Json:
    """Nothing of a text."""
    return DOTS if isinstance(value, str) and value else value


def mask_numbers(value: Json) -> Json:
    """All of a text but somebody's numbers."""
    return hide_numbers(value) if isinstance(value, str) else value


def mask_email(value: Json) -> Json:
    """The first letter and the domain of an address; of something else only the first letter."""
    if not isinstance(value, str) or not value:
        return value
    name, at, domain = value.rpartition("@")
    return f"{name[:1]}{DOTS}@{domain}" if at else mask_name(value)


def mask_wage_tax_number(value: Json) -> Json:
    """'9999•••••L01'; nothing but the subnumber when it may be a BSN, and nothing at all of a wrong form."""
    if not isinstance(value, str) or not value:
        return value
    number = wage_tax_number(value)
    if not number.is_right:
        return DOTS
    shown = "••••" if number.may_hold_bsn else number.normal[:4]
    return shown + DOTS + number.normal[9:]


def mask_dgas(value: Json) -> Json:
    """How many DGAs there are, with the first letter of each name."""
    if not isinstance(value, list):
        return value
    return [{name: _mask_dga_field(name, held) for name, held in dga.items()} for dga in value if isinstance(dga, dict)]


def _mask_dga_field(name: str, value: Json) -> Json:
    if value is None:
        return None
    return mask_name(value) if name == "name" else DOTS
