"""What a row to import costs as a database fills: its first thousand, its last, among 100,000 cases; and the memory."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from itertools import islice
from pathlib import Path
from time import perf_counter

from tests.benchmarks import employers
from tests.benchmarks.databases import Files, Place
from tests.benchmarks.memory import peak
from tests.benchmarks.moves import engine_on, open_cases
from tests.benchmarks.rounds import Contestant, Line, cost, line, take_turns
from workflow import Engine

AIM = "≤ 1.3"


def run(
    place: Place, *, rounds: int = 20, rows: int = 10_000, part: int = 1000, cases: int = 100_000, runs: int = 5
) -> list[Line]:
    """`part` rows at the beginning and the end of `rows`; and `part` rows a round beside none and beside `cases`."""
    ends = [_first_and_last(place, rows, part) for _ in range(runs)]
    full = engine_on(open_cases(place, cases))
    empty = engine_on(place.create())
    few = max(part // 5, 1)
    many, none = "a row beside many cases", "a row in an empty database"
    samples = take_turns(
        {
            many: _import(full, cases, few),
            none: _import(empty, 0, few),
        },
        rounds,
    )
    for engine in (full, empty):
        engine.database.dispose()
    shown = " : ".join(f"{sum(end[which] for end in ends) / runs / part * 1000:.2f} ms" for which in (1, 0))
    ratios = [last / first for first, last in ends]
    lines = [
        line(f"last {part:,} of {rows:,} rows", f"first {part:,}", ratios, aim=AIM, remark=shown),
        cost(samples, many, none, aim=AIM, what=f"a row beside {cases:,} cases"),
    ]
    if isinstance(place, Files):
        lines.append(_memory(rows, part))
    return lines


def _import(engine: Engine, offset: int, rows: int) -> Contestant:
    firsts = iter(range(offset, 10**9, rows))

    def turn() -> int:
        for result in engine.import_rows(employers.rows(next(firsts), rows), advance=True):
            assert result.state == "registered", result
        return rows

    return turn


def _first_and_last(place: Place, rows: int, part: int) -> tuple[float, float]:
    """Seconds that the first and the last rows of one import took."""
    engine = engine_on(place.create())
    results = engine.import_rows(list(employers.rows(0, rows)), advance=True)
    seconds = []
    for size in (part, rows - 2 * part, part):
        start = perf_counter()
        assert sum(result.state == "registered" for result in islice(results, size)) == size
        seconds.append(perf_counter() - start)
    engine.database.dispose()
    return seconds[0], seconds[2]


def _memory(rows: int, part: int) -> Line:
    """How much higher the memory of a process of its own peaked after all rows than after the first."""
    with tempfile.TemporaryDirectory() as folder:
        url = Files(Path(folder)).create()
        command = [sys.executable, "-P", "-m", "tests.benchmarks.growth", url, str(rows), str(part)]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    first, last = json.loads(told)
    remark = f"{last / 1024:.0f} MB : {first / 1024:.0f} MB"
    return line(f"peak memory after {rows:,} rows", f"after {part:,}", [last / first], aim="≤ 1.1", remark=remark)


def _peaks(url: str, rows: int, part: int) -> tuple[int, int]:
    engine = engine_on(url)
    results = engine.import_rows(employers.rows(0, rows), advance=True)
    peaks = []
    for size in (part, rows - part):
        assert sum(1 for _ in islice(results, size)) == size
        peaks.append(peak())
    engine.database.dispose()
    return peaks[0], peaks[1]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_peaks(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
