"""How values look in the fields that history shows; what looks otherwise may say something of a person.

The form is wider than right: a number with a typing error has it, an address, a name or a phone number has not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType

from states.masking import DOTS
from states.names import Field
from states.numbers import hide_numbers, is_uuid
from workflow.facts import Json

_REFERENCE = re.compile(r"(?=.*[0-9])(?!.*[A-Za-z]{5})[0-9A-Za-z](?:[0-9A-Za-z./_-]|(?<=[0-9]) (?=[0-9]))*")
"""Characters of a code, of which one is a digit; more than four letters in a row are a word, and may be a name."""
_KVK = re.compile(r"[0-9](?:[ .-]?[0-9]){0,11}")
_EMPLOYER_ID = re.compile(r"-?0*[0-9]{1,10}")
_PRODUCT = re.compile(r"(?!(?:\D*\d){7})[^@＠﹫]*")
"""Words, with fewer digits than a phone number has."""
_RIGHT = re.compile(r"[^\d@＠﹫]*")
_BETWEEN_DIGITS = re.compile(r"[ ./_-]+")
_SOMEBODYS = re.compile(
    r"(?<![0-9Aa])(?:0[1-9][0-9]{8}|(?:00)?31[1-9][0-9]{8}|00[1-9][0-9]{9,12}|[0-9]{8,9}[LlBb][0-9]{2})(?![0-9])"
)
"""A phone number, a wage tax number (also one that lost its zero) or a VAT number; a contract number begins with A."""


def _is_reference(text: str) -> bool:
    return _REFERENCE.fullmatch(text) is not None and not _is_somebodys(text)


def _is_kvk_number(text: str) -> bool:
    return _KVK.fullmatch(text) is not None and not _is_somebodys(text)


def _is_employer_id(text: str) -> bool:
    bare = "".join(text.split())
    return is_uuid(bare) or (_EMPLOYER_ID.fullmatch(bare) is not None and not _is_somebodys(bare))


def _is_product(text: str) -> bool:
    return _PRODUCT.fullmatch(text) is not None


def _is_right(text: str) -> bool:
    return _RIGHT.fullmatch(text) is not None


def _is_somebodys(text: str) -> bool:
    return _SOMEBODYS.search(_BETWEEN_DIGITS.sub("", text)) is not None


FORMS: Mapping[str, Callable[[str], bool]] = MappingProxyType(
    {
        Field.RIGHTS.value: _is_right,
        Field.FRAMEWORK_CONTRACT.value: _is_reference,
        Field.LOKET_EMPLOYER_ID.value: _is_employer_id,
        Field.KVK_NUMBER.value: _is_kvk_number,
        f"{Field.POLICIES}.policy_number": _is_reference,
        f"{Field.POLICIES}.product": _is_product,
        Field.KEYLANE_REFERENCE.value: _is_reference,
        "loket_seen.employer_uuid": is_uuid,
    }
)
"""The fields without a mask that take any text, each with what has its form; a test holds them against the sheets."""


def shown(path: str, value: Json) -> Json:
    """A value of a field without a mask as people may see it; one that says nothing of a person stays as it is.

    What has not the form of its field is hidden whole, of the rest the BSNs and whole wage tax numbers in it; but a
    Loket employer id may look like a BSN, for it will soon be a number of nine digits.
    """
    if isinstance(value, str):
        return _shown_text(path, value)
    if isinstance(value, dict):
        return {name: shown(f"{path}.{name}", inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shown(path, inner) for inner in value]
    if value is None or isinstance(value, bool):
        return value
    said = _shown_text(path, str(value))
    return value if said == str(value) else said


@lru_cache(maxsize=4096)
def _shown_text(path: str, text: str) -> str:
    has_form = FORMS.get(path)
    if has_form is not None and not has_form(text):
        return DOTS
    return text if path == Field.LOKET_EMPLOYER_ID else hide_numbers(text)
