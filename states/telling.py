"""The words of a personal value that name somebody by themselves: of a name, and of what stands before an @."""

from __future__ import annotations

import re
from collections.abc import Iterator

from states.identity import names_sole_trader
from states.names import Field
from workflow.facts import Facts, Json

_NAMES = frozenset({Field.CONTACT_NAME.value, "handover.contact_name", f"{Field.DGAS}.name"})
_MISPLACED = frozenset(
    {
        *(Field.FRAMEWORK_CONTRACT, Field.LOKET_EMPLOYER_ID, Field.KVK_NUMBER, Field.KEYLANE_REFERENCE),
        f"{Field.POLICIES}.policy_number",
    }
)
"""What is personal in these is not where it belongs, and often a name."""
_SHORTEST = 4
"""Letters of a word that may be a name outside the field of one; shorter words occur in any sentence."""
_WORD = re.compile(rf"[^\W\d_]{{{_SHORTEST},}}")
_NAME = re.compile(r"[^\W\d_]{2,}")
_HANDLE = re.compile(r"([^\s@,;:<>()\[\]\"]+)@")
_NAMES_NOBODY = frozenset(
    {
        *("accountant", "accounting", "administratie", "afdeling", "algemeen", "beheer", "boekhouding"),
        *("contact", "contactpersoon", "debiteuren", "directeur", "directie", "familie", "finance", "financien"),
        *("heer", "info", "keylane", "klantenservice", "koppeling", "loket", "lonen", "loon"),
        *("loonadministratie", "mail", "medewerker", "meneer", "mevr", "mevrouw", "office", "payroll"),
        *("personeel", "personeelszaken", "post", "salaris", "salarisadministratie", "salarissen"),
        *("secretariaat", "support", "team", "werkgever"),
        *("dhr", "dr", "drs", "ds", "ing", "ir", "jhr", "jr", "mr", "mrs", "ms", "mw", "prof", "sr", "bv", "nv", "vof"),
        *("aan", "af", "al", "and", "bij", "da", "dal", "das", "de", "del", "den", "der", "des", "di", "do", "dos"),
        *("du", "een", "el", "en", "het", "in", "la", "las", "le", "les", "los", "of", "onder", "op", "over", "te"),
        *("ten", "ter", "the", "to", "tot", "uijt", "uit", "und", "van", "ver", "vom", "von", "voor"),
        *("zu", "zum", "zur"),
    }
)
"""What names and addresses are often made of, and a reason may well say."""


def telling(path: str, value: Json, known: Facts) -> Iterator[str]:
    """The words of a personal value that a text may not repeat; whole values and numbers are for the caller.

    A company's name has them only where it is a person's, by what is known of the case.
    """
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from telling(f"{path}.{name}", inner, known)
    elif isinstance(value, list):
        for inner in value:
            yield from telling(path, inner, known)
    elif isinstance(value, str):
        yield from (word for word in _words(path, value, known) if word.casefold() not in _NAMES_NOBODY)


def _words(path: str, text: str, known: Facts) -> Iterator[str]:
    handles = [text] if path == Field.USER_NAME else _HANDLE.findall(text)
    for handle in handles:
        if len(handle) >= _SHORTEST:
            yield handle
        yield from _WORD.findall(handle)
    if path in _NAMES or (path == Field.COMPANY_NAME and names_sole_trader(known)):
        yield from _NAME.findall(text)
    elif path in _MISPLACED:
        yield from _WORD.findall(text)
