"""What one transaction can do with cases: find, look around, write a work, read a history. It never commits."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlalchemy import Executable, select
from sqlalchemy.engine import Dialect

from workflow.answers import Case
from workflow.definition import Json, Key, Other
from workflow.errors import Conflict, StoreError
from workflow.events import Event
from workflow.history import Values
from workflow.schedule import TimerKind
from workflow.storage import queries, rows
from workflow.storage.statement import Statement, prepared
from workflow.storage.tables import events
from workflow.work import Rules, Work

Query = Callable[[], Executable]
_LAST = 2**31 - 1

_PAGE = 1000
ALWAYS = datetime(1, 1, 1, tzinfo=UTC)
"""Before everything."""


class Store:
    """The cases of a database, inside one transaction."""

    def __init__(self, connection: Any, dialect: Dialect, failpoint: Callable[[str], None] | None = None) -> None:
        self._connection = connection
        self._dialect = dialect
        self._failpoint = failpoint
        self.after_commit: list[Callable[[], None]] = []
        """What may be remembered once the transaction has committed."""

    @property
    def is_sqlite(self) -> bool:
        """Whether this is SQLite, where one writer holds the whole database."""
        return self._dialect.name == "sqlite"

    # -- finding -----------------------------------------------------------------------------------------------------

    def find(self, *, reference: str | None, external: str | None, lock: bool = False) -> tuple[int, Case] | None:
        """A case by its reference or its external reference; with `lock`, kept from other writers (PostgreSQL)."""
        if reference is not None:
            query: Query = queries.case_by_reference_locked if lock else queries.case_by_reference
            values = {"reference": reference}
        else:
            query = queries.case_by_external_locked if lock else queries.case_by_external
            values = {"external_reference": external or ""}
        row = next(self.select(query, values), None)
        return (row["id"], rows.case_of(row)) if row else None

    def cases_by_id(self, case_ids: Sequence[int]) -> list[tuple[int, Case]]:
        """These cases, in order, kept from other writers."""
        cursors = [self.run(queries.case_by_id_locked, {"case_id": case_id}) for case_id in sorted(case_ids)]
        read = self._prepared(queries.case_by_id_locked).rows
        return [(row["id"], rows.case_of(row)) for cursor in cursors for row in read(cursor)]

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

    def answer(self, case_id: int, key: str) -> tuple[str, Json] | None:
        """The digest of the command that used this key, and what it was answered."""
        row = next(self.select(queries.answer_of_key, {"case_id": case_id, "key": key}), None)
        return (row["command"], rows.from_text(row["answer"])) if row else None

    def history(self, case_id: int, until: int = _LAST) -> Iterator[tuple[Event, Values]]:
        """A case's events in order, each with the personal values that are still there."""
        values: dict[int, dict[str, Json]] = {}
        for row in self.select(queries.private_of_case, {"case_id": case_id, "until": until}):
            values.setdefault(row["seq"], {})[row["path"]] = rows.from_text(row["value"])
        for row in self.select(queries.events_of_case, {"case_id": case_id, "until": until}):
            yield rows.event_of(row), values.get(row["seq"], {})

    # -- writing -----------------------------------------------------------------------------------------------------

    def new_case_ids(self, count: int) -> list[int]:
        """Numbers for new cases, in order. SQLite: under its write lock."""
        if self.is_sqlite:
            last = next(self.select(queries.last_case_id, {}))["id"] or 0
            return list(range(last + 1, last + 1 + count))
        cursor = self.execute(
            "SELECT nextval(pg_get_serial_sequence('cases', 'id')) FROM generate_series(1, %(count)s)", {"count": count}
        )
        return sorted(row[0] for row in cursor.fetchall())

    def write(self, works: Sequence[Work]) -> None:
        """Write finished works: one statement per table for all of them. Raises Conflict when a case was changed."""
        live = [work for work in works if work.events]
        opened, changed = [w for w in live if w.before is None], [w for w in live if w.before is not None]
        self._ensure_definition(live)
        self.run_many(queries.insert_case, [rows.row_of(work) for work in opened])
        updated = self.run_many(queries.update_case, [rows.row_of(work) for work in changed])
        if self.is_sqlite and updated != len(changed):  # PostgreSQL: the row is locked, and (case, seq) is unique
            raise Conflict("The case was changed by somebody else while this command ran; nothing was written.")
        self.run_many(queries.insert_event, [row for work in live for row in rows.event_rows(work)])
        self.run_many(queries.insert_private, [row for work in live for row in rows.private_rows(work)])
        self.run_many(queries.insert_letter, [row for work in live for row in rows.letter_rows(work)])
        self._write_timers([work for work in live if rows.timers_changed(work)])
        self._write_keys(live)
        self._write_answers(live)
        self._fill_recipients(live)

    def _write_timers(self, works: Sequence[Work]) -> None:
        self.run_many(queries.delete_timers, [{"case_id": work.case_id} for work in works if work.before is not None])
        self.run_many(queries.insert_timer, [row for work in works for row in rows.timer_rows(work)])

    def _write_keys(self, works: Sequence[Work]) -> None:
        stale: list[dict[str, Any]] = []
        fresh: list[dict[str, Any]] = []
        for work in works:
            if work.before is not None and work.before.facts == work.case.facts:
                continue
            keys_of = work.rules.definition.domain.keys
            keys = keys_of(work.case.facts)
            if work.before is not None:
                if keys_of(work.before.facts) == keys:
                    continue
                stale.append({"case_id": work.case_id})
            fresh += rows.key_rows(work.case_id, keys)
        self.run_many(queries.delete_keys, stale)
        self.run_many(queries.insert_key, fresh)

    def _write_answers(self, works: Sequence[Work]) -> None:
        self.run_many(
            queries.insert_answer,
            [
                {"case_id": work.case_id, "key": work.key[0], "command": work.key[1], "answer": work.key[2]}
                for work in works
                if work.key
            ],
        )

    def _ensure_definition(self, works: Sequence[Work]) -> None:
        for rules in {id(work.rules): work.rules for work in works}.values():
            if rules.stored_in is not self._dialect:
                self._store_definition(rules)
                self.after_commit.append(partial(setattr, rules, "stored_in", self._dialect))

    def _store_definition(self, rules: Rules) -> None:
        name, version, digest = rules.stamp
        named = {"name": name, "version": version}
        known = next(self.select(queries.definition_digest, named), None)
        if known is None:
            self.run(queries.insert_definition, {**named, "digest": digest, "canonical": rules.canonical})
            known = next(self.select(queries.definition_digest, named))
        if known["digest"] != digest:
            raise StoreError(
                f"Version {version} of '{name}' was stored with other rules than this program has. "
                "Rules that change need a new version: nothing was written."
            )

    def due_cases(
        self, now: datetime, kinds: Collection[TimerKind], limit: int, *, since: datetime = ALWAYS
    ) -> list[tuple[int, Case]]:
        """Cases with a timer of these kinds that is due, kept from other workers; each once."""
        values = {
            "since": since,
            "now": now,
            "any_kind": len(kinds) > 1,
            "kind": str(next(iter(kinds))),
            "limit": limit,
        }
        found = self.select(queries.due_cases, values)
        return list({row["id"]: (row["id"], rows.case_of(row)) for row in found}.values())

    def cases_due_by(self, moment: datetime) -> Iterator[tuple[int, Case]]:
        """The cases with a timer that falls due until this moment, in the order they were opened."""
        last = 0
        while page := list(self.select(queries.cases_due_by, {"moment": moment, "after": last, "most": _PAGE})):
            for row in page:
                yield row["id"], rows.case_of(row)
            last = page[-1]["id"]

    def rewrite_timers(self, works: Sequence[Work]) -> None:
        """Replace timers that stand in the table by those that follow from their cases."""
        self._write_timers(works)

    def _fill_recipients(self, works: Sequence[Work]) -> None:
        changed = [work for work in works if work.before is not None and work.before.facts != work.case.facts]
        found: list[dict[str, Any]] = []
        for work in changed:
            domain, before = work.rules.definition.domain, work.before
            for role in domain.languages:
                address = domain.recipient(role, work.case.facts)
                if before and address and address != domain.recipient(role, before.facts):
                    found.append({"case": work.case_id, "to_role": role, "address": address})
        self.run_many(queries.fill_recipient, found)

    # -- running statements ------------------------------------------------------------------------------------------

    def select(self, query: Query, values: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The rows of a query."""
        return self._prepared(query).rows(self.run(query, values))

    def run(self, query: Query, values: dict[str, Any]) -> Any:
        """Run a statement; its cursor."""
        statement = self._prepared(query)
        return self.execute(statement.sql, statement.bind(values))

    def run_many(self, query: Query, values: Sequence[dict[str, Any]]) -> int:
        """Run a statement for many rows at once; how many rows it touched (SQLite; PostgreSQL answers later)."""
        if not values:
            return 0
        statement = self._prepared(query)
        if self._failpoint:
            self._failpoint(statement.sql)
        cursor = self._connection.cursor()
        statement.run_many(cursor, values)
        return int(cursor.rowcount)

    def read(self, core: Executable) -> Iterator[dict[str, Any]]:
        """The rows of a query that is built anew each time, its values inside."""
        statement = self.statement(core)
        return statement.rows(self.execute(statement.sql, statement.bind({})))

    def statement(self, core: Executable) -> Statement:
        """A query that is built anew each time, ready for this database."""
        return Statement(core, self._dialect)

    def change(self, core: Executable, returning: Any = None) -> bool:
        """Run an insert or update that is built anew each time; with `returning`, whether it touched a row."""
        if returning is None:
            statement = Statement(core, self._dialect)
            self.execute(statement.sql, statement.bind({}))
            return True
        return any(True for _ in self.read(core.returning(returning)))  # type: ignore[attr-defined]

    def execute(self, sql: str, values: dict[str, Any] | Sequence[Any] | None = None) -> Any:
        """Run SQL as the driver takes it; its cursor."""
        if self._failpoint:
            self._failpoint(sql)
        cursor = self._connection.cursor()
        cursor.execute(sql, values) if values else cursor.execute(sql)
        return cursor

    def schema_version(self) -> str | None:
        """The migration the database is at; None when it was never migrated."""
        if self.is_sqlite:
            there = "SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'"
        else:
            there = (
                "SELECT count(*) FROM pg_tables WHERE tablename = 'alembic_version' AND schemaname = current_schema()"
            )
        if not self.execute(there).fetchone()[0]:
            return None
        found = self.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(found[0]) if found else None

    def last_event_at(self) -> datetime | None:
        """When the newest event happened; None in an empty database."""
        row = next(self.read(select(events.c.at).order_by(events.c.id.desc()).limit(1)), None)
        return row["at"] if row else None

    def _prepared(self, query: Query) -> Statement:
        return prepared(query, self._dialect)


def is_useful(key: Key) -> bool:
    """A key that asks for another detail says nothing while its own is unknown."""
    return bool(key.detail) or not key.differing


def _look_up(case_id: int, key: Key, most: int) -> dict[str, Any]:
    return {
        "most": most,
        "kind": key.kind,
        "value": key.value,
        "detail": key.detail,
        "case_id": case_id,
        "any_detail": not key.differing,
    }
