"""A row of the import file, by its Dutch columns, read as an external reference and facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from states import vocabulary
from states.names import Field
from workflow.errors import UsageError, nearest

T = TypeVar("T")

REFERENCE_COLUMN = "case_id"
DEDICATED_COLUMN = "gebruiker_uitsluitend"
IGNORED_COLUMNS = frozenset({"reason"})
IGNORED_PREFIX = "expected_"


class Column(NamedTuple):
    """Where the cells of a column go, and how they are read."""

    field: Field
    read: Callable[[object], object]


def read_row(row: Mapping[str, object]) -> tuple[str, dict[str, dict[str, object]]]:
    """The external reference and the facts of one row; an empty cell clears its field.

    Cells are text (CSV) or text, numbers and booleans (XLSX). Columns that are not there leave their fields alone.
    A row attests that the user is dedicated unless gebruiker_uitsluitend says nee. Raises UsageError naming the column.
    """
    facts: dict[str, dict[str, object]] = {Field.DEDICATED.sheet: {Field.DEDICATED.own_name: True}}
    reference = ""
    for name, cell in row.items():
        if not _is_known(name):
            raise UsageError(f"There is no column '{name}'.{nearest(name, (*COLUMNS, REFERENCE_COLUMN))}")
        if name == REFERENCE_COLUMN:
            reference = _read(name, _text, cell) or ""
        elif (column := COLUMNS.get(name)) is not None:
            facts.setdefault(column.field.sheet, {})[column.field.own_name] = _read(name, column.read, cell)
    if not reference:
        raise UsageError(f"'{REFERENCE_COLUMN}' is empty; each row needs an external reference.")
    return reference, facts


def _is_known(name: str) -> bool:
    return name in COLUMNS or name == REFERENCE_COLUMN or name in IGNORED_COLUMNS or name.startswith(IGNORED_PREFIX)


def _read(name: str, read: Callable[[object], T], cell: object) -> T:
    try:
        return read(cell)
    except ValueError as error:
        tail = str(error)
        raise UsageError(f"'{name}' {tail}" + ("" if tail.endswith((".", "?")) else ".")) from None


def _text(cell: object) -> str | None:
    """Text as it stands; a whole number becomes its digits."""
    if cell is None:
        return None
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    if isinstance(cell, int) and not isinstance(cell, bool):
        return str(cell)
    if not isinstance(cell, str):
        raise ValueError("must be text or a whole number")
    return cell.strip(" ") or None


def _unpadded(cell: object) -> str | None:
    """Text whose leading zeros count; a numeric cell has lost them already."""
    if isinstance(cell, (int, float)):
        raise ValueError("is a numeric cell, which has lost its leading zeros: make the column text and type it again")
    return _text(cell)


def _answer(cell: object) -> bool | None:
    if isinstance(cell, bool):
        return cell
    text = _text(cell)
    return None if text is None else vocabulary.yes_or_no(text)


def _dedicated(cell: object) -> bool:
    return _answer(cell) is not False


def _option(cell: object, words: Mapping[str, str]) -> str | None:
    text = _text(cell)
    return None if text is None else vocabulary.chosen(text, words)


def _frequencies(cell: object) -> str | list[str] | None:
    text = _text(cell)
    return None if text is None else vocabulary.frequencies(text)


def _rights(cell: object) -> list[str] | None:
    text = _text(cell)
    return None if text is None else [right.strip() for right in text.split("|") if right.strip()]


def _dgas(cell: object) -> list[dict[str, str | None]]:
    """An empty cell says that there are none."""
    return vocabulary.dga_list(_text(cell) or "")


COLUMNS: Mapping[str, Column] = MappingProxyType(
    {
        "bedrijfsnaam": Column(Field.COMPANY_NAME, _text),
        "e_mailadres": Column(Field.EMAIL, _text),
        "raamwerkcontractnummer": Column(Field.FRAMEWORK_CONTRACT, _text),
        "loonheffingennummer": Column(Field.WAGE_TAX_NUMBER, _unpadded),
        "werkgever_id": Column(Field.LOKET_EMPLOYER_ID, _text),
        "kvk_nummer": Column(Field.KVK_NUMBER, _unpadded),
        "dga_lijst": Column(Field.DGAS, _dgas),
        "verloning": Column(Field.PAYROLL_FREQUENCY, _frequencies),
        "dertiende_maand": Column(Field.THIRTEENTH_MONTH, _answer),
        "gebruiker_soort": Column(Field.KIND, partial(_option, words=vocabulary.KINDS)),
        "gebruiker_actief": Column(Field.ACTIVE, _answer),
        "toegang_via": Column(Field.ACCESS_VIA, partial(_option, words=vocabulary.ACCESS)),
        "rechten": Column(Field.RIGHTS, _rights),
        "taal": Column(Field.LANGUAGE, partial(_option, words=vocabulary.LANGUAGES)),
        DEDICATED_COLUMN: Column(Field.DEDICATED, _dedicated),
        "gebruikersnaam": Column(Field.USER_NAME, _text),
        "contactpersoon": Column(Field.CONTACT_NAME, _text),
    }
)
"""The columns of an import file besides case_id; `expected_*` and `reason` are ignored."""
