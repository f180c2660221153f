"""The Dutch and English words that people type for values, shared by the command line and spreadsheets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType

from states.names import AccessVia, Frequency, Language, UserKind
from workflow.errors import nearest
from workflow.text import fold

YES_NO: Mapping[str, bool] = MappingProxyType(
    {
        **dict.fromkeys(("yes", "true", "ja", "1", "y", "j", "waar"), True),
        **dict.fromkeys(("no", "false", "nee", "0", "n", "onwaar"), False),
    }
)
NONE_AT_ALL = frozenset({"none", "geen"})

FREQUENCIES: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("monthly", "maand", "per maand", "maandelijks"), Frequency.MONTHLY.value),
        **dict.fromkeys(
            ("four_weekly", "4weken", "4 weken", "per 4 weken", "4-wekelijks", "vier weken"),
            Frequency.FOUR_WEEKLY.value,
        ),
    }
)
KINDS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("standard", "standaard"), UserKind.STANDARD.value),
        **dict.fromkeys(("webservice", "web service"), UserKind.WEBSERVICE.value),
    }
)
ACCESS: Mapping[str, str] = MappingProxyType(
    {"team": AccessVia.TEAM.value, **dict.fromkeys(("employer", "werkgever"), AccessVia.EMPLOYER.value)}
)
LANGUAGES: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("nl", "nederlands", "dutch"), Language.DUTCH.value),
        **dict.fromkeys(("en", "engels", "english"), Language.ENGLISH.value),
    }
)


def yes_or_no(text: str) -> bool:
    """The answer this word gives. Raises ValueError."""
    answer = YES_NO.get(fold(text))
    if answer is None:
        raise ValueError(f"must be yes or no (ja or nee), not '{text[:40]}'")
    return answer


def chosen(text: str, words: Mapping[str, str]) -> str:
    """The option that this word stands for. Raises ValueError."""
    option = words.get(fold(text))
    if option is None:
        raise ValueError(f"cannot be '{text[:40]}'.{nearest(text, words)}")
    return option


def frequencies(text: str) -> str | list[str]:
    """One payroll frequency, or a list when several are given with '|' between. Raises ValueError."""
    ticked = [chosen(part, FREQUENCIES) for part in text.split("|") if part.strip()]
    return ticked[0] if len(ticked) == 1 else ticked


def dga_list(text: str) -> list[dict[str, str | None]]:
    """DGAs written as 'name:number;name:number', or an explicit 'none'; a missing half is None."""
    if fold(text) in NONE_AT_ALL:
        return []
    return [_dga(part) for part in text.split(";") if part.strip()]


def json_array(text: str) -> list[object]:
    """The array in this JSON text. Raises ValueError."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("must be a JSON array, such as [...]; this is not valid JSON") from None
    if not isinstance(value, list):
        raise ValueError("must be a JSON array, such as [...]")
    return value


def _dga(text: str) -> dict[str, str | None]:
    name, colon, number = text.rpartition(":")
    if not colon:
        name, number = text, ""
    return {"name": name.strip() or None, "employee_number": number.strip() or None}
