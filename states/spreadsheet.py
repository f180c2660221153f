"""A row of the import file, by its Dutch columns, read as an external reference and facts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from states.names import Field
from states.rights import is_required
from states.vocabulary import ACCESS, KINDS, LANGUAGES, chosen, dga_list, frequencies, yes_or_no
from workflow.errors import UsageError, sentence

REFERENCE_COLUMN = "case_id"


class Column(NamedTuple):
    """Where the cells of a column go, and how they are read."""

    field: Field
    read: Callable[[str], object]
    """Of a cell without spaces around it; ValueError says what is wrong."""
    optional: bool = False
    """Whether a file may lack it."""
    textual: bool = False
    """Whether zeros in front count, which a number in a spreadsheet has lost."""


def read_row(row: Mapping[str, str]) -> tuple[str, dict[str, dict[str, object]]]:
    """The external reference and the facts of one row; an empty cell clears its field.

    Columns that are not there leave their fields alone; other columns say nothing. A row attests that the user is
    dedicated unless gebruiker_uitsluitend says nee. Raises UsageError naming each column that makes no sense.
    """
    facts: dict[str, dict[str, object]] = {Field.DEDICATED.sheet: {Field.DEDICATED.own_name: True}}
    faults: list[str] = []
    for name, cell in row.items():
        if (column := COLUMNS.get(name)) is not None:
            try:
                value = column.read(cell.strip(" "))
            except ValueError as error:
                faults.append(sentence(f"'{name}' {error}"))
            else:
                facts.setdefault(column.field.sheet, {})[column.field.own_name] = value
    if faults:
        raise UsageError(" ".join(faults))
    return row[REFERENCE_COLUMN], facts


def _filled(read: Callable[[str], object]) -> Callable[[str], object]:
    """Read a cell so that an empty one clears its field."""
    return lambda cell: read(cell) if cell else None


def _rights(cell: str) -> list[str]:
    rights = [right.strip() for right in cell.split("|") if right.strip()]
    if any(sum(map(is_required, re.split("[,;]", right))) > 1 for right in rights):
        raise ValueError("has several rights with ',' or ';' between; separate them with '|'")
    return rights


def _dedicated(cell: str) -> bool:
    return not cell or yes_or_no(cell)


_text, _answer = _filled(str), _filled(yes_or_no)

COLUMNS: Mapping[str, Column] = MappingProxyType(
    {
        "bedrijfsnaam": Column(Field.COMPANY_NAME, _text),
        "e_mailadres": Column(Field.EMAIL, _text),
        "raamwerkcontractnummer": Column(Field.FRAMEWORK_CONTRACT, _text),
        "loonheffingennummer": Column(Field.WAGE_TAX_NUMBER, _text, textual=True),
        "werkgever_id": Column(Field.LOKET_EMPLOYER_ID, _text),
        "kvk_nummer": Column(Field.KVK_NUMBER, _text, optional=True, textual=True),
        "dga_lijst": Column(Field.DGAS, dga_list),
        "verloning": Column(Field.PAYROLL_FREQUENCY, _filled(frequencies)),
        "dertiende_maand": Column(Field.THIRTEENTH_MONTH, _answer),
        "gebruiker_soort": Column(Field.KIND, _filled(partial(chosen, words=KINDS))),
        "gebruiker_actief": Column(Field.ACTIVE, _answer),
        "toegang_via": Column(Field.ACCESS_VIA, _filled(partial(chosen, words=ACCESS))),
        "rechten": Column(Field.RIGHTS, _filled(_rights)),
        "taal": Column(Field.LANGUAGE, _filled(partial(chosen, words=LANGUAGES)), optional=True),
        "gebruiker_uitsluitend": Column(Field.DEDICATED, _dedicated, optional=True),
        "gebruikersnaam": Column(Field.USER_NAME, _text, optional=True),
        "contactpersoon": Column(Field.CONTACT_NAME, _text, optional=True),
    }
)
"""The columns of an import file besides case_id."""
