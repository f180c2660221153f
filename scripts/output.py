"""What commands print: one JSON document for programs, plain aligned text that fits the terminal for people."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice, zip_longest
from typing import NamedTuple, TypeVar

import click

from scripts.wiring import Session
from workflow.clock import AMSTERDAM, format_time

Found = TypeVar("Found")
GAP = "  "
_ITEM = "- "


class Marks(NamedTuple):
    """The few signs beyond ASCII, and what stands for them where the terminal cannot show them."""

    yes: str
    no: str
    warning: str
    arrow: str
    more: str


FINE = Marks("✓", "✗", "!", "→", "…")
ASCII = Marks("+", "x", "!", "->", "...")


def marks() -> Marks:
    """The signs that standard output can carry."""
    try:
        "".join(FINE).encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return FINE


def print_json(document: object) -> None:
    """Print one JSON document."""
    click.echo(_dump(document, indent=2))


@contextmanager
def json_array(session: Session, before: str = "", after: str = "") -> Iterator[Callable[[object], None]]:
    """Print an array item by item, so that a long one needs no memory; yields the function that prints the next item.

    `before` and `after` make it part of a document: '{"count": 3, "items": ' and '}'.

    The bracket opens with the first item: an error before it can still be a document of its own. An error after it
    leaves the array complete as JSON, and `session.answered` set.
    """

    def add(item: object) -> None:
        click.echo(("," if session.answered else before + "[") + "\n  " + _dump(item), nl=False)
        session.answered = True

    try:
        yield add
    finally:
        if session.answered:
            click.echo("\n]" + after)
    if not session.answered:
        click.echo(f"{before}[]{after}")


def moment(at: datetime | None) -> str | None:
    """A moment for JSON: UTC, fixed width."""
    return None if at is None else format_time(at)


def local(at: datetime) -> str:
    """A moment for people: Amsterdam, to the minute; with its offset in the hour that occurs twice."""
    try:
        here = at.astimezone(AMSTERDAM)
    except OverflowError:  # the last hours there are
        here = at
    occurs_twice = here.utcoffset() != here.replace(fold=1 - here.fold).utcoffset()
    return here.isoformat(" ", "minutes")[: None if occurs_twice else 16]


def counted(number: int, word: str, many: str = "") -> str:
    """'1 case', '2 cases', '1,000 leaves'; `many` is the plural that is not made by an 's'."""
    return f"{number:,} {word if number == 1 else many or f'{word}s'}"


def first_of(found: Iterable[Found], limit: int | None) -> tuple[list[Found], bool]:
    """The first so many of what was found, and whether there are more: counting all of them might take minutes."""
    left = iter(found)
    return list(islice(left, limit)), next(left, None) is not None


def terminal_width() -> int:
    """COLUMNS, else the terminal's own width, else 80; never so narrow that nothing fits."""
    return max(shutil.get_terminal_size((80, 24)).columns, 40)


def line_width() -> int:
    """What a line that is cut must fit: a terminal, or COLUMNS. A pipe or a file has room for all of it."""
    bounded = shutil.get_terminal_size((0, 0)).columns or sys.stdout.isatty()
    return terminal_width() if bounded else sys.maxsize


def width(text: str) -> int:
    """How many columns a text takes; wide East Asian characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) != 0 for char in text)


def plain(text: str) -> str:
    """A text on one line, without anything that could steer a terminal."""
    return "".join(" " if char in "\r\n\t" else char if char.isprintable() else "?" for char in text)


def clip(text: str, columns: int) -> str:
    """A text cut to so many columns, with a sign that there was more."""
    if width(text) <= columns:
        return text
    more = marks().more
    while text and width(text) > columns - len(more):
        text = text[:-1]
    return text.rstrip() + more


def pad(text: str, columns: int) -> str:
    """A text filled with spaces to so many columns."""
    return text + " " * (columns - width(text))


def wrapped(text: str, indent: str, *, first: str | None = None) -> str:
    """A paragraph that fits the terminal, each line indented; long words such as paths stay whole."""
    return textwrap.fill(
        plain(text),
        width=min(terminal_width(), 100),
        initial_indent=indent if first is None else first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def fitted(text: str, indent: str) -> str:
    """A line that goes on below itself, indented, where a terminal is too narrow for it; in a pipe it is one line."""
    line, room = plain(text), line_width()
    if width(line) <= room:
        return line
    return textwrap.fill(line, room, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def folded(text: str) -> Iterator[str]:
    """The lines of a text such as a letter, each folded to fit the terminal; what goes on of a list's item hangs.

    It is shown as it would be sent, so nothing in it is replaced.
    """
    for line in text.splitlines():
        begins = line.lstrip(" ")
        hangs = len(line) - len(begins) + len(_ITEM) * begins.startswith(_ITEM)
        folds = textwrap.wrap(
            line,
            width=min(terminal_width(), 100),
            subsequent_indent=" " * hangs,
            expand_tabs=False,
            replace_whitespace=False,
            break_long_words=False,
            break_on_hyphens=False,
        )
        yield from folds or [""]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; with `least` it may shrink to that width, clipped, or on more lines when `folds`."""

    title: str
    least: int | None = None
    folds: bool = False


def table(
    columns: Sequence[Column], rows: Iterable[Sequence[str]], *, indent: str = "", titled: bool = True
) -> list[str]:
    """The lines of an aligned table that fits the terminal; nothing is padded at the end of a line.

    In a pipe or a file each row is one line and nothing is cut, so that it can be searched. Where not even the least
    widths fit, each row becomes a block of its own, of a line for each cell.
    """
    cells = [[plain(cell) for cell in row] for row in rows]
    titles = [column.title for column in columns]
    widths = [max([width(title), *(width(row[index]) for row in cells)]) for index, title in enumerate(titles)]
    room, gaps = line_width() - len(indent), len(GAP) * (len(columns) - 1)
    _shrink(widths, [column.least for column in columns], room - gaps)
    if sum(widths) > room - gaps:
        return [f"{indent}{line}".rstrip() for row in cells for line in _block(titles, row, room)]
    folds = [column.folds for column in columns]
    shown = [titles, *cells] if titled else cells
    return [f"{indent}{line}" for row in shown for line in _row_lines(row, widths, folds)]


def _block(titles: Sequence[str], cells: Sequence[str], room: int) -> Iterator[str]:
    """A row as lines of a title and a cell, those without a value left out, and an empty line after them."""
    left = max(map(width, titles)) + len(GAP)
    for title, cell in zip(titles, cells, strict=True):
        for number, line in enumerate(textwrap.wrap(cell, room - left, break_on_hyphens=False)):
            yield pad("" if number else title, left) + line
    yield ""


def _shrink(widths: list[int], least: Sequence[int | None], room: int) -> None:
    """Take the excess from the widest column that may still shrink, until all fit or none can."""
    while sum(widths) > room:
        spare = [(size, index) for index, size in enumerate(widths) if (low := least[index]) is not None and size > low]
        if not spare:
            return
        widths[max(spare)[1]] -= 1


def _row_lines(cells: Sequence[str], widths: Sequence[int], folds: Sequence[bool]) -> Iterator[str]:
    parts = [
        textwrap.wrap(cell, size, break_on_hyphens=False) or [""] if fold else [clip(cell, size)]
        for cell, size, fold in zip(cells, widths, folds, strict=True)
    ]
    for line in zip_longest(*parts, fillvalue=""):
        yield GAP.join(pad(part, size) for part, size in zip(line, widths, strict=True)).rstrip()


def _dump(document: object, indent: int | None = None) -> str:
    encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
    return json.dumps(document, ensure_ascii=encoding != "utf8", indent=indent)
