"""Values as they are typed on a command line, 'field=value', turned into the JSON value of the field."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from states.names import Field
from states.sheets import field_known
from states.vocabulary import ACCESS, KINDS, LANGUAGES, chosen, dga_list, frequencies, json_array, yes_or_no
from workflow.errors import UsageError, sentence


def parse_inline(sheet: str, field: str, text: str) -> object:
    """The JSON value that this text stands for; '' clears the field (None). Raises UsageError naming the field.

    The value still has to pass `Domain.parse`; only words and lists are read here.
    """
    path = field_known(sheet, field)
    trimmed = text.strip(" ")
    if not trimmed:
        return None
    try:
        return _READERS.get(path, str)(trimmed)
    except ValueError as error:
        raise UsageError(sentence(f"'{path}' {error}")) from None


def _rights(text: str) -> object:
    if text.startswith("["):
        return json_array(text)
    return [right.strip() for right in re.split(r"[|,]", text) if right.strip()]


def _dgas(text: str) -> object:
    return json_array(text) if text.startswith("[") else dga_list(text)


def _frequencies(text: str) -> object:
    return json_array(text) if text.startswith("[") else frequencies(text)


_READERS: Mapping[str, Callable[[str], object]] = MappingProxyType(
    {
        Field.KIND.value: partial(chosen, words=KINDS),
        Field.DEDICATED.value: yes_or_no,
        Field.ACTIVE.value: yes_or_no,
        Field.ACCESS_VIA.value: partial(chosen, words=ACCESS),
        Field.RIGHTS.value: _rights,
        Field.DGAS.value: _dgas,
        Field.PAYROLL_FREQUENCY.value: _frequencies,
        Field.THIRTEENTH_MONTH.value: yes_or_no,
        Field.LANGUAGE.value: partial(chosen, words=LANGUAGES),
        Field.POLICIES.value: json_array,
        Field.AUTHORISATIONS_SET.value: yes_or_no,
    }
)
