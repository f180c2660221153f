"""What a database says twice: columns beside the bytes of an event, rows of cases beside the fold of their history."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from workflow.answers import Case
from workflow.clock import format_time
from workflow.definition import Definition
from workflow.encoding import compact_json, lenient_json, read_json
from workflow.events import event_from
from workflow.facts import Json
from workflow.history import FORGED, evolve, is_same, same_json
from workflow.ledger.rulebook import Rulebook
from workflow.ledger.verify import UNREADABLE, History, Legality, Opening, Report, Says
from workflow.storage.evidence import EVENT_COLUMNS, Evidence, ReadRow, as_text
from workflow.storage.rows import case_of


class Retelling:
    """Holds every event against the rules of then and its own columns, and every case against its replay."""

    def __init__(self, found: Evidence, report: Report, definition: Definition) -> None:
        self._found, self._report = found, report
        self._rulebook = Rulebook(found.definitions(), definition, report)
        self._history = History(report, Legality(self._rulebook.forms))
        self._openings = _Openings(found, report)
        self._cases = found.cases()
        self._next_case = next(self._cases, None)
        self._reference: Any = ""
        self._read_row: ReadRow | None = None
        self._folded: Case | None = None
        self._definition = ""
        self._is_lost = False
        """The history in hand cannot be folded, which is told already."""

    def check(self, step: Callable[[], None]) -> None:
        """Go through all of it; `step` is told after each chunk of events."""
        current: int | None = None
        for rows in self._found.whole_events():
            for case_id, canonical, digest, *columns in rows:
                if case_id != current:
                    self._end_case()
                    self._begin_case(case_id)
                    current = case_id
                self._take(case_id, canonical, digest, columns)
            self._report.events += len(rows)
            step()
        self._end_case()
        self._skip_cases(None)
        self._openings.end()

    # -- cases -------------------------------------------------------------------------------------------------------

    def _begin_case(self, case_id: Any) -> None:
        self._report.cases += 1
        self._skip_cases(case_id)
        self._reference, self._read_row = "", None
        if self._next_case is not None and self._next_case[0] == case_id:
            _, self._reference, self._read_row = self._next_case
            self._next_case = next(self._cases, None)
        else:
            self._report.add("STATE_DIFFERS", f"There are events of case number {case_id}, but its row is gone.")
        self._folded, self._is_lost = None, False
        self._history.begin(str(self._reference))

    def _skip_cases(self, until: Any) -> None:
        """Cases that come before the one whose events are next have no events."""
        while self._next_case is not None and (until is None or _comes_before(self._next_case[0], until)):
            said = "The case has a row, but no history: its events were removed, or it never was opened."
            self._report.add("CASE_WITHOUT_EVENTS", said, str(self._next_case[1]))
            self._next_case = next(self._cases, None)

    def _end_case(self) -> None:
        self._history.end()
        read, folded = self._read_row, self._folded
        self._folded = self._read_row = None
        if read is None or folded is None or self._is_lost:
            return
        try:
            row, stored = read()
            differing = [*_differences(case_of(row), folded), *_spelt_otherwise(row, stored)]
        except FORGED:
            self._add("STATE_DIFFERS", "The row of the case cannot be read.", 0)
            return
        if differing:
            said = f"The row of the case is not what its history gives: {', '.join(differing[:5])}."
            self._add("STATE_DIFFERS", said, folded.seq)
        if row["definition"] != self._definition:
            self._add("STATE_DIFFERS", "Its row names another definition than its history.", 0)

    # -- events ------------------------------------------------------------------------------------------------------

    def _take(self, case_id: Any, canonical: Any, digest: Any, columns: list[Any]) -> None:
        openings = list(self._openings.take(case_id, columns[0]))
        says = self._history.read(canonical, columns[0]) if isinstance(canonical, bytes) else None
        if says is None:
            self._is_lost = True
            if not isinstance(canonical, bytes):
                self._add("EVENT_UNREADABLE", "It holds no bytes.", columns[0])
            return
        self._check_columns(says, columns)
        self._history.take(says, openings)
        if not self._is_lost:
            self._fold(says, canonical, str(digest), {opening.path: opening.value for opening in openings})

    def _check_columns(self, says: Says, columns: list[Any]) -> None:
        stated = (
            says["seq"],
            says["at"],
            says["actor"],
            says["os_user"],
            says["via"],
            says["kind"],
            says["trigger"],
            says["from"],
            says["to"],
            says["definition"]["version"],
            says["prev_hash"],
        )
        columns[1] = as_text(columns[1])
        if tuple(columns) != stated:
            pairs = zip(EVENT_COLUMNS, columns, stated, strict=True)
            names = ", ".join(name for name, column, said in pairs if column != said)
            self._add("EVENT_COLUMN", f"Its columns say something else than its bytes: {names}.", columns[0])
        if self._reference and says["case"] != self._reference:
            said = f"Its bytes say that it belongs to {says['case'][:40]}; it was put here from there."
            self._add("EVENT_COLUMN", said, columns[0])

    def _fold(self, says: Says, canonical: bytes, digest: str, values: Mapping[str, Json]) -> None:
        try:
            event = event_from(says, canonical, digest)
            self._folded = evolve(self._rulebook.definition_of(says), self._folded, event, values)
            self._definition = event.definition[0]
        except FORGED:
            self._is_lost = True
            self._add("STATE_DIFFERS", "What it says cannot be replayed.", says["seq"])

    def _add(self, code: str, message: str, seq: Any) -> None:
        self._report.add(code, message, str(self._reference), seq)


def _comes_before(first: Any, second: Any) -> bool:
    """Whether a case's number is lower; what is no number sorts behind, as SQLite does it."""
    return not isinstance(second, int) or (isinstance(first, int) and first < second)


def _differences(stored: Case, folded: Case) -> Iterator[str]:
    """The names of what differs, never a value."""
    if is_same(stored, folded):
        return
    for name in Case._fields:
        if name not in ("facts", "told") and getattr(stored, name) != getattr(folded, name):
            yield name
    if not same_json(dict(stored.told), dict(folded.told)):
        yield "told"
    for sheet in sorted(stored.facts.keys() | folded.facts.keys()):
        kept, told = stored.facts.get(sheet), folded.facts.get(sheet)
        if not same_json(kept, told):
            yield from _fields_apart(sheet, kept or {}, told or {})


def _spelt_otherwise(row: Mapping[str, Any], stored: Mapping[str, Any]) -> Iterator[str]:
    """The columns that say what they should, but not as we write it, so that no query finds it."""
    for name, value in row.items():
        if isinstance(value, bool):
            as_written = stored[name] in (0, 1)
        elif isinstance(value, datetime):
            as_written = as_text(stored[name]) == format_time(value)
        else:
            as_written = name not in ("facts", "progress") or stored[name] == compact_json(read_json(value))
        if not as_written:
            yield name


def _fields_apart(sheet: str, kept: Mapping[str, Json], told: Mapping[str, Json]) -> Iterable[str]:
    """The paths of the fields that differ; the sheet itself when it merely is there, with nothing in it."""
    names = sorted(kept.keys() | told.keys())
    apart = [name for name in names if name not in kept or name not in told or not same_json(kept[name], told[name])]
    return [f"{sheet}.{name}" for name in apart] or [sheet]


class _Openings:
    """The personal values, which stand in the order of the events."""

    def __init__(self, found: Evidence, report: Report) -> None:
        self._found, self._report = found, report
        self._rows = (row for rows in found.openings() for row in rows)
        self._next = next(self._rows, None)

    def take(self, case_id: Any, seq: Any) -> Iterator[Opening]:
        """Those of an event; one that belongs to no event is a finding."""
        while self._next is not None and self._next[:2] != (case_id, seq) and self._is_behind(case_id, seq):
            self._skip()
        while self._next is not None and self._next[:2] == (case_id, seq):
            yield opening_of(*self._next[2:])
            self._next = next(self._rows, None)

    def end(self) -> None:
        """Whatever is left belongs to no event."""
        while self._next is not None:
            self._skip()

    def _is_behind(self, case_id: Any, seq: Any) -> bool:
        assert self._next is not None
        owner = self._next[0]
        return bool(_comes_before(self._next[1], seq) if owner == case_id else _comes_before(owner, case_id))

    def _skip(self) -> None:
        assert self._next is not None
        case_id, seq, path, _, _ = self._next
        said = f"{str(path)[:80]}: a value of an event that is not there."
        self._report.add("OPENING_UNKNOWN", said, self._found.reference_of(case_id), seq)
        self._next = next(self._rows, None)


def opening_of(path: Any, value: Any, salt: Any) -> Opening:
    """The opening that a row holds, whatever stands in it."""
    return Opening(str(path), lenient_json(value, UNREADABLE), salt if isinstance(salt, bytes) else b"")
