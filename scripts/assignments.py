"""Reads facts from the command line: `sheet.field=value`, or `field=value` where the sheet is clear."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scripts.forms import JSON_FORMS
from states.inline import parse_inline
from workflow.definition import Definition
from workflow.errors import UsageError, check_known, nearest

_HOW = "write field=value, with quotes around a value with spaces."


def read_assignments(
    texts: Sequence[str], definition: Definition, *, sheet: str | None = None
) -> dict[str, dict[str, object]]:
    """The facts these texts say, sheet by sheet. Raises UsageError naming the text, sheet or field."""
    sheets = definition.domain.sheets
    if sheet is not None:
        check_known("sheet", sheet, sheets)
    facts: dict[str, dict[str, object]] = {}
    for text in texts:
        path, sign, value = text.partition("=")
        if not sign or not path.strip():
            raise UsageError(f"{_called(text, sheets, facts)} is no assignment; {_HOW}")
        place, name = _place(path.strip(), definition, sheet)
        fields = facts.setdefault(place, {})
        if name in fields:
            raise UsageError(f"'{place}.{name}' is given twice; keep one.")
        fields[name] = _value(place, name, value)
    return facts


def _called(text: str, sheets: Mapping[str, Sequence[str]], before: Mapping[str, Mapping[str, object]]) -> str:
    """A text that is no assignment, by its place unless it is the name of a field: it may be the rest of a value."""
    if text in {name for sheet, fields in sheets.items() for field in fields for name in (field, f"{sheet}.{field}")}:
        return f"'{text}'"
    last = [name for fields in before.values() for name in fields][-1:]
    return f"What follows {last[0]}=…" if last else "The first text"


def _value(sheet: str, name: str, text: str) -> object:
    """The value that a text says. Raises UsageError, which shows what a list looks like where it is one."""
    try:
        return parse_inline(sheet, name, text)
    except UsageError as error:  # `states` knows no command line, so its words leave the example open
        form = JSON_FORMS.get(f"{sheet}.{name}", "[...]")
        raise UsageError(str(error).replace("such as [...]", f"such as {form}")) from None


def by_path(texts: Sequence[str], definition: Definition) -> dict[str, str]:
    """Assignments that were read well, as they were typed, each by 'sheet.field'."""
    places = (_place(text.partition("=")[0].strip(), definition, None) for text in texts)
    return {f"{sheet}.{name}": text for (sheet, name), text in zip(places, texts, strict=True)}


def _place(path: str, definition: Definition, sheet: str | None) -> tuple[str, str]:
    sheets = definition.domain.sheets
    first, dot, rest = path.partition(".")
    if dot:
        check_known("sheet", first, sheets)
        if sheet is not None and first != sheet:
            raise UsageError(f"'{path}' is not in the sheet '{sheet}'; record one sheet at a time.")
        return first, rest
    return sheet or _only_sheet(path, definition), path


def _only_sheet(name: str, definition: Definition) -> str:
    sheets = definition.domain.sheets
    places = [sheet for sheet, fields in sheets.items() if name in fields]
    if len(places) == 1:
        return places[0]
    if places:
        options = " or ".join(f"{place}.{name}=…" for place in places)
        raise UsageError(f"The field '{name}' is in more than one sheet: write {options}")
    near = nearest(name, {other for fields in sheets.values() for other in fields})
    raise UsageError(f"There is no field '{name}'.{near}")
