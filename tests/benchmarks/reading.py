"""What commands that only read ask of the engine, against bare SELECTs of the same rows and their JSON, by hand."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import cycle, islice
from typing import Any, NamedTuple, Protocol

import orjson
import psycopg

from states import EMPLOYER_COUPLING
from tests.benchmarks import employers
from tests.benchmarks.byhand import to_psycopg
from tests.benchmarks.databases import Place, sqlite_path
from tests.benchmarks.moves import MOVED, engine_on, open_cases
from tests.benchmarks.rounds import Contestant, Line, speed, take_turns
from workflow import Engine
from workflow.answers import View
from workflow.clock import format_time
from workflow.encoding import read_json
from workflow.storage import tables

NOW = MOVED + timedelta(days=60)
"""When every case is overdue."""
LISTED = 100
"""The limit of each list."""
_COLUMNS = tuple(tables.cases.c.keys())
_FACTS, _PROGRESS, _REFERENCE = (_COLUMNS.index(name) for name in ("facts", "progress", "reference"))
_CASES = f"SELECT {', '.join(_COLUMNS)} FROM cases"
CASE = f"{_CASES} WHERE reference = :reference"
STAYS = (
    "SELECT e.seq, e.canonical, e.hash FROM events AS e JOIN cases AS c ON c.id = e.case_id "
    "WHERE c.reference = :reference AND e.kind IN ('opened', 'moved', 'held', 'resumed') ORDER BY e.seq"
)
OLDER = (
    "SELECT c.reference FROM cases AS c JOIN case_keys AS k ON k.case_id = c.id "
    "WHERE k.kind = :kind AND k.value = :value AND c.ended_at IS NULL "
    "AND k.case_id < (SELECT id FROM cases WHERE reference = :reference)"
)
_NEXT = " ORDER BY k.case_id LIMIT 1"
DIFFERING = f"{OLDER} AND k.detail <> '' AND k.detail <> :detail{_NEXT}"
ANY = f"{OLDER}{_NEXT}"
FOUND = (
    "reference LIKE '%' || :shouted || '%' OR lower(external_reference) LIKE '%' || :folded || '%' OR EXISTS "
    "(SELECT 1 FROM case_keys AS k WHERE k.case_id = cases.id AND k.kind = 'name' AND k.value LIKE '%' || :folded || "
    "'%')"
)
_TEXT = "7 B.V."
"""What is searched for: it stands in the name of every tenth employer."""

Query = tuple[str, dict[str, Any]]


class Reader(Protocol):
    """Runs queries that see one moment."""

    def read(self, *queries: Query) -> list[list[Any]]:
        """The rows of each."""

    def close(self) -> None:
        """Close the connection."""


class Sqlite:
    """sqlite3 with one connection, whose statements stay prepared."""

    def __init__(self, url: str) -> None:
        self._connection = sqlite3.connect(sqlite_path(url), isolation_level=None)

    def read(self, *queries: Query) -> list[list[Any]]:
        """The rows of each."""
        run = self._connection.execute
        if len(queries) == 1:
            return [run(*queries[0]).fetchall()]
        run("BEGIN")
        found = [run(*query).fetchall() for query in queries]
        run("COMMIT")
        return found

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class Server:
    """psycopg with one connection; several queries are one round trip."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True, options="-c TimeZone=UTC")
        self._told: dict[str, str] = {}

    def read(self, *queries: Query) -> list[list[Any]]:
        """The rows of each."""
        run = self._connection.execute
        if len(queries) == 1:
            return [run(*self._tell(queries[0])).fetchall()]
        with self._connection.pipeline():
            run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursors = [run(*self._tell(query)) for query in queries]
            run("COMMIT")
        return [cursor.fetchall() for cursor in cursors]

    def _tell(self, query: Query) -> tuple[Any, dict[str, Any]]:
        sql, values = query
        if sql not in self._told:
            self._told[sql] = to_psycopg(sql.replace("%", "%%"))
        return self._told[sql], values

    def close(self) -> None:
        """Close the connection."""
        with suppress(psycopg.Error):
            self._connection.close()


READERS: Mapping[str, Callable[[str], Reader]] = {"SQLite": Sqlite, "PostgreSQL": Server}


class Asked(NamedTuple):
    """A case to read, with the keys that other cases may share, found out beforehand."""

    reference: str
    keys: tuple[Query, ...]


class Read(NamedTuple):
    """A case as it was read by hand."""

    row: Sequence[Any]
    facts: Any
    progress: Any
    others: list[Any]
    stays: list[Any]


class Listing(NamedTuple):
    """A list: what it is called, what the engine is asked, and what is selected by hand."""

    name: str
    options: dict[str, Any]
    chosen: str
    values: dict[str, Any]


def run(place: Place, *, rounds: int = 40, cases: int = 2_000, asked: int = 50) -> list[Line]:
    """`asked` cases a turn, and five lists of 100, among `cases` cases of which half moved once."""
    url = open_cases(place, cases)
    engine = engine_on(url)
    for result in engine.import_rows(employers.rows(0, cases // 2), advance=True):
        assert result.state == "registered", result
    engine.database.dispose()
    engine, reader = engine_on(url, NOW), READERS[place.name](url)
    known = _known(engine)
    _check(engine, reader, known)
    lines = [
        _of_cases("why", engine.why, lambda one: _why(reader, one), known, rounds, asked),
        _of_cases("show", engine.case, lambda one: _show(reader, one), known, rounds, asked),
        *(_of_list(engine, reader, listing, rounds) for listing in _listings(place)),
    ]
    reader.close()
    engine.database.dispose()
    return lines


def _of_cases(
    what: str,
    ask: Callable[[str], object],
    look: Callable[[Asked], object],
    known: Sequence[Asked],
    rounds: int,
    asked: int,
) -> Line:
    def turns(do: Callable[[Asked], object]) -> Contestant:
        following = cycle(known)

        def turn() -> int:
            for one in islice(following, asked):
                do(one)
            return asked

        return turn

    samples = take_turns({"engine": turns(lambda one: ask(one.reference)), "by hand": turns(look)}, rounds)
    return speed(samples, "engine", "by hand", what=what)


def _of_list(engine: Engine, reader: Reader, listing: Listing, rounds: int) -> Line:
    names = [found.case for found in engine.cases(**listing.options, limit=LISTED)]
    assert names, listing.name
    assert names == [row[_REFERENCE] for row, _, _ in _list(reader, listing)], listing.name

    def ask() -> int:
        return sum(len(list(engine.cases(**listing.options, limit=LISTED))) > 0 for _ in range(5))

    def look() -> int:
        return sum(len(_list(reader, listing)) > 0 for _ in range(5))

    samples = take_turns({"engine": ask, "by hand": look}, rounds)
    return speed(samples, "engine", "by hand", what=f"{listing.name} --limit {LISTED}")


def _listings(place: Place) -> Iterator[Listing]:
    now = format_time(NOW) if place.name == "SQLite" else NOW
    said = {"shouted": _TEXT.upper(), "folded": _TEXT.casefold()}
    both = {"state": "registered", "holder": "asr"}
    yield Listing("list", {}, "ORDER BY id", {})
    yield Listing("list --state --holder", both, "WHERE state = :state ORDER BY id", {"state": "registered"})
    yield Listing("list --overdue", {"overdue": True}, "WHERE due_at <= :now ORDER BY due_at, id", {"now": now})
    yield Listing("list --search", {"search": _TEXT}, f"WHERE {FOUND} ORDER BY id", said)


def _list(reader: Reader, listing: Listing) -> list[tuple[Sequence[Any], Any, Any]]:
    """The rows of a list, each with its JSON."""
    (rows,) = reader.read((f"{_CASES} {listing.chosen} LIMIT {LISTED}", listing.values))
    return [(row, read_json(row[_FACTS]), read_json(row[_PROGRESS])) for row in rows]


def _why(reader: Reader, asked: Asked) -> Read:
    """What a verdict is made from: the case, and older ones that share a key."""
    (row,), *others = reader.read((CASE, {"reference": asked.reference}), *asked.keys)
    return Read(row, read_json(row[_FACTS]), read_json(row[_PROGRESS]), [one for found in others for one in found], [])


def _show(reader: Reader, asked: Asked) -> Read:
    """The same, and the events that say where the case was."""
    named = {"reference": asked.reference}
    (row,), stays, *others = reader.read((CASE, named), (STAYS, named), *asked.keys)
    return Read(
        row,
        read_json(row[_FACTS]),
        read_json(row[_PROGRESS]),
        [one for found in others for one in found],
        [orjson.loads(canonical) for _, canonical, _ in stays],
    )


def _known(engine: Engine) -> list[Asked]:
    """Every case of the database; one that moved and one that did not in turn."""
    with engine.database.reading() as store:
        rows = store.execute("SELECT reference, facts FROM cases ORDER BY id").fetchall()
    half = len(rows) // 2
    mixed = [row for pair in zip(rows[:half], rows[half:], strict=False) for row in pair]
    return [Asked(reference, tuple(_keys(reference, read_json(facts)))) for reference, facts in mixed]


def _keys(reference: str, facts: Any) -> Iterator[Query]:
    for key in EMPLOYER_COUPLING.domain.keys(facts):
        values = {"reference": reference, "kind": key.kind, "value": key.value, "detail": key.detail}
        yield DIFFERING if key.differing else ANY, values


def _check(engine: Engine, reader: Reader, known: Sequence[Asked]) -> None:
    """What is read by hand is what the engine answers from."""
    for one in known[:10]:
        view, read = engine.case(one.reference), _show(reader, one)
        assert (view.case.facts, view.case.rung) == (read.facts, read.progress["rung"]), one
        assert len(read.stays) == _stays(view), one
        assert _why(reader, one) == read._replace(stays=[]), one
        assert not read.others, one


def _stays(view: View) -> int:
    return 1 + (view.case.state == "registered")
