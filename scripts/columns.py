"""Says what each column of an import file holds, with an example; which columns there are says `states.spreadsheet`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from scripts.output import plain, wrapped
from states.rights import REQUIRED_RIGHTS
from states.spreadsheet import COLUMNS, REFERENCE_COLUMN
from states.vocabulary import ACCESS, FREQUENCIES, KINDS, LANGUAGES

_INDENT = " " * 4
_RULES = (
    "Case, spaces and dashes of a heading do not matter: 'E-mailadres' is e_mailadres. An empty cell takes away what "
    "an earlier import said. Other columns are named and skipped. In Excel, format numbers as text."
)


class Meaning(NamedTuple):
    """What a column holds, for people."""

    says: str
    example: str
    words: Mapping[str, str] = MappingProxyType({})
    """Each word that a cell may have, and the value it stands for; empty: not words."""


MEANINGS: Mapping[str, Meaning] = MappingProxyType(
    {
        REFERENCE_COLUMN: Meaning(
            "Your own reference, which stands in the file once; a known one updates its case. It is never erased, so "
            "it may name nobody.",
            "E42",
        ),
        "bedrijfsnaam": Meaning("The name of the employer that is coupled.", "Drie Dennen Holding B.V."),
        "e_mailadres": Meaning("The applicant's address: where the letters go.", "salaris@example.com"),
        "raamwerkcontractnummer": Meaning("The contract with a.s.r., which usually begins with A020.", "A020990006"),
        "loonheffingennummer": Meaning("The wage tax number: nine digits, an L and two digits.", "999900171L01"),
        "werkgever_id": Meaning("Loket.nl, Werkgever, tab Bedrijfsgegevens: 'Werkgever ID'.", "9900006"),
        "kvk_nummer": Meaning("The Chamber of Commerce number, of eight digits.", "00000006"),
        "dga_lijst": Meaning(
            "Each DGA with the personeelsnummer, name:number;name:number. Empty or 'geen': there is none.",
            "A. Fictief:12;B. Verzonnen:13",
        ),
        "verloning": Meaning("How often is paid.", "maand", FREQUENCIES),
        "dertiende_maand": Meaning("Whether a 13th month is paid: ja or nee.", "nee"),
        "gebruiker_soort": Meaning("The kind of the Loket.nl user; only a standard one will do.", "standaard", KINDS),
        "gebruiker_actief": Meaning("Whether that user is active, so not blocked: ja or nee.", "ja"),
        "toegang_via": Meaning("How that user has access to the employer.", "werkgever", ACCESS),
        "rechten": Meaning("The rights of that user, with '|' between; all of these.", "|".join(REQUIRED_RIGHTS)),
        "taal": Meaning("The language of the applicant's letters; nl when it is not said.", "nl", LANGUAGES),
        "gebruiker_uitsluitend": Meaning(
            "Whether that user was made for this coupling and is used for nothing else: ja or nee. Empty: ja.", "ja"
        ),
        "gebruikersnaam": Meaning("The name of that user.", "koppeling-dennen"),
        "contactpersoon": Meaning("Who can be asked at the applicant.", "Iemand Anders"),
    }
)
"""Of each column that is read."""


def column_documents() -> list[dict[str, object]]:
    """Every column that an import file may have, for programs."""
    return [
        {
            "column": name,
            "field": _field(name),
            "required": _is_required(name),
            "means": meaning.says,
            "words": dict(meaning.words),
            "example": meaning.example,
        }
        for name, meaning in MEANINGS.items()
    ]


def column_lines() -> Iterator[str]:
    """The same for people, a few lines each."""
    yield wrapped(_RULES, "")
    for name, meaning in MEANINGS.items():
        yield ""
        yield f"{name}  ({_field(name)}{'' if _is_required(name) else '; may be left out'})"
        yield wrapped(meaning.says, _INDENT)
        for value in dict.fromkeys(meaning.words.values()):
            words = ", ".join(word for word, stands_for in meaning.words.items() if stands_for == value)
            yield wrapped(f"{value}: {words}", _INDENT * 2, first=_INDENT)
        yield f"{_INDENT}Example: {plain(meaning.example)}"


def _field(name: str) -> str:
    """What JSON and other commands call it."""
    return "external_reference" if name == REFERENCE_COLUMN else str(COLUMNS[name].field)


def _is_required(name: str) -> bool:
    return name == REFERENCE_COLUMN or not COLUMNS[name].optional
