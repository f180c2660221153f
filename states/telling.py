"""The words of a personal value that name somebody by themselves: of a name, and of what stands before an @."""

from __future__ import annotations

import re
from collections.abc import Iterator

from states.names import Field
from workflow.facts import Json

_NAMES = frozenset(
    {
        *(Field.CONTACT_NAME, "handover.contact_name", f"{Field.DGAS}.name"),
        # what is personal in these is not where it belongs, and often a name
        *(Field.FRAMEWORK_CONTRACT, Field.LOKET_EMPLOYER_ID, Field.KVK_NUMBER, Field.KEYLANE_REFERENCE),
        f"{Field.POLICIES}.policy_number",
    }
)
_WORD = re.compile(r"[^\W\d_]{4,}")
_HANDLE = re.compile(r"([^\s@,;:<>()\[\]\"]+)@")
_NAMES_NOBODY = frozenset(
    {
        *("accountant", "accounting", "administratie", "afdeling", "algemeen", "beheer", "boekhouding"),
        *("contact", "contactpersoon", "debiteuren", "directeur", "directie", "familie", "finance", "financien"),
        *("heer", "info", "keylane", "klantenservice", "koppeling", "loket", "lonen", "loon"),
        *("loonadministratie", "mail", "medewerker", "meneer", "mevr", "mevrouw", "office", "payroll"),
        *("personeel", "personeelszaken", "post", "salaris", "salarisadministratie", "salarissen"),
        *("secretariaat", "support", "team", "werkgever"),
    }
)
"""What names and addresses are often made of, and a reason may well say."""


def telling(path: str, value: Json) -> Iterator[str]:
    """The words of a personal value that a text may not repeat; whole values and numbers are for the caller.

    A company's name has none: of that of a sole trader only the whole is a name.
    """
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from telling(f"{path}.{name}", inner)
    elif isinstance(value, list):
        for inner in value:
            yield from telling(path, inner)
    elif isinstance(value, str):
        yield from (word for word in _words(path, value) if word.casefold() not in _NAMES_NOBODY)


def _words(path: str, text: str) -> Iterator[str]:
    handles = [text] if path == Field.USER_NAME else _HANDLE.findall(text)
    for handle in handles:
        yield handle
        yield from _WORD.findall(handle)
    if path in _NAMES:
        yield from _WORD.findall(text)
