"""Single moves, one transaction each, against the same rows written by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from states import EMPLOYER_COUPLING
from tests.benchmarks import byhand, employers
from tests.benchmarks.byhand import Hand
from tests.benchmarks.crowd import Crowd
from tests.benchmarks.databases import Place
from tests.benchmarks.rounds import Contestant, Line, Samples, fastest, speed, take_turns
from tests.benchmarks.sameness import differences
from tests.benchmarks.written import Rehearsed, Writer, Writes
from workflow import Engine, Origin, open_database
from workflow.clock import SetClock

OPENED = datetime(2026, 4, 20, 8, 0, tzinfo=UTC)
MOVED = datetime(2026, 4, 22, 9, 30, 0, 123456, tzinfo=UTC)
ORIGIN = Origin("anna", "anna-os", "python")
REASON = "Alles is gezien op de dag zelf."
"""Given with a single move, so that it holds a personal value to commit to."""

T = TypeVar("T")
Turn = Callable[[Engine, Iterator[Sequence[str]]], Contestant]
"""Makes the engine do a chunk of cases a turn."""
Ways = dict[str, Callable[[str, Writes], Hand]]
BY_HAND: dict[str, Ways] = {
    "SQLite": {"by hand": byhand.Sqlite},
    "PostgreSQL": {
        "by hand, plain": byhand.Plain,
        "by hand, pipeline": byhand.Pipelined,
        "by hand, FOR UPDATE + CTE": byhand.OneStatement,
        "by hand, CTE, no lock": byhand.Unlocked,
    },
}
AIMS = {"SQLite": "≥ 0.6", "PostgreSQL": "≥ 0.5"}


def run(
    place: Place, *, rounds: int = 200, moves: int = 15, crowds: int = 20, crowd: int = 8, each: int = 25
) -> list[Line]:
    """`register` on complete cases that were opened before: five tables written, two letters, one personal value.

    On PostgreSQL also by a crowd at once: `crowds` rounds in which everybody moves `each` cases of his own.
    """
    samples = sample(place, rounds=rounds, moves=moves)
    hands = tuple(name for name in samples if name != "engine")
    best = fastest(samples, hands)
    lines = [
        speed(samples, "engine", name, what="single moves", aim=AIMS[place.name] if name == best else "")
        for name in hands
    ]
    if place.name == "PostgreSQL":
        lines.append(_at_once(place, rounds=min(rounds, crowds), crowd=crowd, each=each))
    return lines


def sample(place: Place, *, rounds: int, moves: int) -> Samples:
    """Seconds a move, per way and round."""
    template = open_cases(place, (rounds + 1) * moves)
    return compare(place, template, writer_for(place, template), engine_turn, rounds=rounds, moves=moves)


def compare(place: Place, template: str, writer: Writes, turn: Turn, *, rounds: int, moves: int) -> Samples:
    """Seconds a unit by the engine and by each way by hand, on copies of a database; checks that all wrote the same."""
    url = place.copy(template)
    engine = engine_on(url)
    hands: dict[str, tuple[Hand, str]] = {}
    for name, make in BY_HAND[place.name].items():
        copied = place.copy(template)
        hands[name] = (make(copied, writer), copied)
    references = references_of(engine)
    contestants: dict[str, Contestant] = {"engine": turn(engine, chunks(references, moves))}
    for name, (hand, _) in hands.items():
        contestants[name] = _hand_turn(hand, chunks(references, moves))
    samples = take_turns(contestants, rounds)
    engine.database.dispose()
    for name, (hand, copied) in hands.items():
        hand.close()
        _check(name, url, copied)
    return samples


def _at_once(place: Place, *, rounds: int, crowd: int, each: int) -> Line:
    """The same moves by as many processes, each with a connection and cases of its own."""
    template = open_cases(place, (rounds + 1) * crowd * each)
    writer = writer_for(place, template)
    ours, theirs = place.copy(template), place.copy(template)
    references = references_at(ours)
    parts = [references[number::crowd] for number in range(crowd)]
    name = "by hand, CTE, no lock"
    with (
        Crowd([partial(_begin_engine, ours, part, each) for part in parts]) as engines,
        Crowd([partial(_begin_hand, theirs, writer, part, each) for part in parts]) as hands,
    ):
        samples = take_turns({"engine": engines.turn, name: hands.turn}, rounds)
    _check(name, ours, theirs)
    told = {8: "eight"}.get(crowd, str(crowd))
    return speed(samples, "engine", name, what=f"single moves, {told} connections", aim=AIMS[place.name])


def _begin_engine(url: str, references: Sequence[str], each: int) -> Contestant:
    engine = engine_on(url)
    engine.case(references[0])
    return engine_turn(engine, chunks(references, each))


def _begin_hand(url: str, writer: Writer, references: Sequence[str], each: int) -> Contestant:
    return _hand_turn(byhand.Unlocked(url, writer), chunks(references, each))


def _check(name: str, ours: str, theirs: str) -> None:
    if found := differences(ours, theirs):
        raise AssertionError(f"{name} does not write what the engine writes: {'; '.join(found[:5])}")


def open_cases(place: Place, amount: int) -> str:
    """The URL of a database with so many complete cases, none of them registered."""
    url = place.create()
    engine = engine_on(url, OPENED)
    for result in engine.import_rows(employers.rows(0, amount)):
        assert result.result == "accept", result
    engine.database.dispose()
    return url


def rehearse(url: str, reason: str | None) -> Rehearsed:
    """Move one case, and look what that wrote; without a `reason` by the batch path."""
    engine = engine_on(url)
    reference = references_of(engine)[0]
    if reason is None:
        list(engine.import_rows(employers.rows(0, 1), advance=True, origin=ORIGIN))
    else:
        engine.advance(reference, "register", reason=reason)
    with engine.database.reading() as store:
        case = store.execute("SELECT id, state, progress FROM cases WHERE seq > 1").fetchone()
        timer = store.execute("SELECT rung FROM timers WHERE case_id = " + str(case[0])).fetchone()
        letters = store.execute(
            "SELECT letter, role, language, recipient, context FROM outbox WHERE seq > 1 ORDER BY id"
        ).fetchall()
        said = json.loads(bytes(store.execute("SELECT canonical FROM events WHERE seq > 1").fetchone()[0]))
    due = engine.case(reference).due_at
    assert due is not None
    engine.database.dispose()
    told = tuple((str(a), str(b), str(c), d, str(e)) for a, b, c, d, e in letters)
    return Rehearsed(reference, case[1], MOVED, due, timer[0], case[2], said["body"], said["definition"], told)


def writer_for(place: Place, template: str) -> Writer:
    """What writes a single move by hand in copies of this database."""
    return Writer(rehearse(place.copy(template), REASON), ORIGIN, REASON, is_text=place.name == "SQLite")


def engine_on(url: str, moment: datetime = MOVED) -> Engine:
    """An engine whose clock stands still, so that both ways write the same moments."""
    return Engine(open_database(url), EMPLOYER_COUPLING, clock=SetClock(moment), origin=ORIGIN)


def references_of(engine: Engine) -> list[str]:
    """Every case, in the order it was opened."""
    with engine.database.reading() as store:
        return [row[0] for row in store.execute("SELECT reference FROM cases ORDER BY id").fetchall()]


def references_at(url: str) -> list[str]:
    """The same of a database that nobody has open."""
    engine = engine_on(url)
    found = references_of(engine)
    engine.database.dispose()
    return found


def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The items, so many at a time."""
    return (items[start : start + size] for start in range(0, len(items), size))


def engine_turn(engine: Engine, turns: Iterator[Sequence[str]]) -> Contestant:
    """A turn of single moves by the engine."""

    def turn() -> int:
        references = next(turns)
        for reference in references:
            engine.advance(reference, "register", reason=REASON)
        return len(references)

    return turn


def _hand_turn(hand: Hand, turns: Iterator[Sequence[str]]) -> Contestant:
    def move_each(tasks: list[tuple[str, tuple[str, ...]]]) -> None:
        for task in tasks:
            hand.move(*task)

    return hand_turn((hand.writer.prepare(references) for references in turns), move_each)


def hand_turn(
    prepared: Iterator[list[tuple[str, tuple[str, ...]]]], write: Callable[[list[tuple[str, tuple[str, ...]]]], object]
) -> Contestant:
    """A turn by hand: what the letters say is made once beforehand for all turns."""
    ready = iter(list(prepared))

    def turn() -> int:
        tasks = next(ready)
        write(tasks)
        return len(tasks)

    return turn
