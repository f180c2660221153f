"""The Dutch and English words that people type for values, shared by the command line and spreadsheets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
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
_NO_DGAS = NONE_AT_ALL | {"no", "nee"}
_NO_DGA_LIST = (YES_NO.keys() - _NO_DGAS) | {"-", "n.v.t.", "nvt", "n/a"}
"""What may stand for 'none', for 'not known' or for 'there are some': not for us to say which."""
_HOW_DGAS = "as name:number;name:number, or as none (geen) when there is no DGA"

FREQUENCIES: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("monthly", "maand", "per maand", "maandelijks"), Frequency.MONTHLY.value),
        **dict.fromkeys(
            (
                "four_weekly",
                "4weken",
                "4 weken",
                "per 4 weken",
                "4-wekelijks",
                "4 wekelijks",
                "vier weken",
                "vierwekelijks",
            ),
            Frequency.FOUR_WEEKLY.value,
        ),
    }
)
KINDS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("standard", "standaard", "standaardgebruiker"), UserKind.STANDARD.value),
        **dict.fromkeys(("webservice", "web service", "webservicegebruiker"), UserKind.WEBSERVICE.value),
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
        raise ValueError("must be yes or no (ja or nee)")
    return answer


def chosen(text: str, words: Mapping[str, str]) -> str:
    """The option that this word stands for. Raises ValueError."""
    option = words.get(fold(text))
    if option is None:
        raise ValueError(not_one_of(text, words))
    return option


def not_one_of(text: str, words: Iterable[str]) -> str:
    """What to say of a text that is none of these words, without it: of exchanged columns it is a name or a number."""
    return f"cannot have this value.{nearest(text, words)}"


def frequencies(text: str) -> str | list[str]:
    """One payroll frequency, or a list when several are given with '|' between. Raises ValueError."""
    ticked = [chosen(part, FREQUENCIES) for part in text.split("|") if part.strip()]
    return ticked[0] if len(ticked) == 1 else ticked


def dga_list(text: str) -> list[dict[str, str | None]]:
    """DGAs written as 'name:number;name:number', or an explicit 'none'; a missing half is None. Raises ValueError."""
    if fold(text) in _NO_DGAS:
        return []
    parts = [part for part in text.split(";") if part.strip()]
    if fold(text) in _NO_DGA_LIST or (text and not parts):
        raise ValueError(f"cannot be '{text[:40]}'; write it {_HOW_DGAS}")
    return [_dga(part) for part in parts]


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
    if "|" in text or text.count(":") > 1:  # names are not repeated: they are personal
        raise ValueError(f"holds more than one DGA between two ';'; write it {_HOW_DGAS}")
    name, colon, number = text.rpartition(":")
    if not colon:
        name, number = text, ""
    return {"name": name.strip() or None, "employee_number": number.strip() or None}
