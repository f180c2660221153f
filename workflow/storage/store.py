"""What can be done with the cases of a database: find, look around, write a work, read a history."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Executable

from workflow.answers import Case
from workflow.domain import Key
from workflow.encoding import read_json
from workflow.events import Event
from workflow.facts import Json, Other
from workflow.history import Values
from workflow.schedule import TimerKind
from workflow.storage import queries, rows
from workflow.storage.session import Query, Session
from workflow.storage.statement import Statement
from workflow.storage.writing import write
from workflow.work import Work

_PAGE = 1000
ALWAYS = datetime(1, 1, 1, tzinfo=UTC)
"""Before everything."""
Place = tuple[datetime, int]
"""When a timer is due, and the number of its case."""
FIRST: Place = (ALWAYS, 0)
_LAST_NUMBER = 2**62


class _By(NamedTuple):
    """A way to name a case: the parameter, and what finds it, finds and locks it, and finds it among its neighbours."""

    name: str
    query: Query
    locked: Query
    among: Query


_BY_REFERENCE = _By(
    "reference", queries.case_by_reference, queries.case_by_reference_locked, queries.case_among_by_reference
)
_BY_EXTERNAL = _By(
    "external_reference", queries.case_by_external, queries.case_by_external_locked, queries.case_among_by_external
)


class Neighbours(NamedTuple):
    """The keys a case has in the database, each with the first older open case that shares it."""

    rows: Sequence[Sequence[str | None]]
    """Kind, value and detail of a key, the reference of the first, and of the first whose detail is another."""

    def others(self, keys: Iterable[Key]) -> tuple[Other, ...] | None:
        """Those a case with these keys is judged beside; None: it had other keys when it was asked for."""
        known = {(kind, value, detail): older for kind, value, detail, *older in self.rows}
        found: list[Other] = []
        for key in filter(is_useful, keys):
            older = known.get((key.kind, rows.stored_value(key), key.detail))
            if older is None:
                return None
            if reference := older[key.differing]:
                found.append(Other(key.kind, reference))
        return tuple(found)


class Due(NamedTuple):
    """A case with a timer that is due; to `read` it raises whatever reading a forged row raises."""

    case_id: int
    reference: str
    due_at: datetime
    read: Callable[[], Case]

    @property
    def place(self) -> Place:
        """Where it stands among all that are due."""
        return (self.due_at, self.case_id)


class Unread(NamedTuple):
    """A case that was found but not read, so that a row which somebody altered takes no other with it."""

    part: Callable[[str], Any]
    """One column of its row."""
    read: Callable[[], Case]
    """The case itself. Raises whatever reading a forged row raises."""

    @property
    def case_id(self) -> int:
        """Its number."""
        return int(self.part("id"))

    @property
    def reference(self) -> str:
        """Its reference, which can be told whatever else stands in the row."""
        return str(self.part("reference"))


class Store(Session):
    """The cases of a database, as one connection sees and changes them."""

    # -- finding -----------------------------------------------------------------------------------------------------

    def find(self, *, reference: str | None, external: str | None, lock: bool = False) -> tuple[int, Case] | None:
        """A case by its reference or its external reference; with `lock`, kept from other writers (PostgreSQL)."""
        by, named = _by(reference, external)
        row = self.first(by.locked if lock else by.query, named)
        return (row["id"], rows.case_of(row)) if row else None

    def find_among(
        self, *, reference: str | None, external: str | None, lock: bool = False
    ) -> tuple[int, Case, Neighbours] | None:
        """The same, with its neighbours as they are at that moment."""
        by, named = _by(reference, external)
        if lock and not self.is_sqlite:  # what waited for its lock still sees the neighbours of before it waited
            self.run(by.locked, named)
        row = self.first(by.among, named)
        return (row["id"], rows.case_of(row), Neighbours(read_json(row["beside"] or "[]"))) if row else None

    def cases_by_id(self, case_ids: Sequence[int], *, if_free: bool = False) -> list[tuple[int, Case]]:
        """These cases, in order, kept from other writers; with `if_free` without those that somebody else holds."""
        query = queries.case_by_id_if_free if if_free else queries.case_by_id_locked
        cursors = [self.run(query, {"case_id": case_id}) for case_id in sorted(case_ids)]
        read = self._prepared(query).rows
        return [(row["id"], rows.case_of(row)) for cursor in cursors for row in read(cursor)]

    def unread(self, core: Executable) -> list[Unread]:
        """The cases that a query finds which is built anew each time, its values inside."""
        statement = self.statement(core)
        found = self.execute(statement.sql, statement.bind({})).fetchall()
        return [Unread(partial(statement.part, row), partial(_case_in, statement, row)) for row in found]

    def older_open_cases(
        self, wanted: Sequence[tuple[int, Iterable[Key]]], *, most: int = 1
    ) -> list[tuple[Other, ...]]:
        """Per case and key, the first older open cases that share the key; all asked before the first is read."""
        asked = [
            [(key, self.run(queries.older_open_case, _look_up(case_id, key, most))) for key in keys if is_useful(key)]
            for case_id, keys in wanted
        ]
        read = self._prepared(queries.older_open_case).rows
        return [
            tuple(Other(key.kind, row["reference"]) for key, cursor in cursors for row in read(cursor))
            for cursors in asked
        ]

    def stays(self, case_id: int) -> Iterator[Event]:
        """The events of a case that say where it was and when: opened, moved, held, resumed."""
        for row in self.select(queries.stays_of_case, {"case_id": case_id}):
            yield rows.event_of(row)

    def event(self, case_id: int, seq: int) -> Event | None:
        """One event of a case, by its place in the history."""
        row = self.first(queries.event_of_case, {"case_id": case_id, "seq": seq})
        return rows.event_of(row) if row else None

    def answer(self, case_id: int, key: str) -> tuple[str, Json] | None:
        """The digest of the command that used this key, and what it was answered."""
        row = self.first(queries.answer_of_key, {"case_id": case_id, "key": key})
        return (row["command"], read_json(row["answer"])) if row else None

    def history(self, case_id: int) -> Iterator[tuple[Event, Values]]:
        """A case's events in order, each with the personal values that are still there."""
        yield from next(self.histories([case_id]))

    def histories(self, case_ids: Sequence[int]) -> Iterator[Iterator[tuple[Event, Values]]]:
        """The same of several cases; all are asked before the first is read."""
        named = [{"case_id": case_id} for case_id in case_ids]
        asked = [(self.select(queries.private_of_case, one), self.select(queries.events_of_case, one)) for one in named]
        return (_history(private, happened) for private, happened in asked)

    # -- writing -----------------------------------------------------------------------------------------------------

    def new_case_ids(self, count: int) -> list[int]:
        """Numbers for new cases, in order. SQLite: under its write lock."""
        if self.is_sqlite:
            row = self.first(queries.last_case_id, {})
            last = (row and row["id"]) or 0
            return list(range(last + 1, last + 1 + count))
        cursor = self.execute(
            "SELECT nextval(pg_get_serial_sequence('cases', 'id')) FROM generate_series(1, %(count)s)", {"count": count}
        )
        return sorted(row[0] for row in cursor.fetchall())

    def write(self, works: Sequence[Work]) -> None:
        """Write finished works, all of them together. Raises Conflict when a case was changed."""
        write(self, works)

    def due_cases(
        self,
        now: datetime,
        kinds: Collection[TimerKind],
        limit: int,
        *,
        since: datetime = ALWAYS,
        after: Place = FIRST,
    ) -> list[Due]:
        """Timers of these kinds that are due, longest due first, their cases kept from other workers.

        Those that were due until `since`, or stand no later than `after`, are left out. A case may be there twice.
        """
        place = max(after, (since, _LAST_NUMBER))
        values = {
            "since": place[0],
            "after": place[1],
            "now": now,
            "any_kind": len(kinds) > 1,
            "kind": str(next(iter(kinds))),
            "limit": limit,
        }
        statement = self._prepared(queries.due_cases)
        return [
            Due(
                statement.part(found, "id"),
                statement.part(found, "reference"),
                statement.part(found, "timer_due_at"),
                partial(_case_in, statement, found),
            )
            for found in self.run(queries.due_cases, values).fetchall()
        ]

    def has_due_rung(self, now: datetime, *, since: datetime = ALWAYS) -> bool:
        """Whether a rung that fell due since then waits to be fired, here or by a worker that has not committed yet."""
        return self.first(queries.rung_that_is_due, {"since": since, "now": now}) is not None

    def cases_due_by(self, moment: datetime) -> Iterator[tuple[int, Case]]:
        """The cases with a timer that falls due until this moment, in the order they were opened."""
        last = 0
        while page := list(self.select(queries.cases_due_by, {"moment": moment, "after": last, "most": _PAGE})):
            for row in page:
                yield row["id"], rows.case_of(row)
            last = page[-1]["id"]

    def rewrite_timers(self, works: Sequence[Work]) -> None:
        """Replace timers that stand in the table by those that follow from their cases.

        In their place: a command that waits for the case would not see one that was deleted and put there anew.
        """
        wanted = [row for work in works for row in rows.timer_rows(work)]
        stays = {(row["case_id"], row["kind"]) for row in wanted}
        all_kinds = [{"case_id": work.case_id, "kind": str(kind)} for work in works for kind in TimerKind]
        self.run_many(queries.delete_timer, [row for row in all_kinds if (row["case_id"], row["kind"]) not in stays])
        self.run_many(queries.put_timer, wanted)


def is_useful(key: Key) -> bool:
    """A key that asks for another detail says nothing while its own is unknown."""
    return bool(key.detail) or not key.differing


def _by(reference: str | None, external: str | None) -> tuple[_By, dict[str, str]]:
    by, named = (_BY_REFERENCE, reference) if reference is not None else (_BY_EXTERNAL, external)
    return by, {by.name: named or ""}


def _case_in(statement: Statement, values: Sequence[Any]) -> Case:
    return rows.case_of(statement.row(values))


def _history(private: Iterable[dict[str, Any]], happened: Iterable[dict[str, Any]]) -> Iterator[tuple[Event, Values]]:
    values: dict[int, dict[str, Json]] = {}
    for row in private:
        values.setdefault(row["seq"], {})[row["path"]] = read_json(row["value"])
    for row in happened:
        yield rows.event_of(row), values.get(row["seq"], {})


def _look_up(case_id: int, key: Key, most: int) -> dict[str, Any]:
    return {
        "most": most,
        "kind": key.kind,
        "value": rows.stored_value(key),
        "detail": key.detail,
        "case_id": case_id,
        "any_detail": not key.differing,
    }
