"""The cells of a workbook that hold an error, or a formula whose result nobody saved: calamine shows both as empty."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree.ElementTree import Element, iterparse

from scripts.records import FAILED, UNCOMPUTED
from workflow.errors import UsageError

_BOOK, _TARGETS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"
_ID = "/relationships}id"
"""How the name of the attribute ends that says which file a sheet is; a program may put others beside it."""
_ERROR_TYPES = (b'"e"', b"'e'")
"""How the type of an error cell is written."""
_FORMULA = (b"<f", b":f")
_UNCOMPUTED = re.compile(
    rb"(?:</(?:\w+:)?f\s*>|<(?:\w+:)?f\b[^<>]*/>)\s*"
    rb"(?:</(?:\w+:)?c\s*>|<(?:\w+:)?v\b[^<>]*/>|<(?:\w+:)?v\b[^<>]*>\s*</)"
)
"""A formula, and behind it no result or an empty one."""
_LONGEST = 512
"""So long is what we look for at most; it may stand across two chunks."""
_CHUNK = 1 << 20
_PLACE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
_UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, EOFError, SyntaxError, RuntimeError),
    *(ValueError, KeyError, TypeError, AttributeError, IndexError),
)
"""What reading makes of a workbook that is not as it should be."""


def faulty_cells(path: Path, sheet: str) -> Mapping[int, Mapping[int, str]]:
    """What to show for each such cell of a sheet, by row (from 1) and column (from 0).

    Raises UsageError: there are some, but nobody can say where.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            try:
                parts = [_part_of(archive, sheet)]
            except _UNREADABLE:  # then it matters only if any of the files in it is suspect
                parts = [name for name in archive.namelist() if name.lower().endswith(".xml")]
            if not any(_is_suspect(archive, part) for part in parts):
                return {}
            (part,) = parts
            found: dict[int, dict[int, str]] = {}
            for row, column, shown in _look_through(archive, part):
                found.setdefault(row, {})[column] = shown
            return found
    except _UNREADABLE:
        raise UsageError(
            f"{path} holds cells with an error such as #N/A, or formulas without a result, that cannot be located. "
            "Correct them, or save it as a CSV."
        ) from None


def _part_of(archive: zipfile.ZipFile, sheet: str) -> str:
    """The file in which a sheet stands, found as calamine finds it: by its name, whatever the case of its path."""
    names = {name.replace("\\", "/").lower(): name for name in archive.namelist()}
    with archive.open(names[_BOOK]) as file:
        (book,) = (one for _, one in iterparse(file) if _tag(one) == "sheets")
        (number,) = (
            value for one in book if one.get("name") == sheet for name, value in one.items() if name.endswith(_ID)
        )
    with archive.open(names[_TARGETS]) as file:
        (target,) = (str(one.get("Target")) for _, one in iterparse(file) if one.get("Id") == number)
    inside = target.lstrip("/") if target.startswith(("/xl/", "xl/")) else f"xl/{target}"
    return names[inside.replace("\\", "/").lower()]


def _is_suspect(archive: zipfile.ZipFile, part: str) -> bool:
    """Whether a sheet may hold such a cell; most hold none, and need no second reading."""
    with archive.open(part) as file:
        before = b""
        while chunk := file.read(_CHUNK):
            before += chunk
            if any(written in before for written in _ERROR_TYPES):
                return True
            if any(written in before for written in _FORMULA) and _UNCOMPUTED.search(before):
                return True
            before = before[-_LONGEST:]
    return False


def _look_through(archive: zipfile.ZipFile, part: str) -> Iterator[tuple[int, int, str]]:
    """Row, column and what to show of each cell that has something to be shown."""
    row = 0
    with archive.open(part) as file:
        for _, element in iterparse(file):
            if _tag(element) != "row":
                continue
            row, column = int(element.get("r") or row + 1), -1
            for cell in element:
                place = _PLACE.fullmatch(cell.get("r") or "")
                column = _column(place[1]) if place else column + 1
                if shown := _shown(cell):
                    yield int(place[2]) if place else row, column, shown
            element.clear()


def _shown(cell: Element) -> str:
    """What stands for a cell of which calamine tells nothing; '' for any other."""
    parts = {_tag(part): part for part in cell}
    kind, result = cell.get("t"), parts.get("v")
    if kind == "e":
        return FAILED + ((result.text or "") if result is not None else "")
    is_known = "is" in parts or (result is not None and (kind == "str" or bool(result.text)))
    return UNCOMPUTED if "f" in parts and not is_known else ""


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - ord("A") + 1
    return number - 1


def _tag(element: Element) -> str:
    return element.tag.rpartition("}")[2]
