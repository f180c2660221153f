"""Which cases hold a text in what they keep of persons: in values of now and before, and where their letters went."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby, islice

from sqlalchemy import Executable, bindparam, select

from workflow.encoding import read_json
from workflow.facts import Json
from workflow.storage.exporting import Range, openings_between
from workflow.storage.store import Store, Unread
from workflow.storage.tables import outbox
from workflow.text import fold

PAGE = 1000
"""Cases looked into at once."""
_DIGEST = re.compile(r"[0-9a-f]{32,}")
"""Hashes and salts name nobody, though 'ada' stands in one of a hundred."""
_BETWEEN = re.compile(r"[\W_]+")


def holding(store: Store, found: Iterator[Unread], text: str) -> Iterator[Unread]:
    """Those of these cases that hold the text: whatever its case, and a number however it is split.

    All personal values are read, so that no way in which a database keeps or compares text can hide one.
    """
    asked = _Asked(text)
    while page := list(islice(found, PAGE)):
        holders = {case for between in _ranges(page) for case in _holders(store, between, asked)}
        yield from (one for one in page if one.case_id in holders)


class _Asked:
    """A text that is looked for."""

    def __init__(self, text: str) -> None:
        self._is_number = any(map(str.isdigit, text))
        self._plain = self._plainly(text)

    def is_in(self, value: Json) -> bool:
        """Whether it stands in a value, or in any part of it."""
        if isinstance(value, (dict, list)):
            return any(map(self.is_in, value.values() if isinstance(value, dict) else value))
        return value is not None and self._plain in self._plainly(_DIGEST.sub("", str(value)))

    def _plainly(self, text: str) -> str:
        return _BETWEEN.sub("", fold(text)) if self._is_number else fold(text)


def _ranges(page: Iterable[Unread]) -> Iterator[Range]:
    """The numbers of these cases, those that follow each other together."""
    numbers = sorted(one.case_id for one in page)
    for _, run in groupby(enumerate(numbers), key=lambda place: place[1] - place[0]):
        first, *rest = (number for _, number in run)
        yield first, rest[-1] if rest else first


def _holders(store: Store, between: Range, asked: _Asked) -> Iterator[int]:
    for opening in openings_between(store, between):
        if asked.is_in(read_json(opening.value)):
            yield opening.case_id
    for row in store.select(_addresses, {"first": between[0], "last": between[1]}):
        if asked.is_in([row["recipient"], row["went_to"]]):
            yield row["case_id"]


def _addresses() -> Executable:
    """Where letters of cases go or went; those that became part of one about several cases, with it."""
    whole = outbox.alias("whole")
    # looked up row by row, since PostgreSQL may take a join as a reason to read all letters for every page
    with_it = select(whole.c.recipient).where(whole.c.id == outbox.c.merged_into).scalar_subquery().label("went_to")
    found = select(outbox.c.case_id, outbox.c.recipient, with_it)
    return found.where(outbox.c.case_id.between(bindparam("first"), bindparam("last")))
