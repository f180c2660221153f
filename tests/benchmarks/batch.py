"""Many moves a transaction: the import's way, against single moves and against a hundred written by hand at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from tests.benchmarks import byhand, employers
from tests.benchmarks.byhand import Hand
from tests.benchmarks.databases import Place
from tests.benchmarks.moves import (
    ORIGIN,
    chunks,
    engine_on,
    engine_turn,
    hand_turn,
    open_cases,
    references_of,
    rehearse,
)
from tests.benchmarks.rounds import Contestant, Line, speed, take_turns
from tests.benchmarks.sameness import differences
from tests.benchmarks.written import Writer, Writes
from workflow import Engine
from workflow.answers import Row

PER_TRANSACTION = 100
BY_HAND: dict[str, Callable[[str, Writes], Hand]] = {"SQLite": byhand.Sqlite, "PostgreSQL": byhand.Plain}


def run(place: Place, *, rounds: int = 30, rows: int = 400, moves: int = 40) -> list[Line]:
    """Import `rows` with --advance each round; three ways, and single moves to set them against."""
    amount = (rounds + 1) * rows
    template = open_cases(place, amount)
    rehearsed = rehearse(place.copy(template), None)
    writer = Writer(rehearsed, replace(ORIGIN, via="import"), None, is_text=place.name == "SQLite")
    single, again, fresh = engine_on(place.copy(template)), engine_on(place.copy(template)), engine_on(place.create())
    copied = place.copy(template)
    hand = BY_HAND[place.name](copied, writer)
    references = references_of(single)
    file = list(chunks(list(employers.rows(0, amount)), rows))
    samples = take_turns(
        {
            "single moves": engine_turn(single, chunks(references, moves)),
            "bulk moves": _import(again, file),
            "new rows, opened and moved": _import(fresh, file),
            "by hand, 100 a transaction": hand_turn(
                (writer.prepare(chunk) for chunk in chunks(references, rows)),
                lambda tasks: [hand.move_many(part) for part in _parts(tasks)],
            ),
        },
        rounds,
    )
    url = again.database.url.render_as_string(hide_password=False)
    for engine in (single, again, fresh):
        engine.database.dispose()
    hand.close()
    if found := differences(url.replace("+psycopg", ""), copied):
        raise AssertionError(f"by hand does not write what a batch writes: {'; '.join(found[:5])}")
    return [
        speed(samples, "bulk moves", "single moves", aim="≥ 3"),
        speed(samples, "bulk moves", "by hand, 100 a transaction", aim="≥ 0.4"),
        speed(samples, "new rows, opened and moved", "single moves"),
        speed(samples, "new rows, opened and moved", "by hand, 100 a transaction"),
    ]


def _import(engine: Engine, file: Sequence[Sequence[Row]]) -> Contestant:
    """The next rows of the file with --advance; cases that are open already are found complete, and moved."""
    parts = iter(file)

    def turn() -> int:
        part = next(parts)
        for result in engine.import_rows(part, advance=True, origin=ORIGIN):
            assert result.state == "registered", result
        return len(part)

    return turn


def _parts(tasks: list[tuple[str, tuple[str, ...]]]) -> list[list[tuple[str, tuple[str, ...]]]]:
    return [tasks[start : start + PER_TRANSACTION] for start in range(0, len(tasks), PER_TRANSACTION)]
