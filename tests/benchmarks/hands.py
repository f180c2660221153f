"""Many hands on one database: writers that move cases, workers that share letters and reminders, all at once.

Rates are told against those of one writer or one worker in the same run; waits for a lock of a row are counted.
"""

from __future__ import annotations

import multiprocessing
import statistics
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from time import perf_counter
from typing import Any, NamedTuple

import psycopg

from notifications.delivery import Delivery
from notifications.smtp_url import Server
from tests.benchmarks import sink
from tests.benchmarks.databases import Place
from tests.benchmarks.delivery import DESK
from tests.benchmarks.moves import MOVED, ORIGIN, engine_on, open_cases, references_of
from tests.benchmarks.rounds import Line, collect_as_commands_do, line
from workflow import reminders

WRITERS, WORKERS = (1, 2, 4, 8), (1, 2, 4)
WARMING_UP = 10
"""Moves by each writer before all of them begin."""
PATIENCE = 0.250
"""Seconds within which 99 of 100 commands are to be done on SQLite, among eight writers and a worker."""
LATE = MOVED + timedelta(days=61)
"""When reminders of every registered case are due, on a working day."""
Act = Callable[..., list[float]]
"""Opens the database, waits for the common start, does its part, and tells how many seconds each unit took."""


class Together(NamedTuple):
    """What hands did: units a second, seconds each took, and what waited for a lock when somebody looked."""

    rate: float
    took: list[float]
    waits: list[str]


def run(place: Place, *, rounds: int = 5, moves: int = 200, sending: int = 600, most: int = 8) -> list[Line]:
    """`moves` by each writer; `sending` cases whose letters and reminders the workers share; `most` hands at once."""
    if place.name == "SQLite":
        return [_latency(place, rounds, moves, most)]
    writers, workers = ([size for size in sizes if size <= most] for sizes in (WRITERS, WORKERS))
    return [
        *_against_one(partial(_moving, place, moves), "moves", "writers", writers, rounds),
        *_against_one(partial(_sharing, place, sending, deliver), "letters", "workers", workers, rounds),
        *_against_one(partial(_sharing, place, sending, remind), "reminders", "workers", workers, rounds),
    ]


def together(url: str, acts: Sequence[Act], *, look_every: float = 0.01) -> Together:
    """Each act in a process of its own, all beginning at once; every so many seconds somebody looks who waits."""
    processes = multiprocessing.get_context("spawn")
    barrier, told = processes.Barrier(len(acts)), processes.Queue()
    started = [processes.Process(target=_act, args=(act, url, barrier, told)) for act in acts]
    with _watching(url, look_every) as waits:
        for process in started:
            process.start()
        answers = [told.get(timeout=600) for _ in started]
        for process in started:
            process.join()
    begin, end = min(answer[0] for answer in answers), max(answer[1] for answer in answers)
    took = [seconds for answer in answers for seconds in answer[2]]
    return Together(len(took) / (end - begin), took, waits)


def move(references: Sequence[str], url: str, barrier: Any) -> list[float]:
    """Register these cases one by one, the first ones to warm up; seconds each took, its waiting included."""
    engine = engine_on(url)
    for reference in references[:WARMING_UP]:  # statements are compiled and prepared, the server's caches filled
        engine.advance(reference, "register")
    barrier.wait()
    took = []
    for reference in references[WARMING_UP:]:
        start = perf_counter()
        engine.advance(reference, "register")
        took.append(perf_counter() - start)
    engine.database.dispose()
    return took


def remind(_port: int, url: str, barrier: Any) -> list[float]:
    """Fire what is due, as a worker does."""
    engine = engine_on(url, LATE)
    barrier.wait()
    fired = reminders.run_once(engine.database, engine.rules, LATE, ORIGIN)
    engine.database.dispose()
    return [0.0] * (fired.reminders + fired.escalations)


def deliver(port: int, url: str, barrier: Any) -> list[float]:
    """Send what is due, as a worker does."""
    engine = engine_on(url)
    server = Server(sink.HOST, port, "none", hello_name="bench.example.org")
    worker = Delivery(engine.database, engine.rules, engine.clock, ORIGIN, DESK, server)
    barrier.wait()
    sent = worker.run_once().sent
    engine.database.dispose()
    return [0.0] * sent


def _act(act: Callable[..., list[float]], url: str, barrier: Any, told: Any) -> None:
    collect_as_commands_do()
    start = perf_counter()
    took = act(url, _Starting(barrier, began := []))
    told.put((began[0] if began else start, perf_counter(), took))


class _Starting:
    """The common start, and when it was."""

    def __init__(self, barrier: Any, began: list[float]) -> None:
        self._barrier, self._began = barrier, began

    def wait(self) -> None:
        self._barrier.wait()
        self._began.append(perf_counter())


def _moving(place: Place, moves: int, hands: int) -> Together:
    url = open_cases(place, (moves + WARMING_UP) * hands)
    references = _references(url)
    return together(url, [partial(move, references[number::hands]) for number in range(hands)])


def _sharing(place: Place, cases: int, act: Callable[..., list[float]], hands: int) -> Together:
    url = open_cases(place, cases)
    _register(url)
    with sink.running("a bare sink") as port:
        return together(url, [partial(act, port)] * hands)


def _latency(place: Place, rounds: int, moves: int, hands: int) -> Line:
    found = []
    for _ in range(rounds):
        url = open_cases(place, (moves + WARMING_UP) * hands)
        references = _references(url)
        writers = [partial(move, references[number::hands]) for number in range(hands)]
        with sink.running("a bare sink") as port:
            found.append(together(url, [*writers, partial(_keep_delivering, port)]).took)
    took = sorted(seconds for one in found for seconds in one if seconds)
    p50, p99 = took[len(took) // 2], took[int(len(took) * 0.99)]
    ratios = [sorted(filter(None, one))[int(len(list(filter(None, one))) * 0.99)] / PATIENCE for one in found]
    remark = f"p50 {p50 * 1000:.1f} ms, p99 {p99 * 1000:.0f} ms, longest {took[-1] * 1000:.0f} ms"
    return line(f"a move among {hands} writers and a worker, p99", "250 ms", ratios, aim="≤ 1.0", remark=remark)


def _keep_delivering(port: int, url: str, barrier: Any) -> list[float]:
    """A worker's passes, one after another, as long as there were letters in the last ones."""
    engine = engine_on(url)
    server = Server(sink.HOST, port, "none", hello_name="bench.example.org")
    worker = Delivery(engine.database, engine.rules, engine.clock, ORIGIN, DESK, server)
    barrier.wait()
    idle, pause = 0, threading.Event()
    while idle < 20:
        idle = 0 if worker.run_once().sent else idle + 1
        pause.wait(0.05)
    engine.database.dispose()
    return []


def _against_one(
    work: Callable[[int], Together], what: str, who: str, sizes: Sequence[int], rounds: int
) -> Iterator[Line]:
    samples = [{size: work(size) for size in sizes} for _ in range(rounds)]
    for size in sizes[1:]:
        ratios = [sample[size].rate / sample[1].rate for sample in samples]
        rates = [statistics.median(sample[number].rate for sample in samples) for number in (size, 1)]
        waits = [wait for sample in samples for wait in sample[size].waits]
        remark = f"{rates[0]:,.0f}/s : {rates[1]:,.0f}/s, {len(waits)} waits for locks {sorted(set(waits)) or ''}"
        yield line(f"{what}, {size} {who}", f"one of the {who}", ratios, remark=remark.rstrip())


@contextmanager
def _watching(url: str, every: float) -> Iterator[list[str]]:
    """Kinds of locks that sessions on this database were seen waiting for; a file being made longer is none of ours."""
    seen: list[str] = []
    if not url.startswith("postgresql"):
        yield seen
        return
    done = threading.Event()

    def look() -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            while not done.wait(every):
                rows = connection.execute(
                    "SELECT wait_event FROM pg_stat_activity WHERE datname = current_database() "
                    "AND wait_event_type = 'Lock' AND wait_event <> 'extend'"
                ).fetchall()
                seen.extend(str(row[0]) for row in rows)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join()


def _references(url: str) -> list[str]:
    engine = engine_on(url)
    found = references_of(engine)
    engine.database.dispose()
    return found


def _register(url: str) -> None:
    engine = engine_on(url)
    for reference in references_of(engine):
        engine.advance(reference, "register")
    engine.database.dispose()
